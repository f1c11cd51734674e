// SPDX-License-Identifier: Apache-2.0
// Writes encoded vectors as a part file, block by block.
#include "index/build_model.h"
#include "index/build_replay.h"

#include <string.h>

#define FLUSH_BYTES ((uint64_t)64 << 20)

struct vs_build_log {
    struct vs_build_log_sink sink;
    struct vs_part_head head;
    struct vs_part_column *columns;
    struct vs_buf bytes;
    uint32_t *numbers; // [3][batch_rows]: position, list, second
    float *lengths;    // [3][batch_rows]: distance, scale, norm
    uint32_t block_count;
    uint64_t unflushed;
};

static void fill_columns(const struct vs_build *build, struct vs_build_log *log)
{
    for (size_t c = 0; c < build->params->column_count; c++) {
        const struct vs_build_column *column = &build->columns[c];
        if (column->has_lists) {
            log->columns[log->head.column_count++] =
                (struct vs_part_column){column->field->id, column->spec->dim, column->codebook->m,
                                        column->codebook->list_count};
        }
    }
}

enum vs_status vs_build_log_open(struct vs_build *build,
                                 const struct vs_build_log_sink *sink,
                                 bool append,
                                 struct vs_error *err)
{
    const struct vs_env *env = build->env;
    struct vs_build_log *log = vs_alloc_zeroed(env, 1, sizeof *log);
    if (log == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for the part of an index");
    }
    build->log = log;
    log->sink = *sink;
    vs_buf_init(&log->bytes, env, SIZE_MAX);
    log->columns = vs_alloc_zeroed(env, build->params->column_count, sizeof *log->columns);
    log->numbers = vs_alloc_zeroed(env, 3 * build->batch_rows, sizeof *log->numbers);
    log->lengths = vs_alloc_zeroed(env, 3 * build->batch_rows, sizeof *log->lengths);
    if (log->columns == NULL || log->numbers == NULL || log->lengths == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for the part of an index");
    }
    log->head = (struct vs_part_head){.table_uuid = build->params->table_uuid,
                                      .snapshot_id = build->params->snapshot_id,
                                      .columns = log->columns,
                                      .file_count = build->params->file_count,
                                      .files = build->params->files};
    memcpy(log->head.model, build->model->name, sizeof log->head.model);
    fill_columns(build, log);
    if (append) {
        return VS_OK;
    }
    VS_TRY(vs_part_head_encode(&log->head, &log->bytes, err));
    return log->sink.write(log->sink.ctx, log->bytes.data, log->bytes.len, err);
}

void vs_build_log_close(struct vs_build *build)
{
    struct vs_build_log *log = build->log;
    if (log != NULL) {
        vs_buf_clear(&log->bytes);
        vs_free(build->env, log->columns);
        vs_free(build->env, log->numbers);
        vs_free(build->env, log->lengths);
        vs_free(build->env, log);
        build->log = NULL;
    }
}

