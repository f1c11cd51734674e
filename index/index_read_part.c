// SPDX-License-Identifier: Apache-2.0
/*
 * Opening one column of one segment: everything that stays in memory is read in pieces by several
 * threads and verified list by list; or, lazily, only the directory, and a loader (list_loader.h)
 * brings lists when they are needed.
 */
#include "index/index_internal.h"
#include "vecstore/base/crc32c.h"
#include "vecstore/base/pool.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define PIECE_BYTES (8u << 20)

struct opener {
    struct vs_index *index;
    struct vs_index_part *part;
    const struct vs_index_column *column;
    const struct vs_blob_entry *lists, *rows, *vectors;
    size_t segment;
    uint64_t row_count;
    uint32_t *piece_first; // [piece_count + 1]: lists of a piece
    size_t piece_count;
};

static enum vs_status no_memory(const struct opener *o, uint64_t bytes, struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY,
                   "%s: out of memory for column %" PRId32 " (%" PRIu64 " bytes)",
                   o->index->file->name, o->column->field_id, bytes);
}

static enum vs_status need_blob(const struct opener *o,
                                const char *type,
                                size_t segment,
                                const struct vs_blob_entry **blob_out,
                                struct vs_error *err)
{
    *blob_out =
        vs_descriptor_blob(&o->index->descriptor, type, (int32_t)segment, o->column->field_id);
    if (*blob_out == NULL) {
        return vs_fail(err, VS_CORRUPT, "%s: no blob %s of segment %zu, column %" PRId32,
                       o->index->file->name, type, segment, o->column->field_id);
    }
    if ((*blob_out)->length < VS_SECTION_HEADER_SIZE) {
        return vs_fail(err, VS_CORRUPT, "%s: blob %s is shorter than its header",
                       o->index->file->name, type);
    }
    return VS_OK;
}

static enum vs_status read_header(const struct opener *o,
                                  enum vs_section section,
                                  const struct vs_blob_entry *blob,
                                  struct vs_section_header *header_out,
                                  struct vs_error *err)
{
    uint8_t bytes[VS_SECTION_HEADER_SIZE];
    VS_TRY(vs_file_read(o->index->file, blob->offset, sizeof bytes, bytes, err));
    return vs_section_header_decode(section, bytes, blob->length, o->index->file->name, header_out,
                                    err);
}

// ---- lists ----

static enum vs_status load_directory(struct opener *o,
                                     size_t segment,
                                     struct vs_hot_facts *facts_out,
                                     struct vs_error *err)
{
    const struct vs_env *env = o->index->env;
    const struct vs_codebook *codebook = o->part->lists.codebook;
    const struct vs_blob_entry *hot = NULL;
    VS_TRY(need_blob(o, VS_BLOB_HOT, segment, &hot, err));
    VS_TRY(need_blob(o, VS_BLOB_LISTS, segment, &o->lists, err));
    VS_TRY(need_blob(o, VS_BLOB_ROWS, segment, &o->rows, err));
    struct vs_hot_expect expect = {codebook->list_count, codebook->m,      codebook->dim,
                                   o->row_count,         o->lists->length, o->rows->length};
    o->part->records = vs_alloc_zeroed(env, codebook->list_count, sizeof *o->part->records);
    if (o->part->records == NULL) {
        return no_memory(o, (uint64_t)codebook->list_count * sizeof *o->part->records, err);
    }
    uint8_t *bytes = NULL;
    VS_TRY(vs_index_blob_read(env, o->index->file, hot, &bytes, err));
    enum vs_status status = vs_hot_decode(bytes, hot->length, &expect, o->index->file->name,
                                          facts_out, o->part->records, err);
    vs_free(env, bytes);
    if (status != VS_OK) {
        return status;
    }
    return vs_list_layout_make(env, o->part->records, codebook->list_count, codebook->m,
                               &o->part->layout, err);
}

static enum vs_status check_headers(const struct opener *o,
                                    const struct vs_hot_facts *facts,
                                    struct vs_error *err)
{
    struct vs_section_header lists, rows;
    VS_TRY(read_header(o, VS_SECTION_LISTS, o->lists, &lists, err));
    VS_TRY(read_header(o, VS_SECTION_ROWS, o->rows, &rows, err));
    if (lists.values[0] != facts->entry_count || lists.values[1] != facts->m ||
        rows.values[0] != facts->slot_count || rows.values[1] != o->column->dim ||
        rows.values[2] != vs_align64(o->column->dim)) {
        return vs_fail(err, VS_CORRUPT,
                       "%s: the headers of lists and rows of column %" PRId32
                       " contradict the directory",
                       o->index->file->name, o->column->field_id);
    }
    return VS_OK;
}

