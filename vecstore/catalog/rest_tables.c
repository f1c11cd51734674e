// SPDX-License-Identifier: Apache-2.0
/*
 * From an answer of the service to a table: where it may lie, the store with the credentials that
 * came with it, and what tells its states apart.
 */
#include "vecstore/base/text.h"
#include "vecstore/catalog/rest_internal.h"

#include <stdio.h>
#include <string.h>

#define CREDENTIALS_BODY_MAX ((size_t)16 << 20)
#define STATE_URI_MAX ((size_t)64 << 10)
#define CREDENTIALS_ENDPOINT "GET /v1/{prefix}/namespaces/{namespace}/tables/{table}/credentials"

struct rest_vended {
    struct rest_vended *next;
    struct rest_catalog *rest;
    struct vs_store *store;
    char *name, *location;
    struct vs_rest_table last; // the settings handed out live in it
};

static enum vs_status no_memory(struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "no memory for a table of the REST catalog");
}

// ---- ETags ----

static struct rest_etag *find_etag(struct rest_catalog *rest, const char *name)
{
    for (size_t i = 0; i < VS_REST_ETAGS; i++) {
        if (rest->etags[i].name != NULL && strcmp(rest->etags[i].name, name) == 0) {
            return &rest->etags[i];
        }
    }
    return NULL;
}

bool vs_rest_etag_get(struct rest_catalog *rest,
                      const struct vs_table *table,
                      char etag_out[VS_REST_ETAG_MAX])
{
    (void)pthread_mutex_lock(&rest->lock);
    const struct rest_etag *entry = find_etag(rest, table->name);
    bool found = entry != NULL && strcmp(entry->metadata_uri, table->metadata_uri) == 0;
    if (found) {
        memcpy(etag_out, entry->etag, VS_REST_ETAG_MAX);
    }
    (void)pthread_mutex_unlock(&rest->lock);
    return found;
}

static void clear_etag(const struct vs_env *env, struct rest_etag *entry)
{
    vs_free(env, entry->name);
    vs_free(env, entry->metadata_uri);
    *entry = (struct rest_etag){.name = NULL};
}

// Best effort: without memory, or with an ETag that is too long, the next question costs more.
void vs_rest_etag_put(struct rest_catalog *rest,
                      const char *name,
                      const char *metadata_uri,
                      struct vs_str etag)
{
    const struct vs_env *env = rest->catalog.env;
    if (etag.len == 0 || etag.len >= VS_REST_ETAG_MAX) {
        return;
    }
    struct rest_etag fresh = {.name = vs_text_clone(env, vs_str_from_c(name)),
                              .metadata_uri = vs_text_clone(env, vs_str_from_c(metadata_uri))};
    memcpy(fresh.etag, etag.ptr, etag.len);
    if (fresh.name == NULL || fresh.metadata_uri == NULL) {
        clear_etag(env, &fresh);
        return;
    }
    (void)pthread_mutex_lock(&rest->lock);
    struct rest_etag *entry = find_etag(rest, name);
    if (entry == NULL) {
        entry = &rest->etags[rest->next_etag];
        rest->next_etag = (rest->next_etag + 1) % VS_REST_ETAGS;
    }
    clear_etag(env, entry);
    *entry = fresh;
    (void)pthread_mutex_unlock(&rest->lock);
}

// ---- vended credentials ----

// Asks for credentials anew; they live in *out.
static enum vs_status fetch_credentials(struct rest_vended *vended,
                                        struct vs_rest_table *out,
                                        struct vs_error *err)
{
    struct vs_rest_client *client = vended->rest->client;
    const struct vs_env *env = client->env;
    struct vs_buf url;
    struct vs_http_response response;
    char what[320];
    bool has_endpoint = vs_rest_config_has(&client->config, CREDENTIALS_ENDPOINT);
    (void)snprintf(what, sizeof what, "give credentials for table '%.256s'", vended->name);
    vs_buf_init(&url, env, VS_REST_URL_MAX);
    vs_http_response_init(&response, env, has_endpoint ? CREDENTIALS_BODY_MAX : VS_REST_BODY_MAX);
    enum vs_status status = vs_rest_url_table(
        client, vended->name, has_endpoint ? "/credentials" : "?snapshots=refs", &url, err);
    struct vs_rest_request request = {
        .method = VS_HTTP_GET, .url = &url, .wants_credentials = true, .what = what};
    if (status == VS_OK) {
        status = vs_rest_call(client, &request, &response, err);
    }
    if (status == VS_OK) {
        status = vs_rest_table_parse(env, vs_buf_view(&response.body), what, false, out, err);
    }
    vs_http_response_clear(&response);
    vs_buf_clear(&url);
    return status;
}

