// SPDX-License-Identifier: Apache-2.0
// index train, encode and assemble: the steps of a build that several machines share.
#include "api/cli/cli.h"

#include <string.h>

#define FILES_MAX 4096

// ---- train ----

static const struct cli_option train_options[] = {
    {"to", 0, "FILE", "model file to write"},
    {"lists", 0, "N", "number of inverted lists (default: by trying on a sample)"},
    {"code-bytes", 0, "N", "of a vector's code, 1 to 128 (default: chosen by trying)"},
    {"memory", 0, "SIZE", "memory to use, as in 2GiB (default half of RAM)"},
    {"queries", 0, "FILE", ".npy or .parquet of real queries to choose and measure with"},
    {"projection", 0, "NAME", "pca (default), opq or none"},
    {"second-assignment", 0, "WHEN", "vectors in two lists each: auto (default), on or off"},
    {"seed", 0, "N", "of the training"},
    {NULL, 0, NULL, NULL},
};

static void render_train(const struct vs_json *root, FILE *out)
{
    fprintf(out, "model written to %.*s, ", VS_STR_ARG(render_str(root, "path")));
    render_bytes(out, render_real(root, "bytes"));
    fprintf(out, ", in ");
    render_ms(out, render_real(root, "ms"));
    fputc('\n', out);
}

// In the order of a build; some are left out where there is nothing to do.
static const char *const train_stages[] = {"reading", "choosing", "training", NULL};

static enum vs_status run_train(struct cli_context *context, struct vs_error *err)
{
    const struct cli_args *args = &context->args;
    struct vs_index_options options = {.size = sizeof options,
                                       .table = args->positionals[0],
                                       .queries = cli_text(args, "queries"),
                                       .projection = cli_text(args, "projection"),
                                       .second_assignment = cli_text(args, "second-assignment"),
                                       .op = &context->op};
    uint64_t lists, code_bytes;
    VS_TRY(cli_number(args, "lists", 0, UINT32_MAX, &lists, err));
    VS_TRY(cli_number(args, "code-bytes", 0, 128, &code_bytes, err));
    VS_TRY(cli_number(args, "seed", 0, UINT64_MAX, &options.seed, err));
    VS_TRY(cli_bytes(args, "memory", &options.memory_bytes, err));
    options.list_count = (uint32_t)lists;
    options.code_bytes = (uint32_t)code_bytes;
    VS_TRY(cli_open(context, false, err));
    cli_progress_stages(train_stages);
    VS_TRY(vs_db_train_index(context->db, &options, cli_text(args, "to"), &context->report, err));
    return cli_print(context, render_train, err);
}

const struct cli_command cmd_index_train = {.group = "index",
                                            .name = "train",
                                            .usage = "NAME --to MODEL [options]",
                                            .summary =
                                                "train only, for a build on several machines",
                                            .options = train_options,
                                            .min_positionals = 1,
                                            .max_positionals = 1,
                                            .run = run_train};

// ---- encode ----

static const struct cli_option encode_options[] = {
    {"model", 0, "FILE", "of index train"},
    {"to", 0, "FILE", "part file to write"},
    {"files", 0, "A,B", "data files to encode, by path or name"},
    {"part", 0, "I/N", "or: the I-th of N shares of the data files, from 1"},
    {"memory", 0, "SIZE", "memory to use, as in 2GiB (default half of RAM)"},
    {NULL, 0, NULL, NULL},
};

static void render_encode(const struct vs_json *root, FILE *out)
{
    render_count(out, render_int(root, "vectors"));
    fprintf(out, " vectors of %lld data files written to %.*s, ",
            (long long)render_int(root, "files"), VS_STR_ARG(render_str(root, "path")));
    render_bytes(out, render_real(root, "bytes"));
    fprintf(out, ", in ");
    render_ms(out, render_real(root, "ms"));
    fputc('\n', out);
}

static bool read_digits(const char **at, size_t *number_out)
{
    const char *start = *at;
    size_t number = 0;
    while (**at >= '0' && **at <= '9' && *at - start < 9) {
        number = number * 10 + (size_t)(*(*at)++ - '0');
    }
    *number_out = number;
    return *at > start;
}

// "3/8"
static enum vs_status read_share(const char *text,
                                 struct vs_index_part_options *options,
                                 struct vs_error *err)
{
    const char *at = text;
    bool good = read_digits(&at, &options->share) && *at++ == '/' &&
                read_digits(&at, &options->of) && *at == '\0';
    return good && options->share >= 1 && options->share <= options->of
               ? VS_OK
               : vs_fail(err, VS_INVALID, "--part %.40s: give I/N, as in 3/8", text);
}

// Cuts a copy of "a,b" into its names; both arrays are the caller's.
static enum vs_status read_files(const struct cli_context *context,
                                 const char *text,
                                 char *copy,
                                 const char **names,
                                 size_t *count_out,
                                 struct vs_error *err)
{
    struct vs_str *parts = vs_alloc_zeroed(context->env, FILES_MAX, sizeof *parts);
    size_t count = 0;
    if (parts == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for names of data files");
    }
    enum vs_status status = cli_split(text, parts, FILES_MAX, &count, err);
    for (size_t i = 0; i < count && status == VS_OK; i++) {
        memcpy(copy, parts[i].ptr, parts[i].len);
        copy[parts[i].len] = '\0';
        names[i] = copy;
        copy += parts[i].len + 1;
    }
    vs_free(context->env, parts);
    *count_out = count;
    return status;
}

