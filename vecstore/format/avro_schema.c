// SPDX-License-Identifier: Apache-2.0
#include "vecstore/format/avro_schema.h"

#include "vecstore/base/checked.h"
#include "vecstore/base/json.h"

#define MAX_NAMES 1024
#define MAX_FIXED_SIZE (1u << 20)

static const char *const type_names[] = {
    [VS_AVRO_NULL] = "null",   [VS_AVRO_BOOLEAN] = "boolean", [VS_AVRO_INT] = "int",
    [VS_AVRO_LONG] = "long",   [VS_AVRO_FLOAT] = "float",     [VS_AVRO_DOUBLE] = "double",
    [VS_AVRO_BYTES] = "bytes", [VS_AVRO_STRING] = "string",   [VS_AVRO_RECORD] = "record",
    [VS_AVRO_ENUM] = "enum",   [VS_AVRO_ARRAY] = "array",     [VS_AVRO_MAP] = "map",
    [VS_AVRO_UNION] = "union", [VS_AVRO_FIXED] = "fixed",
};

struct name_entry {
    struct vs_str name;
    const struct vs_avro_node *node;
};

struct schema_parser {
    struct vs_arena *arena;
    const char *what;
    struct name_entry *names;
    size_t name_count;
    size_t name_capacity;
};

const char *vs_avro_type_name(enum vs_avro_type type)
{
    return (size_t)type < sizeof type_names / sizeof type_names[0] ? type_names[type] : "?";
}

static enum vs_status no_memory(struct schema_parser *p, struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "%s: no memory for the Avro schema", p->what);
}

static enum vs_status parse_node(struct schema_parser *p,
                                 const struct vs_json *json,
                                 unsigned depth,
                                 const struct vs_avro_node **out,
                                 struct vs_error *err);

static struct vs_str simple_name(struct vs_str name)
{
    for (size_t i = name.len; i > 0; i--) {
        if (name.ptr[i - 1] == '.') {
            return (struct vs_str){name.ptr + i, name.len - i};
        }
    }
    return name;
}

static const struct vs_avro_node *find_name(const struct schema_parser *p, struct vs_str name)
{
    for (size_t i = 0; i < p->name_count; i++) {
        if (vs_str_equal(p->names[i].name, name)) {
            return p->names[i].node;
        }
    }
    for (size_t i = 0; i < p->name_count; i++) {
        if (vs_str_equal(simple_name(p->names[i].name), simple_name(name))) {
            return p->names[i].node;
        }
    }
    return NULL;
}

static enum vs_status add_name(struct schema_parser *p,
                               const struct vs_avro_node *node,
                               struct vs_error *err)
{
    if (node->name.len == 0) {
        return vs_fail(err, VS_CORRUPT, "%s: the Avro schema has a %s without a name", p->what,
                       vs_avro_type_name(node->type));
    }
    if (p->name_count == MAX_NAMES) {
        return vs_fail(err, VS_LIMIT, "%s: the Avro schema names more than %d types", p->what,
                       MAX_NAMES);
    }
    if (p->name_count == p->name_capacity) {
        size_t capacity = p->name_capacity == 0 ? 16 : p->name_capacity * 2;
        struct name_entry *names = vs_arena_alloc_array(p->arena, capacity, sizeof *names);
        if (names == NULL) {
            return no_memory(p, err);
        }
        for (size_t i = 0; i < p->name_count; i++) {
            names[i] = p->names[i];
        }
        p->names = names;
        p->name_capacity = capacity;
    }
    p->names[p->name_count++] = (struct name_entry){node->name, node};
    return VS_OK;
}

static enum vs_status copy_text(struct schema_parser *p,
                                const struct vs_json *json,
                                struct vs_str *out,
                                struct vs_error *err)
{
    struct vs_str text;
    if (!vs_json_to_str(json, &text)) {
        return VS_OK;
    }
    struct vs_str copy = vs_arena_copy_str(p->arena, text);
    if (copy.ptr == NULL) {
        return no_memory(p, err);
    }
    *out = copy;
    return VS_OK;
}

static int32_t id_of(const struct vs_json *object, const char *key)
{
    int64_t id;
    if (!vs_json_to_i64(vs_json_get(object, key), &id) || id < 0 || id > INT32_MAX) {
        return -1;
    }
    return (int32_t)id;
}

static struct vs_avro_node *new_node(struct schema_parser *p, enum vs_avro_type type)
{
    struct vs_avro_node *node = vs_arena_alloc(p->arena, sizeof *node);
    if (node != NULL) {
        *node = (struct vs_avro_node){.type = type, .element_id = -1, .key_id = -1, .value_id = -1};
    }
    return node;
}

static size_t primitive_min_bytes(enum vs_avro_type type)
{
    if (type == VS_AVRO_NULL) {
        return 0;
    }
    return type == VS_AVRO_FLOAT ? 4 : (type == VS_AVRO_DOUBLE ? 8 : 1);
}

