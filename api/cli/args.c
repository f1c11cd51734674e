// SPDX-License-Identifier: Apache-2.0
#include "api/cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_SIZE 80

const struct cli_option cli_globals[CLI_GLOBAL_COUNT + 1] = {
    [CLI_WAREHOUSE] = {"warehouse", 'w', "URI",
                       "where tables live: a folder, file:///… or s3://bucket/prefix (default "
                       "./warehouse)"},
    [CLI_CATALOG] = {"catalog", 0, "KIND", "filesystem (default), sql or rest"},
    [CLI_CATALOG_URI] = {"catalog-uri", 0, "URI",
                         "rest: address of the service; sql: the SQLite file (default "
                         "WAREHOUSE/catalog.db)"},
    [CLI_CATALOG_NAME] = {"catalog-name", 0, "NAME", "sql: name of the catalog (\"default\")"},
    [CLI_SET] = {"set", 0, "KEY=VALUE",
                 "a setting of store or catalog, as in s3.endpoint=http://… (any number)"},
    [CLI_CONFIG] = {"config", 0, "FILE", "JSON file with option names as keys"},
    [CLI_JSON] = {"json", 0, NULL, "print one JSON document instead of text"},
    [CLI_QUIET] = {"quiet", 'q', NULL, "no progress bars"},
    [CLI_THREADS] = {"threads", 0, "N", "processors to use (default all)"},
    [CLI_CACHE_DIR] = {"cache-dir", 0, "DIR",
                       "copies of parts of remote indexes (default for s3:// and rest: "
                       "$XDG_CACHE_HOME/vecstore; none: no copies)"},
    [CLI_CACHE_SIZE] = {"cache-size", 0, "SIZE", "most bytes of such copies (default 8GiB)"},
    [CLI_INDEX_ROWS] = {"index-rows", 0, "WHERE",
                        "memory (default), or file: vectors for re-ranking stay in the index file"},
    [CLI_GLOBAL_COUNT] = {NULL, 0, NULL, NULL},
};

// An option and the place of its value.
struct slot {
    const struct cli_option *option; // NULL: not found
    const char **value;
};

static bool matches(const struct cli_option *option, const char *name, size_t len, char letter)
{
    if (letter != 0) {
        return option->letter == letter;
    }
    return strlen(option->name) == len && memcmp(option->name, name, len) == 0;
}

static struct slot find_in(const struct cli_option *options,
                           const char **values,
                           const char *name,
                           size_t len,
                           char letter)
{
    for (size_t i = 0; options != NULL && options[i].name != NULL; i++) {
        if (matches(&options[i], name, len, letter)) {
            return (struct slot){&options[i], values != NULL ? &values[i] : NULL};
        }
    }
    return (struct slot){NULL, NULL};
}

// By name, or by letter when that is not 0; the command's own options come before the global ones.
static struct slot find_slot(struct cli_args *args, const char *name, size_t len, char letter)
{
    struct slot slot = find_in(args->options, args->values, name, len, letter);
    return slot.option != NULL ? slot : find_in(cli_globals, args->globals, name, len, letter);
}

// How many leading characters two names share, to guess what was meant.
static size_t common_prefix(const char *a, const char *b)
{
    size_t n = 0;
    while (a[n] != '\0' && a[n] == b[n]) {
        n++;
    }
    return n;
}

static void find_nearest(const struct cli_option *options,
                         const char *given,
                         const char **best,
                         size_t *best_len)
{
    for (size_t i = 0; options != NULL && options[i].name != NULL; i++) {
        size_t len = common_prefix(options[i].name, given);
        if (len > *best_len) {
            *best_len = len;
            *best = options[i].name;
        }
    }
}

static enum vs_status fail_unknown(const struct cli_args *args,
                                   const char *given,
                                   struct vs_error *err)
{
    const char *best = NULL;
    size_t best_len = 1;
    find_nearest(args->options, given, &best, &best_len);
    find_nearest(cli_globals, given, &best, &best_len);
    if (best != NULL) {
        return vs_fail(err, VS_INVALID, "unknown option --%s; did you mean --%s? See --help", given,
                       best);
    }
    return vs_fail(err, VS_INVALID, "unknown option --%s; see --help", given);
}

