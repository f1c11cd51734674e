// SPDX-License-Identifier: Apache-2.0
#include "api/cli/cli.h"

#include <string.h>

#define MAX_IDS 100000

// ---- ingest ----

static const struct cli_option ingest_options[] = {
    {"create", 0, NULL, "make the table from the file's columns when it does not exist"},
    {"id-column", 0, "NAME", "column of the file that holds the id"},
    {"vector-column", 0, "NAME", "column of the file that holds the vectors"},
    {"metadata", 0, "FILE", "for .npy: a .jsonl or .parquet with the other columns, row by row"},
    {"metric", 'm', "NAME", "with --create: cosine (default), ip or l2"},
    {"model", 0, "NAME", "with --create: embedding model, for information"},
    {"upsert", 0, NULL, "replace rows whose id exists"},
    {"overwrite", 0, "EXPR",
     "delete the rows that match in the same commit; '*': all rows are replaced"},
    {"branch", 0, "NAME", "write to this branch (default main)"},
    {"on-error", 0, "WHAT",
     "stop (default) or quarantine: what to do with rows that break the contract"},
    {NULL, 0, NULL, NULL},
};

static void render_ingest(const struct vs_json *root, FILE *out)
{
    render_count(out, render_int(root, "rows"));
    fprintf(out, " rows written to %.*s in ", VS_STR_ARG(render_str(root, "table")));
    render_ms(out, render_real(root, "ms"));
    fprintf(out, " (");
    render_count(out, (int64_t)render_real(root, "rows_per_second"));
    fprintf(out, " rows/s, ");
    render_bytes(out, render_real(root, "bytes"));
    fprintf(out, " on disk)\n");
    if (render_int(root, "replaced") > 0) {
        render_count(out, render_int(root, "replaced"));
        fprintf(out, " older rows with the same ids replaced\n");
    }
    if (render_int(root, "rejected") > 0) {
        render_count(out, render_int(root, "rejected"));
        fprintf(out, " rows set aside in %.*s\n", VS_STR_ARG(render_str(root, "quarantine")));
    }
    struct vs_str snapshot = render_str(root, "snapshot_id");
    if (snapshot.len > 0) {
        fprintf(out, "snapshot %.*s\n", VS_STR_ARG(snapshot));
    }
}

static enum vs_status read_on_error(const struct cli_args *args,
                                    bool *quarantine_out,
                                    struct vs_error *err)
{
    const char *text = cli_text(args, "on-error");
    *quarantine_out = text != NULL && strcmp(text, "quarantine") == 0;
    if (text != NULL && !*quarantine_out && strcmp(text, "stop") != 0) {
        return vs_fail(err, VS_INVALID, "--on-error %s: give stop or quarantine", text);
    }
    return VS_OK;
}

static enum vs_status run_ingest(struct cli_context *context, struct vs_error *err)
{
    const struct cli_args *args = &context->args;
    struct vs_ingest_options options = {
        .size = sizeof options,
        .table = args->positionals[0],
        .files = args->positionals + 1,
        .file_count = args->positional_count - 1,
        .metadata = cli_text(args, "metadata"),
        .create = cli_switch(args, "create"),
        .metric = cli_text(args, "metric"),
        .model = cli_text(args, "model"),
        .id_column = cli_text(args, "id-column"),
        .vector_column = cli_text(args, "vector-column"),
        .upsert = cli_switch(args, "upsert"),
        .overwrite = cli_text(args, "overwrite"),
        .branch = cli_text(args, "branch"),
        .op = &context->op,
    };
    VS_TRY(read_on_error(args, &options.quarantine, err));
    VS_TRY(cli_open(context, options.create, err));
    VS_TRY(vs_db_ingest(context->db, &options, &context->report, err));
    return cli_print(context, render_ingest, err);
}

const struct cli_command cmd_ingest = {
    .name = "ingest",
    .usage = "NAME FILE… [options]",
    .summary =
        "write rows from .parquet, .npy, .jsonl or '-' (JSONL on standard input) as one commit",
    .examples = "  vecstore ingest docs.passages passages.parquet --create\n"
                "  vecstore ingest docs.passages vectors.npy --metadata rows.jsonl\n"
                "  make-rows | vecstore ingest docs.passages - --upsert\n",
    .options = ingest_options,
    .min_positionals = 2,
    .max_positionals = -1,
    .run = run_ingest,
};

// ---- delete ----

static const struct cli_option delete_options[] = {
    {"ids", 0, "A,B,…", "rows to delete, or"},
    {"filter", 'f', "EXPR",
     "delete every row that matches, as in \"lang = 'de' AND day < '2024-01-01'\""},
    {"branch", 0, "NAME", "delete in this branch (default main)"},
    {NULL, 0, NULL, NULL},
};

static void render_delete(const struct vs_json *root, FILE *out)
{
    render_count(out, render_int(root, "deleted"));
    fprintf(out, " rows deleted from %.*s\n", VS_STR_ARG(render_str(root, "table")));
    if (render_int(root, "not_found") > 0) {
        render_count(out, render_int(root, "not_found"));
        fprintf(out, " of the ids are not in the table\n");
    }
    struct vs_str snapshot = render_str(root, "snapshot_id");
    if (snapshot.len > 0) {
        fprintf(out, "snapshot %.*s\n", VS_STR_ARG(snapshot));
    }
}

static enum vs_status run_delete(struct cli_context *context, struct vs_error *err)
{
    static struct vs_str ids[MAX_IDS];
    struct vs_delete_options options = {
        .size = sizeof options,
        .table = context->args.positionals[0],
        .ids = ids,
        .filter = cli_text(&context->args, "filter"),
        .branch = cli_text(&context->args, "branch"),
        .op = &context->op,
    };
    VS_TRY(cli_split(cli_text(&context->args, "ids"), ids, MAX_IDS, &options.id_count, err));
    VS_TRY(cli_open(context, false, err));
    VS_TRY(vs_db_delete(context->db, &options, &context->report, err));
    return cli_print(context, render_delete, err);
}

const struct cli_command cmd_delete = {
    .name = "delete",
    .usage = "NAME --ids A,B | --filter EXPR",
    .summary = "delete rows by id or by filter",
    .options = delete_options,
    .min_positionals = 1,
    .max_positionals = 1,
    .run = run_delete,
};
