// SPDX-License-Identifier: Apache-2.0
#include "ingest/locate.h"

#include "vecstore/base/bytes.h"
#include "vecstore/iceberg/contract.h"

#include <string.h>

#define ROWS_PER_READ 16384

struct search {
    const struct vs_env *env;
    struct vs_store *store;
    const struct vs_table_metadata *base;
    const struct vs_id_set *ids;
    const struct vs_op *op;
    struct vs_field id_field;
    struct vs_buf rows;  // struct vs_position_delete
    struct vs_buf index; // size_t
    struct vs_buf seen;  // one byte an id
    size_t distinct;
    struct vs_str path; // of the current file, in the result's arena
};

static const struct vs_int_bytes *find_bound(const struct vs_int_bytes *bounds,
                                             size_t count,
                                             int32_t field_id)
{
    for (size_t i = 0; i < count; i++) {
        if (bounds[i].key == field_id) {
            return &bounds[i];
        }
    }
    return NULL;
}

// Integer bounds are 4 or 8 bytes (a promoted column keeps the old width); string bounds may be cut
// to 16 characters: the upper one was then rounded up by its writer, so that plain comparison
// holds.
static bool decode_bound(struct vs_str bytes, enum vs_kind kind, struct vs_value *value_out)
{
    *value_out = (struct vs_value){.kind = kind};
    if (kind == VS_KIND_STRING) {
        value_out->as.text = bytes;
        return true;
    }
    if (bytes.len == 8) {
        value_out->as.integer = (int64_t)vs_load_u64le(bytes.ptr);
        return true;
    }
    if (bytes.len == 4) {
        value_out->as.integer = (int32_t)vs_load_u32le(bytes.ptr);
        return true;
    }
    return false;
}

static bool may_hold(const struct search *search, const struct vs_data_file *file)
{
    struct vs_value min, max, bound;
    if (!vs_id_set_range(search->ids, &min, &max)) {
        return false;
    }
    const struct vs_int_bytes *lower =
        find_bound(file->lower_bounds, file->lower_count, search->id_field.id);
    if (lower != NULL && decode_bound(lower->value, min.kind, &bound) &&
        vs_value_compare(&max, &bound) < 0) {
        return false;
    }
    const struct vs_int_bytes *upper =
        find_bound(file->upper_bounds, file->upper_count, search->id_field.id);
    return upper == NULL || !decode_bound(upper->value, max.kind, &bound) ||
           vs_value_compare(&min, &bound) <= 0;
}

static bool is_deleted(const uint64_t *positions, size_t count, uint64_t position)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (positions[middle] < position) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < count && positions[low] == position;
}

static enum vs_status add_row(struct search *search,
                              size_t id,
                              uint64_t position,
                              struct vs_error *err)
{
    struct vs_position_delete row = {.path = search->path, .position = position};
    VS_TRY(vs_buf_append(&search->rows, &row, sizeof row, err));
    VS_TRY(vs_buf_append(&search->index, &id, sizeof id, err));
    if (!search->seen.data[id]) {
        search->seen.data[id] = 1;
        search->distinct++;
    }
    return VS_OK;
}

static enum vs_status search_batch(struct search *search,
                                   const struct vs_batch *batch,
                                   uint64_t first,
                                   const uint64_t *deleted,
                                   size_t deleted_count,
                                   struct vs_error *err)
{
    const struct vs_column *column = &batch->columns[0];
    for (size_t row = 0; row < batch->row_count; row++) {
        if (vs_column_is_null(column, row)) {
            continue;
        }
        struct vs_value id = vs_column_get(column, row);
        size_t found = vs_id_set_find(search->ids, &id);
        if (found != SIZE_MAX && !is_deleted(deleted, deleted_count, first + row)) {
            VS_TRY(add_row(search, found, first + row, err));
        }
    }
    return VS_OK;
}

static enum vs_status search_scan(struct search *search,
                                  struct vs_file_scan *scan,
                                  const uint64_t *deleted,
                                  size_t deleted_count,
                                  struct vs_error *err)
{
    struct vs_batch batch = {0};
    enum vs_status status = vs_batch_init(&batch, search->env, &search->id_field, 1, err);
    while (status == VS_OK) {
        uint64_t first = 0;
        vs_batch_reset(&batch);
        status = vs_op_check(search->env, search->op, err);
        if (status == VS_OK) {
            status = vs_file_scan_next(scan, ROWS_PER_READ, &batch, &first, err);
        }
        if (status != VS_OK || batch.row_count == 0) {
            break;
        }
        status = search_batch(search, &batch, first, deleted, deleted_count, err);
    }
    vs_batch_clear(&batch);
    return status;
}

