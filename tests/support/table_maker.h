// SPDX-License-Identifier: Apache-2.0
/*
 * Makes embedding tables for tests, in memory, through the same writers that ingest uses, and keeps
 * a model of what is in them.
 *
 * Every value of a row follows from its id and version (made_row), so that tests compute expected
 * answers without reading the table. Columns: id long, lang string, year int, price double, tags
 * list<string>, body string, embedding list<float>.
 */
#ifndef VS_TESTS_TABLE_MAKER_H
#define VS_TESTS_TABLE_MAKER_H

#include "tests/support/test_env.h"
#include "vecstore/catalog/catalog.h"

#define MADE_TABLE "docs.made"
#define MADE_DIM_MAX 64

struct made_row {
    int64_t id;
    uint32_t version; // 1: the row was written a second time
    size_t file;
    uint64_t position;
    int64_t added_at, deleted_at; // commit numbers; deleted_at 0: live
};

struct table_maker {
    const struct vs_env *env;
    struct vs_catalog *catalog;
    const char *metric;
    bool normalized;
    uint32_t dim;
    struct made_row *rows;
    size_t row_count, row_room;
    char (*files)[256]; // URIs
    size_t file_count;
    int64_t commits;        // commit number of the last commit
    int64_t snapshots[64];  // by commit number; snapshots[0]: none
    uint64_t index_rows;    // rows of the last index built
    bool half_rows;         // stores binary16 vectors (unless no_exact_rows)
    int64_t sequence_shift; // added to the sequence numbers that an index is told
    char index_key[256];    // its object
};

// Over an in-memory store, or the catalog's own when given (takes it). metric "cosine", "ip", "l2".
enum vs_status table_maker_open(struct table_maker *maker,
                                const struct vs_env *env,
                                struct vs_store *store,
                                const char *metric,
                                uint32_t dim,
                                struct vs_error *err);
void table_maker_close(struct table_maker *maker);
// Drops the table and makes an empty one of the same name.
enum vs_status table_maker_recreate(struct table_maker *maker, struct vs_error *err);
// Appends one data file of rows [first_id, first_id + count).
enum vs_status table_maker_append(struct table_maker *maker,
                                  int64_t first_id,
                                  size_t count,
                                  uint32_t version,
                                  struct vs_error *err);
// Position deletes of the live rows with first_id <= id < first_id + count and id % step == 0.
enum vs_status table_maker_delete(
    struct table_maker *maker, int64_t first_id, size_t count, int64_t step, struct vs_error *err);
// Builds an index over all files there are now and registers it on the newest snapshot.
enum vs_status table_maker_index(struct table_maker *maker,
                                 size_t small_rows,
                                 bool no_exact_rows,
                                 struct vs_error *err);

// ---- the model ----
bool made_has_vector(int64_t id);
void made_vector(const struct table_maker *maker, int64_t id, uint32_t version, float *vector);
const char *made_lang(int64_t id); // NULL: null
bool made_year(int64_t id, int *year_out);
double made_price(int64_t id);
bool made_has_tag(int64_t id, const char *tag); // "even", "third"
// Whether the row is live after commit number `commit`.
bool made_is_live(const struct made_row *row, int64_t commit);
// Score in double precision: cosine, inner product, minus squared distance.
double made_score(const struct table_maker *maker, const float *query, const struct made_row *row);

#endif
