// SPDX-License-Identifier: Apache-2.0
/*
 * Absolute deadlines of connections: a thread shuts sockets down whose peer is too slow.
 *
 * The HTTP library's own timeout is one of inactivity: a byte now and then keeps a connection open
 * for ever. Here every phase of a connection (head, body, reply, idle) has a point in time by which
 * it must be over. Ownership: entries are embedded in the caller's connection; the socket stays the
 * caller's. The caller removes an entry before it closes the socket, so that a deadline never hits
 * a descriptor that was given out again. Threads: arm from the connection's thread; add and remove
 * from any.
 */
#ifndef VS_HTTP_WATCHDOG_H
#define VS_HTTP_WATCHDOG_H

#include "vecstore/base/env.h"

#include <stdatomic.h>

struct vs_watchdog;

struct vs_watched {
    struct vs_watched *previous, *next;
    _Atomic int64_t due; // see watchdog.c
    int fd;
};

enum vs_status vs_watchdog_start(const struct vs_env *env,
                                 struct vs_watchdog **watchdog_out,
                                 struct vs_error *err);
void vs_watchdog_stop(struct vs_watchdog *watchdog); // accepts NULL; entries must be gone

// Watches fd; due_ns is monotonic. With `tell` the peer is sent a 408 first.
void vs_watchdog_add(
    struct vs_watchdog *watchdog, struct vs_watched *entry, int fd, int64_t due_ns, bool tell);
// The next phase: a new deadline (0: none). False when the last one has passed: the socket is shut
// down.
bool vs_watchdog_arm(struct vs_watched *entry, int64_t due_ns, bool tell);
void vs_watchdog_remove(struct vs_watchdog *watchdog, struct vs_watched *entry);

// Reads and drops what the peer still sends, for a short time, so that an early answer is not lost
// in a connection reset. Takes a descriptor of its own (a duplicate) and closes it.
void vs_watchdog_linger(struct vs_watchdog *watchdog, int fd);

#endif
