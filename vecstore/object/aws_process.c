// SPDX-License-Identifier: Apache-2.0
// credential_process: a program of the user's that prints credentials as JSON. It is started
// without a shell, with nothing on its input, its messages dropped, its output bounded, and killed
// with all that it started when its time is up.
#include "vecstore/base/json.h"
#include "vecstore/object/aws_credentials_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORDS_MAX 64
#define COMMAND_MAX ((size_t)8 << 10)
#define EXIT_WAIT_MS 1000

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

// Appends one word, quotes and backslashes taken away as a shell would, and a NUL. Returns how many
// bytes it took, 0 when a quote is not closed.
static size_t take_word(struct vs_str text,
                        struct vs_buf *out,
                        enum vs_status *status,
                        struct vs_error *err)
{
    char quote = '\0';
    size_t i = 0;
    for (; i < text.len && (quote != '\0' || !is_blank(text.ptr[i])) && *status == VS_OK; i++) {
        char c = text.ptr[i];
        bool more = i + 1 < text.len;
        if (quote == '\0' && (c == '"' || c == '\'')) {
            quote = c;
        } else if (quote != '\0' && c == quote) {
            quote = '\0';
        } else if (c == '\\' && more &&
                   (quote == '\0' ||
                    (quote == '"' && (text.ptr[i + 1] == '"' || text.ptr[i + 1] == '\\')))) {
            i++;
            *status = vs_buf_append_byte(out, (uint8_t)text.ptr[i], err);
        } else {
            *status = vs_buf_append_byte(out, (uint8_t)c, err);
        }
    }
    if (*status == VS_OK) {
        *status = vs_buf_append_byte(out, 0, err);
    }
    return quote == '\0' ? i : 0;
}

// Words with a NUL behind each, one after the other.
static enum vs_status split_words(struct vs_str command,
                                  struct vs_buf *words,
                                  size_t *count_out,
                                  struct vs_error *err)
{
    size_t count = 0;
    enum vs_status status = VS_OK;
    for (;;) {
        command = vs_str_trim(command);
        if (command.len == 0) {
            break;
        }
        size_t taken = take_word(command, words, &status, err);
        if (status != VS_OK) {
            return status;
        }
        if (taken == 0 || ++count > WORDS_MAX) {
            return vs_fail(err, VS_INVALID, "credential_process: %s",
                           taken == 0 ? "a quote is not closed" : "too many words");
        }
        command.ptr += taken;
        command.len -= taken;
    }
    *count_out = count;
    return VS_OK;
}

// The child: own process group, default signals, output to `out`.
static int spawn(char *const argv[], int out, pid_t *pid_out)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    (void)sigemptyset(&none);
    (void)sigfillset(&all);
    int code = posix_spawn_file_actions_init(&actions);
    if (code != 0) {
        return code;
    }
    code = posix_spawnattr_init(&attributes);
    if (code != 0) {
        (void)posix_spawn_file_actions_destroy(&actions);
        return code;
    }
    const short flags = POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
    code = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    code = code != 0 ? code : posix_spawn_file_actions_adddup2(&actions, out, 1);
    code =
        code != 0 ? code : posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    code = code != 0 ? code : posix_spawnattr_setflags(&attributes, flags);
    code = code != 0 ? code : posix_spawnattr_setpgroup(&attributes, 0);
    code = code != 0 ? code : posix_spawnattr_setsigmask(&attributes, &none);
    code = code != 0 ? code : posix_spawnattr_setsigdefault(&attributes, &all);
    code = code != 0 ? code : posix_spawnp(pid_out, argv[0], &actions, &attributes, argv, environ);
    (void)posix_spawnattr_destroy(&attributes);
    (void)posix_spawn_file_actions_destroy(&actions);
    return code;
}

static int64_t left_ms(const struct vs_env *env, int64_t deadline_ns)
{
    int64_t left = (deadline_ns - vs_monotonic_ns(env)) / 1000000;
    return left > 0 ? left : 0;
}

// Everything up to the end of the output.
static enum vs_status read_output(
    const struct vs_env *env, int fd, int64_t deadline_ns, struct vs_buf *out, struct vs_error *err)
{
    for (;;) {
        struct pollfd wait_for = {.fd = fd, .events = POLLIN};
        int64_t left = left_ms(env, deadline_ns);
        int ready = left > 0 ? poll(&wait_for, 1, (int)left) : 0;
        if (ready < 0 && errno == EINTR) {
            continue;
        }
        if (ready <= 0) {
            return vs_fail(err, VS_TIMEOUT, "credential_process: it did not end in time");
        }
        char bytes[4096];
        ssize_t n = read(fd, bytes, sizeof bytes);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        enum vs_status status =
            n < 0 ? vs_fail_errno(err, errno, "credential_process: cannot read its output")
                  : (n > 0 ? vs_buf_append(out, bytes, (size_t)n, NULL) : VS_OK);
        explicit_bzero(bytes, sizeof bytes);
        if (status == VS_LIMIT) {
            return vs_fail(err, VS_LIMIT, "credential_process: it prints too much");
        }
        if (status != VS_OK || n == 0) {
            return status == VS_NO_MEMORY
                       ? vs_fail(err, VS_NO_MEMORY, "credential_process: out of memory")
                       : status;
        }
    }
}

