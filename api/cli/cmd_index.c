// SPDX-License-Identifier: Apache-2.0
#include "api/cli/cli.h"

#include <dirent.h>
#include <string.h>

static const struct cli_option no_options[] = {{NULL, 0, NULL, NULL}};

// ---- build ----

static const struct cli_option build_options[] = {
    {"lists", 0, "N", "number of inverted lists (default: from the number of rows)"},
    {"code-bytes", 0, "N", "of a vector's code, 1 to 128 (default: chosen by trying)"},
    {"memory", 0, "SIZE", "memory to use, as in 2GiB (default half of RAM)"},
    {"min-recall", 0, "R", "recall@10 below which nothing is published (default 0.95, 0: no gate)"},
    {"queries", 0, "FILE",
     ".npy or .parquet of real queries to measure recall with (default: rows held out)"},
    {"projection", 0, "NAME", "pca (default), opq or none"},
    {"store-vectors", 0, "KIND",
     "none (default: scores from int8 rows), f16 for better ones on request, f32 for exact ones"},
    {"second-assignment", 0, "WHEN", "vectors in two lists each: auto (default), on or off"},
    {"spill", 0, "DIR", "for what does not fit into memory (default $TMPDIR, or /tmp)"},
    {"resume", 0, "DIR", "a stopped build leaves its work there, the next one goes on with it"},
    {"seed", 0, "N", "of the training"},
    {NULL, 0, NULL, NULL},
};

static void render_phases(const struct vs_json *phases, FILE *out)
{
    const struct vs_json *value;
    struct vs_json_iter iter;
    struct vs_str key;
    bool first = true;
    vs_json_iter_init(&iter, phases);
    while (vs_json_iter_next(&iter, &key, &value)) {
        double number;
        if (vs_str_ends_with(key, VS_STR("_ms")) && vs_json_to_f64(value, &number)) {
            fprintf(out, "%s%.*s ", first ? "  " : ", ", (int)(key.len - 3), key.ptr);
            render_ms(out, number);
            first = false;
        }
    }
    if (!first) {
        fputc('\n', out);
    }
}

static void render_build(const struct vs_json *root, FILE *out)
{
    fprintf(out, "index %.*s over ", VS_STR_ARG(render_str(root, "index")));
    render_count(out, render_int(root, "rows"));
    fprintf(out, " rows published in ");
    render_ms(out, render_real(root, "ms"));
    fprintf(out, ", ");
    render_bytes(out, render_real(root, "bytes"));
    if (render_int(root, "lists") > 0) {
        fprintf(out, "\n  %lld lists, %lld-byte codes, measured recall@10 %.3f\n",
                (long long)render_int(root, "lists"), (long long)render_int(root, "m") / 2,
                render_real(root, "recall_at_10"));
    } else {
        fprintf(out, "\n  a small table: vectors are scanned exactly\n");
    }
    render_phases(vs_json_get(root, "phases"), out);
    if (vs_json_get(root, "resumed_vectors") != NULL) {
        fprintf(out, "  continued a stopped build: its model and ");
        render_count(out, render_int(root, "resumed_vectors"));
        fprintf(out, " encoded vectors were taken over\n");
    }
}

static bool holds_model(const char *directory)
{
    DIR *list = directory != NULL ? opendir(directory) : NULL;
    const struct dirent *entry;
    bool found = false;
    // NOLINTNEXTLINE(concurrency-mt-unsafe): safe, each stream belongs to one thread
    while (list != NULL && !found && (entry = readdir(list)) != NULL) {
        found = vs_str_ends_with(vs_str_from_c(entry->d_name), VS_STR(".vsm"));
    }
    if (list != NULL) {
        (void)closedir(list);
    }
    return found;
}

// A build that failed has left its work in the directory if it came past training.
static void say_how_to_continue(struct cli_context *context, const char *directory)
{
    if (holds_model(directory)) {
        snprintf(context->note, sizeof context->note,
                 "; what was done so far is kept in %.300s, and the same command goes on with it",
                 directory);
    }
}

// In the order of a build; some are left out where there is nothing to do.
static const char *const build_stages[] = {"reading",   "choosing",  "training", "encoding",
                                           "arranging", "measuring", NULL};

