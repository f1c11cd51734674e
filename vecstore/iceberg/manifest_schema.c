// SPDX-License-Identifier: Apache-2.0
/*
 * The Avro schemas of manifests and manifest lists of format versions 2 and 3, and the same as
 * Iceberg schemas for header key iceberg.schema. Names, ids and order are Java's
 * (iceberg.md 1.4, 1.5): readers cast by record name and look up by field id.
 */
#include "vecstore/iceberg/manifest_schema.h"

#include "vecstore/base/decimal.h"
#include "vecstore/base/json.h"

#include <stdio.h>

#define PARTITION "\1" // stands for the fields of the partition tuple
#define V3 "\3"        // begins a piece that version 3 alone has

// NOLINTBEGIN(bugprone-suspicious-missing-comma): V3 before a line marks it as one of version 3
// clang-format off
static const char *const entry_avro[] = {
    "{\"type\":\"record\",\"name\":\"manifest_entry\",\"fields\":[",
    "{\"name\":\"status\",\"type\":\"int\",\"field-id\":0},",
    "{\"name\":\"snapshot_id\",\"type\":[\"null\",\"long\"],\"default\":null,\"field-id\":1},",
    "{\"name\":\"sequence_number\",\"type\":[\"null\",\"long\"],\"default\":null,\"field-id\":3},",
    "{\"name\":\"file_sequence_number\",\"type\":[\"null\",\"long\"],\"default\":null,\"field-id\":4},",
    "{\"name\":\"data_file\",\"type\":{\"type\":\"record\",\"name\":\"r2\",\"fields\":[",
    "{\"name\":\"content\",\"type\":\"int\",\"field-id\":134},",
    "{\"name\":\"file_path\",\"type\":\"string\",\"field-id\":100},",
    "{\"name\":\"file_format\",\"type\":\"string\",\"field-id\":101},",
    "{\"name\":\"partition\",\"type\":{\"type\":\"record\",\"name\":\"r102\",\"fields\":[",
    PARTITION,
    "]},\"field-id\":102},",
    "{\"name\":\"record_count\",\"type\":\"long\",\"field-id\":103},",
    "{\"name\":\"file_size_in_bytes\",\"type\":\"long\",\"field-id\":104},",
    "{\"name\":\"column_sizes\",\"type\":[\"null\",{\"type\":\"array\",\"items\":{\"type\":\"record\",\"name\":\"k117_v118\",\"fields\":[{\"name\":\"key\",\"type\":\"int\",\"field-id\":117},{\"name\":\"value\",\"type\":\"long\",\"field-id\":118}]},\"logicalType\":\"map\"}],\"default\":null,\"field-id\":108},",
    "{\"name\":\"value_counts\",\"type\":[\"null\",{\"type\":\"array\",\"items\":{\"type\":\"record\",\"name\":\"k119_v120\",\"fields\":[{\"name\":\"key\",\"type\":\"int\",\"field-id\":119},{\"name\":\"value\",\"type\":\"long\",\"field-id\":120}]},\"logicalType\":\"map\"}],\"default\":null,\"field-id\":109},",
    "{\"name\":\"null_value_counts\",\"type\":[\"null\",{\"type\":\"array\",\"items\":{\"type\":\"record\",\"name\":\"k121_v122\",\"fields\":[{\"name\":\"key\",\"type\":\"int\",\"field-id\":121},{\"name\":\"value\",\"type\":\"long\",\"field-id\":122}]},\"logicalType\":\"map\"}],\"default\":null,\"field-id\":110},",
    "{\"name\":\"nan_value_counts\",\"type\":[\"null\",{\"type\":\"array\",\"items\":{\"type\":\"record\",\"name\":\"k138_v139\",\"fields\":[{\"name\":\"key\",\"type\":\"int\",\"field-id\":138},{\"name\":\"value\",\"type\":\"long\",\"field-id\":139}]},\"logicalType\":\"map\"}],\"default\":null,\"field-id\":137},",
    "{\"name\":\"lower_bounds\",\"type\":[\"null\",{\"type\":\"array\",\"items\":{\"type\":\"record\",\"name\":\"k126_v127\",\"fields\":[{\"name\":\"key\",\"type\":\"int\",\"field-id\":126},{\"name\":\"value\",\"type\":\"bytes\",\"field-id\":127}]},\"logicalType\":\"map\"}],\"default\":null,\"field-id\":125},",
    "{\"name\":\"upper_bounds\",\"type\":[\"null\",{\"type\":\"array\",\"items\":{\"type\":\"record\",\"name\":\"k129_v130\",\"fields\":[{\"name\":\"key\",\"type\":\"int\",\"field-id\":129},{\"name\":\"value\",\"type\":\"bytes\",\"field-id\":130}]},\"logicalType\":\"map\"}],\"default\":null,\"field-id\":128},",
    "{\"name\":\"key_metadata\",\"type\":[\"null\",\"bytes\"],\"default\":null,\"field-id\":131},",
    "{\"name\":\"split_offsets\",\"type\":[\"null\",{\"type\":\"array\",\"items\":\"long\",\"element-id\":133}],\"default\":null,\"field-id\":132},",
    "{\"name\":\"equality_ids\",\"type\":[\"null\",{\"type\":\"array\",\"items\":\"int\",\"element-id\":136}],\"default\":null,\"field-id\":135},",
    "{\"name\":\"sort_order_id\",\"type\":[\"null\",\"int\"],\"default\":null,\"field-id\":140},",
    V3 "{\"name\":\"first_row_id\",\"type\":[\"null\",\"long\"],\"default\":null,\"field-id\":142},",
    "{\"name\":\"referenced_data_file\",\"type\":[\"null\",\"string\"],\"default\":null,\"field-id\":143}",
    V3 ",{\"name\":\"content_offset\",\"type\":[\"null\",\"long\"],\"default\":null,\"field-id\":144},",
    V3 "{\"name\":\"content_size_in_bytes\",\"type\":[\"null\",\"long\"],\"default\":null,\"field-id\":145}",
    "]},\"field-id\":2}]}",
};

