// SPDX-License-Identifier: Apache-2.0
// Looking into single files.
#include "api/cli/cli.h"

#include <string.h>

static const struct cli_option inspect_options[] = {
    {"digest", 0, NULL, "rows, nulls and digests per column"},
    {"rows", 0, NULL, "the values, exactly"},
    {"max-rows", 0, "N", "with --rows (default 100)"},
    {"snapshot", 0, "ID", "of a metadata file: this snapshot (default the current one)"},
    {"map-prefix", 0, "OLD=NEW", "open paths that begin with OLD at NEW (a table that was copied)"},
    {NULL, 0, NULL, NULL},
};

static void render_value(const struct vs_json *value, int depth, FILE *out);

// NOLINTNEXTLINE(misc-no-recursion): ends at the JSON parser's depth limit
static void render_member(struct vs_str key, const struct vs_json *value, int depth, FILE *out)
{
    bool is_container = vs_json_is(value, VS_JSON_OBJECT) || vs_json_is(value, VS_JSON_ARRAY);
    fprintf(out, "%*s%.*s%s", depth * 2, "", VS_STR_ARG(key), is_container ? "\n" : "  ");
    render_value(value, depth + 1, out);
}

// Any document, indented: inspect shows what is in a file, whatever that is.
// NOLINTNEXTLINE(misc-no-recursion): ends at the JSON parser's depth limit
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
