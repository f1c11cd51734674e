// SPDX-License-Identifier: Apache-2.0
/*
 * Shared by metadata_diff.c (snapshots, refs, statistics, requirements, the whole) and
 * metadata_diff_parts.c (schemas, specs, orders, properties, keys) only.
 */
#ifndef VS_ICEBERG_METADATA_DIFF_INTERNAL_H
#define VS_ICEBERG_METADATA_DIFF_INTERNAL_H

#include "vecstore/iceberg/metadata_diff.h"

#define DIFF_TEXT_MAX ((size_t)1 << 30)
#define DIFF_JSON_DEPTH 64

// Members that are kept as JSON text, parsed for the comparison.
enum part { PART_SPECS, PART_ORDERS, PART_PARTITION_STATISTICS, PART_KEYS, PART_COUNT };

struct part_docs {
    struct vs_json_doc *doc[PART_COUNT];
    const struct vs_json *array[PART_COUNT]; // NULL: none
};

struct diff {
    const struct vs_env *env;
    const struct vs_table_metadata *base, *next;
    bool is_create;
    struct part_docs old, new;
    struct vs_json_writer *w;
};

// ---- small writers ----

static inline void begin(struct diff *d, const char *kind, const char *name)
{
    vs_jw_object_begin(d->w);
    vs_jw_key(d->w, kind);
    vs_jw_c(d->w, name);
}

static inline void member_i64(struct diff *d, const char *key, int64_t value)
{
    vs_jw_key(d->w, key);
    vs_jw_i64(d->w, value);
}

static inline void member_str(struct diff *d, const char *key, struct vs_str value)
{
    vs_jw_key(d->w, key);
    vs_jw_str(d->w, value);
}

static inline void i64_object(
    struct diff *d, const char *kind, const char *name, const char *key, int64_t value)
{
    begin(d, kind, name);
    member_i64(d, key, value);
    vs_jw_object_end(d->w);
}

// The element whose integer member `key` is `id`; NULL when there is none.
static inline const struct vs_json *find_i64(const struct vs_json *array,
                                             const char *key,
                                             int64_t id)
{
    struct vs_json_iter iter;
    const struct vs_json *item;
    int64_t value;
    vs_json_iter_init(&iter, array);
    while (array != NULL && vs_json_iter_next(&iter, NULL, &item)) {
        if (vs_json_to_i64(vs_json_get(item, key), &value) && value == id) {
            return item;
        }
    }
    return NULL;
}

// ---- metadata_diff_parts.c ----
// Ids of elements of `from` that `in` does not have; *last_out: the last of them (-1: none).
size_t vs_diff_count_missing(const struct vs_json *from,
                             const struct vs_json *in,
                             const char *key,
                             int64_t *last_out);
enum vs_status vs_diff_write_value(struct diff *d,
                                   const struct vs_json *value,
                                   struct vs_error *err);
enum vs_status vs_diff_values_equal(const struct diff *d,
                                    const struct vs_json *a,
                                    const struct vs_json *b,
                                    bool *equal_out,
                                    struct vs_error *err);
bool vs_diff_adds_schema(const struct diff *d);
bool vs_diff_removes_schema(const struct diff *d);
bool vs_diff_removes_spec(const struct diff *d);
// Updates, each with what belongs to it.
enum vs_status vs_diff_write_schemas(struct diff *d, struct vs_error *err);
enum vs_status vs_diff_write_specs(struct diff *d, struct vs_error *err);
enum vs_status vs_diff_write_orders(struct diff *d, struct vs_error *err);
void vs_diff_write_properties(struct diff *d);
enum vs_status vs_diff_write_keys(struct diff *d, struct vs_error *err);
void vs_diff_write_removed_schemas(struct diff *d);
void vs_diff_write_removed_specs(struct diff *d);
void vs_diff_write_removed_keys(struct diff *d);

#endif
