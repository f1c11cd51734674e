// SPDX-License-Identifier: Apache-2.0
#include "api/vecstore.h"

#include "api/db.h"
#include "index/trainer.h"
#include "simd/cpu.h"
#include "simd/kernels.h"
#include "vecstore/base/datetime.h"
#include "vecstore/base/pool.h"

#include <stdio.h>

enum vs_status vs_version_json(struct vs_buf *json_out, struct vs_error *err)
{
    const struct vs_cpu *cpu = vs_cpu_get();
    struct vs_json_writer w;
    vs_json_writer_init(&w, json_out, false);
    vs_jw_object_begin(&w);
    vs_report_c(&w, "version", VECSTORE_VERSION);
    vs_report_c(&w, "simd", vs_kernels_get()->name);
    vs_report_c(&w, "cpu", cpu->brand);
    vs_report_u64(&w, "cpu_family", (uint64_t)cpu->family);
    vs_report_u64(&w, "cpu_model", (uint64_t)cpu->model);
    vs_report_bool(&w, "faiss", vs_trainer_available());
    vs_report_c(&w, "compiler", __VERSION__);
    vs_jw_object_end(&w);
    return vs_json_writer_finish(&w, err);
}

enum vs_status vs_db_open(const struct vs_env *env,
                          const struct vs_db_options *options,
                          struct vs_db **db_out,
                          struct vs_error *err)
{
    struct vs_db *db = vs_alloc_zeroed(env, 1, sizeof *db);
    if (db == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory opening a warehouse");
    }
    db->env = env;
    db->thread_count = options->thread_count > 0 ? options->thread_count : vs_cpu_count();
    struct vs_catalog_options catalog = {
        .kind = options->catalog,
        .warehouse = options->warehouse != NULL ? options->warehouse : "./warehouse",
        .create_warehouse = options->create,
        .uri = options->catalog_uri,
        .name = options->catalog_name,
        .settings = options->settings,
    };
    struct vs_engine_options engine = {.thread_count = db->thread_count,
                                       .cache_bytes = options->cache_bytes,
                                       .cache_dir = options->cache_dir,
                                       .cache_dir_bytes = options->cache_dir_bytes,
                                       .preload = options->preload,
                                       .rows_in_file = options->rows_in_file};
    enum vs_status status = vs_catalog_open(env, &catalog, &db->catalog, err);
    if (status == VS_OK) {
        status = vs_engine_open(db->catalog, &engine, &db->engine, err);
    }
    if (status != VS_OK) {
        vs_db_close(db);
        return status;
    }
    *db_out = db;
    return VS_OK;
}

void vs_db_close(struct vs_db *db)
{
    if (db == NULL) {
        return;
    }
    vs_engine_close(db->engine);
    vs_catalog_free(db->catalog);
    vs_free(db->env, db);
}

void vs_report_id(struct vs_json_writer *w, const char *key, int64_t id)
{
    vs_jw_key(w, key);
    if (id == VS_NO_SNAPSHOT) {
        vs_jw_null(w);
        return;
    }
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)id);
    vs_jw_c(w, text);
}

void vs_report_str(struct vs_json_writer *w, const char *key, struct vs_str text)
{
    vs_jw_key(w, key);
    vs_jw_str(w, text);
}

void vs_report_c(struct vs_json_writer *w, const char *key, const char *text)
{
    vs_jw_key(w, key);
    if (text == NULL) {
        vs_jw_null(w);
    } else {
        vs_jw_c(w, text);
    }
}

void vs_report_u64(struct vs_json_writer *w, const char *key, uint64_t value)
{
    vs_jw_key(w, key);
    vs_jw_u64(w, value);
}

void vs_report_f64(struct vs_json_writer *w, const char *key, double value)
{
    vs_jw_key(w, key);
    vs_jw_f64(w, value);
}

void vs_report_bool(struct vs_json_writer *w, const char *key, bool value)
{
    vs_jw_key(w, key);
    vs_jw_bool(w, value);
}

void vs_report_time(struct vs_json_writer *w, const char *key, int64_t wall_ms)
{
    char text[VS_DATETIME_TEXT_SIZE];
    vs_timestamp_format(wall_ms * 1000, true, text);
    vs_report_c(w, key, text);
}
