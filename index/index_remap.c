// SPDX-License-Identifier: Apache-2.0
#include "index/index_remap.h"

#include "index/index_internal.h"
#include "index/index_moved.h"
#include "index/index_write.h"
#include "vecstore/base/crc32c.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES (1u << 20)

struct covered_file {
    struct vs_str path;
    uint64_t row_count;
    int64_t sequence_number;
    size_t run_count;
    const struct vs_index_run *runs;
};

struct vs_index_map {
    const struct vs_env *env;
    struct vs_arena arena;
    struct vs_puffin puffin;
    struct vs_descriptor descriptor;
    size_t count;
    struct covered_file *files; // by path
};

// ---- which files are covered ----

static int compare_files(const void *a, const void *b)
{
    return vs_str_compare(((const struct covered_file *)a)->path,
                          ((const struct covered_file *)b)->path);
}

static size_t count_files(const struct vs_index_info *info)
{
    size_t count = info->moved_count;
    for (size_t s = 0; s < info->segment_count; s++) {
        count += info->segments[s].file_count;
    }
    return count;
}

static enum vs_status fill_map(struct vs_index_map *map, const char *what, struct vs_error *err)
{
    const struct vs_index_info *info = &map->descriptor.info;
    size_t count = count_files(info), n = 0;
    map->files = vs_arena_alloc_array(&map->arena, count, sizeof *map->files);
    struct vs_index_run *runs = vs_arena_alloc_array(&map->arena, count, sizeof *runs);
    if (map->files == NULL || runs == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "%s: out of memory for its files", what);
    }
    for (size_t s = 0; s < info->segment_count; s++) {
        for (size_t i = 0; i < info->segments[s].file_count; i++) {
            const struct vs_index_file_ref *ref = &info->segments[s].files[i];
            runs[n] = (struct vs_index_run){(uint32_t)s, (uint32_t)ref->first_row, 0,
                                            (uint32_t)ref->row_count};
            map->files[n] =
                (struct covered_file){ref->path, ref->row_count, ref->sequence_number, 1, &runs[n]};
            n++;
        }
    }
    for (size_t i = 0; i < info->moved_count; i++) {
        const struct vs_index_moved_file *file = &info->moved[i];
        map->files[n++] = (struct covered_file){file->path, file->row_count, file->sequence_number,
                                                file->run_count, file->runs};
    }
    map->count = n;
    if (n > 1) {
        qsort(map->files, n, sizeof *map->files, compare_files);
    }
    return VS_OK;
}

enum vs_status vs_index_map_read(const struct vs_env *env,
                                 struct vs_file *file,
                                 struct vs_index_map **map_out,
                                 struct vs_error *err)
{
    struct vs_index_map *map = vs_alloc_zeroed(env, 1, sizeof *map);
    if (map == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "%s: out of memory for its files", file->name);
    }
    map->env = env;
    vs_arena_init(&map->arena, env, 0);
    enum vs_status status =
        vs_index_describe(env, file, &map->arena, &map->puffin, &map->descriptor, err);
    if (status != VS_OK) {
        vs_arena_clear(&map->arena);
        vs_free(env, map);
        return status;
    }
    status = fill_map(map, file->name, err);
    if (status != VS_OK) {
        vs_index_map_free(map);
        return status;
    }
    *map_out = map;
    return VS_OK;
}

void vs_index_map_free(struct vs_index_map *map)
{
    if (map == NULL) {
        return;
    }
    vs_puffin_clear(&map->puffin);
    vs_arena_clear(&map->arena);
    vs_free(map->env, map);
}

const struct vs_index_info *vs_index_map_info(const struct vs_index_map *map)
{
    return &map->descriptor.info;
}

