// SPDX-License-Identifier: Apache-2.0
/*
 * Lists of several segments put together: codes are packed anew into blocks, slots and rows
 * renumbered. Codes are not residuals of anything that a segment owns, so nothing is encoded again.
 */
#include "index/merge_internal.h"
#include "vecstore/base/bytes.h"
#include "vecstore/base/crc32c.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define DROPPED UINT32_MAX

// The lists of one part.
struct source_lists {
    const struct vs_merge_piece *piece;
    const struct vs_blob_entry *lists, *rows;
    struct vs_list_record *records;
    struct vs_hot_facts facts;
    uint32_t *new_slot; // [slot_count]
    struct vs_blob_stream stream;
};

struct entry {
    uint32_t slot;
    uint32_t at; // of its codes
};

struct join {
    struct vs_merge_job *job;
    struct vs_merge_target *target;
    const struct vs_index_column *column;
    struct vs_merged_lists *out;
    size_t source_count, stride;
    struct source_lists *sources;
    // one list
    struct entry *entries;
    uint8_t *codes; // [room][m / 2]
    uint8_t *section;
    size_t room, section_room, count;
};

static enum vs_status no_memory(const struct join *j, struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "out of memory for the lists of column '%.*s'",
                   VS_STR_ARG(j->column->name));
}

static enum vs_status bad_list(const struct source_lists *source,
                               uint32_t list,
                               const char *what,
                               struct vs_error *err)
{
    return vs_fail(err, VS_CORRUPT, "%s: %s of list %" PRIu32 " in segment %zu; rebuild the index",
                   vs_merge_name(source->piece), what, list, source->piece->segment);
}

// ---- directories of the parts ----

static enum vs_status read_directory(const struct join *j,
                                     struct source_lists *source,
                                     const struct vs_blob_entry *hot,
                                     struct vs_error *err)
{
    const struct vs_env *env = j->job->env;
    const struct vs_descriptor *d = vs_merge_descriptor(source->piece);
    struct vs_hot_expect expect = {
        j->column->list_count, j->column->m,
        j->column->dim,        d->info.segments[source->piece->segment].row_count,
        source->lists->length, source->rows->length};
    uint8_t *bytes = NULL;
    source->records = vs_alloc_zeroed(env, j->column->list_count, sizeof *source->records);
    if (source->records == NULL) {
        return no_memory(j, err);
    }
    VS_TRY(vs_index_blob_read(env, source->piece->file, hot, &bytes, err));
    enum vs_status status = vs_hot_decode(bytes, hot->length, &expect, vs_merge_name(source->piece),
                                          &source->facts, source->records, err);
    vs_free(env, bytes);
    return status;
}

static uint64_t facts_offset(const struct join *j, const struct source_lists *source)
{
    return source->rows->offset + VS_SECTION_HEADER_SIZE +
           (uint64_t)source->facts.slot_count * j->stride;
}

// Marks slots of dropped rows; the others get 0.
static enum vs_status mark_dropped(const struct join *j,
                                   struct source_lists *source,
                                   struct vs_error *err)
{
    const uint8_t *fact = NULL;
    if (source->piece->keeps_all) {
        return VS_OK;
    }
    vs_blob_stream_clear(&source->stream);
    VS_TRY(vs_blob_stream_open(&source->stream, j->job->env, source->piece->file,
                               facts_offset(j, source),
                               (uint64_t)source->facts.slot_count * VS_ROW_FACT_SIZE, err));
    for (uint32_t slot = 0; slot < source->facts.slot_count; slot++) {
        uint32_t new_row;
        VS_TRY(vs_blob_stream_take(&source->stream, VS_ROW_FACT_SIZE, &fact, err));
        if (!vs_merge_row(source->piece, vs_load_u32le(fact + 8), &new_row)) {
            source->new_slot[slot] = DROPPED;
        }
    }
    return VS_OK;
}

