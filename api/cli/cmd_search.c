// SPDX-License-Identifier: Apache-2.0
#include "api/cli/cli.h"

#include <string.h>

#define MAX_SELECT 256
#define MAX_IDS 10000

static const struct cli_option query_options[] = {
    {"vector-file", 'v', "FILE", ".npy, .parquet or .jsonl with one or more query vectors, or"},
    {"vector", 0, "[F,F,…]", "the vector itself, or"},
    {"id", 0, "ID", "rows like this row"},
    {"k", 'k', "N", "hits to return (default 10)"},
    {"filter", 'f', "EXPR", "only rows that match, as in \"lang = 'en' AND day >= '2025-01-01'\""},
    {"select", 's', "A,B",
     "columns to return (default all but id and vectors; 'none': ids and scores)"},
    {"column", 'c', "NAME", "vector column, where the table has several"},
    {"snapshot", 0, "ID", "ask this snapshot, or"},
    {"as-of", 0, "TIME", "the snapshot current at this UTC time, or"},
    {"ref", 0, "NAME", "this branch or tag"},
    {"recall-target", 0, "R", "share of the true nearest rows to find (default 0.95)"},
    {"nprobe", 0, "N", "lists to probe, instead of a recall target"},
    {"rerank", 0, "N", "rows to re-rank, instead of a recall target"},
    {"exact", 0, NULL, "compare with every row"},
    {"rescore", 0, NULL, "exact scores of the hits, from their float vectors"},
    {"min-score", 0, "S", "drop hits below this score"},
    {"include-vector", 0, NULL, "return the vectors too"},
    {"explain", 0, NULL, "tell how the answer was found"},
    {NULL, 0, NULL, NULL},
};

// What a query borrows while it runs.
struct query_parts {
    struct vs_buf floats;
    struct vs_json_doc *doc;
    struct vs_str select_parts[MAX_SELECT];
    const char *select[MAX_SELECT];
    struct vs_arena arena;
};

static void clear_parts(struct query_parts *parts)
{
    vs_buf_clear(&parts->floats);
    vs_json_free(parts->doc);
    vs_arena_clear(&parts->arena);
}

static enum vs_status parse_vector(const struct vs_env *env,
                                   const char *text,
                                   struct query_parts *parts,
                                   size_t *dim_out,
                                   struct vs_error *err)
{
    const struct vs_json *value;
    struct vs_json_iter iter;
    VS_TRY(vs_json_parse(env, vs_str_from_c(text), "--vector", NULL, &parts->doc, err));
    const struct vs_json *root = vs_json_root(parts->doc);
    if (!vs_json_is(root, VS_JSON_ARRAY) || vs_json_count(root) == 0) {
        return vs_fail(err, VS_INVALID, "--vector takes a JSON array, as in '[0.1, -0.2]'");
    }
    vs_json_iter_init(&iter, root);
    while (vs_json_iter_next(&iter, NULL, &value)) {
        double number;
        if (!vs_json_to_f64(value, &number)) {
            return vs_fail(err, VS_INVALID,
                           "--vector holds a %s; give numbers, as in '[0.1, -0.2]'",
                           vs_json_type_name(value));
        }
        float single = (float)number;
        VS_TRY(vs_buf_append(&parts->floats, &single, sizeof single, err));
    }
    *dim_out = vs_json_count(root);
    return VS_OK;
}

static enum vs_status read_vectors(struct cli_context *context,
                                   struct query_parts *parts,
                                   struct vs_query_options *options,
                                   struct vs_error *err)
{
    const struct cli_args *args = &context->args;
    const char *file = cli_text(args, "vector-file"), *text = cli_text(args, "vector"),
               *id = cli_text(args, "id");
    if ((file != NULL) + (text != NULL) + (id != NULL) != 1) {
        return vs_fail(err, VS_INVALID,
                       "say what to look for: exactly one of --vector-file, --vector and --id");
    }
    options->like_id = vs_str_from_c(id);
    options->vector_count = 1;
    if (file != NULL) {
        VS_TRY(vs_vectors_read(context->env, file, options->vector_column, &parts->floats,
                               &options->vector_count, &options->dim, err));
    } else if (text != NULL) {
        VS_TRY(parse_vector(context->env, text, parts, &options->dim, err));
    } else {
        options->vector_count = 0;
    }
    options->vectors = (const float *)(const void *)parts->floats.data;
    return VS_OK;
}

