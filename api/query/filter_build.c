// SPDX-License-Identifier: Apache-2.0
#include "api/query/filter.h"
#include "api/vecstore.h"

enum vs_status vs_filter_build(struct vs_filter_builder *builder,
                               enum vs_filter_op op,
                               size_t child_room,
                               size_t literal_room,
                               struct vs_filter_node **node_out,
                               struct vs_error *err)
{
    bool is_leaf = op != VS_FILTER_AND && op != VS_FILTER_OR && op != VS_FILTER_NOT;
    builder->leaf_count += is_leaf;
    builder->value_count += literal_room;
    if (builder->leaf_count > VS_MAX_FILTER_TERMS) {
        return vs_fail(err, VS_LIMIT, "filter: more than %d terms; use IN (…) for lists of values",
                       VS_MAX_FILTER_TERMS);
    }
    if (builder->value_count > VS_FILTER_MAX_VALUES) {
        return vs_fail(err, VS_LIMIT, "filter: more than %d values; ask in several queries",
                       VS_FILTER_MAX_VALUES);
    }
    struct vs_filter_node *node = vs_arena_alloc(builder->arena, sizeof *node);
    struct vs_filter_node **children =
        vs_arena_alloc_array(builder->arena, child_room, sizeof *children);
    struct vs_literal *literals =
        vs_arena_alloc_array(builder->arena, literal_room, sizeof *literals);
    if (node == NULL || children == NULL || literals == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "filter: out of memory");
    }
    node->op = op;
    node->children = children;
    node->literals = literals;
    *node_out = node;
    return VS_OK;
}

enum vs_status vs_filter_build_not(struct vs_filter_builder *builder,
                                   struct vs_filter_node *child,
                                   struct vs_filter_node **node_out,
                                   struct vs_error *err)
{
    VS_TRY(vs_filter_build(builder, VS_FILTER_NOT, 1, 0, node_out, err));
    (*node_out)->children[0] = child;
    (*node_out)->child_count = 1;
    return VS_OK;
}
