// SPDX-License-Identifier: Apache-2.0
/*
 * Second pass: lists, codes and int8 rows of every vector, then their arrangement by list.
 */
#include "index/build_internal.h"
#include "vecstore/base/crc32c.h"
#include "vecstore/base/pool.h"

#include <inttypes.h>
#include <math.h>

#define TASK_ROWS 256

struct encode_task {
    struct vs_build *build;
    struct vs_build_column *column;
    const struct vs_build_chunk *chunk;
};

static enum vs_status no_memory(const struct vs_build_column *column, struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "out of memory for the index of column '%.*s'",
                   VS_STR_ARG(column->field->name));
}

enum vs_status vs_build_encode_begin(struct vs_build *build,
                                     struct vs_build_column *column,
                                     struct vs_error *err)
{
    const struct vs_env *env = build->env;
    size_t n = (size_t)column->vector_count, lists = column->codebook->list_count;
    column->list_of = vs_alloc_zeroed(env, n, sizeof(uint32_t));
    column->distances = vs_alloc_zeroed(env, n, sizeof(float));
    column->codes = vs_alloc_aligned(env, n * (column->codebook->m / 2) + 64);
    column->rows = vs_alloc_aligned(env, n * (size_t)vs_align64(column->spec->dim) + 64);
    column->facts = vs_alloc_aligned(env, n * sizeof *column->facts + 64);
    column->records = vs_alloc_zeroed(env, lists, sizeof *column->records);
    column->first_block = vs_alloc_zeroed(env, lists + 1, sizeof(uint32_t));
    column->pq_columns = vs_pq_columns_make(env, column->codebook);
    bool made = column->list_of != NULL && column->distances != NULL && column->codes != NULL &&
                column->rows != NULL && column->facts != NULL && column->records != NULL &&
                column->first_block != NULL && column->pq_columns != NULL;
    return made ? VS_OK : no_memory(column, err);
}

// One vector: list, codes, int8 row, facts.
static void encode_vector(struct vs_build_column *column,
                          size_t at,
                          const float *vector,
                          uint32_t row,
                          float *y,
                          uint8_t *codes)
{
    const struct vs_codebook *codebook = column->codebook;
    const struct vs_kernels *kernels = vs_kernels_get();
    size_t dim = codebook->dim, m = codebook->m, stride = (size_t)vs_align64(dim);
    vs_codebook_project(codebook, vector, y);
    uint32_t list = vs_codebook_assign(codebook, y, NULL);
    column->list_of[at] = list;
    kernels->l2_f32(y, codebook->centroids + (size_t)list * codebook->proj_dim, codebook->proj_dim,
                    1, &column->distances[at]);
    vs_codebook_encode_vector(codebook, y, codes);
    uint8_t *packed = column->codes + at * (m / 2);
    for (size_t s = 0; s < m; s += 2) {
        packed[s / 2] = (uint8_t)(codes[s] | codes[s + 1] << 4);
    }
    uint8_t *values = column->rows + at * stride;
    memset(values + dim, 0, stride - dim);
    struct vs_row_fact *fact = &column->facts[at];
    fact->scale = vs_quantize_i8(vector, dim, (int8_t *)values);
    kernels->dot_f32(vector, vector, dim, 1, &fact->norm);
    fact->row = row;
    fact->reserved = 0;
}

static enum vs_status encode_rows(void *ctx, size_t task, struct vs_error *err)
{
    const struct encode_task *t = ctx;
    const struct vs_codebook *codebook = t->column->codebook;
    size_t first = task * TASK_ROWS,
           end = first + TASK_ROWS < t->chunk->count ? first + TASK_ROWS : t->chunk->count;
    float *y = vs_alloc(t->build->env, codebook->proj_dim * sizeof(float) + codebook->m);
    if (y == NULL) {
        return no_memory(t->column, err);
    }
    uint8_t *codes = (uint8_t *)(y + codebook->proj_dim);
    for (size_t i = first; i < end; i++) {
        encode_vector(t->column, t->column->encoded + i, t->chunk->vectors + i * codebook->dim,
                      t->chunk->rows[i], y, codes);
    }
    vs_free(t->build->env, y);
    return VS_OK;
}

