// SPDX-License-Identifier: Apache-2.0
// Rows out of a table, and looking into single files.
#include "api/cli/cli.h"

#include <string.h>

#define MAX_COLUMNS 1024

// ---- export ----

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

// ---- inspect ----

static const struct cli_option inspect_options[] = {
    {"digest", 0, NULL, "rows, nulls and digests per column"},
    {"rows", 0, NULL, "the values, exactly"},
    {"max-rows", 0, "N", "with --rows (default 100)"},
    {"snapshot", 0, "ID", "of a metadata file: this snapshot (default the current one)"},
    {"map-prefix", 0, "OLD=NEW", "open paths that begin with OLD at NEW (a table that was copied)"},
    {NULL, 0, NULL, NULL},
};

static void render_value(const struct vs_json *value, int depth, FILE *out);

static void render_member(struct vs_str key, const struct vs_json *value, int depth, FILE *out)
{
    bool is_container = vs_json_is(value, VS_JSON_OBJECT) || vs_json_is(value, VS_JSON_ARRAY);
    fprintf(out, "%*s%.*s%s", depth * 2, "", VS_STR_ARG(key), is_container ? "\n" : "  ");
    render_value(value, depth + 1, out);
}

// Any document, indented: inspect shows what is in a file, whatever that is.
static void render_value(const struct vs_json *value, int depth, FILE *out)
{
    struct vs_json_iter iter;
    struct vs_str key, text;
    const struct vs_json *item;
    int64_t integer;
    double real;
    bool flag;
    if (vs_json_is(value, VS_JSON_OBJECT)) {
        vs_json_iter_init(&iter, value);
        while (vs_json_iter_next(&iter, &key, &item)) {
            render_member(key, item, depth, out); // depth is bounded by the parser's limit
        }
    } else if (vs_json_is(value, VS_JSON_ARRAY)) {
        vs_json_iter_init(&iter, value);
        while (vs_json_iter_next(&iter, NULL, &item)) {
            render_member(VS_STR("-"), item, depth, out);
        }
    } else if (vs_json_to_str(value, &text)) {
        render_line(out, text, 4096);
        fputc('\n', out);
    } else if (vs_json_to_i64(value, &integer)) {
        fprintf(out, "%lld\n", (long long)integer);
    } else if (vs_json_to_f64(value, &real)) {
        fprintf(out, "%.9g\n", real);
    } else if (vs_json_to_bool(value, &flag)) {
        fprintf(out, "%s\n", flag ? "true" : "false");
    } else {
        fprintf(out, "none\n");
    }
}

static void render_inspect(const struct vs_json *root, FILE *out)
{
    render_value(root, 0, out);
}

static enum vs_status run_inspect(struct cli_context *context, struct vs_error *err)
{
    static char from[4096];
    const struct cli_args *args = &context->args;
    const char *map = cli_text(args, "map-prefix");
    VS_TRY(cli_read_settings(context, err));
    struct vs_settings settings = {context->settings, context->setting_count};
    struct vs_inspect_options options = {
        .size = sizeof options,
        .uri = args->positionals[0],
        .settings = &settings,
        .digest = cli_switch(args, "digest"),
        .rows = cli_switch(args, "rows"),
        .op = &context->op,
    };
    struct vs_at at = {0};
    VS_TRY(cli_number(args, "max-rows", 0, UINT64_MAX, &options.max_rows, err));
    VS_TRY(cli_read_at(args, &at, err));
    options.snapshot_id = at.snapshot_id;
    if (map != NULL) {
        const char *equals = strchr(map, '=');
        if (equals == NULL || (size_t)(equals - map) >= sizeof from) {
            return vs_fail(err, VS_INVALID, "--map-prefix %s: give OLD=NEW", map);
        }
        memcpy(from, map, (size_t)(equals - map));
        options.moved_from = from;
        options.moved_to = equals + 1;
    }
    VS_TRY(vs_inspect(context->env, &options, &context->report, err));
    return cli_print(context, render_inspect, err);
}

const struct cli_command cmd_inspect = {
    .name = "inspect",
    .usage = "FILE [options]",
    .summary = "what a Parquet, Avro, Puffin or table metadata file holds",
    .examples = "  vecstore inspect s3://bucket/docs/metadata/v3.metadata.json --digest\n",
    .options = inspect_options,
    .min_positionals = 1,
    .max_positionals = 1,
    .run = run_inspect,
};