static enum vs_status run_build(struct cli_context *context, struct vs_error *err)
{
    const struct cli_args *args = &context->args;
    struct vs_index_options options = {
        .size = sizeof options,
        .table = args->positionals[0],
        .queries = cli_text(args, "queries"),
        .projection = cli_text(args, "projection"),
        .store_vectors = cli_text(args, "store-vectors"),
        .second_assignment = cli_text(args, "second-assignment"),
        .spill_dir = cli_text(args, "spill"),
        .resume_dir = cli_text(args, "resume"),
        .op = &context->op,
    };
    uint64_t lists, code_bytes;
    double recall;
    VS_TRY(cli_number(args, "lists", 0, UINT32_MAX, &lists, err));
    VS_TRY(cli_number(args, "code-bytes", 0, 128, &code_bytes, err));
    VS_TRY(cli_number(args, "seed", 0, UINT64_MAX, &options.seed, err));
    VS_TRY(cli_bytes(args, "memory", &options.memory_bytes, err));
    VS_TRY(cli_real(args, "min-recall", 0.95, &recall, err));
    if (!(recall >= 0 && recall <= 1)) {
        return vs_fail(err, VS_INVALID, "--min-recall %g: give a share from 0 to 1", recall);
    }
    options.list_count = (uint32_t)lists;
    options.code_bytes = (uint32_t)code_bytes;
    options.min_recall = recall > 0 ? (float)recall : -1.0F;
    VS_TRY(cli_open(context, false, err));
    cli_progress_stages(build_stages);
    enum vs_status status = vs_db_build_index(context->db, &options, &context->report, err);
    if (status != VS_OK) {
        say_how_to_continue(context, options.resume_dir);
        return status;
    }
    return cli_print(context, render_build, err);
}

const struct cli_command cmd_index_build = {
    .group = "index",
    .name = "build",
    .usage = "NAME [options]",
    .summary = "train, build, measure and publish an index of the newest snapshot",
    .options = build_options,
    .min_positionals = 1,
    .max_positionals = 1,
    .run = run_build};

// ---- list ----

static void render_list(const struct vs_json *root, FILE *out)
{
    const struct vs_json *entry, *indexes = vs_json_get(root, "indexes");
    struct vs_json_iter iter;
    if (vs_json_count(indexes) == 0) {
        fprintf(out, "no index; queries scan exactly. Make one with: vecstore index build %.*s\n",
                VS_STR_ARG(render_str(root, "table")));
    }
    vs_json_iter_init(&iter, indexes);
    while (vs_json_iter_next(&iter, NULL, &entry)) {
        struct vs_str problem = render_str(entry, "problem");
        if (problem.len > 0) {
            fprintf(out, "%.*s\n    cannot be used: %.*s\n", VS_STR_ARG(render_str(entry, "path")),
                    VS_STR_ARG(problem));
            continue;
        }
        fprintf(out, "%.*s  %.*s  ", VS_STR_ARG(render_str(entry, "uuid")),
                VS_STR_ARG(render_str(entry, "created")));
        render_count(out, render_int(entry, "rows"));
        fprintf(out, " rows  ");
        render_bytes(out, render_real(entry, "bytes"));
        fprintf(out, "%s\n", render_bool(entry, "current") ? "  current" : "");
    }
}

static enum vs_status run_list(struct cli_context *context, struct vs_error *err)
{
    VS_TRY(cli_open(context, false, err));
    VS_TRY(vs_db_list_indexes(context->db, context->args.positionals[0], &context->report, err));
    return cli_print(context, render_list, err);
}

const struct cli_command cmd_index_list = {
    .group = "index",
    .name = "list",
    .usage = "NAME",
    .summary = "index versions that the table knows, the current one first",
    .options = no_options,
    .min_positionals = 1,
    .max_positionals = 1,
    .run = run_list};

// ---- show ----

// The measured point of one k that reaches a recall with the fewest rows scanned, then re-ranked;
// NULL: none does.
static const struct vs_json *cheapest_point(const struct vs_json *points, int64_t k, double target)
{
    const struct vs_json *point, *best = NULL;
    struct vs_json_iter iter;
    vs_json_iter_init(&iter, points);
    while (vs_json_iter_next(&iter, NULL, &point)) {
        if (render_int(point, "k") != k || render_real(point, "recall") < target) {
            continue;
        }
        double cost = render_real(point, "scanned"), least = render_real(best, "scanned");
        bool tie = best != NULL && !(cost < least) && !(cost > least);
        if (best == NULL || cost < least ||
            (tie && render_int(point, "rerank") < render_int(best, "rerank"))) {
            best = point;
        }
    }
    return best;
}

