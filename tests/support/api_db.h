// SPDX-License-Identifier: Apache-2.0
/*
 * A vs_db over any store (memory, failing, on disk) and shorthand for calls of the public interface
 * in tests.
 */
#ifndef VS_TESTS_API_DB_H
#define VS_TESTS_API_DB_H

#include "api/db.h"
#include "tests/support/test_env.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

// Takes the store on success. The result is closed with vs_db_close.
static inline enum vs_status test_db_over(const struct vs_env *env,
                                          struct vs_store *store,
                                          struct vs_db **db_out,
                                          struct vs_error *err)
{
    struct vs_engine_options options = {.thread_count = 1, .cache_bytes = (uint64_t)64 << 20};
    struct vs_db *db = vs_alloc_zeroed(env, 1, sizeof *db);
    if (db == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for a test's db");
    }
    db->env = env;
    db->thread_count = 1;
    enum vs_status status = vs_catalog_open_store(env, store, &db->catalog, err);
    if (status == VS_OK) {
        status = vs_engine_open(db->catalog, &options, &db->engine, err);
    }
    if (status != VS_OK) {
        if (db->catalog == NULL) { // the store was not taken
            vs_free(env, db);
            return status;
        }
        vs_db_close(db);
        return status;
    }
    *db_out = db;
    return VS_OK;
}

// JSON lines of rows [first, first + count): id, title "row N", tag "even" or "odd", a vector of 4
// floats on a circle by id.
static inline size_t test_rows(char *out, size_t size, int first, int count)
{
    size_t used = 0;
    for (int i = first; i < first + count && used < size; i++) {
        int n = snprintf(
            out + used, size - used,
            "{\"id\":%d,\"title\":\"row %d\",\"tag\":\"%s\",\"embedding\":[%.6f,%.6f,%.6f,1]}\n", i,
            i, i % 2 == 0 ? "even" : "odd", cos(i * 0.1), sin(i * 0.1), i * 0.01);
        used += n > 0 ? (size_t)n : 0;
    }
    return used;
}

static inline enum vs_status test_create(struct vs_db *db, const char *table, struct vs_error *err)
{
    struct vs_create_options options = {.size = sizeof options,
                                        .table = table,
                                        .dim = 4,
                                        .schema = "id long, title string, tag string"};
    struct vs_buf report;
    vs_buf_init(&report, db->env, SIZE_MAX);
    enum vs_status status = vs_db_create_table(db, &options, &report, err);
    vs_buf_clear(&report);
    return status;
}

static inline enum vs_status test_insert(struct vs_db *db,
                                         const char *table,
                                         struct vs_str rows,
                                         bool upsert,
                                         struct vs_buf *report,
                                         struct vs_error *err)
{
    struct vs_insert_options options = {
        .size = sizeof options, .table = table, .rows = rows, .upsert = upsert};
    return vs_db_insert(db, &options, report, err);
}

#endif
