// SPDX-License-Identifier: Apache-2.0
#include "tests/support/scripted_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS_MAX 512
#define REQUESTS_MAX 4096
#define REQUEST_MAX ((size_t)64 << 20)

struct connection {
    struct scripted_server *server;
    pthread_t thread;
    int fd, number;
};

struct record {
    struct scripted_request request;
    char *bytes; // all texts of the request
};

struct scripted_server {
    const struct scripted_step *steps;
    size_t step_count;
    bool *used;
    int listener, port;
    pthread_t thread;
    pthread_mutex_t lock;
    bool stopping;
    struct connection connections[CONNECTIONS_MAX];
    int connection_count;
    struct record *records[REQUESTS_MAX];
    size_t record_count;
    int active, peak;
};

static bool send_all(int fd, const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t sent = send(fd, bytes, n, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) {
            continue;
        }
        if (sent <= 0) {
            return false;
        }
        bytes += sent;
        n -= (size_t)sent;
    }
    return true;
}

static void pause_ms(int ms)
{
    struct timespec left = {ms / 1000, (long)(ms % 1000) * 1000000};
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
}

static const char *find_header(const char *head, const char *name)
{
    size_t len = strlen(name);
    for (const char *line = head; line != NULL && *line != '\0';) {
        if (strncasecmp(line, name, len) == 0 && line[len] == ':') {
            line += len + 1;
            return line + strspn(line, " ");
        }
        line = strchr(line, '\n');
        line = line != NULL ? line + 1 : NULL;
    }
    return NULL;
}

// What has come in of a request.
struct incoming {
    char *bytes; // NUL-terminated
    size_t size, len;
    size_t body_at, want; // 0 until the head is there
};

// Reads once, into a larger place where the last one is full; false when nothing more comes.
static bool read_more(int fd, struct incoming *in)
{
    if (in->len == in->size) {
        size_t size = in->size > 0 ? 2 * in->size : 65536;
        char *grown = size <= REQUEST_MAX ? realloc(in->bytes, size + 1) : NULL;
        if (grown == NULL) {
            return false;
        }
        in->bytes = grown;
        in->size = size;
    }
    ssize_t n = 0;
    do {
        n = recv(fd, in->bytes + in->len, in->size - in->len, 0);
    } while (n < 0 && errno == EINTR);
    if (n <= 0) {
        return false;
    }
    in->len += (size_t)n;
    in->bytes[in->len] = '\0';
    char *end = in->body_at == 0 ? strstr(in->bytes, "\r\n\r\n") : NULL;
    if (end != NULL) {
        end[2] = '\0';
        in->body_at = (size_t)(end - in->bytes) + 4;
        const char *length = find_header(in->bytes, "content-length");
        in->want = in->body_at + (length != NULL ? strtoul(length, NULL, 10) : 0);
    }
    return true;
}

// One request off the socket; NULL at the end of the connection. A client waits for its answer, so
// nothing comes behind it.
static struct record *read_request(const struct connection *connection)
{
    struct incoming in = {.bytes = NULL};
    struct record *record = calloc(1, sizeof *record);
    bool more = record != NULL;
    while (more && (in.body_at == 0 || in.len < in.want)) {
        more = read_more(connection->fd, &in);
    }
    char *bytes = in.bytes;
    if (!more || bytes == NULL) {
        free(bytes);
        free(record);
        return NULL;
    }
    char *target = strchr(bytes, ' '), *line_end = strstr(bytes, "\r\n");
    char *target_end = target != NULL ? strchr(target + 1, ' ') : NULL;
    if (target_end == NULL || line_end == NULL) {
        free(bytes);
        free(record);
        return NULL;
    }
    *target = *target_end = '\0';
    record->bytes = bytes;
    record->request = (struct scripted_request){.method = bytes,
                                                .target = target + 1,
                                                .head = line_end + 2,
                                                .body = bytes + in.body_at,
                                                .body_len = in.want - in.body_at,
                                                .connection = connection->number};
    return record;
}

