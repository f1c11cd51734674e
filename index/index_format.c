// SPDX-License-Identifier: Apache-2.0
#include "index/index_format.h"

#include "vecstore/base/bytes.h"
#include "vecstore/base/checked.h"
#include "vecstore/base/crc32c.h"

#include <inttypes.h>
#include <math.h>

static const char magics[7][9] = {"VSHOT\0\0\0", "VSLISTS\0", "VSROWS\0\0", "VSVECS\0\0",
                                  "VSMOVED\0",   "VSCANARY",  "VSVEC16\0"};

_Static_assert(sizeof(struct vs_row_fact) == VS_ROW_FACT_SIZE, "row facts are used in place");

bool vs_vectors_layout(uint64_t row_count,
                       uint32_t dim,
                       uint32_t width,
                       struct vs_vectors_layout *layout_out)
{
    if (row_count > VS_INDEX_MAX_ROWS || dim == 0 || dim > VS_INDEX_MAX_DIM) {
        return false;
    }
    // At most 2^31 * 2^14 * 4 = 2^47 bytes: no overflow below.
    layout_out->presence = vs_align64(VS_SECTION_HEADER_SIZE + row_count * dim * width);
    layout_out->row_crcs = layout_out->presence + vs_align64((row_count + 7) / 8);
    layout_out->crc = layout_out->row_crcs + row_count * 4;
    layout_out->length = layout_out->crc + 4;
    return true;
}

uint64_t vs_rows_blob_length(uint32_t slot_count, uint32_t dim)
{
    return VS_SECTION_HEADER_SIZE + (uint64_t)slot_count * (vs_align64(dim) + VS_ROW_FACT_SIZE);
}

void vs_section_header_encode(enum vs_section section,
                              const struct vs_section_header *header,
                              uint8_t bytes_out[VS_SECTION_HEADER_SIZE])
{
    memcpy(bytes_out, magics[section], 8);
    vs_store_u32le(bytes_out + 8, VS_INDEX_FORMAT_VERSION);
    vs_store_u32le(bytes_out + 12, VS_SECTION_HEADER_SIZE);
    vs_store_u64le(bytes_out + 16, header->length);
    for (size_t i = 0; i < 9; i++) {
        vs_store_u32le(bytes_out + 24 + 4 * i, header->values[i]);
    }
    vs_store_u32le(bytes_out + 60, vs_crc32c(0, bytes_out, 60));
}

enum vs_status vs_section_header_decode(enum vs_section section,
                                        const uint8_t bytes[VS_SECTION_HEADER_SIZE],
                                        uint64_t blob_length,
                                        const char *what,
                                        struct vs_section_header *header_out,
                                        struct vs_error *err)
{
    if (memcmp(bytes, magics[section], 8) != 0) {
        return vs_fail(err, VS_CORRUPT, "%s: section does not start with '%s'", what,
                       magics[section]);
    }
    if (vs_load_u32le(bytes + 60) != vs_crc32c(0, bytes, 60)) {
        return vs_fail(err, VS_CORRUPT, "%s: checksum of the %s header is wrong", what,
                       magics[section]);
    }
    uint32_t version = vs_load_u32le(bytes + 8);
    if (version != VS_INDEX_FORMAT_VERSION) {
        return vs_fail(err, VS_UNSUPPORTED,
                       "%s: %s section has version %" PRIu32 "; this program reads version 1", what,
                       magics[section], version);
    }
    if (vs_load_u32le(bytes + 12) != VS_SECTION_HEADER_SIZE) {
        return vs_fail(err, VS_CORRUPT, "%s: %s header is not %d bytes long", what, magics[section],
                       VS_SECTION_HEADER_SIZE);
    }
    struct vs_section_header header = {.length = vs_load_u64le(bytes + 16)};
    if (header.length != blob_length) {
        return vs_fail(err, VS_CORRUPT,
                       "%s: %s section says %" PRIu64 " bytes, its blob has %" PRIu64, what,
                       magics[section], header.length, blob_length);
    }
    for (size_t i = 0; i < 9; i++) {
        header.values[i] = vs_load_u32le(bytes + 24 + 4 * i);
    }
    *header_out = header;
    return VS_OK;
}

void vs_list_record_encode(const struct vs_list_record *record,
                           uint8_t bytes_out[VS_LIST_RECORD_SIZE])
{
    memset(bytes_out, 0, VS_LIST_RECORD_SIZE);
    vs_store_u64le(bytes_out, record->offset);
    vs_store_u32le(bytes_out + 8, record->entry_count);
    vs_store_u32le(bytes_out + 12, record->list_crc);
    vs_store_u32le(bytes_out + 16, record->first_slot);
    vs_store_u32le(bytes_out + 20, record->slot_count);
    vs_store_u32le(bytes_out + 24, record->rows_crc);
    vs_store_u32le(bytes_out + 28, record->facts_crc);
    vs_store_f32le(bytes_out + 32, record->radius);
}

static void decode_record(const uint8_t *bytes, struct vs_list_record *record)
{
    record->offset = vs_load_u64le(bytes);
    record->entry_count = vs_load_u32le(bytes + 8);
    record->list_crc = vs_load_u32le(bytes + 12);
    record->first_slot = vs_load_u32le(bytes + 16);
    record->slot_count = vs_load_u32le(bytes + 20);
    record->rows_crc = vs_load_u32le(bytes + 24);
    record->facts_crc = vs_load_u32le(bytes + 28);
    record->radius = vs_load_f32le(bytes + 32);
}

