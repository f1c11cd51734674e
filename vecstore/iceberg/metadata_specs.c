// SPDX-License-Identifier: Apache-2.0
/*
 * Partition specs and sort orders of table metadata: JSON to structs and back (Spec Appendix C).
 */
#include "vecstore/iceberg/metadata_parser.h"
#include "vecstore/iceberg/metadata_text.h"

#define NO_ORDERS "[{\"order-id\":0,\"fields\":[]}]"

enum vs_status vs_metadata_i32(const struct metadata_parser *p,
                               const struct vs_json *object,
                               const char *key,
                               int32_t *out,
                               struct vs_error *err)
{
    int64_t value;
    VS_TRY(vs_json_need_i64(object, key, p->what, &value, err));
    if (value < INT32_MIN || value > INT32_MAX) {
        return vs_fail(err, VS_CORRUPT, "%s: '%s' does not fit in 32 bits", p->what, key);
    }
    *out = (int32_t)value;
    return VS_OK;
}

// A column by id; transforms of several columns (v3: source-ids) are known by their first one, and
// their names are not among those that we apply.
static enum vs_status parse_source(const struct metadata_parser *p,
                                   const struct vs_json *json,
                                   int32_t *id_out,
                                   struct vs_str *transform_out,
                                   struct vs_error *err)
{
    struct vs_str text;
    const struct vs_json *ids = vs_json_get(json, "source-ids");
    if (!vs_metadata_is_present(vs_json_get(json, "source-id")) && vs_json_is(ids, VS_JSON_ARRAY)) {
        struct vs_json_iter iter;
        const struct vs_json *first = NULL;
        int64_t id = -1;
        vs_json_iter_init(&iter, ids);
        if (!vs_json_iter_next(&iter, NULL, &first) || !vs_json_to_i64(first, &id) || id < 0 ||
            id > INT32_MAX) {
            return vs_fail(err, VS_CORRUPT, "%s: 'source-ids' names no column", p->what);
        }
        *id_out = (int32_t)id;
    } else {
        VS_TRY(vs_metadata_i32(p, json, "source-id", id_out, err));
    }
    VS_TRY(vs_json_need_str(json, "transform", p->what, &text, err));
    return vs_metadata_copy_str(p, text, transform_out, err);
}

static enum vs_status parse_partition_field(const struct metadata_parser *p,
                                            const struct vs_json *json,
                                            size_t index,
                                            struct vs_partition_field *field,
                                            struct vs_error *err)
{
    struct vs_str name;
    VS_TRY(parse_source(p, json, &field->source_id, &field->transform, err));
    VS_TRY(vs_json_need_str(json, "name", p->what, &name, err));
    VS_TRY(vs_metadata_copy_str(p, name, &field->name, err));
    if (p->m->format_version == 1 && !vs_metadata_is_present(vs_json_get(json, "field-id"))) {
        field->field_id = VS_FIRST_PARTITION_ID + (int32_t)index; // v1: by position
        return VS_OK;
    }
    return vs_metadata_i32(p, json, "field-id", &field->field_id, err);
}

static enum vs_status parse_partition_fields(const struct metadata_parser *p,
                                             const struct vs_json *fields,
                                             struct vs_partition_spec *spec,
                                             struct vs_error *err)
{
    struct vs_json_iter iter;
    const struct vs_json *item;
    VS_TRY(vs_metadata_new_array(p, fields, sizeof *spec->fields, &spec->fields, err));
    vs_json_iter_init(&iter, fields);
    while (vs_json_iter_next(&iter, NULL, &item)) {
        VS_TRY(parse_partition_field(p, item, spec->field_count, &spec->fields[spec->field_count],
                                     err));
        spec->field_count++;
    }
    return VS_OK;
}

