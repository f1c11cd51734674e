// SPDX-License-Identifier: Apache-2.0
// From the footer's schema tree to flat fields.
//
// A list is recognised by the rules of parquet-format LogicalTypes.md "Lists": LIST-annotated group
// with one repeated child that is the element itself (2 levels) or a group around it (3 levels,
// whatever the names), or a bare repeated primitive. Everything deeper becomes VS_KIND_OTHER with a
// name that messages can show.
#include "vecstore/format/parquet_internal.h"

#include <string.h>

#define MAX_DEPTH 64

struct walk {
    const struct vs_pq_schema_element *elements;
    size_t count;
    size_t next;
    size_t chunk; // leaves passed so far
    struct vs_arena *arena;
};

static enum vs_status bad_tree(const char *reason, struct vs_error *err)
{
    return vs_fail(err, VS_CORRUPT, "the footer's schema is not a tree: %s", reason);
}

// Passes over the element at walk->next and all below it, counting leaves.
static enum vs_status skip_tree(struct walk *walk, struct vs_error *err)
{
    uint64_t open[MAX_DEPTH]; // children still to come, by level
    size_t depth = 0;
    do {
        if (walk->next >= walk->count) {
            return bad_tree("it ends before the last child", err);
        }
        const struct vs_pq_schema_element *e = &walk->elements[walk->next++];
        if (depth > 0) {
            open[depth - 1]--;
        }
        if (e->child_count < 0) {
            return bad_tree("a group has a negative number of children", err);
        }
        if (e->has_type) {
            walk->chunk++;
        } else if (e->child_count > 0) {
            if (depth == MAX_DEPTH) {
                return vs_fail(err, VS_LIMIT, "the footer's schema is nested deeper than %d levels",
                               MAX_DEPTH);
            }
            open[depth++] = (uint64_t)e->child_count;
        }
        while (depth > 0 && open[depth - 1] == 0) {
            depth--;
        }
    } while (depth > 0);
    return VS_OK;
}

// ---- primitive types ----

static void set_other(struct vs_pq_primitive *p, const char *name)
{
    p->kind = VS_KIND_OTHER;
    size_t n = strlen(name);
    n = n < sizeof p->other - 1 ? n : sizeof p->other - 1;
    memcpy(p->other, name, n);
    p->other[n] = '\0';
}

static void set_kind(struct vs_pq_primitive *p, enum vs_kind kind, enum vs_pq_convert convert)
{
    p->kind = kind;
    p->convert = convert;
}

