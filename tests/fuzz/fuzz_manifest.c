// SPDX-License-Identifier: Apache-2.0
// Any bytes as a manifest and as a manifest list.
#include "vecstore/iceberg/manifest.h"

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vs_arena arena;
    struct vs_data_file *files = NULL;
    struct vs_manifest_file *manifests = NULL;
    const struct vs_manifest_file manifest = {.sequence_number = 7, .added_snapshot_id = 3};
    const struct vs_str bytes = {(const char *)data, size};
    size_t count = 0;
    vs_arena_init(&arena, vs_env_default(), (size_t)1 << 28);
    const int32_t ids[] = {1, 4};
    for (int few = 0; few < 2; few++) {
        const struct vs_manifest_read read = {.env = vs_env_default(),
                                              .bytes = bytes,
                                              .what = "fuzz",
                                              .manifest = &manifest,
                                              .few_statistics = few == 1,
                                              .statistics_ids = ids,
                                              .statistics_id_count = 2};
        if (vs_manifest_read(&read, &arena, &files, &count, NULL) == VS_OK) {
            for (size_t i = 0; i < count; i++) {
                if (files[i].path.len == 0 || files[i].record_count < 0 ||
                    (few == 1 && files[i].lower_count > 2)) {
                    __builtin_trap();
                }
            }
        }
        vs_arena_clear(&arena);
    }
    if (vs_manifest_list_read(vs_env_default(), bytes, "fuzz", &arena, &manifests, &count, NULL) ==
        VS_OK) {
        struct vs_buf out;
        vs_buf_init(&out, vs_env_default(), (size_t)1 << 28);
        const struct vs_manifest_list_write list = {.entries = manifests,
                                                    .count = count,
                                                    .snapshot_id = 1,
                                                    .parent_id = 2,
                                                    .sequence_number = 3,
                                                    .format_version = 3};
        vs_ignore(vs_manifest_list_write_bytes(vs_env_default(), &list, &out, NULL));
        vs_buf_clear(&out);
    }
    vs_arena_clear(&arena);
    return 0;
}
