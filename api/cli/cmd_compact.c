// SPDX-License-Identifier: Apache-2.0
// The command that rewrites small files as large ones.
#include "api/cli/cli.h"

static const struct cli_option compact_options[] = {
    {"target-bytes", 0, "SIZE",
     "size of the new files (default: the table's setting, else 512MiB)"},
    {"min-bytes", 0, "SIZE", "smaller files are rewritten (default: 3/4 of the target)"},
    {"min-files", 0, "N", "a group of fewer files is left alone (default 2)"},
    {"filter", 'f', "EXPR", "only files that may hold matching rows"},
    {"dry-run", 0, NULL, "tell what would be done, change nothing"},
    {NULL, 0, NULL, NULL},
};

static void render_compact(const struct vs_json *root, FILE *out)
{
    if (render_int(root, "rewritten_files") == 0) {
        fprintf(out, "nothing to compact in %.*s\n", VS_STR_ARG(render_str(root, "table")));
        return;
    }
    fprintf(out, "%s%lld files with ", render_bool(root, "dry_run") ? "would be: " : "",
            (long long)render_int(root, "rewritten_files"));
    render_count(out, render_int(root, "rows"));
    fprintf(out, " rows became %lld (", (long long)render_int(root, "added_files"));
    render_bytes(out, render_real(root, "bytes_before"));
    fprintf(out, " to ");
    render_bytes(out, render_real(root, "bytes_after"));
    fprintf(out, "); %lld delete files gone; index %.*s\n",
            (long long)render_int(root, "removed_delete_files"),
            VS_STR_ARG(render_str(root, "index")));
}

static enum vs_status run_compact(struct cli_context *context, struct vs_error *err)
{
    const struct cli_args *args = &context->args;
    uint64_t files;
    struct vs_compact_options options = {
        .size = sizeof options,
        .table = args->positionals[0],
        .filter = cli_text(args, "filter"),
        .dry_run = cli_switch(args, "dry-run"),
        .op = &context->op,
    };
    VS_TRY(cli_bytes(args, "target-bytes", &options.target_bytes, err));
    VS_TRY(cli_bytes(args, "min-bytes", &options.min_bytes, err));
    VS_TRY(cli_number(args, "min-files", 0, 1000000, &files, err));
    options.min_files = (uint32_t)files;
    VS_TRY(cli_open(context, false, err));
    VS_TRY(vs_db_compact(context->db, &options, &context->report, err));
    return cli_print(context, render_compact, err);
}

const struct cli_command cmd_table_compact = {
    .group = "table",
    .name = "compact",
    .usage = "NAME [options]",
    .summary = "rewrite small files as large ones and apply deletes; the index follows",
    .options = compact_options,
    .min_positionals = 1,
    .max_positionals = 1,
    .run = run_compact,
};
