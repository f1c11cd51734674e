// SPDX-License-Identifier: Apache-2.0
/*
 * Which rows of each data file of a plan are deleted: position delete files, deletion vectors,
 * equality deletes (equality_deletes.c).
 */
#include "vecstore/base/checked.h"
#include "vecstore/iceberg/delete_schema.h"
#include "vecstore/iceberg/deletion_vector.h"
#include "vecstore/iceberg/iceberg_internal.h"
#include "vecstore/iceberg/scan.h"

#include <stdlib.h>

#define BATCH_ROWS 8192
#define MAX_DELETED_ROWS ((uint64_t)1 << 28) // of a plan: 2 GiB of positions
#define MAX_EQUALITY_BYTES ((size_t)512 << 20)

const struct vs_field vs_delete_fields[VS_DELETE_FIELD_COUNT] = {
    {.id = VS_DELETE_PATH_ID,
     .name = {"file_path", 9},
     .kind = VS_KIND_STRING,
     .required = true,
     .element_id = -1},
    {.id = VS_DELETE_POS_ID,
     .name = {"pos", 3},
     .kind = VS_KIND_LONG,
     .required = true,
     .element_id = -1},
};

struct delete_reader {
    const struct vs_env *env;
    struct vs_store *store;
    const struct vs_table_metadata *metadata;
    const struct vs_scan_plan *plan;
    struct vs_deleted_rows *rows;
    struct vs_arena arena;
    size_t *capacities;
    uint64_t total; // of positions held, duplicates included
    struct vs_plan_index index;
};

static enum vs_status no_memory(struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "no memory for the deleted rows of a snapshot");
}

static int compare_by_path(const void *a, const void *b)
{
    const struct vs_scan_file *const *x = a, *const *y = b;
    return vs_str_compare((*x)->data.path, (*y)->data.path);
}

static int compare_pointers(const void *a, const void *b)
{
    uintptr_t x = (uintptr_t) * (const void *const *)a, y = (uintptr_t) * (const void *const *)b;
    return x < y ? -1 : x > y;
}

