// SPDX-License-Identifier: Apache-2.0
/*
 * Encoders of Parquet page bodies: the RLE/bit-packed hybrid, PLAIN, BYTE_STREAM_SPLIT, levels and
 * the string dictionary.
 *
 * Private to vecstore/format. Spec: apache/parquet-format Encodings.md. Ownership: encoders borrow
 * columns and output buffers. Threads: single owner each; they share only immutable columns.
 */
#ifndef VS_FORMAT_PARQUET_ENCODE_H
#define VS_FORMAT_PARQUET_ENCODE_H

#include "vecstore/format/column.h"

// RLE / bit-packing hybrid: runs of eight or more equal values are RLE, the rest is bit-packed in
// groups of eight.
struct vs_rle_encoder {
    struct vs_buf *out;
    unsigned bit_width;
    uint32_t run_value; // the run that is being collected
    uint64_t run_count;
    uint32_t group[8]; // literals not yet packed
    unsigned group_count;
    size_t header_at; // offset of the open bit-packed run's header byte
    unsigned groups;  // packed groups behind that header; 0: none open
};

void vs_rle_encoder_init(struct vs_rle_encoder *encoder, struct vs_buf *out, unsigned bit_width);
enum vs_status vs_rle_encoder_put(struct vs_rle_encoder *encoder,
                                  uint32_t value,
                                  uint64_t count,
                                  struct vs_error *err);
enum vs_status vs_rle_encoder_finish(struct vs_rle_encoder *encoder, struct vs_error *err);
unsigned vs_bit_width(uint32_t largest); // bits needed for values 0..largest

// Repetition and definition levels of rows [first, first + count), each with its 4-byte length, as
// data page v1 has them. *value_count_out: level entries (Parquet's num_values), *present_out:
// values that follow in the data section.
enum vs_status vs_levels_encode(const struct vs_column *column,
                                const struct vs_field *field,
                                size_t first,
                                size_t count,
                                struct vs_buf *out,
                                uint64_t *value_count_out,
                                struct vs_error *err);

// The present values of rows [first, first + count) of a leaf column. field gives precision and
// length of decimals.
enum vs_status vs_plain_encode(const struct vs_column *leaf,
                               const struct vs_field *field,
                               size_t first,
                               size_t count,
                               struct vs_buf *out,
                               struct vs_error *err);
// BYTE_STREAM_SPLIT of 4-byte values: four streams of *stream_len_out bytes.
enum vs_status vs_split_encode(const struct vs_column *leaf,
                               size_t first,
                               size_t count,
                               struct vs_buf *out,
                               size_t *stream_len_out,
                               struct vs_error *err);
size_t vs_decimal_byte_width(uint8_t precision); // bytes of the FIXED_LEN_BYTE_ARRAY form

// Dictionary of byte strings: insertion order is code order.
struct vs_string_dictionary {
    const struct vs_env *env;
    struct vs_buf bytes;   // PLAIN form: 4-byte length and bytes of each entry
    struct vs_buf offsets; // uint32 per entry: where its length stands in `bytes`
    uint32_t *slots;       // open addressing, code + 1; 0 is empty
    uint32_t *hashes;      // by slot
    size_t slot_count;     // a power of two
    uint32_t entry_count;
};

void vs_string_dictionary_init(struct vs_string_dictionary *dictionary, const struct vs_env *env);
void vs_string_dictionary_clear(struct vs_string_dictionary *dictionary);
enum vs_status vs_string_dictionary_put(struct vs_string_dictionary *dictionary,
                                        struct vs_str text,
                                        uint32_t *code_out,
                                        struct vs_error *err);
// Forgets the entries from entry_count on; no put may follow.
void vs_string_dictionary_truncate(struct vs_string_dictionary *dictionary, uint32_t entry_count);

#endif