enum vs_status vs_build_encode_chunk(struct vs_build *build,
                                     struct vs_build_column *column,
                                     const struct vs_build_chunk *chunk,
                                     struct vs_error *err)
{
    if (chunk->count > column->vector_count - column->encoded) {
        return vs_fail(err, VS_INVALID, "column '%.*s' has more vectors when it is read again",
                       VS_STR_ARG(column->field->name));
    }
    int64_t start = vs_monotonic_ns(build->env);
    struct encode_task task = {build, column, chunk};
    VS_TRY(vs_pool_run(build->env, build->thread_count, (chunk->count + TASK_ROWS - 1) / TASK_ROWS,
                       encode_rows, &task, err));
    column->encoded += chunk->count;
    build->encode_ns += vs_monotonic_ns(build->env) - start;
    return VS_OK;
}

// ---- arrangement by list ----

// from[slot]: which vector, by order of arrival, gets the slot. Also fills the directory but for
// the checksums.
static void assign_slots(struct vs_build_column *column, uint32_t *from)
{
    uint32_t lists = column->codebook->list_count, m = column->codebook->m;
    struct vs_list_record *records = column->records;
    for (size_t i = 0; i < column->encoded; i++) {
        records[column->list_of[i]].slot_count++;
    }
    uint64_t offset = VS_SECTION_HEADER_SIZE;
    uint32_t slot = 0;
    for (uint32_t l = 0; l < lists; l++) {
        records[l].entry_count = records[l].slot_count;
        records[l].first_slot = slot;
        records[l].offset = offset;
        offset += vs_align64(vs_list_bytes(records[l].entry_count, m));
        slot += records[l].slot_count;
        column->first_block[l + 1] =
            column->first_block[l] + vs_list_blocks(records[l].entry_count);
        records[l].slot_count = 0; // counted again below
    }
    column->sections_length = offset;
    for (size_t i = 0; i < column->encoded; i++) {
        struct vs_list_record *record = &records[column->list_of[i]];
        from[record->first_slot + record->slot_count++] = (uint32_t)i;
        float radius = sqrtf(column->distances[i]) * 1.0001F;
        record->radius = radius > record->radius ? radius : record->radius;
    }
}

static void fill_sections(struct vs_build_column *column, const uint32_t *from)
{
    uint32_t lists = column->codebook->list_count;
    size_t m = column->codebook->m;
    memset(column->sections, 0, (size_t)column->sections_length);
    struct vs_section_header header = {.length = column->sections_length,
                                       .values = {(uint32_t)column->encoded, (uint32_t)m}};
    vs_section_header_encode(VS_SECTION_LISTS, &header, column->sections);
    for (uint32_t l = 0; l < lists; l++) {
        struct vs_list_record *record = &column->records[l];
        uint8_t *section = column->sections + record->offset, *block = section;
        const uint32_t *members = from + record->first_slot;
        for (uint32_t first = 0; first < record->entry_count;
             first += VS_BLOCK_LANES, block += 16 * m) {
            const uint8_t *codes[VS_BLOCK_LANES];
            uint32_t count = record->entry_count - first < VS_BLOCK_LANES
                                 ? record->entry_count - first
                                 : VS_BLOCK_LANES;
            for (uint32_t v = 0; v < count; v++) {
                codes[v] = column->codes + members[first + v] * (m / 2);
            }
            vs_pq_pack_block(codes, count, m, block);
        }
        for (uint32_t i = 0; i < record->entry_count; i++) {
            uint32_t slot = record->first_slot + i;
            memcpy(block + 4 * (size_t)i, &slot, 4);
        }
        record->list_crc =
            vs_crc32c(0, section, (size_t)vs_list_bytes(record->entry_count, (uint32_t)m));
    }
}

// Moves rows and facts so that slot s holds what arrived as from[s]; follows the cycles, so that no
// second copy is needed. from is spent.
static void permute_rows(struct vs_build_column *column, uint32_t *from, uint8_t *spare)
{
    size_t stride = (size_t)vs_align64(column->spec->dim);
    for (uint32_t start = 0; start < column->encoded; start++) {
        if (from[start] == start) {
            continue;
        }
        struct vs_row_fact fact = column->facts[start];
        memcpy(spare, column->rows + start * stride, stride);
        uint32_t at = start;
        while (from[at] != start) {
            uint32_t source = from[at];
            memcpy(column->rows + at * stride, column->rows + source * stride, stride);
            column->facts[at] = column->facts[source];
            from[at] = at;
            at = source;
        }
        memcpy(column->rows + at * stride, spare, stride);
        column->facts[at] = fact;
        from[at] = at;
    }
    for (uint32_t l = 0; l < column->codebook->list_count; l++) {
        struct vs_list_record *record = &column->records[l];
        record->rows_crc =
            vs_crc32c(0, column->rows + record->first_slot * stride, record->slot_count * stride);
        record->facts_crc = vs_crc32c(0, column->facts + record->first_slot,
                                      record->slot_count * sizeof *column->facts);
    }
}

