// SPDX-License-Identifier: Apache-2.0
#include "api/query/engine_internal.h"
#include "vecstore/base/pool.h"

#include <string.h>

#define TABLES_MAX 256
#define DEFAULT_CACHE_BYTES (UINT64_C(1) << 30)

enum vs_status vs_engine_open(struct vs_catalog *catalog,
                              const struct vs_engine_options *options,
                              struct vs_engine **engine_out,
                              struct vs_error *err)
{
    const struct vs_env *env = vs_catalog_env(catalog);
    struct vs_engine *engine = vs_alloc_zeroed(env, 1, sizeof *engine);
    if (engine == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "query engine: out of memory");
    }
    engine->env = env;
    engine->catalog = catalog;
    engine->thread_count =
        options != NULL && options->thread_count > 0 ? options->thread_count : vs_cpu_count();
    uint64_t limit =
        options != NULL && options->cache_bytes > 0 ? options->cache_bytes : DEFAULT_CACHE_BYTES;
    enum vs_status status = VS_OK;
    if (options != NULL && options->cache_dir != NULL) {
        status = vs_chunk_cache_open(env, options->cache_dir, options->cache_dir_bytes,
                                     &engine->chunks, err);
    }
    if (status == VS_OK) {
        status = vs_query_cache_open(env, limit, &engine->cache, err);
    }
    if (status != VS_OK) {
        vs_chunk_cache_close(engine->chunks);
        vs_free(env, engine);
        return status;
    }
    engine->idle = options != NULL && options->idle;
    engine->preload = options != NULL && options->preload;
    engine->rows_in_file = options != NULL && options->rows_in_file;
    pthread_mutex_init(&engine->lock, NULL);
    *engine_out = engine;
    return VS_OK;
}

void vs_engine_close(struct vs_engine *engine)
{
    if (engine == NULL) {
        return;
    }
    vs_query_cache_close(engine->cache);
    vs_chunk_cache_close(engine->chunks); // its files were in the cache
    while (engine->tables != NULL) {
        struct vs_engine_table *next = engine->tables->next;
        vs_table_release(engine->tables->table);
        vs_free(engine->env, engine->tables);
        engine->tables = next;
    }
    while (engine->scratches != NULL) {
        struct vs_engine_scratch *next = engine->scratches->next;
        vs_index_scratch_free(engine->scratches->scratch);
        vs_free(engine->env, engine->scratches);
        engine->scratches = next;
    }
    pthread_mutex_destroy(&engine->lock);
    vs_free(engine->env, engine);
}

// "passages" is short for "default.passages".
static bool is_named(const struct vs_engine_table *entry, const char *name)
{
    const char *full = entry->table->name;
    return strcmp(full, name) == 0 ||
           (strchr(name, '.') == NULL && strncmp(full, "default.", 8) == 0 &&
            strcmp(full + 8, name) == 0);
}

// Copies the entry out; its table is retained.
static bool known_table(struct vs_engine *engine,
                        const char *name,
                        struct vs_engine_table *known_out)
{
    bool found = false;
    pthread_mutex_lock(&engine->lock);
    for (struct vs_engine_table *entry = engine->tables; entry != NULL && !found;
         entry = entry->next) {
        if (is_named(entry, name)) {
            entry->used = ++engine->clock;
            *known_out = *entry;
            known_out->table = vs_table_retain(entry->table);
            found = true;
        }
    }
    pthread_mutex_unlock(&engine->lock);
    return found;
}

struct vs_store *vs_engine_store(struct vs_engine *engine, const char *name)
{
    struct vs_store *store = NULL; // lives as long as the catalog
    pthread_mutex_lock(&engine->lock);
    for (struct vs_engine_table *entry = name != NULL ? engine->tables : NULL;
         entry != NULL && store == NULL; entry = entry->next) {
        store = is_named(entry, name) ? entry->table->store : NULL;
    }
    pthread_mutex_unlock(&engine->lock);
    return store != NULL ? store : vs_catalog_store(engine->catalog);
}

static enum vs_status head_key(const struct vs_engine *engine,
                               const struct vs_table *table,
                               struct vs_buf *key,
                               struct vs_error *err)
{
    vs_buf_init(key, engine->env, 1 << 16);
    return vs_store_key(table->store, vs_str_from_c(table->metadata_uri), key, err);
}