// The logical type, taken from the older converted type where there is none.
struct vs_pq_logical vs_pq_logical_of(const struct vs_pq_schema_element *e)
{
    struct vs_pq_logical l = e->logical;
    if (l.kind != VS_PQ_LOGICAL_NONE || !e->has_converted) {
        return l;
    }
    static const struct vs_pq_logical converted[] = {
        [VS_PQ_CONVERTED_UTF8] = {.kind = VS_PQ_LOGICAL_STRING},
        [VS_PQ_CONVERTED_ENUM] = {.kind = VS_PQ_LOGICAL_ENUM},
        [VS_PQ_CONVERTED_DATE] = {.kind = VS_PQ_LOGICAL_DATE},
        [VS_PQ_CONVERTED_TIME_MILLIS] = {.kind = VS_PQ_LOGICAL_TIME,
                                         .unit = VS_PQ_MILLIS,
                                         .utc = true},
        [VS_PQ_CONVERTED_TIME_MICROS] = {.kind = VS_PQ_LOGICAL_TIME,
                                         .unit = VS_PQ_MICROS,
                                         .utc = true},
        [VS_PQ_CONVERTED_TIMESTAMP_MILLIS] = {.kind = VS_PQ_LOGICAL_TIMESTAMP,
                                              .unit = VS_PQ_MILLIS,
                                              .utc = true},
        [VS_PQ_CONVERTED_TIMESTAMP_MICROS] = {.kind = VS_PQ_LOGICAL_TIMESTAMP,
                                              .unit = VS_PQ_MICROS,
                                              .utc = true},
        [VS_PQ_CONVERTED_UINT_8] = {.kind = VS_PQ_LOGICAL_INTEGER, .bit_width = 8},
        [VS_PQ_CONVERTED_UINT_16] = {.kind = VS_PQ_LOGICAL_INTEGER, .bit_width = 16},
        [VS_PQ_CONVERTED_UINT_32] = {.kind = VS_PQ_LOGICAL_INTEGER, .bit_width = 32},
        [VS_PQ_CONVERTED_UINT_64] = {.kind = VS_PQ_LOGICAL_INTEGER, .bit_width = 64},
        [VS_PQ_CONVERTED_INT_8] = {.kind = VS_PQ_LOGICAL_INTEGER,
                                   .bit_width = 8,
                                   .is_signed = true},
        [VS_PQ_CONVERTED_INT_16] = {.kind = VS_PQ_LOGICAL_INTEGER,
                                    .bit_width = 16,
                                    .is_signed = true},
        [VS_PQ_CONVERTED_INT_32] = {.kind = VS_PQ_LOGICAL_INTEGER,
                                    .bit_width = 32,
                                    .is_signed = true},
        [VS_PQ_CONVERTED_INT_64] = {.kind = VS_PQ_LOGICAL_INTEGER,
                                    .bit_width = 64,
                                    .is_signed = true},
        [VS_PQ_CONVERTED_JSON] = {.kind = VS_PQ_LOGICAL_JSON},
        [VS_PQ_CONVERTED_BSON] = {.kind = VS_PQ_LOGICAL_BSON},
    };
    if (e->converted == VS_PQ_CONVERTED_DECIMAL) {
        l.kind = VS_PQ_LOGICAL_DECIMAL;
        l.scale = e->scale;
        l.precision = e->precision;
    } else if (e->converted >= 0 && (size_t)e->converted < sizeof converted / sizeof converted[0]) {
        l = converted[e->converted];
    } else if (e->converted == VS_PQ_CONVERTED_INTERVAL) {
        l.kind = VS_PQ_LOGICAL_UNDEFINED;
    }
    return l;
}

static void set_decimal(struct vs_pq_primitive *p,
                        const struct vs_pq_schema_element *e,
                        const struct vs_pq_logical *l)
{
    if (l->precision < 1 || l->precision > 38 || l->scale < 0 || l->scale > l->precision) {
        set_other(p, "decimal with more than 38 digits");
        return;
    }
    p->precision = (uint8_t)l->precision;
    p->scale = (uint8_t)l->scale;
    switch (e->type) {
    case VS_PQ_INT32:
        set_kind(p, VS_KIND_DECIMAL, VS_PQ_I32_TO_DECIMAL);
        break;
    case VS_PQ_INT64:
        set_kind(p, VS_KIND_DECIMAL, VS_PQ_I64_TO_DECIMAL);
        break;
    case VS_PQ_BYTE_ARRAY:
        set_kind(p, VS_KIND_DECIMAL, VS_PQ_BYTES_TO_DECIMAL);
        break;
    case VS_PQ_FIXED:
        if (e->type_length >= 1 && e->type_length <= 16) {
            set_kind(p, VS_KIND_DECIMAL, VS_PQ_FIXED_TO_DECIMAL);
        } else {
            set_other(p, "decimal of more than 16 bytes");
        }
        break;
    default:
        set_other(p, "decimal on a type that cannot hold one");
        break;
    }
}

static void set_int32(struct vs_pq_primitive *p, const struct vs_pq_logical *l)
{
    if (l->kind == VS_PQ_LOGICAL_DATE) {
        set_kind(p, VS_KIND_DATE, VS_PQ_SAME);
    } else if (l->kind == VS_PQ_LOGICAL_TIME && l->unit == VS_PQ_MILLIS) {
        set_kind(p, VS_KIND_TIME, VS_PQ_I32_MILLIS_TO_MICROS);
    } else if (l->kind == VS_PQ_LOGICAL_INTEGER && !l->is_signed && l->bit_width >= 32) {
        set_kind(p, VS_KIND_LONG, VS_PQ_U32_TO_I64);
    } else {
        set_kind(p, VS_KIND_INT, VS_PQ_SAME);
    }
}

