// SPDX-License-Identifier: Apache-2.0
// The OpenAPI 3.1 document, built from the table of routes and the schemas.
#include "api/http/http_status.h"
#include "api/http/openapi_schemas.h"
#include "api/http/routes.h"
#include "vecstore/base/json.h"

#include <stdio.h>
#include <string.h>

static void put(struct vs_json_writer *w, const char *key, const char *text)
{
    vs_jw_key(w, key);
    vs_jw_c(w, text);
}

static void put_ref(struct vs_json_writer *w, const char *schema)
{
    char text[80];
    snprintf(text, sizeof text, "#/components/schemas/%s", schema);
    vs_jw_key(w, "schema");
    vs_jw_object_begin(w);
    put(w, "$ref", text);
    vs_jw_object_end(w);
}

static void put_media(struct vs_json_writer *w, const char *type, const char *schema)
{
    vs_jw_key(w, type);
    vs_jw_object_begin(w);
    if (schema != NULL) {
        put_ref(w, schema);
    }
    vs_jw_object_end(w);
}

static void put_parameter(struct vs_json_writer *w,
                          const char *name,
                          const char *in,
                          const char *schema,
                          const char *description)
{
    vs_jw_object_begin(w);
    put(w, "name", name);
    put(w, "in", in);
    if (strcmp(in, "path") == 0) {
        vs_jw_key(w, "required");
        vs_jw_bool(w, true);
    }
    put(w, "description", description);
    vs_jw_key(w, "schema");
    vs_jw_raw(w, vs_str_from_c(schema));
    vs_jw_object_end(w);
}

#define INTEGER "{\"type\":\"integer\",\"minimum\":1}"
#define BOOLEAN "{\"type\":\"boolean\",\"default\":false}"
#define NUMBER "{\"type\":\"number\"}"
#define STRING "{\"type\":\"string\"}"

static void put_query_parameters(struct vs_json_writer *w)
{
    static const struct {
        const char *name, *schema;
    } list[] = {
        {"vectors", INTEGER}, {"k", INTEGER},          {"filter", STRING},
        {"select", STRING},   {"column", STRING},      {"recall_target", NUMBER},
        {"nprobe", INTEGER},  {"rerank", INTEGER},     {"exact", BOOLEAN},
        {"rescore", BOOLEAN}, {"min_score", NUMBER},   {"include_vector", BOOLEAN},
        {"explain", BOOLEAN}, {"timeout_ms", INTEGER}, {"snapshot_id", STRING},
        {"as_of", STRING},    {"ref", STRING},
    };

    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        put_parameter(w, list[i].name, "query", list[i].schema,
                      strcmp(list[i].name, "vectors") == 0
                          ? "with application/octet-stream: how many vectors the body holds"
                          : "with application/octet-stream: as the member of the JSON body");
    }
}

static void put_parameters(struct vs_json_writer *w, const struct vs_route *route)
{
    vs_jw_key(w, "parameters");
    vs_jw_array_begin(w);
    if (strstr(route->pattern, "{t}") != NULL) {
        put_parameter(w, "t", "path", STRING, "name of the table, namespace.table");
    }
    if (strcmp(route->operation, "query") == 0) {
        put_query_parameters(w);
    } else if (strcmp(route->operation, "insertRows") == 0) {
        put_parameter(w, "upsert", "query", BOOLEAN, "replace rows whose id exists");
        put_parameter(w, "quarantine", "query", BOOLEAN,
                      "set bad rows aside instead of refusing all");
    }
    vs_jw_array_end(w);
}

static void put_body(struct vs_json_writer *w, const struct vs_route *route)
{
    vs_jw_key(w, "requestBody");
    vs_jw_object_begin(w);
    vs_jw_key(w, "required");
    vs_jw_bool(w, true);
    vs_jw_key(w, "content");
    vs_jw_object_begin(w);
    put_media(w, "application/json", route->request_schema);
    if (strcmp(route->operation, "query") == 0) {
        put_media(w, "application/octet-stream", NULL);
    } else if (strcmp(route->operation, "insertRows") == 0) {
        put_media(w, "application/x-ndjson", NULL);
    }
    vs_jw_object_end(w);
    vs_jw_object_end(w);
}

static void put_response(struct vs_json_writer *w,
                         const char *code,
                         const char *description,
                         const char *schema)
{
    vs_jw_key(w, code);
    vs_jw_object_begin(w);
    put(w, "description", description);
    vs_jw_key(w, "content");
    vs_jw_object_begin(w);
    put_media(w, "application/json", schema);
    vs_jw_object_end(w);
    vs_jw_object_end(w);
}

static void put_operation(struct vs_json_writer *w, const struct vs_route *route)
{
    char code[8], method[8];
    snprintf(code, sizeof code, "%u", route->success);
    size_t len = strlen(route->method);
    for (size_t i = 0; i <= len; i++) {
        method[i] =
            (char)(route->method[i] >= 'A' && route->method[i] <= 'Z' ? route->method[i] + 32
                                                                      : route->method[i]);
    }
    vs_jw_key(w, method);
    vs_jw_object_begin(w);
    put(w, "operationId", route->operation);
    put(w, "summary", route->summary);
    put_parameters(w, route);
    if (route->takes_body) {
        put_body(w, route);
    }
    vs_jw_key(w, "responses");
    vs_jw_object_begin(w);
    put_response(w, code, route->success == 201 ? "made" : "done", route->response_schema);
    put_response(w, "default", "what went wrong; 503 carries Retry-After", "Error");
    vs_jw_object_end(w);
    vs_jw_object_end(w);
}

static void put_paths(struct vs_json_writer *w)
{
    vs_jw_key(w, "paths");
    vs_jw_object_begin(w);
    for (size_t i = 0; i < vs_route_count; i++) {
        const struct vs_route *route = &vs_routes[i];
        if (i == 0 || strcmp(vs_routes[i - 1].pattern, route->pattern) != 0) {
            vs_jw_key(w, route->pattern);
            vs_jw_object_begin(w);
        }
        put_operation(w, route);
        if (i + 1 == vs_route_count || strcmp(vs_routes[i + 1].pattern, route->pattern) != 0) {
            vs_jw_object_end(w);
        }
    }
    vs_jw_object_end(w);
}

enum vs_status vs_openapi_write(struct vs_buf *out, struct vs_error *err)
{
    struct vs_json_writer w;
    vs_json_writer_init(&w, out, false);
    vs_jw_object_begin(&w);
    put(&w, "openapi", "3.1.0");
    vs_jw_key(&w, "info");
    vs_jw_object_begin(&w);
    put(&w, "title", "vecstore");
    put(&w, "version", VECSTORE_VERSION);
    put(&w, "summary", "Nearest-neighbour search over Apache Iceberg tables");
    vs_jw_key(&w, "license");
    vs_jw_raw(&w, VS_STR("{\"name\":\"Apache-2.0\",\"identifier\":\"Apache-2.0\"}"));
    vs_jw_object_end(&w);
    put_paths(&w);
    vs_jw_key(&w, "components");
    vs_jw_object_begin(&w);
    vs_jw_key(&w, "schemas");
    vs_jw_object_begin(&w);
    for (size_t i = 0; i < vs_openapi_schema_count; i++) {
        vs_jw_key(&w, vs_openapi_schemas[i].name);
        vs_jw_raw(&w, vs_str_from_c(vs_openapi_schemas[i].json));
    }
    vs_jw_object_end(&w);
    vs_jw_object_end(&w);
    vs_jw_object_end(&w);
    return vs_json_writer_finish(&w, err);
}
