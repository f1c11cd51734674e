// SPDX-License-Identifier: Apache-2.0
// Any bytes as table metadata, inspected as the command line does it without opening the table's
// files; every schema that is accepted is parsed as a tree as well.
#include "api/inspect_table.h"
#include "vecstore/iceberg/type_json.h"

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_types(const struct vs_table_metadata *metadata)
{
    for (size_t i = 0; i < metadata->schema_count; i++) {
        struct vs_arena arena;
        struct vs_type type;
        struct vs_buf text;
        vs_arena_init(&arena, vs_env_default(), (size_t)1 << 28);
        vs_buf_init(&text, vs_env_default(), (size_t)1 << 28);
        if (vs_iceberg_type_parse(vs_env_default(), metadata->schema_json[i], "fuzz", &arena, &type,
                                  NULL) == VS_OK) {
            if (type.shape != VS_TYPE_STRUCT) {
                __builtin_trap();
            }
            vs_ignore(vs_type_tree_format(&type, &text, NULL));
        }
        vs_buf_clear(&text);
        vs_arena_clear(&arena);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vs_table_metadata *metadata = NULL;
    struct vs_json_writer w;
    struct vs_buf report;
    const struct vs_inspect_options options = {.size = sizeof options};
    if (vs_table_metadata_parse(vs_env_default(), (struct vs_str){(const char *)data, size}, "fuzz",
                                &metadata, NULL) != VS_OK) {
        return 0;
    }
    read_types(metadata);
    vs_buf_init(&report, vs_env_default(), (size_t)1 << 28);
    vs_json_writer_init(&w, &report, false);
    const struct vs_table_inspect t = {.env = vs_env_default(),
                                       .options = &options,
                                       .name = "fuzz",
                                       .metadata = metadata,
                                       .w = &w};
    vs_jw_object_begin(&w);
    enum vs_status status = vs_inspect_metadata(&t, NULL);
    vs_jw_object_end(&w);
    if (status == VS_OK && vs_json_writer_finish(&w, NULL) == VS_OK) {
        struct vs_json_doc *doc = NULL; // a report is JSON whatever the file holds
        const struct vs_json_limits limits = {.max_depth = 256};
        enum vs_status again =
            vs_json_parse(vs_env_default(), vs_buf_view(&report), "report", &limits, &doc, NULL);
        if (again != VS_OK && again != VS_NO_MEMORY && again != VS_LIMIT) {
            __builtin_trap();
        }
        vs_json_free(doc);
    }
    vs_buf_clear(&report);
    vs_table_metadata_free(metadata);
    return 0;
}
