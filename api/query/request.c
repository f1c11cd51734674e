// SPDX-License-Identifier: Apache-2.0
#include "api/query/request.h"

#include "api/query/filter_key.h"
#include "vecstore/base/json_number.h"

#include <string.h>

enum vs_status vs_request_filter(const struct vs_view *view,
                                 const char *text,
                                 struct vs_str json,
                                 struct vs_arena *arena,
                                 struct vs_filter **filter_out,
                                 struct vs_error *err)
{
    struct vs_filter_node *root = NULL;
    *filter_out = NULL;
    if (text != NULL && json.len > 0) {
        return vs_fail(err, VS_INVALID,
                       "filter: both a text and a JSON filter are given; give one");
    }
    if (text == NULL && json.len == 0) {
        return VS_OK;
    }
    if (text != NULL) {
        VS_TRY(vs_filter_parse_text(vs_str_from_c(text), arena, &root, err));
    } else {
        VS_TRY(vs_filter_parse_json(view->engine->env, json, arena, &root, err));
    }
    return vs_filter_bind(root, view->schema, arena, filter_out, err);
}

static bool is_vector(const struct vs_view *view, size_t field)
{
    for (size_t i = 0; i < view->contract_count; i++) {
        if (view->contracts[i].field == field) {
            return true;
        }
    }
    return false;
}

// The id stands beside the fields of a hit already.
static void select_all(const struct vs_view *view, struct vs_selection *selection)
{
    for (size_t i = 0; i < view->schema->field_count; i++) {
        if (!is_vector(view, i) && i != view->id_field &&
            view->schema->fields[i].kind != VS_KIND_OTHER) {
            selection->fields[selection->field_count++] = view->schema->fields[i];
        }
    }
}

static enum vs_status select_one(const struct vs_view *view,
                                 const char *name,
                                 struct vs_selection *selection,
                                 struct vs_error *err)
{
    size_t field = vs_schema_find(view->schema, vs_str_from_c(name));
    if (field == SIZE_MAX) {
        return vs_unknown_column(view->schema, vs_str_from_c(name), "select", err);
    }
    if (view->schema->fields[field].kind == VS_KIND_OTHER) {
        return vs_fail(err, VS_UNSUPPORTED,
                       "select: column '%s' has a type that cannot be read (%.*s)", name,
                       VS_STR_ARG(view->schema->fields[field].other_type));
    }
    for (size_t i = selection->first; i < selection->field_count; i++) {
        if (selection->fields[i].id == view->schema->fields[field].id) {
            return VS_OK; // named twice
        }
    }
    selection->fields[selection->field_count++] = view->schema->fields[field];
    return VS_OK;
}

enum vs_status vs_request_selection(const struct vs_view *view,
                                    const char *const *select,
                                    size_t select_count,
                                    bool none,
                                    struct vs_arena *arena,
                                    struct vs_selection *selection_out,
                                    struct vs_error *err)
{
    struct vs_selection selection = {0};
    selection.fields =
        vs_arena_alloc_array(arena, view->schema->field_count + 1, sizeof *selection.fields);
    if (selection.fields == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "query: out of memory");
    }
    if (view->id_field != SIZE_MAX) {
        selection.has_id = true;
        selection.fields[selection.field_count++] = view->schema->fields[view->id_field];
    }
    selection.first = selection.field_count;
    bool all = select_count == 0 || (select_count == 1 && strcmp(select[0], "*") == 0);
    if (!none && all) {
        select_all(view, &selection);
    }
    for (size_t i = 0; !none && !all && i < select_count; i++) {
        VS_TRY(select_one(view, select[i], &selection, err));
    }
    *selection_out = selection;
    return VS_OK;
}

static enum vs_status write_fields(const struct vs_selection *selection,
                                   const struct vs_batch *batch,
                                   size_t row,
                                   struct vs_buf *buf,
                                   struct vs_error *err)
{
    struct vs_json_writer w;
    vs_json_writer_init(&w, buf, false);
    vs_jw_object_begin(&w);
    for (size_t c = selection->first; c < selection->field_count; c++) {
        vs_jw_key_str(&w, selection->fields[c].name);
        vs_column_write_json(&w, &batch->columns[c], &selection->fields[c], row);
    }
    vs_jw_object_end(&w);
    return vs_json_writer_finish(&w, err);
}

static enum vs_status write_id(const struct vs_selection *selection,
                               const struct vs_batch *batch,
                               size_t row,
                               struct vs_buf *buf,
                               struct vs_error *err)
{
    if (selection->has_id && batch->columns[0].kind == VS_KIND_LONG &&
        !vs_column_is_null(&batch->columns[0], row)) { // as below, without the ceremony
        int64_t id;
        memcpy(&id, batch->columns[0].values.data + row * sizeof id, sizeof id);
        VS_TRY(vs_buf_reserve(buf, VS_INTEGER_TEXT_SIZE + 1, err)); // the NUL will fit as well
        buf->len += vs_number_format_i64(id, (char *)buf->data + buf->len);
        return VS_OK;
    }
    struct vs_json_writer w;
    vs_json_writer_init(&w, buf, false);
    if (selection->has_id) {
        vs_column_write_json(&w, &batch->columns[0], &selection->fields[0], row);
    } else {
        vs_jw_null(&w);
    }
    return vs_json_writer_finish(&w, err);
}

// json_out's lengths, and the texts one after the other, each with its NUL.
static enum vs_status write_texts(const struct vs_selection *selection,
                                  const struct vs_batch *batch,
                                  const uint32_t *places,
                                  size_t count,
                                  struct vs_buf *buf,
                                  struct vs_row_json *json_out,
                                  struct vs_error *err)
{
    bool has_fields = selection->field_count > selection->first;
    for (size_t i = 0; i < count; i++) {
        size_t start = buf->len;
        VS_TRY(write_id(selection, batch, places[i], buf, err));
        json_out[i] = (struct vs_row_json){{NULL, buf->len - start}, VS_STR("{}")};
        VS_TRY(vs_buf_append_byte(buf, 0, err));
        if (has_fields) {
            start = buf->len;
            VS_TRY(write_fields(selection, batch, places[i], buf, err));
            json_out[i].fields.len = buf->len - start;
            VS_TRY(vs_buf_append_byte(buf, 0, err));
        }
    }
    return VS_OK;
}

enum vs_status vs_rows_write(const struct vs_selection *selection,
                             const struct vs_batch *batch,
                             const uint32_t *places,
                             size_t count,
                             struct vs_arena *arena,
                             struct vs_row_json *json_out,
                             struct vs_error *err)
{
    bool has_fields = selection->field_count > selection->first;
    struct vs_buf buf;
    vs_buf_init(&buf, arena->env, SIZE_MAX / 2);
    enum vs_status status = vs_buf_reserve(&buf, count * (VS_INTEGER_TEXT_SIZE + 1), err);
    if (status == VS_OK) {
        status = write_texts(selection, batch, places, count, &buf, json_out, err);
    }
    const char *at = status == VS_OK ? vs_arena_copy_str(arena, vs_buf_view(&buf)).ptr : NULL;
    vs_buf_clear(&buf);
    if (at == NULL) {
        return status == VS_OK ? vs_fail(err, VS_NO_MEMORY, "answer: out of memory") : status;
    }
    for (size_t i = 0; i < count; i++) {
        json_out[i].id.ptr = at;
        at += json_out[i].id.len + 1;
        if (has_fields) {
            json_out[i].fields.ptr = at;
            at += json_out[i].fields.len + 1;
        }
    }
    return VS_OK;
}