static enum vs_status read_head(struct vs_engine *engine,
                                const struct vs_table *table,
                                uint8_t head_out[VS_TABLE_HEAD],
                                size_t *len_out,
                                struct vs_error *err)
{
    struct vs_file *file = NULL;
    struct vs_buf key;
    *len_out = 0;
    if (table->version < 0) {
        return VS_OK; // names of metadata files are never used twice there
    }
    enum vs_status status = head_key(engine, table, &key, err);
    if (status == VS_OK) {
        status = vs_file_open(table->store, (const char *)key.data, &file, err);
    }
    if (status == VS_OK) {
        size_t len = file->size < VS_TABLE_HEAD ? (size_t)file->size : VS_TABLE_HEAD;
        status = vs_file_read(file, 0, len, head_out, err);
        *len_out = status == VS_OK ? len : 0;
    }
    vs_file_close(file);
    vs_buf_clear(&key);
    return status;
}

static bool take_stamp(const struct vs_engine *engine,
                       const struct vs_table *table,
                       struct vs_object_stamp *stamp_out)
{
    struct vs_buf key;
    bool taken = table->version >= 0 && head_key(engine, table, &key, NULL) == VS_OK;
    if (table->version >= 0) {
        taken = taken && vs_store_stamp(table->store, (const char *)key.data, stamp_out);
        vs_buf_clear(&key);
    }
    return taken;
}

// Asks two things of the catalog and the store, side by side where they are far away.
struct currency {
    struct vs_engine *engine;
    const struct vs_engine_table *known;
    bool newest, same; // no newer version; this version is the one that we know
    bool has_stamp;    // of the file whose head is the one that we know
    struct vs_object_stamp stamp;
    enum vs_status head_status; // of the second question: it matters if the first says yes
    struct vs_error head_error;
};

static enum vs_status ask_currency(void *ctx, size_t task, struct vs_error *err)
{
    struct currency *currency = (struct currency *)ctx;
    const struct vs_engine_table *known = currency->known;
    struct vs_engine *engine = currency->engine;
    if (task == 0) {
        return vs_catalog_is_current(engine->catalog, known->table, &currency->newest, err);
    }
    uint8_t head[VS_TABLE_HEAD];
    size_t len = 0;
    currency->has_stamp = take_stamp(engine, known->table, &currency->stamp);
    if (currency->has_stamp && known->has_stamp &&
        vs_object_stamp_is(&currency->stamp, &known->stamp)) {
        currency->same = true;
        return VS_OK;
    }
    enum vs_status status = read_head(engine, known->table, head, &len, &currency->head_error);
    currency->same =
        status == VS_OK && len == known->head_len && memcmp(head, known->head, len) == 0;
    currency->head_status = status == VS_NOT_FOUND ? VS_OK : status; // a "no": it was dropped
    return VS_OK;
}

// The looks came before the head was read and the table found to be current.
static void remember_looks(struct vs_engine *engine,
                           const struct currency *currency,
                           const struct vs_folder_look *look)
{
    pthread_mutex_lock(&engine->lock);
    for (struct vs_engine_table *entry = engine->tables; entry != NULL; entry = entry->next) {
        if (entry->table == currency->known->table) {
            entry->stamp = currency->has_stamp ? currency->stamp : entry->stamp;
            entry->has_stamp = entry->has_stamp || currency->has_stamp;
            vs_table_folder_remember(entry, look);
        }
    }
    pthread_mutex_unlock(&engine->lock);
}

static enum vs_status is_current(struct vs_engine *engine,
                                 const struct vs_engine_table *known,
                                 bool *current_out,
                                 struct vs_error *err)
{
    struct vs_folder_look look;
    if (vs_table_folder_is_quiet(engine->env, known, &look)) {
        *current_out = true;
        return VS_OK;
    }
    struct currency currency = {.engine = engine, .known = known};
    size_t threads = vs_store_is_remote(known->table->store) ? 2 : 1;
    enum vs_status status = vs_pool_run(engine->env, threads, 2, ask_currency, &currency, err);
    if (status == VS_OK && currency.newest && currency.head_status != VS_OK) {
        if (err != NULL) {
            *err = currency.head_error;
        }
        return currency.head_status;
    }
    *current_out = status == VS_OK && currency.newest && currency.same;
    bool is_new = currency.has_stamp &&
                  !(known->has_stamp && vs_object_stamp_is(&currency.stamp, &known->stamp));
    if (*current_out && (is_new || look.has_stamp)) {
        remember_looks(engine, &currency, &look);
    }
    return status == VS_NOT_FOUND ? VS_OK : status;
}

