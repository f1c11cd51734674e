// SPDX-License-Identifier: Apache-2.0
/*
 * What the reader of Avro files (avro_file.c: header, codec, blocks) and the decoder of its values
 * (avro_value.c) share; included by these two only. Threads: a decoder is used by one at a time.
 */
#ifndef VS_FORMAT_AVRO_INTERNAL_H
#define VS_FORMAT_AVRO_INTERNAL_H

#include "vecstore/base/bytes.h"
#include "vecstore/format/avro_file.h"

#define VS_AVRO_MAX_EMPTY_ITEMS 65536 // items that take no bytes: nothing else bounds their count

// Of one record.
struct vs_avro_decoder {
    struct vs_reader *reader;
    struct vs_arena *arena; // the values live in it
    size_t empty_items;
    const int32_t *raw_ids; // fields whose bytes are kept as they are
    size_t raw_count;
};

// A length and as many bytes; borrowed from the reader.
enum vs_status vs_avro_read_bytes(struct vs_reader *r, struct vs_str *out, struct vs_error *err);
// Number of items of the next block of an array or map; 0 ends it.
enum vs_status vs_avro_read_count(struct vs_reader *r,
                                  size_t item_min_bytes,
                                  size_t *count_out,
                                  struct vs_error *err);
// depth: 0 for a record of the file.
enum vs_status vs_avro_decode(struct vs_avro_decoder *d,
                              const struct vs_avro_node *node,
                              unsigned depth,
                              struct vs_avro_value *out,
                              struct vs_error *err);

#endif
