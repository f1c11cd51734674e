// SPDX-License-Identifier: Apache-2.0
/*
 * The Avro schemas of manifests and manifest lists of format version 2, and the same as Iceberg
 * schemas for header key iceberg.schema. Names, ids and order are Java's (iceberg.md 1.4, 1.5):
 * readers cast by record name and look up by field id.
 */
#include "vecstore/iceberg/manifest_schema.h"

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
    "{\"name\":\"partition\",\"type\":{\"type\":\"record\",\"name\":\"r102\",\"fields\":[]},\"field-id\":102},",
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
    "{\"name\":\"referenced_data_file\",\"type\":[\"null\",\"string\"],\"default\":null,\"field-id\":143}",
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
    "{\"id\":102,\"name\":\"partition\",\"required\":true,\"type\":{\"type\":\"struct\",\"fields\":[]}},",
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
    "{\"id\":143,\"name\":\"referenced_data_file\",\"required\":false,\"type\":\"string\"}",
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
    "]}",
};

// clang-format on

static enum vs_status append_all(struct vs_buf *out,
                                 const char *const *pieces,
                                 size_t count,
                                 struct vs_error *err)
{
    for (size_t i = 0; i < count; i++) {
        VS_TRY(vs_buf_append_c(out, pieces[i], err));
    }
    return VS_OK;
}

#define APPEND(pieces) append_all(out, pieces, sizeof(pieces) / sizeof((pieces)[0]), err)

enum vs_status vs_manifest_schema_format(enum vs_manifest_schema schema,
                                         struct vs_buf *out,
                                         struct vs_error *err)
{
    switch (schema) {
    case VS_MANIFEST_ENTRY_AVRO:
        return APPEND(entry_avro);
    case VS_MANIFEST_ENTRY_ICEBERG:
        return APPEND(entry_iceberg);
    case VS_MANIFEST_LIST_AVRO:
        return APPEND(list_avro);
    case VS_MANIFEST_LIST_ICEBERG:
        return APPEND(list_iceberg);
    }
    return vs_fail(err, VS_INTERNAL, "unknown manifest schema");
}
