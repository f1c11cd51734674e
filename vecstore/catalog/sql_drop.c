// SPDX-License-Identifier: Apache-2.0
// The SQL catalog as a whole: which tables there are, and dropping one.
#include "vecstore/catalog/sql_internal.h"

#include <stdio.h>
#include <string.h>

#define URI_MAX VS_SQL_URI_MAX
#define DROP_TRIES 20

// ---- list ----

static enum vs_status visit_row(
    void *ctx, struct vs_str ns, struct vs_str table, struct vs_str location, struct vs_error *err)
{
    char name[264];
    struct name_list *list = ctx;
    (void)location;
    int len = snprintf(name, sizeof name, "%.*s.%.*s", VS_STR_ARG(ns), VS_STR_ARG(table));
    bool fits = len > 0 && (size_t)len < sizeof name && vs_name_part_is(table);
    if (!fits || vs_table_name_check(name, NULL) != VS_OK) {
        vs_log(list->arena.env, VS_LOG_INFO, "catalog", "skipped",
               "name=%.*s.%.*s reason=not-a-table-name", VS_STR_SHORT(ns), VS_STR_SHORT(table));
        return VS_OK;
    }
    return vs_name_list_add(list, vs_str_from_c(name), err);
}

enum vs_status vs_sql_tables_list(struct vs_catalog *catalog,
                                  enum vs_status (*visit)(void *ctx,
                                                          const char *name,
                                                          struct vs_error *err),
                                  void *ctx,
                                  struct vs_error *err)
{
    struct sql_catalog *sql = vs_sql_catalog_of(catalog);
    struct name_list list;
    vs_name_list_init(&list, catalog->env);
    enum vs_status status =
        vs_sql_row_each(sql->db, vs_str_from_c(sql->catalog_name), visit_row, &list, err);
    vs_name_list_sort(&list);
    for (size_t i = 0; status == VS_OK && i < list.count; i++) {
        status = visit(ctx, list.items[i].ptr, err);
    }
    vs_name_list_clear(&list);
    return status;
}

// ---- drop ----

struct neighbours {
    struct vs_str location; // of the table that goes
    bool found;
};

static enum vs_status visit_neighbour(
    void *ctx, struct vs_str ns, struct vs_str table, struct vs_str location, struct vs_error *err)
{
    struct neighbours *n = ctx;
    (void)ns;
    (void)table;
    (void)err;
    n->found = n->found || (vs_str_starts_with(location, n->location) &&
                            location.len > n->location.len && location.ptr[n->location.len] == '/');
    return VS_OK;
}

static enum vs_status visit_key(void *ctx,
                                const struct vs_object_info *object,
                                struct vs_error *err)
{
    return vs_name_list_add(ctx, object->key, err);
}

// The prefix of the keys below a table's location; "" when the store's root is the location.
static enum vs_status prefix_of(const struct vs_table *table,
                                struct vs_buf *prefix,
                                struct vs_error *err)
{
    struct vs_buf uri;
    vs_buf_init(&uri, prefix->env, URI_MAX);
    enum vs_status status =
        vs_buf_printf(&uri, err, "%.*s/x", VS_STR_ARG(table->metadata->location));
    if (status == VS_OK) {
        status = vs_store_key(table->store, vs_buf_view(&uri), prefix, err);
    }
    if (status == VS_OK) {
        prefix->len--; // the 'x'
    }
    vs_buf_clear(&uri);
    return status;
}

// Everything below the location, unless another row of the database, of any catalog name, has a
// table there too.
static enum vs_status purge(struct vs_catalog *catalog,
                            const struct vs_table *table,
                            struct vs_error *err)
{
    struct sql_catalog *sql = vs_sql_catalog_of(catalog);
    struct neighbours neighbours = {.location = table->metadata->location};
    struct name_list list;
    struct vs_buf prefix;
    const struct vs_str any_catalog = {NULL, 0};
    VS_TRY(vs_sql_row_each(sql->db, any_catalog, visit_neighbour, &neighbours, err));
    if (neighbours.found) {
        vs_log(catalog->env, VS_LOG_WARN, "catalog", "not-purged",
               "table=%s reason=another-table-lives-below-its-location", table->name);
        return VS_OK;
    }
    vs_name_list_init(&list, catalog->env);
    vs_buf_init(&prefix, catalog->env, URI_MAX);
    enum vs_status status = prefix_of(table, &prefix, err);
    const char *text = status == VS_OK ? vs_buf_c_str(&prefix) : NULL;
    if (status == VS_OK) {
        status = text != NULL ? vs_store_list(table->store, text, visit_key, &list, err)
                              : vs_fail(err, VS_NO_MEMORY, "no memory to drop a table");
    }
    for (size_t i = 0; status == VS_OK && i < list.count; i++) {
        status = vs_store_remove(table->store, list.items[i].ptr, err);
    }
    vs_buf_clear(&prefix);
    vs_name_list_clear(&list);
    return status;
}

// Removes the row that points to `uri`; *won_out false: it moved meanwhile.
static enum vs_status remove_row(struct vs_catalog *catalog,
                                 const char *name,
                                 const char *uri,
                                 bool *won_out,
                                 struct vs_error *err)
{
    struct table_place place;
    struct vs_sql_key key;
    VS_TRY(vs_sql_key_of(catalog, name, &place, &key, err));
    enum vs_status status =
        vs_sql_row_remove(vs_sql_catalog_of(catalog)->db, &key, vs_str_from_c(uri), won_out, err);
    if (status != VS_UNKNOWN) {
        return status;
    }
    struct vs_buf now;
    vs_buf_init(&now, catalog->env, URI_MAX);
    enum vs_status seen = vs_sql_table_find(catalog, name, &now, NULL);
    vs_buf_clear(&now);
    if (seen == VS_NOT_FOUND) {
        *won_out = true;
        return VS_OK;
    }
    if (seen == VS_OK) {
        *won_out = false; // still there: the caller tries again
        return VS_OK;
    }
    return vs_fail(err, VS_UNKNOWN,
                   "it is not known whether table '%s' was dropped; no file was removed", name);
}

enum vs_status vs_sql_table_drop(struct vs_catalog *catalog, const char *name, struct vs_error *err)
{
    struct vs_buf uri;
    struct vs_table *table = NULL;
    bool won = false;
    vs_buf_init(&uri, catalog->env, URI_MAX);
    enum vs_status status = VS_OK;
    for (int i = 0; status == VS_OK && !won && i < DROP_TRIES; i++) {
        vs_table_release(table);
        table = NULL;
        status = vs_sql_table_find(catalog, name, &uri, err);
        if (status == VS_OK) {
            // A table whose files are gone or broken can be dropped too; then nothing is purged.
            vs_ignore(vs_sql_table_load_at(catalog, name, vs_buf_c_str(&uri), &table, NULL));
            status = remove_row(catalog, name, vs_buf_c_str(&uri), &won, err);
        }
    }
    if (status == VS_OK && !won) {
        status = vs_fail(err, VS_CONFLICT,
                         "table '%s' is being written while it is dropped: stop its writers and "
                         "drop it again",
                         name);
    }
    if (status == VS_OK && table != NULL) {
        status = purge(catalog, table, err);
    }
    vs_table_release(table);
    vs_buf_clear(&uri);
    return status;
}