// The curve in a few lines; --json has every measured point.
static void render_recall(const struct vs_json *column, FILE *out)
{
    static const double targets[] = {0.8, 0.9, 0.95, 0.97, 0.99, 0.995};
    static const int64_t ks[] = {1, 10, 100};
    const struct vs_json *points = vs_json_get(column, "recall");
    if (vs_json_count(points) > 0) {
        fprintf(out, "  measured   recall  lists probed  re-ranked  scanned\n");
    }
    for (size_t i = 0; vs_json_count(points) > 0 && i < sizeof ks / sizeof ks[0]; i++) {
        const struct vs_json *last = NULL;
        for (size_t t = 0; t < sizeof targets / sizeof targets[0]; t++) {
            const struct vs_json *point = cheapest_point(points, ks[i], targets[t]);
            if (point == NULL || point == last) {
                continue;
            }
            last = point;
            fprintf(out, "  k = %-6lld %.4f  %12lld  %9lld  %5.2f %%  ", (long long)ks[i],
                    render_real(point, "recall"), (long long)render_int(point, "nprobe"),
                    (long long)render_int(point, "rerank"), render_real(point, "scanned") * 100);
            for (int bar = 0; bar < (int)(render_real(point, "recall") * 30); bar++) {
                fputc('#', out);
            }
            fputc('\n', out);
        }
    }
}

static void render_lists(const struct vs_json *column, FILE *out)
{
    const struct vs_json *bin;
    struct vs_json_iter iter;
    int64_t most = 1;
    vs_json_iter_init(&iter, vs_json_get(column, "list_sizes"));
    while (vs_json_iter_next(&iter, NULL, &bin)) {
        most = render_int(bin, "lists") > most ? render_int(bin, "lists") : most;
    }
    if (vs_json_count(vs_json_get(column, "list_sizes")) > 0) {
        fprintf(out, "  lists by number of rows (%lld empty)\n",
                (long long)render_int(column, "empty_lists"));
    }
    vs_json_iter_init(&iter, vs_json_get(column, "list_sizes"));
    while (vs_json_iter_next(&iter, NULL, &bin)) {
        int64_t from = render_int(bin, "from"), lists = render_int(bin, "lists");
        fprintf(out, "    %6lld …  %6lld  ", (long long)from, (long long)lists);
        for (int64_t i = 0; i < lists * 40 / most; i++) {
            fputc('#', out);
        }
        fputc('\n', out);
    }
}

static void render_segments(const struct vs_json *segments, FILE *out)
{
    const struct vs_json *segment, *drift;
    struct vs_json_iter iter, drifts;
    vs_json_iter_init(&iter, segments);
    for (size_t i = 0; vs_json_iter_next(&iter, NULL, &segment); i++) {
        fprintf(out, "segment   %zu: ", i);
        render_count(out, render_int(segment, "rows"));
        fprintf(out, " rows of %zu data files%s\n", vs_json_count(vs_json_get(segment, "files")),
                render_bool(segment, "exact") ? ", scanned exactly" : "");
        vs_json_iter_init(&drifts, vs_json_get(segment, "drift"));
        while (vs_json_iter_next(&drifts, NULL, &drift)) {
            fprintf(out,
                    "          %.*s: code error %.3f, energy kept %.3f, %.1f %% far, lists gini "
                    "%.2f, longest %.1f times the mean%s\n",
                    VS_STR_ARG(render_str(drift, "column")), render_real(drift, "error"),
                    render_real(drift, "energy"), render_real(drift, "far_share") * 100,
                    render_real(drift, "gini"), render_real(drift, "longest_to_mean"),
                    render_bool(drift, "warning") ? "  (drifted: measure recall)" : "");
        }
    }
}

// Whatever the build noted down, as an indented tree; objects of numbers in lists take a line each.
#define FACTS_DEPTH 6

