// SPDX-License-Identifier: Apache-2.0
/*
 * Private to index/: constants of the payload blob (docs/format/index-v1-blobs.md section 3).
 */
#ifndef VS_INDEX_PAYLOAD_INTERNAL_H
#define VS_INDEX_PAYLOAD_INTERNAL_H

#include <stdint.h>

#define VS_PAYLOAD_MAGIC "VSPD"
#define VS_PAYLOAD_TRAILER_MAGIC "VSPT"
#define VS_PAYLOAD_HEAD_LEN 24
#define VS_PAYLOAD_FIELD_LEN 8
#define VS_PAYLOAD_BLOCK_LEN 24
#define VS_PAYLOAD_TRAILER_LEN 16
#define VS_PAYLOAD_FIELDS_MAX 4096
#define VS_PAYLOAD_RAW_MAX (1u << 30)
#define VS_PAYLOAD_NO_ELEMENT 255

struct vs_payload_block {
    uint64_t offset;
    uint32_t stored_len, raw_len, first_row, crc;
};

#endif
