// SPDX-License-Identifier: Apache-2.0
/*
 * Metadata files of catalogs that keep a pointer (SQL, REST): "<location>/metadata/
 * <NNNNN>-<uuid>.metadata.json", read by URI, written under a name that is never used twice (R7).
 */
#include "vecstore/catalog/catalog_internal.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define WRITE_TRIES 3
#define URI_MAX 8192

// ---- where ----

// The URI without its last part; empty when it has none.
static struct vs_str folder_of(struct vs_str uri)
{
    size_t len = uri.len;
    while (len > 0 && uri.ptr[len - 1] != '/') {
        len--;
    }
    return (struct vs_str){uri.ptr, len > 0 ? len - 1 : 0};
}

enum vs_status vs_catalog_store_of(struct vs_catalog *catalog,
                                   struct vs_str location,
                                   struct vs_store **store_out,
                                   struct vs_error *err)
{
    if (catalog->store != NULL) {
        struct vs_buf key;
        vs_buf_init(&key, catalog->env, URI_MAX);
        enum vs_status status = vs_store_key(catalog->store, location, &key, NULL);
        vs_buf_clear(&key);
        if (status == VS_OK) {
            *store_out = catalog->store;
            return VS_OK;
        }
        if (status == VS_NO_MEMORY) {
            return vs_fail(err, VS_NO_MEMORY, "no memory to open %.*s", VS_STR_ARG(location));
        }
    }
    return vs_store_pool_get(catalog->pool, location, "", NULL, store_out, err);
}

enum vs_status vs_catalog_store_of_file(struct vs_catalog *catalog,
                                        const char *uri,
                                        struct vs_store **store_out,
                                        struct vs_error *err)
{
    struct vs_str folder = folder_of(vs_str_from_c(uri));
    struct vs_str above = folder_of(folder);
    bool has_above =
        above.len > 0 && above.ptr[above.len - 1] != '/' && above.ptr[above.len - 1] != ':';
    return vs_catalog_store_of(catalog, has_above ? above : folder, store_out, err);
}

// ---- reading ----

enum vs_status vs_metadata_read_uri(const struct vs_env *env,
                                    struct vs_store *store,
                                    const char *uri,
                                    struct vs_table_metadata **metadata_out,
                                    struct vs_error *err)
{
    struct vs_buf key, text;
    vs_buf_init(&key, env, URI_MAX);
    vs_buf_init(&text, env, VS_TABLE_METADATA_MAX_BYTES);
    enum vs_status status = vs_store_key(store, vs_str_from_c(uri), &key, err);
    const char *key_text = status == VS_OK ? vs_buf_c_str(&key) : NULL;
    if (status == VS_OK) {
        status = key_text != NULL ? vs_store_get(store, key_text, &text, err)
                                  : vs_fail(err, VS_NO_MEMORY, "no memory to read %s", uri);
    }
    if (status == VS_OK) {
        status = vs_table_metadata_parse(env, vs_buf_view(&text), uri, metadata_out, err);
    }
    vs_buf_clear(&text);
    vs_buf_clear(&key);
    return status;
}

// ---- writing ----

// NNNNN of "NNNNN-<uuid>…" or of "vNNNNN.…"; -1 for other names.
static int64_t serial_of(const char *uri)
{
    const char *slash = uri != NULL ? strrchr(uri, '/') : NULL;
    const char *name = slash != NULL ? slash + 1 : (uri != NULL ? uri : "");
    char stop = '-';
    if (name[0] == 'v') {
        name++;
        stop = '.';
    }
    size_t len = strspn(name, "0123456789");
    int64_t number;
    if (len == 0 || name[len] != stop ||
        vs_parse_i64((struct vs_str){name, len}, &number, NULL) != VS_OK || number == INT64_MAX) {
        return -1;
    }
    return number;
}

