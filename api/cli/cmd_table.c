// SPDX-License-Identifier: Apache-2.0
#include "api/cli/cli.h"

#include <string.h>

// ---- create ----

static const struct cli_option create_options[] = {
    {"dim", 'd', "N", "length of the vectors (required)"},
    {"metric", 'm', "NAME", "cosine (default), ip or l2"},
    {"column", 'c', "NAME", "vector column (default embedding)"},
    {"schema", 's', "TEXT",
     "the other columns, as in 'id long, title string, day date' (default 'id long')"},
    {"id-column", 0, "NAME", "the identifier, long or string (default id)"},
    {"model", 0, "NAME", "embedding model, for information"},
    {"normalized", 0, NULL, "vectors are of unit length; others are refused"},
    {"partition-by", 0, "SPEC",
     "partitions of the data, as in 'lang, bucket(16, id), day(created)'"},
    {"sort-order", 0, "ORDER", "as in 'lang asc nulls first, created desc'"},
    {"format-version", 0, "N", "Iceberg format: 2 (default) or 3"},
    {NULL, 0, NULL, NULL},
};

static enum vs_status run_create(struct cli_context *context, struct vs_error *err)
{
    const struct cli_args *args = &context->args;
    uint64_t dim, format;
    VS_TRY(cli_number(args, "dim", 0, VS_MAX_DIM, &dim, err));
    VS_TRY(cli_number(args, "format-version", 2, 3, &format, err));
    if (dim == 0) {
        return vs_fail(err, VS_INVALID,
                       "--dim is missing: give the length of the vectors, as in --dim 384");
    }
    struct vs_create_options options = {
        .size = sizeof options,
        .table = args->positionals[0],
        .dim = (uint32_t)dim,
        .metric = cli_text(args, "metric"),
        .vector_column = cli_text(args, "column"),
        .schema = cli_text(args, "schema"),
        .id_column = cli_text(args, "id-column"),
        .model = cli_text(args, "model"),
        .normalized = cli_switch(args, "normalized"),
        .partition_by = cli_text(args, "partition-by"),
        .sort_order = cli_text(args, "sort-order"),
        .format_version = (int)format,
    };
    VS_TRY(cli_open(context, true, err));
    VS_TRY(vs_db_create_table(context->db, &options, &context->report, err));
    return cli_print(context, cli_render_describe, err);
}

const struct cli_command cmd_table_create = {
    .group = "table",
    .name = "create",
    .usage = "NAME --dim N [options]",
    .summary = "make an empty table",
    .examples = "  vecstore table create docs.passages --dim 384 --schema 'id long, title string, "
                "text string, day date'\n",
    .options = create_options,
    .min_positionals = 1,
    .max_positionals = 1,
    .run = run_create,
};

// ---- list ----

static const struct cli_option no_options[] = {{NULL, 0, NULL, NULL}};

static void render_list(const struct vs_json *root, FILE *out)
{
    const struct vs_json *entry, *tables = vs_json_get(root, "tables");
    struct vs_json_iter iter;
    vs_json_iter_init(&iter, tables);
    if (vs_json_count(tables) == 0) {
        fprintf(out, "no tables yet; make one with: vecstore ingest NAME FILE --create\n");
    }
    while (vs_json_iter_next(&iter, NULL, &entry)) {
        struct vs_str name = render_str(entry, "name"), problem = render_str(entry, "problem");
        fprintf(out, "%-32.*s ", VS_STR_ARG(name));
        if (problem.len > 0) {
            fprintf(out, "cannot be read: %.*s\n", VS_STR_ARG(problem));
            continue;
        }
        render_count(out, render_int(entry, "rows"));
        fprintf(out, " rows%s\n", render_bool(entry, "indexed") ? ", indexed" : "");
    }
}

static enum vs_status run_list(struct cli_context *context, struct vs_error *err)
{
    VS_TRY(cli_open(context, false, err));
    VS_TRY(vs_db_list_tables(context->db, &context->report, err));
    return cli_print(context, render_list, err);
}

const struct cli_command cmd_table_list = {.group = "table",
                                           .name = "list",
                                           .usage = "",
                                           .summary = "all tables of the warehouse",
                                           .options = no_options,
                                           .run = run_list};

// ---- describe ----

