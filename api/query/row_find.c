// SPDX-License-Identifier: Apache-2.0
/*
 * Rows by id: through the index's sorted ids for covered files, through a sorted copy of the id
 * column (kept in the cache) for the others.
 */
#include "api/query/file_column.h"
#include "api/query/row_values.h"
#include "api/query/search_run.h"

#include <stdlib.h>

struct file_ids { // value of the cache
    struct vs_column column;
    uint32_t *order; // positions by id, then position; rows without an id are left out
    size_t count;
};

struct ids_request {
    const struct vs_view *view;
    size_t file;
    const struct vs_op *op;
};

enum vs_status vs_row_id_parse(const struct vs_view *view,
                               struct vs_str text,
                               struct vs_arena *arena,
                               struct vs_value *id_out,
                               struct vs_error *err)
{
    if (view->id_field == SIZE_MAX) {
        return vs_fail(err, VS_INVALID,
                       "the table has no id column: it declares no identifier field and has no "
                       "column 'id' of type long or string");
    }
    enum vs_status status =
        vs_value_parse(text, &view->schema->fields[view->id_field], arena, id_out, err);
    return status == VS_OK ? VS_OK : vs_wrap(err, status, "id '%.*s'", VS_STR_ARG(text));
}

static void free_ids(const struct vs_env *env, void *value)
{
    struct file_ids *ids = (struct file_ids *)value;
    vs_column_clear(&ids->column);
    vs_free(env, ids->order);
    vs_free(env, ids);
}

static int compare_positions(const void *a, const void *b, void *ctx)
{
    const struct vs_column *column = (const struct vs_column *)ctx;
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    const struct vs_value left = vs_column_get(column, x), right = vs_column_get(column, y);
    int order = vs_value_compare(&left, &right);
    return order != 0 ? order : (x < y ? -1 : x > y);
}

static enum vs_status sort_ids(const struct vs_env *env, struct file_ids *ids, struct vs_error *err)
{
    ids->order = vs_alloc_zeroed(env, ids->column.row_count + 1, sizeof *ids->order);
    if (ids->order == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "ids: out of memory");
    }
    for (size_t i = 0; i < ids->column.row_count; i++) {
        if (!vs_column_is_null(&ids->column, i)) {
            ids->order[ids->count++] = (uint32_t)i;
        }
    }
    qsort_r(ids->order, ids->count, sizeof *ids->order, compare_positions, &ids->column);
    return VS_OK;
}

static enum vs_status make_ids(void *ctx, void **value_out, size_t *bytes_out, struct vs_error *err)
{
    const struct ids_request *request = (const struct ids_request *)ctx;
    const struct vs_env *env = request->view->engine->env;
    struct file_ids *ids = vs_alloc_zeroed(env, 1, sizeof *ids);
    if (ids == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "ids: out of memory");
    }
    const struct vs_field *field = &request->view->schema->fields[request->view->id_field];
    enum vs_status status =
        vs_file_column_read(request->view, request->file, field, request->op, &ids->column, err);
    if (status == VS_OK) {
        status = sort_ids(env, ids, err);
    }
    if (status != VS_OK) {
        free_ids(env, ids);
        return status;
    }
    *value_out = ids;
    *bytes_out = sizeof *ids + vs_column_memory(&ids->column) + ids->count * sizeof *ids->order;
    return VS_OK;
}

static enum vs_status get_ids(struct ids_request *request,
                              struct vs_cache_ref *ref_out,
                              struct vs_error *err)
{
    const struct vs_view *view = request->view;
    char uuid[VS_UUID_TEXT_SIZE];
    struct vs_buf key;
    vs_uuid_format(view->metadata->uuid, uuid);
    vs_buf_init(&key, view->engine->env, 1 << 20);
    enum vs_status status =
        vs_buf_printf(&key, err, "ids|%s|%d|%d|", uuid, view->schema->fields[view->id_field].id,
                      (int)view->schema->fields[view->id_field].kind);
    if (status == VS_OK) {
        status = vs_buf_append_str(&key, view->files[request->file].data->path, err);
    }
    if (status == VS_OK) {
        const struct vs_cache_maker maker = {make_ids, free_ids, request, request->op};
        status = vs_query_cache_get(view->engine->cache, vs_buf_view(&key), &maker, ref_out, err);
    }
    vs_buf_clear(&key);
    return status;
}