// section: of the list, as the lists blob has it.
static enum vs_status check_list(const struct opener *o,
                                 uint32_t list,
                                 const uint8_t *section,
                                 struct vs_error *err)
{
    const struct vs_lists *lists = &o->part->lists;
    const struct vs_list_record *record = &lists->records[list];
    const char *name = o->index->file->name;
    if (vs_crc32c(0, section, (size_t)vs_list_bytes(record->entry_count, lists->codebook->m)) !=
            record->list_crc ||
        vs_crc32c(0, lists->rows + record->first_slot * lists->stride,
                  record->slot_count * lists->stride) != record->rows_crc ||
        vs_crc32c(0, lists->facts + record->first_slot,
                  record->slot_count * sizeof *lists->facts) != record->facts_crc) {
        return vs_fail(err, VS_CORRUPT,
                       "%s: checksum of list %" PRIu32 " of column %" PRId32
                       " is wrong; rebuild the index",
                       name, list, o->column->field_id);
    }
    VS_TRY(vs_list_slots_check(lists, list, section, name, err));
    vs_list_layout_put(lists->layout, list, record->entry_count, section);
    return vs_row_facts_check(lists, list, lists->facts + record->first_slot, name, err);
}

static enum vs_status load_piece(void *ctx, size_t piece, struct vs_error *err)
{
    const struct opener *o = ctx;
    const struct vs_lists *lists = &o->part->lists;
    uint32_t first = o->piece_first[piece], end = o->piece_first[piece + 1];
    uint32_t list_count = lists->codebook->list_count;
    uint64_t from = lists->records[first].offset,
             to = end < list_count ? lists->records[end].offset : o->lists->length;
    uint64_t slot = lists->records[first].first_slot,
             slot_end = end < list_count ? lists->records[end].first_slot : lists->slot_count;
    uint64_t rows_at = o->rows->offset + VS_SECTION_HEADER_SIZE,
             facts_at = rows_at + (uint64_t)lists->slot_count * lists->stride;
    uint8_t *sections = vs_alloc_aligned(o->index->env, (size_t)(to - from) + 1);
    if (sections == NULL) {
        return no_memory(o, to - from, err);
    }
    // In one go: where reads cross a network they travel side by side.
    const struct vs_range ranges[] = {
        {o->lists->offset + from, (size_t)(to - from), sections},
        {rows_at + slot * lists->stride, (size_t)(slot_end - slot) * lists->stride,
         o->part->rows + slot * lists->stride},
        {facts_at + slot * VS_ROW_FACT_SIZE, (size_t)(slot_end - slot) * VS_ROW_FACT_SIZE,
         o->part->facts + slot},
    };
    enum vs_status status =
        vs_file_read_many(o->index->file, ranges, sizeof ranges / sizeof ranges[0], err);
    for (uint32_t list = first; status == VS_OK && list < end; list++) {
        status = check_list(o, list, sections + (lists->records[list].offset - from), err);
    }
    vs_free_aligned(o->index->env, sections);
    return status;
}

// Cuts the lists into pieces of about PIECE_BYTES.
static enum vs_status make_pieces(struct opener *o, struct vs_error *err)
{
    const struct vs_lists *lists = &o->part->lists;
    uint32_t list_count = lists->codebook->list_count;
    uint64_t total = o->lists->length + o->rows->length, bytes = 0;
    size_t most = (size_t)(total / PIECE_BYTES) + 2;
    o->piece_first = vs_alloc_zeroed(o->index->env, most, sizeof *o->piece_first);
    if (o->piece_first == NULL) {
        return no_memory(o, most * sizeof *o->piece_first, err);
    }
    for (uint32_t l = 0; l < list_count; l++) {
        bytes += vs_list_bytes(lists->records[l].entry_count, lists->codebook->m) +
                 lists->records[l].slot_count * (uint64_t)lists->stride;
        if (bytes >= PIECE_BYTES && l + 1 < list_count) {
            o->piece_first[++o->piece_count] = l + 1;
            bytes = 0;
        }
    }
    o->piece_first[++o->piece_count] = list_count;
    return VS_OK;
}