// The data file in which a row is; the first one that is not empty.
static size_t file_at(const struct vs_build *build, uint64_t row)
{
    const struct vs_index_file_ref *files = build->params->files;
    size_t low = 0, high = build->params->file_count; // the last file that starts at or before row
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (files[middle].first_row <= row) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

static uint64_t file_end(const struct vs_build *build, size_t file)
{
    return build->params->files[file].first_row + build->params->files[file].row_count;
}

static void gather(const struct vs_build *build,
                   const struct vs_build_column *column,
                   uint64_t first_row,
                   struct vs_part_vectors *v)
{
    const struct vs_build_chunk *chunk = &column->chunk;
    size_t rows = build->batch_rows;
    uint32_t *numbers = build->log->numbers;
    float *lengths = build->log->lengths;
    for (size_t i = 0; i < chunk->count; i++) {
        numbers[i] = (uint32_t)(chunk->facts[i].row - first_row);
        numbers[rows + i] = chunk->assigned[i].list;
        numbers[2 * rows + i] =
            column->second_assignment ? chunk->assigned[i].second : VS_ASSIGN_NO_LIST;
        lengths[i] = chunk->assigned[i].distance;
        lengths[rows + i] = chunk->facts[i].scale;
        lengths[2 * rows + i] = chunk->facts[i].norm;
    }
    *v = (struct vs_part_vectors){.position = numbers,
                                  .list = numbers + rows,
                                  .second = numbers + 2 * rows,
                                  .distance = lengths,
                                  .scale = lengths + rows,
                                  .norm = lengths + 2 * rows,
                                  .codes = chunk->codes,
                                  .rows_i8 = chunk->rows_i8};
}

static uint32_t ordinal(const struct vs_build_log *log, const struct vs_build_column *column)
{
    uint32_t i = 0;
    while (log->columns[i].field_id != column->field->id) {
        i++;
    }
    return i;
}

static enum vs_status flush(struct vs_build_log *log, bool at_once, struct vs_error *err)
{
    log->unflushed += log->bytes.len;
    VS_TRY(log->sink.write(log->sink.ctx, log->bytes.data, log->bytes.len, err));
    if (log->sink.flush != NULL && (at_once || log->unflushed >= FLUSH_BYTES)) {
        log->unflushed = 0;
        return log->sink.flush(log->sink.ctx, err);
    }
    return VS_OK;
}

enum vs_status vs_build_log_put(struct vs_build *build,
                                struct vs_build_column *column,
                                uint64_t end_row,
                                const struct vs_drift *drift,
                                struct vs_error *err)
{
    static const struct vs_drift none;
    struct vs_build_log *log = build->log;
    const struct vs_build_chunk *chunk = &column->chunk;
    uint32_t own = ordinal(log, column);
    vs_buf_reset(&log->bytes);
    for (uint64_t row = column->done_row; row < end_row;) {
        size_t file = file_at(build, row);
        uint64_t start = build->params->files[file].first_row, end = file_end(build, file);
        end = end < end_row ? end : end_row;
        struct vs_part_vectors v;
        gather(build, column, start, &v);
        bool here = chunk->count > 0 && chunk->facts[0].row >= row && chunk->facts[0].row < end;
        struct vs_part_block block = {.column = own,
                                      .file = (uint32_t)file,
                                      .count = here ? (uint32_t)chunk->count : 0,
                                      .first = (uint32_t)(row - start),
                                      .rows = (uint32_t)(end - row)};
        VS_TRY(vs_part_block_append(&log->columns[own], &block, &v, here ? drift : &none,
                                    &log->bytes, err));
        log->block_count++;
        row = end;
    }
    column->done_row = end_row > column->done_row ? end_row : column->done_row;
    return flush(log, false, err);
}

enum vs_status vs_build_log_end(struct vs_build *build, struct vs_error *err)
{
    struct vs_build_log *log = build->log;
    struct vs_part_block block = {.column = VS_PART_END, .count = log->block_count};
    vs_buf_reset(&log->bytes);
    VS_TRY(vs_buf_append_zeros(&log->bytes, VS_PART_BLOCK_SIZE, err));
    vs_part_block_encode(&block, log->bytes.data);
    return flush(log, true, err);
}

size_t vs_build_log_cut(const struct vs_build *build, const struct vs_row_fact *facts, size_t count)
{
    if (build->log == NULL || count == 0) {
        return count;
    }
    uint64_t end = file_end(build, file_at(build, facts[0].row));
    size_t cut = 1;
    while (cut < count && facts[cut].row < end) {
        cut++;
    }
    return cut;
}

size_t vs_build_log_rows(const struct vs_build *build, uint64_t first_row, size_t most)
{
    if (build->log == NULL || first_row >= build->row_count) {
        return most;
    }
    uint64_t left = file_end(build, file_at(build, first_row)) - first_row;
    return left < most ? (size_t)left : most;
}