// Stores one option; *used_next tells that the following argument was its value.
static enum vs_status store(struct slot slot,
                            const char *shown,
                            const char *attached,
                            const char *next,
                            bool *used_next,
                            struct vs_error *err)
{
    *used_next = false;
    if (slot.option->value == NULL) {
        if (attached != NULL) {
            return vs_fail(err, VS_INVALID, "%s takes no value", shown);
        }
        *slot.value = "true";
        return VS_OK;
    }
    if (attached == NULL && next == NULL) {
        return vs_fail(err, VS_INVALID, "%s needs a value: %s", shown, slot.option->value);
    }
    *used_next = attached == NULL;
    *slot.value = attached != NULL ? attached : next;
    return VS_OK;
}

// --set may be given many times.
static enum vs_status keep_setting(struct cli_args *args, struct slot slot, struct vs_error *err)
{
    if (slot.option != &cli_globals[CLI_SET]) {
        return VS_OK;
    }
    if (args->setting_count == ARGS_MAX_SETTINGS) {
        return vs_fail(err, VS_LIMIT, "more than %d settings", ARGS_MAX_SETTINGS);
    }
    args->settings[args->setting_count++] = *slot.value;
    return VS_OK;
}

static enum vs_status parse_long(struct cli_args *args,
                                 const char *text,
                                 const char *next,
                                 bool *used_next,
                                 struct vs_error *err)
{
    const char *name = text + 2;
    const char *equals = strchr(name, '=');
    struct slot slot =
        find_slot(args, name, equals != NULL ? (size_t)(equals - name) : strlen(name), 0);
    if (slot.option == NULL) {
        return fail_unknown(args, name, err);
    }
    VS_TRY(store(slot, text, equals != NULL ? equals + 1 : NULL, next, used_next, err));
    return keep_setting(args, slot, err);
}

static enum vs_status parse_short(struct cli_args *args,
                                  const char *text,
                                  const char *next,
                                  bool *used_next,
                                  struct vs_error *err)
{
    struct slot slot = find_slot(args, NULL, 0, text[1]);
    if (slot.option == NULL) {
        return vs_fail(err, VS_INVALID, "unknown option %s; see --help", text);
    }
    return store(slot, text, text[2] != '\0' ? text + 2 : NULL, next, used_next, err);
}

static bool looks_like_option(const char *text)
{
    return text[0] == '-' && text[1] != '\0' && !(text[1] >= '0' && text[1] <= '9');
}

static enum vs_status parse_argv(
    struct cli_args *args, int argc, char **argv, int first, struct vs_error *err)
{
    bool only_positionals = false;
    for (int i = first; i < argc; i++) {
        bool used_next = false;
        const char *text = argv[i], *next = i + 1 < argc ? argv[i + 1] : NULL;
        if (only_positionals || !looks_like_option(text)) {
            if (args->positional_count == ARGS_MAX_POSITIONALS) {
                return vs_fail(err, VS_LIMIT, "more than %d arguments", ARGS_MAX_POSITIONALS);
            }
            args->positionals[args->positional_count++] = text;
        } else if (strcmp(text, "--") == 0) {
            only_positionals = true;
        } else if (strcmp(text, "--help") == 0 || strcmp(text, "-h") == 0) {
            args->help = true;
        } else if (text[1] == '-') {
            VS_TRY(parse_long(args, text, next, &used_next, err));
        } else {
            VS_TRY(parse_short(args, text, next, &used_next, err));
        }
        i += used_next;
    }
    return VS_OK;
}

static const char *from_environment(const char *name)
{
    char variable[NAME_SIZE];
    int n = snprintf(variable, sizeof variable, "VECSTORE_%s", name);
    if (n < 0 || (size_t)n >= sizeof variable) {
        return NULL;
    }
    for (char *c = variable; *c != '\0'; c++) {
        if (*c == '-') {
            *c = '_';
        } else if (*c >= 'a' && *c <= 'z') {
            *c = (char)(*c - 'a' + 'A');
        }
    }
    const char *value = getenv(variable); // NOLINT(concurrency-mt-unsafe): no other thread runs yet
    return value != NULL && value[0] != '\0' ? value : NULL;
}