// Rows with a vector; each row may have one slot only.
static enum vs_status mark_presence(struct opener *o, struct vs_error *err)
{
    const struct vs_lists *lists = &o->part->lists;
    size_t words = (size_t)((o->row_count + 63) / 64);
    o->part->presence = vs_alloc_zeroed(o->index->env, words, sizeof(uint64_t));
    if (o->part->presence == NULL) {
        return no_memory(o, words * 8, err);
    }
    for (uint32_t slot = 0; slot < lists->slot_count; slot++) {
        uint32_t row = lists->facts[slot].row;
        if (vs_bit_get(o->part->presence, row)) {
            return vs_fail(err, VS_CORRUPT, "%s: row %" PRIu32 " has two slots",
                           o->index->file->name, row);
        }
        vs_bit_set(o->part->presence, row);
    }
    o->index->memory_bytes += words * 8;
    return VS_OK;
}

// Directory, and room for what it names.
static enum vs_status begin_lists(struct opener *o, size_t segment, struct vs_error *err)
{
    const struct vs_env *env = o->index->env;
    struct vs_index_part *part = o->part;
    struct vs_hot_facts facts = {0};
    VS_TRY(load_directory(o, segment, &facts, err));
    if (!o->index->options.lazy) { // else what they say is known from the directory
        VS_TRY(check_headers(o, &facts, err));
    }
    struct vs_lists *lists = &part->lists;
    lists->entry_count = facts.entry_count;
    lists->slot_count = facts.slot_count;
    lists->repeated = (facts.flags & VS_HOT_REPEATED_SLOTS) != 0;
    lists->row_count = o->row_count;
    lists->stride = (size_t)vs_align64(o->column->dim);
    bool rows_in_file = o->index->options.lazy && o->index->options.rows_in_file;
    size_t row_bytes = rows_in_file ? 0 : (size_t)facts.slot_count * lists->stride + 64;
    part->rows = rows_in_file ? NULL : vs_alloc_aligned(env, row_bytes);
    part->facts = vs_alloc_aligned(env, (size_t)facts.slot_count * sizeof *part->facts + 64);
    if ((part->rows == NULL && !rows_in_file) || part->facts == NULL) {
        return no_memory(o, o->lists->length + o->rows->length, err);
    }
    lists->records = part->records;
    lists->layout = &part->layout;
    lists->rows = (const int8_t *)part->rows;
    lists->facts = part->facts;
    o->index->memory_bytes += part->layout.memory_bytes + row_bytes +
                              (uint64_t)facts.slot_count * sizeof *part->facts +
                              (uint64_t)facts.list_count * sizeof *part->records;
    return VS_OK;
}

static enum vs_status load_lists(struct opener *o,
                                 size_t segment,
                                 size_t thread_count,
                                 struct vs_error *err)
{
    VS_TRY(begin_lists(o, segment, err));
    VS_TRY(make_pieces(o, err));
    VS_TRY(vs_pool_run(o->index->env, thread_count, o->piece_count, load_piece, o, err));
    return mark_presence(o, err);
}

// ---- lazily ----

void vs_index_part_ahead(const struct vs_index *index,
                         size_t segment,
                         size_t column,
                         struct vs_ahead_part *part_out)
{
    const struct vs_descriptor *d = &index->descriptor;
    const struct vs_segment_column *facts = &d->segments[segment].columns[column];
    const struct vs_index_column *info = &d->info.columns[column];
    const struct vs_blob_entry *blob = vs_descriptor_blob(
        d, facts->has_lists ? VS_BLOB_ROWS : VS_BLOB_VECTORS, (int32_t)segment, info->field_id);
    *part_out = (struct vs_ahead_part){.len = 0};
    if (blob == NULL) {
        return; // opening will say so
    }
    if (!facts->has_lists) { // small: all of it
        *part_out = (struct vs_ahead_part){blob->offset, blob->length, NULL};
    } else if (facts->vector_count != d->info.segments[segment].row_count &&
               facts->vector_count <= VS_INDEX_MAX_ROWS) { // which rows have one: from the facts
        uint64_t rows = facts->vector_count * vs_align64(info->dim);
        part_out->offset = blob->offset + VS_SECTION_HEADER_SIZE + rows;
        part_out->len = facts->vector_count * VS_ROW_FACT_SIZE;
    }
}