static void render_schema(const struct vs_json *root, FILE *out)
{
    const struct vs_json *field;
    struct vs_json_iter iter;
    struct vs_str id_column = render_str(root, "id_column");
    fprintf(out, "columns\n");
    vs_json_iter_init(&iter, vs_json_get(root, "schema"));
    while (vs_json_iter_next(&iter, NULL, &field)) {
        struct vs_str name = render_str(field, "name"), type = render_str(field, "type");
        fprintf(out, "  %-24.*s %.*s%s%s\n", VS_STR_ARG(name), VS_STR_ARG(type),
                render_bool(field, "required") ? " not null" : "",
                vs_str_equal(name, id_column) ? ", id" : "");
    }
    vs_json_iter_init(&iter, vs_json_get(root, "vectors"));
    while (vs_json_iter_next(&iter, NULL, &field)) {
        struct vs_str model = render_str(field, "model");
        fprintf(out, "vectors   %.*s: %lld dimensions, %.*s%s%s%.*s\n",
                VS_STR_ARG(render_str(field, "column")), (long long)render_int(field, "dimension"),
                VS_STR_ARG(render_str(field, "metric")),
                render_bool(field, "normalized") ? ", unit length" : "",
                model.len > 0 ? ", model " : "", VS_STR_ARG(model));
    }
}

static void render_index_line(const struct vs_json *index, FILE *out)
{
    struct vs_str problem = render_str(index, "problem"), uuid = render_str(index, "uuid");
    if (!vs_json_is(index, VS_JSON_OBJECT)) {
        fprintf(out, "index     none: queries scan exactly\n");
        return;
    }
    if (problem.len > 0) {
        fprintf(out, "index     cannot be used: %.*s\n", VS_STR_ARG(problem));
    }
    if (uuid.len > 0) {
        fprintf(out, "index     %.*s covers ", VS_STR_ARG(uuid));
        render_count(out, render_int(index, "covered_rows"));
        fprintf(out, " rows; ");
        render_count(out, render_int(index, "uncovered_rows"));
        fprintf(out, " newer rows in %lld files are scanned exactly\n",
                (long long)render_int(index, "uncovered_files"));
    }
}

void cli_render_describe(const struct vs_json *root, FILE *out)
{
    struct vs_str snapshot = render_str(root, "snapshot_id");
    fprintf(out, "table     %.*s\n", VS_STR_ARG(render_str(root, "name")));
    fprintf(out, "location  %.*s\n", VS_STR_ARG(render_str(root, "location")));
    fprintf(out, "format    Iceberg v%lld, uuid %.*s\n",
            (long long)render_int(root, "format_version"), VS_STR_ARG(render_str(root, "uuid")));
    fprintf(out, "rows      ");
    render_count(out, render_int(root, "rows") - render_int(root, "deleted"));
    fprintf(out, " live, ");
    render_count(out, render_int(root, "deleted"));
    fprintf(out, " deleted, in ");
    render_count(out, render_int(root, "files"));
    fprintf(out, " files of ");
    render_bytes(out, render_real(root, "bytes"));
    fprintf(out, "\nsnapshot  %.*s (%lld kept)\n",
            VS_STR_ARG(snapshot.len > 0 ? snapshot : VS_STR("none")),
            (long long)render_int(root, "snapshots"));
    render_index_line(vs_json_get(root, "index"), out);
    render_schema(root, out);
}

static enum vs_status run_describe(struct cli_context *context, struct vs_error *err)
{
    VS_TRY(cli_open(context, false, err));
    VS_TRY(vs_db_describe_table(context->db, context->args.positionals[0], &context->report, err));
    return cli_print(context, cli_render_describe, err);
}

const struct cli_command cmd_table_describe = {
    .group = "table",
    .name = "describe",
    .usage = "NAME",
    .summary = "columns, contract, rows, snapshots and index of a table",
    .options = no_options,
    .min_positionals = 1,
    .max_positionals = 1,
    .run = run_describe};

// ---- snapshots ----