// The last position of a file that is live and has the id.
static bool find_in_ids(const struct file_ids *ids,
                        const struct vs_value *id,
                        const struct vs_view_file *file,
                        uint64_t *position_out)
{
    size_t low = 0, high = ids->count;
    while (low < high) { // behind the last entry <= id
        size_t middle = low + (high - low) / 2;
        const struct vs_value value = vs_column_get(&ids->column, ids->order[middle]);
        if (vs_value_compare(&value, id) <= 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    for (; low > 0; low--) {
        const struct vs_value value = vs_column_get(&ids->column, ids->order[low - 1]);
        if (vs_value_compare(&value, id) != 0) {
            return false;
        }
        if (!vs_view_is_deleted(file, ids->order[low - 1])) {
            *position_out = ids->order[low - 1];
            return true;
        }
    }
    return false;
}

static bool is_newer(const struct vs_row_ref *row, bool found, size_t file, uint64_t position)
{
    return !found || file > row->file || (file == row->file && position > row->position);
}

static enum vs_status find_in_segments(const struct vs_view *view,
                                       const struct vs_value *id,
                                       struct vs_row_ref *row,
                                       bool *found,
                                       struct vs_error *err)
{
    for (size_t s = 0; s < view->segment_count; s++) {
        const uint32_t *rows = NULL;
        size_t count = 0;
        if (!view->segments[s].used) {
            continue;
        }
        VS_TRY(vs_index_find_id(view->index, s, id, &rows, &count, err));
        for (size_t i = 0; i < count; i++) {
            size_t file;
            uint64_t position;
            if (vs_view_locate(view, s, rows[i], &file, &position) &&
                !vs_view_is_deleted(&view->files[file], position) &&
                is_newer(row, *found, file, position)) {
                *row = (struct vs_row_ref){file, position};
                *found = true;
            }
        }
    }
    return VS_OK;
}

static enum vs_status find_in_files(const struct vs_view *view,
                                    const struct vs_value *id,
                                    bool all,
                                    const struct vs_op *op,
                                    struct vs_row_ref *row,
                                    bool *found,
                                    struct vs_error *err)
{
    for (size_t i = view->file_count; i-- > 0;) {
        if (!all && view->files[i].run_count > 0) {
            continue;
        }
        if (*found && row->file > i) {
            return VS_OK; // the rest is older
        }
        struct ids_request request = {view, i, op};
        struct vs_cache_ref ref = {0};
        uint64_t position;
        VS_TRY(vs_op_check(view->engine->env, op, err));
        VS_TRY(get_ids(&request, &ref, err));
        if (find_in_ids((const struct file_ids *)ref.value, id, &view->files[i], &position)) {
            *row = (struct vs_row_ref){i, position};
            *found = true;
        }
        vs_cache_release(&ref);
    }
    return VS_OK;
}

enum vs_status vs_row_find(const struct vs_view *view,
                           const struct vs_value *id,
                           const struct vs_op *op,
                           struct vs_row_ref *row_out,
                           bool *found_out,
                           struct vs_error *err)
{
    const struct vs_field *field = &view->schema->fields[view->id_field];
    struct vs_row_ref row = {0, 0};
    bool found = false, by_index = view->info != NULL && view->info->id_field_id == field->id &&
                                   vs_view_stores_field(view, field);
    if (by_index) {
        struct vs_error why = {0};
        enum vs_status status = find_in_segments(view, id, &row, &found, &why);
        if (status != VS_OK && !vs_is_damage(status)) {
            return vs_fail(err, status, "%s", why.message);
        }
        by_index = status == VS_OK;
        found = found && by_index;
    }
    VS_TRY(find_in_files(view, id, !by_index, op, &row, &found, err));
    *row_out = row;
    *found_out = found;
    return VS_OK;
}