static enum vs_status read_config(struct cli_args *args, struct vs_error *err)
{
    const char *path =
        args->globals[CLI_CONFIG] != NULL ? args->globals[CLI_CONFIG] : from_environment("config");
    if (path == NULL) {
        return VS_OK;
    }
    const struct vs_env *env = vs_env_default();
    FILE *file = fopen(path, "rbe");
    if (file == NULL) {
        return vs_fail(err, VS_NOT_FOUND, "config file %s cannot be opened", path);
    }
    struct vs_buf text;
    vs_buf_init(&text, env, (size_t)1 << 20);
    enum vs_status status = VS_OK;
    char part[4096];
    size_t n;
    while (status == VS_OK && (n = fread(part, 1, sizeof part, file)) > 0) {
        status = vs_buf_append(&text, part, n, err);
    }
    vs_ignore(fclose(file) == 0 ? VS_OK : VS_UNAVAILABLE);
    if (status == VS_OK) {
        status = vs_json_parse(env, vs_buf_view(&text), path, NULL, &args->config, err);
    }
    if (status == VS_OK && !vs_json_is(vs_json_root(args->config), VS_JSON_OBJECT)) {
        status =
            vs_fail(err, VS_INVALID,
                    "config file %s must hold one JSON object with option names as keys", path);
    }
    vs_buf_clear(&text);
    return status;
}

// Of any command: one file serves all of them.
static bool is_config_key(const struct cli_args *args, const char *key)
{
    const struct cli_option *tables[2] = {args->options, cli_globals};
    bool known = strcmp(key, "settings") == 0;
    for (size_t t = 0; !known && t < 2; t++) {
        known = find_in(tables[t], NULL, key, strlen(key), 0).option != NULL;
    }
    for (size_t i = 0; !known && cli_commands[i] != NULL; i++) {
        known = find_in(cli_commands[i]->options, NULL, key, strlen(key), 0).option != NULL;
    }
    return known;
}

// A key that no command takes would be left out without a word: a typing error.
static enum vs_status check_config_keys(const struct cli_args *args, struct vs_error *err)
{
    struct vs_json_iter iter;
    struct vs_str key;
    const struct vs_json *value;
    if (args->config == NULL) {
        return VS_OK;
    }
    vs_json_iter_init(&iter, vs_json_root(args->config));
    while (vs_json_iter_next(&iter, &key, &value)) {
        char name[NAME_SIZE];
        const char *best = "settings";
        snprintf(name, sizeof name, "%.*s", VS_STR_SHORT(key));
        if (is_config_key(args, name)) {
            continue;
        }
        size_t best_len = common_prefix(best, name);
        find_nearest(args->options, name, &best, &best_len);
        find_nearest(cli_globals, name, &best, &best_len);
        for (size_t i = 0; cli_commands[i] != NULL; i++) {
            find_nearest(cli_commands[i]->options, name, &best, &best_len);
        }
        return best_len > 1
                   ? vs_fail(err, VS_INVALID,
                             "config file: no option is called \"%s\"; did you mean \"%s\"?", name,
                             best)
                   : vs_fail(err, VS_INVALID, "config file: no option is called \"%s\"", name);
    }
    return VS_OK;
}

// Switches may be true or false, values strings or numbers (kept as the text that the command line
// would have).
static const char *from_config(const struct cli_args *args,
                               const char *name,
                               char *number,
                               size_t size)
{
    const struct vs_json *value =
        args->config != NULL ? vs_json_get(vs_json_root(args->config), name) : NULL;
    struct vs_str text;
    int64_t integer;
    double real;
    bool flag;
    if (value == NULL) {
        return NULL;
    }
    if (vs_json_to_str(value, &text)) {
        return text.ptr; // NUL-terminated by the parser
    }
    if (vs_json_to_bool(value, &flag)) {
        return flag ? "true" : NULL;
    }
    if (vs_json_to_i64(value, &integer)) {
        snprintf(number, size, "%lld", (long long)integer);
        return number;
    }
    if (vs_json_to_f64(value, &real)) {
        snprintf(number, size, "%.17g", real);
        return number;
    }
    return NULL;
}

