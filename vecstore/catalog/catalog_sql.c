// SPDX-License-Identifier: Apache-2.0
/*
 * SQLite behind sql_rows.h. Every statement has bound parameters.
 *
 * Changes run in BEGIN IMMEDIATE … COMMIT, so that waiting for other writers ends before anything
 * is changed and SQLITE_BUSY means "not done". After a failed COMMIT the connection is closed: what
 * is then read comes from the file, which recovers to one of the two states.
 */
#include "vecstore/catalog/sql_rows.h"

#include <pthread.h>
#include <sqlite3.h>
#include <string.h>

#define WAIT_MS 20000
#define LOCATION_MAX 8192

struct vs_sql_db {
    const struct vs_env *env;
    pthread_mutex_t lock;
    sqlite3 *handle; // NULL: to be opened again
    char *path;
    bool has_type; // column iceberg_type
};

#define ONLY_TABLES " AND (iceberg_type IS NULL OR iceberg_type = 'TABLE')"
#define WHERE_KEY " WHERE catalog_name = ?1 AND table_namespace = ?2 AND table_name = ?3"

enum statement {
    FIND,
    ADD,
    ADD_NAMESPACE,
    SWAP,
    REMOVE,
    EACH,
    STATEMENT_COUNT,
};

// Per statement: without and with the column iceberg_type.
static const char *const texts[STATEMENT_COUNT][2] = {
    [FIND] = {"SELECT metadata_location FROM iceberg_tables" WHERE_KEY,
              "SELECT metadata_location FROM iceberg_tables" WHERE_KEY ONLY_TABLES},
    [ADD] = {"INSERT INTO iceberg_tables (catalog_name, table_namespace, table_name, "
             "metadata_location, previous_metadata_location) VALUES (?1, ?2, ?3, ?4, NULL)",
             "INSERT INTO iceberg_tables (catalog_name, table_namespace, table_name, "
             "metadata_location, previous_metadata_location, iceberg_type) "
             "VALUES (?1, ?2, ?3, ?4, NULL, 'TABLE')"},
    [ADD_NAMESPACE] = {"INSERT INTO iceberg_namespace_properties (catalog_name, namespace, "
                       "property_key, property_value) SELECT ?1, ?2, 'exists', 'true' "
                       "WHERE NOT EXISTS (SELECT 1 FROM iceberg_namespace_properties "
                       "WHERE catalog_name = ?1 AND namespace = ?2)",
                       "INSERT INTO iceberg_namespace_properties (catalog_name, namespace, "
                       "property_key, property_value) SELECT ?1, ?2, 'exists', 'true' "
                       "WHERE NOT EXISTS (SELECT 1 FROM iceberg_namespace_properties "
                       "WHERE catalog_name = ?1 AND namespace = ?2)"},
    [SWAP] = {"UPDATE iceberg_tables SET metadata_location = ?5, previous_metadata_location = "
              "?4" WHERE_KEY " AND metadata_location = ?4",
              "UPDATE iceberg_tables SET metadata_location = ?5, previous_metadata_location = "
              "?4" WHERE_KEY " AND metadata_location = ?4" ONLY_TABLES},
    [REMOVE] = {"DELETE FROM iceberg_tables" WHERE_KEY " AND metadata_location = ?4",
                "DELETE FROM iceberg_tables" WHERE_KEY " AND metadata_location = ?4" ONLY_TABLES},
    [EACH] = {"SELECT table_namespace, table_name, metadata_location FROM iceberg_tables "
              "WHERE (?1 IS NULL OR catalog_name = ?1) ORDER BY table_namespace, table_name",
              "SELECT table_namespace, table_name, metadata_location FROM iceberg_tables "
              "WHERE (?1 IS NULL OR catalog_name = ?1)" ONLY_TABLES
              " ORDER BY table_namespace, table_name"},
};

