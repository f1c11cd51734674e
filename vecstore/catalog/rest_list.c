// SPDX-License-Identifier: Apache-2.0
/*
 * All tables of a REST catalog: namespaces level by level, each with its tables. What comes back
 * has to be one level below what was asked for, so that a service cannot send us in circles.
 */
#include "vecstore/catalog/rest_internal.h"

#include <stdio.h>
#include <string.h>

#define LIST_BODY_MAX ((size_t)64 << 20)
#define LEVELS_MAX 16
#define NAMES_MAX 1000000
#define PAGES_MAX 10000

typedef enum vs_status (*page_fn)(void *ctx, const struct vs_json *root, struct vs_error *err);

struct lister {
    struct rest_catalog *rest;
    struct name_list namespaces, tables;
    struct vs_str parent; // of what is listed now; empty: the top
};

// ---- pages ----

static enum vs_status add_query(struct vs_buf *url,
                                const char *key,
                                struct vs_str value,
                                struct vs_error *err)
{
    bool is_first = url->len == 0 || memchr(url->data, '?', url->len) == NULL;
    VS_TRY(vs_buf_append_c(url, is_first ? "?" : "&", err));
    VS_TRY(vs_buf_append_c(url, key, err));
    VS_TRY(vs_buf_append_byte(url, '=', err));
    return vs_url_encode(value, false, url, err);
}

// One page; the token of the next one goes into `token` (empty: it was the last).
static enum vs_status read_page(
    struct lister *l, struct vs_buf *url, page_fn visit, struct vs_buf *token, struct vs_error *err)
{
    struct vs_rest_client *client = l->rest->client;
    struct vs_http_response response;
    struct vs_json_doc *doc = NULL;
    struct vs_str next = {"", 0};
    struct vs_rest_request request = {
        .method = VS_HTTP_GET, .url = url, .what = "list namespaces and tables"};
    vs_http_response_init(&response, client->env, LIST_BODY_MAX);
    enum vs_status status = vs_rest_call(client, &request, &response, err);
    if (status == VS_OK) {
        status = vs_json_parse(client->env, vs_buf_view(&response.body),
                               "a list of the REST catalog", NULL, &doc, err);
        if (status == VS_INVALID) {
            status = vs_fail(err, VS_UNAVAILABLE, "the REST catalog's list is no JSON");
        }
    }
    if (status == VS_OK) {
        status = visit(l, vs_json_root(doc), err);
    }
    vs_buf_reset(token);
    if (status == VS_OK &&
        vs_json_to_str(vs_json_get(vs_json_root(doc), "next-page-token"), &next)) {
        status = vs_buf_append_str(token, next, err);
    }
    vs_json_free(doc);
    vs_http_response_clear(&response);
    return status;
}

// url holds the address without page parameters.
static enum vs_status read_pages(struct lister *l,
                                 struct vs_buf *url,
                                 page_fn visit,
                                 struct vs_error *err)
{
    struct vs_buf token;
    size_t plain = url->len;
    char size[24];
    enum vs_status status = VS_OK;
    vs_buf_init(&token, l->rest->catalog.env, VS_REST_URL_MAX / 4);
    for (size_t page = 0; status == VS_OK && (page == 0 || token.len > 0); page++) {
        url->len = plain;
        if (page > 0 || l->rest->page_size > 0) {
            status = add_query(url, "pageToken", vs_buf_view(&token), err);
        }
        if (status == VS_OK && l->rest->page_size > 0) {
            (void)snprintf(size, sizeof size, "%lld", (long long)l->rest->page_size);
            status = add_query(url, "pageSize", vs_str_from_c(size), err);
        }
        if (status == VS_OK) {
            status = read_page(l, url, visit, &token, err);
        }
        if (status == VS_OK && page >= PAGES_MAX) {
            status = vs_fail(err, VS_LIMIT, "the REST catalog's list does not end");
        }
    }
    vs_buf_clear(&token);
    return status;
}

// ---- namespaces ----

static size_t level_count(struct vs_str ns)
{
    size_t count = ns.len > 0;
    for (size_t i = 0; i < ns.len; i++) {
        count += ns.ptr[i] == '.';
    }
    return count;
}

// "a.b" of ["a","b"]; false when a level is no name here.
static bool join_levels(const struct vs_json *levels, char *out, size_t size)
{
    struct vs_json_iter iter;
    const struct vs_json *item;
    struct vs_str level;
    size_t n = 0;
    if (!vs_json_is(levels, VS_JSON_ARRAY)) {
        return false;
    }
    vs_json_iter_init(&iter, levels);
    while (vs_json_iter_next(&iter, NULL, &item)) {
        if (!vs_json_to_str(item, &level) || !vs_name_part_is(level) || n + level.len + 2 > size) {
            return false;
        }
        if (n > 0) {
            out[n++] = '.';
        }
        memcpy(out + n, level.ptr, level.len);
        n += level.len;
    }
    out[n] = '\0';
    return n > 0;
}

static bool is_child(struct vs_str ns, struct vs_str parent)
{
    return level_count(ns) == level_count(parent) + 1 &&
           (parent.len == 0 || (vs_str_starts_with(ns, parent) && ns.ptr[parent.len] == '.'));
}

