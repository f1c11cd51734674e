// SPDX-License-Identifier: Apache-2.0
/*
 * What the files of the query engine share: the engine, and what a request gets from it. Private to
 * api/query.
 */
#ifndef VS_QUERY_ENGINE_INTERNAL_H
#define VS_QUERY_ENGINE_INTERNAL_H

#include "api/query/engine.h"
#include "api/query/query_cache.h"
#include "index/index.h"
#include "vecstore/object/chunk_cache.h"

#include <pthread.h>

// The folder of a table's metadata files. Once the table was found current by a look at the files
// later than VS_STAMP_SETTLE_NS after a look at the folder, it is current for as long as the folder
// has the same stamp.
struct vs_table_folder {
    char key[320]; // "": not known, or not looked at
    struct vs_object_stamp stamp;
    int64_t seen_ns; // when the stamp was first seen; 0: not yet
    bool is_settled;
};

struct vs_folder_look {
    bool has_stamp;
    struct vs_object_stamp stamp;
    int64_t begin_ns, end_ns;
};

struct vs_engine_table {
    struct vs_table *table;
    // The first bytes of its metadata file: a table that was dropped and made anew under the same
    // name can have the same version number.
    uint8_t head[VS_TABLE_HEAD];
    size_t head_len;
    // Of that file once its head was compared: as long as it stays, nobody needs to read it again.
    bool has_stamp;
    struct vs_object_stamp stamp;
    struct vs_table_folder folder;
    uint64_t used; // engine.clock at the last use
    struct vs_engine_table *next;
};

struct vs_engine_scratch {
    struct vs_index_scratch *scratch;
    struct vs_engine_scratch *next;
};

struct vs_engine {
    const struct vs_env *env;
    struct vs_catalog *catalog;
    size_t thread_count;
    struct vs_query_cache *cache;
    struct vs_chunk_cache *chunks; // NULL: none
    bool preload, idle, rows_in_file;
    pthread_mutex_t lock; // guards what follows
    struct vs_engine_table *tables;
    size_t table_count;
    uint64_t clock;
    struct vs_engine_scratch *scratches;
};

// The store of a table's files when the engine knows the table, else the warehouse's; NULL:
// neither.
struct vs_store *vs_engine_store(struct vs_engine *engine, const char *name);
// The newest state of a table (one probe of the catalog when it is known); the caller releases it.
enum vs_status vs_engine_table(struct vs_engine *engine,
                               const char *name,
                               struct vs_table **table_out,
                               struct vs_error *err);
// table_folder.c. Takes the folder from the key of the metadata file.
void vs_table_folder_find(struct vs_engine_table *entry, struct vs_str metadata_key);
// One look; true: the table is current. `known` is a copy that nobody changes.
bool vs_table_folder_is_quiet(const struct vs_env *env,
                              const struct vs_engine_table *known,
                              struct vs_folder_look *look_out);
// After the files were seen to be current, later than the look. With the engine's lock.
void vs_table_folder_remember(struct vs_engine_table *entry, const struct vs_folder_look *look);
// Working memory of one thread, from a pool.
enum vs_status vs_engine_take_scratch(struct vs_engine *engine,
                                      struct vs_engine_scratch **scratch_out,
                                      struct vs_error *err);
void vs_engine_give_scratch(struct vs_engine *engine,
                            struct vs_engine_scratch *scratch); // accepts NULL

static inline double vs_ms_since(const struct vs_env *env, int64_t start_ns)
{
    return (double)(vs_monotonic_ns(env) - start_ns) / 1e6;
}

#endif
