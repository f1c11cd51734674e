// SPDX-License-Identifier: Apache-2.0
/*
 * Iceberg REST catalogs: the service keeps names and metadata and makes commits; data, manifests
 * and manifest lists are written by us to the table's own store. docs/adr/0016-rest-catalog.md.
 */
#include "vecstore/catalog/rest_internal.h"

#include <stdio.h>
#include <string.h>

#define SMALL_BODY_MAX ((size_t)1 << 20)

static struct rest_catalog *rest_of(struct vs_catalog *catalog)
{
    return (struct rest_catalog *)catalog;
}

static enum vs_status no_memory(struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "no memory for a request to the REST catalog");
}

// A new key for a change that is no commit.
static void new_key(const struct rest_catalog *rest, char key_out[VS_UUID_TEXT_SIZE])
{
    vs_uuid_format(vs_uuid_new_v7(rest->catalog.env), key_out);
}

// ---- load ----

static enum vs_status load(struct vs_catalog *catalog,
                           const char *name,
                           struct vs_table **table_out,
                           struct vs_error *err)
{
    struct rest_catalog *rest = rest_of(catalog);
    struct vs_buf url;
    struct vs_http_response response;
    char what[320];
    (void)snprintf(what, sizeof what, "load table '%.256s'", name);
    vs_buf_init(&url, catalog->env, VS_REST_URL_MAX);
    vs_http_response_init(&response, catalog->env, VS_REST_BODY_MAX);
    enum vs_status status = vs_rest_url_table(rest->client, name, "?snapshots=all", &url, err);
    struct vs_rest_request request = {
        .method = VS_HTTP_GET, .url = &url, .wants_credentials = true, .what = what};
    if (status == VS_OK) {
        status = vs_rest_call(rest->client, &request, &response, err);
    }
    if (status == VS_OK) {
        status = vs_rest_table_read(rest, name, &response, table_out, err);
    }
    vs_http_response_clear(&response);
    vs_buf_clear(&url);
    return status;
}

// ---- is it current? ----

static enum vs_status same_state(struct rest_catalog *rest,
                                 const struct vs_table *table,
                                 const struct vs_http_response *response,
                                 bool *same_out,
                                 struct vs_error *err)
{
    const struct vs_env *env = rest->catalog.env;
    struct vs_rest_table answer;
    struct vs_buf uri;
    struct vs_str body = vs_buf_view(&response->body);
    VS_TRY(vs_rest_table_parse(env, body, table->name, false, &answer, err));
    enum vs_status status = VS_OK;
    if (answer.metadata_location.len == 0) {
        vs_rest_table_clear(&answer);
        VS_TRY(vs_rest_table_parse(env, body, table->name, true, &answer, err));
    }
    vs_buf_init(&uri, env, VS_REST_URL_MAX * 4);
    status = vs_rest_state_uri(rest, table->name, &answer, &uri, err);
    if (status == VS_OK) {
        *same_out = vs_str_equal_c(vs_buf_view(&uri), table->metadata_uri);
    }
    vs_buf_clear(&uri);
    vs_rest_table_clear(&answer);
    return status;
}

// With an ETag the answer is 304 while nothing changes; else the refs' snapshots are enough to
// tell states apart, unless the service names no metadata files.
static enum vs_status is_current(struct vs_catalog *catalog,
                                 const struct vs_table *table,
                                 bool *current_out,
                                 struct vs_error *err)
{
    struct rest_catalog *rest = rest_of(catalog);
    struct vs_buf url;
    struct vs_http_response response;
    char etag[VS_REST_ETAG_MAX], what[320];
    bool has_etag = vs_rest_etag_get(rest, table, etag);
    bool has_file =
        strncmp(table->metadata_uri, rest->client->base, strlen(rest->client->base)) != 0;
    (void)snprintf(what, sizeof what, "load table '%.256s'", table->name);
    vs_buf_init(&url, catalog->env, VS_REST_URL_MAX);
    vs_http_response_init(&response, catalog->env, VS_REST_BODY_MAX);
    enum vs_status status =
        vs_rest_url_table(rest->client, table->name,
                          has_etag || !has_file ? "?snapshots=all" : "?snapshots=refs", &url, err);
    struct vs_rest_request request = {.method = VS_HTTP_GET,
                                      .url = &url,
                                      .if_none_match = has_etag ? etag : NULL,
                                      .wants_credentials = true,
                                      .what = what};
    if (status == VS_OK) {
        status = vs_rest_call(rest->client, &request, &response, err);
    }
    if (status == VS_OK && response.status == 304) {
        *current_out = true;
    } else if (status == VS_OK) {
        status = same_state(rest, table, &response, current_out, err);
    }
    vs_http_response_clear(&response);
    vs_buf_clear(&url);
    return status;
}

