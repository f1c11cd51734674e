// SPDX-License-Identifier: Apache-2.0
#include "index/build_replay.h"

#include "index/build_model.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct part {
    struct vs_file *file;
    uint8_t *bytes; // of header and tables
    struct vs_part_head head;
    uint32_t *file_of;   // [head.file_count]: place in the segment
    uint32_t *column_of; // [head.column_count]: of the build
};

struct entry {
    uint64_t offset;             // of the payload
    uint32_t part, column, file; // of the build
    struct vs_part_block block;  // by the part's tables
};

struct vs_build_replay {
    const struct vs_env *env;
    struct vs_arena arena;
    struct part *parts;
    size_t part_count;
    struct entry *entries; // by column, data file, position
    size_t entry_count, entry_room;
    uint32_t *next; // [column_count][file_count]: positions that are there
    size_t column_count, file_count;
    uint64_t end;
    uint8_t *payload;
    size_t payload_room;
};

static enum vs_status no_memory(struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "out of memory for the parts of an index");
}

// ---- heads ----

static enum vs_status read_head(struct vs_build_replay *replay,
                                struct part *part,
                                struct vs_error *err)
{
    struct vs_file *file = part->file;
    uint8_t header[VS_PART_HEADER_SIZE];
    size_t length = 0;
    if (file->size < sizeof header) {
        return vs_fail(err, VS_CORRUPT, "%s ends within its header", file->name);
    }
    VS_TRY(vs_file_read(file, 0, sizeof header, header, err));
    VS_TRY(vs_part_head_length(header, file->name, &length, err));
    if (length > file->size) {
        return vs_fail(err, VS_CORRUPT, "%s ends within its tables", file->name);
    }
    part->bytes = vs_alloc(replay->env, length);
    if (part->bytes == NULL) {
        return no_memory(err);
    }
    VS_TRY(vs_file_read(file, 0, length, part->bytes, err));
    return vs_part_head_decode((struct vs_str){(const char *)part->bytes, length}, file->name,
                               &replay->arena, &part->head, err);
}

static enum vs_status match_columns(const struct vs_build *build,
                                    const struct part *part,
                                    struct vs_error *err)
{
    size_t wanted = 0;
    for (size_t c = 0; c < build->params->column_count; c++) {
        const struct vs_build_column *column = &build->columns[c];
        if (!column->has_lists) {
            continue;
        }
        const struct vs_part_column *own = &part->head.columns[wanted];
        if (wanted == part->head.column_count || own->field_id != column->field->id ||
            own->dim != column->spec->dim || own->m != column->codebook->m ||
            own->list_count != column->codebook->list_count) {
            return vs_fail(err, VS_INVALID, "%s was made for other vector columns",
                           part->file->name);
        }
        part->column_of[wanted++] = (uint32_t)c;
    }
    return wanted == part->head.column_count
               ? VS_OK
               : vs_fail(err, VS_INVALID, "%s has more vector columns than the index",
                         part->file->name);
}

static int compare_paths(const void *a, const void *b)
{
    const struct vs_index_file_ref *x = *(const struct vs_index_file_ref *const *)a,
                                   *y = *(const struct vs_index_file_ref *const *)b;
    return vs_str_compare(x->path, y->path);
}

static enum vs_status match_files(const struct vs_build *build,
                                  const struct vs_index_file_ref **sorted,
                                  const struct part *part,
                                  struct vs_error *err)
{
    for (size_t f = 0; f < part->head.file_count; f++) {
        const struct vs_index_file_ref *own = &part->head.files[f],
                                       **found = bsearch(&own, sorted, build->params->file_count,
                                                         sizeof *sorted, compare_paths);
        if (found == NULL || (*found)->row_count != own->row_count ||
            (*found)->sequence_number != own->sequence_number) {
            return vs_fail(err, VS_INVALID,
                           "%s has the vectors of data file '%.*s', which the snapshot does not "
                           "have like that",
                           part->file->name, VS_STR_ARG(own->path));
        }
        part->file_of[f] = (uint32_t)(*found - build->params->files);
    }
    return VS_OK;
}