static enum vs_status open_source(const struct join *j,
                                  const struct vs_merge_piece *piece,
                                  struct source_lists *source,
                                  struct vs_error *err)
{
    const struct vs_blob_entry *hot = NULL;
    struct vs_section_header header;
    int32_t field = j->column->field_id;
    source->piece = piece;
    VS_TRY(vs_merge_blob(piece, VS_BLOB_HOT, field, &hot, err));
    VS_TRY(vs_merge_blob(piece, VS_BLOB_LISTS, field, &source->lists, err));
    VS_TRY(vs_merge_blob(piece, VS_BLOB_ROWS, field, &source->rows, err));
    VS_TRY(read_directory(j, source, hot, err));
    VS_TRY(vs_merge_header(piece, source->lists, VS_SECTION_LISTS, &header, err));
    VS_TRY(vs_merge_header(piece, source->rows, VS_SECTION_ROWS, &header, err));
    if (header.values[0] != source->facts.slot_count || header.values[1] != j->column->dim) {
        return vs_fail(err, VS_CORRUPT, "%s: a rows blob does not fit its directory",
                       vs_merge_name(piece));
    }
    source->new_slot =
        vs_alloc_zeroed(j->job->env, (size_t)source->facts.slot_count + 1, sizeof(uint32_t));
    return source->new_slot != NULL ? mark_dropped(j, source, err) : no_memory(j, err);
}

// Slots of a list: those of the first part, then those of the next.
static void number_slots(struct join *j)
{
    uint32_t next = 0;
    for (uint32_t l = 0; l < j->column->list_count; l++) {
        struct vs_list_record *record = &j->out->records[l];
        record->first_slot = next;
        for (size_t s = 0; s < j->source_count; s++) {
            struct source_lists *source = &j->sources[s];
            const struct vs_list_record *old = &source->records[l];
            record->radius = old->radius > record->radius ? old->radius : record->radius;
            for (uint32_t i = 0; i < old->slot_count; i++) {
                uint32_t *slot = &source->new_slot[old->first_slot + i];
                *slot = *slot == DROPPED ? DROPPED : next++;
            }
        }
        record->slot_count = next - record->first_slot;
    }
    j->out->slot_count = next;
}

// ---- rows ----

static enum vs_status rewind_streams(struct join *j,
                                     uint64_t (*offset)(const struct join *,
                                                        const struct source_lists *),
                                     size_t size,
                                     struct vs_error *err)
{
    for (size_t s = 0; s < j->source_count; s++) {
        struct source_lists *source = &j->sources[s];
        vs_blob_stream_clear(&source->stream);
        VS_TRY(vs_blob_stream_open(&source->stream, j->job->env, source->piece->file,
                                   offset(j, source), (uint64_t)source->facts.slot_count * size,
                                   err));
    }
    return VS_OK;
}

static uint64_t rows_offset(const struct join *j, const struct source_lists *source)
{
    (void)j;
    return source->rows->offset + VS_SECTION_HEADER_SIZE;
}

// int8 rows of one list of one part; *crc continues the checksum of the new list.
static enum vs_status put_rows(
    struct join *j, struct source_lists *source, uint32_t list, uint32_t *crc, struct vs_error *err)
{
    const struct vs_list_record *old = &source->records[list];
    const uint8_t *rows = NULL;
    size_t bytes = (size_t)old->slot_count * j->stride;
    VS_TRY(vs_blob_stream_take(&source->stream, bytes, &rows, err));
    if (vs_crc32c(0, rows, bytes) != old->rows_crc) {
        return bad_list(source, list, "wrong checksum of the int8 rows", err);
    }
    for (uint32_t i = 0; i < old->slot_count;) {
        uint32_t n = 0;
        while (i + n < old->slot_count && source->new_slot[old->first_slot + i + n] != DROPPED) {
            n++;
        }
        const uint8_t *kept = rows + i * j->stride;
        *crc = vs_crc32c(*crc, kept, n * j->stride);
        VS_TRY(vs_index_blob_write(&j->job->writer, kept, n * j->stride, err));
        i += n + 1; // the one behind is dropped, or the end
    }
    return VS_OK;
}

