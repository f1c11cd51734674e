// SPDX-License-Identifier: Apache-2.0
#include "ingest/source.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_rows(struct vs_str bytes, const struct vs_source_options *options)
{
    const struct vs_env *env = vs_env_default();
    struct vs_source *source = NULL;
    struct vs_batch batch = {0};
    struct vs_file *file = NULL;
    struct vs_error err;
    if (vs_file_open_bytes(env, bytes, "f.jsonl", &file, &err) != VS_OK ||
        vs_source_open_file(env, file, "f.jsonl", options, &source, &err) != VS_OK) {
        return;
    }
    const struct vs_schema *schema = vs_source_schema(source);
    if (vs_batch_init(&batch, env, schema->fields, schema->field_count, &err) == VS_OK) {
        while (vs_source_next(source, &batch, NULL, &err) == VS_OK && batch.row_count > 0) {
            for (size_t i = 0; i < batch.column_count; i++) {
                if (batch.columns[i].row_count != batch.row_count) {
                    __builtin_trap();
                }
            }
        }
    }
    vs_batch_clear(&batch);
    vs_source_close(source);
}

// Once with inferred columns, once into a table of many types.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct vs_field fields[] = {
        {.id = 1, .name = {"id", 2}, .kind = VS_KIND_LONG},
        {.id = 2, .name = {"embedding", 9}, .kind = VS_KIND_LIST, .element_kind = VS_KIND_FLOAT},
        {.id = 3, .name = {"s", 1}, .kind = VS_KIND_STRING},
        {.id = 4, .name = {"d", 1}, .kind = VS_KIND_DATE},
        {.id = 5, .name = {"t", 1}, .kind = VS_KIND_TIMESTAMPTZ},
        {.id = 6, .name = {"u", 1}, .kind = VS_KIND_UUID},
        {.id = 7, .name = {"p", 1}, .kind = VS_KIND_DECIMAL, .precision = 20, .scale = 3},
        {.id = 8, .name = {"b", 1}, .kind = VS_KIND_BINARY},
        {.id = 9, .name = {"l", 1}, .kind = VS_KIND_LIST, .element_kind = VS_KIND_STRING},
        {.id = 10, .name = {"i", 1}, .kind = VS_KIND_INT},
    };
    static const struct vs_schema schema = {.field_count = sizeof fields / sizeof fields[0],
                                            .fields = fields};
    const struct vs_source_options table = {.schema = &schema, .skip_unknown = true};
    struct vs_str bytes = {(const char *)data, size};
    read_rows(bytes, NULL);
    read_rows(bytes, &table);
    return 0;
}