static enum vs_status read_select(const struct cli_args *args,
                                  struct query_parts *parts,
                                  const char *const **select_out,
                                  size_t *count_out,
                                  struct vs_error *err)
{
    const char *text = cli_text(args, "select");
    VS_TRY(cli_split(text, parts->select_parts, MAX_SELECT, count_out, err));
    for (size_t i = 0; i < *count_out; i++) {
        parts->select[i] = vs_arena_copy_str(&parts->arena, parts->select_parts[i]).ptr;
        if (parts->select[i] == NULL) {
            return vs_fail(err, VS_NO_MEMORY, "out of memory for --select");
        }
    }
    *select_out = *count_out > 0 ? parts->select : NULL;
    return VS_OK;
}

static enum vs_status read_k(const struct cli_args *args, uint64_t *k_out, struct vs_error *err)
{
    VS_TRY(cli_number(args, "k", 10, VS_MAX_K, k_out, err));
    return *k_out > 0 ? VS_OK
                      : vs_fail(err, VS_INVALID, "-k 0 asks for no hits; give 1 to %d", VS_MAX_K);
}

static enum vs_status read_numbers(const struct cli_args *args,
                                   struct vs_query_options *options,
                                   struct vs_error *err)
{
    uint64_t k, nprobe, rerank;
    double target, min_score;
    VS_TRY(read_k(args, &k, err));
    VS_TRY(cli_number(args, "nprobe", 0, UINT32_MAX, &nprobe, err));
    VS_TRY(cli_number(args, "rerank", 0, UINT32_MAX, &rerank, err));
    VS_TRY(cli_real(args, "recall-target", 0, &target, err));
    VS_TRY(cli_real(args, "min-score", 0, &min_score, err));
    options->k = (size_t)k;
    options->nprobe = (uint32_t)nprobe;
    options->rerank = (uint32_t)rerank;
    options->recall_target = (float)target;
    options->has_min_score = cli_text(args, "min-score") != NULL;
    options->min_score = (float)min_score;
    return VS_OK;
}

static enum vs_status read_query(struct cli_context *context,
                                 struct query_parts *parts,
                                 struct vs_query_options *options,
                                 struct vs_error *err)
{
    const struct cli_args *args = &context->args;
    options->size = sizeof *options;
    options->table = args->positionals[0];
    options->vector_column = cli_text(args, "column");
    options->filter = cli_text(args, "filter");
    options->exact = cli_switch(args, "exact");
    options->rescore = cli_switch(args, "rescore");
    options->include_vector = cli_switch(args, "include-vector");
    options->explain = cli_switch(args, "explain");
    options->op = &context->op;
    const char *select = cli_text(args, "select");
    options->select_none = select != NULL && strcmp(select, "none") == 0;
    VS_TRY(read_vectors(context, parts, options, err));
    VS_TRY(read_numbers(args, options, err));
    VS_TRY(cli_read_at(args, &options->at, err));
    return options->select_none
               ? VS_OK
               : read_select(args, parts, &options->select, &options->select_count, err);
}

// One value of a hit: long text is wrapped below the line, everything else stands on it.
static void render_field(struct vs_str key,
                         const struct vs_json *value,
                         const struct vs_env *env,
                         FILE *out)
{
    struct vs_str text;
    if (vs_json_to_str(value, &text)) {
        if (text.len > 60) {
            fprintf(out, "\n");
            render_wrapped(out, text, 9, render_width(out), 4);
            return;
        }
        fprintf(out, "  %.*s: ", VS_STR_ARG(key));
        render_line(out, text, 60);
        return;
    }
    struct vs_buf json;
    vs_buf_init(&json, env, 1 << 20);
    if (vs_json_write_value(value, &json, NULL) == VS_OK) {
        fprintf(out, "  %.*s: ", VS_STR_ARG(key));
        render_line(out, vs_buf_view(&json), 60);
    }
    vs_buf_clear(&json);
}

