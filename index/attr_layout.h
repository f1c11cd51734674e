// SPDX-License-Identifier: Apache-2.0
/*
 * Private to index/: header and sections of an attr part (docs/format/index-v1-blobs.md section 2).
 */
#ifndef VS_INDEX_ATTR_LAYOUT_H
#define VS_INDEX_ATTR_LAYOUT_H

#include "vecstore/format/column.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#    error "attr parts are copied as they lie in memory: little-endian hosts only"
#endif

#define VS_ATTR_HEADER_LEN 64
#define VS_ATTR_MAGIC "VSAT"
#define VS_ATTR_NO_ELEMENT 255
#define VS_ATTR_HAS_VALID 1
#define VS_ATTR_HAS_ELEMENT_VALID 2

struct vs_attr_part {
    uint8_t kind, element_kind, flags, precision, scale;
    uint8_t code_width; // 0: plain
    uint64_t row_count, entry_count, data_len;
    // Places of the sections, from the start of the part; equal to the next where absent.
    uint64_t valid_at, offsets_at, codes_at, element_valid_at, entry_offsets_at, values_at, data_at,
        total_len;
};

static inline bool vs_attr_is_text(unsigned kind)
{
    return kind == VS_KIND_STRING || kind == VS_KIND_BINARY;
}

// Fills the places from kinds, flags and counts. Counts are below 2^32, so nothing overflows.
void vs_attr_place_sections(struct vs_attr_part *part);
// Appends one part; without a dictionary when allow_dictionary is false.
enum vs_status vs_attr_encode_part(const struct vs_column *column,
                                   const struct vs_field *field,
                                   bool allow_dictionary,
                                   struct vs_buf *out,
                                   struct vs_error *err);

#endif