static enum vs_status mark_all(struct opener *o, struct vs_error *err)
{
    size_t words = (size_t)((o->row_count + 63) / 64);
    o->part->presence = vs_alloc_zeroed(o->index->env, words, sizeof(uint64_t));
    if (o->part->presence == NULL) {
        return no_memory(o, words * 8, err);
    }
    memset(o->part->presence, 0xff, words * sizeof(uint64_t));
    if (o->row_count % 64 != 0) {
        o->part->presence[words - 1] = ((uint64_t)1 << (o->row_count % 64)) - 1;
    }
    o->index->memory_bytes += words * 8;
    return VS_OK;
}

// All facts, where not every row has a vector.
static enum vs_status load_facts(struct opener *o, struct vs_error *err)
{
    const struct vs_lists *lists = &o->part->lists;
    const char *name = o->index->file->name;
    uint64_t at =
        o->rows->offset + VS_SECTION_HEADER_SIZE + (uint64_t)lists->slot_count * lists->stride;
    VS_TRY(vs_file_read(o->index->file, at, (size_t)lists->slot_count * VS_ROW_FACT_SIZE,
                        o->part->facts, err));
    for (uint32_t list = 0; list < lists->codebook->list_count; list++) {
        const struct vs_list_record *record = &lists->records[list];
        const struct vs_row_fact *facts = lists->facts + record->first_slot;
        if (vs_crc32c(0, facts, record->slot_count * sizeof *facts) != record->facts_crc) {
            return vs_fail(err, VS_CORRUPT,
                           "%s: checksum of the row facts of list %" PRIu32 " of column %" PRId32
                           " is wrong; rebuild the index",
                           name, list, o->column->field_id);
        }
        VS_TRY(vs_row_facts_check(lists, list, facts, name, err));
    }
    return mark_presence(o, err);
}

static enum vs_status open_lists_lazily(struct opener *o, size_t segment, struct vs_error *err)
{
    VS_TRY(begin_lists(o, segment, err));
    struct vs_lists *lists = &o->part->lists;
    bool all = lists->slot_count == o->row_count;
    VS_TRY(all ? mark_all(o, err) : load_facts(o, err));
    const struct vs_list_loader_options options = {
        .file = o->index->source,
        .lists = lists,
        .lists_at = o->lists->offset,
        .rows_at = o->rows->offset,
        .field_id = o->column->field_id,
        .rows_in_file = o->index->options.rows_in_file,
        .idle = o->index->options.idle,
        .background_rate = o->index->options.background_rate,
    };
    VS_TRY(vs_list_loader_new(o->index->env, &options, &o->part->loader, err));
    if (!all) {
        vs_list_loader_take_facts(o->part->loader);
    }
    lists->loader = o->part->loader;
    return VS_OK;
}

// ---- vectors ----

static enum vs_status find_vectors(struct opener *o, struct vs_error *err)
{
    VS_TRY(need_blob(o, vs_vectors_blob(o->part->half), o->segment, &o->vectors, err));
    o->part->vectors_offset = o->vectors->offset + VS_SECTION_HEADER_SIZE;
    o->part->has_vectors = true;
    return VS_OK;
}

static enum vs_status vectors_layout(const struct opener *o,
                                     struct vs_vectors_layout *layout_out,
                                     struct vs_error *err)
{
    struct vs_section_header header;
    bool half = o->part->half;
    VS_TRY(read_header(o, vs_vectors_section(half), o->vectors, &header, err));
    if (header.values[0] != o->row_count || header.values[1] != o->column->dim ||
        !vs_vectors_layout(o->row_count, o->column->dim, vs_vectors_width(half), layout_out) ||
        layout_out->length != o->vectors->length) {
        return vs_fail(err, VS_CORRUPT,
                       "%s: the vectors of column %" PRId32 " do not fit %" PRIu64
                       " rows of %" PRIu32 " values",
                       o->index->file->name, o->column->field_id, o->row_count, o->column->dim);
    }
    return VS_OK;
}