static enum vs_status put_facts(
    struct join *j, struct source_lists *source, uint32_t list, uint32_t *crc, struct vs_error *err)
{
    const struct vs_list_record *old = &source->records[list];
    const uint8_t *facts = NULL;
    size_t bytes = (size_t)old->slot_count * VS_ROW_FACT_SIZE;
    VS_TRY(vs_blob_stream_take(&source->stream, bytes, &facts, err));
    if (vs_crc32c(0, facts, bytes) != old->facts_crc) {
        return bad_list(source, list, "wrong checksum of the facts", err);
    }
    for (uint32_t i = 0; i < old->slot_count; i++) {
        uint8_t fact[VS_ROW_FACT_SIZE];
        uint32_t new_row;
        memcpy(fact, facts + (size_t)i * VS_ROW_FACT_SIZE, sizeof fact);
        bool kept = vs_merge_row(source->piece, vs_load_u32le(fact + 8), &new_row);
        if (kept != (source->new_slot[old->first_slot + i] != DROPPED)) {
            return bad_list(source, list, "a row that does not exist", err);
        }
        if (kept) {
            vs_store_u32le(fact + 8, new_row);
            if (j->out->facts != NULL) {
                memcpy(&j->out->facts[source->new_slot[old->first_slot + i]], fact, sizeof fact);
            }
            *crc = vs_crc32c(*crc, fact, sizeof fact);
            VS_TRY(vs_index_blob_write(&j->job->writer, fact, sizeof fact, err));
        }
    }
    return VS_OK;
}

static enum vs_status put_rows_blob(struct join *j, struct vs_error *err)
{
    struct vs_index_writer *writer = &j->job->writer;
    int32_t target = (int32_t)(j->target - j->job->targets);
    uint32_t slots = j->out->slot_count, dim = j->column->dim;
    struct vs_section_header header = {.length = vs_rows_blob_length(slots, dim),
                                       .values = {slots, dim, (uint32_t)j->stride}};
    uint8_t bytes[VS_SECTION_HEADER_SIZE];
    vs_section_header_encode(VS_SECTION_ROWS, &header, bytes);
    VS_TRY(vs_index_blob_begin(writer, VS_BLOB_ROWS, target, j->column->field_id, err));
    VS_TRY(vs_index_blob_write(writer, bytes, sizeof bytes, err));
    VS_TRY(rewind_streams(j, rows_offset, j->stride, err));
    for (uint32_t l = 0; l < j->column->list_count; l++) {
        VS_TRY(vs_op_check(j->job->env, j->job->merge->op, err));
        for (size_t s = 0; s < j->source_count; s++) {
            VS_TRY(put_rows(j, &j->sources[s], l, &j->out->records[l].rows_crc, err));
        }
    }
    VS_TRY(rewind_streams(j, facts_offset, VS_ROW_FACT_SIZE, err));
    for (uint32_t l = 0; l < j->column->list_count; l++) {
        for (size_t s = 0; s < j->source_count; s++) {
            VS_TRY(put_facts(j, &j->sources[s], l, &j->out->records[l].facts_crc, err));
        }
    }
    return vs_index_blob_end(writer, err);
}

// ---- lists ----

static enum vs_status grow(struct join *j, size_t more, struct vs_error *err)
{
    if (j->count + more <= j->room) {
        return VS_OK;
    }
    const struct vs_env *env = j->job->env;
    size_t room = (j->count + more) * 2;
    struct entry *entries = vs_realloc(env, j->entries, room * sizeof *entries);
    if (entries != NULL) {
        j->entries = entries;
    }
    uint8_t *codes = vs_realloc(env, j->codes, room * (j->column->m / 2));
    if (codes != NULL) {
        j->codes = codes;
    }
    if (entries == NULL || codes == NULL) {
        return no_memory(j, err);
    }
    j->room = room;
    return VS_OK;
}

// Codes of one entry out of the blocks of its list.
static void unpack(const uint8_t *section, uint32_t entry, size_t m, uint8_t *codes)
{
    const uint8_t *lane =
        section + (size_t)(entry / VS_BLOCK_LANES) * 16 * m + (entry & (VS_BLOCK_LANES / 2 - 1));
    unsigned shift = entry % VS_BLOCK_LANES < VS_BLOCK_LANES / 2 ? 0 : 4;
    for (size_t s = 0; s < m; s += 2) {
        unsigned low = lane[16 * s] >> shift & 15u, high = lane[16 * (s + 1)] >> shift & 15u;
        codes[s / 2] = (uint8_t)(low | high << 4);
    }
}

