// SPDX-License-Identifier: Apache-2.0
// Part files of index builds: head, block headers and payloads. Checksums are mended on the second
// turn, so that the fuzzer reaches what lies behind them.
#include "index/build_parts.h"
#include "vecstore/base/bytes.h"
#include "vecstore/base/crc32c.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(const struct vs_part_head *head,
                const struct vs_part_block *block,
                const struct vs_part_vectors *v)
{
    const struct vs_part_column *column = &head->columns[block->column];
    for (uint32_t i = 0; i < block->count; i++) {
        if (v->list[i] >= column->list_count || v->position[i] - block->first >= block->rows) {
            __builtin_trap();
        }
    }
}

static void walk(const struct vs_env *env, uint8_t *bytes, size_t size, bool mend)
{
    struct vs_arena arena;
    struct vs_part_head head;
    struct vs_error err;
    size_t at = 0;
    vs_arena_init(&arena, env, 0);
    struct vs_str text = {(const char *)bytes, size};
    if (size >= VS_PART_HEADER_SIZE && mend) {
        uint32_t tables = vs_load_u32le(bytes + 80);
        if (tables <= size - VS_PART_HEADER_SIZE) {
            vs_store_u32le(bytes + 84, vs_crc32c(0, bytes + VS_PART_HEADER_SIZE, tables));
        }
        vs_store_u32le(bytes + 124, vs_crc32c(0, bytes, 124));
    }
    bool good = vs_part_head_decode(text, "fuzz", &arena, &head, &err) == VS_OK &&
                vs_part_head_length(bytes, "fuzz", &at, &err) == VS_OK;
    while (good && size - at >= VS_PART_BLOCK_SIZE) {
        struct vs_part_block block;
        struct vs_part_vectors vectors;
        if (mend) {
            vs_store_u32le(bytes + at + 60, vs_crc32c(0, bytes + at, 60));
        }
        good = vs_part_block_decode(bytes + at, &head, "fuzz", &block, &err) == VS_OK &&
               block.column != VS_PART_END && block.length <= size - at - VS_PART_BLOCK_SIZE;
        at += VS_PART_BLOCK_SIZE;
        uint8_t *payload = good ? vs_alloc_aligned(env, (size_t)block.length + 64) : NULL;
        good = payload != NULL;
        if (good) {
            memcpy(payload, bytes + at, (size_t)block.length);
            block.crc = mend ? vs_crc32c(0, payload, (size_t)block.length) : block.crc;
            if (vs_part_payload_decode(&head, &block, payload, "fuzz", &vectors, &err) == VS_OK) {
                use(&head, &block, &vectors);
            }
            at += (size_t)block.length;
        }
        vs_free_aligned(env, payload);
    }
    vs_arena_clear(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct vs_env *env = vs_env_default();
    uint8_t *bytes = vs_alloc(env, size);
    if (bytes != NULL) {
        memcpy(bytes, data, size);
        walk(env, bytes, size, false);
        walk(env, bytes, size, true);
    }
    vs_free(env, bytes);
    return 0;
}
