// SPDX-License-Identifier: Apache-2.0
// Schemas, partition specs, sort orders, properties and encryption keys of two states of a table.
#include "vecstore/iceberg/metadata_diff_internal.h"

static const struct vs_json *find_text(const struct vs_json *array,
                                       const char *key,
                                       struct vs_str id)
{
    struct vs_json_iter iter;
    const struct vs_json *item;
    struct vs_str value;
    vs_json_iter_init(&iter, array);
    while (array != NULL && vs_json_iter_next(&iter, NULL, &item)) {
        if (vs_json_to_str(vs_json_get(item, key), &value) && vs_str_equal(value, id)) {
            return item;
        }
    }
    return NULL;
}

size_t vs_diff_count_missing(const struct vs_json *from,
                             const struct vs_json *in,
                             const char *key,
                             int64_t *last_out)
{
    struct vs_json_iter iter;
    const struct vs_json *item;
    int64_t id;
    size_t count = 0;
    *last_out = -1;
    vs_json_iter_init(&iter, from);
    while (from != NULL && vs_json_iter_next(&iter, NULL, &item)) {
        if (vs_json_to_i64(vs_json_get(item, key), &id) && find_i64(in, key, id) == NULL) {
            *last_out = id;
            count++;
        }
    }
    return count;
}

enum vs_status vs_diff_write_value(struct diff *d,
                                   const struct vs_json *value,
                                   struct vs_error *err)
{
    struct vs_buf text;
    vs_buf_init(&text, d->env, DIFF_TEXT_MAX);
    enum vs_status status = vs_json_write_value(value, &text, err);
    if (status == VS_OK) {
        vs_jw_raw(d->w, vs_buf_view(&text));
    }
    vs_buf_clear(&text);
    return status;
}

enum vs_status vs_diff_values_equal(const struct diff *d,
                                    const struct vs_json *a,
                                    const struct vs_json *b,
                                    bool *equal_out,
                                    struct vs_error *err)
{
    struct vs_buf left, right;
    vs_buf_init(&left, d->env, DIFF_TEXT_MAX);
    vs_buf_init(&right, d->env, DIFF_TEXT_MAX);
    enum vs_status status = vs_json_write_value(a, &left, err);
    if (status == VS_OK) {
        status = vs_json_write_value(b, &right, err);
    }
    if (status == VS_OK) {
        *equal_out = vs_str_equal(vs_buf_view(&left), vs_buf_view(&right));
    }
    vs_buf_clear(&left);
    vs_buf_clear(&right);
    return status;
}

// ---- schemas ----

static size_t schema_index(const struct vs_table_metadata *m, int32_t id)
{
    for (size_t i = 0; i < m->schema_count; i++) {
        if (m->schemas[i].schema_id == id) {
            return i;
        }
    }
    return SIZE_MAX;
}

bool vs_diff_adds_schema(const struct diff *d)
{
    for (size_t i = 0; i < d->next->schema_count; i++) {
        if (schema_index(d->base, d->next->schemas[i].schema_id) == SIZE_MAX) {
            return true;
        }
    }
    return false;
}

bool vs_diff_removes_schema(const struct diff *d)
{
    for (size_t i = 0; i < d->base->schema_count; i++) {
        if (schema_index(d->next, d->base->schemas[i].schema_id) == SIZE_MAX) {
            return true;
        }
    }
    return false;
}

