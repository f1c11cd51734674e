// SPDX-License-Identifier: Apache-2.0
// The Parquet footer: what parses is encoded and must parse again; then the same bytes as the
// footer of a file that is opened. An input that is a whole file (the seeds are) stands for its
// footer.
#include "vecstore/base/bytes.h"
#include "vecstore/base/io.h"
#include "vecstore/format/parquet_meta.h"
#include "vecstore/format/parquet_read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void round_trip(const uint8_t *data, size_t size)
{
    struct vs_arena arena;
    struct vs_buf bytes;
    struct vs_pq_file_meta meta, again;
    vs_arena_init(&arena, vs_env_default(), 64 << 20);
    vs_buf_init(&bytes, vs_env_default(), 64 << 20);
    if (vs_pq_file_meta_parse(data, size, "fuzz", &arena, &meta, NULL) == VS_OK &&
        vs_pq_file_meta_encode(&meta, &bytes, NULL) == VS_OK) {
        enum vs_status status =
            vs_pq_file_meta_parse(bytes.data, bytes.len, "fuzz", &arena, &again, NULL);
        if (status != VS_OK && status != VS_NO_MEMORY) {
            __builtin_trap();
        }
        if (status == VS_OK &&
            (again.schema_count != meta.schema_count ||
             again.row_group_count != meta.row_group_count || again.num_rows != meta.num_rows)) {
            __builtin_trap();
        }
    }
    vs_buf_clear(&bytes);
    vs_arena_clear(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t tail[8];
    if (size > 12 && memcmp(data + size - 4, "PAR1", 4) == 0 &&
        vs_load_u32le(data + size - 8) <= size - 8) {
        size_t footer = vs_load_u32le(data + size - 8);
        data += size - 8 - footer;
        size = footer;
    }
    struct vs_buf bytes;
    struct vs_file *file = NULL;
    struct vs_parquet_reader *reader = NULL;
    round_trip(data, size);
    vs_buf_init(&bytes, vs_env_default(), SIZE_MAX / 2);
    vs_store_u32le(tail, (uint32_t)size);
    memcpy(tail + 4, "PAR1", 4);
    if (vs_buf_append(&bytes, "PAR1", 4, NULL) == VS_OK &&
        vs_buf_append(&bytes, data, size, NULL) == VS_OK &&
        vs_buf_append(&bytes, tail, sizeof tail, NULL) == VS_OK &&
        vs_file_open_bytes(vs_env_default(), vs_buf_view(&bytes), "fuzz", &file, NULL) == VS_OK) {
        vs_ignore(vs_parquet_open(vs_env_default(), file, &reader, NULL));
        vs_parquet_close(reader);
        vs_file_close(file);
    }
    vs_buf_clear(&bytes);
    return 0;
}