// Entries [from, to) of a list whose rows stay.
static enum vs_status take_entries(struct join *j,
                                   const struct source_lists *source,
                                   uint32_t list,
                                   const uint8_t *section,
                                   bool second,
                                   struct vs_error *err)
{
    const struct vs_list_record *old = &source->records[list];
    size_t m = j->column->m;
    const uint8_t *slots = section + (size_t)vs_list_blocks(old->entry_count) * 16 * m;
    uint32_t from = second ? old->slot_count : 0, to = second ? old->entry_count : old->slot_count;
    VS_TRY(grow(j, to - from, err));
    for (uint32_t i = from; i < to; i++) {
        uint32_t slot = vs_load_u32le(slots + 4 * (size_t)i);
        if (slot >= source->facts.slot_count || (!second && slot != old->first_slot + i)) {
            return bad_list(source, list, "slot references are wrong", err);
        }
        if (source->new_slot[slot] != DROPPED) {
            unpack(section, i, m, j->codes + j->count * (m / 2));
            j->entries[j->count] = (struct entry){source->new_slot[slot], (uint32_t)j->count};
            j->count++;
        }
    }
    return VS_OK;
}

static int compare_entries(const void *a, const void *b)
{
    uint32_t x = ((const struct entry *)a)->slot, y = ((const struct entry *)b)->slot;
    return (x > y) - (x < y);
}

// Gathers one list of all parts: first assignments in order of slots, then second ones.
static enum vs_status gather_list(struct join *j, uint32_t list, struct vs_error *err)
{
    size_t kept = 0;
    const uint8_t *section = NULL;
    j->count = 0;
    for (int second = 0; second < 2; second++) {
        for (size_t s = 0; s < j->source_count; s++) {
            struct source_lists *source = &j->sources[s];
            const struct vs_list_record *old = &source->records[list];
            uint64_t length = vs_list_bytes(old->entry_count, j->column->m),
                     padded = vs_align64(length);
            if (second == 0) {
                VS_TRY(vs_blob_stream_take(&source->stream, (size_t)padded, &section, err));
                if (vs_crc32c(0, section, (size_t)length) != old->list_crc) {
                    return bad_list(source, list, "wrong checksum", err);
                }
                if (old->entry_count < old->slot_count) {
                    return bad_list(source, list, "fewer entries than slots", err);
                }
            }
            // What was taken last still lies in front of the stream's position.
            section = source->stream.bytes + source->stream.used - padded;
            VS_TRY(take_entries(j, source, list, section, second != 0, err));
        }
        if (second == 0) {
            kept = j->count;
        }
    }
    if (j->count > kept) {
        qsort(j->entries + kept, j->count - kept, sizeof *j->entries, compare_entries);
    }
    return VS_OK;
}

static uint64_t lists_offset(const struct join *j, const struct source_lists *source)
{
    (void)j;
    return source->lists->offset + VS_SECTION_HEADER_SIZE;
}

static enum vs_status open_lists(struct join *j, struct vs_error *err)
{
    for (size_t s = 0; s < j->source_count; s++) {
        struct source_lists *source = &j->sources[s];
        vs_blob_stream_clear(&source->stream);
        VS_TRY(vs_blob_stream_open(&source->stream, j->job->env, source->piece->file,
                                   lists_offset(j, source),
                                   source->lists->length - VS_SECTION_HEADER_SIZE, err));
    }
    return VS_OK;
}

// Entries of every list: known at once, but where rows with second assignments are dropped.
static enum vs_status count_entries(struct join *j, struct vs_error *err)
{
    bool drops = false;
    uint64_t total = 0;
    for (size_t s = 0; s < j->source_count; s++) {
        drops = drops || !j->sources[s].piece->keeps_all;
        j->out->repeated = j->out->repeated || (j->sources[s].facts.flags & VS_HOT_REPEATED_SLOTS);
    }
    if (drops && j->out->repeated) {
        VS_TRY(open_lists(j, err));
    }
    for (uint32_t l = 0; l < j->column->list_count; l++) {
        struct vs_list_record *record = &j->out->records[l];
        uint64_t count = j->out->repeated ? 0 : record->slot_count;
        if (drops && j->out->repeated) {
            VS_TRY(gather_list(j, l, err));
            count = j->count;
        } else if (j->out->repeated) {
            for (size_t s = 0; s < j->source_count; s++) {
                count += j->sources[s].records[l].entry_count;
            }
        }
        total += count;
        if (total >= UINT32_MAX) {
            return vs_fail(err, VS_LIMIT, "a segment holds at most %u codes", UINT32_MAX - 1);
        }
        record->entry_count = (uint32_t)count;
    }
    j->out->entry_count = (uint32_t)total;
    return VS_OK;
}