// A value of a kind that no option takes is an error, never left out.
static enum vs_status check_config_value(const struct cli_args *args,
                                         const struct cli_option *option,
                                         const char *taken,
                                         struct vs_error *err)
{
    const struct vs_json *value =
        args->config != NULL ? vs_json_get(vs_json_root(args->config), option->name) : NULL;
    if (taken != NULL || value == NULL || vs_json_is(value, VS_JSON_NULL) ||
        (option->value == NULL && vs_json_is(value, VS_JSON_BOOL))) {
        return VS_OK;
    }
    return vs_fail(err, VS_INVALID, "config file: \"%s\" holds a %s; give %s", option->name,
                   vs_json_type_name(value),
                   option->value == NULL ? "true or false" : "a string or a number");
}

static enum vs_status fill_defaults(struct cli_args *args,
                                    const struct cli_option *options,
                                    const char **values,
                                    struct vs_error *err)
{
    static char numbers[ARGS_MAX_OPTIONS + CLI_GLOBAL_COUNT][32];
    static size_t used;
    for (int i = 0; options != NULL && options[i].name != NULL; i++) {
        if (values[i] != NULL) {
            continue;
        }
        values[i] = from_environment(options[i].name);
        if (values[i] == NULL && used < sizeof numbers / sizeof numbers[0]) {
            values[i] = from_config(args, options[i].name, numbers[used], sizeof numbers[used]);
            used += values[i] == numbers[used];
            VS_TRY(check_config_value(args, &options[i], values[i], err));
        }
        if (options[i].value == NULL && values[i] != NULL &&
            (strcmp(values[i], "0") == 0 || strcmp(values[i], "false") == 0)) {
            values[i] = NULL;
        }
    }
    return VS_OK;
}

enum vs_status cli_args_parse(struct cli_args *args,
                              const struct cli_command *command,
                              int argc,
                              char **argv,
                              int first,
                              struct vs_error *err)
{
    memset(args, 0, sizeof *args);
    args->options = command != NULL ? command->options : NULL;
    VS_TRY(parse_argv(args, argc, argv, first, err));
    VS_TRY(read_config(args, err));
    VS_TRY(check_config_keys(args, err));
    VS_TRY(fill_defaults(args, args->options, args->values, err));
    return fill_defaults(args, cli_globals, args->globals, err);
}

void cli_args_clear(struct cli_args *args)
{
    vs_json_free(args->config);
    args->config = NULL;
}

const char *cli_text(const struct cli_args *args, const char *name)
{
    for (size_t i = 0; args->options != NULL && args->options[i].name != NULL; i++) {
        if (strcmp(args->options[i].name, name) == 0) {
            return args->values[i];
        }
    }
    return NULL;
}

bool cli_switch(const struct cli_args *args, const char *name)
{
    return cli_text(args, name) != NULL;
}

const char *cli_global(const struct cli_args *args, enum cli_global option)
{
    return args->globals[option];
}

enum vs_status cli_number(const struct cli_args *args,
                          const char *name,
                          uint64_t fallback,
                          uint64_t max,
                          uint64_t *value_out,
                          struct vs_error *err)
{
    const char *text = cli_text(args, name);
    uint64_t value = fallback;
    if (text != NULL) {
        enum vs_status status = vs_parse_u64(vs_str_from_c(text), &value, err);
        if (status != VS_OK) {
            return vs_wrap(err, status, "--%s", name);
        }
    }
    if (value > max) {
        return vs_fail(err, VS_INVALID, "--%s %llu is above the limit of %llu", name,
                       (unsigned long long)value, (unsigned long long)max);
    }
    *value_out = value;
    return VS_OK;
}

enum vs_status cli_real(const struct cli_args *args,
                        const char *name,
                        double fallback,
                        double *value_out,
                        struct vs_error *err)
{
    const char *text = cli_text(args, name);
    if (text == NULL) {
        *value_out = fallback;
        return VS_OK;
    }
    enum vs_status status = vs_parse_f64(vs_str_from_c(text), value_out, err);
    return status == VS_OK ? VS_OK : vs_wrap(err, status, "--%s", name);
}

enum vs_status cli_bytes(const struct cli_args *args,
                         const char *name,
                         uint64_t *value_out,
                         struct vs_error *err)
{
    const char *text = cli_text(args, name);
    if (text == NULL) {
        *value_out = 0;
        return VS_OK;
    }
    enum vs_status status = vs_parse_size(vs_str_from_c(text), value_out, err);
    return status == VS_OK ? VS_OK : vs_wrap(err, status, "--%s", name);
}
