// SPDX-License-Identifier: Apache-2.0
#include "api/cli/cli.h"
#include "api/http/server.h"

#include <signal.h>

#define GRACE_MS 10000

static const struct cli_option serve_options[] = {
    {"listen", 'l', "ADDR:PORT",
     "where to listen (default 127.0.0.1:8080; port 0 picks a free one)"},
    {"max-body", 0, "SIZE", "largest request body (default 8MiB)"},
    {NULL, 0, NULL, NULL},
};

// The server's threads inherit this mask, so that the signals come to sigwait here and nowhere
// else.
static enum vs_status block_signals(sigset_t *set, struct vs_error *err)
{
    sigemptyset(set);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGTERM);
    if (pthread_sigmask(SIG_BLOCK, set, NULL) != 0) {
        return vs_fail(err, VS_INTERNAL, "signals cannot be blocked");
    }
    return VS_OK;
}

static enum vs_status run_serve(struct cli_context *context, struct vs_error *err)
{
    sigset_t signals;
    struct vs_server *server = NULL;
    uint64_t max_body;
    VS_TRY(cli_bytes(&context->args, "max-body", &max_body, err));
    uint64_t threads = 0;
    const char *text = cli_global(&context->args, CLI_THREADS);
    if (text != NULL) {
        VS_TRY(vs_parse_u64(vs_str_from_c(text), &threads, err));
    }
    struct vs_server_options options = {
        .size = sizeof options,
        .listen = cli_text(&context->args, "listen"),
        .thread_count = (size_t)threads,
        .max_body_bytes = (size_t)max_body,
    };
    VS_TRY(cli_open(context, true, err));
    VS_TRY(block_signals(&signals, err));
    VS_TRY(vs_server_start(context->env, context->db, &options, &server, err));
    printf("vecstore listens on %s; stop with Ctrl-C\n", vs_server_url(server));
    (void)fflush(stdout);
    int received = 0;
    sigwait(&signals, &received);
    vs_server_drain(server);
    vs_server_stop(server, GRACE_MS);
    printf("stopped\n");
    return VS_OK;
}

const struct cli_command cmd_serve = {.name = "serve",
                                      .usage = "[--listen ADDR:PORT]",
                                      .summary = "answer queries over HTTP until stopped",
                                      .options = serve_options,
                                      .run = run_serve};

// ---- version ----

static const struct cli_option no_options[] = {{NULL, 0, NULL, NULL}};

static void render_version(const struct vs_json *root, FILE *out)
{
    fprintf(out, "vecstore %.*s (kernels: %.*s; training: %s)\n",
            VS_STR_ARG(render_str(root, "version")), VS_STR_ARG(render_str(root, "simd")),
            render_bool(root, "faiss") ? "FAISS" : "not in this build");
}

static enum vs_status run_version(struct cli_context *context, struct vs_error *err)
{
    VS_TRY(vs_version_json(&context->report, err));
    return cli_print(context, render_version, err);
}

const struct cli_command cmd_version = {.name = "version",
                                        .usage = "",
                                        .summary = "version and machine facts",
                                        .options = no_options,
                                        .run = run_version};

const struct cli_command *const cli_commands[] = {
    &cmd_table_create,
    &cmd_table_list,
    &cmd_table_describe,
    &cmd_table_snapshots,
    &cmd_table_check,
    &cmd_table_drop,
    &cmd_table_alter,
    &cmd_table_tag,
    &cmd_table_branch,
    &cmd_table_rollback,
    &cmd_table_register,
    &cmd_table_expire,
    &cmd_table_compact,
    &cmd_table_orphans,
    &cmd_ingest,
    &cmd_delete,
    &cmd_get,
    &cmd_index_build,
    &cmd_index_list,
    &cmd_index_show,
    &cmd_index_verify,
    &cmd_index_refresh,
    &cmd_index_merge,
    &cmd_index_rollback,
    &cmd_index_train,
    &cmd_index_encode,
    &cmd_index_assemble,
    &cmd_index_export,
    &cmd_query,
    &cmd_recall,
    &cmd_export,
    &cmd_inspect,
    &cmd_serve,
    &cmd_version,
    NULL,
};
