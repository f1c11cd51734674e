// SPDX-License-Identifier: Apache-2.0
// Record assembly: rows as trees, from the levels of the leaves below each node.
//
// A node is read by looking at the first of its leaves: its definition level says whether the node
// is null, empty or present, and the repetition level of the entry behind it whether a list goes
// on. All other leaves have to agree; where they do not, the file is corrupt.
#include "vecstore/format/record_internal.h"

struct vs_record_node {
    const struct vs_type *wish;
    const struct vs_type *file; // NULL: absent
    size_t leaf_count;          // leaves (of records->leaves) that are read for it
    size_t first_leaf;
    size_t child_count;
    struct vs_record_node *children;
};

// ---- plan ----

struct planner {
    struct vs_record_reader *records;
    const struct vs_record_leaf_info *infos;
    size_t info_count;
    const struct vs_record_leaf_info **chosen; // by leaf of the reader
    bool *wants_values;
    struct vs_pq_leaf *promoted;
    enum vs_kind *kinds;
    size_t count, capacity;
};

static enum vs_status no_memory(const struct vs_record_reader *records, struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "%s: no memory to read rows", records->parquet->file->name);
}

static struct vs_field field_of(const struct vs_type *type)
{
    return (struct vs_field){.id = type->id,
                             .name = type->name,
                             .kind = type->kind,
                             .precision = type->precision,
                             .scale = type->scale,
                             .fixed_length = type->fixed_length};
}

static enum vs_status choose_leaf(struct planner *p,
                                  size_t index,
                                  const struct vs_type *wish,
                                  struct vs_error *err)
{
    if (p->count == p->capacity || index >= p->info_count) {
        return vs_fail(err, VS_INVALID, "%s: a wished column is not one of the file",
                       p->records->parquet->file->name);
    }
    const struct vs_record_leaf_info *info = &p->infos[index];
    p->chosen[p->count] = info;
    p->wants_values[p->count] = wish != NULL;
    p->promoted[p->count] = info->leaf;
    p->kinds[p->count] = info->kind;
    if (wish != NULL) {
        if (wish->source->kind == VS_KIND_OTHER) {
            return vs_fail(err, VS_UNSUPPORTED,
                           "%s: column '%.*s' is stored as %s of a type that cannot be read; leave "
                           "the column out",
                           p->records->parquet->file->name, VS_STR_ARG(info->path),
                           vs_pq_type_name(info->leaf.type));
        }
        struct vs_field from = field_of(wish->source), to = field_of(wish);
        struct vs_pq_leaf *leaf = &p->promoted[p->count];
        leaf->convert = (enum vs_pq_convert)wish->source->convert; // of either form of the tree
        VS_TRY(vs_pq_promote(&from, &to, leaf, err));
        p->kinds[p->count] = wish->kind;
    }
    p->count++;
    return VS_OK;
}

// NOLINTNEXTLINE(misc-no-recursion): ends at VS_TYPE_MAX_DEPTH
static enum vs_status plan_node(struct planner *p,
                                const struct vs_type *wish,
                                unsigned depth,
                                struct vs_record_node *node,
                                struct vs_error *err)
{
    const struct vs_type *file = wish->source;
    struct vs_record_reader *records = p->records;
    *node = (struct vs_record_node){.wish = wish, .file = file, .first_leaf = p->count};
    if (depth > VS_TYPE_MAX_DEPTH) {
        return vs_fail(err, VS_LIMIT, "the wished columns are nested deeper than %d levels",
                       VS_TYPE_MAX_DEPTH);
    }
    if (file == NULL && (depth > 0 || wish->shape == VS_TYPE_PRIMITIVE)) {
        return VS_OK; // null, whatever is wished below; the rows themselves are always there
    }
    if (file != NULL && file->shape != wish->shape) {
        return vs_fail(err, VS_INVALID, "%s: column '%.*s' has another shape than is wished",
                       records->parquet->file->name, VS_STR_ARG(wish->name));
    }
    if (wish->shape == VS_TYPE_PRIMITIVE) {
        node->leaf_count = 1;
        return choose_leaf(p, file->first_leaf, wish, err);
    }
    node->child_count = wish->child_count;
    node->children = (struct vs_record_node *)vs_arena_alloc_array(
        &records->plan, wish->child_count, sizeof *node->children);
    if (node->children == NULL) {
        return no_memory(records, err);
    }
    for (size_t i = 0; i < wish->child_count; i++) {
        VS_TRY(plan_node(p, &wish->children[i], depth + 1, &node->children[i], err));
    }
    // A node whose parts are all absent still has to be told null or present, full or empty.
    if (depth > 0 && p->count == node->first_leaf && file->leaf_count > 0) {
        VS_TRY(choose_leaf(p, file->first_leaf, NULL, err));
    }
    node->leaf_count = p->count - node->first_leaf;
    return VS_OK;
}