static const char *const entry_iceberg[] = {
    "{\"type\":\"struct\",\"schema-id\":0,\"fields\":[",
    "{\"id\":0,\"name\":\"status\",\"required\":true,\"type\":\"int\"},",
    "{\"id\":1,\"name\":\"snapshot_id\",\"required\":false,\"type\":\"long\"},",
    "{\"id\":3,\"name\":\"sequence_number\",\"required\":false,\"type\":\"long\"},",
    "{\"id\":4,\"name\":\"file_sequence_number\",\"required\":false,\"type\":\"long\"},",
    "{\"id\":2,\"name\":\"data_file\",\"required\":true,\"type\":{\"type\":\"struct\",\"fields\":[",
    "{\"id\":134,\"name\":\"content\",\"required\":true,\"type\":\"int\"},",
    "{\"id\":100,\"name\":\"file_path\",\"required\":true,\"type\":\"string\"},",
    "{\"id\":101,\"name\":\"file_format\",\"required\":true,\"type\":\"string\"},",
    "{\"id\":102,\"name\":\"partition\",\"required\":true,\"type\":{\"type\":\"struct\",\"fields\":[",
    PARTITION,
    "]}},",
    "{\"id\":103,\"name\":\"record_count\",\"required\":true,\"type\":\"long\"},",
    "{\"id\":104,\"name\":\"file_size_in_bytes\",\"required\":true,\"type\":\"long\"},",
    "{\"id\":108,\"name\":\"column_sizes\",\"required\":false,\"type\":{\"type\":\"map\",\"key-id\":117,\"key\":\"int\",\"value-id\":118,\"value\":\"long\",\"value-required\":true}},",
    "{\"id\":109,\"name\":\"value_counts\",\"required\":false,\"type\":{\"type\":\"map\",\"key-id\":119,\"key\":\"int\",\"value-id\":120,\"value\":\"long\",\"value-required\":true}},",
    "{\"id\":110,\"name\":\"null_value_counts\",\"required\":false,\"type\":{\"type\":\"map\",\"key-id\":121,\"key\":\"int\",\"value-id\":122,\"value\":\"long\",\"value-required\":true}},",
    "{\"id\":137,\"name\":\"nan_value_counts\",\"required\":false,\"type\":{\"type\":\"map\",\"key-id\":138,\"key\":\"int\",\"value-id\":139,\"value\":\"long\",\"value-required\":true}},",
    "{\"id\":125,\"name\":\"lower_bounds\",\"required\":false,\"type\":{\"type\":\"map\",\"key-id\":126,\"key\":\"int\",\"value-id\":127,\"value\":\"binary\",\"value-required\":true}},",
    "{\"id\":128,\"name\":\"upper_bounds\",\"required\":false,\"type\":{\"type\":\"map\",\"key-id\":129,\"key\":\"int\",\"value-id\":130,\"value\":\"binary\",\"value-required\":true}},",
    "{\"id\":131,\"name\":\"key_metadata\",\"required\":false,\"type\":\"binary\"},",
    "{\"id\":132,\"name\":\"split_offsets\",\"required\":false,\"type\":{\"type\":\"list\",\"element-id\":133,\"element\":\"long\",\"element-required\":true}},",
    "{\"id\":135,\"name\":\"equality_ids\",\"required\":false,\"type\":{\"type\":\"list\",\"element-id\":136,\"element\":\"int\",\"element-required\":true}},",
    "{\"id\":140,\"name\":\"sort_order_id\",\"required\":false,\"type\":\"int\"},",
    V3 "{\"id\":142,\"name\":\"first_row_id\",\"required\":false,\"type\":\"long\"},",
    "{\"id\":143,\"name\":\"referenced_data_file\",\"required\":false,\"type\":\"string\"}",
    V3 ",{\"id\":144,\"name\":\"content_offset\",\"required\":false,\"type\":\"long\"},",
    V3 "{\"id\":145,\"name\":\"content_size_in_bytes\",\"required\":false,\"type\":\"long\"}",
    "]}}]}",
};

