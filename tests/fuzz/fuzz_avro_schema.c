// SPDX-License-Identifier: Apache-2.0
// Any text as an Avro schema.
#include "vecstore/format/avro_schema.h"

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vs_arena arena;
    const struct vs_avro_node *root = NULL;
    vs_arena_init(&arena, vs_env_default(), (size_t)64 << 20);
    if (vs_avro_schema_parse(vs_env_default(), (struct vs_str){(const char *)data, size}, "fuzz",
                             &arena, &root, NULL) == VS_OK &&
        root == NULL) {
        __builtin_trap();
    }
    vs_arena_clear(&arena);
    return 0;
}