void vs_hot_header_encode(const struct vs_hot_facts *facts,
                          const uint8_t *directory,
                          uint8_t bytes_out[VS_SECTION_HEADER_SIZE])
{
    size_t directory_bytes = (size_t)facts->list_count * VS_LIST_RECORD_SIZE;
    struct vs_section_header header = {.length = VS_SECTION_HEADER_SIZE + directory_bytes};
    header.values[0] = facts->list_count;
    header.values[1] = facts->m;
    header.values[2] = facts->entry_count;
    header.values[3] = facts->slot_count;
    header.values[4] = facts->flags;
    header.values[5] = vs_crc32c(0, directory, directory_bytes);
    vs_section_header_encode(VS_SECTION_HOT, &header, bytes_out);
}

static enum vs_status check_hot_facts(const struct vs_hot_facts *facts,
                                      uint64_t length,
                                      const struct vs_hot_expect *expect,
                                      const char *what,
                                      struct vs_error *err)
{
    if (facts->list_count != expect->list_count || facts->m != expect->m) {
        return vs_fail(err, VS_CORRUPT,
                       "%s: directory has %" PRIu32 " lists and m = %" PRIu32
                       ", the codebook %" PRIu32 " and %" PRIu32,
                       what, facts->list_count, facts->m, expect->list_count, expect->m);
    }
    if (length != VS_SECTION_HEADER_SIZE + (uint64_t)facts->list_count * VS_LIST_RECORD_SIZE) {
        return vs_fail(err, VS_CORRUPT,
                       "%s: directory of %" PRIu32 " lists does not fit a blob of %" PRIu64
                       " bytes",
                       what, facts->list_count, length);
    }
    if ((facts->flags & ~VS_HOT_REPEATED_SLOTS) != 0) {
        return vs_fail(err, VS_UNSUPPORTED,
                       "%s: directory has flags 0x%" PRIx32 " that this program does not know",
                       what, facts->flags);
    }
    bool repeated = (facts->flags & VS_HOT_REPEATED_SLOTS) != 0;
    if (facts->slot_count > expect->row_count || facts->slot_count > facts->entry_count ||
        (!repeated && facts->slot_count != facts->entry_count) ||
        facts->entry_count == UINT32_MAX) {
        return vs_fail(err, VS_CORRUPT,
                       "%s: %" PRIu32 " entries and %" PRIu32
                       " slots do not fit a segment of %" PRIu64 " rows",
                       what, facts->entry_count, facts->slot_count, expect->row_count);
    }
    if (expect->rows_length != vs_rows_blob_length(facts->slot_count, expect->dim)) {
        return vs_fail(err, VS_CORRUPT,
                       "%s: %" PRIu32 " slots do not fit a rows blob of %" PRIu64 " bytes", what,
                       facts->slot_count, expect->rows_length);
    }
    return VS_OK;
}

enum vs_status vs_hot_decode(const uint8_t *bytes,
                             uint64_t length,
                             const struct vs_hot_expect *expect,
                             const char *what,
                             struct vs_hot_facts *facts_out,
                             struct vs_list_record *records,
                             struct vs_error *err)
{
    if (length < VS_SECTION_HEADER_SIZE) {
        return vs_fail(err, VS_CORRUPT, "%s: hot blob of %" PRIu64 " bytes has no header", what,
                       length);
    }
    struct vs_section_header header;
    VS_TRY(vs_section_header_decode(VS_SECTION_HOT, bytes, length, what, &header, err));
    struct vs_hot_facts facts = {header.values[0], header.values[1], header.values[2],
                                 header.values[3], header.values[4]};
    VS_TRY(check_hot_facts(&facts, length, expect, what, err));
    const uint8_t *directory = bytes + VS_SECTION_HEADER_SIZE;
    if (vs_crc32c(0, directory, (size_t)facts.list_count * VS_LIST_RECORD_SIZE) !=
        header.values[5]) {
        return vs_fail(err, VS_CORRUPT, "%s: checksum of the list directory is wrong", what);
    }
    uint64_t offset = VS_SECTION_HEADER_SIZE, entries = 0, slots = 0;
    for (uint32_t i = 0; i < facts.list_count; i++) {
        struct vs_list_record *record = &records[i];
        decode_record(directory + (size_t)i * VS_LIST_RECORD_SIZE, record);
        bool is_own = facts.slot_count == facts.entry_count; // all entries are a list's own rows
        if (record->offset != offset || record->first_slot != slots || !isfinite(record->radius) ||
            record->radius < 0.0F || record->slot_count > record->entry_count ||
            (is_own && record->slot_count != record->entry_count)) {
            return vs_fail(err, VS_CORRUPT,
                           "%s: list %" PRIu32 " does not follow the list before it", what, i);
        }
        offset += vs_align64(vs_list_bytes(record->entry_count, facts.m)); // at most 2^20 * 2^44
        entries += record->entry_count;
        slots += record->slot_count;
        if (offset > expect->lists_length || entries > facts.entry_count ||
            slots > facts.slot_count) {
            return vs_fail(err, VS_CORRUPT, "%s: list %" PRIu32 " ends behind its blob", what, i);
        }
    }
    if (offset != expect->lists_length || entries != facts.entry_count ||
        slots != facts.slot_count) {
        return vs_fail(err, VS_CORRUPT,
                       "%s: the lists add up to %" PRIu64 " entries in %" PRIu64
                       " bytes, not %" PRIu32 " in %" PRIu64,
                       what, entries, offset, facts.entry_count, expect->lists_length);
    }
    *facts_out = facts;
    return VS_OK;
}
