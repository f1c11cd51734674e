// SPDX-License-Identifier: Apache-2.0
/*
 * Avro object container files: a reader that decodes records generically, and a writer for records
 * encoded by hand.
 *
 * Reads codecs null, deflate, snappy and zstandard; writes deflate. Header keys are free, as
 * Iceberg needs them. Every count is checked against the bytes that are left before memory is taken
 * for it; values are nested at most 2 * VS_AVRO_MAX_DEPTH deep. Ownership: a file borrows the bytes
 * and owns the values of the current record; a writer borrows its output buffer. Threads: single
 * owner. Spec: Apache Avro 1.11, "Object Container Files".
 */
#ifndef VS_FORMAT_AVRO_FILE_H
#define VS_FORMAT_AVRO_FILE_H

#include "vecstore/base/buf.h"
#include "vecstore/format/avro_schema.h"

struct vs_avro_value {
    const struct vs_avro_node *node; // never a union: the branch that was written
    size_t count;                    // RECORD: fields; ARRAY: items; MAP: pairs

    union {
        uint64_t bits;               // FLOAT (low 32), DOUBLE: IEEE bits
        int64_t integer;             // BOOLEAN, INT, LONG, ENUM (ordinal)
        struct vs_str bytes;         // BYTES, STRING, FIXED
        struct vs_avro_value *items; // RECORD, ARRAY; MAP: key, value, key, value
    } as;
};

struct vs_avro_file;

// VS_CORRUPT or VS_UNSUPPORTED (codec, encryption) name the file by `what`.
enum vs_status vs_avro_file_open(const struct vs_env *env,
                                 struct vs_str bytes,
                                 const char *what,
                                 struct vs_avro_file **file_out,
                                 struct vs_error *err);
void vs_avro_file_close(struct vs_avro_file *file); // accepts NULL
const struct vs_avro_node *vs_avro_file_schema(const struct vs_avro_file *file);
struct vs_str vs_avro_file_header(const struct vs_avro_file *file,
                                  const char *key); // ptr == NULL: absent
size_t vs_avro_file_header_count(const struct vs_avro_file *file);
struct vs_str vs_avro_file_header_key(const struct vs_avro_file *file, size_t index);
// Record fields with these ids (anywhere in the schema) are passed over: each reads as the encoded
// bytes of its value, node->type VS_AVRO_BYTES, or as null. For large parts of records of which
// little is needed. The ids are borrowed until close.
void vs_avro_file_keep_raw(struct vs_avro_file *file, const int32_t *field_ids, size_t count);
// The next record, valid until the next call; NULL at the end of the file.
enum vs_status vs_avro_file_next(struct vs_avro_file *file,
                                 const struct vs_avro_value **record_out,
                                 struct vs_error *err);

// The field of a record by its field-id, or by name where the record's schema has no ids at all;
// NULL when absent or null.
const struct vs_avro_value *vs_avro_field(const struct vs_avro_value *record,
                                          int32_t field_id,
                                          const char *name);
// Reads of one value; false when it is NULL or of another type.
bool vs_avro_to_i64(const struct vs_avro_value *value, int64_t *out); // INT, LONG
bool vs_avro_to_bytes(const struct vs_avro_value *value,
                      struct vs_str *out); // BYTES, STRING, FIXED

// ---- writer ----
// A header key with a seal over the whole file (vecstore/base/seal.h): the codecs that Iceberg's
// writers use have no checksum. Files that have it are verified when they are opened.
#define VS_AVRO_SEAL_KEY "vecstore.crc32c"

struct vs_avro_header {
    const char *key;
    struct vs_str value;
};

struct vs_avro_writer {
    struct vs_buf *out;
    struct vs_buf block; // records of the current block: append encoded values here
    uint64_t record_count;
    size_t start, seal_at; // of the file in out; of the seal in the file
    uint8_t sync[16];
};

// Starts a file in `out` with avro.schema, avro.codec = deflate, a seal and the given header. Clear
// the writer in every case.
enum vs_status vs_avro_writer_init(struct vs_avro_writer *writer,
                                   struct vs_buf *out,
                                   struct vs_str schema_json,
                                   const struct vs_avro_header *header,
                                   size_t header_count,
                                   struct vs_error *err);
enum vs_status vs_avro_writer_end_record(struct vs_avro_writer *writer, struct vs_error *err);
enum vs_status vs_avro_writer_finish(struct vs_avro_writer *writer, struct vs_error *err);
void vs_avro_writer_clear(struct vs_avro_writer *writer);

enum vs_status vs_avro_put_long(struct vs_buf *out,
                                int64_t value,
                                struct vs_error *err); // int, long, branch, count
enum vs_status vs_avro_put_bytes(struct vs_buf *out,
                                 struct vs_str bytes,
                                 struct vs_error *err); // bytes, string

#endif