// The schema that PyIceberg and Java make.
static const char *const schema[] = {
    "CREATE TABLE IF NOT EXISTS iceberg_tables (catalog_name VARCHAR(255) NOT NULL, "
    "table_namespace VARCHAR(255) NOT NULL, table_name VARCHAR(255) NOT NULL, "
    "metadata_location VARCHAR(1000), previous_metadata_location VARCHAR(1000), "
    "iceberg_type VARCHAR(5), PRIMARY KEY (catalog_name, table_namespace, table_name))",
    "CREATE TABLE IF NOT EXISTS iceberg_namespace_properties (catalog_name VARCHAR(255) NOT NULL, "
    "namespace VARCHAR(255) NOT NULL, property_key VARCHAR(255) NOT NULL, "
    "property_value VARCHAR(1000) NOT NULL, PRIMARY KEY (catalog_name, namespace, property_key))",
};

// ---- errors ----

static enum vs_status fail_sql(const struct vs_sql_db *db,
                               int code,
                               const char *action,
                               struct vs_error *err)
{
    const char *reason = db->handle != NULL ? sqlite3_errmsg(db->handle) : sqlite3_errstr(code);
    switch (code & 0xFF) {
    case SQLITE_NOMEM:
        return vs_fail(err, VS_NO_MEMORY, "out of memory %s catalog %s", action, db->path);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return vs_fail(err, VS_UNAVAILABLE,
                       "catalog %s is locked by another process (waited %d s %s it; Java keeps "
                       "a lock while its session lives): try again",
                       db->path, WAIT_MS / 1000, action);
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return vs_fail(err, VS_DENIED, "not permitted: %s catalog %s: %s", action, db->path,
                       reason);
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
    case SQLITE_FORMAT:
        return vs_fail(err, VS_CORRUPT, "%s is no sound SQLite file (%s catalog): %s", db->path,
                       action, reason);
    default:
        return vs_fail(err, VS_UNAVAILABLE, "failed %s catalog %s: %s", action, db->path, reason);
    }
}

// ---- statements; the lock is held ----

static enum vs_status prepare_text(struct vs_sql_db *db,
                                   const char *text,
                                   sqlite3_stmt **statement_out,
                                   struct vs_error *err)
{
    int code = sqlite3_prepare_v2(db->handle, text, -1, statement_out, NULL);
    return code == SQLITE_OK ? VS_OK : fail_sql(db, code, "asking", err);
}

// Binds `values` to ?1, ?2, … (without a pointer: NULL); they are borrowed until the statement
// ends.
static enum vs_status prepare(struct vs_sql_db *db,
                              enum statement which,
                              const struct vs_str *values,
                              int count,
                              sqlite3_stmt **statement_out,
                              struct vs_error *err)
{
    sqlite3_stmt *statement = NULL;
    VS_TRY(prepare_text(db, texts[which][db->has_type], &statement, err));
    for (int i = 0; i < count; i++) {
        if (values[i].ptr == NULL) {
            continue; // stays NULL
        }
        int code = sqlite3_bind_text64(statement, i + 1, values[i].ptr, values[i].len,
                                       SQLITE_STATIC, SQLITE_UTF8);
        if (code != SQLITE_OK) {
            (void)sqlite3_finalize(statement);
            return fail_sql(db, code, "asking", err);
        }
    }
    *statement_out = statement;
    return VS_OK;
}

static struct vs_str column(sqlite3_stmt *statement, int index)
{
    const char *text = (const char *)sqlite3_column_text(statement, index);
    int len = sqlite3_column_bytes(statement, index);
    return text == NULL || len < 0 ? (struct vs_str){NULL, 0} : (struct vs_str){text, (size_t)len};
}

