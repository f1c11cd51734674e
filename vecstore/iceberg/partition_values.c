// SPDX-License-Identifier: Apache-2.0
#include "vecstore/iceberg/partition_values.h"

#include "vecstore/base/bytes.h"
#include "vecstore/base/uuid.h"
#include "vecstore/iceberg/transform.h"

#include <math.h>

const struct vs_field *vs_partition_source(const struct vs_table_metadata *metadata,
                                           int32_t source_id)
{
    const struct vs_schema *schema = vs_table_current_schema(metadata);
    size_t at = schema != NULL ? vs_schema_find_id(schema, source_id) : SIZE_MAX;
    if (at != SIZE_MAX) {
        return &schema->fields[at];
    }
    for (size_t i = metadata->schema_count; i > 0; i--) {
        at = vs_schema_find_id(&metadata->schemas[i - 1], source_id);
        if (at != SIZE_MAX) {
            return &metadata->schemas[i - 1].fields[at];
        }
    }
    return NULL;
}

enum vs_status vs_partition_fields(const struct vs_table_metadata *metadata,
                                   const struct vs_partition_spec *spec,
                                   struct vs_arena *arena,
                                   struct vs_field **fields_out,
                                   struct vs_error *err)
{
    struct vs_field *fields = vs_arena_alloc_array(arena, spec->field_count, sizeof *fields);
    if (fields == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "no memory for the fields of partition spec %d",
                       spec->spec_id);
    }
    for (size_t i = 0; i < spec->field_count; i++) {
        const struct vs_partition_field *f = &spec->fields[i];
        const struct vs_field *source = vs_partition_source(metadata, f->source_id);
        struct vs_transform transform = {0};
        fields[i].kind = VS_KIND_OTHER;
        if (source == NULL || vs_transform_parse(f->transform, &transform, NULL) != VS_OK ||
            vs_transform_result(&transform, source, &fields[i], NULL) != VS_OK) {
            fields[i].kind = VS_KIND_OTHER;
        }
        fields[i].id = f->field_id;
        fields[i].name = f->name;
        fields[i].required = false;
    }
    *fields_out = fields;
    return VS_OK;
}

// ---- from Avro ----

static enum vs_kind kind_of_fixed(const struct vs_avro_node *node)
{
    if (vs_str_equal_c(node->logical_type, "decimal")) {
        return VS_KIND_DECIMAL;
    }
    if (vs_str_equal_c(node->logical_type, "uuid")) {
        return VS_KIND_UUID;
    }
    return node->type == VS_AVRO_FIXED ? VS_KIND_FIXED : VS_KIND_BINARY;
}

static enum vs_kind kind_of_long(const struct vs_avro_node *node)
{
    if (vs_str_equal_c(node->logical_type, "timestamp-micros")) {
        return VS_KIND_TIMESTAMP;
    }
    if (vs_str_equal_c(node->logical_type, "timestamp-nanos")) {
        return VS_KIND_TIMESTAMP_NS;
    }
    return vs_str_equal_c(node->logical_type, "time-micros") ? VS_KIND_TIME : VS_KIND_LONG;
}

static enum vs_kind natural_kind(const struct vs_avro_node *node)
{
    switch (node->type) {
    case VS_AVRO_BOOLEAN:
        return VS_KIND_BOOLEAN;
    case VS_AVRO_INT:
        return vs_str_equal_c(node->logical_type, "date") ? VS_KIND_DATE : VS_KIND_INT;
    case VS_AVRO_LONG:
        return kind_of_long(node);
    case VS_AVRO_FLOAT:
        return VS_KIND_FLOAT;
    case VS_AVRO_DOUBLE:
        return VS_KIND_DOUBLE;
    case VS_AVRO_STRING:
        return VS_KIND_STRING;
    case VS_AVRO_BYTES:
    case VS_AVRO_FIXED:
        return kind_of_fixed(node);
    case VS_AVRO_NULL:
    case VS_AVRO_RECORD:
    case VS_AVRO_ENUM:
    case VS_AVRO_ARRAY:
    case VS_AVRO_MAP:
    case VS_AVRO_UNION:
        break;
    }
    return VS_KIND_OTHER;
}

