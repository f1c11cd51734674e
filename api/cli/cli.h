// SPDX-License-Identifier: Apache-2.0
/*
 * What the commands share: the opened warehouse, output, progress. The command line is a client of
 * api/vecstore.h.
 */
#ifndef VS_CLI_CLI_H
#define VS_CLI_CLI_H

#include "api/cli/args.h"
#include "api/vecstore.h"

#include <stdio.h>

struct cli_context {
    const struct vs_env *env;
    struct cli_args args;
    const struct cli_command *command;
    struct vs_db *db;
    struct vs_op op;      // progress bar and Ctrl-C
    struct vs_buf report; // JSON of the last operation
    struct vs_json_doc *doc;
    bool json, quiet;
    struct vs_pair settings[ARGS_MAX_SETTINGS * 2];
    size_t setting_count;
    char note[512]; // goes behind the message of an error; "" mostly
};

// --snapshot, --as-of and --ref of a command that has them.
enum vs_status cli_read_at(const struct cli_args *args, struct vs_at *at, struct vs_error *err);
// Settings of the config file ("settings": {…}), then of --set; into context->settings.
enum vs_status cli_read_settings(struct cli_context *context, struct vs_error *err);
// Opens the warehouse of --warehouse.
enum vs_status cli_open(struct cli_context *context, bool create, struct vs_error *err);

// With --json prints context->report as one line; otherwise parses it and hands its root to render.
enum vs_status cli_print(struct cli_context *context,
                         void (*render)(const struct vs_json *root, FILE *out),
                         struct vs_error *err);
// The list "a,b" as an array; count_out 0 for NULL. At most max entries, in context memory until
// exit.
enum vs_status cli_split(
    const char *text, struct vs_str *parts, size_t max, size_t *count_out, struct vs_error *err);

// The report of `index show` as an SVG file (cmd_index_plot.c).
enum vs_status cli_plot_index(const struct vs_json *root, const char *path, struct vs_error *err);

// The text of `table describe`, also printed after changes (cmd_table.c).
void cli_render_describe(const struct vs_json *root, FILE *out);

// ---- render.c: pieces of text output ----
struct vs_str render_str(const struct vs_json *object, const char *key); // "" when absent
int64_t render_int(const struct vs_json *object, const char *key);       // 0 when absent
double render_real(const struct vs_json *object, const char *key);
bool render_bool(const struct vs_json *object, const char *key);
void render_count(FILE *out, int64_t value); // 1,234,567
void render_bytes(FILE *out, double bytes);  // 12.3 MiB
void render_ms(FILE *out, double ms);        // 0.42 ms, 3.1 s
// Prints text on one line, at most `width` characters (UTF-8 aware), newlines as blanks, control
// characters as '?'.
void render_line(FILE *out, struct vs_str text, size_t width);
void render_wrapped(FILE *out, struct vs_str text, size_t indent, size_t width, size_t max_lines);
size_t render_width(FILE *out); // columns of the terminal, 100 when it is none

// ---- progress.c ----
void cli_progress(void *ctx, const char *phase, uint64_t done, uint64_t total, const char *unit);
void cli_progress_end(void); // clears the bar's line
// The stages of the operation in their order, NULL-terminated, for "[4/6]" before the bar. A phase
// belongs to the stage whose name it begins with.
void cli_progress_stages(const char *const *stages);

// Exit code of a status: 0 ok, 2 usage or bad input, 3 not found, 4 exists or conflict, 5 denied, 6
// corrupt, 7 unsupported or limit, 8 unavailable or timeout, 9 cancelled, 10 out of memory, 11
// unknown outcome, 70 internal.
int cli_exit_code(enum vs_status status);

extern const struct cli_command *const cli_commands[]; // NULL-terminated
extern const struct cli_command cmd_table_create, cmd_table_list, cmd_table_describe,
    cmd_table_snapshots, cmd_table_check, cmd_table_drop;
extern const struct cli_command cmd_table_alter, cmd_table_tag, cmd_table_branch,
    cmd_table_rollback, cmd_table_register;
extern const struct cli_command cmd_table_expire, cmd_table_compact, cmd_table_orphans;
extern const struct cli_command cmd_export, cmd_inspect;
extern const struct cli_command cmd_ingest, cmd_delete, cmd_get;
extern const struct cli_command cmd_index_build, cmd_index_list, cmd_index_show, cmd_index_verify;
extern const struct cli_command cmd_index_train, cmd_index_encode, cmd_index_assemble;
extern const struct cli_command cmd_index_refresh, cmd_index_merge, cmd_index_rollback,
    cmd_index_export;
extern const struct cli_command cmd_query, cmd_recall, cmd_serve, cmd_version;

#endif
