// SPDX-License-Identifier: Apache-2.0
// Which node of a file feeds which node of the table, at every level of nesting.
//
// A file without field ids gets them first, from the table's name mapping or, where it has none, by
// name; then everything is matched by id.
#include "vecstore/iceberg/file_scan_internal.h"
#include "vecstore/iceberg/record_scan_internal.h"

static enum vs_status no_memory(const struct vs_record_scan *scan, struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "no memory to read %.*s", VS_STR_ARG(scan->data->path));
}

// ---- ids of the file ----

// NOLINTNEXTLINE(misc-no-recursion): as deep as the file's tree, VS_TYPE_MAX_DEPTH
static bool has_ids(const struct vs_type *node)
{
    for (size_t i = 0; i < node->child_count; i++) {
        if (node->children[i].id >= 0 || has_ids(&node->children[i])) {
            return true;
        }
    }
    return false;
}

// The name by which a mapping or another tree calls child i.
static struct vs_str child_name(const struct vs_type *node, size_t i)
{
    if (node->shape == VS_TYPE_LIST) {
        return VS_STR("element");
    }
    if (node->shape == VS_TYPE_MAP) {
        return i == 0 ? VS_STR("key") : VS_STR("value");
    }
    return node->children[i].name;
}

static const struct vs_json *mapping_entry(const struct vs_json *mapping, struct vs_str name)
{
    struct vs_json_iter iter, names;
    const struct vs_json *entry, *item;
    vs_json_iter_init(&iter, mapping);
    while (vs_json_iter_next(&iter, NULL, &entry)) {
        vs_json_iter_init(&names, vs_json_get(entry, "names"));
        while (vs_json_iter_next(&names, NULL, &item)) {
            struct vs_str text;
            if (vs_json_to_str(item, &text) && vs_str_equal(text, name)) {
                return entry;
            }
        }
    }
    return NULL;
}

// NOLINTNEXTLINE(misc-no-recursion): as deep as the file's tree, VS_TYPE_MAX_DEPTH
static void map_ids(const struct vs_json *mapping, struct vs_type *node)
{
    for (size_t i = 0; i < node->child_count; i++) {
        const struct vs_json *entry = mapping_entry(mapping, child_name(node, i));
        int64_t id = -1;
        bool has_id =
            vs_json_to_i64(vs_json_get(entry, "field-id"), &id) && id >= 0 && id <= INT32_MAX;
        node->children[i].id = has_id ? (int32_t)id : -1;
        map_ids(vs_json_get(entry, "fields"), &node->children[i]);
    }
}

// NOLINTNEXTLINE(misc-no-recursion): as deep as the trees, VS_TYPE_MAX_DEPTH
static void name_ids(const struct vs_type *table, struct vs_type *node)
{
    for (size_t i = 0; i < node->child_count; i++) {
        for (size_t j = 0; table->shape == node->shape && j < table->child_count; j++) {
            if (vs_str_equal(child_name(table, j), child_name(node, i))) {
                node->children[i].id = table->children[j].id;
                name_ids(&table->children[j], &node->children[i]);
                break;
            }
        }
    }
}

// ---- nodes that the file does not have ----

static enum vs_status partition_constant(struct vs_record_scan *scan,
                                         const struct vs_type *type,
                                         const struct vs_value *value,
                                         struct vs_datum *datum,
                                         struct vs_error *err)
{
    struct vs_value promoted = *value;
    bool fits = vs_value_promote(&promoted, type->kind);
    if (!value->is_null && (type->shape != VS_TYPE_PRIMITIVE || !fits)) {
        return vs_fail(err, VS_UNSUPPORTED,
                       "column '%.*s' of %.*s is stored as a partition value that cannot be read",
                       VS_STR_ARG(type->name), VS_STR_ARG(scan->data->path));
    }
    return vs_record_constant(&scan->arena, &promoted, datum, err);
}

