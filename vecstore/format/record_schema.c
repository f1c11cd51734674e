// SPDX-License-Identifier: Apache-2.0
// From the footer's schema elements to a tree of types and its leaves.
//
// Lists and maps are recognised by the rules of parquet-format LogicalTypes.md with their backward
// compatibility: the repeated field is the element itself when it is primitive, has not exactly one
// child, is called `array` or ends in `_tuple`, has a repeated child, or is annotated itself. A
// repeated field outside of a LIST or MAP is a list that is never null.
#include "vecstore/format/record_internal.h"

struct build {
    const struct vs_pq_schema_element *elements;
    size_t count;
    size_t next;
    struct vs_arena *arena;
    bool is_stored;
    struct vs_record_leaf_info *leaves;
    size_t leaf_count;
};

struct level {
    uint8_t def, rep;
    unsigned depth;
};

static enum vs_status bad_tree(const char *reason, struct vs_error *err)
{
    return vs_fail(err, VS_CORRUPT, "the footer's schema is not a tree: %s", reason);
}

static bool has_annotation(const struct vs_pq_schema_element *e,
                           enum vs_pq_logical_kind logical,
                           int32_t converted)
{
    return e->logical.kind == logical ||
           (e->logical.kind == VS_PQ_LOGICAL_NONE && e->has_converted && e->converted == converted);
}

static bool is_list(const struct vs_pq_schema_element *e)
{
    return has_annotation(e, VS_PQ_LOGICAL_LIST, VS_PQ_CONVERTED_LIST);
}

static bool is_map(const struct vs_pq_schema_element *e)
{
    return has_annotation(e, VS_PQ_LOGICAL_MAP, VS_PQ_CONVERTED_MAP) ||
           has_annotation(e, VS_PQ_LOGICAL_MAP, VS_PQ_CONVERTED_MAP_KEY_VALUE);
}

// The repeated child that makes a LIST or MAP group one; NULL: it has another shape.
static const struct vs_pq_schema_element *repeated_child(const struct build *b, size_t group)
{
    const struct vs_pq_schema_element *e = &b->elements[group];
    return e->child_count == 1 && group + 1 < b->count && e[1].has_repetition &&
                   e[1].repetition == VS_PQ_REPEATED
               ? e + 1
               : NULL;
}

static bool is_element_itself(const struct build *b, const struct vs_pq_schema_element *repeated)
{
    size_t at = (size_t)(repeated - b->elements);
    return repeated->has_type || repeated->child_count != 1 || at + 1 >= b->count ||
           repeated[1].repetition == VS_PQ_REPEATED || vs_str_equal_c(repeated->name, "array") ||
           vs_str_ends_with(repeated->name, VS_STR("_tuple")) || is_list(repeated) ||
           is_map(repeated);
}

// Values as they are stored: no units are changed.
static void use_stored(const struct vs_pq_schema_element *e, struct vs_pq_primitive *p, bool *half)
{
    struct vs_pq_logical l = vs_pq_logical_of(e);
    bool is_wide = p->kind == VS_KIND_DECIMAL ||
                   (l.kind == VS_PQ_LOGICAL_INTEGER && !l.is_signed && p->kind == VS_KIND_LONG);
    if (e->type == VS_PQ_INT32 && !is_wide) {
        p->kind = VS_KIND_INT;
        p->convert = VS_PQ_SAME;
    } else if (e->type == VS_PQ_INT64 && !is_wide) {
        p->kind = VS_KIND_LONG;
        p->convert = VS_PQ_SAME;
    } else if (e->type == VS_PQ_INT96) {
        p->kind = VS_KIND_LONG; // microseconds
    } else if (e->type == VS_PQ_FIXED && l.kind == VS_PQ_LOGICAL_FLOAT16 && e->type_length == 2) {
        p->kind = VS_KIND_FIXED;
        p->convert = VS_PQ_SAME;
        p->fixed_length = 2;
        *half = true;
    }
}