enum vs_status vs_metadata_uri_make(const struct vs_table_metadata *metadata,
                                    const char *base_uri,
                                    struct vs_uuid uuid,
                                    struct vs_buf *uri_out,
                                    struct vs_error *err)
{
    char id[VS_UUID_TEXT_SIZE];
    struct vs_str folder = vs_table_property(metadata, "write.metadata.path");
    const char *suffix = vs_table_metadata_is_gzip(metadata) ? ".gz" : "";
    vs_uuid_format(uuid, id);
    vs_buf_reset(uri_out);
    if (folder.len > 0) {
        while (folder.len > 1 && folder.ptr[folder.len - 1] == '/') {
            folder.len--;
        }
        VS_TRY(vs_buf_append_str(uri_out, folder, err));
    } else {
        VS_TRY(vs_buf_append_str(uri_out, metadata->location, err));
        VS_TRY(vs_buf_append_c(uri_out, "/metadata", err));
    }
    VS_TRY(vs_buf_printf(uri_out, err, "/%05lld-%s%s.metadata.json",
                         (long long)serial_of(base_uri) + 1, id, suffix));
    return vs_buf_c_str(uri_out) != NULL
               ? VS_OK
               : vs_fail(err, VS_NO_MEMORY, "no memory for the name of a metadata file");
}

static enum vs_status put_repeatedly(struct vs_store *store,
                                     const char *key,
                                     struct vs_str bytes,
                                     struct vs_error *err)
{
    enum vs_status status = VS_UNKNOWN;
    for (int i = 0; i < WRITE_TRIES && status == VS_UNKNOWN; i++) {
        status = vs_store_put(store, key, bytes, VS_PUT_IF_ABSENT, err);
    }
    if (status == VS_EXISTS) {
        return VS_OK; // the name is ours alone: an earlier send of the same bytes
    }
    return vs_status_definite(status, err);
}

enum vs_status vs_metadata_write(const struct vs_env *env,
                                 struct vs_store *store,
                                 const struct vs_table_metadata *metadata,
                                 const char *uri,
                                 struct vs_error *err)
{
    struct vs_buf key, bytes;
    vs_buf_init(&key, env, URI_MAX);
    vs_buf_init(&bytes, env, VS_TABLE_METADATA_MAX_BYTES);
    enum vs_status status = vs_store_key(store, vs_str_from_c(uri), &key, err);
    const char *key_text = status == VS_OK ? vs_buf_c_str(&key) : NULL;
    if (status == VS_OK) {
        status = key_text != NULL ? vs_table_metadata_encode(metadata, &bytes, err)
                                  : vs_fail(err, VS_NO_MEMORY, "no memory to write %s", uri);
    }
    if (status == VS_OK) {
        status = put_repeatedly(store, key_text, vs_buf_view(&bytes), err);
    }
    vs_buf_clear(&bytes);
    vs_buf_clear(&key);
    return status;
}

enum vs_status vs_metadata_write_new(const struct vs_env *env,
                                     struct vs_store *store,
                                     const struct vs_table_metadata *metadata,
                                     const char *base_uri,
                                     struct vs_buf *uri_out,
                                     struct vs_error *err)
{
    VS_TRY(vs_metadata_uri_make(metadata, base_uri, vs_uuid_new_v4(env), uri_out, err));
    return vs_metadata_write(env, store, metadata, vs_buf_c_str(uri_out), err);
}

void vs_metadata_remove(const struct vs_env *env, struct vs_store *store, const char *uri)
{
    struct vs_buf key;
    vs_buf_init(&key, env, URI_MAX);
    if (vs_store_key(store, vs_str_from_c(uri), &key, NULL) == VS_OK) {
        const char *text = vs_buf_c_str(&key);
        if (text != NULL) {
            vs_ignore(vs_store_remove(store, text, NULL)); // an orphan at worst
        }
    }
    vs_buf_clear(&key);
}

// ---- properties that name folders ----

static enum vs_status check_path(const struct vs_table *table,
                                 const char *property,
                                 struct vs_error *err)
{
    struct vs_str path = vs_table_property(table->metadata, property);
    struct vs_str location = table->metadata->location;
    if (path.len == 0) {
        return VS_OK;
    }
    bool is_inside = vs_str_starts_with(path, location) &&
                     (path.len == location.len || path.ptr[location.len] == '/');
    for (size_t i = 0; is_inside && i + 2 < path.len; i++) {
        is_inside = memcmp(path.ptr + i, "/..", 3) != 0;
    }
    return is_inside ? VS_OK
                     : vs_fail(err, VS_DENIED,
                               "property %s of table '%s' leads to %.*s, outside of the table's "
                               "location %.*s, where nothing is written: change or remove the "
                               "property",
                               property, table->name, VS_STR_ARG(path), VS_STR_ARG(location));
}