// v1 has one spec, as a bare list of fields.
static enum vs_status parse_single_spec(const struct metadata_parser *p, struct vs_error *err)
{
    struct vs_table_metadata *m = p->m;
    const struct vs_json *fields;
    VS_TRY(vs_metadata_array(p, p->root, "partition-spec", &fields, err));
    m->specs = vs_arena_alloc(&m->arena, sizeof *m->specs);
    if (m->specs == NULL) {
        return vs_metadata_no_memory(p, err);
    }
    m->spec_count = 1;
    m->default_spec_id = 0;
    return fields != NULL ? parse_partition_fields(p, fields, &m->specs[0], err) : VS_OK;
}

static enum vs_status parse_spec_list(const struct metadata_parser *p,
                                      const struct vs_json *specs,
                                      struct vs_error *err)
{
    struct vs_table_metadata *m = p->m;
    struct vs_json_iter iter;
    const struct vs_json *item, *fields;
    bool has_default = vs_metadata_is_present(vs_json_get(p->root, "default-spec-id"));
    VS_TRY(vs_metadata_new_array(p, specs, sizeof *m->specs, &m->specs, err));
    vs_json_iter_init(&iter, specs);
    while (vs_json_iter_next(&iter, NULL, &item)) {
        struct vs_partition_spec *spec = &m->specs[m->spec_count];
        VS_TRY(vs_metadata_i32(p, item, "spec-id", &spec->spec_id, err));
        VS_TRY(vs_json_need(item, "fields", VS_JSON_ARRAY, p->what, &fields, err));
        VS_TRY(parse_partition_fields(p, fields, spec, err));
        if (vs_table_spec(m, spec->spec_id) != NULL) {
            return vs_fail(err, VS_CORRUPT, "%s: partition spec %d is listed twice", p->what,
                           spec->spec_id);
        }
        if (m->spec_count == 0 || spec->spec_id > m->default_spec_id) {
            m->default_spec_id = spec->spec_id; // v1 without a default: the highest
        }
        m->spec_count++;
    }
    return has_default || m->format_version > 1
               ? vs_metadata_i32(p, p->root, "default-spec-id", &m->default_spec_id, err)
               : VS_OK;
}

static int32_t last_partition_id(const struct vs_table_metadata *m)
{
    int32_t last = VS_FIRST_PARTITION_ID - 1;
    for (size_t i = 0; i < m->spec_count; i++) {
        for (size_t j = 0; j < m->specs[i].field_count; j++) {
            int32_t id = m->specs[i].fields[j].field_id;
            last = id > last ? id : last;
        }
    }
    return last;
}

enum vs_status vs_metadata_specs(const struct metadata_parser *p, struct vs_error *err)
{
    struct vs_table_metadata *m = p->m;
    const struct vs_json *specs;
    VS_TRY(vs_metadata_array(p, p->root, "partition-specs", &specs, err));
    if (specs == NULL && m->format_version == 1) {
        VS_TRY(parse_single_spec(p, err));
        VS_TRY(vs_metadata_specs_text(&m->arena, m->specs, 1, &m->partition_specs_json, err));
    } else if (specs == NULL || vs_json_count(specs) == 0) {
        return vs_fail(err, VS_CORRUPT, "%s: the table has no partition-specs", p->what);
    } else {
        VS_TRY(parse_spec_list(p, specs, err));
        VS_TRY(vs_metadata_raw(p, specs, &m->partition_specs_json, err));
    }
    const struct vs_partition_spec *spec = vs_table_spec(m, m->default_spec_id);
    if (spec == NULL) {
        return vs_fail(err, VS_CORRUPT, "%s: default-spec-id is %d, but the table has no such spec",
                       p->what, m->default_spec_id);
    }
    m->is_partitioned = spec->field_count > 0;
    m->last_partition_id = last_partition_id(m);
    return m->format_version > 1 ||
                   vs_metadata_is_present(vs_json_get(p->root, "last-partition-id"))
               ? vs_metadata_i32(p, p->root, "last-partition-id", &m->last_partition_id, err)
               : VS_OK;
}

// ---- orders ----

