// SPDX-License-Identifier: Apache-2.0
/*
 * Partition and sort order evolution (Spec "Partition Evolution"): specs are never changed, new
 * ones are added, and a field of one source and transform keeps its id in all of them.
 */
#include "vecstore/iceberg/edit_internal.h"
#include "vecstore/iceberg/spec_text.h"

// ---- specs ----

// The field of the same source and transform in any spec of the table; NULL: none.
static const struct vs_partition_field *find_field(const struct vs_table_metadata *m,
                                                   const struct vs_partition_field *field)
{
    for (size_t i = m->spec_count; i > 0; i--) {
        const struct vs_partition_spec *spec = &m->specs[i - 1];
        for (size_t j = 0; j < spec->field_count; j++) {
            if (spec->fields[j].source_id == field->source_id &&
                vs_str_equal(spec->fields[j].transform, field->transform)) {
                return &spec->fields[j];
            }
        }
    }
    return NULL;
}

// Whether another field, of any spec or of this one, has the name.
static bool is_taken(const struct vs_table_metadata *m,
                     const struct vs_partition_spec *own,
                     const struct vs_partition_field *field,
                     struct vs_str name)
{
    const struct vs_schema *schema = vs_table_current_schema(m);
    for (size_t i = 0; i < m->spec_count; i++) {
        for (size_t j = 0; j < m->specs[i].field_count; j++) {
            const struct vs_partition_field *other = &m->specs[i].fields[j];
            if (other->field_id != field->field_id && vs_str_equal(other->name, name)) {
                return true;
            }
        }
    }
    for (size_t j = 0; j < own->field_count && &own->fields[j] != field; j++) {
        if (vs_str_equal(own->fields[j].name, name)) {
            return true;
        }
    }
    size_t column = vs_schema_find(schema, name);
    return column != SIZE_MAX && !(vs_str_equal_c(field->transform, "identity") &&
                                   schema->fields[column].id == field->source_id);
}

static enum vs_status settle_field(struct vs_metadata_edit *edit,
                                   const struct vs_partition_spec *spec,
                                   struct vs_partition_field *field,
                                   struct vs_error *err)
{
    struct vs_table_metadata *m = &edit->next;
    const struct vs_partition_field *former = find_field(m, field);
    if (former != NULL) {
        field->field_id = former->field_id;
        field->name = former->name;
        return VS_OK;
    }
    if (m->last_partition_id == INT32_MAX) {
        return vs_fail(err, VS_LIMIT, "the table has no partition field id left");
    }
    field->field_id = ++m->last_partition_id;
    for (unsigned n = 0;; n++) {
        struct vs_str name =
            vs_partition_field_name(vs_table_current_schema(m), field, n, edit->arena);
        if (name.ptr == NULL) {
            return vs_edit_no_memory(err);
        }
        if (!is_taken(m, spec, field, name)) {
            field->name = name;
            return VS_OK;
        }
    }
}

static bool is_same_spec(const struct vs_partition_spec *a, const struct vs_partition_spec *b)
{
    bool same = a->field_count == b->field_count;
    for (size_t i = 0; same && i < a->field_count; i++) {
        same = a->fields[i].source_id == b->fields[i].source_id &&
               a->fields[i].field_id == b->fields[i].field_id &&
               vs_str_equal(a->fields[i].name, b->fields[i].name) &&
               vs_str_equal(a->fields[i].transform, b->fields[i].transform);
    }
    return same;
}

static enum vs_status add_spec(struct vs_metadata_edit *edit,
                               struct vs_partition_spec spec,
                               struct vs_error *err)
{
    struct vs_table_metadata *m = &edit->next;
    struct vs_partition_spec *specs;
    int32_t id = -1;
    for (size_t i = 0; i < m->spec_count; i++) {
        if (is_same_spec(&m->specs[i], &spec)) {
            m->default_spec_id = m->specs[i].spec_id;
            m->is_partitioned = spec.field_count > 0;
            return VS_OK;
        }
        id = m->specs[i].spec_id > id ? m->specs[i].spec_id : id;
    }
    if (id == INT32_MAX) {
        return vs_fail(err, VS_LIMIT, "the table has no partition spec id left");
    }
    spec.spec_id = id + 1;
    VS_TRY(vs_edit_grow(edit, m->specs, m->spec_count, 1, sizeof *specs, &specs, err));
    specs[m->spec_count] = spec;
    VS_TRY(vs_metadata_specs_text(edit->arena, specs, m->spec_count + 1, &m->partition_specs_json,
                                  err));
    m->specs = specs;
    m->spec_count++;
    m->default_spec_id = spec.spec_id;
    m->is_partitioned = spec.field_count > 0;
    return VS_OK;
}

enum vs_status vs_edit_set_spec(struct vs_metadata_edit *edit,
                                struct vs_str text,
                                struct vs_error *err)
{
    struct vs_partition_spec spec;
    if (edit->next.format_version < 2) {
        return vs_fail(err, VS_UNSUPPORTED,
                       "the partitioning of an Iceberg version 1 table is not changed; upgrade it "
                       "first: vecstore table alter NAME --set-format-version 2");
    }
    VS_TRY(vs_partition_spec_parse(text, vs_table_current_schema(&edit->next), edit->arena, &spec,
                                   err));
    for (size_t i = 0; i < spec.field_count; i++) {
        VS_TRY(settle_field(edit, &spec, &spec.fields[i], err));
    }
    return add_spec(edit, spec, err);
}

// ---- sort orders ----

static bool is_same_order(const struct vs_sort_order *a, const struct vs_sort_order *b)
{
    bool same = a->field_count == b->field_count;
    for (size_t i = 0; same && i < a->field_count; i++) {
        same = a->fields[i].source_id == b->fields[i].source_id &&
               a->fields[i].descending == b->fields[i].descending &&
               a->fields[i].nulls_last == b->fields[i].nulls_last &&
               vs_str_equal(a->fields[i].transform, b->fields[i].transform);
    }
    return same;
}

enum vs_status vs_edit_set_sort_order(struct vs_metadata_edit *edit,
                                      struct vs_str text,
                                      struct vs_error *err)
{
    struct vs_table_metadata *m = &edit->next;
    struct vs_sort_order order, *orders;
    int32_t id = 0;
    VS_TRY(vs_sort_order_parse(text, vs_table_current_schema(m), edit->arena, &order, err));
    for (size_t i = 0; i < m->sort_order_count; i++) {
        if (is_same_order(&m->sort_orders[i], &order)) {
            m->default_sort_order_id = m->sort_orders[i].order_id;
            return VS_OK;
        }
        id = m->sort_orders[i].order_id > id ? m->sort_orders[i].order_id : id;
    }
    if (id == INT32_MAX) {
        return vs_fail(err, VS_LIMIT, "the table has no sort order id left");
    }
    order.order_id = order.field_count == 0 ? 0 : id + 1; // 0 is the unsorted order by definition
    VS_TRY(
        vs_edit_grow(edit, m->sort_orders, m->sort_order_count, 1, sizeof *orders, &orders, err));
    orders[m->sort_order_count] = order;
    VS_TRY(vs_metadata_orders_text(edit->arena, orders, m->sort_order_count + 1,
                                   &m->sort_orders_json, err));
    m->sort_orders = orders;
    m->sort_order_count++;
    m->default_sort_order_id = order.order_id;
    return VS_OK;
}
