// SPDX-License-Identifier: Apache-2.0
/*
 * What the files behind vecstore.h share: the opened warehouse and small JSON helpers.
 */
#ifndef VS_API_DB_H
#define VS_API_DB_H

#include "api/query/engine.h"
#include "api/vecstore.h"
#include "vecstore/base/json.h"
#include "vecstore/catalog/catalog.h"

struct vs_db {
    const struct vs_env *env;
    struct vs_catalog *catalog;
    struct vs_engine *engine;
    size_t thread_count;
};

// "field": "12" — 63-bit ids are strings in JSON, since many readers keep numbers as doubles;
// VS_NO_SNAPSHOT is null.
void vs_report_id(struct vs_json_writer *w, const char *key, int64_t id);
void vs_report_str(struct vs_json_writer *w, const char *key, struct vs_str text);
void vs_report_c(struct vs_json_writer *w, const char *key, const char *text); // NULL is null
void vs_report_u64(struct vs_json_writer *w, const char *key, uint64_t value);
void vs_report_f64(struct vs_json_writer *w, const char *key, double value);
void vs_report_bool(struct vs_json_writer *w, const char *key, bool value);
void vs_report_time(struct vs_json_writer *w,
                    const char *key,
                    int64_t wall_ms); // 2025-01-31T10:20:30Z

#endif