static enum vs_status parse_sort_field(const struct metadata_parser *p,
                                       const struct vs_json *json,
                                       struct vs_sort_field *field,
                                       struct vs_error *err)
{
    struct vs_str direction, nulls;
    VS_TRY(parse_source(p, json, &field->source_id, &field->transform, err));
    VS_TRY(vs_json_need_str(json, "direction", p->what, &direction, err));
    VS_TRY(vs_json_need_str(json, "null-order", p->what, &nulls, err));
    field->descending = vs_str_equal_nocase(direction, VS_STR("desc"));
    field->nulls_last = vs_str_equal_nocase(nulls, VS_STR("nulls-last"));
    if (!field->descending && !vs_str_equal_nocase(direction, VS_STR("asc"))) {
        return vs_fail(err, VS_CORRUPT, "%s: sort direction '%.*s' is neither asc nor desc",
                       p->what, VS_STR_ARG(direction));
    }
    if (!field->nulls_last && !vs_str_equal_nocase(nulls, VS_STR("nulls-first"))) {
        return vs_fail(err, VS_CORRUPT,
                       "%s: null order '%.*s' is neither nulls-first nor nulls-last", p->what,
                       VS_STR_ARG(nulls));
    }
    return VS_OK;
}

static enum vs_status parse_order(const struct metadata_parser *p,
                                  const struct vs_json *json,
                                  struct vs_sort_order *order,
                                  struct vs_error *err)
{
    struct vs_json_iter iter;
    const struct vs_json *item, *fields;
    VS_TRY(vs_metadata_i32(p, json, "order-id", &order->order_id, err));
    VS_TRY(vs_json_need(json, "fields", VS_JSON_ARRAY, p->what, &fields, err));
    VS_TRY(vs_metadata_new_array(p, fields, sizeof *order->fields, &order->fields, err));
    vs_json_iter_init(&iter, fields);
    while (vs_json_iter_next(&iter, NULL, &item)) {
        VS_TRY(parse_sort_field(p, item, &order->fields[order->field_count], err));
        order->field_count++;
    }
    return VS_OK;
}

enum vs_status vs_metadata_orders(const struct metadata_parser *p, struct vs_error *err)
{
    struct vs_table_metadata *m = p->m;
    const struct vs_json *orders, *item;
    VS_TRY(vs_metadata_array(p, p->root, "sort-orders", &orders, err));
    if (orders == NULL && m->format_version == 1) {
        m->sort_orders = vs_arena_alloc(&m->arena, sizeof *m->sort_orders);
        if (m->sort_orders == NULL) {
            return vs_metadata_no_memory(p, err);
        }
        m->sort_order_count = 1;
        m->sort_orders_json = VS_STR(NO_ORDERS);
        return VS_OK;
    }
    if (orders == NULL || vs_json_count(orders) == 0) {
        return vs_fail(err, VS_CORRUPT, "%s: the table has no sort-orders", p->what);
    }
    VS_TRY(vs_metadata_new_array(p, orders, sizeof *m->sort_orders, &m->sort_orders, err));
    struct vs_json_iter iter;
    vs_json_iter_init(&iter, orders);
    while (vs_json_iter_next(&iter, NULL, &item)) {
        VS_TRY(parse_order(p, item, &m->sort_orders[m->sort_order_count], err));
        m->sort_order_count++;
    }
    VS_TRY(vs_metadata_raw(p, orders, &m->sort_orders_json, err));
    return m->format_version > 1 ||
                   vs_metadata_is_present(vs_json_get(p->root, "default-sort-order-id"))
               ? vs_metadata_i32(p, p->root, "default-sort-order-id", &m->default_sort_order_id,
                                 err)
               : VS_OK;
}

// ---- writing ----

// A text that `write` makes of `items`, in the arena.
static enum vs_status make_text(struct vs_arena *arena,
                                void (*write)(struct vs_json_writer *w,
                                              const void *items,
                                              size_t count),
                                const void *items,
                                size_t count,
                                struct vs_str *out,
                                struct vs_error *err)
{
    struct vs_buf text;
    struct vs_json_writer w;
    vs_buf_init(&text, arena->env, VS_METADATA_MAX_BYTES);
    vs_json_writer_init(&w, &text, false);
    write(&w, items, count);
    enum vs_status status = vs_json_writer_finish(&w, err);
    if (status == VS_OK) {
        struct vs_str copy = vs_arena_copy_str(arena, vs_buf_view(&text));
        if (copy.ptr != NULL) {
            *out = copy;
        } else {
            status = vs_fail(err, VS_NO_MEMORY, "no memory for the table metadata");
        }
    }
    vs_buf_clear(&text);
    return status;
}