static const char *const list_avro[] = {
    "{\"type\":\"record\",\"name\":\"manifest_file\",\"fields\":[",
    "{\"name\":\"manifest_path\",\"type\":\"string\",\"field-id\":500},",
    "{\"name\":\"manifest_length\",\"type\":\"long\",\"field-id\":501},",
    "{\"name\":\"partition_spec_id\",\"type\":\"int\",\"field-id\":502},",
    "{\"name\":\"content\",\"type\":\"int\",\"field-id\":517},",
    "{\"name\":\"sequence_number\",\"type\":\"long\",\"field-id\":515},",
    "{\"name\":\"min_sequence_number\",\"type\":\"long\",\"field-id\":516},",
    "{\"name\":\"added_snapshot_id\",\"type\":\"long\",\"field-id\":503},",
    "{\"name\":\"added_files_count\",\"type\":\"int\",\"field-id\":504},",
    "{\"name\":\"existing_files_count\",\"type\":\"int\",\"field-id\":505},",
    "{\"name\":\"deleted_files_count\",\"type\":\"int\",\"field-id\":506},",
    "{\"name\":\"added_rows_count\",\"type\":\"long\",\"field-id\":512},",
    "{\"name\":\"existing_rows_count\",\"type\":\"long\",\"field-id\":513},",
    "{\"name\":\"deleted_rows_count\",\"type\":\"long\",\"field-id\":514},",
    "{\"name\":\"partitions\",\"type\":[\"null\",{\"type\":\"array\",\"items\":{\"type\":\"record\",\"name\":\"r508\",\"fields\":[{\"name\":\"contains_null\",\"type\":\"boolean\",\"field-id\":509},{\"name\":\"contains_nan\",\"type\":[\"null\",\"boolean\"],\"default\":null,\"field-id\":518},{\"name\":\"lower_bound\",\"type\":[\"null\",\"bytes\"],\"default\":null,\"field-id\":510},{\"name\":\"upper_bound\",\"type\":[\"null\",\"bytes\"],\"default\":null,\"field-id\":511}]},\"element-id\":508}],\"default\":null,\"field-id\":507},",
    "{\"name\":\"key_metadata\",\"type\":[\"null\",\"bytes\"],\"default\":null,\"field-id\":519}",
    V3 ",{\"name\":\"first_row_id\",\"type\":[\"null\",\"long\"],\"default\":null,\"field-id\":520}",
    "]}",
};