static void render_fields(const struct vs_json *fields, const struct vs_env *env, FILE *out)
{
    const struct vs_json *value;
    struct vs_json_iter iter;
    struct vs_str key, text;
    // Short values first, on the hit's line; then the long texts.
    for (int pass = 0; pass < 2; pass++) {
        vs_json_iter_init(&iter, fields);
        while (vs_json_iter_next(&iter, &key, &value)) {
            bool is_long = vs_json_to_str(value, &text) && text.len > 60;
            if (is_long == (pass == 1) && vs_json_type_of(value) != VS_JSON_NULL) {
                render_field(key, value, env, out);
            }
        }
    }
    fputc('\n', out);
}

static void render_hits(const struct vs_json *result, FILE *out)
{
    const struct vs_json *hit;
    struct vs_json_iter iter;
    const struct vs_env *env = vs_env_default();
    int rank = 1;
    vs_json_iter_init(&iter, vs_json_get(result, "hits"));
    while (vs_json_iter_next(&iter, NULL, &hit)) {
        struct vs_buf id;
        vs_buf_init(&id, env, 1 << 16);
        vs_ignore(vs_json_write_value(vs_json_get(hit, "id"), &id, NULL));
        fprintf(out, "%3d  %.4f  id ", rank++, render_real(hit, "score"));
        render_line(out, vs_buf_view(&id), 40);
        vs_buf_clear(&id);
        render_fields(vs_json_get(hit, "fields"), env, out);
    }
    if (!render_bool(result, "complete")) {
        fprintf(out, "     (%.*s)\n", VS_STR_ARG(render_str(result, "reason")));
    }
}

static void render_answer(const struct vs_json *root, FILE *out)
{
    const struct vs_json *result, *coverage = vs_json_get(root, "coverage");
    const struct vs_json *stats = vs_json_get(root, "stats");
    struct vs_json_iter iter;
    size_t results = vs_json_count(vs_json_get(root, "results")), n = 0;
    vs_json_iter_init(&iter, vs_json_get(root, "results"));
    while (vs_json_iter_next(&iter, NULL, &result)) {
        if (results > 1) {
            fprintf(out, "query %zu\n", ++n);
        }
        render_hits(result, out);
    }
    fprintf(out, "\n%s answer at snapshot %.*s in ",
            render_bool(root, "exact") ? "exact" : "approximate",
            VS_STR_ARG(render_str(root, "snapshot_id")));
    render_ms(out, render_real(vs_json_get(stats, "ms"), "total"));
    fprintf(out, ": ");
    render_count(out, render_int(coverage, "rows"));
    fprintf(out, " rows, ");
    render_count(out, render_int(coverage, "indexed"));
    fprintf(out, " through the index, ");
    render_count(out, render_int(coverage, "scanned"));
    fprintf(out, " scanned, ");
    render_count(out, render_int(coverage, "deleted"));
    fprintf(out, " deleted, ");
    render_count(out, render_int(coverage, "filtered"));
    fprintf(out, " filtered out\n");
    const struct vs_json *explain = vs_json_get(root, "explain");
    if (explain != NULL) {
        struct vs_buf text;
        vs_buf_init(&text, vs_env_default(), 1 << 20);
        if (vs_json_write_value(explain, &text, NULL) == VS_OK) {
            fprintf(out, "plan: %.*s\n", VS_STR_ARG(vs_buf_view(&text)));
        }
        vs_buf_clear(&text);
    }
}

