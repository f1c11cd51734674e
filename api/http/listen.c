// SPDX-License-Identifier: Apache-2.0
#include "api/http/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 1024

static enum vs_status malformed(struct vs_str text, struct vs_error *err)
{
    return vs_fail(err, VS_INVALID,
                   "'%.*s' is no address to listen on; give HOST:PORT, for example 127.0.0.1:8080 "
                   "or [::1]:8080",
                   VS_STR_ARG(text));
}

// The last ':' divides, unless it stands in brackets.
static bool split_port(struct vs_str text, struct vs_str *host_out, struct vs_str *port_out)
{
    for (size_t i = text.len; i > 0 && text.ptr[i - 1] != ']'; i--) {
        if (text.ptr[i - 1] == ':') {
            *host_out = (struct vs_str){text.ptr, i - 1};
            *port_out = (struct vs_str){text.ptr + i, text.len - i};
            return true;
        }
    }
    return false;
}

enum vs_status vs_listen_parse(struct vs_str text,
                               struct vs_listen_address *address_out,
                               struct vs_error *err)
{
    struct vs_str host, port;
    uint64_t number;
    if (!split_port(text, &host, &port) || vs_parse_u64(port, &number, NULL) != VS_OK) {
        return malformed(text, err);
    }
    if (number > 65535) {
        return vs_fail(err, VS_INVALID, "'%.*s': a port is at most 65535", VS_STR_ARG(text));
    }
    bool ipv6 = host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']';
    struct in6_addr v6;
    struct in_addr v4;
    char name[64];
    struct vs_str bare = ipv6 ? (struct vs_str){host.ptr + 1, host.len - 2} : host;
    if (bare.len >= sizeof name) {
        return malformed(text, err);
    }
    memcpy(name, bare.ptr, bare.len);
    name[bare.len] = '\0';
    bool is_name = host.len == 0 || strcmp(name, "localhost") == 0;
    bool valid = is_name ||
                 (ipv6 ? inet_pton(AF_INET6, name, &v6) == 1 : inet_pton(AF_INET, name, &v4) == 1);
    if (!valid) {
        return malformed(text, err);
    }
    bool loopback =
        is_name || (ipv6 ? IN6_IS_ADDR_LOOPBACK(&v6) : v4.s_addr == htonl(INADDR_LOOPBACK));
    if (!loopback) {
        return vs_fail(err, VS_DENIED,
                       "%.*s can be reached by other machines, and this version has no access "
                       "tokens yet; listen on 127.0.0.1 or [::1] (a proxy "
                       "on this machine can check who asks)",
                       VS_STR_ARG(host));
    }
    *address_out = (struct vs_listen_address){.ipv6 = ipv6, .port = (uint16_t)number};
    return VS_OK;
}

static enum vs_status bind_socket(int fd,
                                  const struct vs_listen_address *address,
                                  struct vs_error *err)
{
    int yes = 1;
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6,
                              .sin6_addr = IN6ADDR_LOOPBACK_INIT,
                              .sin6_port = htons(address->port)};
    struct sockaddr_in v4 = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons(address->port)};
    const struct sockaddr *name =
        address->ipv6 ? (const struct sockaddr *)&v6 : (const struct sockaddr *)&v4;
    socklen_t len = address->ipv6 ? sizeof v6 : sizeof v4;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(fd, name, len) == 0 && listen(fd, BACKLOG) == 0) {
        return VS_OK;
    }
    if (errno == EADDRINUSE) {
        return vs_fail(err, VS_EXISTS,
                       "port %u is in use by another program; stop it, or choose another with "
                       "--listen 127.0.0.1:PORT (0: a free one)",
                       address->port);
    }
    return vs_fail_errno(err, errno, "cannot listen on port %u", address->port);
}

enum vs_status vs_listen_open(const struct vs_listen_address *address,
                              int *fd_out,
                              char url_out[VS_LISTEN_URL_SIZE],
                              struct vs_error *err)
{
    int fd =
        socket(address->ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return vs_fail_errno(err, errno, "no socket to listen on");
    }

    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } bound;

    memset(&bound, 0, sizeof bound);
    socklen_t len = sizeof bound;
    enum vs_status status = bind_socket(fd, address, err);
    if (status == VS_OK && getsockname(fd, &bound.any, &len) != 0) {
        status = vs_fail_errno(err, errno, "the port cannot be found out");
    }
    if (status != VS_OK) {
        close(fd);
        return status;
    }
    in_port_t port = address->ipv6 ? bound.v6.sin6_port : bound.v4.sin_port;
    snprintf(url_out, VS_LISTEN_URL_SIZE, "http://%s:%u", address->ipv6 ? "[::1]" : "127.0.0.1",
             ntohs(port));
    *fd_out = fd;
    return VS_OK;
}