// Most leaves that a wish can choose: one a node.
// NOLINTNEXTLINE(misc-no-recursion): plan_node checks the depth; this one stops there too
static size_t count_nodes(const struct vs_type *wish, unsigned depth)
{
    size_t count = 1;
    for (size_t i = 0; depth <= VS_TYPE_MAX_DEPTH && i < wish->child_count; i++) {
        count += count_nodes(&wish->children[i], depth + 1);
    }
    return count;
}

enum vs_status vs_record_plan(struct vs_record_reader *records, struct vs_error *err)
{
    struct vs_arena *plan = &records->plan;
    struct vs_record_leaf_info *infos = NULL;
    struct planner p = {.records = records};
    VS_TRY(vs_record_schema(records->parquet, false, plan, NULL, &infos, &p.info_count, err));
    p.infos = infos;
    p.capacity = count_nodes(records->wish, 0);
    p.chosen = (const struct vs_record_leaf_info **)vs_arena_alloc_array(plan, p.capacity,
                                                                         sizeof *p.chosen);
    p.wants_values = (bool *)vs_arena_alloc_array(plan, p.capacity, sizeof *p.wants_values);
    p.promoted = (struct vs_pq_leaf *)vs_arena_alloc_array(plan, p.capacity, sizeof *p.promoted);
    p.kinds = (enum vs_kind *)vs_arena_alloc_array(plan, p.capacity, sizeof *p.kinds);
    records->root = (struct vs_record_node *)vs_arena_alloc(plan, sizeof *records->root);
    if (p.chosen == NULL || p.wants_values == NULL || p.promoted == NULL || p.kinds == NULL ||
        records->root == NULL) {
        return no_memory(records, err);
    }
    VS_TRY(plan_node(&p, records->wish, 0, records->root, err));
    records->leaves = (struct vs_record_leaf *)vs_alloc_zeroed(
        records->env, p.count > 0 ? p.count : 1, sizeof *records->leaves);
    if (records->leaves == NULL) {
        return no_memory(records, err);
    }
    for (size_t i = 0; i < p.count; i++) {
        struct vs_record_leaf_info info = *p.chosen[i];
        info.leaf = p.promoted[i];
        info.kind = p.kinds[i];
        vs_record_leaf_init(&records->leaves[i], records->parquet, &info, p.wants_values[i]);
        records->leaf_count = i + 1;
    }
    return VS_OK;
}

// ---- assembly ----

// The arena gave nothing: because of its limit, or because there is no memory.
static enum vs_status too_large(const struct vs_record_reader *records, struct vs_error *err)
{
    if (records->rows.used_bytes + records->stack.len < VS_RECORD_ROW_BYTES / 2) {
        return vs_fail(err, VS_NO_MEMORY, "no memory for the values of a row");
    }
    return vs_fail(err, VS_LIMIT, "one row takes more than %zu MiB of memory; read fewer columns",
                   VS_RECORD_ROW_BYTES >> 20);
}

static enum vs_status disagree(const struct vs_record_node *node, struct vs_error *err)
{
    return vs_fail(err, VS_CORRUPT,
                   "column '%.*s': levels of the leaves below it do not fit together",
                   VS_STR_ARG(node->wish->name));
}