enum vs_status vs_build_arrange(struct vs_build *build,
                                struct vs_build_column *column,
                                struct vs_error *err)
{
    const struct vs_env *env = build->env;
    if (column->encoded != column->vector_count) {
        return vs_fail(err, VS_INVALID, "column '%.*s' has fewer vectors when it is read again",
                       VS_STR_ARG(column->field->name));
    }
    size_t stride = (size_t)vs_align64(column->spec->dim);
    uint32_t *from = vs_alloc_zeroed(env, column->encoded, sizeof *from);
    uint8_t *spare = vs_alloc(env, stride);
    enum vs_status status = from != NULL && spare != NULL ? VS_OK : no_memory(column, err);
    if (status == VS_OK) {
        assign_slots(column, from);
        column->sections = vs_alloc_aligned(env, (size_t)column->sections_length);
        status = column->sections != NULL ? VS_OK : no_memory(column, err);
    }
    if (status == VS_OK) {
        fill_sections(column, from);
        permute_rows(column, from, spare);
        vs_free_aligned(env, column->codes);
        column->codes = NULL;
        column->lists = (struct vs_lists){.codebook = column->codebook,
                                          .pq_columns = column->pq_columns,
                                          .entry_count = (uint32_t)column->encoded,
                                          .slot_count = (uint32_t)column->encoded,
                                          .row_count = build->row_count,
                                          .stride = stride,
                                          .records = column->records,
                                          .first_block = column->first_block,
                                          .sections = column->sections,
                                          .rows = (const int8_t *)column->rows,
                                          .facts = column->facts};
    }
    vs_free(env, from);
    vs_free(env, spare);
    return status;
}

enum vs_status vs_build_put_lists(struct vs_build *build,
                                  struct vs_build_column *column,
                                  struct vs_error *err)
{
    int32_t id = column->field->id;
    uint32_t slots = (uint32_t)column->encoded, dim = column->spec->dim;
    struct vs_section_header header = {.length = vs_rows_blob_length(slots, dim),
                                       .values = {slots, dim, (uint32_t)vs_align64(dim)}};
    uint8_t bytes[VS_SECTION_HEADER_SIZE];
    vs_section_header_encode(VS_SECTION_ROWS, &header, bytes);
    VS_TRY(vs_index_blob_begin(&build->writer, VS_BLOB_ROWS, 0, id, err));
    VS_TRY(vs_index_blob_write(&build->writer, bytes, sizeof bytes, err));
    VS_TRY(vs_index_blob_write(&build->writer, column->rows, slots * (size_t)vs_align64(dim), err));
    VS_TRY(vs_index_blob_write(&build->writer, column->facts, slots * sizeof *column->facts, err));
    VS_TRY(vs_index_blob_end(&build->writer, err));
    return vs_index_blob_put(&build->writer, VS_BLOB_LISTS, 0, id, column->sections,
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
        return no_memory(column, err);
    }
    for (uint32_t l = 0; l < codebook->list_count; l++) {
        vs_list_record_encode(&column->records[l],
                              bytes + VS_SECTION_HEADER_SIZE + (size_t)l * VS_LIST_RECORD_SIZE);
    }
    struct vs_hot_facts facts = {codebook->list_count, codebook->m, (uint32_t)column->encoded,
                                 (uint32_t)column->encoded, 0};
    vs_hot_header_encode(&facts, bytes + VS_SECTION_HEADER_SIZE, bytes);
    enum vs_status status = vs_index_blob_put(&build->writer, VS_BLOB_HOT, 0, column->field->id,
                                              bytes, VS_SECTION_HEADER_SIZE + directory_bytes, err);
    vs_free(build->env, bytes);
    return status;
}

void vs_build_column_clear(struct vs_build *build, struct vs_build_column *column)
{
    const struct vs_env *env = build->env;
    vs_free(env, column->presence);
    vs_free(env, column->row_crcs);
    vs_free_aligned(env, column->sample);
    vs_free(env, column->sample_rows);
    vs_free(env, column->list_of);
    vs_free(env, column->distances);
    vs_free_aligned(env, column->codes);
    vs_free_aligned(env, column->rows);
    vs_free_aligned(env, column->facts);
    vs_free(env, column->records);
    vs_free(env, column->first_block);
    vs_free_aligned(env, column->sections);
    vs_free_aligned(env, column->pq_columns);
    vs_measure_clear(env, &column->measure);
    if (column->trained.env != NULL) {
        vs_codebook_clear(&column->trained);
    }
}
