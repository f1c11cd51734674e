// SPDX-License-Identifier: Apache-2.0
// Initial defaults of any type as values (Iceberg table specification, Appendix D).
#include "vecstore/iceberg/file_scan_internal.h"
#include "vecstore/iceberg/record_scan_internal.h"

#include <stdio.h>

static enum vs_status no_memory(struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "no memory for a default value");
}

static enum vs_status malformed(const struct vs_type *type, struct vs_error *err)
{
    return vs_fail(err, VS_CORRUPT, "the default value of column '%.*s' is none of its type",
                   VS_STR_ARG(type->name));
}

enum vs_status vs_record_constant(struct vs_arena *arena,
                                  const struct vs_value *value,
                                  struct vs_datum *datum_out,
                                  struct vs_error *err)
{
    struct vs_datum datum = {.shape = VS_DATUM_NULL};
    if (!value->is_null) {
        datum.shape = VS_DATUM_SCALAR;
        datum.as.scalar = *value;
        if (!vs_value_keep(&datum.as.scalar, arena)) {
            return no_memory(err);
        }
    }
    *datum_out = datum;
    return VS_OK;
}

static enum vs_status make_scalar(struct vs_record_scan *scan,
                                  const struct vs_type *type,
                                  struct vs_str text,
                                  struct vs_datum *datum,
                                  struct vs_error *err)
{
    const struct vs_field field = {.id = type->id,
                                   .name = type->name,
                                   .kind = type->kind,
                                   .precision = type->precision,
                                   .scale = type->scale,
                                   .fixed_length = type->fixed_length,
                                   .element_id = -1};
    struct vs_column column = {0};
    if (type->kind == VS_KIND_OTHER) {
        return malformed(type, err);
    }
    enum vs_status status = vs_column_init_field(&column, scan->env, &field, err);
    if (status == VS_OK) {
        status = vs_default_value_append(scan->env, &field, text, &column, err);
    }
    if (status == VS_OK) {
        struct vs_value value = {.kind = type->kind, .is_null = true};
        if (!vs_column_is_null(&column, 0)) {
            value = vs_column_get(&column, 0);
        }
        status = vs_record_constant(&scan->arena, &value, datum, err);
    }
    vs_column_clear(&column);
    return status;
}

static enum vs_status make_datum(struct vs_record_scan *scan,
                                 const struct vs_type *type,
                                 const struct vs_json *json,
                                 unsigned depth,
                                 struct vs_datum *datum,
                                 struct vs_error *err);

static struct vs_datum *make_items(struct vs_record_scan *scan, size_t count, size_t step)
{
    return (struct vs_datum *)vs_arena_alloc_array(&scan->arena, count,
                                                   step * sizeof(struct vs_datum));
}

// Every `step`-th item from `items` on is one of the array.
// NOLINTNEXTLINE(misc-no-recursion): make_datum() ends at VS_TYPE_MAX_DEPTH
static enum vs_status fill_items(struct vs_record_scan *scan,
                                 const struct vs_type *type,
                                 const struct vs_json *array,
                                 unsigned depth,
                                 size_t step,
                                 struct vs_datum *items,
                                 struct vs_error *err)
{
    struct vs_json_iter iter;
    const struct vs_json *item;
    vs_json_iter_init(&iter, array);
    while (vs_json_iter_next(&iter, NULL, &item)) {
        VS_TRY(make_datum(scan, type, item, depth + 1, items, err));
        items += step;
    }
    return VS_OK;
}

// NOLINTNEXTLINE(misc-no-recursion): make_datum() ends at VS_TYPE_MAX_DEPTH
static enum vs_status make_list(struct vs_record_scan *scan,
                                const struct vs_type *type,
                                const struct vs_json *json,
                                unsigned depth,
                                struct vs_datum *datum,
                                struct vs_error *err)
{
    bool is_map = type->shape == VS_TYPE_MAP;
    const struct vs_json *keys = is_map ? vs_json_get(json, "keys") : json;
    const struct vs_json *values = vs_json_get(json, "values");
    size_t step = is_map ? 2 : 1, count = vs_json_count(keys);
    if (!vs_json_is(keys, VS_JSON_ARRAY) ||
        (is_map && (!vs_json_is(values, VS_JSON_ARRAY) || vs_json_count(values) != count))) {
        return malformed(type, err);
    }
    struct vs_datum *items = make_items(scan, count, step);
    if (items == NULL) {
        return no_memory(err);
    }
    VS_TRY(fill_items(scan, &type->children[0], keys, depth, step, items, err));
    if (is_map) {
        VS_TRY(fill_items(scan, &type->children[1], values, depth, step, items + 1, err));
    }
    *datum = (struct vs_datum){
        .shape = is_map ? VS_DATUM_MAP : VS_DATUM_LIST, .count = count, .as.items = items};
    return VS_OK;
}