// The current entry of a leaf: it has to be there, at the repetition level expected.
static enum vs_status peek(struct vs_record_reader *records,
                           const struct vs_record_node *node,
                           size_t index,
                           uint8_t rep,
                           struct vs_error *err)
{
    bool more = false;
    VS_TRY(vs_record_leaf_peek(&records->leaves[index], &more, err));
    if (!more) {
        return vs_fail(err, VS_CORRUPT,
                       "column '%.*s': the column chunk ends before the last row of its row group",
                       VS_STR_ARG(node->wish->name));
    }
    return vs_record_leaf_rep(&records->leaves[index]) == rep ? VS_OK : disagree(node, err);
}

// Passes one entry of every leaf below a node that is null or empty; all say so at one level.
static enum vs_status pass_entries(struct vs_record_reader *records,
                                   const struct vs_record_node *node,
                                   uint8_t rep,
                                   uint8_t def,
                                   struct vs_error *err)
{
    for (size_t i = node->first_leaf; i < node->first_leaf + node->leaf_count; i++) {
        struct vs_value none;
        VS_TRY(peek(records, node, i, rep, err));
        if (vs_record_leaf_def(&records->leaves[i]) != def) {
            return disagree(node, err);
        }
        VS_TRY(vs_record_leaf_take(&records->leaves[i], &none, err));
    }
    return VS_OK;
}

static enum vs_status read_scalar(struct vs_record_reader *records,
                                  const struct vs_record_node *node,
                                  uint8_t rep,
                                  struct vs_datum *out,
                                  struct vs_error *err)
{
    struct vs_value value;
    VS_TRY(peek(records, node, node->first_leaf, rep, err));
    // What the parents are was found out by a leaf that agrees down to the parent's level.
    VS_TRY(vs_record_leaf_take(&records->leaves[node->first_leaf], &value, err));
    *out = (struct vs_datum){.shape = value.is_null ? VS_DATUM_NULL : VS_DATUM_SCALAR};
    if (value.is_null) {
        return VS_OK;
    }
    if (!vs_value_keep(&value, &records->rows)) {
        return too_large(records, err);
    }
    out->as.scalar = value;
    return VS_OK;
}

static enum vs_status read_node(struct vs_record_reader *records,
                                const struct vs_record_node *node,
                                uint8_t rep,
                                uint8_t floor,
                                struct vs_datum *out,
                                struct vs_error *err);

// The leaf that is read for its levels alone: passes one struct or element, inside of which it may
// repeat.
static enum vs_status pass_probe(struct vs_record_reader *records,
                                 const struct vs_record_node *node,
                                 uint8_t rep,
                                 struct vs_error *err)
{
    struct vs_record_leaf *leaf = &records->leaves[node->first_leaf];
    struct vs_value none;
    bool more = true;
    VS_TRY(peek(records, node, node->first_leaf, rep, err));
    do {
        VS_TRY(vs_record_leaf_take(leaf, &none, err));
        VS_TRY(vs_record_leaf_peek(leaf, &more, err));
    } while (more && vs_record_leaf_rep(leaf) > node->file->rep);
    return VS_OK;
}

static struct vs_datum *new_items(struct vs_record_reader *records, size_t count)
{
    return (struct vs_datum *)vs_arena_alloc_array(&records->rows, count, sizeof(struct vs_datum));
}

// NOLINTNEXTLINE(misc-no-recursion): read_node() is as deep as the plan
static enum vs_status read_struct(struct vs_record_reader *records,
                                  const struct vs_record_node *node,
                                  uint8_t rep,
                                  uint8_t floor,
                                  struct vs_datum *out,
                                  struct vs_error *err)
{
    struct vs_datum *items = new_items(records, node->child_count);
    bool is_probed = false;
    if (items == NULL) {
        return too_large(records, err);
    }
    for (size_t i = 0; i < node->child_count; i++) {
        is_probed |= node->children[i].leaf_count > 0;
        VS_TRY(read_node(records, &node->children[i], rep, floor, &items[i], err));
    }
    if (!is_probed && node->leaf_count > 0) {
        VS_TRY(pass_probe(records, node, rep, err));
    }
    *out =
        (struct vs_datum){.shape = VS_DATUM_STRUCT, .count = node->child_count, .as.items = items};
    return VS_OK;
}