void vs_metadata_write_spec_fields(struct vs_json_writer *w, const struct vs_partition_spec *spec)
{
    vs_jw_array_begin(w);
    for (size_t i = 0; i < spec->field_count; i++) {
        vs_jw_object_begin(w);
        vs_jw_key(w, "name");
        vs_jw_str(w, spec->fields[i].name);
        vs_jw_key(w, "transform");
        vs_jw_str(w, spec->fields[i].transform);
        vs_jw_key(w, "source-id");
        vs_jw_i64(w, spec->fields[i].source_id);
        vs_jw_key(w, "field-id");
        vs_jw_i64(w, spec->fields[i].field_id);
        vs_jw_object_end(w);
    }
    vs_jw_array_end(w);
}

static void write_specs(struct vs_json_writer *w, const void *items, size_t count)
{
    const struct vs_partition_spec *specs = items;
    vs_jw_array_begin(w);
    for (size_t i = 0; i < count; i++) {
        vs_jw_object_begin(w);
        vs_jw_key(w, "spec-id");
        vs_jw_i64(w, specs[i].spec_id);
        vs_jw_key(w, "fields");
        vs_metadata_write_spec_fields(w, &specs[i]);
        vs_jw_object_end(w);
    }
    vs_jw_array_end(w);
}

static void write_order(struct vs_json_writer *w, const struct vs_sort_order *order)
{
    vs_jw_object_begin(w);
    vs_jw_key(w, "order-id");
    vs_jw_i64(w, order->order_id);
    vs_jw_key(w, "fields");
    vs_jw_array_begin(w);
    for (size_t j = 0; j < order->field_count; j++) {
        vs_jw_object_begin(w);
        vs_jw_key(w, "transform");
        vs_jw_str(w, order->fields[j].transform);
        vs_jw_key(w, "source-id");
        vs_jw_i64(w, order->fields[j].source_id);
        vs_jw_key(w, "direction");
        vs_jw_c(w, order->fields[j].descending ? "desc" : "asc");
        vs_jw_key(w, "null-order");
        vs_jw_c(w, order->fields[j].nulls_last ? "nulls-last" : "nulls-first");
        vs_jw_object_end(w);
    }
    vs_jw_array_end(w);
    vs_jw_object_end(w);
}

static void write_orders(struct vs_json_writer *w, const void *items, size_t count)
{
    const struct vs_sort_order *orders = items;
    vs_jw_array_begin(w);
    for (size_t i = 0; i < count; i++) {
        write_order(w, &orders[i]);
    }
    vs_jw_array_end(w);
}

static void write_schema(struct vs_json_writer *w, const void *items, size_t count)
{
    (void)count; // one
    vs_iceberg_schema_write(w, items);
}

enum vs_status vs_metadata_specs_text(struct vs_arena *arena,
                                      const struct vs_partition_spec *specs,
                                      size_t count,
                                      struct vs_str *out,
                                      struct vs_error *err)
{
    return make_text(arena, write_specs, specs, count, out, err);
}

enum vs_status vs_metadata_orders_text(struct vs_arena *arena,
                                       const struct vs_sort_order *orders,
                                       size_t count,
                                       struct vs_str *out,
                                       struct vs_error *err)
{
    return make_text(arena, write_orders, orders, count, out, err);
}

enum vs_status vs_metadata_schema_text(struct vs_arena *arena,
                                       const struct vs_schema *schema,
                                       struct vs_str *out,
                                       struct vs_error *err)
{
    return make_text(arena, write_schema, schema, 1, out, err);
}
