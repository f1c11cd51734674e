// SPDX-License-Identifier: Apache-2.0
#include "vecstore/iceberg/type_json.h"

#include "vecstore/iceberg/iceberg_internal.h"

#include <stdlib.h>

struct parser {
    const char *what;
    struct vs_arena *arena;
    struct vs_buf ids; // int32_t
};

static enum vs_status no_memory(const struct parser *p, struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "%s: no memory for the schema", p->what);
}

static enum vs_status parse_id(struct parser *p,
                               const struct vs_json *object,
                               const char *key,
                               int32_t *id_out,
                               struct vs_error *err)
{
    int64_t id = 0;
    VS_TRY(vs_json_need_i64(object, key, p->what, &id, err));
    if (id < 0 || id > INT32_MAX) {
        return vs_fail(err, VS_CORRUPT, "%s: '%s' is %lld, which is no field id", p->what, key,
                       (long long)id);
    }
    *id_out = (int32_t)id;
    return vs_buf_append(&p->ids, id_out, sizeof *id_out, err);
}

static enum vs_status parse_type(struct parser *p,
                                 const struct vs_json *json,
                                 unsigned depth,
                                 struct vs_type *type,
                                 struct vs_error *err);

static enum vs_status add_children(struct parser *p,
                                   struct vs_type *type,
                                   size_t count,
                                   struct vs_error *err)
{
    type->children =
        (struct vs_type *)vs_arena_alloc_array(p->arena, count, sizeof *type->children);
    type->child_count = count;
    return type->children != NULL ? VS_OK : no_memory(p, err);
}

static enum vs_status parse_default(struct parser *p,
                                    const struct vs_json *value,
                                    struct vs_str *raw_out,
                                    struct vs_error *err)
{
    if (value == NULL || vs_json_is(value, VS_JSON_NULL)) {
        return VS_OK;
    }
    return vs_json_raw(value, p->arena->env, p->arena, raw_out, err);
}

// NOLINTNEXTLINE(misc-no-recursion): parse_type() ends at VS_TYPE_MAX_DEPTH
static enum vs_status parse_field(struct parser *p,
                                  const struct vs_json *json,
                                  unsigned depth,
                                  struct vs_type *field,
                                  struct vs_error *err)
{
    struct vs_str name;
    *field = (struct vs_type){.id = -1};
    VS_TRY(parse_id(p, json, "id", &field->id, err));
    VS_TRY(vs_json_need_str(json, "name", p->what, &name, err));
    field->name = vs_arena_copy_str(p->arena, name);
    if (field->name.ptr == NULL) {
        return no_memory(p, err);
    }
    if (!vs_json_to_bool(vs_json_get(json, "required"), &field->required)) {
        return vs_fail(err, VS_CORRUPT, "%s: field '%.*s' has no 'required'", p->what,
                       VS_STR_ARG(name));
    }
    VS_TRY(
        parse_default(p, vs_json_get(json, "initial-default"), &field->initial_default_json, err));
    VS_TRY(parse_default(p, vs_json_get(json, "write-default"), &field->write_default_json, err));
    return parse_type(p, vs_json_get(json, "type"), depth + 1, field, err);
}

// NOLINTNEXTLINE(misc-no-recursion): parse_type() ends at VS_TYPE_MAX_DEPTH
static enum vs_status parse_struct(struct parser *p,
                                   const struct vs_json *json,
                                   unsigned depth,
                                   struct vs_type *type,
                                   struct vs_error *err)
{
    const struct vs_json *fields, *field;
    struct vs_json_iter iter;
    size_t count = 0;
    VS_TRY(vs_json_need(json, "fields", VS_JSON_ARRAY, p->what, &fields, err));
    type->shape = VS_TYPE_STRUCT;
    VS_TRY(add_children(p, type, vs_json_count(fields), err));
    vs_json_iter_init(&iter, fields);
    while (vs_json_iter_next(&iter, NULL, &field)) {
        VS_TRY(parse_field(p, field, depth, &type->children[count], err));
        count++;
    }
    return VS_OK;
}

struct item_keys {
    const char *name, *id, *type, *required; // required NULL: always
};

// An element, a key or a value.
// NOLINTNEXTLINE(misc-no-recursion): parse_type() ends at VS_TYPE_MAX_DEPTH
static enum vs_status parse_item(struct parser *p,
                                 const struct vs_json *json,
                                 const struct item_keys *keys,
                                 unsigned depth,
                                 struct vs_type *item,
                                 struct vs_error *err)
{
    *item = (struct vs_type){.id = -1, .name = vs_str_from_c(keys->name), .required = true};
    VS_TRY(parse_id(p, json, keys->id, &item->id, err));
    if (keys->required != NULL &&
        !vs_json_to_bool(vs_json_get(json, keys->required), &item->required)) {
        return vs_fail(err, VS_CORRUPT, "%s: a type has no '%s'", p->what, keys->required);
    }
    return parse_type(p, vs_json_get(json, keys->type), depth + 1, item, err);
}