static enum vs_status open_part(struct vs_build *build,
                                struct vs_build_replay *replay,
                                const struct vs_index_file_ref **sorted,
                                struct part *part,
                                struct vs_error *err)
{
    VS_TRY(read_head(replay, part, err));
    const struct vs_part_head *head = &part->head;
    if (memcmp(head->model, build->model->name, sizeof head->model) != 0) {
        return vs_fail(err, VS_INVALID, "%s was encoded with another model", part->file->name);
    }
    if (memcmp(&head->table_uuid, &build->params->table_uuid, sizeof head->table_uuid) != 0 ||
        head->snapshot_id != build->params->snapshot_id) {
        return vs_fail(err, VS_INVALID, "%s is of another table or snapshot", part->file->name);
    }
    part->file_of = vs_arena_alloc_array(&replay->arena, head->file_count, sizeof(uint32_t));
    part->column_of = vs_arena_alloc_array(&replay->arena, head->column_count, sizeof(uint32_t));
    if (part->file_of == NULL || part->column_of == NULL) {
        return no_memory(err);
    }
    VS_TRY(match_columns(build, part, err));
    return match_files(build, sorted, part, err);
}

// ---- blocks ----

static enum vs_status add_entry(struct vs_build_replay *replay,
                                const struct entry *entry,
                                struct vs_error *err)
{
    if (replay->entry_count == replay->entry_room) {
        size_t room = 2 * replay->entry_room + 256;
        struct entry *entries = vs_realloc(replay->env, replay->entries, room * sizeof *entries);
        if (entries == NULL) {
            return no_memory(err);
        }
        replay->entries = entries;
        replay->entry_room = room;
    }
    replay->entries[replay->entry_count++] = *entry;
    return VS_OK;
}

static enum vs_status read_payload(struct vs_build_replay *replay,
                                   const struct entry *entry,
                                   struct vs_part_vectors *vectors_out,
                                   struct vs_error *err)
{
    const struct part *part = &replay->parts[entry->part];
    size_t length = (size_t)entry->block.length;
    if (length > replay->payload_room) {
        vs_free_aligned(replay->env, replay->payload);
        replay->payload_room = 0;
        replay->payload = vs_alloc_aligned(replay->env, length);
        if (replay->payload == NULL) {
            return no_memory(err);
        }
        replay->payload_room = length;
    }
    VS_TRY(vs_file_read(part->file, entry->offset, length, replay->payload, err));
    return vs_part_payload_decode(&part->head, &entry->block, replay->payload, part->file->name,
                                  vectors_out, err);
}

static uint32_t *next_of(const struct vs_build_replay *replay, const struct entry *entry)
{
    return &replay->next[entry->column * replay->file_count + entry->file];
}

// The block at replay->end; end_out: it was the end block.
static enum vs_status read_block(struct vs_build_replay *replay,
                                 uint32_t p,
                                 uint32_t number,
                                 bool check_payload,
                                 bool *end_out,
                                 struct vs_error *err)
{
    const struct part *part = &replay->parts[p];
    uint64_t at = replay->end, size = part->file->size;
    uint8_t header[VS_PART_BLOCK_SIZE];
    struct entry entry = {.part = p, .offset = at + VS_PART_BLOCK_SIZE};
    if (at > size || size - at < sizeof header) {
        return vs_fail(err, VS_CORRUPT, "%s is not finished", part->file->name);
    }
    VS_TRY(vs_file_read(part->file, at, sizeof header, header, err));
    VS_TRY(vs_part_block_decode(header, &part->head, part->file->name, &entry.block, err));
    *end_out = entry.block.column == VS_PART_END;
    if (*end_out) {
        return entry.block.count == number && entry.offset == size
                   ? VS_OK
                   : vs_fail(err, VS_CORRUPT, "%s does not end with its end block",
                             part->file->name);
    }
    entry.column = part->column_of[entry.block.column];
    entry.file = part->file_of[entry.block.file];
    if (entry.block.length > size - entry.offset) {
        return vs_fail(err, VS_CORRUPT, "%s is cut off", part->file->name);
    }
    if (entry.block.first != *next_of(replay, &entry)) {
        return vs_fail(err, VS_CORRUPT,
                       "%s: positions of data file '%.*s' are missing or there twice",
                       part->file->name, VS_STR_ARG(part->head.files[entry.block.file].path));
    }
    struct vs_part_vectors vectors;
    VS_TRY(check_payload ? read_payload(replay, &entry, &vectors, err) : VS_OK);
    VS_TRY(add_entry(replay, &entry, err));
    *next_of(replay, &entry) += entry.block.rows;
    replay->end = entry.offset + entry.block.length;
    return VS_OK;
}