static void set_int64(struct vs_pq_primitive *p, const struct vs_pq_logical *l)
{
    if (l->kind == VS_PQ_LOGICAL_TIME && l->unit == VS_PQ_MICROS) {
        set_kind(p, VS_KIND_TIME, VS_PQ_SAME);
    } else if (l->kind == VS_PQ_LOGICAL_TIME && l->unit == VS_PQ_NANOS) {
        set_kind(p, VS_KIND_TIME, VS_PQ_NANOS_TO_MICROS);
    } else if (l->kind == VS_PQ_LOGICAL_TIMESTAMP && l->unit == VS_PQ_NANOS) {
        set_kind(p, l->utc ? VS_KIND_TIMESTAMPTZ_NS : VS_KIND_TIMESTAMP_NS, VS_PQ_SAME);
    } else if (l->kind == VS_PQ_LOGICAL_TIMESTAMP &&
               (l->unit == VS_PQ_MILLIS || l->unit == VS_PQ_MICROS)) {
        set_kind(p, l->utc ? VS_KIND_TIMESTAMPTZ : VS_KIND_TIMESTAMP,
                 l->unit == VS_PQ_MILLIS ? VS_PQ_MILLIS_TO_MICROS : VS_PQ_SAME);
    } else if (l->kind == VS_PQ_LOGICAL_TIMESTAMP) {
        set_other(p, "timestamp of an unknown unit");
    } else if (l->kind == VS_PQ_LOGICAL_INTEGER && !l->is_signed && l->bit_width >= 64) {
        p->precision = 20; // the smallest decimal that holds 2^64 - 1
        set_kind(p, VS_KIND_DECIMAL, VS_PQ_U64_TO_DECIMAL);
    } else {
        set_kind(p, VS_KIND_LONG, VS_PQ_SAME);
    }
}

static void set_bytes(struct vs_pq_primitive *p, const struct vs_pq_logical *l)
{
    bool is_text = l->kind == VS_PQ_LOGICAL_STRING || l->kind == VS_PQ_LOGICAL_ENUM ||
                   l->kind == VS_PQ_LOGICAL_JSON;
    set_kind(p, is_text ? VS_KIND_STRING : VS_KIND_BINARY, VS_PQ_SAME);
}

static void set_fixed(struct vs_pq_primitive *p,
                      const struct vs_pq_schema_element *e,
                      const struct vs_pq_logical *l)
{
    if (l->kind == VS_PQ_LOGICAL_UUID && e->type_length == 16) {
        set_kind(p, VS_KIND_UUID, VS_PQ_SAME);
    } else if (l->kind == VS_PQ_LOGICAL_FLOAT16 && e->type_length == 2) {
        set_kind(p, VS_KIND_FLOAT, VS_PQ_F16_TO_F32);
    } else {
        p->fixed_length = e->type_length > 0 ? (uint32_t)e->type_length : 0;
        set_kind(p, VS_KIND_FIXED, VS_PQ_SAME);
    }
}

struct vs_pq_primitive vs_pq_primitive_of(const struct vs_pq_schema_element *e)
{
    struct vs_pq_primitive p = {.kind = VS_KIND_OTHER};
    struct vs_pq_logical l = vs_pq_logical_of(e);
    if (l.kind == VS_PQ_LOGICAL_DECIMAL) {
        set_decimal(&p, e, &l);
        return p;
    }
    switch (e->type) {
    case VS_PQ_BOOLEAN:
        set_kind(&p, VS_KIND_BOOLEAN, VS_PQ_SAME);
        break;
    case VS_PQ_INT32:
        set_int32(&p, &l);
        break;
    case VS_PQ_INT64:
        set_int64(&p, &l);
        break;
    case VS_PQ_INT96:
        set_kind(&p, VS_KIND_TIMESTAMPTZ, VS_PQ_I96_TO_MICROS); // an instant, says Iceberg
        break;
    case VS_PQ_FLOAT:
        set_kind(&p, VS_KIND_FLOAT, VS_PQ_SAME);
        break;
    case VS_PQ_DOUBLE:
        set_kind(&p, VS_KIND_DOUBLE, VS_PQ_SAME);
        break;
    case VS_PQ_BYTE_ARRAY:
        set_bytes(&p, &l);
        break;
    case VS_PQ_FIXED:
        set_fixed(&p, e, &l);
        break;
    default:
        set_other(&p, "unknown physical type");
        break;
    }
    return p;
}