// NOLINTNEXTLINE(misc-no-recursion): ends at FACTS_DEPTH
static void render_facts(const struct vs_json *value, const char *key, int depth, FILE *out)
{
    struct vs_json_iter iter;
    const struct vs_json *item;
    struct vs_str name, text;
    char label[64];
    double number;
    bool flag;
    if (depth > FACTS_DEPTH || value == NULL) {
        return;
    }
    if (depth == 0) {
        fprintf(out, "%-9s ", key);
    } else {
        fprintf(out, "%*s%s ", 8 + 2 * depth, "", key);
    }
    if (vs_json_to_str(value, &text)) {
        fprintf(out, "%.*s\n", VS_STR_ARG(text));
    } else if (vs_json_to_f64(value, &number)) {
        fprintf(out, "%.10g\n", number);
    } else if (vs_json_to_bool(value, &flag)) {
        fprintf(out, "%s\n", flag ? "yes" : "no");
    } else {
        bool is_object = vs_json_is(value, VS_JSON_OBJECT);
        fputc('\n', out);
        vs_json_iter_init(&iter, value);
        while (vs_json_iter_next(&iter, &name, &item)) {
            (void)snprintf(label, sizeof label, "%.*s:", is_object ? (int)name.len : 0,
                           is_object ? name.ptr : "");
            render_facts(item, is_object ? label : "-", depth + 1, out);
        }
    }
}

static void render_show(const struct vs_json *root, FILE *out)
{
    const struct vs_json *entry;
    struct vs_json_iter iter;
    fprintf(out, "index     %.*s\n", VS_STR_ARG(render_str(root, "uuid")));
    fprintf(out, "file      %.*s\n", VS_STR_ARG(render_str(root, "path")));
    fprintf(out, "built     %.*s from snapshot %.*s\n", VS_STR_ARG(render_str(root, "created")),
            VS_STR_ARG(render_str(root, "snapshot_id")));
    fprintf(out, "size      ");
    render_bytes(out, render_real(root, "bytes"));
    fprintf(out, " on disk, ");
    render_bytes(out, render_real(root, "memory_bytes"));
    fprintf(out, " in memory, ");
    render_count(out, render_int(root, "rows"));
    fprintf(out, " rows\n");
    if (render_real(root, "bytes_per_vector") > 0) {
        fprintf(out, "vectors   %.1f bytes each in lists, codes, int8 rows and codebooks\n",
                render_real(root, "bytes_per_vector"));
    }
    vs_json_iter_init(&iter, vs_json_get(root, "columns"));
    while (vs_json_iter_next(&iter, NULL, &entry)) {
        fprintf(out, "column    %.*s: %lld dimensions, %.*s, %lld lists, %lld-byte codes%s\n",
                VS_STR_ARG(render_str(entry, "column")), (long long)render_int(entry, "dimension"),
                VS_STR_ARG(render_str(entry, "metric")), (long long)render_int(entry, "lists"),
                (long long)render_int(entry, "code_bytes"),
                render_bool(entry, "second_assignment") ? ", each vector in two lists" : "");
        render_recall(entry, out);
        render_lists(entry, out);
    }
    render_segments(vs_json_get(root, "segments"), out);
    render_facts(vs_json_get(root, "build"), "build", 0, out);
    fprintf(out, "blobs\n");
    vs_json_iter_init(&iter, vs_json_get(root, "blobs"));
    while (vs_json_iter_next(&iter, NULL, &entry)) {
        fprintf(out, "  %-28.*s %4lld  ", VS_STR_ARG(render_str(entry, "type")),
                (long long)render_int(entry, "blobs"));
        render_bytes(out, render_real(entry, "bytes"));
        fputc('\n', out);
    }
    const struct vs_json *coverage = vs_json_get(root, "coverage");
    fprintf(out, "coverage  ");
    render_count(out, render_int(coverage, "covered_rows"));
    fprintf(out, " rows of the newest snapshot; ");
    render_count(out, render_int(coverage, "uncovered_rows"));
    fprintf(out, " newer ones are scanned exactly\n");
}

static const struct cli_option show_options[] = {
    {"canary", 0, NULL, "measure true recall anew with the queries that the build kept"},
    {"plot", 0, "FILE.svg", "also write the recall curve and list sizes as a picture"},
    {"column", 0, "NAME", "vector column of --canary (default: the only one)"},
    {NULL, 0, NULL, NULL},
};

