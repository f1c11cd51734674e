// SPDX-License-Identifier: Apache-2.0
/*
 * From order of arrival to lists: numbers slots, packs codes, writes int8 rows list by list. Works
 * on one range of lists at a time, so that a range which was spilled is arranged like a whole
 * column.
 */
#include "index/build_internal.h"
#include "index/build_spill.h"
#include "vecstore/base/crc32c.h"
#include "vecstore/base/pool.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define WRITE_BYTES ((size_t)16 << 20) // of int8 rows gathered between two writes

// One range while it is arranged. Indexes are relative to its first list and its first slot.
struct range {
    struct vs_build *build;
    struct vs_build_column *column;
    const struct vs_build_set *set;
    uint32_t first_list, end_list;
    uint32_t first_slot;
    uint32_t *from;               // [slots]: which vector of the set gets the slot
    uint64_t *second_order;       // [seconds]: slot << 32 | index in the set, by list, then slot
    uint32_t *second_first;       // [lists + 1]
    uint8_t *sections;            // of the range
    uint64_t sections_at;         // where they start in the blob
    uint8_t *rows;                // gathered
    uint32_t rows_list, rows_end; // lists that are gathered
};

// ---- numbering ----

// Slots, entries and places of all lists, from the counts.
static enum vs_status number_lists(struct vs_build_column *column, struct vs_error *err)
{
    uint32_t m = column->codebook->m, slot = 0;
    uint64_t offset = VS_SECTION_HEADER_SIZE, entries = 0;
    for (uint32_t l = 0; l < column->codebook->list_count; l++) {
        struct vs_list_record *record = &column->records[l];
        record->entry_count = record->slot_count + column->second_counts[l];
        record->first_slot = slot;
        record->offset = offset;
        offset += vs_align64(vs_list_bytes(record->entry_count, m));
        slot += record->slot_count;
        entries += record->entry_count;
    }
    column->sections_length = offset;
    column->entry_count = entries;
    if (entries > UINT32_MAX - 1) {
        return vs_fail(err, VS_LIMIT,
                       "a segment holds at most %u entries; index fewer data files at a time or "
                       "without second assignment",
                       UINT32_MAX - 1);
    }
    return VS_OK;
}

static void sort_firsts(struct range *range)
{
    const struct vs_build_set *set = range->set;
    struct vs_list_record *records = range->column->records;
    for (uint32_t l = range->first_list; l < range->end_list; l++) {
        records[l].slot_count = 0; // counted again below
    }
    for (size_t i = 0; i < set->count; i++) {
        struct vs_list_record *record = &records[set->list_of[i]];
        range->from[record->first_slot - range->first_slot + record->slot_count++] = (uint32_t)i;
    }
}