const struct vs_index_run *vs_index_map_find(const struct vs_index_map *map,
                                             struct vs_str path,
                                             uint64_t row_count,
                                             int64_t sequence_number,
                                             size_t *run_count_out)
{
    size_t low = 0, high = map->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (vs_str_compare(map->files[middle].path, path) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    for (; low < map->count && vs_str_equal(map->files[low].path, path); low++) {
        const struct covered_file *file = &map->files[low];
        if (file->row_count == row_count && file->sequence_number == sequence_number) {
            *run_count_out = file->run_count;
            return file->runs;
        }
    }
    return NULL;
}

// ---- rows of a new file ----

void vs_index_run_list_init(struct vs_index_run_list *list, const struct vs_env *env)
{
    *list = (struct vs_index_run_list){.env = env};
}

void vs_index_run_list_clear(struct vs_index_run_list *list)
{
    vs_free(list->env, list->runs);
    vs_index_run_list_init(list, list->env);
}

static enum vs_status add_run(struct vs_index_run_list *list,
                              uint32_t segment,
                              uint32_t first_row,
                              uint32_t count,
                              struct vs_error *err)
{
    if (list->row_count + count > VS_INDEX_MAX_ROWS) {
        return vs_fail(err, VS_LIMIT, "a data file of more than %u rows cannot be indexed",
                       VS_INDEX_MAX_ROWS);
    }
    struct vs_index_run *last = list->count > 0 ? &list->runs[list->count - 1] : NULL;
    if (last != NULL && last->segment == segment && last->first_row + last->count == first_row) {
        last->count += count;
        list->row_count += count;
        return VS_OK;
    }
    if (list->count == list->capacity) {
        size_t capacity = list->capacity * 2 + 16;
        struct vs_index_run *runs = vs_realloc(list->env, list->runs, capacity * sizeof *runs);
        if (runs == NULL) {
            return vs_fail(err, VS_NO_MEMORY, "out of memory for the runs of an index");
        }
        list->runs = runs;
        list->capacity = capacity;
    }
    if (list->runs == NULL) {
        return VS_INTERNAL; // for the static analyser: there is room by now
    }
    list->runs[list->count++] =
        (struct vs_index_run){segment, first_row, (uint32_t)list->row_count, count};
    list->row_count += count;
    return VS_OK;
}

enum vs_status vs_index_run_list_add(struct vs_index_run_list *list,
                                     const struct vs_index_run *runs,
                                     size_t run_count,
                                     uint64_t first,
                                     uint64_t count,
                                     struct vs_error *err)
{
    size_t low = 0, high = run_count;
    while (low < high) { // the first run that starts after `first`
        size_t middle = low + (high - low) / 2;
        if (runs[middle].position > first) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    for (size_t r = low; count > 0; r++) {
        if (r == 0 || r > run_count || first - runs[r - 1].position >= runs[r - 1].count) {
            return vs_fail(err, VS_INTERNAL, "position %" PRIu64 " is in no run of its data file",
                           first);
        }
        const struct vs_index_run *run = &runs[r - 1];
        uint32_t skip = (uint32_t)(first - run->position);
        uint32_t n = run->count - skip < count ? run->count - skip : (uint32_t)count;
        VS_TRY(add_run(list, run->segment, run->first_row + skip, n, err));
        first += n;
        count -= n;
    }
    return VS_OK;
}

// ---- the new file ----

struct row_range {
    uint32_t segment, first_row, count;
};

static int compare_ranges(const void *a, const void *b)
{
    const struct row_range *x = a, *y = b;
    if (x->segment != y->segment) {
        return x->segment < y->segment ? -1 : 1;
    }
    return (x->first_row > y->first_row) - (x->first_row < y->first_row);
}

static bool overlaps(const struct row_range *ranges, size_t count, const struct vs_index_run *run)
{
    size_t low = 0, high = count; // the first range that starts at or after the run's end
    uint64_t end = (uint64_t)run->first_row + run->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct row_range *range = &ranges[middle];
        if (range->segment < run->segment ||
            (range->segment == run->segment && range->first_row < end)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low > 0 && ranges[low - 1].segment == run->segment &&
           (uint64_t)ranges[low - 1].first_row + ranges[low - 1].count > run->first_row;
}

static bool file_overlaps(const struct row_range *ranges,
                          size_t count,
                          const struct vs_index_moved_file *file)
{
    for (size_t r = 0; r < file->run_count; r++) {
        if (overlaps(ranges, count, &file->runs[r])) {
            return true;
        }
    }
    return false;
}

// Former moved files whose rows did not move again, then the new ones.
static enum vs_status merge_moved(const struct vs_env *env,
                                  struct vs_index_info *info,
                                  const struct vs_index_remap *remap,
                                  struct vs_index_moved_file *merged,
                                  struct vs_error *err)
{
    size_t runs = 0, n = 0;
    for (size_t i = 0; i < remap->moved_count; i++) {
        runs += remap->moved[i].run_count;
    }
    struct row_range *ranges = vs_alloc_zeroed(env, runs + 1, sizeof *ranges);
    if (ranges == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for the runs of an index");
    }
    for (size_t i = 0; i < remap->moved_count; i++) {
        for (size_t r = 0; r < remap->moved[i].run_count; r++) {
            const struct vs_index_run *run = &remap->moved[i].runs[r];
            ranges[n++] = (struct row_range){run->segment, run->first_row, run->count};
        }
    }
    qsort(ranges, n, sizeof *ranges, compare_ranges);
    size_t kept = 0;
    for (size_t i = 0; i < info->moved_count; i++) {
        if (!file_overlaps(ranges, n, &info->moved[i])) {
            merged[kept++] = info->moved[i];
        }
    }
    vs_free(env, ranges);
    if (remap->moved_count > 0) {
        memcpy(merged + kept, remap->moved, remap->moved_count * sizeof *merged);
    }
    info->moved = merged;
    info->moved_count = kept + remap->moved_count;
    return VS_OK;
}

static const struct vs_puffin_blob *puffin_blob(const struct vs_index_map *map,
                                                const struct vs_blob_entry *entry)
{
    for (size_t i = 0; i < map->puffin.blob_count; i++) {
        const struct vs_puffin_blob *blob = &map->puffin.blobs[i];
        if (blob->offset == entry->offset && vs_str_equal(blob->type, entry->type)) {
            return blob;
        }
    }
    return NULL;
}

struct copier {
    const struct vs_env *env;
    struct vs_file *file;
    const struct vs_index_map *map;
    const struct vs_index_remap *remap;
    struct vs_index_writer writer;
    uint8_t *chunk;
};

static enum vs_status copy_bytes(struct copier *c,
                                 const struct vs_blob_entry *entry,
                                 struct vs_error *err)
{
    for (uint64_t at = 0; at < entry->length; at += CHUNK_BYTES) {
        size_t n = entry->length - at < CHUNK_BYTES ? (size_t)(entry->length - at) : CHUNK_BYTES;
        VS_TRY(vs_op_check(c->env, c->remap->op, err));
        VS_TRY(vs_file_read(c->file, entry->offset + at, n, c->chunk, err));
        VS_TRY(vs_index_blob_write(&c->writer, c->chunk, n, err));
    }
    if (c->writer.crc != entry->crc) {
        return vs_fail(err, VS_CORRUPT,
                       "%s: checksum of blob %.*s at offset %" PRIu64
                       " is wrong; rebuild the index",
                       c->file->name, VS_STR_ARG(entry->type), entry->offset);
    }
    return VS_OK;
}

static enum vs_status copy_blobs(struct copier *c, struct vs_error *err)
{
    const struct vs_descriptor *d = &c->map->descriptor;
    for (size_t i = 0; i < d->blob_count; i++) {
        const struct vs_blob_entry *entry = &d->blobs[i];
        const struct vs_puffin_blob *blob = puffin_blob(c->map, entry);
        if (vs_str_equal_c(entry->type, VS_BLOB_MOVED)) {
            continue;
        }
        if (blob == NULL) {
            return vs_fail(err, VS_INTERNAL, "%s: blob %.*s is not in the footer", c->file->name,
                           VS_STR_ARG(entry->type));
        }
        c->writer.all_fields = blob->fields;
        c->writer.all_field_count = blob->field_count;
        VS_TRY(vs_index_blob_begin(&c->writer, entry->type.ptr, entry->segment, entry->field_id,
                                   err)); // decoded texts end with a NUL
        VS_TRY(copy_bytes(c, entry, err));
        VS_TRY(vs_index_blob_end(&c->writer, err));
    }
    return VS_OK;
}

// Fields of a blob that belongs to all columns.
static void set_all_fields(struct copier *c, int32_t *ids)
{
    const struct vs_index_info *info = &c->map->descriptor.info;
    for (size_t i = 0; i < info->column_count; i++) {
        ids[i] = info->columns[i].field_id;
    }
    c->writer.all_fields = ids;
    c->writer.all_field_count = info->column_count;
}

static enum vs_status put_moved(struct copier *c,
                                const struct vs_index_info *info,
                                struct vs_error *err)
{
    if (info->moved_count == 0) {
        return VS_OK;
    }
    VS_TRY(vs_moved_check(c->env, info, c->file->name, err));
    struct vs_buf blob;
    vs_buf_init(&blob, c->env, (size_t)VS_INDEX_MAX_RUNS * 15 + VS_SECTION_HEADER_SIZE);
    enum vs_status status = vs_moved_runs_encode(info->moved, info->moved_count, &blob, err);
    if (status == VS_OK) {
        status = vs_index_blob_put(&c->writer, VS_BLOB_MOVED, -1, -1, blob.data, blob.len, err);
    }
    vs_buf_clear(&blob);
    return status;
}

static enum vs_status write_all(struct copier *c,
                                struct vs_arena *arena,
                                struct vs_index_remap_result *result,
                                struct vs_error *err)
{
    struct vs_descriptor descriptor = c->map->descriptor; // shares its parts
    const struct vs_uuid none = {{0}};
    struct vs_index_moved_file *merged = vs_arena_alloc_array(
        arena, descriptor.info.moved_count + c->remap->moved_count, sizeof *merged);
    int32_t *ids = vs_arena_alloc_array(arena, descriptor.info.column_count, sizeof *ids);
    if (merged == NULL || ids == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for an index");
    }
    VS_TRY(merge_moved(c->env, &descriptor.info, c->remap, merged, err));
    VS_TRY(copy_blobs(c, err));
    set_all_fields(c, ids);
    VS_TRY(put_moved(c, &descriptor.info, err));
    bool is_random = memcmp(&c->remap->index_uuid, &none, sizeof none) == 0;
    result->index_uuid = is_random ? vs_uuid_new_v4(c->env) : c->remap->index_uuid;
    descriptor.info.index_uuid = result->index_uuid;
    return vs_index_writer_finish(&c->writer, &descriptor, &result->file_size, &result->footer_size,
                                  err);
}

enum vs_status vs_index_remap_write(const struct vs_env *env,
                                    struct vs_file *file,
                                    const struct vs_index_map *map,
                                    const struct vs_index_remap *remap,
                                    struct vs_writer *out,
                                    struct vs_index_remap_result *result_out,
                                    struct vs_error *err)
{
    struct copier c = {.env = env, .file = file, .map = map, .remap = remap};
    struct vs_index_remap_result result = {0};
    struct vs_arena arena;
    vs_arena_init(&arena, env, 0);
    enum vs_status status =
        vs_index_writer_open(&c.writer, env, out, map->descriptor.info.snapshot_id,
                             map->descriptor.sequence_number, err);
    if (status == VS_OK) {
        c.chunk = vs_alloc(env, CHUNK_BYTES);
        status = c.chunk == NULL ? vs_fail(err, VS_NO_MEMORY, "out of memory for an index")
                                 : write_all(&c, &arena, &result, err);
    }
    vs_free(env, c.chunk);
    vs_index_writer_clear(&c.writer);
    vs_arena_clear(&arena);
    if (status == VS_OK) {
        *result_out = result;
    }
    return status;
}