// Runs a statement that gives no rows.
static enum vs_status run(struct vs_sql_db *db,
                          enum statement which,
                          const struct vs_str *values,
                          int count,
                          struct vs_error *err)
{
    sqlite3_stmt *statement = NULL;
    VS_TRY(prepare(db, which, values, count, &statement, err));
    int code = sqlite3_step(statement);
    enum vs_status status = VS_OK;
    if ((code & 0xFF) == SQLITE_CONSTRAINT) {
        status = vs_fail(err, VS_EXISTS, "the name is taken in catalog %s", db->path);
    } else if (code != SQLITE_DONE) {
        status = fail_sql(db, code, "changing", err);
    }
    (void)sqlite3_finalize(statement);
    return status;
}

// ---- the connection; the lock is held ----

static void close_handle(struct vs_sql_db *db)
{
    (void)sqlite3_close_v2(db->handle);
    db->handle = NULL;
}

static enum vs_status run_text(struct vs_sql_db *db, const char *text, struct vs_error *err)
{
    int code = sqlite3_exec(db->handle, text, NULL, NULL, NULL);
    return code == SQLITE_OK ? VS_OK : fail_sql(db, code, "changing", err);
}

// Whether there is a table with this column.
static enum vs_status has_column(struct vs_sql_db *db,
                                 const char *name,
                                 bool *has_out,
                                 struct vs_error *err)
{
    sqlite3_stmt *statement = NULL;
    VS_TRY(prepare_text(db, "SELECT 1 FROM pragma_table_info('iceberg_tables') WHERE name = ?1",
                        &statement, err));
    (void)sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
    int code = sqlite3_step(statement);
    *has_out = code == SQLITE_ROW;
    enum vs_status status =
        code == SQLITE_ROW || code == SQLITE_DONE ? VS_OK : fail_sql(db, code, "reading", err);
    (void)sqlite3_finalize(statement);
    return status;
}

static enum vs_status open_handle(struct vs_sql_db *db, bool create, struct vs_error *err)
{
    if (db->handle != NULL) {
        return VS_OK;
    }
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_FULLMUTEX | (create ? SQLITE_OPEN_CREATE : 0);
    int code = sqlite3_open_v2(db->path, &db->handle, flags, NULL);
    enum vs_status status = VS_OK;
    if ((code & 0xFF) == SQLITE_CANTOPEN) {
        status = vs_fail(err, VS_NOT_FOUND, "cannot open catalog %s: %s", db->path,
                         db->handle != NULL ? sqlite3_errmsg(db->handle) : sqlite3_errstr(code));
    } else if (code != SQLITE_OK) {
        status = fail_sql(db, code, "opening", err);
    }
    if (status == VS_OK) {
        (void)sqlite3_extended_result_codes(db->handle, 1);
        (void)sqlite3_busy_timeout(db->handle, WAIT_MS);
        (void)sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
        (void)sqlite3_db_config(db->handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
        status = has_column(db, "iceberg_type", &db->has_type, err);
    }
    if (status != VS_OK) {
        close_handle(db);
    }
    return status;
}

static enum vs_status begin(struct vs_sql_db *db, struct vs_error *err)
{
    VS_TRY(open_handle(db, false, err));
    return run_text(db, "BEGIN IMMEDIATE", err);
}

// After a failure before COMMIT: nothing was changed. A connection that cannot roll back is closed,
// which does it.
static void roll_back(struct vs_sql_db *db)
{
    if (sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL) != SQLITE_OK &&
        sqlite3_get_autocommit(db->handle) == 0) {
        close_handle(db);
    }
}

static enum vs_status commit(struct vs_sql_db *db, struct vs_error *err)
{
    int code = sqlite3_exec(db->handle, "COMMIT", NULL, NULL, NULL);
    if (code == SQLITE_OK) {
        return VS_OK;
    }
    if ((code & 0xFF) == SQLITE_BUSY) { // readers hold the file: the transaction is still open
        enum vs_status status = fail_sql(db, code, "changing", err);
        roll_back(db);
        return status;
    }
    enum vs_status status =
        vs_fail(err, VS_UNKNOWN, "it is not known whether the change of catalog %s took effect: %s",
                db->path, sqlite3_errmsg(db->handle));
    close_handle(db);
    return status;
}