// ---- requests with a body ----

struct post {
    const char *tail; // behind the namespace: "/tables"
    struct vs_buf *body;
    const char *what;
};

// Makes every level of a namespace that is not there.
static enum vs_status make_namespaces(struct rest_catalog *rest,
                                      struct vs_str ns,
                                      struct vs_error *err)
{
    const struct vs_env *env = rest->catalog.env;
    struct vs_buf url, body;
    enum vs_status status = VS_OK;
    vs_buf_init(&url, env, VS_REST_URL_MAX);
    vs_buf_init(&body, env, SMALL_BODY_MAX);
    for (size_t end = 1; status == VS_OK && end <= ns.len; end++) {
        if (end < ns.len && ns.ptr[end] != '.') {
            continue;
        }
        struct vs_json_writer w;
        struct vs_http_response response;
        char key[VS_UUID_TEXT_SIZE];
        new_key(rest, key);
        vs_buf_reset(&body);
        vs_json_writer_init(&w, &body, false);
        vs_jw_object_begin(&w);
        vs_jw_key(&w, "namespace");
        vs_rest_write_namespace(&w, (struct vs_str){ns.ptr, end});
        vs_jw_key(&w, "properties");
        vs_jw_object_begin(&w);
        vs_jw_object_end(&w);
        vs_jw_object_end(&w);
        vs_http_response_init(&response, env, SMALL_BODY_MAX);
        status = vs_json_writer_finish(&w, err);
        if (status == VS_OK) {
            status = vs_rest_url(rest->client, "/namespaces", &url, err);
        }
        struct vs_rest_request request = {.method = VS_HTTP_POST,
                                          .url = &url,
                                          .body = vs_buf_view(&body),
                                          .idempotency_key = key,
                                          .what = "create a namespace"};
        if (status == VS_OK) {
            status = vs_rest_call(rest->client, &request, &response, err);
        }
        if (status == VS_CONFLICT || status == VS_UNKNOWN) {
            status = VS_OK; // it is there, or the next request will tell
        }
        vs_http_response_clear(&response);
    }
    vs_buf_clear(&body);
    vs_buf_clear(&url);
    return status;
}

static enum vs_status send_post(struct rest_catalog *rest,
                                const char *name,
                                const struct post *post,
                                struct vs_http_response *response,
                                struct vs_error *err)
{
    struct vs_buf url;
    char key[VS_UUID_TEXT_SIZE];
    new_key(rest, key);
    vs_buf_init(&url, rest->catalog.env, VS_REST_URL_MAX);
    enum vs_status status =
        vs_rest_url_namespace(rest->client, vs_rest_name_of(name).ns, post->tail, &url, err);
    struct vs_rest_request request = {.method = VS_HTTP_POST,
                                      .url = &url,
                                      .body = vs_buf_view(post->body),
                                      .idempotency_key = key,
                                      .wants_credentials = true,
                                      .fresh_connection = true,
                                      .what = post->what};
    if (status == VS_OK) {
        status = vs_rest_call(rest->client, &request, response, err);
    }
    vs_buf_clear(&url);
    return status;
}

// Sends a request that makes a table; the namespace is made when it turns out to be missing.
static enum vs_status post_table(struct rest_catalog *rest,
                                 const char *name,
                                 const struct post *post,
                                 struct vs_table **table_out,
                                 struct vs_error *err)
{
    struct vs_http_response response;
    vs_http_response_init(&response, rest->catalog.env, VS_REST_BODY_MAX);
    enum vs_status status = send_post(rest, name, post, &response, err);
    if (status == VS_NOT_FOUND) {
        struct vs_error reason = {0};
        enum vs_status made = make_namespaces(rest, vs_rest_name_of(name).ns, &reason);
        vs_http_response_clear(&response);
        vs_http_response_init(&response, rest->catalog.env, VS_REST_BODY_MAX);
        status = made == VS_OK ? send_post(rest, name, post, &response, err)
                               : vs_fail(err, made, "%s", reason.message);
    }
    if (status == VS_CONFLICT) {
        status = vs_fail(err, VS_EXISTS, "table '%.200s' exists already", name);
    }
    if (status == VS_OK) {
        status = vs_rest_table_read(rest, name, &response, table_out, err);
    }
    vs_http_response_clear(&response);
    return status;
}

