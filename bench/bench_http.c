// SPDX-License-Identifier: Apache-2.0
/*
 * Asks a vecstore server queries over keep-alive connections and measures round trips.
 *
 *   bench_http PORT TABLE json|raw|livez CONNECTIONS REQUESTS QUERIES.f32 DIM K
 *
 * One thread, epoll; each connection has one request in flight. Ids and scores only ("select":[]).
 * livez asks GET /livez instead: the cost of the HTTP part alone. One JSON line: QPS, p50, p99.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_CONNECTIONS 256
#define REPLY_BYTES ((size_t)1 << 16)
#define WARM_UP 200

struct request {
    char *bytes;
    size_t len;
};

struct connection {
    int fd;
    double start;
    char *reply;
    size_t got;
};

struct client {
    int epoll;
    struct connection connections[MAX_CONNECTIONS];
    struct request *requests;
    size_t request_count, sent, done, goal;
    double *times;
    uint64_t reply_bytes;
};

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static double now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec * 1e-3;
}

// ---- requests ----

static size_t write_body(char *body, size_t room, const float *vector, size_t dim, int k)
{
    size_t len = (size_t)snprintf(body, room, "{\"vector\":[");
    for (size_t i = 0; i < dim; i++) {
        len +=
            (size_t)snprintf(body + len, room - len, "%s%.9g", i > 0 ? "," : "", (double)vector[i]);
    }
    return len + (size_t)snprintf(body + len, room - len, "],\"k\":%d,\"select\":[]}", k);
}

static struct request make_request(
    const char *table, const char *form, const float *vector, size_t dim, int k)
{
    size_t room = dim * 20 + 1024, body_len = 0;
    char *body = malloc(room);
    struct request request = {.bytes = malloc(room + 1024)};
    if (body == NULL || request.bytes == NULL) {
        die("memory");
    }
    if (strcmp(form, "livez") == 0) {
        request.len =
            (size_t)snprintf(request.bytes, 1024, "GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    } else if (strcmp(form, "json") == 0) {
        body_len = write_body(body, room, vector, dim, k);
        request.len = (size_t)snprintf(request.bytes, 1024,
                                       "POST /v1/tables/%s/query HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                                       "Content-Type: application/json\r\n"
                                       "Content-Length: %zu\r\n\r\n",
                                       table, body_len);
    } else {
        body_len = dim * sizeof *vector;
        memcpy(body, vector, body_len);
        request.len = (size_t)snprintf(request.bytes, 1024,
                                       "POST /v1/tables/%s/query?k=%d&select= HTTP/1.1\r\n"
                                       "Host: 127.0.0.1\r\n"
                                       "Content-Type: application/octet-stream\r\n"
                                       "Content-Length: %zu\r\n\r\n",
                                       table, k, body_len);
    }
    memcpy(request.bytes + request.len, body, body_len);
    request.len += body_len;
    free(body);
    return request;
}

static void read_requests(
    struct client *client, const char *path, const char *table, const char *form, size_t dim, int k)
{
    FILE *file = fopen(path, "rb");
    float *vector = malloc(dim * sizeof *vector);
    client->requests = calloc(4096, sizeof *client->requests);
    if (file == NULL || vector == NULL || client->requests == NULL) {
        die(path);
    }
    while (client->request_count < 4096 && fread(vector, sizeof *vector, dim, file) == dim) {
        client->requests[client->request_count++] = make_request(table, form, vector, dim, k);
    }
    (void)fclose(file);
    free(vector);
    if (client->request_count == 0) {
        fprintf(stderr, "%s holds no vector of %zu dimensions\n", path, dim);
        exit(1);
    }
}

// ---- connections ----

static void open_connection(struct client *client, struct connection *connection, unsigned port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int on = 1;
    connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    connection->reply = malloc(REPLY_BYTES + 1);
    if (connection->fd < 0 || connection->reply == NULL ||
        connect(connection->fd, (const struct sockaddr *)&address, sizeof address) != 0 ||
        setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) {
        die("connect");
    }
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    if (epoll_ctl(client->epoll, EPOLL_CTL_ADD, connection->fd, &event) != 0) {
        die("epoll");
    }
}

static void send_next(struct client *client, struct connection *connection)
{
    const struct request *request = &client->requests[client->sent++ % client->request_count];
    connection->got = 0;
    connection->start = now_us();
    for (size_t at = 0; at < request->len;) {
        ssize_t n = send(connection->fd, request->bytes + at, request->len - at, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR) {
            die("send");
        }
        at += n > 0 ? (size_t)n : 0;
    }
}

static void refuse(const char *why, const char *reply)
{
    fprintf(stderr, "%s:\n%.600s\n", why, reply);
    exit(1);
}

// Whether the whole reply is there; anything but 200 with hits ends the program.
static bool is_complete(const struct connection *connection, bool with_hits)
{
    const char *body = strstr(connection->reply, "\r\n\r\n");
    if (body == NULL) {
        return false;
    }
    const char *length = strcasestr(connection->reply, "\r\nContent-Length:");
    if (strncmp(connection->reply, "HTTP/1.1 200", 12) != 0 || length == NULL || length > body) {
        refuse("not 200 with a length", connection->reply);
    }
    size_t head = (size_t)(body + 4 - connection->reply);
    if (connection->got < head + strtoul(length + 17, NULL, 10)) {
        return false;
    }
    if (with_hits && strstr(body, "\"hits\":[{") == NULL) {
        refuse("no hits", connection->reply);
    }
    return true;
}

static void receive(struct client *client, struct connection *connection, bool with_hits)
{
    ssize_t n =
        recv(connection->fd, connection->reply + connection->got, REPLY_BYTES - connection->got, 0);
    if (n <= 0) {
        die(n == 0 ? "the server closed the connection" : "recv");
    }
    connection->got += (size_t)n;
    connection->reply[connection->got] = 0;
    if (!is_complete(connection, with_hits)) {
        return;
    }
    client->times[client->done++] = now_us() - connection->start;
    client->reply_bytes += connection->got;
    if (client->sent < client->goal) {
        send_next(client, connection);
    }
}

static double run(struct client *client, size_t connections, size_t goal, bool with_hits)
{
    struct epoll_event events[MAX_CONNECTIONS];
    client->sent = client->done = 0;
    client->goal = goal;
    client->reply_bytes = 0;
    double start = now_us();
    for (size_t i = 0; i < connections && client->sent < goal; i++) {
        send_next(client, &client->connections[i]);
    }
    while (client->done < goal) {
        int count = epoll_wait(client->epoll, events, MAX_CONNECTIONS, 10000);
        if (count == 0) {
            fprintf(stderr, "no answer within 10 seconds\n");
            exit(1);
        }
        for (int i = 0; i < count; i++) {
            receive(client, events[i].data.ptr, with_hits);
        }
    }
    return (now_us() - start) * 1e-6;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    size_t connections = argc == 9 ? (size_t)strtoul(argv[4], NULL, 10) : 0;
    size_t goal = argc == 9 ? (size_t)strtoul(argv[5], NULL, 10) : 0;
    size_t dim = argc == 9 ? (size_t)strtoul(argv[7], NULL, 10) : 0;
    if (connections == 0 || connections > MAX_CONNECTIONS || goal == 0 || dim == 0) {
        fprintf(stderr, "usage: bench_http PORT TABLE json|raw|livez CONNECTIONS REQUESTS "
                        "QUERIES.f32 DIM K\n");
        return 2;
    }
    static struct client client;
    bool with_hits = strcmp(argv[3], "livez") != 0;
    read_requests(&client, argv[6], argv[2], argv[3], dim, (int)strtol(argv[8], NULL, 10));
    client.epoll = epoll_create1(EPOLL_CLOEXEC);
    client.times = calloc(goal > WARM_UP ? goal : WARM_UP, sizeof *client.times);
    if (client.epoll < 0 || client.times == NULL) {
        die("epoll");
    }
    for (size_t i = 0; i < connections; i++) {
        open_connection(&client, &client.connections[i], (unsigned)strtoul(argv[1], NULL, 10));
    }
    run(&client, connections, WARM_UP, with_hits);
    double seconds = run(&client, connections, goal, with_hits);
    qsort(client.times, goal, sizeof *client.times, by_value);
    printf("{\"form\":\"%s\",\"connections\":%zu,\"requests\":%zu,\"qps\":%.1f,\"p50_us\":%.1f,"
           "\"p99_us\":%.1f,\"request_bytes\":%zu,\"reply_bytes\":%.0f}\n",
           argv[3], connections, goal, (double)goal / seconds, client.times[goal / 2],
           client.times[goal * 99 / 100], client.requests[0].len,
           (double)client.reply_bytes / (double)goal);
    return 0;
}