static enum vs_status build_leaf(struct build *b,
                                 struct level level,
                                 struct vs_type *node,
                                 struct vs_error *err)
{
    const struct vs_pq_schema_element *e = &b->elements[b->next++];
    if (e->type == VS_PQ_FIXED && e->type_length <= 0) {
        return bad_tree("a fixed-length field has no length", err);
    }
    struct vs_pq_primitive p = vs_pq_primitive_of(e);
    if (b->is_stored) {
        use_stored(e, &p, &node->is_half);
    }
    node->shape = VS_TYPE_PRIMITIVE;
    node->kind = p.kind;
    node->precision = p.precision;
    node->scale = p.scale;
    node->fixed_length = p.fixed_length;
    node->convert = (int)p.convert;
    b->leaves[b->leaf_count] = (struct vs_record_leaf_info){
        .leaf = {.chunk = b->leaf_count,
                 .type = e->type,
                 .width = e->type == VS_PQ_FIXED ? (size_t)e->type_length : 0,
                 .max_def = level.def,
                 .max_rep = level.rep,
                 .convert = p.convert},
        .kind = p.kind,
        .precision = p.precision,
        .scale = p.scale,
        .fixed_length = p.fixed_length,
        .is_half = node->is_half,
        .element = e,
    };
    b->leaf_count++;
    return VS_OK;
}

static enum vs_status add_children(struct build *b,
                                   struct vs_type *node,
                                   int32_t count,
                                   struct vs_error *err)
{
    if (count < 0 || (size_t)count > b->count - b->next) {
        return bad_tree("a group has more children than there are elements", err);
    }
    node->children =
        (struct vs_type *)vs_arena_alloc_array(b->arena, (size_t)count, sizeof *node->children);
    node->child_count = (size_t)count;
    return node->children != NULL
               ? VS_OK
               : vs_fail(err, VS_NO_MEMORY, "no memory for a schema of %zu fields", b->count);
}

static enum vs_status build_node(
    struct build *b, struct level level, bool is_slot, struct vs_type *node, struct vs_error *err);

// Children of the group that was just passed.
// NOLINTNEXTLINE(misc-no-recursion): build_node() ends at VS_TYPE_MAX_DEPTH
static enum vs_status build_children(
    struct build *b, struct level level, struct vs_type *node, int32_t count, struct vs_error *err)
{
    VS_TRY(add_children(b, node, count, err));
    for (size_t i = 0; i < node->child_count; i++) {
        VS_TRY(build_node(b, level, false, &node->children[i], err));
    }
    return VS_OK;
}

static void open_slot(struct level *level, struct vs_type *node)
{
    level->def++;
    level->rep++;
    node->slot_def = level->def;
    node->rep = level->rep;
}

// NOLINTNEXTLINE(misc-no-recursion): build_node() ends at VS_TYPE_MAX_DEPTH
static enum vs_status build_group(struct build *b,
                                  struct level level,
                                  struct vs_type *node,
                                  struct vs_error *err)
{
    const struct vs_pq_schema_element *e = &b->elements[b->next];
    const struct vs_pq_schema_element *repeated =
        is_list(e) || is_map(e) ? repeated_child(b, b->next) : NULL;
    b->next++;
    if (repeated != NULL && is_list(e)) {
        node->shape = VS_TYPE_LIST;
        open_slot(&level, node);
        if (!is_element_itself(b, repeated)) {
            b->next++;
            return build_children(b, level, node, 1, err);
        }
        VS_TRY(add_children(b, node, 1, err));
        return build_node(b, level, true, &node->children[0], err);
    }
    bool is_pair = repeated != NULL && !repeated->has_type &&
                   (repeated->child_count == 1 || repeated->child_count == 2);
    if (is_pair) { // a map without values is the list of its keys
        node->shape = repeated->child_count == 2 ? VS_TYPE_MAP : VS_TYPE_LIST;
        open_slot(&level, node);
        b->next++;
        return build_children(b, level, node, repeated->child_count, err);
    }
    node->shape = VS_TYPE_STRUCT;
    return build_children(b, level, node, e->child_count, err);
}

