// SPDX-License-Identifier: Apache-2.0
/*
 * Command-line options: one table per command, from which parsing, environment variables, config
 * keys and --help follow.
 *
 * An option's value is taken from the command line, else from VECSTORE_<NAME>, else from the config
 * file's key <name>. Everything borrows from argv, the environment or the config document, which
 * live as long as the process. Threads: main thread only.
 */
#ifndef VS_CLI_ARGS_H
#define VS_CLI_ARGS_H

#include "vecstore/base/arena.h"
#include "vecstore/base/json.h"

#define ARGS_MAX_OPTIONS 40
#define ARGS_MAX_POSITIONALS 4096
#define ARGS_MAX_SETTINGS 128

struct cli_option {
    const char *name;  // "recall-target"; NULL ends a table
    char letter;       // 'k' for -k, or 0
    const char *value; // how the value is called in --help ("N"); NULL: a switch
    const char *help;
};

struct cli_context;

struct cli_command {
    const char *group; // "table", or NULL for commands of one word
    const char *name;  // "create"
    const char *usage; // what follows the name: "NAME --dim N [options]"
    const char *summary;
    const char *examples; // lines, may be NULL
    const struct cli_option *options;
    int min_positionals, max_positionals; // -1: any number
    enum vs_status (*run)(struct cli_context *context, struct vs_error *err);
};

struct cli_args {
    const struct cli_option *options; // of the command
    const char *values[ARGS_MAX_OPTIONS];
    const char *globals[16];                 // see cli_globals
    const char *settings[ARGS_MAX_SETTINGS]; // "key=value" of every --set, in order
    size_t setting_count;
    const char *positionals[ARGS_MAX_POSITIONALS];
    size_t positional_count;
    bool help;
    struct vs_json_doc *config;
};

enum cli_global {
    CLI_WAREHOUSE,
    CLI_CATALOG,
    CLI_CATALOG_URI,
    CLI_CATALOG_NAME,
    CLI_SET,
    CLI_CONFIG,
    CLI_JSON,
    CLI_QUIET,
    CLI_THREADS,
    CLI_CACHE_DIR,
    CLI_CACHE_SIZE,
    CLI_INDEX_ROWS,
    CLI_GLOBAL_COUNT
};
extern const struct cli_option cli_globals[CLI_GLOBAL_COUNT + 1];

// Parses argv[first..]; VS_INVALID with the nearest option's name for an unknown one.
enum vs_status cli_args_parse(struct cli_args *args,
                              const struct cli_command *command,
                              int argc,
                              char **argv,
                              int first,
                              struct vs_error *err);
void cli_args_clear(struct cli_args *args);

// Values by name; NULL or the default when not given.
const char *cli_text(const struct cli_args *args, const char *name);
bool cli_switch(const struct cli_args *args, const char *name);
enum vs_status cli_number(const struct cli_args *args,
                          const char *name,
                          uint64_t fallback,
                          uint64_t max,
                          uint64_t *value_out,
                          struct vs_error *err);
enum vs_status cli_real(const struct cli_args *args,
                        const char *name,
                        double fallback,
                        double *value_out,
                        struct vs_error *err);
enum vs_status cli_bytes(const struct cli_args *args,
                         const char *name,
                         uint64_t *value_out,
                         struct vs_error *err);
const char *cli_global(const struct cli_args *args, enum cli_global option);

#endif