static enum vs_status fill_absent(struct vs_record_scan *scan,
                                  const struct vs_type *type,
                                  struct vs_record_fill *fill,
                                  struct vs_error *err)
{
    const struct vs_value *value = vs_identity_value(scan->metadata, scan->data, type->id);
    fill->is_absent = true;
    VS_TRY(value != NULL ? partition_constant(scan, type, value, &fill->constant, err)
                         : vs_record_default(scan, type, &fill->constant, err));
    fill->is_filled = fill->constant.shape != VS_DATUM_NULL;
    if (!fill->is_filled && type->required) {
        return vs_fail(err, VS_CORRUPT, "%.*s has no column for the required field '%.*s' (id %d)",
                       VS_STR_ARG(scan->data->path), VS_STR_ARG(type->name), (int)type->id);
    }
    return VS_OK;
}

// ---- matching ----

// Elements, keys and values stand in fixed places; one without an id is what stands there.
static const struct vs_type *find_child(const struct vs_type *file,
                                        const struct vs_type *type,
                                        size_t i)
{
    int32_t id = type->children[i].id;
    if (type->shape != VS_TYPE_STRUCT) {
        bool fits = file->children[i].id == id || file->children[i].id < 0;
        return fits ? &file->children[i] : NULL;
    }
    for (size_t j = 0; j < file->child_count; j++) {
        size_t at = (i + j) % file->child_count; // mostly in the same place
        if (file->children[at].id == id) {
            return &file->children[at];
        }
    }
    return NULL;
}

static enum vs_status check_node(const struct vs_record_scan *scan,
                                 const struct vs_type *type,
                                 const struct vs_type *file,
                                 struct vs_error *err)
{
    if (type->shape == VS_TYPE_PRIMITIVE && type->kind == VS_KIND_OTHER) {
        return vs_fail(err, VS_UNSUPPORTED, "column '%.*s' has a type that cannot be read",
                       VS_STR_ARG(type->name));
    }
    if (type->shape != file->shape || file->child_count < (type->shape == VS_TYPE_MAP ? 2u : 0u)) {
        return vs_fail(err, VS_CORRUPT,
                       "%.*s stores column '%.*s' (id %d) in another shape than the table's schema "
                       "says",
                       VS_STR_ARG(scan->data->path), VS_STR_ARG(type->name), (int)type->id);
    }
    return VS_OK;
}

// NOLINTNEXTLINE(misc-no-recursion): ends at VS_TYPE_MAX_DEPTH
static enum vs_status match_node(struct vs_record_scan *scan,
                                 const struct vs_type *type,
                                 const struct vs_type *file,
                                 struct vs_type *wish,
                                 struct vs_record_fill *fill,
                                 struct vs_error *err)
{
    *wish = *type;
    wish->source = file;
    *fill = (struct vs_record_fill){.constant = {.shape = VS_DATUM_NULL}};
    if (file == NULL) {
        wish->child_count = 0;
        return fill_absent(scan, type, fill, err);
    }
    VS_TRY(check_node(scan, type, file, err));
    wish->children = (struct vs_type *)vs_arena_alloc_array(&scan->arena, type->child_count,
                                                            sizeof *wish->children);
    fill->children = (struct vs_record_fill *)vs_arena_alloc_array(&scan->arena, type->child_count,
                                                                   sizeof *fill->children);
    if (wish->children == NULL || fill->children == NULL) {
        return no_memory(scan, err);
    }
    for (size_t i = 0; i < type->child_count; i++) {
        VS_TRY(match_node(scan, &type->children[i], find_child(file, type, i), &wish->children[i],
                          &fill->children[i], err));
        fill->is_filled |= fill->children[i].is_filled;
    }
    return VS_OK;
}

enum vs_status vs_record_match(struct vs_record_scan *scan,
                               const struct vs_type *type,
                               struct vs_error *err)
{
    struct vs_json_doc *mapping = NULL;
    VS_TRY(vs_record_file_type(scan->reader, false, &scan->arena, &scan->file_type, err));
    if (!has_ids(&scan->file_type)) {
        VS_TRY(vs_name_mapping_parse(scan->env, scan->metadata, &mapping, err));
        if (mapping != NULL) {
            map_ids(vs_json_root(mapping), &scan->file_type);
        } else {
            name_ids(type, &scan->file_type);
        }
        vs_json_free(mapping);
    }
    return match_node(scan, type, &scan->file_type, &scan->wish, &scan->fill, err);
}