enum vs_status vs_diff_write_schemas(struct diff *d, struct vs_error *err)
{
    int32_t last_added = -1;
    for (size_t i = 0; i < d->next->schema_count; i++) {
        int32_t id = d->next->schemas[i].schema_id;
        size_t at = schema_index(d->base, id);
        if (at == SIZE_MAX) {
            begin(d, "action", "add-schema");
            vs_jw_key(d->w, "schema");
            vs_jw_raw(d->w, d->next->schema_json[i]);
            member_i64(d, "last-column-id", d->next->last_column_id);
            vs_jw_object_end(d->w);
            last_added = id;
        } else if (!vs_str_equal(d->next->schema_json[i], d->base->schema_json[at])) {
            return vs_fail(err, VS_UNSUPPORTED,
                           "schema %d was changed in place; a schema of a table in a REST catalog "
                           "changes only by adding a new one",
                           id);
        }
    }
    int32_t current = d->next->current_schema_id;
    if (current != d->base->current_schema_id) {
        i64_object(d, "action", "set-current-schema", "schema-id",
                   current == last_added ? -1 : current);
    }
    return VS_OK;
}

void vs_diff_write_removed_schemas(struct diff *d)
{
    if (!vs_diff_removes_schema(d)) {
        return;
    }
    begin(d, "action", "remove-schemas");
    vs_jw_key(d->w, "schema-ids");
    vs_jw_array_begin(d->w);
    for (size_t i = 0; i < d->base->schema_count; i++) {
        int32_t id = d->base->schemas[i].schema_id;
        if (schema_index(d->next, id) == SIZE_MAX) {
            vs_jw_i64(d->w, id);
        }
    }
    vs_jw_array_end(d->w);
    vs_jw_object_end(d->w);
}

// ---- specs and orders: the same shape ----

struct numbered { // how a list of numbered definitions is spoken of
    enum part part;
    const char *id_key, *add, *add_key, *set_default, *default_key, *what;
};

static const struct numbered specs = {PART_SPECS,         "spec-id", "add-spec",      "spec",
                                      "set-default-spec", "spec-id", "partition spec"};
static const struct numbered orders = {
    PART_ORDERS,     "order-id",  "add-sort-order", "sort-order", "set-default-sort-order",
    "sort-order-id", "sort order"};

static enum vs_status write_numbered(struct diff *d,
                                     const struct numbered *kind,
                                     int32_t base_default,
                                     int32_t next_default,
                                     struct vs_error *err)
{
    const struct vs_json *before = d->old.array[kind->part], *item, *old;
    struct vs_json_iter iter;
    int64_t id, last_added = -1;
    vs_json_iter_init(&iter, d->new.array[kind->part]);
    while (d->new.array[kind->part] != NULL && vs_json_iter_next(&iter, NULL, &item)) {
        if (!vs_json_to_i64(vs_json_get(item, kind->id_key), &id)) {
            return vs_fail(err, VS_CORRUPT, "a %s has no %s", kind->what, kind->id_key);
        }
        old = find_i64(before, kind->id_key, id);
        bool same = false;
        if (old != NULL) {
            VS_TRY(vs_diff_values_equal(d, old, item, &same, err));
            if (!same) {
                return vs_fail(err, VS_UNSUPPORTED,
                               "%s %lld was changed in place; in a REST catalog it changes only "
                               "by adding a new one",
                               kind->what, (long long)id);
            }
            continue;
        }
        begin(d, "action", kind->add);
        vs_jw_key(d->w, kind->add_key);
        VS_TRY(vs_diff_write_value(d, item, err));
        vs_jw_object_end(d->w);
        last_added = id;
    }
    if (next_default != base_default) {
        i64_object(d, "action", kind->set_default, kind->default_key,
                   next_default == last_added ? -1 : next_default);
    }
    return VS_OK;
}

bool vs_diff_removes_spec(const struct diff *d)
{
    int64_t last;
    return vs_diff_count_missing(d->old.array[PART_SPECS], d->new.array[PART_SPECS], "spec-id",
                                 &last) > 0;
}