// ---- columns ----

static bool is_list_group(const struct vs_pq_schema_element *e)
{
    return e->logical.kind == VS_PQ_LOGICAL_LIST ||
           (e->logical.kind == VS_PQ_LOGICAL_NONE && e->has_converted &&
            e->converted == VS_PQ_CONVERTED_LIST);
}

static enum vs_status use_other(struct walk *walk,
                                struct vs_field *field,
                                const char *name,
                                struct vs_error *err)
{
    field->kind = VS_KIND_OTHER;
    field->other_type = vs_arena_copy_str(walk->arena, vs_str_from_c(name));
    return field->other_type.ptr == NULL ? vs_fail(err, VS_NO_MEMORY, "no memory for a schema")
                                         : VS_OK;
}

static void use_leaf(const struct walk *walk,
                     const struct vs_pq_schema_element *e,
                     const struct vs_pq_primitive *p,
                     struct vs_pq_leaf *leaf)
{
    leaf->chunk = walk->chunk;
    leaf->type = e->type;
    leaf->width = e->type == VS_PQ_FIXED ? (size_t)e->type_length : 0;
    leaf->convert = p->convert;
}

static enum vs_status use_scalar(struct walk *walk,
                                 const struct vs_pq_schema_element *e,
                                 struct vs_field *field,
                                 struct vs_pq_leaf *leaf,
                                 struct vs_error *err)
{
    struct vs_pq_primitive p = vs_pq_primitive_of(e);
    if (p.kind == VS_KIND_OTHER) {
        return use_other(walk, field, p.other, err);
    }
    use_leaf(walk, e, &p, leaf);
    field->precision = p.precision;
    field->scale = p.scale;
    field->fixed_length = p.fixed_length;
    if (e->repetition == VS_PQ_REPEATED) { // a bare repeated field: a list that is never null
        field->kind = VS_KIND_LIST;
        field->required = true;
        field->element_kind = p.kind;
        field->element_id = field->id;
        field->element_required = true;
        leaf->max_def = leaf->max_rep = leaf->def_slot = 1;
        return VS_OK;
    }
    field->kind = p.kind;
    leaf->max_def = e->repetition == VS_PQ_OPTIONAL ? 1 : 0;
    return VS_OK;
}

// Where the element of a list lies relative to its group: 1 (two levels), 2 (three levels); 0: not
// a list of a primitive.
static size_t element_distance(const struct walk *walk, size_t group)
{
    const struct vs_pq_schema_element *e = walk->elements + group;
    if (group + 1 >= walk->count || e[0].child_count != 1 || e[0].repetition == VS_PQ_REPEATED ||
        e[1].repetition != VS_PQ_REPEATED) {
        return 0;
    }
    if (e[1].has_type) {
        return 1;
    }
    struct vs_str name = e[1].name;
    bool names_struct = vs_str_equal_c(name, "array") ||
                        vs_str_ends_with(name, VS_STR("_tuple")); // a struct with one field
    if (group + 2 >= walk->count || e[1].child_count != 1 || !e[2].has_type ||
        e[2].repetition == VS_PQ_REPEATED || names_struct) {
        return 0;
    }
    return 2;
}

