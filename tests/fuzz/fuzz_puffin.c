// SPDX-License-Identifier: Apache-2.0
#include "vecstore/format/puffin.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// Whatever is accepted lies inside the file.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vs_puffin puffin;
    struct vs_error err;
    struct vs_str bytes = {(const char *)data, size};
    if (vs_puffin_parse(vs_env_default(), bytes, "fuzz", &puffin, &err) != VS_OK) {
        return 0;
    }
    for (size_t i = 0; i < puffin.blob_count; i++) {
        const struct vs_puffin_blob *blob = &puffin.blobs[i];
        if (blob->offset > size || blob->length > size - blob->offset) {
            __builtin_trap();
        }
    }
    vs_puffin_clear(&puffin);
    return 0;
}