static enum vs_status run_query(struct cli_context *context, struct vs_error *err)
{
    static struct query_parts parts;
    struct vs_query_options options = {0};
    struct vs_answer *answer = NULL;
    vs_buf_init(&parts.floats, context->env, (size_t)1 << 30);
    vs_arena_init(&parts.arena, context->env, 0);
    enum vs_status status = read_query(context, &parts, &options, err);
    if (status == VS_OK) {
        status = cli_open(context, false, err);
    }
    if (status == VS_OK) {
        status = vs_db_query(context->db, &options, &answer, err);
    }
    if (status == VS_OK) {
        status = vs_answer_write_json(answer, &context->report, err);
    }
    vs_answer_free(answer);
    clear_parts(&parts);
    return status == VS_OK ? cli_print(context, render_answer, err) : status;
}

const struct cli_command cmd_query = {
    .name = "query",
    .usage = "NAME --vector-file FILE | --id ID [options]",
    .summary = "the k nearest rows at a snapshot, with filters",
    .examples = "  vecstore query docs.passages --vector-file q.npy -k 5 --filter \"lang = 'en'\" "
                "--select title,text\n"
                "  vecstore query docs.passages --id 42 --exact --as-of 2025-01-31\n",
    .options = query_options,
    .min_positionals = 1,
    .max_positionals = 1,
    .run = run_query,
};

// ---- get ----

static const struct cli_option get_options[] = {
    {"ids", 0, "A,B,…", "ids of the rows (required)"},
    {"select", 's', "A,B", "columns to return (default all but id and vectors)"},
    {"include-vector", 0, NULL, "return the vectors too"},
    {"snapshot", 0, "ID", "ask this snapshot, or"},
    {"as-of", 0, "TIME", "the snapshot current at this UTC time, or"},
    {"ref", 0, "NAME", "this branch or tag"},
    {NULL, 0, NULL, NULL},
};

static void render_rows(const struct vs_json *root, FILE *out)
{
    const struct vs_json *row;
    struct vs_json_iter iter;
    const struct vs_env *env = vs_env_default();
    vs_json_iter_init(&iter, vs_json_get(root, "rows"));
    while (vs_json_iter_next(&iter, NULL, &row)) {
        struct vs_buf id;
        vs_buf_init(&id, env, 1 << 16);
        vs_ignore(vs_json_write_value(vs_json_get(row, "id"), &id, NULL));
        fprintf(out, "id ");
        render_line(out, vs_buf_view(&id), 60);
        vs_buf_clear(&id);
        render_fields(vs_json_get(row, "fields"), env, out);
    }
    size_t missing = vs_json_count(vs_json_get(root, "not_found"));
    if (missing > 0) {
        struct vs_buf text;
        vs_buf_init(&text, env, 1 << 20);
        vs_ignore(vs_json_write_value(vs_json_get(root, "not_found"), &text, NULL));
        fprintf(out, "%zu not found: %.*s\n", missing, VS_STR_ARG(vs_buf_view(&text)));
        vs_buf_clear(&text);
    }
}

static enum vs_status run_get(struct cli_context *context, struct vs_error *err)
{
    static struct vs_str ids[MAX_IDS];
    static struct query_parts parts;
    const struct cli_args *args = &context->args;
    struct vs_get_options options = {.size = sizeof options,
                                     .table = args->positionals[0],
                                     .ids = ids,
                                     .include_vector = cli_switch(args, "include-vector"),
                                     .op = &context->op};
    VS_TRY(cli_split(cli_text(args, "ids"), ids, MAX_IDS, &options.id_count, err));
    if (options.id_count == 0) {
        return vs_fail(err, VS_INVALID, "--ids is missing: name the rows, as in --ids 1,2");
    }
    vs_arena_init(&parts.arena, context->env, 0);
    enum vs_status status = cli_read_at(args, &options.at, err);
    if (status == VS_OK) {
        status = read_select(args, &parts, &options.select, &options.select_count, err);
    }
    if (status == VS_OK) {
        status = cli_open(context, false, err);
    }
    if (status == VS_OK) {
        status = vs_db_get(context->db, &options, &context->report, err);
    }
    vs_arena_clear(&parts.arena);
    return status == VS_OK ? cli_print(context, render_rows, err) : status;
}