static enum vs_status use_group(struct walk *walk,
                                size_t group,
                                struct vs_field *field,
                                struct vs_pq_leaf *leaf,
                                struct vs_error *err)
{
    const struct vs_pq_schema_element *e = &walk->elements[group];
    size_t distance = is_list_group(e) ? element_distance(walk, group) : 0;
    if (distance == 0) {
        bool is_map = e->logical.kind == VS_PQ_LOGICAL_MAP ||
                      (e->has_converted && (e->converted == VS_PQ_CONVERTED_MAP ||
                                            e->converted == VS_PQ_CONVERTED_MAP_KEY_VALUE));
        return use_other(walk, field,
                         is_list_group(e) ? "list of lists or structs"
                         : is_map         ? "map"
                                          : "struct",
                         err);
    }
    const struct vs_pq_schema_element *element = e + distance;
    struct vs_pq_primitive p = vs_pq_primitive_of(element);
    if (p.kind == VS_KIND_OTHER) {
        char name[96] = "list of ";
        memcpy(name + 8, p.other, sizeof p.other);
        return use_other(walk, field, name, err);
    }
    use_leaf(walk, element, &p, leaf);
    field->kind = VS_KIND_LIST;
    field->precision = p.precision;
    field->scale = p.scale;
    field->fixed_length = p.fixed_length;
    field->element_kind = p.kind;
    field->element_id = element->has_field_id ? element->field_id : -1;
    field->element_required = element->repetition != VS_PQ_OPTIONAL;
    leaf->max_rep = 1;
    leaf->def_list = e->repetition == VS_PQ_OPTIONAL ? 1 : 0;
    leaf->def_slot = (uint8_t)(leaf->def_list + 1);
    leaf->max_def = (uint8_t)(leaf->def_slot + (element->repetition == VS_PQ_OPTIONAL ? 1 : 0));
    return VS_OK;
}

static enum vs_status use_column(struct walk *walk,
                                 struct vs_field *field,
                                 struct vs_pq_leaf *leaf,
                                 struct vs_error *err)
{
    size_t at = walk->next;
    const struct vs_pq_schema_element *e = &walk->elements[at];
    if (at >= walk->count) {
        return bad_tree("it ends before the last column", err);
    }
    if (e->repetition < VS_PQ_REQUIRED || e->repetition > VS_PQ_REPEATED) {
        return bad_tree("a field has an unknown repetition", err);
    }
    field->id = e->has_field_id ? e->field_id : -1;
    field->name = e->name;
    field->element_id = -1;
    field->required = e->repetition == VS_PQ_REQUIRED;
    if (e->has_type) {
        VS_TRY(use_scalar(walk, e, field, leaf, err));
    } else {
        VS_TRY(use_group(walk, at, field, leaf, err));
    }
    if (field->kind != VS_KIND_OTHER && leaf->type == VS_PQ_FIXED && leaf->width == 0) {
        return bad_tree("a fixed-length field has no length", err);
    }
    return skip_tree(walk, err);
}

enum vs_status vs_pq_schema_build(struct vs_parquet_reader *reader, struct vs_error *err)
{
    const struct vs_pq_file_meta *meta = &reader->meta;
    if (meta->schema_count == 0 || meta->schema[0].has_type || meta->schema[0].child_count < 0 ||
        (size_t)meta->schema[0].child_count > meta->schema_count - 1) {
        return bad_tree("the root is missing or has too many children", err);
    }
    size_t columns = (size_t)meta->schema[0].child_count;
    struct walk walk = {
        .elements = meta->schema, .count = meta->schema_count, .next = 1, .arena = &reader->arena};
    reader->schema.fields =
        (struct vs_field *)vs_arena_alloc_array(&reader->arena, columns, sizeof(struct vs_field));
    reader->leaves = (struct vs_pq_leaf *)vs_arena_alloc_array(&reader->arena, columns,
                                                               sizeof(struct vs_pq_leaf));
    if (reader->schema.fields == NULL || reader->leaves == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "no memory for a schema of %zu columns", columns);
    }
    reader->schema.field_count = columns;
    for (size_t i = 0; i < columns; i++) {
        VS_TRY(use_column(&walk, &reader->schema.fields[i], &reader->leaves[i], err));
    }
    if (walk.next != walk.count) {
        return bad_tree("elements follow the last column", err);
    }
    for (size_t i = 0; i < meta->row_group_count; i++) {
        if (meta->row_groups[i].column_count != walk.chunk) {
            return vs_fail(err, VS_CORRUPT,
                           "row group %zu has %zu column chunks, the schema has %zu leaves", i,
                           meta->row_groups[i].column_count, walk.chunk);
        }
    }
    return VS_OK;
}