void vs_diff_write_removed_specs(struct diff *d)
{
    struct vs_json_iter iter;
    const struct vs_json *item;
    int64_t id;
    if (!vs_diff_removes_spec(d)) {
        return;
    }
    begin(d, "action", "remove-partition-specs");
    vs_jw_key(d->w, "spec-ids");
    vs_jw_array_begin(d->w);
    vs_json_iter_init(&iter, d->old.array[PART_SPECS]);
    while (vs_json_iter_next(&iter, NULL, &item)) {
        if (vs_json_to_i64(vs_json_get(item, "spec-id"), &id) &&
            find_i64(d->new.array[PART_SPECS], "spec-id", id) == NULL) {
            vs_jw_i64(d->w, id);
        }
    }
    vs_jw_array_end(d->w);
    vs_jw_object_end(d->w);
}

enum vs_status vs_diff_write_specs(struct diff *d, struct vs_error *err)
{
    return write_numbered(d, &specs, d->base->default_spec_id, d->next->default_spec_id, err);
}

enum vs_status vs_diff_write_orders(struct diff *d, struct vs_error *err)
{
    return write_numbered(d, &orders, d->base->default_sort_order_id,
                          d->next->default_sort_order_id, err);
}

// ---- properties ----

static const struct vs_pair *find_property(const struct vs_table_metadata *m, struct vs_str key)
{
    for (size_t i = 0; i < m->property_count; i++) {
        if (vs_str_equal(m->properties[i].key, key)) {
            return &m->properties[i];
        }
    }
    return NULL;
}

void vs_diff_write_properties(struct diff *d)
{
    bool is_open = false;
    for (size_t i = 0; i < d->next->property_count; i++) {
        const struct vs_pair *pair = &d->next->properties[i];
        const struct vs_pair *old = find_property(d->base, pair->key);
        if (old != NULL && vs_str_equal(old->value, pair->value)) {
            continue;
        }
        if (!is_open) {
            begin(d, "action", "set-properties");
            vs_jw_key(d->w, "updates");
            vs_jw_object_begin(d->w);
            is_open = true;
        }
        vs_jw_key_str(d->w, pair->key);
        vs_jw_str(d->w, pair->value);
    }
    if (is_open) {
        vs_jw_object_end(d->w);
        vs_jw_object_end(d->w);
    }
    is_open = false;
    for (size_t i = 0; i < d->base->property_count; i++) {
        if (find_property(d->next, d->base->properties[i].key) != NULL) {
            continue;
        }
        if (!is_open) {
            begin(d, "action", "remove-properties");
            vs_jw_key(d->w, "removals");
            vs_jw_array_begin(d->w);
            is_open = true;
        }
        vs_jw_str(d->w, d->base->properties[i].key);
    }
    if (is_open) {
        vs_jw_array_end(d->w);
        vs_jw_object_end(d->w);
    }
}

// ---- encryption keys ----

enum vs_status vs_diff_write_keys(struct diff *d, struct vs_error *err)
{
    const struct vs_json *after = d->new.array[PART_KEYS], *item;
    struct vs_json_iter iter;
    struct vs_str id;
    vs_json_iter_init(&iter, after);
    while (after != NULL && vs_json_iter_next(&iter, NULL, &item)) {
        VS_TRY(vs_json_need_str(item, "key-id", "encryption keys", &id, err));
        if (find_text(d->old.array[PART_KEYS], "key-id", id) == NULL) {
            begin(d, "action", "add-encryption-key");
            vs_jw_key(d->w, "encryption-key");
            VS_TRY(vs_diff_write_value(d, item, err));
            vs_jw_object_end(d->w);
        }
    }
    return VS_OK;
}

void vs_diff_write_removed_keys(struct diff *d)
{
    const struct vs_json *before = d->old.array[PART_KEYS], *item;
    struct vs_json_iter iter;
    struct vs_str id;
    vs_json_iter_init(&iter, before);
    while (before != NULL && vs_json_iter_next(&iter, NULL, &item)) {
        if (vs_json_to_str(vs_json_get(item, "key-id"), &id) &&
            find_text(d->new.array[PART_KEYS], "key-id", id) == NULL) {
            begin(d, "action", "remove-encryption-key");
            member_str(d, "key-id", id);
            vs_jw_object_end(d->w);
        }
    }
}