static int compare_positions(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

// ---- files by path ----

enum vs_status vs_plan_index_make(const struct vs_scan_plan *plan,
                                  struct vs_arena *arena,
                                  struct vs_plan_index *index_out,
                                  struct vs_error *err)
{
    struct vs_plan_index index = {.count = plan->file_count};
    index.files = vs_arena_alloc_array(arena, index.count, sizeof *index.files);
    if (index.files == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < index.count; i++) {
        index.files[i] = &plan->files[i];
    }
    if (index.count > 1) {
        qsort(index.files, index.count, sizeof *index.files, compare_by_path);
    }
    *index_out = index;
    return VS_OK;
}

const struct vs_scan_file *vs_plan_index_find(const struct vs_plan_index *index, struct vs_str path)
{
    size_t low = 0, high = index->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = vs_str_compare(index->files[middle]->data.path, path);
        if (order == 0) {
            return index->files[middle];
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

// ---- collecting ----

// The file's deletion vector makes position delete files void for it (iceberg.md 1.8).
static const struct vs_data_file *deletion_vector_of(const struct vs_scan_file *file)
{
    for (size_t i = 0; i < file->delete_count; i++) {
        if (vs_is_deletion_vector(file->deletes[i])) {
            return file->deletes[i];
        }
    }
    return NULL;
}

static bool is_position_file(const struct vs_data_file *d)
{
    return d != NULL && d->content == VS_CONTENT_POSITION_DELETES && !vs_is_deletion_vector(d);
}

static bool has_delete(const struct vs_scan_file *file, const struct vs_data_file *d)
{
    for (size_t i = 0; i < file->delete_count; i++) {
        if (file->deletes[i] == d) {
            return true;
        }
    }
    return false;
}

static enum vs_status add_position(struct delete_reader *r,
                                   size_t index,
                                   uint64_t position,
                                   struct vs_error *err)
{
    struct vs_deleted_rows *rows = r->rows;
    if (r->total >= MAX_DELETED_ROWS) {
        return vs_fail(err, VS_LIMIT,
                       "the snapshot deletes more than %llu rows by delete files; compact the "
                       "table so that the data files are written anew without them",
                       (unsigned long long)MAX_DELETED_ROWS);
    }
    if (rows->counts[index] == r->capacities[index]) {
        size_t capacity = r->capacities[index] == 0 ? 64 : r->capacities[index] * 2, size;
        if (!vs_mul_size(capacity, sizeof *rows->positions[index], &size)) {
            return no_memory(err);
        }
        uint64_t *grown = vs_realloc(r->env, rows->positions[index], size);
        if (grown == NULL) {
            return no_memory(err);
        }
        rows->positions[index] = grown;
        r->capacities[index] = capacity;
    }
    rows->positions[index][rows->counts[index]++] = position;
    r->total++;
    return VS_OK;
}

static enum vs_status add_equality(void *ctx, size_t file, uint64_t position, struct vs_error *err)
{
    struct delete_reader *r = ctx;
    return add_position(r, file, position, err);
}

static enum vs_status add_batch(struct delete_reader *r,
                                const struct vs_data_file *d,
                                const struct vs_batch *batch,
                                struct vs_error *err)
{
    struct vs_str last = {NULL, 0};
    const struct vs_scan_file *file = NULL;
    for (size_t row = 0; row < batch->row_count; row++) {
        struct vs_str path = vs_column_get_bytes(&batch->columns[0], row);
        int64_t position = vs_column_get(&batch->columns[1], row).as.integer;
        if (last.ptr == NULL || !vs_str_equal(path, last)) {
            // NULL: another snapshot's file, or newer than the rule allows
            file = vs_plan_index_find(&r->index, path);
            file = file != NULL && has_delete(file, d) && deletion_vector_of(file) == NULL ? file
                                                                                           : NULL;
            last = path;
        }
        if (file == NULL) {
            continue;
        }
        if (position < 0 || position >= file->data.record_count) {
            return vs_fail(err, VS_CORRUPT, "%.*s deletes row %lld of %.*s, which has %lld rows",
                           VS_STR_ARG(d->path), (long long)position, VS_STR_ARG(path),
                           (long long)file->data.record_count);
        }
        VS_TRY(add_position(r, (size_t)(file - r->plan->files), (uint64_t)position, err));
    }
    return VS_OK;
}

static enum vs_status read_delete_file(struct delete_reader *r,
                                       const struct vs_data_file *d,
                                       struct vs_error *err)
{
    struct vs_file_scan *scan = NULL;
    struct vs_batch batch = {0};
    enum vs_status status = vs_file_scan_open(r->env, r->store, r->metadata, d, vs_delete_fields,
                                              VS_DELETE_FIELD_COUNT, &scan, err);
    if (status == VS_OK) {
        status = vs_batch_init(&batch, r->env, vs_delete_fields, VS_DELETE_FIELD_COUNT, err);
    }
    while (status == VS_OK) {
        uint64_t first;
        vs_batch_reset(&batch);
        status = vs_file_scan_next(scan, BATCH_ROWS, &batch, &first, err);
        if (status != VS_OK || batch.row_count == 0) {
            break;
        }
        status = add_batch(r, d, &batch, err);
    }
    vs_batch_clear(&batch);
    vs_file_scan_close(scan);
    return status;
}

// Each position delete file once, however many data files it may apply to.
static enum vs_status read_delete_files(struct delete_reader *r, struct vs_error *err)
{
    size_t total = 0, n = 0;
    for (size_t i = 0; i < r->plan->file_count; i++) {
        if (!vs_add_size(total, r->plan->files[i].delete_count, &total)) {
            return no_memory(err);
        }
    }
    const struct vs_data_file **all = vs_arena_alloc_array(&r->arena, total, sizeof *all);
    if (all == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < r->plan->file_count; i++) {
        const struct vs_scan_file *file = &r->plan->files[i];
        if (deletion_vector_of(file) != NULL) {
            continue;
        }
        for (size_t j = 0; j < file->delete_count; j++) {
            if (is_position_file(file->deletes[j])) {
                all[n++] = file->deletes[j];
            }
        }
    }
    if (n > 1) {
        qsort(all, n, sizeof *all, compare_pointers);
    }
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || all[i] != all[i - 1]) {
            VS_TRY(read_delete_file(r, all[i], err));
        }
    }
    return VS_OK;
}

// ---- deletion vectors ----

struct vector_target {
    struct delete_reader *reader;
    size_t file;
    enum vs_status status;
    struct vs_error *err;
};

static bool add_from_vector(uint64_t position, void *ctx)
{
    struct vector_target *target = ctx;
    target->status = add_position(target->reader, target->file, position, target->err);
    return target->status == VS_OK;
}

static enum vs_status check_vector(const struct vs_scan_file *file,
                                   const struct vs_data_file *vector,
                                   const struct vs_bitmap *bitmap,
                                   struct vs_error *err)
{
    uint64_t last = 0;
    if (vs_bitmap_max(bitmap, &last) && last >= (uint64_t)file->data.record_count) {
        return vs_fail(err, VS_CORRUPT, "%.*s deletes row %llu of %.*s, which has %lld rows",
                       VS_STR_SHORT(vector->path), (unsigned long long)last,
                       VS_STR_ARG(file->data.path), (long long)file->data.record_count);
    }
    return VS_OK;
}

static enum vs_status read_vector(struct delete_reader *r, size_t index, struct vs_error *err)
{
    const struct vs_scan_file *file = &r->plan->files[index];
    const struct vs_data_file *vector = deletion_vector_of(file);
    if (vector == NULL) {
        return VS_OK;
    }
    for (size_t i = 0; i < file->delete_count; i++) {
        if (vs_is_deletion_vector(file->deletes[i]) && file->deletes[i] != vector) {
            return vs_fail(err, VS_CORRUPT, "%.*s has more than one deletion vector",
                           VS_STR_ARG(file->data.path));
        }
    }
    struct vs_bitmap bitmap;
    VS_TRY(vs_deletion_vector_read(r->env, r->store, r->metadata, vector, &bitmap, err));
    struct vector_target target = {.reader = r, .file = index, .err = err};
    target.status = check_vector(file, vector, &bitmap, err);
    if (target.status == VS_OK) {
        (void)vs_bitmap_each(&bitmap, add_from_vector, &target);
    }
    vs_bitmap_clear(&bitmap);
    return target.status;
}

// ---- all of it ----

static void sort_unique(struct vs_deleted_rows *rows)
{
    for (size_t i = 0; i < rows->file_count; i++) {
        uint64_t *positions = rows->positions[i];
        size_t n = rows->counts[i], kept = 0;
        if (n > 1) {
            qsort(positions, n, sizeof *positions, compare_positions);
        }
        for (size_t j = 0; j < n; j++) {
            if (j == 0 || positions[j] != positions[j - 1]) {
                positions[kept++] = positions[j];
            }
        }
        rows->counts[i] = kept;
        rows->total += kept;
    }
}

static enum vs_status read_all(struct delete_reader *r, struct vs_error *err)
{
    size_t n = r->plan->file_count;
    const struct vs_equality_reader equality = {.env = r->env,
                                                .store = r->store,
                                                .metadata = r->metadata,
                                                .plan = r->plan,
                                                .max_bytes = MAX_EQUALITY_BYTES,
                                                .deleted = add_equality,
                                                .ctx = r};
    r->rows->positions = vs_alloc_zeroed(r->env, n, sizeof *r->rows->positions);
    r->rows->counts = vs_alloc_zeroed(r->env, n, sizeof *r->rows->counts);
    r->capacities = vs_arena_alloc_array(&r->arena, n, sizeof *r->capacities);
    if (r->rows->positions == NULL || r->rows->counts == NULL || r->capacities == NULL) {
        return no_memory(err);
    }
    r->rows->file_count = n;
    VS_TRY(vs_plan_index_make(r->plan, &r->arena, &r->index, err));
    VS_TRY(read_delete_files(r, err));
    for (size_t i = 0; i < n; i++) {
        VS_TRY(read_vector(r, i, err));
    }
    VS_TRY(vs_equality_deletes_apply(&equality, err));
    sort_unique(r->rows);
    return VS_OK;
}

enum vs_status vs_deleted_rows_read(const struct vs_env *env,
                                    struct vs_store *store,
                                    const struct vs_table_metadata *metadata,
                                    const struct vs_scan_plan *plan,
                                    struct vs_deleted_rows *rows_out,
                                    struct vs_error *err)
{
    struct vs_deleted_rows rows = {.env = env};
    struct delete_reader reader = {
        .env = env, .store = store, .metadata = metadata, .plan = plan, .rows = &rows};
    vs_arena_init(&reader.arena, env, 0);
    enum vs_status status = read_all(&reader, err);
    vs_arena_clear(&reader.arena);
    if (status != VS_OK) {
        vs_deleted_rows_clear(&rows);
        return status;
    }
    *rows_out = rows;
    return VS_OK;
}

void vs_deleted_rows_clear(struct vs_deleted_rows *rows)
{
    if (rows->env == NULL) {
        return;
    }
    for (size_t i = 0; i < rows->file_count && rows->positions != NULL; i++) {
        vs_free(rows->env, rows->positions[i]);
    }
    vs_free(rows->env, rows->positions);
    vs_free(rows->env, rows->counts);
    *rows = (struct vs_deleted_rows){.env = rows->env};
}
