// SPDX-License-Identifier: Apache-2.0
/*
 * The binary sections of an index file: constants, headers and the list directory, as
 * docs/format/index-v1.md has them.
 *
 *   section header (64 bytes): magic[8] | version u32 | header length u32 | blob length u64 |
 * fields by section | CRC u32 at 60 hot      header, then 64 bytes per list (offset, entries, CRCs,
 * slots, radius) lists    header, then per list: codes in 32-entry blocks, slot references; padded
 * to 64 rows     header, int8 rows (stride = align64(dim)), 16 bytes of facts per slot (scale,
 * squared norm, row) vectors  header, f32 or binary16 rows, presence bits, CRC per row, CRC
 *
 * Encoders and decoders are pure. Little-endian hosts only (checked below): sections are used in
 * place.
 */
#ifndef VS_INDEX_INDEX_FORMAT_H
#define VS_INDEX_INDEX_FORMAT_H

#include "vecstore/base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#    error "the index is used in place and needs a little-endian host"
#endif

#define VS_BLOB_DESCRIPTOR "vecstore-descriptor-v1"
#define VS_BLOB_CODEBOOK "vecstore-codebook-v1"
#define VS_BLOB_HOT "vecstore-hot-v1"
#define VS_BLOB_LISTS "vecstore-lists-v1"
#define VS_BLOB_ROWS "vecstore-rows-v1"
#define VS_BLOB_VECTORS "vecstore-vectors-v1"
#define VS_BLOB_VECTORS16 "vecstore-vectors16-v1"
#define VS_BLOB_ATTRS "vecstore-attrs-v1"
#define VS_BLOB_PAYLOAD "vecstore-payload-v1"
#define VS_BLOB_IDS "vecstore-ids-v1"
#define VS_BLOB_MOVED "vecstore-moved-v1"
#define VS_BLOB_CANARY "vecstore-canary-v1"

#define VS_INDEX_FORMAT_NAME "vecstore-index"
#define VS_INDEX_FORMAT_VERSION 1 // of descriptors without moved files, and of every section
#define VS_INDEX_MOVED_VERSION 2  // of descriptors with moved files
#define VS_SECTION_HEADER_SIZE 64
#define VS_LIST_RECORD_SIZE 64
#define VS_ROW_FACT_SIZE 16
#define VS_BLOCK_LANES 32
#define VS_INDEX_ALIGN 64

#define VS_INDEX_MAX_DIM 16384
#define VS_INDEX_MAX_ROWS 0x7fffffffu
#define VS_INDEX_MAX_LISTS (1u << 20)
#define VS_INDEX_MAX_M 256
#define VS_INDEX_MAX_COLUMNS 64
#define VS_INDEX_MAX_SEGMENTS 1024
#define VS_INDEX_MAX_FILES (1u << 20)
#define VS_INDEX_MAX_RUNS (1u << 26)
#define VS_INDEX_MAX_FIELDS 4096
#define VS_INDEX_MAX_BLOBS 8192
#define VS_INDEX_MAX_DESCRIPTOR (256u << 20)

#define VS_HOT_REPEATED_SLOTS 1u // flag: a slot may have several entries

enum vs_section {
    VS_SECTION_HOT = 0,
    VS_SECTION_LISTS = 1,
    VS_SECTION_ROWS = 2,
    VS_SECTION_VECTORS = 3,
    VS_SECTION_MOVED = 4,
    VS_SECTION_CANARY = 5,
    VS_SECTION_VECTORS16 = 6
};

struct vs_section_header {
    uint64_t length;
    uint32_t values[9]; // u32 at 24, 28, … 56
};

// One list of the directory (64 bytes on disk).
struct vs_list_record {
    uint64_t offset; // in the lists blob
    uint32_t entry_count;
    uint32_t list_crc;
    uint32_t first_slot;
    uint32_t slot_count;
    uint32_t rows_crc;
    uint32_t facts_crc;
    float radius;
};

// Facts of one int8 row; used in place (section 5).
struct vs_row_fact {
    float scale;
    float norm; // squared length of the prepared vector
    uint32_t row;
    uint32_t reserved;
};

static inline uint64_t vs_align64(uint64_t x)
{
    return (x + 63) & ~(uint64_t)63;
}

static inline uint32_t vs_list_blocks(uint32_t entry_count)
{
    return (uint32_t)(((uint64_t)entry_count + VS_BLOCK_LANES - 1) / VS_BLOCK_LANES);
}

// Bytes of a list's section without padding.
static inline uint64_t vs_list_bytes(uint32_t entry_count, uint32_t m)
{
    return (uint64_t)vs_list_blocks(entry_count) * 16 * m + 4 * (uint64_t)entry_count;
}

// Where the tables after the vectors start, relative to the blob, and the length of the whole blob.
// False on overflow.
struct vs_vectors_layout {
    uint64_t presence, row_crcs, crc, length;
};

// width: bytes of a value, as vs_vectors_width says.
bool vs_vectors_layout(uint64_t row_count,
                       uint32_t dim,
                       uint32_t width,
                       struct vs_vectors_layout *layout_out);

static inline uint32_t vs_vectors_width(bool half)
{
    return half ? 2 : 4;
}

static inline const char *vs_vectors_blob(bool half)
{
    return half ? VS_BLOB_VECTORS16 : VS_BLOB_VECTORS;
}

static inline enum vs_section vs_vectors_section(bool half)
{
    return half ? VS_SECTION_VECTORS16 : VS_SECTION_VECTORS;
}

uint64_t vs_rows_blob_length(uint32_t slot_count,
                             uint32_t dim); // no overflow within the limits above

void vs_section_header_encode(enum vs_section section,
                              const struct vs_section_header *header,
                              uint8_t bytes_out[VS_SECTION_HEADER_SIZE]);
// Checks magic, version, header length, CRC and that the length is blob_length.
enum vs_status vs_section_header_decode(enum vs_section section,
                                        const uint8_t bytes[VS_SECTION_HEADER_SIZE],
                                        uint64_t blob_length,
                                        const char *what,
                                        struct vs_section_header *header_out,
                                        struct vs_error *err);

// What a directory must agree with.
struct vs_hot_expect {
    uint32_t list_count, m, dim;
    uint64_t row_count;
    uint64_t lists_length, rows_length; // of the blobs
};

struct vs_hot_facts {
    uint32_t list_count, m, entry_count, slot_count, flags;
};

void vs_list_record_encode(const struct vs_list_record *record,
                           uint8_t bytes_out[VS_LIST_RECORD_SIZE]);
// Header of a hot section from its facts and the encoded directory.
void vs_hot_header_encode(const struct vs_hot_facts *facts,
                          const uint8_t *directory,
                          uint8_t bytes_out[VS_SECTION_HEADER_SIZE]);
// Header and directory of a hot blob: counts, order, sums and sizes of the other blobs agree.
// records has room for expect->list_count.
enum vs_status vs_hot_decode(const uint8_t *bytes,
                             uint64_t length,
                             const struct vs_hot_expect *expect,
                             const char *what,
                             struct vs_hot_facts *facts_out,
                             struct vs_list_record *records,
                             struct vs_error *err);

#endif