// Takes the entry with this name, else the longest unused one when there are too many.
static struct vs_engine_table *take_place(struct vs_engine *engine, const char *name)
{
    struct vs_engine_table **place = NULL;
    for (struct vs_engine_table **link = &engine->tables; *link != NULL; link = &(*link)->next) {
        if (is_named(*link, name)) {
            place = link;
            break;
        }
        if (engine->table_count >= TABLES_MAX &&
            (place == NULL || (*link)->used < (*place)->used)) {
            place = link;
        }
    }
    if (place == NULL) {
        return NULL;
    }
    struct vs_engine_table *entry = *place;
    *place = entry->next;
    engine->table_count--;
    return entry;
}

static void forget_table(struct vs_engine *engine, const char *name)
{
    struct vs_table *old = NULL;
    pthread_mutex_lock(&engine->lock);
    for (struct vs_engine_table **link = &engine->tables; *link != NULL; link = &(*link)->next) {
        if (is_named(*link, name)) {
            struct vs_engine_table *entry = *link;
            *link = entry->next;
            engine->table_count--;
            old = entry->table;
            vs_free(engine->env, entry);
            break;
        }
    }
    pthread_mutex_unlock(&engine->lock);
    vs_table_release(old);
}

static void find_folder(const struct vs_engine *engine, struct vs_engine_table *entry)
{
    struct vs_buf key;
    if (head_key(engine, entry->table, &key, NULL) == VS_OK) {
        vs_table_folder_find(entry, vs_buf_view(&key));
    }
    vs_buf_clear(&key);
}

static enum vs_status remember_table(struct vs_engine *engine,
                                     struct vs_table *table,
                                     struct vs_error *err)
{
    struct vs_engine_table *fresh = vs_alloc_zeroed(engine->env, 1, sizeof *fresh);
    if (fresh == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "query engine: out of memory");
    }
    if (table->head_len > 0) { // came with the metadata
        fresh->head_len = table->head_len;
        memcpy(fresh->head, table->head, table->head_len);
    } else {
        enum vs_status status = read_head(engine, table, fresh->head, &fresh->head_len, err);
        if (status != VS_OK) {
            vs_free(engine->env, fresh);
            return status;
        }
    }
    fresh->table = vs_table_retain(table);
    find_folder(engine, fresh);
    pthread_mutex_lock(&engine->lock);
    struct vs_engine_table *old = take_place(engine, table->name);
    fresh->used = ++engine->clock;
    fresh->next = engine->tables;
    engine->tables = fresh;
    engine->table_count++;
    pthread_mutex_unlock(&engine->lock);
    if (old != NULL) {
        vs_table_release(old->table);
        vs_free(engine->env, old);
    }
    return VS_OK;
}

enum vs_status vs_engine_table(struct vs_engine *engine,
                               const char *name,
                               struct vs_table **table_out,
                               struct vs_error *err)
{
    if (name == NULL) {
        return vs_fail(err, VS_INVALID, "no table is named");
    }
    struct vs_engine_table known;
    if (known_table(engine, name, &known)) {
        bool current = false;
        enum vs_status status = is_current(engine, &known, &current, err);
        if (status == VS_OK && current) {
            *table_out = known.table;
            return VS_OK;
        }
        vs_table_release(known.table);
        VS_TRY(status);
    }
    VS_TRY(vs_table_name_check(name, err));
    struct vs_table *table = NULL;
    enum vs_status status = vs_catalog_load(engine->catalog, name, &table, err);
    if (status != VS_OK) {
        forget_table(engine, name);
        return status;
    }
    status = remember_table(engine, table, err);
    if (status != VS_OK) {
        vs_table_release(table);
        return status;
    }
    *table_out = table;
    return VS_OK;
}

enum vs_status vs_engine_take_scratch(struct vs_engine *engine,
                                      struct vs_engine_scratch **scratch_out,
                                      struct vs_error *err)
{
    pthread_mutex_lock(&engine->lock);
    struct vs_engine_scratch *entry = engine->scratches;
    if (entry != NULL) {
        engine->scratches = entry->next;
    }
    pthread_mutex_unlock(&engine->lock);
    if (entry == NULL) {
        entry = vs_alloc_zeroed(engine->env, 1, sizeof *entry);
        if (entry == NULL) {
            return vs_fail(err, VS_NO_MEMORY, "query engine: out of memory");
        }
        enum vs_status status = vs_index_scratch_new(engine->env, &entry->scratch, err);
        if (status != VS_OK) {
            vs_free(engine->env, entry);
            return status;
        }
    }
    *scratch_out = entry;
    return VS_OK;
}

void vs_engine_give_scratch(struct vs_engine *engine, struct vs_engine_scratch *scratch)
{
    if (scratch == NULL) {
        return;
    }
    pthread_mutex_lock(&engine->lock);
    scratch->next = engine->scratches;
    engine->scratches = scratch;
    pthread_mutex_unlock(&engine->lock);
}
