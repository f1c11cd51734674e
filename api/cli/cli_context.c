// SPDX-License-Identifier: Apache-2.0
#include "api/cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum vs_status add_setting(struct cli_context *context,
                                  struct vs_str key,
                                  struct vs_str value,
                                  struct vs_error *err)
{
    if (context->setting_count == sizeof context->settings / sizeof context->settings[0]) {
        return vs_fail(err, VS_LIMIT, "more than %zu settings", context->setting_count);
    }
    context->settings[context->setting_count++] = (struct vs_pair){key, value};
    return VS_OK;
}

static enum vs_status config_settings(struct cli_context *context, struct vs_error *err)
{
    const struct vs_json_doc *config = context->args.config;
    const struct vs_json *settings =
        config != NULL ? vs_json_get(vs_json_root(config), "settings") : NULL;
    struct vs_json_iter iter;
    struct vs_str key, text;
    const struct vs_json *value;
    if (settings != NULL && !vs_json_is(settings, VS_JSON_OBJECT)) {
        return vs_fail(err, VS_INVALID,
                       "config file: \"settings\" has to be an object of names and texts");
    }
    vs_json_iter_init(&iter, settings);
    while (vs_json_iter_next(&iter, &key, &value)) {
        if (!vs_json_to_str(value, &text)) {
            return vs_fail(err, VS_INVALID, "config file: setting \"%.*s\" has to be a text",
                           VS_STR_SHORT(key));
        }
        VS_TRY(add_setting(context, key, text, err));
    }
    return VS_OK;
}

enum vs_status cli_read_settings(struct cli_context *context, struct vs_error *err)
{
    context->setting_count = 0;
    VS_TRY(config_settings(context, err));
    for (size_t i = 0; i < context->args.setting_count; i++) {
        struct vs_str text = vs_str_from_c(context->args.settings[i]), key;
        if (!vs_str_split(text, '=', &key, &text) || key.len == 0) {
            return vs_fail(err, VS_INVALID, "--set %s: give KEY=VALUE", context->args.settings[i]);
        }
        VS_TRY(add_setting(context, vs_str_trim(key), text, err));
    }
    return VS_OK;
}

enum vs_status cli_read_at(const struct cli_args *args, struct vs_at *at, struct vs_error *err)
{
    const char *snapshot = cli_text(args, "snapshot");
    at->as_of = cli_text(args, "as-of");
    at->ref = cli_text(args, "ref");
    if (snapshot == NULL) {
        return VS_OK;
    }
    uint64_t wide = 0; // some writers draw ids from all 64 bits
    if (vs_parse_u64(vs_str_from_c(snapshot), &wide, NULL) == VS_OK) {
        at->snapshot_id = (int64_t)wide;
        return VS_OK;
    }
    enum vs_status status = vs_parse_i64(vs_str_from_c(snapshot), &at->snapshot_id, err);
    return status == VS_OK ? VS_OK : vs_wrap(err, status, "--snapshot");
}

static bool is_far_away(const struct cli_context *context)
{
    const char *warehouse = cli_global(&context->args, CLI_WAREHOUSE);
    const char *catalog = cli_global(&context->args, CLI_CATALOG);
    struct vs_str uri = vs_str_from_c(warehouse != NULL ? warehouse : "");
    return vs_str_starts_with(uri, VS_STR("s3://")) || vs_str_starts_with(uri, VS_STR("s3a://")) ||
           vs_str_starts_with(uri, VS_STR("s3n://")) ||
           (catalog != NULL && strcmp(catalog, "rest") == 0);
}

// The user's cache folder, where there is one and it can be used; "" else.
static void find_cache_dir(const struct cli_context *context, char *dir, size_t size)
{
    // NOLINTNEXTLINE(concurrency-mt-unsafe): no other thread runs yet
    const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    dir[0] = '\0';
    if (!is_far_away(context)) {
        return;
    }
    int n = 0;
    if (xdg != NULL && xdg[0] == '/') {
        n = snprintf(dir, size, "%s/vecstore", xdg);
        (void)mkdir(xdg, 0700);
    } else if (home != NULL && home[0] == '/') {
        (void)snprintf(dir, size, "%s/.cache", home);
        (void)mkdir(dir, 0700);
        n = snprintf(dir, size, "%s/.cache/vecstore", home);
    }
    bool usable = n > 0 && (size_t)n < size && (mkdir(dir, 0700) == 0 || errno == EEXIST) &&
                  access(dir, R_OK | W_OK | X_OK) == 0;
    if (!usable) {
        dir[0] = '\0';
    }
}

static enum vs_status cache_options(const struct cli_context *context,
                                    struct vs_db_options *options,
                                    char *dir,
                                    size_t size,
                                    struct vs_error *err)
{
    const char *named = cli_global(&context->args, CLI_CACHE_DIR);
    const char *limit = cli_global(&context->args, CLI_CACHE_SIZE);
    const char *rows = cli_global(&context->args, CLI_INDEX_ROWS);
    if (named == NULL) {
        find_cache_dir(context, dir, size);
        options->cache_dir = dir[0] != '\0' ? dir : NULL;
    } else if (strcmp(named, "none") != 0) {
        options->cache_dir = named;
    }
    if (limit != NULL) {
        enum vs_status status = vs_parse_size(vs_str_from_c(limit), &options->cache_dir_bytes, err);
        if (status != VS_OK) {
            return vs_wrap(err, status, "--cache-size");
        }
    }
    if (rows != NULL && strcmp(rows, "memory") != 0 && strcmp(rows, "file") != 0) {
        return vs_fail(err, VS_INVALID, "--index-rows %s: say memory or file", rows);
    }
    options->rows_in_file = rows != NULL && strcmp(rows, "file") == 0;
    return VS_OK;
}

enum vs_status cli_open(struct cli_context *context, bool create, struct vs_error *err)
{
    uint64_t threads = 0;
    char dir[1024] = "";
    const char *text = cli_global(&context->args, CLI_THREADS);
    if (text != NULL && (vs_parse_u64(vs_str_from_c(text), &threads, NULL) != VS_OK ||
                         threads == 0 || threads > 1024)) {
        return vs_fail(err, VS_INVALID, "--threads %s: give a number from 1 to 1024", text);
    }
    VS_TRY(cli_read_settings(context, err));
    struct vs_settings settings = {context->settings, context->setting_count};
    struct vs_db_options options = {
        .size = sizeof options,
        .warehouse = cli_global(&context->args, CLI_WAREHOUSE),
        .catalog = cli_global(&context->args, CLI_CATALOG),
        .catalog_uri = cli_global(&context->args, CLI_CATALOG_URI),
        .catalog_name = cli_global(&context->args, CLI_CATALOG_NAME),
        .settings = &settings,
        .create = create,
        .thread_count = (size_t)threads,
    };
    VS_TRY(cache_options(context, &options, dir, sizeof dir, err));
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