static const char *const list_iceberg[] = {
    "{\"type\":\"struct\",\"schema-id\":0,\"fields\":[",
    "{\"id\":500,\"name\":\"manifest_path\",\"required\":true,\"type\":\"string\"},",
    "{\"id\":501,\"name\":\"manifest_length\",\"required\":true,\"type\":\"long\"},",
    "{\"id\":502,\"name\":\"partition_spec_id\",\"required\":true,\"type\":\"int\"},",
    "{\"id\":517,\"name\":\"content\",\"required\":true,\"type\":\"int\"},",
    "{\"id\":515,\"name\":\"sequence_number\",\"required\":true,\"type\":\"long\"},",
    "{\"id\":516,\"name\":\"min_sequence_number\",\"required\":true,\"type\":\"long\"},",
    "{\"id\":503,\"name\":\"added_snapshot_id\",\"required\":true,\"type\":\"long\"},",
    "{\"id\":504,\"name\":\"added_files_count\",\"required\":true,\"type\":\"int\"},",
    "{\"id\":505,\"name\":\"existing_files_count\",\"required\":true,\"type\":\"int\"},",
    "{\"id\":506,\"name\":\"deleted_files_count\",\"required\":true,\"type\":\"int\"},",
    "{\"id\":512,\"name\":\"added_rows_count\",\"required\":true,\"type\":\"long\"},",
    "{\"id\":513,\"name\":\"existing_rows_count\",\"required\":true,\"type\":\"long\"},",
    "{\"id\":514,\"name\":\"deleted_rows_count\",\"required\":true,\"type\":\"long\"},",
    "{\"id\":507,\"name\":\"partitions\",\"required\":false,\"type\":{\"type\":\"list\",\"element-id\":508,\"element\":{\"type\":\"struct\",\"fields\":[{\"id\":509,\"name\":\"contains_null\",\"required\":true,\"type\":\"boolean\"},{\"id\":518,\"name\":\"contains_nan\",\"required\":false,\"type\":\"boolean\"},{\"id\":510,\"name\":\"lower_bound\",\"required\":false,\"type\":\"binary\"},{\"id\":511,\"name\":\"upper_bound\",\"required\":false,\"type\":\"binary\"}]},\"element-required\":true}},",
    "{\"id\":519,\"name\":\"key_metadata\",\"required\":false,\"type\":\"binary\"}",
    V3 ",{\"id\":520,\"name\":\"first_row_id\",\"required\":false,\"type\":\"long\"}",
    "]}",
};

// clang-format on
// NOLINTEND(bugprone-suspicious-missing-comma)

static bool is_avro_name(struct vs_str name)
{
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.ptr[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!is_letter && !(i > 0 && c >= '0' && c <= '9')) {
            return false;
        }
    }
    return name.len > 0;
}

// Java's AvroSchemaUtil.makeCompatibleName: letters, digits and underscores, no digit first.
static enum vs_status append_avro_name(struct vs_buf *out, struct vs_str name, struct vs_error *err)
{
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.ptr[i];
        bool is_digit = c >= '0' && c <= '9';
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (is_letter || (is_digit && i > 0)) {
            VS_TRY(vs_buf_append_byte(out, c, err));
        } else if (is_digit) {
            VS_TRY(vs_buf_printf(out, err, "_%c", c));
        } else {
            VS_TRY(vs_buf_printf(out, err, "_x%X", c));
        }
    }
    return name.len > 0 ? VS_OK : vs_buf_append_c(out, "_", err);
}