static enum vs_status refresh(void *ctx, struct vs_settings *settings_out, struct vs_error *err)
{
    struct rest_vended *vended = ctx;
    struct vs_rest_table fresh;
    struct vs_settings settings;
    VS_TRY(fetch_credentials(vended, &fresh, err));
    enum vs_status status =
        vs_rest_table_settings(&fresh, vs_str_from_c(vended->location), &settings, err);
    if (status == VS_OK && vs_settings_get(&settings, "s3.access-key-id").ptr == NULL) {
        status = vs_fail(err, VS_DENIED,
                         "the REST catalog gave no credentials for %.200s of table '%.200s'",
                         vended->location, vended->name);
    }
    if (status != VS_OK) {
        vs_rest_table_clear(&fresh);
        return status;
    }
    vs_rest_table_clear(&vended->last);
    vended->last = fresh;
    *settings_out = settings;
    return VS_OK;
}

static void free_vended(const struct vs_env *env, struct rest_vended *vended)
{
    vs_rest_table_clear(&vended->last);
    vs_free(env, vended->name);
    vs_free(env, vended->location);
    vs_free(env, vended);
}

// The store's credentials follow the service from now on; once for each store.
static enum vs_status follow(struct rest_catalog *rest,
                             struct vs_store *store,
                             const char *name,
                             struct vs_str location,
                             struct vs_error *err)
{
    const struct vs_env *env = rest->catalog.env;
    struct vs_aws_provider *provider = vs_store_credentials(store);
    if (provider == NULL) {
        return VS_OK;
    }
    struct rest_vended *fresh = vs_alloc_zeroed(env, 1, sizeof *fresh);
    if (fresh == NULL) {
        return no_memory(err);
    }
    *fresh = (struct rest_vended){.rest = rest,
                                  .store = store,
                                  .name = vs_text_clone(env, vs_str_from_c(name)),
                                  .location = vs_text_clone(env, location)};
    if (fresh->name == NULL || fresh->location == NULL) {
        free_vended(env, fresh);
        return no_memory(err);
    }
    (void)pthread_mutex_lock(&rest->lock);
    bool is_known = false;
    for (struct rest_vended *v = rest->vended; v != NULL; v = v->next) {
        is_known = is_known || v->store == store;
    }
    if (!is_known) {
        fresh->next = rest->vended;
        rest->vended = fresh;
        vs_aws_provider_set_refresh(provider, refresh, fresh);
    }
    (void)pthread_mutex_unlock(&rest->lock);
    if (is_known) {
        free_vended(env, fresh);
    }
    return VS_OK;
}

void vs_rest_tables_clear(struct rest_catalog *rest)
{
    const struct vs_env *env = rest->catalog.env;
    while (rest->vended != NULL) {
        struct rest_vended *vended = rest->vended;
        rest->vended = vended->next;
        free_vended(env, vended);
    }
    for (size_t i = 0; i < VS_REST_ETAGS; i++) {
        clear_etag(env, &rest->etags[i]);
    }
}

// ---- where a table may lie ----

// A location comes from the service: it decides which store is asked, and files of this computer
// are nothing that a service elsewhere may point at.
static enum vs_status check_location(const struct rest_catalog *rest,
                                     const char *name,
                                     struct vs_str location,
                                     struct vs_error *err)
{
    struct vs_str scheme = {"", 0}, rest_of;
    bool is_path = location.len > 0 && location.ptr[0] == '/';
    if (!is_path && vs_str_split(location, ':', &scheme, &rest_of)) {
        if (vs_str_equal_nocase(scheme, VS_STR("s3")) ||
            vs_str_equal_nocase(scheme, VS_STR("s3a")) ||
            vs_str_equal_nocase(scheme, VS_STR("s3n"))) {
            return VS_OK;
        }
    }
    if (!is_path && !vs_str_equal_nocase(scheme, VS_STR("file"))) {
        return vs_fail(err, VS_UNSUPPORTED,
                       "table '%.128s' lies at %.*s; tables of a REST catalog can be opened on S3 "
                       "(s3, s3a, s3n) and in local files",
                       name, VS_STR_SHORT(location));
    }
    if (!rest->client->is_loopback && !rest->client->allow_files) {
        return vs_fail(err, VS_DENIED,
                       "table '%.128s' of the REST catalog lies in a local folder (%.*s), and the "
                       "service is not on this computer; set rest.allow-file-locations=true if "
                       "both see the same files",
                       name, VS_STR_SHORT(location));
    }
    return VS_OK;
}