// Presence bits and row CRCs as they are stored, checked.
static enum vs_status read_tables(const struct opener *o,
                                  const struct vs_vectors_layout *layout,
                                  uint8_t *tables,
                                  struct vs_error *err)
{
    size_t bytes = (size_t)(layout->crc - layout->presence);
    uint32_t crc = 0;
    const struct vs_range range = {o->vectors->offset + layout->presence, bytes, tables};
    VS_TRY(vs_file_read(o->index->file, range.offset, bytes + 4, tables, err));
    memcpy(&crc, tables + bytes, 4);
    bool right = vs_crc32c(0, tables, bytes) == crc;
    if (!right) {
        VS_TRY(vs_file_read_again(o->index->file, &range, crc, &right, err));
    }
    return right ? VS_OK
                 : vs_fail(err, VS_CORRUPT,
                           "%s: checksum of the vector tables of column %" PRId32 " is wrong",
                           o->index->file->name, o->column->field_id);
}

// The bits must agree with the slots where there are lists.
static enum vs_status check_presence(const struct opener *o,
                                     const uint64_t *bits,
                                     struct vs_error *err)
{
    const struct vs_index_part *part = o->part;
    size_t words = (size_t)((o->row_count + 63) / 64);
    if (o->row_count % 64 != 0 && words > 0 && bits[words - 1] >> (o->row_count % 64) != 0) {
        return vs_fail(err, VS_CORRUPT, "%s: presence bits behind the last row are set",
                       o->index->file->name);
    }
    if (part->presence != NULL && memcmp(bits, part->presence, words * 8) != 0) {
        return vs_fail(err, VS_CORRUPT,
                       "%s: vectors and lists of column %" PRId32 " hold different rows",
                       o->index->file->name, o->column->field_id);
    }
    return VS_OK;
}

// Others may be reading the part: nothing of it changes but row_crcs, and presence where there are
// no lists (which then is part of opening).
static enum vs_status load_vector_tables(struct opener *o, struct vs_error *err)
{
    const struct vs_env *env = o->index->env;
    struct vs_index_part *part = o->part;
    struct vs_vectors_layout layout;
    VS_TRY(vectors_layout(o, &layout, err));
    size_t words = (size_t)((o->row_count + 63) / 64),
           table_bytes = (size_t)(layout.crc - layout.presence);
    uint8_t *tables = vs_alloc(env, table_bytes + 4);
    uint32_t *row_crcs = vs_alloc_zeroed(env, (size_t)o->row_count, sizeof *row_crcs);
    uint64_t *bits = vs_alloc_zeroed(env, words, sizeof *bits);
    enum vs_status status = tables == NULL || row_crcs == NULL || bits == NULL
                                ? no_memory(o, table_bytes, err)
                                : read_tables(o, &layout, tables, err);
    if (status == VS_OK) {
        memcpy(bits, tables, (size_t)((o->row_count + 7) / 8));
        memcpy(row_crcs, tables + (layout.row_crcs - layout.presence), (size_t)o->row_count * 4);
        status = check_presence(o, bits, err);
    }
    vs_free(env, tables);
    if (status != VS_OK) {
        vs_free(env, row_crcs);
        vs_free(env, bits);
        return status;
    }
    if (part->presence == NULL) {
        part->presence = bits;
    } else {
        vs_free(env, bits);
    }
    part->row_crcs = row_crcs;
    o->index->memory_bytes += (uint64_t)o->row_count * 4 + words * 8;
    atomic_store_explicit(&part->tables_there, true, memory_order_release);
    return VS_OK;
}

// Flat segments keep their vectors in memory, with 1 / length for cosine.
static enum vs_status load_flat_vectors(struct opener *o, struct vs_error *err)
{
    struct vs_index_part *part = o->part;
    size_t dim = o->column->dim, rows = (size_t)o->row_count, bytes = rows * dim * sizeof(float);
    part->vectors = vs_alloc_aligned(o->index->env, bytes + 64);
    part->inverse_norms = vs_alloc_zeroed(o->index->env, rows, sizeof(float));
    if (part->vectors == NULL || part->inverse_norms == NULL) {
        return no_memory(o, bytes, err);
    }
    o->index->memory_bytes += bytes + rows * sizeof(float);
    VS_TRY(vs_file_read(o->index->file, part->vectors_offset, bytes, part->vectors, err));
    const struct vs_kernels *kernels = vs_kernels_get();
    for (size_t row = 0; row < rows; row++) {
        const float *vector = part->vectors + row * dim;
        if (vs_crc32c(0, vector, dim * sizeof(float)) != part->row_crcs[row]) {
            return vs_fail(err, VS_CORRUPT,
                           "%s: checksum of vector %zu of column %" PRId32
                           " is wrong; rebuild the index",
                           o->index->file->name, row, o->column->field_id);
        }
        float norm = 0.0F;
        kernels->dot_f32(vector, vector, dim, 1, &norm);
        if (!isfinite(norm)) {
            return vs_fail(err, VS_CORRUPT,
                           "%s: vector %zu of column %" PRId32 " is not finite or too long",
                           o->index->file->name, row, o->column->field_id);
        }
        part->inverse_norms[row] = norm > 0.0F ? 1.0F / sqrtf(norm) : 0.0F;
    }
    return VS_OK;
}