static enum vs_status append_json_text(struct vs_buf *out, struct vs_str text, struct vs_error *err)
{
    struct vs_json_writer w;
    vs_json_writer_init(&w, out, false);
    vs_jw_str(&w, text);
    return vs_json_writer_finish(&w, err);
}

struct vs_str vs_manifest_number(char text[VS_MANIFEST_NUMBER_SIZE], int64_t value)
{
    int len = snprintf(text, VS_MANIFEST_NUMBER_SIZE, "%lld", (long long)value);
    return (struct vs_str){text, len > 0 ? (size_t)len : 0};
}

// Bytes that hold every unscaled value of the precision.
static int decimal_bytes(int precision)
{
    vs_int128 most = 1;
    for (int i = 0; i < precision; i++) {
        most *= 10;
    }
    int bytes = 1;
    while (bytes < 16 && ((vs_int128)1 << (8 * bytes - 1)) < most) {
        bytes++;
    }
    return bytes;
}

size_t vs_manifest_decimal_bytes(int precision)
{
    return (size_t)decimal_bytes(precision);
}

// A named type is defined once and named afterwards.
static bool is_defined(const struct vs_field *fields, size_t index)
{
    const struct vs_field *f = &fields[index];
    for (size_t i = 0; i < index; i++) {
        if (fields[i].kind == f->kind && fields[i].precision == f->precision &&
            fields[i].scale == f->scale && fields[i].fixed_length == f->fixed_length) {
            return true;
        }
    }
    return false;
}

static enum vs_status append_fixed(struct vs_buf *out,
                                   const struct vs_field *fields,
                                   size_t index,
                                   struct vs_error *err)
{
    const struct vs_field *f = &fields[index];
    bool defined = is_defined(fields, index);
    if (f->kind == VS_KIND_UUID) {
        return vs_buf_append_c(out,
                               defined ? "\"uuid_fixed\""
                                       : "{\"type\":\"fixed\",\"name\":\"uuid_fixed\",\"size\":16,"
                                         "\"logicalType\":\"uuid\"}",
                               err);
    }
    if (f->kind == VS_KIND_FIXED) {
        if (defined) {
            return vs_buf_printf(out, err, "\"fixed_%u\"", f->fixed_length);
        }
        return vs_buf_printf(out, err, "{\"type\":\"fixed\",\"name\":\"fixed_%u\",\"size\":%u}",
                             f->fixed_length, f->fixed_length);
    }
    if (defined) {
        return vs_buf_printf(out, err, "\"decimal_%d_%d\"", f->precision, f->scale);
    }
    return vs_buf_printf(out, err,
                         "{\"type\":\"fixed\",\"name\":\"decimal_%d_%d\",\"size\":%d,"
                         "\"logicalType\":\"decimal\",\"precision\":%d,\"scale\":%d}",
                         f->precision, f->scale, decimal_bytes(f->precision), f->precision,
                         f->scale);
}

static const char *plain_type(enum vs_kind kind)
{
    static const char *const types[VS_KIND_COUNT] = {
        [VS_KIND_BOOLEAN] = "\"boolean\"",
        [VS_KIND_INT] = "\"int\"",
        [VS_KIND_LONG] = "\"long\"",
        [VS_KIND_FLOAT] = "\"float\"",
        [VS_KIND_DOUBLE] = "\"double\"",
        [VS_KIND_STRING] = "\"string\"",
        [VS_KIND_BINARY] = "\"bytes\"",
        [VS_KIND_DATE] = "{\"type\":\"int\",\"logicalType\":\"date\"}",
        [VS_KIND_TIME] = "{\"type\":\"long\",\"logicalType\":\"time-micros\"}",
        [VS_KIND_TIMESTAMP] =
            "{\"type\":\"long\",\"logicalType\":\"timestamp-micros\",\"adjust-to-utc\":false}",
        [VS_KIND_TIMESTAMPTZ] =
            "{\"type\":\"long\",\"logicalType\":\"timestamp-micros\",\"adjust-to-utc\":true}",
        [VS_KIND_TIMESTAMP_NS] =
            "{\"type\":\"long\",\"logicalType\":\"timestamp-nanos\",\"adjust-to-utc\":false}",
        [VS_KIND_TIMESTAMPTZ_NS] =
            "{\"type\":\"long\",\"logicalType\":\"timestamp-nanos\",\"adjust-to-utc\":true}",
    };
    return types[kind];
}