const struct cli_command cmd_get = {.name = "get",
                                    .usage = "NAME --ids A,B",
                                    .summary = "rows by id",
                                    .options = get_options,
                                    .min_positionals = 1,
                                    .max_positionals = 1,
                                    .run = run_get};

// ---- recall ----

static const struct cli_option recall_options[] = {
    {"num", 'n', "N", "queries (default 100)"},
    {"k", 'k', "N", "hits per query (default 10)"},
    {"filter", 'f', "EXPR", "measure with this filter"},
    {"queries", 0, "FILE",
     ".npy or .parquet of real queries (default: rows of the table, each left out of its own "
     "answer)"},
    {"column", 'c', "NAME", "vector column, where the table has several"},
    {"recall-target", 0, "R", "share of the true nearest rows to find (default 0.95)"},
    {"nprobe", 0, "N", "lists to probe, instead of a recall target"},
    {"rerank", 0, "N", "rows to re-rank, instead of a recall target"},
    {"seed", 0, "N", "draws other rows"},
    {NULL, 0, NULL, NULL},
};

static void render_measured(const struct vs_json *root, FILE *out)
{
    double low = 0, high = 0;
    const struct vs_json *value;
    struct vs_json_iter iter;
    vs_json_iter_init(&iter, vs_json_get(root, "ci95"));
    if (vs_json_iter_next(&iter, NULL, &value)) {
        vs_json_to_f64(value, &low);
    }
    if (vs_json_iter_next(&iter, NULL, &value)) {
        vs_json_to_f64(value, &high);
    }
    fprintf(out,
            "recall@%lld %.4f (95 %% interval %.4f to %.4f, worst twentieth %.2f) over %lld %s\n",
            (long long)render_int(root, "k"), render_real(root, "recall"), low, high,
            render_real(root, "p5"), (long long)render_int(root, "queries"),
            vs_str_equal_c(render_str(root, "asked"), "rows") ? "rows of the table as queries"
                                                              : "given queries");
    fprintf(out, "a query takes ");
    render_ms(out, render_real(root, "ms_approx"));
    fprintf(out, ", exactly ");
    render_ms(out, render_real(root, "ms_exact"));
    fputc('\n', out);
}

static enum vs_status run_recall(struct cli_context *context, struct vs_error *err)
{
    const struct cli_args *args = &context->args;
    struct vs_recall_options options = {
        .size = sizeof options,
        .table = args->positionals[0],
        .vector_column = cli_text(args, "column"),
        .filter = cli_text(args, "filter"),
        .queries = cli_text(args, "queries"),
        .op = &context->op,
    };
    uint64_t num, k, nprobe, rerank;
    double target;
    VS_TRY(cli_number(args, "num", 100, 1000000, &num, err));
    VS_TRY(read_k(args, &k, err));
    VS_TRY(cli_number(args, "nprobe", 0, UINT32_MAX, &nprobe, err));
    VS_TRY(cli_number(args, "rerank", 0, UINT32_MAX, &rerank, err));
    VS_TRY(cli_number(args, "seed", 0, UINT64_MAX, &options.seed, err));
    VS_TRY(cli_real(args, "recall-target", 0, &target, err));
    options.num = (size_t)num;
    options.k = (size_t)k;
    options.nprobe = (uint32_t)nprobe;
    options.rerank = (uint32_t)rerank;
    options.recall_target = (float)target;
    VS_TRY(cli_open(context, false, err));
    VS_TRY(vs_db_recall(context->db, &options, &context->report, err));
    return cli_print(context, render_measured, err);
}

const struct cli_command cmd_recall = {.name = "recall",
                                       .usage = "NAME [options]",
                                       .summary = "measure recall and speed against exact answers",
                                       .options = recall_options,
                                       .min_positionals = 1,
                                       .max_positionals = 1,
                                       .run = run_recall};