static enum vs_status read_blocks(struct vs_build *build,
                                  struct vs_build_replay *replay,
                                  uint32_t p,
                                  bool whole,
                                  struct vs_error *err)
{
    bool end = false;
    size_t length = 0;
    VS_TRY(vs_part_head_length(replay->parts[p].bytes, replay->parts[p].file->name, &length, err));
    replay->end = length;
    for (uint32_t number = 0; !end; number++) {
        VS_TRY(vs_op_check(build->env, build->params->op, err));
        enum vs_status status = read_block(replay, p, number, !whole, &end, err);
        if (status == VS_CORRUPT && !whole) {
            return VS_OK; // a log: what comes before is sound
        }
        VS_TRY(status);
    }
    return VS_OK;
}

static int compare_entries(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    if (x->column != y->column) {
        return x->column < y->column ? -1 : 1;
    }
    if (x->file != y->file) {
        return x->file < y->file ? -1 : 1;
    }
    return (x->block.first > y->block.first) - (x->block.first < y->block.first);
}

// Every position of every data file, in every column with lists.
static enum vs_status check_complete(const struct vs_build *build,
                                     const struct vs_build_replay *replay,
                                     struct vs_error *err)
{
    for (size_t c = 0; c < replay->column_count; c++) {
        for (size_t f = 0; f < replay->file_count && build->columns[c].has_lists; f++) {
            const struct vs_index_file_ref *file = &build->params->files[f];
            if (replay->next[c * replay->file_count + f] != file->row_count) {
                return vs_fail(err, VS_INVALID,
                               "no part has the vectors of data file '%.*s'; encode it too",
                               VS_STR_ARG(file->path));
            }
        }
    }
    return VS_OK;
}

static enum vs_status open_all(struct vs_build *build,
                               struct vs_build_replay *replay,
                               struct vs_file *const *parts,
                               const struct vs_index_file_ref **sorted,
                               bool whole,
                               struct vs_error *err)
{
    for (size_t f = 0; f < replay->file_count; f++) {
        sorted[f] = &build->params->files[f];
    }
    qsort(sorted, replay->file_count, sizeof *sorted, compare_paths);
    for (size_t p = 0; p < replay->part_count; p++) {
        replay->parts[p].file = parts[p];
        VS_TRY(open_part(build, replay, sorted, &replay->parts[p], err));
        VS_TRY(read_blocks(build, replay, (uint32_t)p, whole, err));
    }
    if (replay->entry_count > 0) {
        qsort(replay->entries, replay->entry_count, sizeof *replay->entries, compare_entries);
    }
    return whole ? check_complete(build, replay, err) : VS_OK;
}

enum vs_status vs_build_replay_open(struct vs_build *build,
                                    struct vs_file *const *parts,
                                    size_t part_count,
                                    bool whole,
                                    struct vs_error *err)
{
    const struct vs_env *env = build->env;
    size_t files = build->params->file_count, columns = build->params->column_count;
    struct vs_build_replay *replay = vs_alloc_zeroed(env, 1, sizeof *replay);
    if (replay == NULL) {
        return no_memory(err);
    }
    replay->env = env;
    replay->part_count = part_count;
    replay->column_count = columns;
    replay->file_count = files;
    vs_arena_init(&replay->arena, env, 0);
    replay->parts = vs_alloc_zeroed(env, part_count, sizeof *replay->parts);
    replay->next = vs_alloc_zeroed(env, files * columns + 1, sizeof *replay->next);
    const struct vs_index_file_ref **sorted = vs_alloc_zeroed(env, files + 1, sizeof *sorted);
    enum vs_status status = replay->parts != NULL && replay->next != NULL && sorted != NULL
                                ? open_all(build, replay, parts, sorted, whole, err)
                                : no_memory(err);
    vs_free(env, (void *)sorted);
    if (status != VS_OK) {
        vs_build_replay_close(replay);
        return status;
    }
    build->replay = replay;
    return VS_OK;
}