static bool to_real(const struct vs_avro_value *value, double *out)
{
    uint8_t bytes[8];
    vs_store_u64le(bytes, value->as.bits);
    if (value->node->type == VS_AVRO_FLOAT) {
        *out = (double)vs_load_f32le(bytes);
        return true;
    }
    *out = vs_load_f64le(bytes);
    return value->node->type == VS_AVRO_DOUBLE;
}

static bool to_uuid(struct vs_str bytes, struct vs_arena *arena, struct vs_str *out)
{
    struct vs_uuid uuid;
    if (bytes.len == sizeof uuid.bytes) {
        *out = bytes;
        return true;
    }
    if (vs_uuid_parse(bytes, &uuid, NULL) != VS_OK) {
        return false;
    }
    *out = vs_arena_copy_str(arena, (struct vs_str){(const char *)uuid.bytes, sizeof uuid.bytes});
    return out->ptr != NULL;
}

bool vs_partition_value_from_avro(const struct vs_avro_value *value,
                                  const struct vs_field *field,
                                  struct vs_arena *arena,
                                  struct vs_value *value_out)
{
    struct vs_str bytes = {NULL, 0};
    if (value == NULL || value->node->type == VS_AVRO_NULL) {
        *value_out = (struct vs_value){.kind = field->kind, .is_null = true};
        return true;
    }
    struct vs_value result = {.kind = field->kind == VS_KIND_OTHER ? natural_kind(value->node)
                                                                   : field->kind};
    (void)vs_avro_to_bytes(value, &bytes);
    bool good = false;
    switch (result.kind) {
    case VS_KIND_BOOLEAN:
        good = value->node->type == VS_AVRO_BOOLEAN;
        result.as.boolean = good && value->as.integer != 0;
        break;
    case VS_KIND_INT:
    case VS_KIND_LONG:
    case VS_KIND_DATE:
    case VS_KIND_TIME:
    case VS_KIND_TIMESTAMP:
    case VS_KIND_TIMESTAMPTZ:
    case VS_KIND_TIMESTAMP_NS:
    case VS_KIND_TIMESTAMPTZ_NS:
        good = vs_avro_to_i64(value, &result.as.integer);
        break;
    case VS_KIND_FLOAT:
    case VS_KIND_DOUBLE:
        good = to_real(value, &result.as.real);
        break;
    case VS_KIND_STRING:
    case VS_KIND_BINARY:
    case VS_KIND_FIXED:
        good = bytes.ptr != NULL;
        result.as.text = bytes;
        break;
    case VS_KIND_UUID:
        good = bytes.ptr != NULL && to_uuid(bytes, arena, &result.as.text);
        break;
    case VS_KIND_DECIMAL:
        good = bytes.len >= 1 && bytes.len <= 16;
        result.as.decimal = good ? vs_decimal_load_be((const uint8_t *)bytes.ptr, bytes.len) : 0;
        break;
    case VS_KIND_LIST:
    case VS_KIND_OTHER:
        break;
    }
    if (good) {
        *value_out = result;
    }
    return good;
}

// ---- ranges ----

static bool is_nan(const struct vs_value *value)
{
    return (value->kind == VS_KIND_FLOAT || value->kind == VS_KIND_DOUBLE) && isnan(value->as.real);
}

struct vs_value_range vs_partition_value_range(const struct vs_value *value)
{
    if (value->is_null) {
        return (struct vs_value_range){.may_be_null = true};
    }
    if (is_nan(value)) {
        return (struct vs_value_range){.may_be_nan = true};
    }
    return (struct vs_value_range){.has_lower = true,
                                   .has_upper = true,
                                   .lower = *value,
                                   .upper = *value,
                                   .may_be_value = true};
}

struct vs_value_range vs_partition_summary_range(const struct vs_partition_summary *summary,
                                                 const struct vs_field *field)
{
    struct vs_value_range range = {.may_be_null = summary->contains_null, .may_be_value = true};
    bool is_real = field->kind == VS_KIND_FLOAT || field->kind == VS_KIND_DOUBLE;
    range.may_be_nan = is_real && summary->contains_nan != 0;
    range.has_lower = vs_bound_decode(summary->lower_bound, field, &range.lower);
    range.has_upper = vs_bound_decode(summary->upper_bound, field, &range.upper);
    return range;
}