// ---- create ----

// The element of a JSON array of numbered definitions that is the default one; nothing for the
// empty one (number 0).
static enum vs_status write_default(struct vs_json_writer *w,
                                    const struct vs_env *env,
                                    const char *key,
                                    struct vs_str array_json,
                                    struct vs_error *err)
{
    struct vs_json_doc *doc = NULL;
    struct vs_json_iter iter;
    const struct vs_json *item = NULL;
    struct vs_buf text;
    VS_TRY(vs_json_parse(env, array_json, key, NULL, &doc, err));
    enum vs_status status = VS_OK;
    vs_json_iter_init(&iter, vs_json_root(doc));
    vs_buf_init(&text, env, SMALL_BODY_MAX);
    if (vs_json_iter_next(&iter, NULL, &item) && vs_json_count(vs_json_get(item, "fields")) > 0) {
        status = vs_json_write_value(item, &text, err);
        if (status == VS_OK) {
            vs_jw_key(w, key);
            vs_jw_raw(w, vs_buf_view(&text));
        }
    }
    vs_buf_clear(&text);
    vs_json_free(doc);
    return status;
}

static void write_properties(struct vs_json_writer *w, const struct vs_table_metadata *m)
{
    char version[16];
    (void)snprintf(version, sizeof version, "%d", m->format_version);
    vs_jw_key(w, "properties");
    vs_jw_object_begin(w);
    vs_jw_key(w, "format-version");
    vs_jw_c(w, version);
    for (size_t i = 0; i < m->property_count; i++) {
        vs_jw_key_str(w, m->properties[i].key);
        vs_jw_str(w, m->properties[i].value);
    }
    vs_jw_object_end(w);
}

static enum vs_status write_create(struct rest_catalog *rest,
                                   const char *name,
                                   const struct vs_table_create *create,
                                   struct vs_buf *body,
                                   struct vs_error *err)
{
    const struct vs_env *env = rest->catalog.env;
    struct vs_table_create own = *create;
    struct vs_table_metadata *m = NULL;
    struct vs_json_writer w;
    if (own.location.len == 0) {
        own.location = VS_STR("s3://chosen-by-the-service/table"); // not sent
    }
    VS_TRY(vs_table_metadata_new(env, &own, &m, err)); // checks all, and gives ids to start from
    vs_json_writer_init(&w, body, false);
    vs_jw_object_begin(&w);
    vs_jw_key(&w, "name");
    vs_jw_str(&w, vs_rest_name_of(name).table);
    if (create->location.len > 0) {
        vs_jw_key(&w, "location");
        vs_jw_str(&w, m->location);
    }
    vs_jw_key(&w, "schema");
    vs_jw_raw(&w, m->schema_json[0]);
    enum vs_status status = write_default(&w, env, "partition-spec", m->partition_specs_json, err);
    if (status == VS_OK) {
        status = write_default(&w, env, "write-order", m->sort_orders_json, err);
    }
    vs_jw_key(&w, "stage-create");
    vs_jw_bool(&w, false);
    write_properties(&w, m);
    vs_jw_object_end(&w);
    vs_table_metadata_free(m);
    return status == VS_OK ? vs_json_writer_finish(&w, err) : status;
}

static enum vs_status create_table(struct vs_catalog *catalog,
                                   const char *name,
                                   const struct vs_table_create *create,
                                   struct vs_table **table_out,
                                   struct vs_error *err)
{
    struct rest_catalog *rest = rest_of(catalog);
    struct vs_buf body;
    char what[320];
    (void)snprintf(what, sizeof what, "create table '%.256s'", name);
    vs_buf_init(&body, catalog->env, VS_REST_BODY_MAX);
    struct post post = {.tail = "/tables", .body = &body, .what = what};
    enum vs_status status = write_create(rest, name, create, &body, err);
    if (status == VS_OK) {
        status = post_table(rest, name, &post, table_out, err);
    }
    vs_buf_clear(&body);
    return status;
}

