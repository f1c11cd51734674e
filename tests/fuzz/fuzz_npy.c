// SPDX-License-Identifier: Apache-2.0
#include "ingest/source.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// Opens the bytes as a .npy file and reads all its rows.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct vs_env *env = vs_env_default();
    struct vs_source_options options = {.row_number_column = VS_STR("id")};
    struct vs_source *source = NULL;
    struct vs_batch batch = {0};
    struct vs_file *file = NULL;
    struct vs_error err;
    if (vs_file_open_bytes(env, (struct vs_str){(const char *)data, size}, "f.npy", &file, &err) !=
            VS_OK ||
        vs_source_open_file(env, file, "f.npy", &options, &source, &err) != VS_OK) {
        return 0;
    }
    uint64_t rows = 0;
    const struct vs_schema *schema = vs_source_schema(source);
    if (vs_batch_init(&batch, env, schema->fields, schema->field_count, &err) == VS_OK) {
        while (vs_source_next(source, &batch, NULL, &err) == VS_OK && batch.row_count > 0) {
            rows += batch.row_count;
        }
    }
    if (rows != source->row_total) {
        __builtin_trap();
    }
    vs_batch_clear(&batch);
    vs_source_close(source);
    return 0;
}