static enum vs_status parse_name(struct schema_parser *p,
                                 struct vs_str name,
                                 const struct vs_json *attributes,
                                 const struct vs_avro_node **out,
                                 struct vs_error *err)
{
    for (int type = VS_AVRO_NULL; type <= VS_AVRO_STRING; type++) {
        if (vs_str_equal_c(name, type_names[type])) {
            struct vs_avro_node *node = new_node(p, (enum vs_avro_type)type);
            if (node == NULL) {
                return no_memory(p, err);
            }
            node->min_bytes = primitive_min_bytes(node->type);
            VS_TRY(copy_text(p, vs_json_get(attributes, "logicalType"), &node->logical_type, err));
            *out = node;
            return VS_OK;
        }
    }
    const struct vs_avro_node *named = find_name(p, name);
    if (named == NULL) {
        return vs_fail(err, VS_CORRUPT, "%s: the Avro schema uses the unknown type '%.*s'", p->what,
                       VS_STR_ARG(name));
    }
    *out = named;
    return VS_OK;
}

// NOLINTNEXTLINE(misc-no-recursion): parse_node() ends at VS_AVRO_MAX_DEPTH
static enum vs_status parse_union(struct schema_parser *p,
                                  const struct vs_json *json,
                                  unsigned depth,
                                  const struct vs_avro_node **out,
                                  struct vs_error *err)
{
    struct vs_avro_node *node = new_node(p, VS_AVRO_UNION);
    size_t count = vs_json_count(json);
    if (count == 0) {
        return vs_fail(err, VS_CORRUPT, "%s: the Avro schema has an empty union", p->what);
    }
    const struct vs_avro_node **branches = vs_arena_alloc_array(p->arena, count, sizeof *branches);
    if (node == NULL || branches == NULL) {
        return no_memory(p, err);
    }
    struct vs_json_iter iter;
    const struct vs_json *branch;
    size_t smallest = SIZE_MAX;
    vs_json_iter_init(&iter, json);
    while (vs_json_iter_next(&iter, NULL, &branch)) {
        const struct vs_avro_node *type;
        VS_TRY(parse_node(p, branch, depth + 1, &type, err));
        if (type->type == VS_AVRO_UNION) {
            return vs_fail(err, VS_CORRUPT, "%s: the Avro schema has a union inside a union",
                           p->what);
        }
        smallest = type->min_bytes < smallest ? type->min_bytes : smallest;
        branches[node->branch_count++] = type;
    }
    node->branches = branches;
    if (!vs_add_size(smallest, 1, &node->min_bytes)) {
        node->min_bytes = smallest;
    }
    *out = node;
    return VS_OK;
}

// NOLINTNEXTLINE(misc-no-recursion): parse_node() ends at VS_AVRO_MAX_DEPTH
static enum vs_status parse_fields(struct schema_parser *p,
                                   const struct vs_json *json,
                                   unsigned depth,
                                   struct vs_avro_node *node,
                                   struct vs_error *err)
{
    const struct vs_json *fields;
    VS_TRY(vs_json_need(json, "fields", VS_JSON_ARRAY, p->what, &fields, err));
    size_t count = vs_json_count(fields);
    node->fields = vs_arena_alloc_array(p->arena, count, sizeof *node->fields);
    if (node->fields == NULL) {
        return no_memory(p, err);
    }
    struct vs_json_iter iter;
    const struct vs_json *field;
    size_t smallest = 0;
    vs_json_iter_init(&iter, fields);
    while (vs_json_iter_next(&iter, NULL, &field)) {
        struct vs_avro_field *out = &node->fields[node->field_count];
        struct vs_str name;
        VS_TRY(vs_json_need_str(field, "name", p->what, &name, err));
        out->name = vs_arena_copy_str(p->arena, name);
        if (out->name.ptr == NULL) {
            return no_memory(p, err);
        }
        out->field_id = id_of(field, "field-id");
        const struct vs_json *type = vs_json_get(field, "type");
        if (type == NULL) {
            return vs_fail(err, VS_CORRUPT, "%s: Avro field '%.*s' has no type", p->what,
                           VS_STR_ARG(name));
        }
        VS_TRY(parse_node(p, type, depth + 1, &out->type, err));
        if (!vs_add_size(smallest, out->type->min_bytes, &smallest)) {
            smallest = SIZE_MAX;
        }
        node->field_count++;
    }
    node->min_bytes = smallest;
    return VS_OK;
}

static enum vs_status parse_fixed(struct schema_parser *p,
                                  const struct vs_json *json,
                                  struct vs_avro_node *node,
                                  struct vs_error *err)
{
    int64_t size;
    VS_TRY(vs_json_need_i64(json, "size", p->what, &size, err));
    if (size < 0 || size > MAX_FIXED_SIZE) {
        return vs_fail(err, VS_CORRUPT, "%s: the Avro schema has a fixed type of %lld bytes",
                       p->what, (long long)size);
    }
    node->fixed_size = (size_t)size;
    node->min_bytes = (size_t)size;
    return VS_OK;
}