static int compare_orders(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

// By list; the lists themselves are sorted when their sections are made.
static void sort_seconds(struct range *range)
{
    const struct vs_build_set *set = range->set;
    uint32_t lists = range->end_list - range->first_list, *first = range->second_first;
    memset(first, 0, ((size_t)lists + 1) * sizeof *first);
    for (size_t i = 0; i < set->second_count; i++) {
        first[set->seconds[i].list - range->first_list + 1]++;
    }
    for (uint32_t l = 0; l < lists; l++) {
        first[l + 1] += first[l];
    }
    for (size_t i = 0; i < set->second_count; i++) {
        const struct vs_build_second *second = &set->seconds[i];
        uint32_t slot = range->column->records[second->primary].first_slot + second->rank;
        range->second_order[first[second->list - range->first_list]++] = (uint64_t)slot << 32 | i;
    }
    for (uint32_t l = lists; l > 0; l--) { // each has moved to the end of its list
        first[l] = first[l - 1];
    }
    first[0] = 0;
}

// ---- sections ----

static void pack_codes(const struct range *range,
                       const struct vs_list_record *record,
                       const uint64_t *seconds,
                       uint8_t *block)
{
    const struct vs_build_set *set = range->set;
    size_t m = range->column->codebook->m, code_bytes = m / 2;
    const uint32_t *members = range->from + (record->first_slot - range->first_slot);
    for (uint32_t first = 0; first < record->entry_count; first += VS_BLOCK_LANES) {
        const uint8_t *codes[VS_BLOCK_LANES];
        uint32_t left = record->entry_count - first;
        uint32_t count = left < VS_BLOCK_LANES ? left : VS_BLOCK_LANES;
        for (uint32_t v = 0; v < count; v++) {
            uint32_t i = first + v;
            codes[v] = i < record->slot_count
                           ? set->codes + (size_t)members[i] * code_bytes
                           : set->second_codes +
                                 (size_t)(uint32_t)seconds[i - record->slot_count] * code_bytes;
        }
        vs_pq_pack_block(codes, count, m, block);
        block += 16 * m;
    }
}

#define TASK_LISTS 64

// First-assignment entries, then second ones, each by ascending slot.
static enum vs_status make_sections(void *ctx, size_t task, struct vs_error *err)
{
    (void)err;
    const struct range *range = ctx;
    struct vs_build_column *column = range->column;
    uint32_t m = column->codebook->m, first = range->first_list + (uint32_t)task * TASK_LISTS;
    uint32_t end = first + TASK_LISTS < range->end_list ? first + TASK_LISTS : range->end_list;
    for (uint32_t l = first; l < end; l++) {
        struct vs_list_record *record = &column->records[l];
        const uint32_t *bounds = range->second_first + (l - range->first_list);
        uint64_t *seconds = range->second_order + bounds[0];
        size_t second_count = bounds[1] - bounds[0];
        uint8_t *section = range->sections + (record->offset - range->sections_at);
        size_t bytes = (size_t)vs_list_bytes(record->entry_count, m);
        uint8_t *slots = section + (size_t)vs_list_blocks(record->entry_count) * 16 * m;
        memset(section, 0, (size_t)vs_align64(bytes));
        if (second_count > 1) {
            qsort(seconds, second_count, sizeof *seconds, compare_orders);
        }
        pack_codes(range, record, seconds, section);
        for (uint32_t i = 0; i < record->entry_count; i++) {
            uint32_t slot = i < record->slot_count
                                ? record->first_slot + i
                                : (uint32_t)(seconds[i - record->slot_count] >> 32);
            memcpy(slots + 4 * (size_t)i, &slot, 4);
        }
        record->list_crc = vs_crc32c(0, section, bytes);
        vs_list_layout_put(&column->layout, l, record->entry_count, section);
    }
    return VS_OK;
}

// ---- rows ----

static enum vs_status gather_list(void *ctx, size_t task, struct vs_error *err)
{
    (void)err;
    const struct range *range = ctx;
    struct vs_build_column *column = range->column;
    const struct vs_build_set *set = range->set;
    size_t stride = column->stride;
    uint32_t first = range->rows_list + (uint32_t)task * TASK_LISTS;
    uint32_t end = first + TASK_LISTS < range->rows_end ? first + TASK_LISTS : range->rows_end;
    uint32_t start = column->records[range->rows_list].first_slot;
    for (uint32_t l = first; l < end; l++) {
        struct vs_list_record *record = &column->records[l];
        const uint32_t *members = range->from + (record->first_slot - range->first_slot);
        uint8_t *rows = range->rows + (size_t)(record->first_slot - start) * stride;
        struct vs_row_fact *facts = column->facts + record->first_slot;
        for (uint32_t i = 0; i < record->slot_count; i++) {
            memcpy(rows + i * stride, set->values + members[i] * stride, stride);
            facts[i] = set->facts[members[i]];
        }
        record->rows_crc = vs_crc32c(0, rows, record->slot_count * stride);
        record->facts_crc = vs_crc32c(0, facts, record->slot_count * sizeof *facts);
    }
    return VS_OK;
}

// Lists from `first` on whose rows fit into the buffer: at least one.
static uint32_t lists_at_once(const struct range *range, uint32_t first)
{
    const struct vs_list_record *records = range->column->records;
    size_t bytes = 0, stride = range->column->stride;
    uint32_t l = first;
    while (l < range->end_list &&
           (l == first || bytes + records[l].slot_count * stride <= WRITE_BYTES)) {
        bytes += records[l].slot_count * stride;
        l++;
    }
    return l;
}

static enum vs_status write_rows(struct range *range, struct vs_error *err)
{
    struct vs_build *build = range->build;
    const struct vs_list_record *records = range->column->records;
    for (uint32_t l = range->first_list; l < range->end_list; l = range->rows_end) {
        range->rows_list = l;
        range->rows_end = lists_at_once(range, l);
        size_t slots = 0;
        for (uint32_t i = l; i < range->rows_end; i++) {
            slots += records[i].slot_count;
        }
        VS_TRY(vs_op_check(build->env, build->params->op, err));
        VS_TRY(vs_pool_run(build->env, build->thread_count,
                           (range->rows_end - l + TASK_LISTS - 1) / TASK_LISTS, gather_list, range,
                           err));
        VS_TRY(
            vs_index_blob_write(&build->writer, range->rows, slots * range->column->stride, err));
        vs_op_progress(build->params->op, "arranging", range->rows_end,
                       range->column->codebook->list_count, "lists");
    }
    return VS_OK;
}

static size_t longest_list(const struct range *range)
{
    uint32_t most = 0;
    for (uint32_t l = range->first_list; l < range->end_list; l++) {
        uint32_t own = range->column->records[l].slot_count;
        most = own > most ? own : most;
    }
    return most;
}

static enum vs_status make_range(struct range *range, size_t section_bytes, struct vs_error *err)
{
    const struct vs_env *env = range->build->env;
    size_t longest = longest_list(range) * range->column->stride;
    range->from = vs_alloc(env, range->set->count * sizeof(uint32_t) + 4);
    range->second_order = vs_alloc(env, range->set->second_count * sizeof(uint64_t) + 8);
    range->second_first =
        vs_alloc_zeroed(env, (size_t)(range->end_list - range->first_list) + 1, sizeof(uint32_t));
    range->sections = vs_alloc_aligned(env, section_bytes);
    range->rows = vs_alloc_aligned(env, longest > WRITE_BYTES ? longest : WRITE_BYTES);
    bool made = range->from != NULL && range->second_order != NULL && range->second_first != NULL &&
                range->sections != NULL && range->rows != NULL;
    return made ? VS_OK : vs_build_no_memory(range->column, err);
}

// Sections start with the header of the blob where the range does.
static enum vs_status arrange(struct range *range, struct vs_error *err)
{
    struct vs_build_column *column = range->column;
    sort_firsts(range);
    sort_seconds(range);
    if (range->sections_at == 0) {
        struct vs_section_header header = {
            .length = column->sections_length,
            .values = {(uint32_t)column->entry_count, column->codebook->m}};
        vs_section_header_encode(VS_SECTION_LISTS, &header, range->sections);
    }
    VS_TRY(vs_pool_run(range->build->env, range->build->thread_count,
                       (range->end_list - range->first_list + TASK_LISTS - 1) / TASK_LISTS,
                       make_sections, range, err));
    return write_rows(range, err);
}

static enum vs_status put_range(struct vs_build *build,
                                struct vs_build_column *column,
                                const struct vs_build_set *set,
                                uint32_t first_list,
                                uint32_t end_list,
                                struct vs_error *err)
{
    const struct vs_list_record *records = column->records;
    uint64_t start = first_list > 0 ? records[first_list].offset : 0;
    uint64_t end = end_list < column->codebook->list_count ? records[end_list].offset
                                                           : column->sections_length;
    struct range range = {.build = build,
                          .column = column,
                          .set = set,
                          .first_list = first_list,
                          .end_list = end_list,
                          .first_slot = records[first_list].first_slot,
                          .sections_at = start};
    enum vs_status status = make_range(&range, (size_t)(end - start), err);
    if (status == VS_OK) {
        status = arrange(&range, err);
    }
    if (status == VS_OK && column->spill != NULL) {
        status = vs_build_spill_sections(column->spill, range.sections, (size_t)(end - start), err);
    } else if (status == VS_OK) {
        column->sections = range.sections;
        range.sections = NULL;
    }
    vs_free(build->env, range.from);
    vs_free(build->env, range.second_order);
    vs_free(build->env, range.second_first);
    vs_free_aligned(build->env, range.sections);
    vs_free_aligned(build->env, range.rows);
    return status;
}

// Loads and arranges as many lists at a time as memory allows.
static enum vs_status put_spilled(struct vs_build *build,
                                  struct vs_build_column *column,
                                  struct vs_error *err)
{
    uint32_t lists = column->codebook->list_count;
    for (uint32_t first = 0, end = 0; first < lists; first = end) {
        struct vs_build_set set = {.count = 0};
        enum vs_status status = vs_build_spill_load(build, column, first, &end, &set, err);
        if (status == VS_OK) {
            status = put_range(build, column, &set, first, end, err);
        }
        vs_build_set_clear(build->env, &set);
        VS_TRY(status);
    }
    return vs_build_spill_map(column->spill, column->sections_length, &column->sections, err);
}

// ---- all of a column ----

static enum vs_status begin_rows(struct vs_build *build,
                                 struct vs_build_column *column,
                                 struct vs_error *err)
{
    uint32_t slots = (uint32_t)column->encoded, dim = column->spec->dim;
    struct vs_section_header header = {.length = vs_rows_blob_length(slots, dim),
                                       .values = {slots, dim, (uint32_t)vs_align64(dim)}};
    uint8_t bytes[VS_SECTION_HEADER_SIZE];
    vs_section_header_encode(VS_SECTION_ROWS, &header, bytes);
    VS_TRY(vs_index_blob_begin(&build->writer, VS_BLOB_ROWS, 0, column->field->id, err));
    return vs_index_blob_write(&build->writer, bytes, sizeof bytes, err);
}

enum vs_status vs_build_put_rows(struct vs_build *build,
                                 struct vs_build_column *column,
                                 struct vs_error *err)
{
    const struct vs_env *env = build->env;
    if (column->encoded != column->vector_count) {
        return vs_fail(err, VS_INVALID, "column '%.*s' has fewer vectors when it is read again",
                       VS_STR_ARG(column->field->name));
    }
    int64_t start = vs_monotonic_ns(env);
    uint32_t lists = column->codebook->list_count;
    vs_build_chunk_free(env, column);
    VS_TRY(number_lists(column, err));
    VS_TRY(vs_list_layout_make(env, column->records, lists, column->codebook->m, &column->layout,
                               err));
    column->facts = vs_alloc_aligned(env, column->encoded * sizeof *column->facts + 64);
    if (column->facts == NULL) {
        return vs_build_no_memory(column, err);
    }
    VS_TRY(begin_rows(build, column, err));
    VS_TRY(column->spill != NULL ? put_spilled(build, column, err)
                                 : put_range(build, column, &column->set, 0, lists, err));
    vs_build_set_clear(env, &column->set);
    VS_TRY(vs_index_blob_write(&build->writer, column->facts,
                               column->encoded * sizeof *column->facts, err));
    VS_TRY(vs_index_blob_end(&build->writer, err));
    column->lists = (struct vs_lists){.codebook = column->codebook,
                                      .entry_count = (uint32_t)column->entry_count,
                                      .slot_count = (uint32_t)column->encoded,
                                      .repeated = column->entry_count > column->encoded,
                                      .row_count = build->row_count,
                                      .stride = column->stride,
                                      .records = column->records,
                                      .layout = &column->layout,
                                      .facts = column->facts};
    build->arrange_ns += vs_monotonic_ns(env) - start;
    return VS_OK;
}

enum vs_status vs_build_put_lists(struct vs_build *build,
                                  struct vs_build_column *column,
                                  struct vs_error *err)
{
    return vs_index_blob_put(&build->writer, VS_BLOB_LISTS, 0, column->field->id, column->sections,
                             (size_t)column->sections_length, err);
}

enum vs_status vs_build_put_hot(struct vs_build *build,
                                struct vs_build_column *column,
                                struct vs_error *err)
{
    const struct vs_codebook *codebook = column->codebook;
    size_t directory_bytes = (size_t)codebook->list_count * VS_LIST_RECORD_SIZE;
    uint8_t *bytes = vs_alloc(build->env, VS_SECTION_HEADER_SIZE + directory_bytes);
    if (bytes == NULL) {
        return vs_build_no_memory(column, err);
    }
    for (uint32_t l = 0; l < codebook->list_count; l++) {
        vs_list_record_encode(&column->records[l],
                              bytes + VS_SECTION_HEADER_SIZE + (size_t)l * VS_LIST_RECORD_SIZE);
    }
    struct vs_hot_facts facts = {codebook->list_count, codebook->m, (uint32_t)column->entry_count,
                                 (uint32_t)column->encoded,
                                 column->lists.repeated ? VS_HOT_REPEATED_SLOTS : 0};
    vs_hot_header_encode(&facts, bytes + VS_SECTION_HEADER_SIZE, bytes);
    enum vs_status status = vs_index_blob_put(&build->writer, VS_BLOB_HOT, 0, column->field->id,
                                              bytes, VS_SECTION_HEADER_SIZE + directory_bytes, err);
    vs_free(build->env, bytes);
    return status;
}