static void render_canary(const struct vs_json *root, FILE *out)
{
    double bounds[2] = {0, 0};
    const struct vs_json *bound;
    struct vs_json_iter iter;
    vs_json_iter_init(&iter, vs_json_get(root, "ci95"));
    for (int i = 0; i < 2 && vs_json_iter_next(&iter, NULL, &bound); i++) {
        vs_json_to_f64(bound, &bounds[i]);
    }
    fprintf(out,
            "recall@%lld %.4f (95 %%: %.4f to %.4f) of %lld kept queries on snapshot %.*s; the "
            "build measured %.4f\n",
            (long long)render_int(root, "k"), render_real(root, "recall"), bounds[0], bounds[1],
            (long long)render_int(root, "queries"), VS_STR_ARG(render_str(root, "snapshot_id")),
            render_real(root, "expected"));
    struct vs_str advice = render_str(root, "advice");
    if (advice.len > 0) {
        fprintf(out, "%.*s\n", VS_STR_ARG(advice));
    }
}

static enum vs_status plot(struct cli_context *context, const char *path, struct vs_error *err)
{
    struct vs_json_doc *doc = NULL;
    VS_TRY(vs_json_parse(context->env, vs_buf_view(&context->report), "report", NULL, &doc, err));
    enum vs_status status = cli_plot_index(vs_json_root(doc), path, err);
    vs_json_free(doc);
    return status;
}

static enum vs_status run_show(struct cli_context *context, struct vs_error *err)
{
    const struct cli_args *args = &context->args;
    const char *path = cli_text(args, "plot");
    VS_TRY(cli_open(context, false, err));
    if (cli_switch(args, "canary")) {
        const struct vs_canary_options options = {.size = sizeof options,
                                                  .table = args->positionals[0],
                                                  .vector_column = cli_text(args, "column"),
                                                  .op = &context->op};
        VS_TRY(vs_db_check_canary(context->db, &options, &context->report, err));
        return cli_print(context, render_canary, err);
    }
    VS_TRY(vs_db_show_index(context->db, args->positionals[0], &context->report, err));
    if (path != NULL) {
        VS_TRY(plot(context, path, err));
    }
    return cli_print(context, render_show, err);
}

const struct cli_command cmd_index_show = {
    .group = "index",
    .name = "show",
    .usage = "NAME [--canary] [--plot FILE.svg]",
    .summary = "the current index: sizes, recall curve, lists, coverage",
    .options = show_options,
    .min_positionals = 1,
    .max_positionals = 1,
    .run = run_show};

// ---- verify ----

static void render_verify(const struct vs_json *root, FILE *out)
{
    const struct vs_json *problem;
    struct vs_json_iter iter;
    const struct vs_json *problems = vs_json_get(root, "problems");
    fprintf(out, "%zu blobs read\n", vs_json_count(vs_json_get(root, "blobs")));
    vs_json_iter_init(&iter, problems);
    while (vs_json_iter_next(&iter, NULL, &problem)) {
        struct vs_str text = {"", 0};
        vs_json_to_str(problem, &text);
        fprintf(out, "  %.*s\n", VS_STR_ARG(text));
    }
    fprintf(out, vs_json_count(problems) == 0
                     ? "the index is sound\n"
                     : "the index is damaged; queries scan exactly until it is built again\n");
}

static enum vs_status run_verify(struct cli_context *context, struct vs_error *err)
{
    VS_TRY(cli_open(context, false, err));
    enum vs_status found = vs_db_verify_index(context->db, context->args.positionals[0],
                                              &context->op, &context->report, err);
    if (context->report.len > 0 && (found == VS_OK || found == VS_CORRUPT)) {
        struct vs_error printing = {0};
        enum vs_status printed = cli_print(context, render_verify, &printing);
        return found != VS_OK || printed == VS_OK ? found
                                                  : vs_fail(err, printed, "%s", printing.message);
    }
    return found;
}

const struct cli_command cmd_index_verify = {
    .group = "index",
    .name = "verify",
    .usage = "NAME",
    .summary = "read every byte of the current index and check it",
    .options = no_options,
    .min_positionals = 1,
    .max_positionals = 1,
    .run = run_verify};