static enum vs_status visit_namespaces(void *ctx, const struct vs_json *root, struct vs_error *err)
{
    struct lister *l = ctx;
    struct vs_json_iter iter;
    const struct vs_json *item;
    char name[264];
    const struct vs_json *list = vs_json_get(root, "namespaces");
    if (!vs_json_is(list, VS_JSON_ARRAY)) {
        return VS_OK;
    }
    vs_json_iter_init(&iter, list);
    while (vs_json_iter_next(&iter, NULL, &item)) {
        if (!join_levels(item, name, sizeof name)) {
            vs_log(l->rest->catalog.env, VS_LOG_WARN, "catalog", "namespace_skipped",
                   "reason=its name cannot be written here");
            continue;
        }
        if (!is_child(vs_str_from_c(name), l->parent)) {
            continue;
        }
        if (l->namespaces.count >= NAMES_MAX) {
            return vs_fail(err, VS_LIMIT, "the REST catalog has more than %d namespaces",
                           NAMES_MAX);
        }
        VS_TRY(vs_name_list_add(&l->namespaces, vs_str_from_c(name), err));
    }
    return VS_OK;
}

static enum vs_status list_children(struct lister *l, struct vs_buf *url, struct vs_error *err)
{
    vs_buf_reset(url);
    VS_TRY(vs_rest_url(l->rest->client, "/namespaces", url, err));
    if (l->parent.len > 0) {
        VS_TRY(vs_buf_append_c(url, "?parent=", err));
        VS_TRY(vs_rest_append_namespace(l->rest->client, l->parent, url, err));
    }
    enum vs_status status = read_pages(l, url, visit_namespaces, err);
    // Services without nested namespaces refuse the question in different ways.
    bool is_flat = status == VS_NOT_FOUND || status == VS_INVALID || status == VS_UNSUPPORTED;
    return l->parent.len > 0 && is_flat ? VS_OK : status;
}

// ---- tables ----

static enum vs_status visit_tables(void *ctx, const struct vs_json *root, struct vs_error *err)
{
    struct lister *l = ctx;
    struct vs_json_iter iter;
    const struct vs_json *item;
    struct vs_str table;
    char name[600];
    const struct vs_json *list = vs_json_get(root, "identifiers");
    if (!vs_json_is(list, VS_JSON_ARRAY)) {
        return VS_OK;
    }
    vs_json_iter_init(&iter, list);
    while (vs_json_iter_next(&iter, NULL, &item)) {
        if (!vs_json_to_str(vs_json_get(item, "name"), &table)) {
            continue;
        }
        int len =
            snprintf(name, sizeof name, "%.*s.%.*s", VS_STR_ARG(l->parent), VS_STR_ARG(table));
        bool is_name = vs_name_part_is(table) && len > 0 && (size_t)len < sizeof name;
        if (!is_name || vs_table_name_check(name, NULL) != VS_OK) {
            vs_log(l->rest->catalog.env, VS_LOG_WARN, "catalog", "table_skipped",
                   "namespace=%.*s reason=its name cannot be written here", VS_STR_ARG(l->parent));
            continue;
        }
        if (l->tables.count >= NAMES_MAX) {
            return vs_fail(err, VS_LIMIT, "the REST catalog has more than %d tables", NAMES_MAX);
        }
        VS_TRY(vs_name_list_add(&l->tables, vs_str_from_c(name), err));
    }
    return VS_OK;
}

static enum vs_status list_all(struct lister *l, struct vs_buf *url, struct vs_error *err)
{
    VS_TRY(list_children(l, url, err));
    for (size_t i = 0; i < l->namespaces.count; i++) { // grows while it is walked
        l->parent = l->namespaces.items[i];
        VS_TRY(vs_rest_url_namespace(l->rest->client, l->parent, "/tables", url, err));
        enum vs_status status = read_pages(l, url, visit_tables, err);
        if (status != VS_OK && status != VS_NOT_FOUND) { // not found: dropped meanwhile
            return status;
        }
        if (level_count(l->parent) < LEVELS_MAX) {
            VS_TRY(list_children(l, url, err));
        }
    }
    vs_name_list_sort(&l->tables);
    return VS_OK;
}

enum vs_status vs_rest_list(struct vs_catalog *catalog,
                            enum vs_status (*visit)(void *ctx,
                                                    const char *name,
                                                    struct vs_error *err),
                            void *ctx,
                            struct vs_error *err)
{
    struct lister l = {.rest = (struct rest_catalog *)catalog, .parent = {"", 0}};
    struct vs_buf url;
    vs_name_list_init(&l.namespaces, catalog->env);
    vs_name_list_init(&l.tables, catalog->env);
    vs_buf_init(&url, catalog->env, VS_REST_URL_MAX);
    enum vs_status status = list_all(&l, &url, err);
    for (size_t i = 0; status == VS_OK && i < l.tables.count; i++) {
        status = visit(ctx, l.tables.items[i].ptr, err);
    }
    vs_buf_clear(&url);
    vs_name_list_clear(&l.tables);
    vs_name_list_clear(&l.namespaces);
    return status;
}