void vs_build_replay_close(struct vs_build_replay *replay)
{
    if (replay == NULL) {
        return;
    }
    for (size_t p = 0; p < replay->part_count && replay->parts != NULL; p++) {
        vs_free(replay->env, replay->parts[p].bytes);
    }
    vs_free(replay->env, replay->parts);
    vs_free(replay->env, replay->entries);
    vs_free(replay->env, replay->next);
    vs_free_aligned(replay->env, replay->payload);
    vs_arena_clear(&replay->arena);
    vs_free(replay->env, replay);
}

uint64_t vs_build_replay_end(const struct vs_build_replay *replay)
{
    return replay->end;
}

// ---- taking the vectors ----

// Rows before this one are all there.
static uint64_t done_row(const struct vs_build *build,
                         const struct vs_build_replay *replay,
                         size_t column)
{
    const struct vs_index_file_ref *files = build->params->files;
    for (size_t f = 0; f < replay->file_count; f++) {
        uint32_t there = replay->next[column * replay->file_count + f];
        if (there < files[f].row_count) {
            return files[f].first_row + there;
        }
    }
    return build->row_count;
}

static void fill_chunk(struct vs_build_column *column,
                       const struct vs_part_vectors *v,
                       size_t first,
                       uint64_t first_row)
{
    struct vs_build_chunk *chunk = &column->chunk;
    size_t code_bytes = column->codebook->m / 2, n = chunk->count;
    memcpy(chunk->codes, v->codes + first * code_bytes, n * code_bytes);
    memcpy(chunk->rows_i8, v->rows_i8 + first * column->stride, n * column->stride);
    for (size_t i = 0; i < n; i++) {
        size_t at = first + i;
        chunk->assigned[i] = (struct vs_assignment){
            .list = v->list[at], .second = v->second[at], .distance = v->distance[at]};
        chunk->facts[i] = (struct vs_row_fact){.scale = v->scale[at],
                                               .norm = v->norm[at],
                                               .row = (uint32_t)(first_row + v->position[at])};
    }
}

static enum vs_status run_entry(struct vs_build *build,
                                struct vs_build_column *column,
                                const struct entry *entry,
                                struct vs_error *err)
{
    struct vs_part_vectors v = {.position = NULL};
    const struct vs_part_block *block = &entry->block;
    VS_TRY(read_payload(build->replay, entry, &v, err));
    struct vs_drift *drift = &column->drift;
    drift->count += block->count;
    drift->error += block->error;
    drift->energy += block->energy;
    for (size_t b = 0; b < block->bins; b++) {
        drift->distances[v.bins[2 * b]] += v.bins[2 * b + 1];
    }
    for (size_t first = 0; first < block->count; first += column->chunk.count) {
        size_t left = block->count - first;
        size_t count = left < build->batch_rows ? left : build->batch_rows;
        VS_TRY(vs_build_chunk_room(build, column, count, err));
        fill_chunk(column, &v, first, build->params->files[entry->file].first_row);
        VS_TRY(vs_build_chunk_end(build, column, 0, err));
    }
    return VS_OK;
}

enum vs_status vs_build_replay_run(struct vs_build *build, size_t c, struct vs_error *err)
{
    const struct vs_build_replay *replay = build->replay;
    struct vs_build_column *column = &build->columns[c];
    uint64_t done = done_row(build, replay, c);
    for (size_t i = 0; i < replay->entry_count; i++) {
        const struct entry *entry = &replay->entries[i];
        uint64_t row = build->params->files[entry->file].first_row + entry->block.first;
        if (entry->column == c && row < done && entry->block.count > 0) {
            VS_TRY(vs_op_check(build->env, build->params->op, err));
            VS_TRY(run_entry(build, column, entry, err));
            vs_op_progress(build->params->op, "taking parts", column->encoded, column->vector_count,
                           "vectors");
        }
    }
    column->done_row = done;
    return VS_OK;
}