// Ends a transaction whose statements came to `status`.
static enum vs_status finish(struct vs_sql_db *db, enum vs_status status, struct vs_error *err)
{
    if (status != VS_OK) {
        roll_back(db);
        return status;
    }
    return commit(db, err);
}

static enum vs_status make_schema(struct vs_sql_db *db, struct vs_error *err)
{
    bool exists = false;
    VS_TRY(has_column(db, "metadata_location", &exists, err));
    if (exists) {
        return VS_OK;
    }
    VS_TRY(run_text(db, "BEGIN IMMEDIATE", err));
    enum vs_status status = VS_OK;
    for (size_t i = 0; status == VS_OK && i < sizeof schema / sizeof schema[0]; i++) {
        status = run_text(db, schema[i], err);
    }
    VS_TRY(finish(db, status, err));
    VS_TRY(open_handle(db, false, err));
    return has_column(db, "iceberg_type", &db->has_type, err);
}

enum vs_status vs_sql_open(const struct vs_env *env,
                           const char *path,
                           bool create,
                           struct vs_sql_db **db_out,
                           struct vs_error *err)
{
    struct vs_sql_db *db = vs_alloc_zeroed(env, 1, sizeof *db);
    size_t size = strlen(path) + 1;
    char *copy = vs_alloc(env, size);
    if (db == NULL || copy == NULL) {
        vs_free(env, db);
        vs_free(env, copy);
        return vs_fail(err, VS_NO_MEMORY, "no memory to open catalog %s", path);
    }
    memcpy(copy, path, size);
    *db = (struct vs_sql_db){.env = env, .path = copy};
    (void)pthread_mutex_init(&db->lock, NULL);
    enum vs_status status = open_handle(db, create, err);
    if (status == VS_OK && create) {
        status = make_schema(db, err);
    }
    bool exists = false;
    if (status == VS_OK) {
        status = has_column(db, "metadata_location", &exists, err);
    }
    if (status == VS_OK && !exists) {
        status = vs_fail(err, VS_NOT_FOUND,
                         "%s is an SQLite file, but no Iceberg catalog: it has no table "
                         "iceberg_tables",
                         path);
    }
    if (status != VS_OK) {
        vs_sql_free(db);
        return status;
    }
    *db_out = db;
    return VS_OK;
}

void vs_sql_free(struct vs_sql_db *db)
{
    if (db == NULL) {
        return;
    }
    const struct vs_env *env = db->env;
    close_handle(db);
    (void)pthread_mutex_destroy(&db->lock);
    vs_free(env, db->path);
    vs_free(env, db);
}

// ---- rows ----

static enum vs_status find(struct vs_sql_db *db,
                           const struct vs_sql_key *key,
                           struct vs_buf *location_out,
                           struct vs_error *err)
{
    const struct vs_str values[] = {key->catalog_name, key->ns, key->table};
    sqlite3_stmt *statement = NULL;
    VS_TRY(open_handle(db, false, err));
    VS_TRY(prepare(db, FIND, values, 3, &statement, err));
    enum vs_status status = VS_OK;
    int code = sqlite3_step(statement);
    if (code == SQLITE_DONE) {
        status = vs_fail(err, VS_NOT_FOUND, "there is no table '%.*s.%.*s'", VS_STR_ARG(key->ns),
                         VS_STR_ARG(key->table));
    } else if (code != SQLITE_ROW) {
        status = fail_sql(db, code, "reading", err);
    } else {
        struct vs_str text = column(statement, 0);
        if (text.len == 0 || text.len > LOCATION_MAX || memchr(text.ptr, '\0', text.len) != NULL) {
            status = vs_fail(err, VS_CORRUPT,
                             "the row of table '%.*s.%.*s' in catalog %s has no usable "
                             "metadata_location",
                             VS_STR_ARG(key->ns), VS_STR_ARG(key->table), db->path);
        } else {
            vs_buf_reset(location_out);
            status = vs_buf_append_str(location_out, text, err);
        }
    }
    (void)sqlite3_finalize(statement);
    return status;
}