static enum vs_status search_file(struct search *search,
                                  const struct vs_data_file *file,
                                  const uint64_t *deleted,
                                  size_t deleted_count,
                                  struct vs_arena *arena,
                                  struct vs_error *err)
{
    struct vs_file_scan *scan = NULL;
    search->path = vs_arena_copy_str(arena, file->path);
    if (search->path.ptr == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for the path of a data file");
    }
    VS_TRY(vs_file_scan_open(search->env, search->store, search->base, file, &search->id_field, 1,
                             &scan, err));
    enum vs_status status = search_scan(search, scan, deleted, deleted_count, err);
    vs_file_scan_close(scan);
    return status == VS_OK
               ? VS_OK
               : vs_wrap(err, status, "looking for ids in %.*s", VS_STR_ARG(file->path));
}

static enum vs_status search_plan(struct search *search,
                                  const struct vs_scan_plan *plan,
                                  struct vs_arena *arena,
                                  struct vs_error *err)
{
    struct vs_deleted_rows deleted = {0};
    enum vs_status status =
        vs_deleted_rows_read(search->env, search->store, search->base, plan, &deleted, err);
    for (size_t i = 0; status == VS_OK && i < plan->file_count; i++) {
        if (may_hold(search, &plan->files[i].data)) {
            status = search_file(search, &plan->files[i].data, deleted.positions[i],
                                 deleted.counts[i], arena, err);
        }
    }
    vs_deleted_rows_clear(&deleted);
    return status;
}

static enum vs_status move_result(struct search *search,
                                  struct vs_arena *arena,
                                  struct vs_located *located_out,
                                  struct vs_error *err)
{
    struct vs_located located = {.row_count = search->rows.len / sizeof(struct vs_position_delete),
                                 .distinct_ids = search->distinct};
    located.rows = vs_arena_alloc(arena, search->rows.len);
    located.id_index = vs_arena_alloc(arena, search->index.len);
    if (located.rows == NULL || located.id_index == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for %zu found rows", located.row_count);
    }
    if (located.row_count > 0) {
        memcpy(located.rows, search->rows.data, search->rows.len);
        memcpy(located.id_index, search->index.data, search->index.len);
    }
    *located_out = located;
    return VS_OK;
}

enum vs_status vs_locate_ids(const struct vs_locate *locate,
                             struct vs_arena *arena,
                             struct vs_located *located_out,
                             struct vs_error *err)
{
    const struct vs_schema *schema = vs_table_current_schema(locate->base);
    size_t id_field = vs_schema_identifier(schema);
    if (id_field == SIZE_MAX) {
        return vs_fail(
            err, VS_INVALID,
            "the table has no id column (identifier field), so rows cannot be named by id");
    }
    struct search search = {.env = locate->env,
                            .store = locate->store,
                            .base = locate->base,
                            .ids = locate->ids,
                            .op = locate->op,
                            .id_field = schema->fields[id_field]};
    struct vs_scan_plan *plan = NULL;
    vs_buf_init(&search.rows, search.env, SIZE_MAX);
    vs_buf_init(&search.index, search.env, SIZE_MAX);
    vs_buf_init(&search.seen, search.env, SIZE_MAX);
    enum vs_status status = vs_buf_append_zeros(&search.seen, vs_id_set_count(locate->ids), err);
    if (status == VS_OK) {
        status = vs_scan_plan_make(search.env, search.store, search.base, locate->snapshot_id,
                                   &plan, err);
    }
    if (status == VS_OK) {
        status = search_plan(&search, plan, arena, err);
    }
    if (status == VS_OK) {
        status = move_result(&search, arena, located_out, err);
    }
    if (status == VS_OK && locate->plan_out != NULL) {
        *locate->plan_out = plan;
        plan = NULL;
    }
    vs_scan_plan_free(plan);
    vs_buf_clear(&search.rows);
    vs_buf_clear(&search.index);
    vs_buf_clear(&search.seen);
    return status;
}