// is_slot: the element is the repeated field of a list, whose levels are counted already.
// NOLINTNEXTLINE(misc-no-recursion): ends at VS_TYPE_MAX_DEPTH
static enum vs_status build_node(
    struct build *b, struct level level, bool is_slot, struct vs_type *node, struct vs_error *err)
{
    if (b->next >= b->count) {
        return bad_tree("it ends before the last child", err);
    }
    if (++level.depth > VS_TYPE_MAX_DEPTH) {
        return vs_fail(err, VS_LIMIT, "the footer's schema is nested deeper than %d levels",
                       VS_TYPE_MAX_DEPTH);
    }
    const struct vs_pq_schema_element *e = &b->elements[b->next];
    if (e->repetition < VS_PQ_REQUIRED || e->repetition > VS_PQ_REPEATED) {
        return bad_tree("a field has an unknown repetition", err);
    }
    *node = (struct vs_type){.id = e->has_field_id ? e->field_id : -1,
                             .name = e->name,
                             .required = is_slot || e->repetition != VS_PQ_OPTIONAL,
                             .first_leaf = b->leaf_count};
    if (!is_slot && e->repetition == VS_PQ_OPTIONAL) {
        level.def++;
    }
    node->def = level.def;
    node->rep = level.rep;
    if (!is_slot && e->repetition == VS_PQ_REPEATED) {
        node->shape = VS_TYPE_LIST;
        open_slot(&level, node);
        VS_TRY(add_children(b, node, 1, err));
        VS_TRY(build_node(b, level, true, &node->children[0], err));
    } else if (e->has_type) {
        VS_TRY(build_leaf(b, level, node, err));
    } else {
        VS_TRY(build_group(b, level, node, err));
    }
    node->leaf_count = b->leaf_count - node->first_leaf;
    return VS_OK;
}

// The dotted names of the leaves, from the elements as they stand in the footer.
static enum vs_status fill_paths(const struct build *b, struct vs_error *err)
{
    struct vs_str names[2 * VS_TYPE_MAX_DEPTH + 2];
    int32_t open[2 * VS_TYPE_MAX_DEPTH + 2];
    size_t depth = 0, leaf = 0;
    for (size_t i = 1; i < b->count; i++) {
        const struct vs_pq_schema_element *e = &b->elements[i];
        struct vs_str path =
            depth == 0 ? e->name
                       : vs_arena_printf(b->arena, "%.*s.%.*s", VS_STR_ARG(names[depth - 1]),
                                         VS_STR_ARG(e->name));
        if (depth > 0 && path.ptr == NULL) {
            return vs_fail(err, VS_NO_MEMORY, "no memory for the names of %zu columns", b->count);
        }
        if (depth > 0) {
            open[depth - 1]--;
        }
        if (e->has_type) {
            b->leaves[leaf++].path = path;
        } else if (e->child_count > 0 && depth < sizeof names / sizeof names[0]) {
            names[depth] = path;
            open[depth++] = e->child_count;
        }
        while (depth > 0 && open[depth - 1] == 0) {
            depth--;
        }
    }
    return VS_OK;
}

enum vs_status vs_record_schema(const struct vs_parquet_reader *reader,
                                bool is_stored,
                                struct vs_arena *arena,
                                struct vs_type *type_out,
                                struct vs_record_leaf_info **leaves_out,
                                size_t *leaf_count_out,
                                struct vs_error *err)
{
    const struct vs_pq_file_meta *meta = &reader->meta; // checked to be a tree when it was opened
    struct build b = {.elements = meta->schema,
                      .count = meta->schema_count,
                      .next = 1,
                      .arena = arena,
                      .is_stored = is_stored};
    b.leaves = (struct vs_record_leaf_info *)vs_arena_alloc_array(arena, b.count, sizeof *b.leaves);
    if (b.leaves == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "%s: no memory for a schema of %zu fields",
                       reader->file->name, b.count);
    }
    struct vs_type root = {.shape = VS_TYPE_STRUCT, .id = -1, .required = true};
    enum vs_status status =
        build_children(&b, (struct level){0, 0, 0}, &root, meta->schema[0].child_count, err);
    if (status == VS_OK && leaves_out != NULL) {
        status = fill_paths(&b, err);
    }
    if (status != VS_OK) {
        return vs_wrap(err, status, "%s", reader->file->name);
    }
    root.leaf_count = b.leaf_count;
    if (type_out != NULL) {
        *type_out = root;
    }
    if (leaves_out != NULL) {
        *leaves_out = b.leaves;
        *leaf_count_out = b.leaf_count;
    }
    return VS_OK;
}

enum vs_status vs_record_file_type(struct vs_parquet_reader *reader,
                                   bool is_stored,
                                   struct vs_arena *arena,
                                   struct vs_type *type_out,
                                   struct vs_error *err)
{
    return vs_record_schema(reader, is_stored, arena, type_out, NULL, NULL, err);
}