// NOLINTNEXTLINE(misc-no-recursion): ends at VS_TYPE_MAX_DEPTH
static enum vs_status make_own(struct vs_record_scan *scan,
                               const struct vs_type *type,
                               unsigned depth,
                               struct vs_datum *datum,
                               struct vs_error *err)
{
    struct vs_json_doc *doc = NULL;
    const struct vs_json_limits limits = {.max_depth = (size_t)2 * VS_TYPE_MAX_DEPTH};
    *datum = (struct vs_datum){.shape = VS_DATUM_NULL};
    if (type->initial_default_json.len == 0) {
        return VS_OK;
    }
    VS_TRY(
        vs_json_parse(scan->env, type->initial_default_json, "default value", &limits, &doc, err));
    enum vs_status status = make_datum(scan, type, vs_json_root(doc), depth, datum, err);
    vs_json_free(doc);
    return status;
}

// Members are named by their field ids; those left out have their own defaults.
// NOLINTNEXTLINE(misc-no-recursion): make_datum() ends at VS_TYPE_MAX_DEPTH
static enum vs_status make_struct(struct vs_record_scan *scan,
                                  const struct vs_type *type,
                                  const struct vs_json *json,
                                  unsigned depth,
                                  struct vs_datum *datum,
                                  struct vs_error *err)
{
    if (!vs_json_is(json, VS_JSON_OBJECT)) {
        return malformed(type, err);
    }
    struct vs_datum *items = make_items(scan, type->child_count, 1);
    if (items == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < type->child_count; i++) {
        const struct vs_type *child = &type->children[i];
        char key[16];
        (void)snprintf(key, sizeof key, "%d", (int)child->id);
        const struct vs_json *value = vs_json_get(json, key);
        VS_TRY(value != NULL ? make_datum(scan, child, value, depth + 1, &items[i], err)
                             : make_own(scan, child, depth + 1, &items[i], err));
        if (items[i].shape == VS_DATUM_NULL && child->required) {
            return malformed(child, err);
        }
    }
    *datum =
        (struct vs_datum){.shape = VS_DATUM_STRUCT, .count = type->child_count, .as.items = items};
    return VS_OK;
}

// NOLINTNEXTLINE(misc-no-recursion): ends at VS_TYPE_MAX_DEPTH
static enum vs_status make_datum(struct vs_record_scan *scan,
                                 const struct vs_type *type,
                                 const struct vs_json *json,
                                 unsigned depth,
                                 struct vs_datum *datum,
                                 struct vs_error *err)
{
    if (depth > VS_TYPE_MAX_DEPTH) {
        return vs_fail(err, VS_LIMIT, "a default value is nested deeper than %d levels",
                       VS_TYPE_MAX_DEPTH);
    }
    *datum = (struct vs_datum){.shape = VS_DATUM_NULL};
    if (vs_json_is(json, VS_JSON_NULL)) {
        return VS_OK;
    }
    if (type->shape == VS_TYPE_STRUCT) {
        return make_struct(scan, type, json, depth, datum, err);
    }
    if (type->shape != VS_TYPE_PRIMITIVE) {
        return make_list(scan, type, json, depth, datum, err);
    }
    struct vs_str text;
    VS_TRY(vs_json_raw(json, scan->env, &scan->arena, &text, err));
    return make_scalar(scan, type, text, datum, err);
}

enum vs_status vs_record_default(struct vs_record_scan *scan,
                                 const struct vs_type *type,
                                 struct vs_datum *datum_out,
                                 struct vs_error *err)
{
    enum vs_status status = make_own(scan, type, 0, datum_out, err);
    return status == VS_INVALID ? malformed(type, err) : status;
}