static enum vs_status put_list(struct join *j, uint32_t list, struct vs_error *err)
{
    struct vs_list_record *record = &j->out->records[list];
    size_t m = j->column->m, length = (size_t)vs_list_bytes(record->entry_count, (uint32_t)m),
           padded = (size_t)vs_align64(length);
    if (j->count != record->entry_count) {
        return vs_fail(err, VS_INTERNAL, "list %" PRIu32 " has %zu entries, %" PRIu32 " before",
                       list, j->count, record->entry_count);
    }
    if (padded == 0) {
        return VS_OK;
    }
    if (padded > j->section_room) {
        uint8_t *section = vs_realloc(j->job->env, j->section, padded * 2);
        if (section == NULL) {
            return no_memory(j, err);
        }
        j->section = section;
        j->section_room = padded * 2;
    }
    memset(j->section, 0, padded);
    uint8_t *block = j->section;
    for (size_t first = 0; first < j->count; first += VS_BLOCK_LANES, block += 16 * m) {
        const uint8_t *codes[VS_BLOCK_LANES];
        size_t n = j->count - first < VS_BLOCK_LANES ? j->count - first : VS_BLOCK_LANES;
        for (size_t v = 0; v < n; v++) {
            codes[v] = j->codes + (size_t)j->entries[first + v].at * (m / 2);
        }
        vs_pq_pack_block(codes, n, m, block);
    }
    for (size_t i = 0; i < j->count; i++) {
        vs_store_u32le(block + 4 * i, j->entries[i].slot);
    }
    record->list_crc = vs_crc32c(0, j->section, length);
    return vs_index_blob_write(&j->job->writer, j->section, padded, err);
}

static enum vs_status put_lists_blob(struct join *j, struct vs_error *err)
{
    struct vs_index_writer *writer = &j->job->writer;
    uint32_t m = j->column->m;
    int32_t target = (int32_t)(j->target - j->job->targets);
    uint64_t offset = VS_SECTION_HEADER_SIZE;
    for (uint32_t l = 0; l < j->column->list_count; l++) {
        j->out->records[l].offset = offset;
        offset += vs_align64(vs_list_bytes(j->out->records[l].entry_count, m));
    }
    struct vs_section_header header = {.length = offset, .values = {j->out->entry_count, m}};
    uint8_t bytes[VS_SECTION_HEADER_SIZE];
    vs_section_header_encode(VS_SECTION_LISTS, &header, bytes);
    VS_TRY(vs_index_blob_begin(writer, VS_BLOB_LISTS, target, j->column->field_id, err));
    VS_TRY(vs_index_blob_write(writer, bytes, sizeof bytes, err));
    VS_TRY(open_lists(j, err));
    for (uint32_t l = 0; l < j->column->list_count; l++) {
        VS_TRY(vs_op_check(j->job->env, j->job->merge->op, err));
        VS_TRY(gather_list(j, l, err));
        VS_TRY(put_list(j, l, err));
    }
    return vs_index_blob_end(writer, err);
}

static enum vs_status join_all(struct join *j, struct vs_error *err)
{
    for (size_t s = 0; s < j->source_count; s++) {
        VS_TRY(open_source(j, &j->target->pieces[s], &j->sources[s], err));
    }
    number_slots(j);
    if (j->target->has_summary) {
        j->out->facts =
            vs_alloc_zeroed(j->job->env, (size_t)j->out->slot_count + 1, sizeof *j->out->facts);
        VS_TRY(j->out->facts != NULL ? VS_OK : no_memory(j, err));
    }
    VS_TRY(put_rows_blob(j, err));
    VS_TRY(count_entries(j, err));
    return put_lists_blob(j, err);
}