// Notes the request and says what to do with it.
static const struct scripted_step *take_step(struct scripted_server *server,
                                             struct record *record,
                                             bool is_first)
{
    const struct scripted_step *step = NULL;
    char line[4096];
    (void)snprintf(line, sizeof line, "%s %s", record->request.method, record->request.target);
    (void)pthread_mutex_lock(&server->lock);
    if (server->record_count == REQUESTS_MAX) {
        fprintf(stderr, "scripted_server: too many requests\n");
        abort();
    }
    server->records[server->record_count++] = record;
    server->active++;
    server->peak = server->active > server->peak ? server->active : server->peak;
    for (size_t i = 0; i < server->step_count && step == NULL; i++) {
        const struct scripted_step *candidate = &server->steps[i];
        if (!server->used[i] && !(candidate->same_socket && is_first) &&
            (candidate->match == NULL || strstr(line, candidate->match) != NULL)) {
            step = candidate;
            server->used[i] = !candidate->repeat;
        }
    }
    (void)pthread_mutex_unlock(&server->lock);
    return step;
}

// Until the other side goes away or the test ends.
static void wait_for_end(struct scripted_server *server, int fd)
{
    for (bool stopping = false; !stopping;) {
        char byte;
        struct pollfd poller = {.fd = fd, .events = POLLIN};
        if (poll(&poller, 1, 20) > 0 && recv(fd, &byte, 1, MSG_PEEK) <= 0) {
            return;
        }
        (void)pthread_mutex_lock(&server->lock);
        stopping = server->stopping;
        (void)pthread_mutex_unlock(&server->lock);
    }
}

// True when the connection stays.
static bool act(struct scripted_server *server,
                int fd,
                const struct scripted_step *step,
                const struct scripted_request *request)
{
    static const struct scripted_step none = {
        .act = SCRIPTED_ANSWER, .status = 599, .body = "no step for this request"};
    step = step != NULL ? step : &none;
    size_t body_len =
        step->body_len > 0 ? step->body_len : (step->body != NULL ? strlen(step->body) : 0);
    char head[4096];
    if (step->delay_ms > 0) {
        pause_ms(step->delay_ms);
    }
    if (step->act == SCRIPTED_CLOSE) {
        return false;
    }
    if (step->act == SCRIPTED_STALL) {
        wait_for_end(server, fd);
        return false;
    }
    if (step->act == SCRIPTED_RAW) {
        (void)send_all(fd, step->body, body_len);
        return false;
    }
    int head_len =
        snprintf(head, sizeof head, "HTTP/1.1 %d Scripted\r\nContent-Length: %zu\r\n%s%s\r\n",
                 step->status != 0 ? step->status : 200, body_len,
                 step->headers != NULL ? step->headers : "",
                 step->act == SCRIPTED_ANSWER ? "" : "Connection: close\r\n");
    if (head_len < 0 || (size_t)head_len >= sizeof head || !send_all(fd, head, (size_t)head_len)) {
        return false;
    }
    if (strcmp(request->method, "HEAD") != 0) {
        size_t n = step->act == SCRIPTED_CUT ? step->cut_at : body_len;
        if (!send_all(fd, step->body != NULL ? step->body : "", n)) {
            return false;
        }
    }
    return step->act == SCRIPTED_ANSWER;
}

static void *serve(void *ctx)
{
    const struct connection *connection = (const struct connection *)ctx;
    struct scripted_server *server = connection->server;
    bool first = true;
    for (;;) {
        struct record *record = read_request(connection);
        if (record == NULL) {
            break;
        }
        const struct scripted_step *step = take_step(server, record, first);
        bool stays = act(server, connection->fd, step, &record->request);
        first = false;
        (void)pthread_mutex_lock(&server->lock);
        server->active--;
        (void)pthread_mutex_unlock(&server->lock);
        if (!stays) {
            break;
        }
    }
    (void)shutdown(connection->fd, SHUT_RDWR); // closed by stop, which also knows the number
    return NULL;
}

