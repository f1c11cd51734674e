// SPDX-License-Identifier: Apache-2.0
// The vecstore command: finds the command's table entry, parses its options, runs it, turns its
// status into an exit code.
#include "api/cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static atomic_bool interrupted;

static void on_interrupt(int signal_number)
{
    (void)signal_number;
    int saved_errno = errno;
    if (atomic_exchange(&interrupted, true)) {
        _exit(130); // the second Ctrl-C does not wait; nothing visible is half written
    }
    int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (nothing >= 0) {
        vs_ignore(dup2(nothing, STDIN_FILENO) >= 0 ? VS_OK : VS_UNAVAILABLE); // ends a waiting read
        close(nothing);
    }
    errno = saved_errno;
}

static void print_options(const struct cli_option *options)
{
    for (int i = 0; options != NULL && options[i].name != NULL; i++) {
        char left[64];
        char letter[5] = "    ";
        if (options[i].letter != 0) {
            snprintf(letter, sizeof letter, "-%c, ", options[i].letter);
        }
        snprintf(left, sizeof left, "%s--%s%s%s", letter, options[i].name,
                 options[i].value != NULL ? " " : "",
                 options[i].value != NULL ? options[i].value : "");
        printf("  %-28s %s\n", left, options[i].help);
    }
}

static void print_command_help(const struct cli_command *command)
{
    printf("vecstore %s%s%s %s\n\n%s\n", command->group != NULL ? command->group : "",
           command->group != NULL ? " " : "", command->name, command->usage, command->summary);
    if (command->options != NULL && command->options[0].name != NULL) {
        printf("\nOptions:\n");
        print_options(command->options);
    }
    printf("\nEvery command:\n");
    print_options(cli_globals);
    printf("      --help                   this text\n");
    printf("\nEach option can also come from VECSTORE_<OPTION> in the environment or from the "
           "config file.\n");
    if (command->examples != NULL) {
        printf("\nExamples:\n%s", command->examples);
    }
}

static void print_summary(FILE *out, const char *group)
{
    for (size_t i = 0; cli_commands[i] != NULL; i++) {
        const struct cli_command *command = cli_commands[i];
        if (group == NULL || (command->group != NULL && strcmp(command->group, group) == 0)) {
            char name[48];
            snprintf(name, sizeof name, "%s%s%s", command->group != NULL ? command->group : "",
                     command->group != NULL ? " " : "", command->name);
            fprintf(out, "  %-18s %s\n", name, command->summary);
        }
    }
}

static int print_help(FILE *out, const char *group)
{
    if (group == NULL) {
        fprintf(out, "vecstore %s: a vector store whose database is an Apache Iceberg table\n\n",
                VECSTORE_VERSION);
    }
    fprintf(out, "usage: vecstore [--warehouse URI] [--json] %s%sCOMMAND …\n\n",
            group != NULL ? group : "", group != NULL ? " " : "");
    print_summary(out, group);
    fprintf(out, "\n'vecstore COMMAND --help' tells more about one.\n");
    return out == stdout ? 0 : 2;
}

