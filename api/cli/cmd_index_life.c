// SPDX-License-Identifier: Apache-2.0
// vecstore index refresh, merge, rollback, export.
#include "api/cli/cli.h"

// ---- refresh, merge ----

static const struct cli_option refresh_options[] = {
    {"memory", 0, "SIZE", "memory to use, as in 2GiB (default half of RAM)"},
    {"spill", 0, "DIR", "for what does not fit into memory (default $TMPDIR, or /tmp)"},
    {NULL, 0, NULL, NULL},
};

static void render_drift(const struct vs_json *root, FILE *out)
{
    const struct vs_json *drift = vs_json_get(root, "drift");
    double trained = render_real(drift, "trained_error");
    if (!vs_json_is(drift, VS_JSON_OBJECT)) {
        return;
    }
    fprintf(out, "  codes of the new rows: error %.3f", render_real(drift, "error"));
    if (trained > 0) {
        fprintf(out, " (trained: %.3f), %.1f %% far from any list", trained,
                render_real(drift, "far_share") * 100);
    }
    fputc('\n', out);
}

static void render_refresh(const struct vs_json *root, FILE *out)
{
    struct vs_str action = render_str(root, "action"), advice = render_str(root, "advice");
    if (vs_str_equal_c(action, "nothing")) {
        fprintf(out, "nothing to do: the index covers the newest snapshot\n");
    } else if (vs_str_equal_c(action, "registered")) {
        fprintf(out, "the index covers the newest snapshot, which knows of it again\n");
    } else if (vs_str_equal_c(action, "rebuilt")) {
        fprintf(out, "the table outgrew the exact scan: index %.*s built over ",
                VS_STR_ARG(render_str(root, "index")));
        render_count(out, render_int(root, "rows"));
        fprintf(out, " rows in ");
        render_ms(out, render_real(root, "ms"));
        fputc('\n', out);
    } else {
        fprintf(out, "index %.*s: ", VS_STR_ARG(render_str(root, "index")));
        render_count(out, render_int(root, "new_rows"));
        fprintf(out, " new rows, %lld segment%s (%lld before), ",
                (long long)render_int(root, "segments"),
                render_int(root, "segments") == 1 ? "" : "s",
                (long long)render_int(root, "segments_before"));
        render_bytes(out, render_real(root, "bytes"));
        fprintf(out, ", published in ");
        render_ms(out, render_real(root, "ms"));
        fputc('\n', out);
    }
    render_drift(root, out);
    if (advice.len > 0) {
        fprintf(out, "  %.*s\n", VS_STR_ARG(advice));
    }
}

static enum vs_status refresh(struct cli_context *context, bool merge, struct vs_error *err)
{
    const struct cli_args *args = &context->args;
    struct vs_refresh_options options = {.size = sizeof options,
                                         .table = args->positionals[0],
                                         .merge = merge,
                                         .spill_dir = cli_text(args, "spill"),
                                         .op = &context->op};
    VS_TRY(cli_bytes(args, "memory", &options.memory_bytes, err));
    VS_TRY(cli_open(context, false, err));
    VS_TRY(vs_db_refresh_index(context->db, &options, &context->report, err));
    return cli_print(context, render_refresh, err);
}

static enum vs_status run_refresh(struct cli_context *context, struct vs_error *err)
{
    return refresh(context, false, err);
}

static enum vs_status run_merge(struct cli_context *context, struct vs_error *err)
{
    return refresh(context, true, err);
}

const struct cli_command cmd_index_refresh = {
    .group = "index",
    .name = "refresh",
    .usage = "NAME [options]",
    .summary = "index the data files that are new, without training",
    .options = refresh_options,
    .min_positionals = 1,
    .max_positionals = 1,
    .run = run_refresh};

const struct cli_command cmd_index_merge = {
    .group = "index",
    .name = "merge",
    .usage = "NAME [options]",
    .summary = "put the index's segments together and drop rows of data files that are gone",
    .options = refresh_options,
    .min_positionals = 1,
    .max_positionals = 1,
    .run = run_merge};

// ---- rollback ----

static const struct cli_option rollback_options[] = {
    {"to", 0, "UUID", "version to publish again (default: the one before the current one)"},
    {NULL, 0, NULL, NULL},
};

static void render_rollback(const struct vs_json *root, FILE *out)
{
    fprintf(out, "index %.*s of ", VS_STR_ARG(render_str(root, "index")));
    render_count(out, render_int(root, "rows"));
    fprintf(out, " rows is current again; before it was %.*s\n",
            VS_STR_ARG(render_str(root, "former")));
}

static enum vs_status run_rollback(struct cli_context *context, struct vs_error *err)
{
    const struct vs_index_rollback_options options = {.size = sizeof options,
                                                      .table = context->args.positionals[0],
                                                      .to = cli_text(&context->args, "to"),
                                                      .op = &context->op};
    VS_TRY(cli_open(context, false, err));
    VS_TRY(vs_db_rollback_index(context->db, &options, &context->report, err));
    return cli_print(context, render_rollback, err);
}

const struct cli_command cmd_index_rollback = {.group = "index",
                                               .name = "rollback",
                                               .usage = "NAME [--to UUID]",
                                               .summary =
                                                   "publish a former version of the index again",
                                               .options = rollback_options,
                                               .min_positionals = 1,
                                               .max_positionals = 1,
                                               .run = run_rollback};

// ---- export ----

static const struct cli_option export_options[] = {
    {"to", 0, "FILE", "file to write"},
    {"column", 0, "NAME", "vector column (default: the only one)"},
    {NULL, 0, NULL, NULL},
};

static void render_export(const struct vs_json *root, FILE *out)
{
    render_count(out, render_int(root, "vectors"));
    fprintf(out, " vectors in %lld lists written to %.*s, ", (long long)render_int(root, "lists"),
            VS_STR_ARG(render_str(root, "path")));
    render_bytes(out, render_real(root, "bytes"));
    fprintf(out, "; FAISS reads it with faiss.read_index, ids are %s\n",
            vs_str_equal_c(render_str(root, "ids"), "id") ? "those of the table" : "row numbers");
}

static enum vs_status run_export(struct cli_context *context, struct vs_error *err)
{
    const struct vs_index_export_options options = {.size = sizeof options,
                                                    .table = context->args.positionals[0],
                                                    .vector_column =
                                                        cli_text(&context->args, "column"),
                                                    .path = cli_text(&context->args, "to"),
                                                    .op = &context->op};
    if (options.path == NULL) {
        return vs_fail(err, VS_INVALID, "say where to write the index: --to FILE");
    }
    VS_TRY(cli_open(context, false, err));
    VS_TRY(vs_db_export_index(context->db, &options, &context->report, err));
    return cli_print(context, render_export, err);
}

const struct cli_command cmd_index_export = {.group = "index",
                                             .name = "export",
                                             .usage = "NAME --to FILE [--column NAME]",
                                             .summary =
                                                 "write the index as a file that FAISS reads",
                                             .options = export_options,
                                             .min_positionals = 1,
                                             .max_positionals = 1,
                                             .run = run_export};