// NOLINTNEXTLINE(misc-no-recursion): parse_node() ends at VS_AVRO_MAX_DEPTH
static enum vs_status parse_items(struct schema_parser *p,
                                  const struct vs_json *json,
                                  const char *key,
                                  unsigned depth,
                                  struct vs_avro_node *node,
                                  struct vs_error *err)
{
    node->element_id = id_of(json, "element-id");
    node->key_id = id_of(json, "key-id");
    node->value_id = id_of(json, "value-id");
    node->min_bytes = 1;
    const struct vs_json *items = vs_json_get(json, key);
    if (items == NULL) {
        return vs_fail(err, VS_CORRUPT, "%s: the Avro schema has an %s without '%s'", p->what,
                       vs_avro_type_name(node->type), key);
    }
    return parse_node(p, items, depth + 1, &node->items, err);
}

// NOLINTNEXTLINE(misc-no-recursion): parse_node() ends at VS_AVRO_MAX_DEPTH
static enum vs_status parse_complex(struct schema_parser *p,
                                    const struct vs_json *json,
                                    enum vs_avro_type type,
                                    unsigned depth,
                                    const struct vs_avro_node **out,
                                    struct vs_error *err)
{
    struct vs_avro_node *node = new_node(p, type);
    if (node == NULL) {
        return no_memory(p, err);
    }
    VS_TRY(copy_text(p, vs_json_get(json, "name"), &node->name, err));
    VS_TRY(copy_text(p, vs_json_get(json, "logicalType"), &node->logical_type, err));
    *out = node;
    if (type == VS_AVRO_ARRAY) {
        return parse_items(p, json, "items", depth, node, err);
    }
    if (type == VS_AVRO_MAP) {
        return parse_items(p, json, "values", depth, node, err);
    }
    // Named before its fields are read, so that they may refer to it; until then it counts as zero
    // bytes.
    VS_TRY(add_name(p, node, err));
    if (type == VS_AVRO_RECORD) {
        return parse_fields(p, json, depth, node, err);
    }
    if (type == VS_AVRO_FIXED) {
        return parse_fixed(p, json, node, err);
    }
    node->min_bytes = 1;
    node->symbol_count = vs_json_count(vs_json_get(json, "symbols"));
    return VS_OK;
}

// NOLINTNEXTLINE(misc-no-recursion): parse_node() ends at VS_AVRO_MAX_DEPTH
static enum vs_status parse_node(struct schema_parser *p,
                                 const struct vs_json *json,
                                 unsigned depth,
                                 const struct vs_avro_node **out,
                                 struct vs_error *err)
{
    if (depth > VS_AVRO_MAX_DEPTH) {
        return vs_fail(err, VS_CORRUPT, "%s: the Avro schema is nested deeper than %d levels",
                       p->what, VS_AVRO_MAX_DEPTH);
    }
    struct vs_str name;
    if (vs_json_to_str(json, &name)) {
        return parse_name(p, name, NULL, out, err);
    }
    if (vs_json_is(json, VS_JSON_ARRAY)) {
        return parse_union(p, json, depth, out, err);
    }
    const struct vs_json *type = vs_json_get(json, "type");
    if (type == NULL) {
        return vs_fail(err, VS_CORRUPT, "%s: the Avro schema has a type that is %s without 'type'",
                       p->what, vs_json_type_name(json));
    }
    if (!vs_json_to_str(type, &name)) {
        return parse_node(p, type, depth + 1, out, err);
    }
    if (vs_str_equal_c(name, "error")) {
        name = VS_STR("record");
    }
    for (int t = VS_AVRO_RECORD; t <= VS_AVRO_FIXED; t++) {
        if (t != VS_AVRO_UNION && vs_str_equal_c(name, type_names[t])) {
            return parse_complex(p, json, (enum vs_avro_type)t, depth, out, err);
        }
    }
    return parse_name(p, name, json, out, err);
}

enum vs_status vs_avro_schema_parse(const struct vs_env *env,
                                    struct vs_str json,
                                    const char *what,
                                    struct vs_arena *arena,
                                    const struct vs_avro_node **root_out,
                                    struct vs_error *err)
{
    struct vs_json_doc *doc = NULL;
    struct vs_json_limits limits = {.max_depth = (size_t)3 * VS_AVRO_MAX_DEPTH,
                                    .max_values = 1u << 20};
    enum vs_status status = vs_json_parse(env, json, what, &limits, &doc, err);
    if (status != VS_OK) {
        if (status != VS_INVALID) {
            return status;
        }
        if (err != NULL) {
            err->code = VS_CORRUPT;
        }
        return vs_wrap(err, VS_CORRUPT, "the Avro schema is not JSON");
    }
    struct schema_parser parser = {.arena = arena, .what = what};
    const struct vs_avro_node *root = NULL;
    status = parse_node(&parser, vs_json_root(doc), 0, &root, err);
    if (status == VS_INVALID) {
        // a missing member of a schema that came with a file
        if (err != NULL) {
            err->code = VS_CORRUPT;
        }
        status = VS_CORRUPT;
    }
    vs_json_free(doc);
    if (status == VS_OK) {
        *root_out = root;
    }
    return status;
}