static bool is_group(const char *word)
{
    for (size_t i = 0; cli_commands[i] != NULL; i++) {
        if (cli_commands[i]->group != NULL && strcmp(cli_commands[i]->group, word) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_global_with_value(const char *text)
{
    for (int i = 0; cli_globals[i].name != NULL; i++) {
        const struct cli_option *option = &cli_globals[i];
        bool is_letter =
            option->letter != 0 && text[0] == '-' && text[1] == option->letter && text[2] == '\0';
        bool is_name = strncmp(text, "--", 2) == 0 && strcmp(text + 2, option->name) == 0;
        if (option->value != NULL && (is_letter || is_name)) {
            return true;
        }
    }
    return false;
}

// Global options may stand before the command: its words are the first arguments that are no
// options or their values.
static int find_word(int argc, char **argv, int from)
{
    for (int i = from; i < argc; i++) {
        if (argv[i][0] != '-') {
            return i;
        }
        bool takes_value = strchr(argv[i], '=') == NULL && is_global_with_value(argv[i]);
        i += takes_value;
    }
    return argc;
}

static const struct cli_command *find_command(const char *group, const char *name)
{
    for (size_t i = 0; cli_commands[i] != NULL; i++) {
        const struct cli_command *command = cli_commands[i];
        bool same_group = group == NULL
                              ? command->group == NULL
                              : command->group != NULL && strcmp(command->group, group) == 0;
        if (same_group && strcmp(command->name, name) == 0) {
            return command;
        }
    }
    return NULL;
}

// Takes the command's words out of argv, so that only options and arguments are left.
static void remove_word(int *argc, char **argv, int at)
{
    memmove(&argv[at], &argv[at + 1], (size_t)(*argc - at) * sizeof *argv);
    (*argc)--;
}

static enum vs_status check_positionals(const struct cli_context *context, struct vs_error *err)
{
    const struct cli_command *command = context->command;
    int given = (int)context->args.positional_count;
    if (given < command->min_positionals ||
        (command->max_positionals >= 0 && given > command->max_positionals)) {
        return vs_fail(err, VS_INVALID, "usage: vecstore %s%s%s %s",
                       command->group != NULL ? command->group : "",
                       command->group != NULL ? " " : "", command->name, command->usage);
    }
    return VS_OK;
}

static enum vs_status run_command(struct cli_context *context,
                                  int argc,
                                  char **argv,
                                  struct vs_error *err)
{
    VS_TRY(cli_args_parse(&context->args, context->command, argc, argv, 1, err));
    if (context->args.help) {
        print_command_help(context->command);
        return VS_OK;
    }
    context->json = cli_global(&context->args, CLI_JSON) != NULL;
    context->quiet =
        cli_global(&context->args, CLI_QUIET) != NULL || context->json || !isatty(STDERR_FILENO);
    context->op.cancelled = &interrupted;
    context->op.progress = context->quiet ? NULL : cli_progress;
    VS_TRY(check_positionals(context, err));
    return context->command->run(context, err);
}

static void print_error(const struct cli_context *context,
                        enum vs_status status,
                        const struct vs_error *err)
{
    if (context->json) {
        struct vs_buf text;
        struct vs_json_writer w;
        vs_buf_init(&text, context->env, 1 << 16);
        vs_json_writer_init(&w, &text, false);
        vs_jw_object_begin(&w);
        vs_jw_key(&w, "error");
        vs_jw_object_begin(&w);
        vs_jw_key(&w, "code");
        vs_jw_c(&w, vs_status_name(status));
        vs_jw_key(&w, "message");
        vs_jw_c(&w, err->message);
        vs_jw_object_end(&w);
        vs_jw_object_end(&w);
        if (vs_json_writer_finish(&w, NULL) == VS_OK) {
            fprintf(stderr, "%.*s\n", VS_STR_ARG(vs_buf_view(&text)));
        }
        vs_buf_clear(&text);
        return;
    }
    fprintf(stderr, "vecstore: %s\n", err->message);
}

// Also when the other options are wrong, errors have the form that was asked for.
static bool asks_for_json(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            return true;
        }
    }
    return false;
}

static int fail_unknown_command(const char *group, const char *name, int argc, char **argv)
{
    static struct cli_context context; // large
    context.env = vs_env_default();
    context.json = asks_for_json(argc, argv);
    struct vs_error err = {0};
    enum vs_status status =
        vs_fail(&err, VS_INVALID, "unknown command '%s%s%s'; see vecstore --help",
                group != NULL ? group : "", group != NULL ? " " : "", name);
    print_error(&context, status, &err);
    if (!context.json) {
        fputc('\n', stderr);
        print_help(stderr, group);
    }
    return cli_exit_code(status);
}

// "--version" among the options before the command.
static bool asks_for_version(char **argv, int end)
{
    for (int i = 1; i < end; i++) {
        if (strcmp(argv[i], "--version") == 0) {
            memmove(&argv[i], &argv[i + 1], (size_t)(end - i - 1) * sizeof *argv);
            return true;
        }
    }
    return false;
}

static int run(const struct cli_command *command, int argc, char **argv)
{
    static struct cli_context context; // large: holds the argument tables
    struct vs_error err = {0};
    context.env = vs_env_default();
    context.command = command;
    context.json = asks_for_json(argc, argv);
    vs_buf_init(&context.report, context.env, SIZE_MAX);
    enum vs_status status = run_command(&context, argc, argv, &err);
    cli_progress_end();
    if (fflush(stdout) != 0 && status == VS_OK) {
        status = vs_fail(&err, VS_UNAVAILABLE, "the output could not be written");
    }
    if (status != VS_OK && status != VS_UNKNOWN && atomic_load(&interrupted)) {
        // Input that ends early because of Ctrl-C fails in many ways; this is the reason.
        status = vs_fail(&err, VS_CANCELLED, "cancelled; nothing was changed%s", context.note);
    } else if (status != VS_OK && context.note[0] != '\0') {
        status = vs_fail(&err, status, "%s%s", err.message, context.note);
    }
    if (status != VS_OK) {
        print_error(&context, status, &err);
    }
    vs_json_free(context.doc);
    vs_buf_clear(&context.report);
    vs_db_close(context.db);
    cli_args_clear(&context.args);
    return cli_exit_code(status);
}

int main(int argc, char **argv)
{
    struct sigaction action = {.sa_handler = on_interrupt};
    sigaction(SIGINT, &action, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    int at = find_word(argc, argv, 1);
    if (asks_for_version(argv, at)) {
        return run(&cmd_version, at - 1, argv);
    }
    if (at == argc || strcmp(argv[at], "help") == 0) {
        bool asked = argc > 1 && (at < argc || strcmp(argv[argc - 1], "--help") == 0 ||
                                  strcmp(argv[argc - 1], "-h") == 0);
        return print_help(asked ? stdout : stderr, NULL);
    }
    const char *group = is_group(argv[at]) ? argv[at] : NULL;
    const char *name = argv[at];
    if (group != NULL) {
        remove_word(&argc, argv, at);
        at = find_word(argc, argv, at);
        if (at == argc) {
            bool asked = strcmp(argv[argc - 1], "--help") == 0 || strcmp(argv[argc - 1], "-h") == 0;
            return print_help(asked ? stdout : stderr, group);
        }
        name = argv[at];
    }
    const struct cli_command *command = find_command(group, name);
    if (command == NULL) {
        return fail_unknown_command(group, name, argc, argv);
    }
    remove_word(&argc, argv, at);
    return run(command, argc, argv);
}
