// SPDX-License-Identifier: Apache-2.0
#include "api/cli/cli.h"

enum vs_status cli_open(struct cli_context *context, bool create, struct vs_error *err)
{
    uint64_t threads = 0;
    const char *text = cli_global(&context->args, CLI_THREADS);
    if (text != NULL && (vs_parse_u64(vs_str_from_c(text), &threads, NULL) != VS_OK ||
                         threads == 0 || threads > 1024)) {
        return vs_fail(err, VS_INVALID, "--threads %s: give a number from 1 to 1024", text);
    }
    struct vs_db_options options = {
        .size = sizeof options,
        .warehouse = cli_global(&context->args, CLI_WAREHOUSE),
        .catalog = cli_global(&context->args, CLI_CATALOG),
        .create = create,
        .thread_count = (size_t)threads,
    };
    return vs_db_open(context->env, &options, &context->db, err);
}

enum vs_status cli_print(struct cli_context *context,
                         void (*render)(const struct vs_json *root, FILE *out),
                         struct vs_error *err)
{
    struct vs_str text = vs_buf_view(&context->report);
    cli_progress_end();
    if (context->json) {
        bool written =
            fwrite(text.ptr, 1, text.len, stdout) == text.len && fputc('\n', stdout) != EOF;
        return written ? VS_OK : vs_fail(err, VS_UNAVAILABLE, "the output could not be written");
    }
    VS_TRY(vs_json_parse(context->env, text, "report", NULL, &context->doc, err));
    render(vs_json_root(context->doc), stdout);
    return VS_OK;
}

enum vs_status cli_split(
    const char *text, struct vs_str *parts, size_t max, size_t *count_out, struct vs_error *err)
{
    size_t count = 0;
    struct vs_str rest = vs_str_from_c(text), part;
    bool more = rest.len > 0;
    while (more) {
        if (count == max) {
            return vs_fail(err, VS_LIMIT, "more than %zu entries in a list", max);
        }
        more = vs_str_split(rest, ',', &part, &rest);
        parts[count++] = vs_str_trim(more ? part : rest);
    }
    *count_out = count;
    return VS_OK;
}