static enum vs_status check_planning(const struct rest_catalog *rest,
                                     const char *name,
                                     const struct vs_rest_table *answer,
                                     struct vs_error *err)
{
    struct vs_str mode = vs_settings_get(&answer->config, "scan-planning-mode");
    if (mode.ptr == NULL) {
        mode = vs_settings_get(&rest->client->config.settings, "scan-planning-mode");
    }
    if (vs_str_equal_nocase(mode, VS_STR("server"))) {
        return vs_fail(err, VS_UNSUPPORTED,
                       "table '%.200s': the REST catalog demands planning of scans by the server "
                       "(scan-planning-mode=server), which is not supported",
                       name);
    }
    return VS_OK;
}

static enum vs_status open_store(struct rest_catalog *rest,
                                 const char *name,
                                 struct vs_rest_table *answer,
                                 struct vs_store **store_out,
                                 struct vs_error *err)
{
    struct vs_str location = answer->metadata->location;
    struct vs_settings settings;
    struct vs_store *store = NULL;
    VS_TRY(vs_rest_table_settings(answer, location, &settings, err));
    VS_TRY(vs_store_pool_get(rest->catalog.pool, location, settings.count > 0 ? name : "",
                             settings.count > 0 ? &settings : NULL, &store, err));
    if (vs_settings_get(&settings, "s3.access-key-id").ptr != NULL) {
        VS_TRY(follow(rest, store, name, location, err));
    }
    *store_out = store;
    return VS_OK;
}

// ---- tables ----

enum vs_status vs_rest_state_uri(struct rest_catalog *rest,
                                 const char *name,
                                 const struct vs_rest_table *answer,
                                 struct vs_buf *uri,
                                 struct vs_error *err)
{
    const struct vs_table_metadata *m = answer->metadata;
    if (answer->metadata_location.len > 0) {
        vs_buf_reset(uri);
        return vs_buf_append_str(uri, answer->metadata_location, err);
    }
    if (m == NULL) {
        return vs_fail(err, VS_CORRUPT, "table '%.200s': the answer names no state", name);
    }
    VS_TRY(vs_rest_url_table(rest->client, name, "", uri, err));
    return vs_buf_printf(uri, err, "#%lld.%lld.%lld.%zu.%zu", (long long)m->last_updated_ms,
                         (long long)m->current_snapshot_id, (long long)m->last_sequence_number,
                         m->snapshot_count, m->property_count);
}

enum vs_status vs_rest_table_make(struct rest_catalog *rest,
                                  const char *name,
                                  struct vs_rest_table *answer,
                                  struct vs_store *store,
                                  struct vs_table **table_out,
                                  struct vs_error *err)
{
    struct vs_buf uri;
    VS_TRY(check_planning(rest, name, answer, err));
    VS_TRY(check_location(rest, name, answer->metadata->location, err));
    if (store == NULL) {
        VS_TRY(open_store(rest, name, answer, &store, err));
    }
    vs_buf_init(&uri, rest->catalog.env, STATE_URI_MAX);
    enum vs_status status = vs_rest_state_uri(rest, name, answer, &uri, err);
    const char *text = status == VS_OK ? vs_buf_c_str(&uri) : NULL;
    if (status == VS_OK && text == NULL) {
        status = no_memory(err);
    }
    if (status == VS_OK) {
        struct vs_table_state state = {.name = name,
                                       .metadata_uri = text,
                                       .version = -1,
                                       .store = store,
                                       .metadata = answer->metadata};
        status = vs_table_state_new(&rest->catalog, &state, table_out, err);
    }
    if (status == VS_OK) {
        answer->metadata = NULL;
    }
    vs_buf_clear(&uri);
    return status;
}

enum vs_status vs_rest_table_read(struct rest_catalog *rest,
                                  const char *name,
                                  const struct vs_http_response *response,
                                  struct vs_table **table_out,
                                  struct vs_error *err)
{
    struct vs_rest_table answer;
    struct vs_table *table = NULL;
    VS_TRY(vs_rest_table_parse(rest->catalog.env, vs_buf_view(&response->body), name, true, &answer,
                               err));
    enum vs_status status = vs_rest_table_make(rest, name, &answer, NULL, &table, err);
    vs_rest_table_clear(&answer);
    if (status != VS_OK) {
        return status;
    }
    vs_rest_etag_put(rest, name, table->metadata_uri, vs_http_header(response, "etag"));
    *table_out = table;
    return VS_OK;
}