// Waits a moment for the end of the process, then ends it. True when it ended well.
static bool reap(pid_t pid, bool wait_first)
{
    int result = 0;
    pid_t ended = 0;
    const struct timespec pause = {0, 5000000};
    for (int waited_ms = 0; wait_first && waited_ms < EXIT_WAIT_MS; waited_ms += 5) {
        ended = waitpid(pid, &result, WNOHANG);
        if (ended != 0 && !(ended < 0 && errno == EINTR)) {
            break;
        }
        (void)nanosleep(&pause, NULL);
    }
    if (ended == 0) {
        (void)kill(-pid, SIGKILL);
        do {
            ended = waitpid(pid, &result, 0);
        } while (ended < 0 && errno == EINTR);
        return false;
    }
    // ECHILD: the program around us ignores SIGCHLD; then the output has to speak for itself.
    return ended < 0 ? errno == ECHILD : WIFEXITED(result) && WEXITSTATUS(result) == 0;
}

static enum vs_status run(const struct vs_aws_search *search,
                          char *const argv[],
                          struct vs_buf *out,
                          struct vs_error *err)
{
    int pipe_fds[2] = {-1, -1};
    pid_t pid = -1;
    if (pipe2(pipe_fds, O_CLOEXEC) != 0) {
        return vs_fail_errno(err, errno, "credential_process: no pipe");
    }
    int code = spawn(argv, pipe_fds[1], &pid);
    (void)close(pipe_fds[1]);
    enum vs_status status = VS_OK;
    if (code != 0) {
        status = vs_fail(err, VS_INVALID, "credential_process: '%.60s' cannot be started: %s",
                         argv[0], strerrordesc_np(code));
    } else {
        int64_t deadline_ns =
            vs_monotonic_ns(search->env) + search->process_timeout_ms * INT64_C(1000000);
        status = read_output(search->env, pipe_fds[0], deadline_ns, out, err);
        if (!reap(pid, status == VS_OK) && status == VS_OK) {
            status = vs_fail(err, VS_DENIED, "credential_process: '%.60s' failed", argv[0]);
        }
    }
    (void)close(pipe_fds[0]);
    return status;
}

// {"Version": 1, …}
static enum vs_status check_version(const struct vs_env *env,
                                    struct vs_str json,
                                    struct vs_error *err)
{
    struct vs_json_doc *doc = NULL;
    int64_t version = 0;
    enum vs_status status =
        vs_json_parse(env, json, "the output of credential_process", NULL, &doc, NULL);
    if (status == VS_NO_MEMORY) {
        return vs_fail(err, status, "credential_process: out of memory");
    }
    bool right = status == VS_OK &&
                 vs_json_to_i64(vs_json_get(vs_json_root(doc), "Version"), &version) &&
                 version == 1;
    if (status == VS_OK) {
        vs_json_free(doc);
    }
    return right ? VS_OK
                 : vs_fail(err, VS_CORRUPT,
                           "credential_process: its output is no JSON object with \"Version\": 1");
}

enum vs_status vs_aws_from_process(struct vs_aws_search *search,
                                   struct vs_str command,
                                   struct vs_aws_secret *secret,
                                   struct vs_error *err)
{
    char *argv[WORDS_MAX + 1];
    struct vs_buf words, out;
    size_t count = 0;
    vs_buf_init(&words, search->env, COMMAND_MAX);
    vs_buf_init(&out, search->env, VS_AWS_ANSWER_LIMIT);
    enum vs_status status = split_words(command, &words, &count, err);
    if (status == VS_OK && count == 0) {
        status = vs_fail(err, VS_INVALID, "credential_process: the command is empty");
    }
    if (status != VS_OK) {
        goto done;
    }
    char *at = (char *)words.data;
    for (size_t i = 0; i < count; i++) {
        argv[i] = at;
        at += strlen(at) + 1;
    }
    argv[count] = NULL;
    status = run(search, argv, &out, err);
    if (status == VS_OK) {
        status = check_version(search->env, vs_buf_view(&out), err);
    }
    if (status == VS_OK) {
        status = vs_aws_secret_parse(secret, vs_buf_view(&out), "SessionToken",
                                     "credential_process", err);
    }
done:
    vs_buf_clear(&words);
    vs_buf_clear(&out);
    return status;
}