static void render_snapshots(const struct vs_json *root, FILE *out)
{
    const struct vs_json *entry;
    struct vs_json_iter iter;
    fprintf(out, "%-20s %-24s %-10s %12s %12s %12s\n", "snapshot", "time (UTC)", "operation",
            "added", "deleted", "total rows");
    vs_json_iter_init(&iter, vs_json_get(root, "snapshots"));
    while (vs_json_iter_next(&iter, NULL, &entry)) {
        fprintf(out, "%-20.*s %-24.*s %-10.*s %12lld %12lld %12lld%s\n",
                VS_STR_ARG(render_str(entry, "snapshot_id")),
                VS_STR_ARG(render_str(entry, "timestamp")),
                VS_STR_ARG(render_str(entry, "operation")),
                (long long)render_int(entry, "added_rows"),
                (long long)render_int(entry, "deleted_rows"),
                (long long)render_int(entry, "total_rows"),
                render_bool(entry, "current") ? "  current" : "");
    }
}

static enum vs_status run_snapshots(struct cli_context *context, struct vs_error *err)
{
    VS_TRY(cli_open(context, false, err));
    VS_TRY(vs_db_list_snapshots(context->db, context->args.positionals[0], &context->report, err));
    return cli_print(context, render_snapshots, err);
}

const struct cli_command cmd_table_snapshots = {
    .group = "table",
    .name = "snapshots",
    .usage = "NAME",
    .summary = "the states of a table that can be asked, newest first",
    .options = no_options,
    .min_positionals = 1,
    .max_positionals = 1,
    .run = run_snapshots};

// ---- check ----

static void render_check(const struct vs_json *root, FILE *out)
{
    const struct vs_json *entry;
    struct vs_json_iter iter;
    render_count(out, render_int(root, "rows"));
    fprintf(out, " rows in ");
    render_count(out, render_int(root, "files"));
    fprintf(out, " files read, ");
    render_bytes(out, render_real(root, "bytes"));
    fprintf(out, ", %lld deleted rows\n", (long long)render_int(root, "deleted"));
    vs_json_iter_init(&iter, vs_json_get(root, "problems"));
    while (vs_json_iter_next(&iter, NULL, &entry)) {
        fprintf(out, "  %.*s\n      %.*s\n", VS_STR_ARG(render_str(entry, "object")),
                VS_STR_ARG(render_str(entry, "problem")));
    }
    fprintf(out, render_bool(root, "ok") ? "no problem found\n" : "%lld problems\n",
            (long long)render_int(root, "problem_count"));
}

static enum vs_status run_check(struct cli_context *context, struct vs_error *err)
{
    VS_TRY(cli_open(context, false, err));
    enum vs_status found = vs_db_check_table(context->db, context->args.positionals[0],
                                             &context->op, &context->report, err);
    if (found != VS_OK && found != VS_CORRUPT) {
        return found;
    }
    struct vs_error printing = {0};
    enum vs_status printed =
        context->report.len > 0 ? cli_print(context, render_check, &printing) : VS_OK;
    return found != VS_OK
               ? found
               : (printed == VS_OK ? VS_OK : vs_fail(err, printed, "%s", printing.message));
}

const struct cli_command cmd_table_check = {.group = "table",
                                            .name = "check",
                                            .usage = "NAME",
                                            .summary = "read and verify everything; change nothing",
                                            .options = no_options,
                                            .min_positionals = 1,
                                            .max_positionals = 1,
                                            .run = run_check};

// ---- drop ----

static const struct cli_option drop_options[] = {
    {"yes", 'y', NULL, "really remove the table with its data"},
    {NULL, 0, NULL, NULL},
};

static enum vs_status run_drop(struct cli_context *context, struct vs_error *err)
{
    const char *table = context->args.positionals[0];
    if (!cli_switch(&context->args, "yes")) {
        return vs_fail(err, VS_INVALID, "dropping %s removes its data for good; say so with --yes",
                       table);
    }
    VS_TRY(cli_open(context, false, err));
    VS_TRY(vs_db_drop_table(context->db, table, err));
    if (context->json) {
        printf("{\"dropped\":\"%s\"}\n", table); // a table name needs no escapes
    } else {
        printf("dropped %s\n", table);
    }
    return VS_OK;
}

const struct cli_command cmd_table_drop = {.group = "table",
                                           .name = "drop",
                                           .usage = "NAME --yes",
                                           .summary = "remove a table and its data",
                                           .options = drop_options,
                                           .min_positionals = 1,
                                           .max_positionals = 1,
                                           .run = run_drop};