static enum vs_status open_part(
    struct opener *o, size_t segment, size_t column, size_t thread_count, struct vs_error *err)
{
    const struct vs_segment_column *facts = &o->index->descriptor.segments[segment].columns[column];
    o->part->has_lists = facts->has_lists;
    o->part->half = facts->has_lists && o->column->has_half_rows;
    bool lazy = o->index->options.lazy,
         stored = o->column->has_exact_rows || o->column->has_half_rows;
    if (facts->has_lists) {
        o->part->lists.codebook = &o->index->codebooks[column];
        VS_TRY(lazy ? open_lists_lazily(o, segment, err)
                    : load_lists(o, segment, thread_count, err));
    }
    if (!facts->has_lists || stored) {
        VS_TRY(find_vectors(o, err));
    }
    if (!facts->has_lists || (stored && !lazy)) { // else they are read when they are asked for
        VS_TRY(load_vector_tables(o, err));
    }
    if (!facts->has_lists) {
        VS_TRY(load_flat_vectors(o, err));
    }
    uint64_t present = 0;
    for (size_t w = 0; w < (o->row_count + 63) / 64; w++) {
        present += (uint64_t)__builtin_popcountll(o->part->presence[w]);
    }
    if (present != facts->vector_count) {
        return vs_fail(err, VS_CORRUPT,
                       "%s: column %" PRId32 " has %" PRIu64
                       " vectors, the descriptor says %" PRIu64,
                       o->index->file->name, o->column->field_id, present, facts->vector_count);
    }
    return VS_OK;
}

enum vs_status vs_index_part_open(struct vs_index *index,
                                  size_t segment,
                                  size_t column,
                                  size_t thread_count,
                                  struct vs_error *err)
{
    struct opener o = {.index = index,
                       .part = &index->segments[segment].parts[column],
                       .column = &index->descriptor.info.columns[column],
                       .segment = segment,
                       .row_count = index->descriptor.info.segments[segment].row_count};
    enum vs_status status = open_part(&o, segment, column, thread_count, err);
    vs_free(index->env, o.piece_first);
    return status;
}

enum vs_status vs_index_part_tables(const struct vs_index *index,
                                    size_t segment,
                                    size_t column,
                                    struct vs_error *err)
{
    struct vs_index_part *part = &index->segments[segment].parts[column];
    if (atomic_load_explicit(&part->tables_there, memory_order_acquire)) {
        return VS_OK;
    }

    union { // the index is const to its users, what it reads on demand is not
        const struct vs_index *in;
        struct vs_index *out;
    } own = {.in = index};
    struct opener o = {.index = own.out,
                       .part = part,
                       .column = &index->descriptor.info.columns[column],
                       .segment = segment,
                       .row_count = index->descriptor.info.segments[segment].row_count};
    VS_TRY(need_blob(&o, vs_vectors_blob(part->half), segment, &o.vectors, err));
    (void)pthread_mutex_lock(&own.out->lock);
    enum vs_status status = atomic_load_explicit(&part->tables_there, memory_order_relaxed)
                                ? VS_OK
                                : load_vector_tables(&o, err);
    if (status == VS_CORRUPT &&
        vs_file_forget(index->file, o.vectors->offset, VS_SECTION_HEADER_SIZE)) {
        status = load_vector_tables(&o, err); // the copy of its header was wrong
    }
    (void)pthread_mutex_unlock(&own.out->lock);
    return status;
}

void vs_index_part_clear(const struct vs_env *env, struct vs_index_part *part)
{
    vs_list_loader_free(part->loader); // its thread uses what follows
    vs_free(env, part->records);
    vs_list_layout_clear(env, &part->layout);
    vs_free_aligned(env, part->rows);
    vs_free_aligned(env, part->facts);
    vs_free_aligned(env, part->vectors);
    vs_free(env, part->inverse_norms);
    vs_free(env, part->row_crcs);
    vs_free(env, part->presence);
    vs_list_summary_free(part->summary);
}
