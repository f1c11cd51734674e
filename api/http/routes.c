// SPDX-License-Identifier: Apache-2.0
#include "api/http/routes.h"

#include <string.h>

// Routes of one path stand together: the document lists them so.
const struct vs_route vs_routes[] = {
    {"GET", "/livez", vs_handle_livez, false, 200, "livez", "Whether the process answers", NULL,
     "Health"},
    {"GET", "/readyz", vs_handle_readyz, false, 200, "readyz",
     "Whether the warehouse can be listed and the server is not draining", NULL, "Health"},
    {"GET", "/version", vs_handle_version, false, 200, "version", "Version and machine facts", NULL,
     "Version"},
    {"GET", "/openapi.json", vs_handle_openapi, false, 200, "openapi", "This document", NULL,
     "Document"},
    {"GET", "/v1/tables", vs_handle_tables, false, 200, "listTables", "The tables of the warehouse",
     NULL, "TableList"},
    {"POST", "/v1/tables", vs_handle_create, true, 201, "createTable", "Make a table",
     "CreateTable", "Table"},
    {"GET", "/v1/tables/{t}", vs_handle_describe, false, 200, "describeTable",
     "Schema, vector contract, counts and index coverage", NULL, "Table"},
    {"DELETE", "/v1/tables/{t}", vs_handle_drop, false, 200, "dropTable",
     "Remove a table from the catalog", NULL, "Dropped"},
    {"POST", "/v1/tables/{t}/query", vs_handle_query, true, 200, "query",
     "The rows nearest to a vector, to several, or to a row", "Query", "Answer"},
    {"POST", "/v1/tables/{t}/rows", vs_handle_insert, true, 200, "insertRows",
     "Insert or upsert rows as one commit", "Rows", "Inserted"},
    {"POST", "/v1/tables/{t}/rows/get", vs_handle_get, true, 200, "getRows", "Rows by id",
     "GetRows", "RowList"},
    {"POST", "/v1/tables/{t}/rows/delete", vs_handle_delete, true, 200, "deleteRows",
     "Delete rows by id or by filter, as one commit", "DeleteRows", "Deleted"},
    {"GET", "/v1/tables/{t}/snapshots", vs_handle_snapshots, false, 200, "listSnapshots",
     "Snapshots, newest first", NULL, "SnapshotList"},
    {"GET", "/v1/tables/{t}/indexes", vs_handle_indexes, false, 200, "listIndexes",
     "Index versions, newest first", NULL, "IndexList"},
};
const size_t vs_route_count = sizeof vs_routes / sizeof vs_routes[0];

static bool match_pattern(const char *pattern, struct vs_str path, struct vs_str *table_out)
{
    struct vs_str rest = vs_str_from_c(pattern), left, right;
    *table_out = (struct vs_str){0};
    while (true) {
        bool more = vs_str_split(rest, '/', &left, &right);
        struct vs_str want = more ? left : rest, path_left, path_right;
        bool path_more = vs_str_split(path, '/', &path_left, &path_right);
        struct vs_str have = path_more ? path_left : path;
        if (vs_str_equal_c(want, "{t}") && have.len > 0) {
            *table_out = have;
        } else if (!vs_str_equal(want, have)) {
            return false;
        }
        if (!more || !path_more) {
            return more == path_more;
        }
        rest = right;
        path = path_right;
    }
}

static void add_allowed(char allow[VS_ALLOW_SIZE], const char *method)
{
    size_t len = strlen(allow), n = strlen(method);
    const char *separator = len > 0 ? ", " : "";
    size_t separator_len = strlen(separator);
    if (len + separator_len + n < VS_ALLOW_SIZE) {
        memcpy(allow + len, separator, separator_len);
        memcpy(allow + len + separator_len, method, n + 1);
    }
}

void vs_route_find(struct vs_str method, struct vs_str path, struct vs_route_match *match_out)
{
    struct vs_route_match match = {0};
    struct vs_str asked = vs_str_equal_c(method, "HEAD") ? VS_STR("GET") : method;
    for (size_t i = 0; i < vs_route_count; i++) {
        struct vs_str table;
        if (!match_pattern(vs_routes[i].pattern, path, &table)) {
            continue;
        }
        if (vs_str_equal_c(asked, vs_routes[i].method)) {
            match = (struct vs_route_match){.route = &vs_routes[i], .table = table};
            break;
        }
        add_allowed(match.allow, vs_routes[i].method);
        if (strcmp(vs_routes[i].method, "GET") == 0) {
            add_allowed(match.allow, "HEAD");
        }
    }
    *match_out = match;
}

static void refuse_route(const struct vs_route_match *match,
                         const struct vs_http_request *request,
                         struct vs_reply *reply)
{
    struct vs_error error = {0};
    bool wrong_method = match->allow[0] != '\0';
    int shown = request->path.len > 200 ? 200 : (int)request->path.len;
    if (wrong_method) {
        vs_ignore(
            vs_fail(&error, VS_INVALID, "%.*s takes %s", shown, request->path.ptr, match->allow));
    } else {
        vs_ignore(vs_fail(&error, VS_NOT_FOUND, "there is no route %.*s; /openapi.json lists all",
                          shown, request->path.ptr));
    }
    vs_reply_fail(reply, wrong_method ? 405 : 404, error.code, error.message, request->id);
    memcpy(reply->allow, match->allow, sizeof reply->allow);
}

static enum vs_status run_route(struct vs_service *service,
                                const struct vs_route *route,
                                struct vs_http_request *request,
                                struct vs_reply *reply,
                                struct vs_error *err)
{
    if (!route->takes_body && request->body.len > 0) {
        return vs_fail(err, VS_INVALID, "%s %s takes no body", route->method, route->pattern);
    }
    reply->code = route->success;
    return route->handle(service, request, reply, err);
}

void vs_service_answer(struct vs_service *service,
                       struct vs_http_request *request,
                       struct vs_reply *reply)
{
    struct vs_route_match match;
    struct vs_error error = {0};
    vs_route_find(request->method, request->path, &match);
    if (match.route == NULL) {
        refuse_route(&match, request, reply);
        return;
    }
    enum vs_status status = VS_OK;
    if (match.table.ptr != NULL) {
        request->table = vs_arena_copy_str(request->arena, match.table).ptr;
        if (request->table == NULL) {
            status = vs_fail(&error, VS_NO_MEMORY, "out of memory for the request");
        }
    }
    if (status == VS_OK) {
        status = run_route(service, match.route, request, reply, &error);
    }
    if (status != VS_OK && reply->code < 400) {
        vs_reply_error(reply, status, &error, request->id);
    } else if (status != VS_OK) { // the handler chose the code
        vs_reply_fail(reply, reply->code, status, error.message, request->id);
    }
}