enum vs_status vs_table_paths_check(const struct vs_table *table, struct vs_error *err)
{
    static const char *const properties[] = {"write.metadata.path", "write.data.path",
                                             "write.object-storage.path",
                                             "write.folder-storage.path"};
    for (size_t i = 0; i < sizeof properties / sizeof properties[0]; i++) {
        VS_TRY(check_path(table, properties[i], err));
    }
    return VS_OK;
}

// ---- a table from one file ----

// Plain relative paths are those of the current directory.
static enum vs_status absolute(const char *uri, struct vs_buf *out, struct vs_error *err)
{
    char cwd[PATH_MAX];
    if (uri[0] != '/' && strchr(uri, ':') == NULL) {
        if (getcwd(cwd, sizeof cwd) == NULL) {
            return vs_fail(err, VS_UNAVAILABLE, "cannot find the current directory");
        }
        while (strncmp(uri, "./", 2) == 0) {
            uri += 2;
        }
        VS_TRY(vs_buf_append_c(out, cwd, err));
        VS_TRY(vs_buf_append_byte(out, '/', err));
    }
    VS_TRY(vs_buf_append_c(out, uri, err));
    return vs_buf_c_str(out) != NULL ? VS_OK
                                     : vs_fail(err, VS_NO_MEMORY, "no memory to open %s", uri);
}

static enum vs_status open_file(struct vs_catalog *catalog,
                                const char *uri,
                                struct vs_str moved_from,
                                struct vs_str moved_to,
                                struct vs_table **table_out,
                                struct vs_error *err)
{
    struct vs_store *file_store = NULL, *store = NULL;
    struct vs_table_metadata *m = NULL;
    VS_TRY(vs_catalog_store_of_file(catalog, uri, &file_store, err));
    VS_TRY(vs_metadata_read_uri(catalog->env, file_store, uri, &m, err));
    enum vs_status status = VS_OK;
    if (moved_from.len > 0) {
        m->moved_from = vs_arena_copy_str(&m->arena, moved_from);
        m->moved_to = vs_arena_copy_str(&m->arena, moved_to);
        if (m->moved_from.ptr == NULL || m->moved_to.ptr == NULL) {
            status = vs_fail(err, VS_NO_MEMORY, "no memory to open %s", uri);
        }
    }
    if (status == VS_OK) {
        struct vs_str location = moved_from.len > 0 ? m->moved_to : m->location;
        status = vs_catalog_store_of(catalog, location, &store, err);
        if (status == VS_UNSUPPORTED || status == VS_INVALID) {
            // The metadata can be looked at; its files are refused by name when they are opened.
            store = file_store;
            status = VS_OK;
        }
    }
    if (status == VS_OK) {
        const struct vs_table_state state = {
            .name = uri, .metadata_uri = uri, .version = -1, .store = store, .metadata = m};
        status = vs_table_state_new(catalog, &state, table_out, err);
    }
    if (status != VS_OK) {
        vs_table_metadata_free(m);
    }
    return status;
}

enum vs_status vs_table_open_moved(struct vs_catalog *catalog,
                                   const char *metadata_uri,
                                   struct vs_str moved_from,
                                   struct vs_str moved_to,
                                   struct vs_table **table_out,
                                   struct vs_error *err)
{
    struct vs_buf uri;
    vs_buf_init(&uri, catalog->env, URI_MAX);
    enum vs_status status = absolute(metadata_uri, &uri, err);
    if (status == VS_OK) {
        status = open_file(catalog, vs_buf_c_str(&uri), moved_from, moved_to, table_out, err);
    }
    vs_buf_clear(&uri);
    return status;
}

enum vs_status vs_table_open_file(struct vs_catalog *catalog,
                                  const char *metadata_uri,
                                  struct vs_table **table_out,
                                  struct vs_error *err)
{
    const struct vs_str none = {"", 0};
    return vs_table_open_moved(catalog, metadata_uri, none, none, table_out, err);
}