static enum vs_status register_table(struct vs_catalog *catalog,
                                     const char *name,
                                     const char *metadata_uri,
                                     struct vs_table **table_out,
                                     struct vs_error *err)
{
    struct rest_catalog *rest = rest_of(catalog);
    struct vs_buf body;
    struct vs_json_writer w;
    char what[320];
    (void)snprintf(what, sizeof what, "register table '%.256s'", name);
    vs_buf_init(&body, catalog->env, SMALL_BODY_MAX);
    vs_json_writer_init(&w, &body, false);
    vs_jw_object_begin(&w);
    vs_jw_key(&w, "name");
    vs_jw_str(&w, vs_rest_name_of(name).table);
    vs_jw_key(&w, "metadata-location");
    vs_jw_c(&w, metadata_uri);
    vs_jw_object_end(&w);
    struct post post = {.tail = "/register", .body = &body, .what = what};
    enum vs_status status = vs_json_writer_finish(&w, err);
    if (status == VS_OK) {
        status = post_table(rest, name, &post, table_out, err);
    }
    vs_buf_clear(&body);
    return status;
}

// ---- drop ----

static bool is_gone(struct vs_catalog *catalog, const char *name)
{
    struct vs_table *table = NULL;
    enum vs_status status = load(catalog, name, &table, NULL);
    vs_table_release(table);
    return status == VS_NOT_FOUND;
}

// Takes the name away. Files stay unless rest.drop-purge asks the service to remove them: a table
// may have been registered here while another catalog still has it, and only the service knows
// what it may delete.
static enum vs_status drop(struct vs_catalog *catalog, const char *name, struct vs_error *err)
{
    struct rest_catalog *rest = rest_of(catalog);
    struct vs_buf url;
    struct vs_http_response response;
    char what[320], key[VS_UUID_TEXT_SIZE];
    new_key(rest, key);
    (void)snprintf(what, sizeof what, "drop table '%.256s'", name);
    vs_buf_init(&url, catalog->env, VS_REST_URL_MAX);
    vs_http_response_init(&response, catalog->env, SMALL_BODY_MAX);
    enum vs_status status = vs_rest_url_table(
        rest->client, name, rest->purges ? "?purgeRequested=true" : "?purgeRequested=false", &url,
        err);
    struct vs_rest_request request = {.method = VS_HTTP_DELETE,
                                      .url = &url,
                                      .idempotency_key = key,
                                      .fresh_connection = true,
                                      .what = what};
    if (status == VS_OK) {
        status = vs_rest_call(rest->client, &request, &response, err);
    }
    vs_http_response_clear(&response);
    vs_buf_clear(&url);
    return status == VS_UNKNOWN && is_gone(catalog, name) ? VS_OK : status;
}

// ---- the kind ----

static void free_rest(struct vs_catalog *catalog)
{
    struct rest_catalog *rest = rest_of(catalog);
    const struct vs_env *env = catalog->env;
    vs_rest_tables_clear(rest);
    vs_rest_client_free(rest->client);
    (void)pthread_mutex_destroy(&rest->lock);
    vs_free(env, rest);
}

static const struct vs_catalog_vtable rest_vtable = {.list = vs_rest_list,
                                                     .load = load,
                                                     .is_current = is_current,
                                                     .create = create_table,
                                                     .publish = vs_rest_publish,
                                                     .resolve = vs_rest_resolve,
                                                     .drop = drop,
                                                     .register_table = register_table,
                                                     .free = free_rest};

enum vs_status vs_catalog_open_rest(const struct vs_env *env,
                                    const struct vs_catalog_options *options,
                                    struct vs_catalog **catalog_out,
                                    struct vs_error *err)
{
    bool purges;
    int64_t page_size;
    if (options->uri == NULL) {
        return vs_fail(err, VS_INVALID, "a REST catalog needs the address of its service (uri)");
    }
    VS_TRY(vs_settings_bool(options->settings, "rest.drop-purge", false, &purges, err));
    VS_TRY(vs_settings_i64(options->settings, "rest-page-size", 0, 0, 100000, &page_size, err));
    struct rest_catalog *rest = vs_alloc_zeroed(env, 1, sizeof *rest);
    if (rest == NULL) {
        return no_memory(err);
    }
    rest->catalog = (struct vs_catalog){.vtable = &rest_vtable, .env = env};
    rest->purges = purges;
    rest->page_size = page_size;
    (void)pthread_mutex_init(&rest->lock, NULL);
    enum vs_status status = vs_rest_client_new(env, options->uri, options->warehouse,
                                               options->settings, &rest->client, err);
    if (status == VS_OK) { // with what the service adds, for instance s3.endpoint
        status = vs_store_pool_new(env, &rest->client->config.settings, &rest->catalog.pool, err);
    }
    if (status != VS_OK) {
        free_rest(&rest->catalog);
        return status;
    }
    *catalog_out = &rest->catalog;
    return VS_OK;
}
