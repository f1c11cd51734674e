// SPDX-License-Identifier: Apache-2.0
// Rows out of a table.
#include "api/cli/cli.h"

#include <string.h>

#define MAX_COLUMNS 1024

static const struct cli_option export_options[] = {
    {"to", 0, "FILE", ".jsonl, .parquet, .npy (one vector column), or - (default)"},
    {"filter", 'f', "EXPR", "only rows that match"},
    {"select", 0, "A,B", "these columns (default all)"},
    {"snapshot", 0, "ID", "of this snapshot, or"},
    {"as-of", 0, "TIME", "of the snapshot current at this UTC time, or"},
    {"ref", 0, "NAME", "of a branch or tag"},
    {NULL, 0, NULL, NULL},
};

static void render_export(const struct vs_json *root, FILE *out)
{
    render_count(out, render_int(root, "rows"));
    fprintf(out, " rows of snapshot %.*s written to %.*s (",
            VS_STR_ARG(render_str(root, "snapshot_id")), VS_STR_ARG(render_str(root, "path")));
    render_bytes(out, render_real(root, "bytes"));
    fprintf(out, ")\n");
}

// The names of a list, NUL-terminated.
static enum vs_status read_select(const struct cli_args *args,
                                  const char **names,
                                  size_t *count_out,
                                  struct vs_error *err)
{
    static struct vs_str parts[MAX_COLUMNS];
    static char text[MAX_COLUMNS * 64];
    size_t used = 0;
    VS_TRY(cli_split(cli_text(args, "select"), parts, MAX_COLUMNS, count_out, err));
    for (size_t i = 0; i < *count_out; i++) {
        if (parts[i].len + 1 > sizeof text - used) {
            return vs_fail(err, VS_LIMIT, "--select is longer than %zu bytes", sizeof text);
        }
        memcpy(text + used, parts[i].ptr, parts[i].len);
        text[used + parts[i].len] = '\0';
        names[i] = text + used;
        used += parts[i].len + 1;
    }
    return VS_OK;
}

static enum vs_status run_export(struct cli_context *context, struct vs_error *err)
{
    static const char *names[MAX_COLUMNS];
    const struct cli_args *args = &context->args;
    const char *to = cli_text(args, "to");
    struct vs_export_options options = {
        .size = sizeof options,
        .table = args->positionals[0],
        .filter = cli_text(args, "filter"),
        .path = to != NULL ? to : "-",
        .select = names,
        .op = &context->op,
    };
    VS_TRY(cli_read_at(args, &options.at, err));
    VS_TRY(read_select(args, names, &options.select_count, err));
    VS_TRY(cli_open(context, false, err));
    VS_TRY(vs_db_export(context->db, &options, &context->report, err));
    // Standard output holds the rows: the report would spoil them.
    return strcmp(options.path, "-") == 0 ? VS_OK : cli_print(context, render_export, err);
}

const struct cli_command cmd_export = {
    .name = "export",
    .usage = "NAME [--to FILE] [options]",
    .summary = "rows of a table after deletes, as JSONL, Parquet or npy",
    .examples = "  vecstore export docs.passages --filter \"lang = 'en'\" --to english.parquet\n",
    .options = export_options,
    .min_positionals = 1,
    .max_positionals = 1,
    .run = run_export,
};
