// SPDX-License-Identifier: Apache-2.0
/*
 * The table of routes: the one place that says which requests exist. Dispatch, 404/405 and the
 * OpenAPI document come from it.
 *
 * Patterns are literal but for one segment "{t}", the name of a table. HEAD is answered by GET's
 * handler.
 */
#ifndef VS_HTTP_ROUTES_H
#define VS_HTTP_ROUTES_H

#include "api/http/http_request.h"
#include "api/http/respond.h"
#include "api/http/service.h"

// Fills reply->body with JSON, sets reply->code when it is not 200. On failure the caller turns the
// error into the reply.
typedef enum vs_status (*vs_handler_fn)(struct vs_service *service,
                                        const struct vs_http_request *request,
                                        struct vs_reply *reply,
                                        struct vs_error *err);

struct vs_route {
    const char *method;
    const char *pattern;
    vs_handler_fn handle;
    bool takes_body;
    unsigned success; // HTTP status of success
    const char *operation, *summary;
    const char *request_schema, *response_schema; // names of the OpenAPI document; NULL: none
};

extern const struct vs_route vs_routes[];
extern const size_t vs_route_count;

struct vs_route_match {
    const struct vs_route *route; // NULL: see allow
    struct vs_str table;          // {t}
    char allow[VS_ALLOW_SIZE]; // methods of the path when only the method is wrong; empty: no such
                               // path
};

void vs_route_find(struct vs_str method, struct vs_str path, struct vs_route_match *match_out);

// Answers one complete request; always leaves a reply.
void vs_service_answer(struct vs_service *service,
                       struct vs_http_request *request,
                       struct vs_reply *reply);

enum vs_status vs_handle_livez(struct vs_service *service,
                               const struct vs_http_request *request,
                               struct vs_reply *reply,
                               struct vs_error *err);
enum vs_status vs_handle_readyz(struct vs_service *service,
                                const struct vs_http_request *request,
                                struct vs_reply *reply,
                                struct vs_error *err);
enum vs_status vs_handle_version(struct vs_service *service,
                                 const struct vs_http_request *request,
                                 struct vs_reply *reply,
                                 struct vs_error *err);
enum vs_status vs_handle_openapi(struct vs_service *service,
                                 const struct vs_http_request *request,
                                 struct vs_reply *reply,
                                 struct vs_error *err);
enum vs_status vs_handle_tables(struct vs_service *service,
                                const struct vs_http_request *request,
                                struct vs_reply *reply,
                                struct vs_error *err);
enum vs_status vs_handle_create(struct vs_service *service,
                                const struct vs_http_request *request,
                                struct vs_reply *reply,
                                struct vs_error *err);
enum vs_status vs_handle_describe(struct vs_service *service,
                                  const struct vs_http_request *request,
                                  struct vs_reply *reply,
                                  struct vs_error *err);
enum vs_status vs_handle_drop(struct vs_service *service,
                              const struct vs_http_request *request,
                              struct vs_reply *reply,
                              struct vs_error *err);
enum vs_status vs_handle_snapshots(struct vs_service *service,
                                   const struct vs_http_request *request,
                                   struct vs_reply *reply,
                                   struct vs_error *err);
enum vs_status vs_handle_indexes(struct vs_service *service,
                                 const struct vs_http_request *request,
                                 struct vs_reply *reply,
                                 struct vs_error *err);
enum vs_status vs_handle_query(struct vs_service *service,
                               const struct vs_http_request *request,
                               struct vs_reply *reply,
                               struct vs_error *err);
enum vs_status vs_handle_insert(struct vs_service *service,
                                const struct vs_http_request *request,
                                struct vs_reply *reply,
                                struct vs_error *err);
enum vs_status vs_handle_get(struct vs_service *service,
                             const struct vs_http_request *request,
                             struct vs_reply *reply,
                             struct vs_error *err);
enum vs_status vs_handle_delete(struct vs_service *service,
                                const struct vs_http_request *request,
                                struct vs_reply *reply,
                                struct vs_error *err);

#endif