static enum vs_status encode(struct cli_context *context,
                             struct vs_index_part_options *options,
                             struct vs_error *err)
{
    const char *files = cli_text(&context->args, "files");
    size_t length = files != NULL ? strlen(files) : 0;
    char *copy = vs_alloc(context->env, 2 * length + 1);
    const char **names = vs_alloc_zeroed(context->env, FILES_MAX, sizeof *names);
    enum vs_status status = copy != NULL && names != NULL
                                ? VS_OK
                                : vs_fail(err, VS_NO_MEMORY, "out of memory for names");
    if (status == VS_OK && files != NULL) {
        status = read_files(context, files, copy, names, &options->file_count, err);
    }
    if (status == VS_OK) {
        options->files = names;
        status = vs_db_encode_index(context->db, options, &context->report, err);
    }
    vs_free(context->env, copy);
    vs_free(context->env, (void *)names);
    return status;
}

static enum vs_status run_encode(struct cli_context *context, struct vs_error *err)
{
    const struct cli_args *args = &context->args;
    struct vs_index_part_options options = {.size = sizeof options,
                                            .table = args->positionals[0],
                                            .model = cli_text(args, "model"),
                                            .to = cli_text(args, "to"),
                                            .op = &context->op};
    const char *share = cli_text(args, "part");
    VS_TRY(cli_bytes(args, "memory", &options.memory_bytes, err));
    VS_TRY(share != NULL ? read_share(share, &options, err) : VS_OK);
    VS_TRY(cli_open(context, false, err));
    VS_TRY(encode(context, &options, err));
    return cli_print(context, render_encode, err);
}

const struct cli_command cmd_index_encode = {
    .group = "index",
    .name = "encode",
    .usage = "NAME --model MODEL --files A,B | --part I/N --to PART",
    .summary = "encode some data files of the model's snapshot into a part",
    .options = encode_options,
    .min_positionals = 1,
    .max_positionals = 1,
    .run = run_encode};

// ---- assemble ----

static const struct cli_option assemble_options[] = {
    {"model", 0, "FILE", "of index train"},
    {"to", 0, "FILE", "write the index there and do not publish it"},
    {"store-vectors", 0, "KIND", "none (default), f16 or f32"},
    {"memory", 0, "SIZE", "memory to use, as in 2GiB (default half of RAM)"},
    {"spill", 0, "DIR", "for what does not fit into memory (default $TMPDIR, or /tmp)"},
    {"min-recall", 0, "R", "recall@10 below which nothing is published (default 0.95, 0: no gate)"},
    {"uuid", 0, "UUID", "of the index (default: random)"},
    {"created-ms", 0, "N", "time of creation, milliseconds since 1970 (default: now)"},
    {NULL, 0, NULL, NULL},
};

static void render_assemble(const struct vs_json *root, FILE *out)
{
    fprintf(out, "index %.*s over ", VS_STR_ARG(render_str(root, "index")));
    render_count(out, render_int(root, "rows"));
    if (render_bool(root, "published")) {
        fprintf(out, " rows published in ");
    } else {
        fprintf(out, " rows written to %.*s in ", VS_STR_ARG(render_str(root, "path")));
    }
    render_ms(out, render_real(root, "ms"));
    fprintf(out, ", ");
    render_bytes(out, render_real(root, "bytes"));
    fprintf(out, ", measured recall@10 %.3f\n", render_real(root, "recall_at_10"));
}

// In the order of a build; some are left out where there is nothing to do.
static const char *const assemble_stages[] = {"reading", "taking parts", "arranging", "measuring",
                                              NULL};

static enum vs_status run_assemble(struct cli_context *context, struct vs_error *err)
{
    const struct cli_args *args = &context->args;
    struct vs_index_part_options options = {.size = sizeof options,
                                            .table = args->positionals[0],
                                            .model = cli_text(args, "model"),
                                            .parts = args->positionals + 1,
                                            .part_count = (size_t)args->positional_count - 1,
                                            .to = cli_text(args, "to"),
                                            .store_vectors = cli_text(args, "store-vectors"),
                                            .index_uuid = cli_text(args, "uuid"),
                                            .spill_dir = cli_text(args, "spill"),
                                            .op = &context->op};
    double recall;
    uint64_t created;
    VS_TRY(cli_number(args, "created-ms", 0, INT64_MAX, &created, err));
    VS_TRY(cli_bytes(args, "memory", &options.memory_bytes, err));
    VS_TRY(cli_real(args, "min-recall", 0.95, &recall, err));
    if (!(recall >= 0 && recall <= 1)) {
        return vs_fail(err, VS_INVALID, "--min-recall %g: give a share from 0 to 1", recall);
    }
    options.created_ms = (int64_t)created;
    options.min_recall = recall > 0 ? (float)recall : -1.0F;
    VS_TRY(cli_open(context, false, err));
    cli_progress_stages(assemble_stages);
    VS_TRY(vs_db_assemble_index(context->db, &options, &context->report, err));
    return cli_print(context, render_assemble, err);
}

const struct cli_command cmd_index_assemble = {
    .group = "index",
    .name = "assemble",
    .usage = "NAME PART… --model MODEL [options]",
    .summary = "put the parts of all data files together and publish the index",
    .options = assemble_options,
    .min_positionals = 2,
    .max_positionals = -1,
    .run = run_assemble};
