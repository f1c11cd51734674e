// SPDX-License-Identifier: Apache-2.0
// Edits a table metadata file: edit_tool IN.json OUT.json STEP…, a step being a command and its
// arguments with bars between them ("add|tags|list<string>|doc|after|default"). For scripts that
// have other readers look at the result (tests/conform/metadata_edit_test.py).
#include "tests/support/test_io.h"
#include "vecstore/iceberg/metadata_edit.h"

#include <stdio.h>

#define MAX_PARTS 8

struct step {
    struct vs_str part[MAX_PARTS];
    size_t count;
};

static struct step split(const char *text)
{
    struct step step = {0};
    struct vs_str rest = vs_str_from_c(text), left;
    while (step.count + 1 < MAX_PARTS && vs_str_split(rest, '|', &left, &rest)) {
        step.part[step.count++] = left;
    }
    step.part[step.count++] = rest;
    for (size_t i = step.count; i < MAX_PARTS; i++) {
        step.part[i] = VS_STR("");
    }
    return step;
}

static int64_t number(struct vs_str text)
{
    int64_t value = 0;
    vs_ignore(vs_parse_i64(text, &value, NULL));
    return value;
}

static enum vs_status set_ref(struct vs_metadata_edit *e,
                              const struct vs_str *a,
                              bool is_branch,
                              struct vs_error *err)
{
    const struct vs_ref_retention keep = {number(a[3]), number(a[4]), number(a[5])};
    return vs_edit_set_ref(e, a[1], is_branch, number(a[2]), a[3].len > 0 ? &keep : NULL, err);
}

static enum vs_status expire(struct vs_metadata_edit *e,
                             const struct vs_str *a,
                             struct vs_error *err)
{
    const struct vs_expire ask = {.older_than_ms = number(a[1]), .retain_last = number(a[2])};
    int64_t *removed;
    size_t count;
    return vs_edit_expire(e, &ask, &removed, &count, err);
}

static enum vs_status run_column(struct vs_metadata_edit *e,
                                 const struct vs_str *a,
                                 struct vs_error *err)
{
    if (vs_str_equal_c(a[0], "add")) {
        const struct vs_column_add add = {
            .name = a[1], .type = a[2], .doc = a[3], .after = a[4], .default_json = a[5]};
        return vs_edit_add_column(e, &add, err);
    }
    if (vs_str_equal_c(a[0], "drop")) {
        return vs_edit_drop_column(e, a[1], err);
    }
    if (vs_str_equal_c(a[0], "rename")) {
        return vs_edit_rename_column(e, a[1], a[2], err);
    }
    if (vs_str_equal_c(a[0], "widen")) {
        return vs_edit_widen_column(e, a[1], a[2], err);
    }
    if (vs_str_equal_c(a[0], "optional")) {
        return vs_edit_make_optional(e, a[1], err);
    }
    if (vs_str_equal_c(a[0], "doc")) {
        return vs_edit_set_doc(e, a[1], a[2], err);
    }
    if (vs_str_equal_c(a[0], "move")) {
        return vs_edit_move_column(e, a[1], a[2], err);
    }
    return vs_fail(err, VS_INVALID, "step '%.*s' is not known", VS_STR_ARG(a[0]));
}

static enum vs_status run(struct vs_metadata_edit *e, const struct vs_str *a, struct vs_error *err)
{
    if (vs_str_equal_c(a[0], "spec")) {
        return vs_edit_set_spec(e, a[1], err);
    }
    if (vs_str_equal_c(a[0], "order")) {
        return vs_edit_set_sort_order(e, a[1], err);
    }
    if (vs_str_equal_c(a[0], "set")) {
        return vs_edit_set_property(e, a[1], a[2], err);
    }
    if (vs_str_equal_c(a[0], "unset")) {
        return vs_edit_remove_property(e, a[1], err);
    }
    if (vs_str_equal_c(a[0], "upgrade")) {
        return vs_edit_upgrade(e, (int)number(a[1]), err);
    }
    if (vs_str_equal_c(a[0], "branch") || vs_str_equal_c(a[0], "tag")) {
        return set_ref(e, a, vs_str_equal_c(a[0], "branch"), err);
    }
    if (vs_str_equal_c(a[0], "remove-ref")) {
        return vs_edit_remove_ref(e, a[1], err);
    }
    if (vs_str_equal_c(a[0], "rollback")) {
        return vs_edit_rollback(e, number(a[1]), false, err);
    }
    return vs_str_equal_c(a[0], "expire") ? expire(e, a, err) : run_column(e, a, err);
}

int main(int argc, char **argv)
{
    const struct vs_env *env = vs_env_default();
    struct vs_error err = {0};
    struct vs_table_metadata *base = NULL;
    struct vs_metadata_edit edit;
    struct vs_arena arena;
    struct vs_buf text;
    vs_buf_init(&text, env, (size_t)1 << 28);
    vs_arena_init(&arena, env, 0);
    if (argc < 3 || !test_file_read(argv[1], &text)) {
        fprintf(stderr, "usage: edit_tool IN.json OUT.json STEP...\n");
        return 2;
    }
    enum vs_status status = vs_table_metadata_parse(env, vs_buf_view(&text), argv[1], &base, &err);
    if (status == VS_OK) {
        vs_metadata_edit_begin(&edit, env, &arena, base, vs_wall_ms(env));
    }
    for (int i = 3; i < argc && status == VS_OK; i++) {
        struct step step = split(argv[i]);
        status = run(&edit, step.part, &err);
    }
    vs_buf_reset(&text);
    if (status == VS_OK) {
        status = vs_table_metadata_format(&edit.next, &text, &err);
    }
    if (status == VS_OK && !test_file_write(argv[2], text.data, text.len)) {
        status = vs_fail(&err, VS_UNAVAILABLE, "%s cannot be written", argv[2]);
    }
    if (status != VS_OK) {
        fprintf(stderr, "%s: %s\n", vs_status_name(status), err.message);
    }
    vs_arena_clear(&arena);
    vs_table_metadata_free(base);
    vs_buf_clear(&text);
    return status == VS_OK ? 0 : 1;
}
