// SPDX-License-Identifier: Apache-2.0
// Commands that clean up behind a table: expire, orphans.
#include "api/cli/cli.h"

#define MAX_SNAPSHOTS 10000

// ---- expire ----

static const struct cli_option expire_options[] = {
    {"older-than", 0, "TIME|AGE",
     "date, time (UTC) or age as 7d, 12h (default: the table's setting, else 5d)"},
    {"retain-last", 0, "N", "at least this many snapshots of each branch stay (default 1)"},
    {"snapshots", 0, "A,B", "these in any case"},
    {"dry-run", 0, NULL, "tell what would go, change nothing"},
    {NULL, 0, NULL, NULL},
};

static void render_expire(const struct vs_json *root, FILE *out)
{
    const struct vs_json *removed = vs_json_get(root, "removed");
    bool dry = render_bool(root, "dry_run");
    fprintf(out, "%s%zu snapshots expired\n", dry ? "would be: " : "",
            vs_json_count(vs_json_get(root, "expired")));
    fprintf(out,
            "%sfiles removed: %lld data, %lld delete, %lld manifests, %lld manifest lists, "
            "%lld statistics (",
            dry ? "would be: " : "", (long long)render_int(removed, "data_files"),
            (long long)render_int(removed, "delete_files"),
            (long long)render_int(removed, "manifests"),
            (long long)render_int(removed, "manifest_lists"),
            (long long)render_int(removed, "statistics_files"));
    render_bytes(out, render_real(removed, "bytes"));
    fprintf(out, ")\n");
}

static enum vs_status read_ids(const struct cli_args *args,
                               int64_t *ids,
                               size_t *count_out,
                               struct vs_error *err)
{
    static struct vs_str parts[MAX_SNAPSHOTS];
    *count_out = 0;
    if (cli_text(args, "snapshots") == NULL) {
        return VS_OK;
    }
    VS_TRY(cli_split(cli_text(args, "snapshots"), parts, MAX_SNAPSHOTS, count_out, err));
    for (size_t i = 0; i < *count_out; i++) {
        VS_TRY(vs_parse_i64(parts[i], &ids[i], err));
    }
    return VS_OK;
}

static enum vs_status run_expire(struct cli_context *context, struct vs_error *err)
{
    static int64_t ids[MAX_SNAPSHOTS];
    const struct cli_args *args = &context->args;
    uint64_t retain;
    struct vs_expire_options options = {
        .size = sizeof options,
        .table = args->positionals[0],
        .older_than = cli_text(args, "older-than"),
        .snapshot_ids = ids,
        .dry_run = cli_switch(args, "dry-run"),
        .op = &context->op,
    };
    VS_TRY(cli_number(args, "retain-last", 0, INT32_MAX, &retain, err));
    options.retain_last = (uint32_t)retain;
    VS_TRY(read_ids(args, ids, &options.snapshot_id_count, err));
    VS_TRY(cli_open(context, false, err));
    VS_TRY(vs_db_expire(context->db, &options, &context->report, err));
    return cli_print(context, render_expire, err);
}

const struct cli_command cmd_table_expire = {
    .group = "table",
    .name = "expire",
    .usage = "NAME [options]",
    .summary = "forget old snapshots and remove the files that only they name",
    .examples = "  vecstore table expire docs.passages --older-than 7d --dry-run\n",
    .options = expire_options,
    .min_positionals = 1,
    .max_positionals = 1,
    .run = run_expire,
};

// ---- orphans ----

static const struct cli_option orphan_options[] = {
    {"older-than", 0, "TIME|AGE", "only files last changed before (default 3d)"},
    {"remove", 0, NULL, "remove them; without it they are only listed"},
    {"force", 0, NULL, "allow an age below one day: no writer may be at work"},
    {NULL, 0, NULL, NULL},
};

static void render_orphans(const struct vs_json *root, FILE *out)
{
    const struct vs_json *orphan, *orphans = vs_json_get(root, "orphans");
    struct vs_json_iter iter;
    vs_json_iter_init(&iter, orphans);
    while (vs_json_iter_next(&iter, NULL, &orphan)) {
        fprintf(out, "%-12.*s ", VS_STR_ARG(render_str(orphan, "modified")));
        render_bytes(out, render_real(orphan, "bytes"));
        fprintf(out, "  %.*s\n", VS_STR_ARG(render_str(orphan, "path")));
    }
    fprintf(out, "%zu files that nothing names (", vs_json_count(orphans));
    render_bytes(out, render_real(root, "bytes"));
    if (render_bool(root, "dry_run")) {
        fprintf(out, "); say --remove to remove them\n");
    } else {
        fprintf(out, "), %lld removed\n", (long long)render_int(root, "removed"));
    }
}

static enum vs_status run_orphans(struct cli_context *context, struct vs_error *err)
{
    const struct cli_args *args = &context->args;
    struct vs_orphan_options options = {
        .size = sizeof options,
        .table = args->positionals[0],
        .older_than = cli_text(args, "older-than"),
        .remove = cli_switch(args, "remove"),
        .force = cli_switch(args, "force"),
        .op = &context->op,
    };
    VS_TRY(cli_open(context, false, err));
    VS_TRY(vs_db_remove_orphans(context->db, &options, &context->report, err));
    return cli_print(context, render_orphans, err);
}

const struct cli_command cmd_table_orphans = {
    .group = "table",
    .name = "orphans",
    .usage = "NAME [options]",
    .summary = "files below a table that no metadata names: list, or remove",
    .options = orphan_options,
    .min_positionals = 1,
    .max_positionals = 1,
    .run = run_orphans,
};
