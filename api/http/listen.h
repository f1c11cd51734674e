// SPDX-License-Identifier: Apache-2.0
/*
 * "127.0.0.1:8080", "[::1]:8080", "localhost:8080", ":8080" to a listening socket. Loopback only.
 */
#ifndef VS_HTTP_LISTEN_H
#define VS_HTTP_LISTEN_H

#include "vecstore/base/str.h"

#define VS_LISTEN_URL_SIZE 64

struct vs_listen_address {
    bool ipv6;     // [::1], else 127.0.0.1
    uint16_t port; // 0: a free one
};

// INVALID: no address; DENIED: another machine could reach it.
enum vs_status vs_listen_parse(struct vs_str text,
                               struct vs_listen_address *address_out,
                               struct vs_error *err);
// EXISTS when the port is taken. url_out gets "http://127.0.0.1:8080" with the port that was got.
enum vs_status vs_listen_open(const struct vs_listen_address *address,
                              int *fd_out,
                              char url_out[VS_LISTEN_URL_SIZE],
                              struct vs_error *err);

#endif
