// SPDX-License-Identifier: Apache-2.0
/*
 * Puffin files: a container of blobs with a JSON footer (Iceberg's puffin-spec.md; layout in
 * iceberg.md 3.1).
 *
 * Ownership: writer borrows the object writer; reader owns its arena, borrows nothing after open.
 * Threads: reader immutable; writer single owner.
 */
#ifndef VS_FORMAT_PUFFIN_H
#define VS_FORMAT_PUFFIN_H

#include "vecstore/base/arena.h"
#include "vecstore/base/io.h"

struct vs_puffin_property {
    struct vs_str key, value;
};

struct vs_puffin_blob {
    struct vs_str type;
    size_t field_count;
    int32_t *fields;
    int64_t snapshot_id, sequence_number;
    uint64_t offset, length;
    struct vs_str codec; // "", "zstd" or "lz4"
    size_t property_count;
    struct vs_puffin_property *properties;
};

struct vs_puffin {
    struct vs_arena arena;
    size_t blob_count;
    struct vs_puffin_blob *blobs;
    size_t property_count;
    struct vs_puffin_property *properties;
    uint64_t footer_size; // payload + 16, as table metadata's file-footer-size-in-bytes
};

// Reads and checks the footer: magics, sizes, flags (a compressed footer is UNSUPPORTED), every
// blob inside the file and not overlapping the footer.
enum vs_status vs_puffin_read(const struct vs_env *env,
                              struct vs_file *file,
                              struct vs_puffin *puffin_out,
                              struct vs_error *err);
// The same for bytes in memory (the whole file).
enum vs_status vs_puffin_parse(const struct vs_env *env,
                               struct vs_str bytes,
                               const char *what,
                               struct vs_puffin *puffin_out,
                               struct vs_error *err);
void vs_puffin_clear(struct vs_puffin *puffin);

struct vs_puffin_writer;
enum vs_status vs_puffin_writer_open(const struct vs_env *env,
                                     struct vs_writer *out,
                                     struct vs_puffin_writer **writer_out,
                                     struct vs_error *err);
// Starts a blob at the next multiple of `align` (a power of two; gaps are zero bytes). The fields
// of *blob but offset and length are copied.
enum vs_status vs_puffin_writer_begin(struct vs_puffin_writer *writer,
                                      const struct vs_puffin_blob *blob,
                                      size_t align,
                                      struct vs_error *err);
enum vs_status vs_puffin_writer_write(struct vs_puffin_writer *writer,
                                      const void *bytes,
                                      size_t n,
                                      struct vs_error *err);
// The same for a range of a file, unread where the storage can copy it (vs_writer_copy).
enum vs_status vs_puffin_writer_copy(struct vs_puffin_writer *writer,
                                     struct vs_file *file,
                                     uint64_t offset,
                                     uint64_t length,
                                     struct vs_copied *copied,
                                     struct vs_error *err);
enum vs_status vs_puffin_writer_end(struct vs_puffin_writer *writer,
                                    uint64_t *offset_out,
                                    uint64_t *length_out,
                                    struct vs_error *err); // outs may be NULL
// Writes the footer with created-by and the given file properties; does not finish the object
// writer.
enum vs_status vs_puffin_writer_finish(struct vs_puffin_writer *writer,
                                       const struct vs_puffin_property *properties,
                                       size_t property_count,
                                       uint64_t *file_size_out,
                                       uint64_t *footer_size_out,
                                       struct vs_error *err);
void vs_puffin_writer_free(struct vs_puffin_writer *writer);

#endif
