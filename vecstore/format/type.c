// SPDX-License-Identifier: Apache-2.0
#include "vecstore/format/type.h"

static enum vs_status format_tree(const struct vs_type *type,
                                  unsigned depth,
                                  struct vs_buf *out,
                                  struct vs_error *err);

static enum vs_status too_deep(struct vs_error *err)
{
    return vs_fail(err, VS_LIMIT, "a type is nested deeper than %d levels", VS_TYPE_MAX_DEPTH);
}

// NOLINTNEXTLINE(misc-no-recursion): format_tree() ends at VS_TYPE_MAX_DEPTH
static enum vs_status format_struct(const struct vs_type *type,
                                    unsigned depth,
                                    struct vs_buf *out,
                                    struct vs_error *err)
{
    VS_TRY(vs_buf_append_c(out, "struct<", err));
    for (size_t i = 0; i < type->child_count; i++) {
        VS_TRY(vs_buf_append_c(out, i == 0 ? "" : ", ", err));
        VS_TRY(vs_buf_append_str(out, type->children[i].name, err));
        VS_TRY(vs_buf_append_c(out, ": ", err));
        VS_TRY(format_tree(&type->children[i], depth + 1, out, err));
    }
    return vs_buf_append_byte(out, '>', err);
}

// NOLINTNEXTLINE(misc-no-recursion): ends at VS_TYPE_MAX_DEPTH
static enum vs_status format_tree(const struct vs_type *type,
                                  unsigned depth,
                                  struct vs_buf *out,
                                  struct vs_error *err)
{
    if (depth > VS_TYPE_MAX_DEPTH) {
        return too_deep(err);
    }
    if (type->shape == VS_TYPE_STRUCT) {
        return format_struct(type, depth, out, err);
    }
    if (type->shape == VS_TYPE_PRIMITIVE) {
        struct vs_field field = {.kind = type->kind,
                                 .precision = type->precision,
                                 .scale = type->scale,
                                 .fixed_length = type->fixed_length};
        return vs_type_format(&field, out, err);
    }
    VS_TRY(vs_buf_append_c(out, type->shape == VS_TYPE_LIST ? "list<" : "map<", err));
    for (size_t i = 0; i < type->child_count; i++) {
        VS_TRY(vs_buf_append_c(out, i == 0 ? "" : ", ", err));
        VS_TRY(format_tree(&type->children[i], depth + 1, out, err));
    }
    return vs_buf_append_byte(out, '>', err);
}

enum vs_status vs_type_tree_format(const struct vs_type *type,
                                   struct vs_buf *out,
                                   struct vs_error *err)
{
    return format_tree(type, 0, out, err);
}

// NOLINTNEXTLINE(misc-no-recursion): ends at VS_TYPE_MAX_DEPTH
static enum vs_status copy_tree(const struct vs_type *from,
                                unsigned depth,
                                struct vs_arena *arena,
                                struct vs_type *to,
                                struct vs_error *err)
{
    if (depth > VS_TYPE_MAX_DEPTH) {
        return too_deep(err);
    }
    *to = *from;
    to->source = from;
    to->children =
        (struct vs_type *)vs_arena_alloc_array(arena, from->child_count, sizeof *to->children);
    if (to->children == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "no memory for a type of %zu fields", from->child_count);
    }
    for (size_t i = 0; i < from->child_count; i++) {
        VS_TRY(copy_tree(&from->children[i], depth + 1, arena, &to->children[i], err));
    }
    return VS_OK;
}

enum vs_status vs_type_wish_all(const struct vs_type *file,
                                struct vs_arena *arena,
                                struct vs_type *wish_out,
                                struct vs_error *err)
{
    struct vs_type wish;
    VS_TRY(copy_tree(file, 0, arena, &wish, err));
    *wish_out = wish;
    return VS_OK;
}