enum vs_status vs_sql_row_find(struct vs_sql_db *db,
                               const struct vs_sql_key *key,
                               struct vs_buf *location_out,
                               struct vs_error *err)
{
    (void)pthread_mutex_lock(&db->lock);
    enum vs_status status = find(db, key, location_out, err);
    (void)pthread_mutex_unlock(&db->lock);
    return status;
}

enum vs_status vs_sql_row_add(struct vs_sql_db *db,
                              const struct vs_sql_key *key,
                              struct vs_str location,
                              struct vs_error *err)
{
    const struct vs_str values[] = {key->catalog_name, key->ns, key->table, location};
    (void)pthread_mutex_lock(&db->lock);
    enum vs_status status = begin(db, err);
    if (status == VS_OK) {
        status = run(db, ADD_NAMESPACE, values, 2, err);
        if (status == VS_OK) {
            status = run(db, ADD, values, 4, err);
        }
        status = finish(db, status, err);
    }
    (void)pthread_mutex_unlock(&db->lock);
    return status;
}

// One statement that changes at most one row, in a transaction.
static enum vs_status change_one(struct vs_sql_db *db,
                                 enum statement which,
                                 const struct vs_str *values,
                                 int count,
                                 bool *won_out,
                                 struct vs_error *err)
{
    (void)pthread_mutex_lock(&db->lock);
    enum vs_status status = begin(db, err);
    if (status == VS_OK) {
        status = run(db, which, values, count, err);
        bool won = status == VS_OK && sqlite3_changes(db->handle) == 1;
        status = finish(db, status, err);
        if (status == VS_OK) {
            *won_out = won;
        }
    }
    (void)pthread_mutex_unlock(&db->lock);
    return status;
}

enum vs_status vs_sql_row_swap(struct vs_sql_db *db,
                               const struct vs_sql_key *key,
                               struct vs_str before,
                               struct vs_str after,
                               bool *won_out,
                               struct vs_error *err)
{
    const struct vs_str values[] = {key->catalog_name, key->ns, key->table, before, after};
    return change_one(db, SWAP, values, 5, won_out, err);
}

enum vs_status vs_sql_row_remove(struct vs_sql_db *db,
                                 const struct vs_sql_key *key,
                                 struct vs_str before,
                                 bool *won_out,
                                 struct vs_error *err)
{
    const struct vs_str values[] = {key->catalog_name, key->ns, key->table, before};
    return change_one(db, REMOVE, values, 4, won_out, err);
}

static enum vs_status each(struct vs_sql_db *db,
                           struct vs_str catalog_name,
                           vs_sql_visit_fn visit,
                           void *ctx,
                           struct vs_error *err)
{
    sqlite3_stmt *statement = NULL;
    VS_TRY(open_handle(db, false, err));
    VS_TRY(prepare(db, EACH, &catalog_name, 1, &statement, err));
    enum vs_status status = VS_OK;
    int code = SQLITE_ROW;
    while (status == VS_OK && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        status = visit(ctx, column(statement, 0), column(statement, 1), column(statement, 2), err);
    }
    if (status == VS_OK && code != SQLITE_DONE) {
        status = fail_sql(db, code, "reading", err);
    }
    (void)sqlite3_finalize(statement);
    return status;
}

enum vs_status vs_sql_row_each(struct vs_sql_db *db,
                               struct vs_str catalog_name,
                               vs_sql_visit_fn visit,
                               void *ctx,
                               struct vs_error *err)
{
    (void)pthread_mutex_lock(&db->lock);
    enum vs_status status = each(db, catalog_name, visit, ctx, err);
    (void)pthread_mutex_unlock(&db->lock);
    return status;
}
