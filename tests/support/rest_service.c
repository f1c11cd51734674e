// SPDX-License-Identifier: Apache-2.0
#include "tests/support/rest_service.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct rest_service {
    int listener, port;
    rest_handler_fn handler;
    void *ctx;
    atomic_bool stops;
    pthread_t thread;
    struct rest_seen seen;
    struct rest_reply reply;
    char buffer[REST_BODY_MAX + 16384];
};

bool rest_seen_header(const struct rest_seen *seen, const char *name, char *out, size_t size)
{
    size_t len = strlen(name);
    for (const char *line = seen->headers; line != NULL && *line != '\0';) {
        if (strncmp(line, name, len) == 0 && line[len] == ':') {
            const char *value = line + len + 1;
            value += strspn(value, " ");
            size_t n = strcspn(value, "\r\n");
            (void)snprintf(out, size, "%.*s", (int)n, value);
            return true;
        }
        line = strchr(line, '\n');
        line = line != NULL ? line + 1 : NULL;
    }
    return false;
}

static void lower_names(char *headers)
{
    bool in_name = true;
    for (char *c = headers; *c != '\0'; c++) {
        in_name = *c == '\n' ? true : (*c == ':' ? false : in_name);
        if (in_name) {
            *c = (char)tolower((unsigned char)*c);
        }
    }
}

// Reads one request; false when the connection ends before it is whole.
static bool read_request(struct rest_service *s, int fd)
{
    size_t have = 0, want = SIZE_MAX;
    char *body = NULL;
    struct rest_seen *seen = &s->seen;
    while (have < want && have < sizeof s->buffer - 1) {
        ssize_t n = recv(fd, s->buffer + have, sizeof s->buffer - 1 - have, 0);
        if (n <= 0) {
            return false;
        }
        have += (size_t)n;
        s->buffer[have] = '\0';
        if (body == NULL && (body = strstr(s->buffer, "\r\n\r\n")) != NULL) {
            char length[32] = "0";
            body += 4;
            char *lines = strstr(s->buffer, "\r\n") + 2;
            (void)snprintf(seen->headers, sizeof seen->headers, "%.*s", (int)(body - 2 - lines),
                           lines);
            lower_names(seen->headers);
            if (sscanf(s->buffer, "%15s %4095s", seen->method, seen->target) != 2) {
                return false;
            }
            char expect[32];
            if (rest_seen_header(seen, "expect", expect, sizeof expect)) {
                (void)send(fd, "HTTP/1.1 100 Continue\r\n\r\n", 25, MSG_NOSIGNAL);
            }
            (void)rest_seen_header(seen, "content-length", length, sizeof length);
            want = (size_t)(body - s->buffer) + (size_t)strtoul(length, NULL, 10);
        }
    }
    if (body == NULL) {
        return false; // a head larger than the buffer
    }
    seen->body_len = have - (size_t)(body - s->buffer);
    if (seen->body_len >= sizeof seen->body) {
        return false;
    }
    memcpy(seen->body, body, seen->body_len);
    seen->body[seen->body_len] = '\0';
    return true;
}

static void serve(struct rest_service *s, int fd)
{
    char head[2048];
    if (!read_request(s, fd)) {
        return;
    }
    s->reply.status = 200;
    s->reply.drop = false;
    s->reply.headers[0] = s->reply.body[0] = '\0';
    s->handler(s->ctx, &s->seen, &s->reply);
    if (s->reply.drop) {
        return;
    }
    int len = snprintf(head, sizeof head,
                       "HTTP/1.1 %d Answer\r\nContent-Type: application/json\r\nConnection: close"
                       "\r\nContent-Length: %zu\r\n%s\r\n",
                       s->reply.status, strlen(s->reply.body), s->reply.headers);
    (void)send(fd, head, (size_t)len, MSG_NOSIGNAL);
    (void)send(fd, s->reply.body, strlen(s->reply.body), MSG_NOSIGNAL);
}

static void *run(void *arg)
{
    struct rest_service *s = arg;
    for (;;) {
        int fd = accept(s->listener, NULL, NULL);
        if (s->stops || fd < 0) {
            if (fd >= 0) {
                (void)close(fd);
            }
            return NULL;
        }
        serve(s, fd);
        (void)close(fd);
    }
}

struct rest_service *rest_service_start(rest_handler_fn handler, void *ctx)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    struct rest_service *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return NULL;
    }
    s->handler = handler;
    s->ctx = ctx;
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s->listener < 0 || bind(s->listener, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(s->listener, 64) != 0 ||
        getsockname(s->listener, (struct sockaddr *)&address, &size) != 0 ||
        pthread_create(&s->thread, NULL, run, s) != 0) {
        (void)close(s->listener);
        free(s);
        return NULL;
    }
    s->port = ntohs(address.sin_port);
    return s;
}

int rest_service_port(const struct rest_service *service)
{
    return service->port;
}

void rest_service_stop(struct rest_service *service)
{
    if (service == NULL) {
        return;
    }
    service->stops = true;
    (void)shutdown(service->listener, SHUT_RDWR); // wakes accept
    (void)pthread_join(service->thread, NULL);
    (void)close(service->listener);
    free(service);
}