enum vs_status vs_merge_put_lists(struct vs_merge_job *job,
                                  size_t target,
                                  size_t column,
                                  struct vs_error *err)
{
    struct join j = {.job = job,
                     .target = &job->targets[target],
                     .column = &job->base->info.columns[column],
                     .out = &job->targets[target].lists[column],
                     .source_count = job->targets[target].piece_count};
    j.stride = (size_t)vs_align64(j.column->dim);
    j.sources = vs_alloc_zeroed(job->env, j.source_count, sizeof *j.sources);
    j.out->records =
        vs_arena_alloc_array(&job->arena, j.column->list_count, sizeof *j.out->records);
    enum vs_status status =
        j.sources != NULL && j.out->records != NULL ? join_all(&j, err) : no_memory(&j, err);
    for (size_t s = 0; s < j.source_count && j.sources != NULL; s++) {
        vs_free(job->env, j.sources[s].records);
        vs_free(job->env, j.sources[s].new_slot);
        vs_blob_stream_clear(&j.sources[s].stream);
    }
    vs_free(job->env, j.sources);
    vs_free(job->env, j.entries);
    vs_free(job->env, j.codes);
    vs_free(job->env, j.section);
    job->parts[target].columns[column].vector_count = j.out->slot_count;
    return status;
}

enum vs_status vs_merge_put_hot(struct vs_merge_job *job,
                                size_t target,
                                size_t column,
                                struct vs_error *err)
{
    const struct vs_index_column *info = &job->base->info.columns[column];
    const struct vs_merged_lists *lists = &job->targets[target].lists[column];
    size_t directory = (size_t)info->list_count * VS_LIST_RECORD_SIZE;
    uint8_t *bytes = vs_alloc(job->env, VS_SECTION_HEADER_SIZE + directory);
    if (bytes == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for a list directory");
    }
    for (uint32_t l = 0; l < info->list_count; l++) {
        vs_list_record_encode(&lists->records[l],
                              bytes + VS_SECTION_HEADER_SIZE + (size_t)l * VS_LIST_RECORD_SIZE);
    }
    struct vs_hot_facts facts = {info->list_count, info->m, lists->entry_count, lists->slot_count,
                                 lists->repeated ? VS_HOT_REPEATED_SLOTS : 0};
    vs_hot_header_encode(&facts, bytes + VS_SECTION_HEADER_SIZE, bytes);
    enum vs_status status =
        vs_index_blob_put(&job->writer, VS_BLOB_HOT, (int32_t)target, info->field_id, bytes,
                          VS_SECTION_HEADER_SIZE + directory, err);
    vs_free(job->env, bytes);
    return status;
}

enum vs_status vs_merge_put_summary(struct vs_merge_job *job,
                                    size_t target,
                                    size_t column,
                                    struct vs_error *err)
{
    const struct vs_descriptor *base = job->base;
    const struct vs_merge_target *t = &job->targets[target];
    const struct vs_merged_lists *lists = &t->lists[column];
    if (!t->has_summary || lists->facts == NULL || t->attrs == NULL) {
        return VS_OK;
    }
    const struct vs_column **columns =
        vs_arena_alloc_array(&job->arena, base->info.field_count, sizeof *columns);
    if (columns == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for the summary of lists");
    }
    for (size_t f = 0; f < base->info.field_count; f++) {
        columns[f] = base->places[f] == VS_PLACE_ATTRS ? &t->attrs[f] : NULL;
    }
    const struct vs_summary_source source = {.records = lists->records,
                                             .list_count = base->info.columns[column].list_count,
                                             .slot_count = lists->slot_count,
                                             .facts = lists->facts,
                                             .row_count = (size_t)t->info.row_count,
                                             .fields = base->info.fields,
                                             .columns = columns,
                                             .field_count = base->info.field_count};
    struct vs_buf bytes;
    vs_buf_init(&bytes, job->env, SIZE_MAX);
    enum vs_status status = vs_list_summary_build(job->env, &source, &bytes, err);
    if (status == VS_OK && bytes.len > 0) {
        status = vs_index_blob_put(&job->writer, VS_BLOB_SUMMARY, (int32_t)target,
                                   base->info.columns[column].field_id, bytes.data, bytes.len, err);
    }
    vs_buf_clear(&bytes);
    return status;
}