static enum vs_status append_avro_fields(struct vs_buf *out,
                                         const struct vs_manifest_shape *shape,
                                         struct vs_error *err)
{
    for (size_t i = 0; i < shape->field_count; i++) {
        const struct vs_field *f = &shape->fields[i];
        VS_TRY(vs_buf_append_c(out, i > 0 ? ",{\"name\":\"" : "{\"name\":\"", err));
        VS_TRY(append_avro_name(out, f->name, err));
        VS_TRY(vs_buf_append_c(out, "\",\"type\":[\"null\",", err));
        const char *plain = plain_type(f->kind);
        if (plain != NULL) {
            VS_TRY(vs_buf_append_c(out, plain, err));
        } else {
            VS_TRY(append_fixed(out, shape->fields, i, err));
        }
        VS_TRY(vs_buf_append_c(out, "],\"default\":null", err));
        if (!is_avro_name(f->name)) {
            VS_TRY(vs_buf_append_c(out, ",\"iceberg-field-name\":", err));
            VS_TRY(append_json_text(out, f->name, err));
        }
        VS_TRY(vs_buf_printf(out, err, ",\"field-id\":%d}", f->id));
    }
    return VS_OK;
}

static enum vs_status append_iceberg_fields(struct vs_buf *out,
                                            const struct vs_manifest_shape *shape,
                                            struct vs_error *err)
{
    for (size_t i = 0; i < shape->field_count; i++) {
        const struct vs_field *f = &shape->fields[i];
        VS_TRY(vs_buf_printf(out, err, "%s{\"id\":%d,\"name\":", i > 0 ? "," : "", f->id));
        VS_TRY(append_json_text(out, f->name, err));
        VS_TRY(vs_buf_append_c(out, ",\"required\":false,\"type\":\"", err));
        VS_TRY(vs_type_format(f, out, err));
        VS_TRY(vs_buf_append_c(out, "\"}", err));
    }
    return VS_OK;
}

typedef enum vs_status (*fields_fn)(struct vs_buf *out,
                                    const struct vs_manifest_shape *shape,
                                    struct vs_error *err);

static enum vs_status append_all(struct vs_buf *out,
                                 const char *const *pieces,
                                 size_t count,
                                 const struct vs_manifest_shape *shape,
                                 fields_fn fields,
                                 struct vs_error *err)
{
    for (size_t i = 0; i < count; i++) {
        if (pieces[i][0] == PARTITION[0]) {
            VS_TRY(fields(out, shape, err));
        } else if (pieces[i][0] != V3[0]) {
            VS_TRY(vs_buf_append_c(out, pieces[i], err));
        } else if (shape->format_version >= 3) {
            VS_TRY(vs_buf_append_c(out, pieces[i] + 1, err));
        }
    }
    return VS_OK;
}

#define APPEND(pieces, fields)                                                                     \
    append_all(out, pieces, sizeof(pieces) / sizeof((pieces)[0]), shape, fields, err)

enum vs_status vs_manifest_schema_format(enum vs_manifest_schema schema,
                                         const struct vs_manifest_shape *shape,
                                         struct vs_buf *out,
                                         struct vs_error *err)
{
    switch (schema) {
    case VS_MANIFEST_ENTRY_AVRO:
        return APPEND(entry_avro, append_avro_fields);
    case VS_MANIFEST_ENTRY_ICEBERG:
        return APPEND(entry_iceberg, append_iceberg_fields);
    case VS_MANIFEST_LIST_AVRO:
        return APPEND(list_avro, append_avro_fields);
    case VS_MANIFEST_LIST_ICEBERG:
        return APPEND(list_iceberg, append_iceberg_fields);
    }
    return vs_fail(err, VS_INTERNAL, "unknown manifest schema");
}
