// SPDX-License-Identifier: Apache-2.0
// Any bytes as table metadata; what is accepted as version 2 must be written and accepted again.
#include "vecstore/iceberg/table_metadata.h"

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vs_table_metadata *metadata = NULL, *again = NULL;
    const struct vs_snapshot *snapshot = NULL;
    if (vs_table_metadata_parse(vs_env_default(), (struct vs_str){(const char *)data, size}, "fuzz",
                                &metadata, NULL) != VS_OK) {
        return 0;
    }
    vs_ignore(vs_table_snapshot_as_of(metadata, 1700000000000, &snapshot, NULL));
    if (vs_table_current_schema(metadata) == NULL) {
        __builtin_trap();
    }
    struct vs_buf text;
    vs_buf_init(&text, vs_env_default(), (size_t)1 << 28);
    if (metadata->format_version == 2 && vs_table_metadata_format(metadata, &text, NULL) == VS_OK) {
        if (vs_table_metadata_parse(vs_env_default(), vs_buf_view(&text), "again", &again, NULL) !=
            VS_OK) {
            __builtin_trap();
        }
    }
    vs_buf_clear(&text);
    vs_table_metadata_free(again);
    vs_table_metadata_free(metadata);
    return 0;
}