// Lists (one child) and maps (two), element by element on the stack, then into the arena.
// NOLINTNEXTLINE(misc-no-recursion): read_node() is as deep as the plan
static enum vs_status read_items(struct vs_record_reader *records,
                                 const struct vs_record_node *node,
                                 uint8_t rep,
                                 struct vs_datum *out,
                                 struct vs_error *err)
{
    const struct vs_type *file = node->file;
    size_t mark = records->stack.len, count = 0;
    struct vs_record_leaf *first = &records->leaves[node->first_leaf];
    size_t child_leaves = 0;
    for (size_t i = 0; i < node->child_count; i++) {
        child_leaves += node->children[i].leaf_count;
    }
    for (bool more = true; more; count++) {
        uint8_t begins = count == 0 ? rep : file->rep;
        if (child_leaves == 0) {
            VS_TRY(pass_probe(records, node, begins, err));
        }
        for (size_t i = 0; i < node->child_count; i++) {
            struct vs_datum item;
            VS_TRY(read_node(records, &node->children[i], begins, file->slot_def, &item, err));
            if (vs_buf_append(&records->stack, &item, sizeof item, err) != VS_OK) {
                return too_large(records, err);
            }
        }
        VS_TRY(vs_record_leaf_peek(first, &more, err));
        if (more && vs_record_leaf_rep(first) > file->rep) {
            return disagree(node, err);
        }
        more = more && vs_record_leaf_rep(first) == file->rep;
    }
    struct vs_datum *items = new_items(records, count * node->child_count);
    if (items == NULL) {
        return too_large(records, err);
    }
    memcpy(items, records->stack.data + mark, records->stack.len - mark);
    records->stack.len = mark;
    *out = (struct vs_datum){.shape = file->shape == VS_TYPE_MAP ? VS_DATUM_MAP : VS_DATUM_LIST,
                             .count = count,
                             .as.items = items};
    return VS_OK;
}

// rep: the repetition level that entries of this node begin with; floor: the definition level that
// the parents' presence asks for.
// NOLINTNEXTLINE(misc-no-recursion): as deep as the plan, which ends at VS_TYPE_MAX_DEPTH
static enum vs_status read_node(struct vs_record_reader *records,
                                const struct vs_record_node *node,
                                uint8_t rep,
                                uint8_t floor,
                                struct vs_datum *out,
                                struct vs_error *err)
{
    const struct vs_type *file = node->file;
    *out = (struct vs_datum){.shape = VS_DATUM_NULL};
    if (file == NULL) {
        return VS_OK;
    }
    if (node->leaf_count == 0) { // a group without any column
        return file->shape == VS_TYPE_STRUCT ? read_struct(records, node, rep, floor, out, err)
                                             : VS_OK;
    }
    VS_TRY(peek(records, node, node->first_leaf, rep, err));
    uint8_t def = vs_record_leaf_def(&records->leaves[node->first_leaf]);
    if (def < floor) {
        return disagree(node, err);
    }
    if (file->shape == VS_TYPE_PRIMITIVE) {
        return read_scalar(records, node, rep, out, err);
    }
    if (def < file->def) {
        return pass_entries(records, node, rep, def, err);
    }
    if (file->shape == VS_TYPE_STRUCT) {
        return read_struct(records, node, rep, file->def, out, err);
    }
    if (def < file->slot_def) {
        *out =
            (struct vs_datum){.shape = file->shape == VS_TYPE_MAP ? VS_DATUM_MAP : VS_DATUM_LIST};
        return pass_entries(records, node, rep, def, err);
    }
    return read_items(records, node, rep, out, err);
}

enum vs_status vs_record_assemble(struct vs_record_reader *records,
                                  struct vs_datum *row_out,
                                  struct vs_error *err)
{
    const struct vs_record_node *root = records->root;
    vs_buf_reset(&records->stack);
    struct vs_datum *items = new_items(records, root->child_count);
    if (items == NULL) {
        return too_large(records, err);
    }
    for (size_t i = 0; i < root->child_count; i++) {
        VS_TRY(read_node(records, &root->children[i], 0, 0, &items[i], err));
    }
    *row_out =
        (struct vs_datum){.shape = VS_DATUM_STRUCT, .count = root->child_count, .as.items = items};
    return VS_OK;
}