static void *accept_all(void *ctx)
{
    struct scripted_server *server = (struct scripted_server *)ctx;
    for (;;) {
        int fd = accept(server->listener, NULL, NULL), one = 1;
        if (fd < 0 && errno == EINTR) {
            continue;
        }
        if (fd < 0) {
            return NULL;
        }
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        (void)pthread_mutex_lock(&server->lock);
        if (server->stopping || server->connection_count == CONNECTIONS_MAX) {
            (void)close(fd);
        } else {
            int number = server->connection_count;
            struct connection *connection = &server->connections[number];
            *connection = (struct connection){.server = server, .fd = fd, .number = number};
            if (pthread_create(&connection->thread, NULL, serve, connection) == 0) {
                server->connection_count++;
            } else {
                (void)close(fd);
            }
        }
        (void)pthread_mutex_unlock(&server->lock);
    }
}

struct scripted_server *scripted_start(const struct scripted_step *steps, size_t count)
{
    struct scripted_server *server = calloc(1, sizeof *server);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    if (server == NULL) {
        return NULL;
    }
    server->steps = steps;
    server->step_count = count;
    server->used = calloc(count + 1, sizeof *server->used);
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (server->used == NULL || server->listener < 0 ||
        bind(server->listener, (const struct sockaddr *)&address, size) != 0 ||
        listen(server->listener, 128) != 0 ||
        getsockname(server->listener, (struct sockaddr *)&address, &size) != 0 ||
        pthread_mutex_init(&server->lock, NULL) != 0 ||
        pthread_create(&server->thread, NULL, accept_all, server) != 0) {
        fprintf(stderr, "scripted_server: cannot listen on loopback\n");
        free(server->used);
        free(server);
        return NULL;
    }
    server->port = ntohs(address.sin_port);
    return server;
}

void scripted_stop(struct scripted_server *server)
{
    if (server == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&server->lock);
    server->stopping = true;
    for (int i = 0; i < server->connection_count; i++) {
        (void)shutdown(server->connections[i].fd, SHUT_RDWR);
    }
    (void)pthread_mutex_unlock(&server->lock);
    (void)shutdown(server->listener, SHUT_RDWR); // wakes accept
    (void)pthread_join(server->thread, NULL);
    (void)close(server->listener);
    for (int i = 0; i < server->connection_count; i++) {
        (void)pthread_join(server->connections[i].thread, NULL);
        (void)close(server->connections[i].fd);
    }
    for (size_t i = 0; i < server->record_count; i++) {
        free(server->records[i]->bytes);
        free(server->records[i]);
    }
    (void)pthread_mutex_destroy(&server->lock);
    free(server->used);
    free(server);
}

int scripted_port(const struct scripted_server *server)
{
    return server->port;
}

void scripted_url(const struct scripted_server *server, const char *path, char *text, size_t size)
{
    (void)snprintf(text, size, "http://127.0.0.1:%d%s", server->port, path);
}

size_t scripted_request_count(struct scripted_server *server)
{
    (void)pthread_mutex_lock(&server->lock);
    size_t count = server->record_count;
    (void)pthread_mutex_unlock(&server->lock);
    return count;
}

const struct scripted_request *scripted_request_at(struct scripted_server *server, size_t n)
{
    (void)pthread_mutex_lock(&server->lock);
    const struct record *record = n < server->record_count ? server->records[n] : NULL;
    (void)pthread_mutex_unlock(&server->lock);
    return record != NULL ? &record->request : NULL;
}

bool scripted_header(const struct scripted_request *request,
                     const char *name,
                     char *text,
                     size_t size)
{
    const char *value = request != NULL ? find_header(request->head, name) : NULL;
    if (value == NULL) {
        return false;
    }
    (void)snprintf(text, size, "%.*s", (int)strcspn(value, "\r\n"), value);
    return true;
}

int scripted_connection_count(struct scripted_server *server)
{
    (void)pthread_mutex_lock(&server->lock);
    int count = server->connection_count;
    (void)pthread_mutex_unlock(&server->lock);
    return count;
}

int scripted_parallel_peak(struct scripted_server *server)
{
    (void)pthread_mutex_lock(&server->lock);
    int peak = server->peak;
    (void)pthread_mutex_unlock(&server->lock);
    return peak;
}
