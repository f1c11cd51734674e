// SPDX-License-Identifier: Apache-2.0
/*
 * What handlers share: the opened warehouse and the settings and state of the server.
 *
 * Ownership: borrows env and db; owns the OpenAPI document. Threads: handlers run on all worker
 * threads at once; only the atomics change.
 */
#ifndef VS_HTTP_SERVICE_H
#define VS_HTTP_SERVICE_H

#include "api/vecstore.h"

struct vs_service {
    const struct vs_env *env;
    struct vs_db *db;
    int64_t default_timeout_ms, max_timeout_ms;
    size_t max_body_bytes;
    struct vs_buf openapi;
    atomic_bool draining;     // /readyz answers 503
    atomic_bool stopping;     // answers close their connection
    atomic_bool cancelled;    // the grace is over: operations stop
    _Atomic int64_t ready_ns; // when the warehouse was last seen to answer; 0: not yet
};

enum vs_status vs_openapi_write(struct vs_buf *out, struct vs_error *err);

#endif