// NOLINTNEXTLINE(misc-no-recursion): parse_type() ends at VS_TYPE_MAX_DEPTH
static enum vs_status parse_items(struct parser *p,
                                  const struct vs_json *json,
                                  unsigned depth,
                                  struct vs_type *type,
                                  struct vs_error *err)
{
    static const struct item_keys list[] = {
        {"element", "element-id", "element", "element-required"}};
    static const struct item_keys map[] = {{"key", "key-id", "key", NULL},
                                           {"value", "value-id", "value", "value-required"}};
    const struct item_keys *keys = type->shape == VS_TYPE_LIST ? list : map;
    VS_TRY(add_children(p, type, type->shape == VS_TYPE_LIST ? 1 : 2, err));
    for (size_t i = 0; i < type->child_count; i++) {
        VS_TRY(parse_item(p, json, &keys[i], depth, &type->children[i], err));
    }
    return VS_OK;
}

static void parse_primitive(struct vs_str text, struct vs_type *type)
{
    struct vs_field field = {.id = -1};
    type->shape = VS_TYPE_PRIMITIVE;
    type->kind = VS_KIND_OTHER;
    if (vs_iceberg_primitive_parse(text, &type->kind, &field)) {
        type->precision = field.precision;
        type->scale = field.scale;
        type->fixed_length = field.fixed_length;
    } else if (vs_str_starts_with(text, VS_STR("geometry")) ||
               vs_str_starts_with(text, VS_STR("geography"))) {
        type->kind = VS_KIND_BINARY;
    }
}

// NOLINTNEXTLINE(misc-no-recursion): ends at VS_TYPE_MAX_DEPTH
static enum vs_status parse_type(struct parser *p,
                                 const struct vs_json *json,
                                 unsigned depth,
                                 struct vs_type *type,
                                 struct vs_error *err)
{
    struct vs_str text;
    if (depth > VS_TYPE_MAX_DEPTH) {
        return vs_fail(err, VS_LIMIT, "%s: the schema is nested deeper than %d levels", p->what,
                       VS_TYPE_MAX_DEPTH);
    }
    if (vs_json_to_str(json, &text)) {
        parse_primitive(text, type);
        return VS_OK;
    }
    VS_TRY(vs_json_need_str(json, "type", p->what, &text, err));
    if (vs_str_equal_c(text, "struct")) {
        return parse_struct(p, json, depth, type, err);
    }
    if (!vs_str_equal_c(text, "list") && !vs_str_equal_c(text, "map")) {
        return vs_fail(err, VS_UNSUPPORTED, "%s: unknown type '%.*s'", p->what, VS_STR_ARG(text));
    }
    type->shape = vs_str_equal_c(text, "list") ? VS_TYPE_LIST : VS_TYPE_MAP;
    return parse_items(p, json, depth, type, err);
}

static int compare_ids(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return x < y ? -1 : x > y;
}

static enum vs_status check_ids(struct parser *p, struct vs_error *err)
{
    int32_t *ids = (int32_t *)(void *)p->ids.data;
    size_t count = p->ids.len / sizeof *ids;
    if (count > 1) {
        qsort(ids, count, sizeof *ids, compare_ids);
    }
    for (size_t i = 1; i < count; i++) {
        if (ids[i] == ids[i - 1]) {
            return vs_fail(err, VS_CORRUPT, "%s: field id %d is used twice in one schema", p->what,
                           (int)ids[i]);
        }
    }
    return VS_OK;
}

enum vs_status vs_iceberg_type_parse(const struct vs_env *env,
                                     struct vs_str schema_json,
                                     const char *what,
                                     struct vs_arena *arena,
                                     struct vs_type *type_out,
                                     struct vs_error *err)
{
    struct vs_json_doc *doc = NULL;
    const struct vs_json_limits limits = {.max_depth = (size_t)4 * VS_TYPE_MAX_DEPTH};
    struct parser p = {.what = what, .arena = arena};
    struct vs_type type = {.id = -1, .required = true};
    VS_TRY(vs_json_parse(env, schema_json, what, &limits, &doc, err));
    vs_buf_init(&p.ids, env, SIZE_MAX / 2);
    enum vs_status status = parse_struct(&p, vs_json_root(doc), 0, &type, err);
    if (status == VS_OK) {
        status = check_ids(&p, err);
    }
    vs_buf_clear(&p.ids);
    vs_json_free(doc);
    if (status == VS_OK) {
        *type_out = type;
    }
    return status;
}
