// SPDX-License-Identifier: Apache-2.0
/*
 * One HTTP request as the handlers see it: decoded path and parameters, the few headers that
 * matter, the whole body.
 *
 * Role: filled by the adapter from what passed the guard; knows no HTTP library.
 * Ownership: views into the exchange that holds the request; parameters and the path live in its
 * arena.
 */
#ifndef VS_HTTP_HTTP_REQUEST_H
#define VS_HTTP_HTTP_REQUEST_H

#include "vecstore/base/arena.h"
#include "vecstore/base/cancel.h"

#define VS_REQUEST_ID_SIZE 65 // 64 characters and a NUL
#define VS_REQUEST_MAX_PARAMS 64

struct vs_http_param {
    struct vs_str name;
    struct vs_str value; // NUL-terminated behind
};

struct vs_http_request {
    const struct vs_env *env;
    struct vs_arena *arena;
    struct vs_str method;
    struct vs_str path; // decoded
    struct vs_http_param *params;
    size_t param_count;
    struct vs_str content_type; // without parameters; empty when there is none
    struct vs_str body;
    const char *table; // {t} of the route; NULL when it has none
    char id[VS_REQUEST_ID_SIZE];
    int64_t started_ns;
};

// Splits and decodes a target that passed vs_guard_target. INVALID: not UTF-8, a parameter given
// twice; LIMIT: too many.
enum vs_status vs_request_set_target(struct vs_http_request *request,
                                     struct vs_str target,
                                     struct vs_error *err);
// Takes the client's X-Request-Id when it is 1 to 64 of [A-Za-z0-9._-], else makes one.
void vs_request_set_id(struct vs_http_request *request, struct vs_str given);
// "application/json; charset=utf-8" to "application/json".
struct vs_str vs_media_type(struct vs_str header);

// Empty view with ptr NULL when absent.
struct vs_str vs_request_param(const struct vs_http_request *request, const char *name);
// INVALID, naming the first parameter that is not in names[0..count), with a suggestion.
enum vs_status vs_request_check_params(const struct vs_http_request *request,
                                       const char *const *names,
                                       size_t count,
                                       struct vs_error *err);
// "true"/"1"/"" and "false"/"0"; absent gives false.
enum vs_status vs_request_bool_param(const struct vs_http_request *request,
                                     const char *name,
                                     bool *out,
                                     struct vs_error *err);

#endif
