// SPDX-License-Identifier: Apache-2.0
// Payload blobs of one text and one list column; the row count is taken from where the trailer says
// the directory is.
#include "index/attrs.h"
#include "vecstore/base/bytes.h"
#include "vecstore/base/crc32c.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct vs_field FIELDS[2] = {
    {.id = 1, .name = {"text", 4}, .kind = VS_KIND_STRING},
    {.id = 2, .name = {"tags", 4}, .kind = VS_KIND_LIST, .element_kind = VS_KIND_LONG},
};

static void fetch_some(struct vs_payload_reader *reader, size_t row_count)
{
    const struct vs_env *env = vs_env_default();
    struct vs_batch batch = {0};
    uint32_t rows[4];
    for (size_t i = 0; i < 4; i++) {
        rows[i] = (uint32_t)((row_count - 1) * (4 - i) / 4);
    }
    if (vs_batch_init(&batch, env, FIELDS, 2, NULL) == VS_OK) {
        vs_ignore(vs_payload_fetch(reader, rows, row_count > 0 ? 4 : 0, NULL, &batch, NULL));
        vs_batch_clear(&batch);
    }
}

// Directory and trailer checksums are made right; returns the row count of the directory.
static size_t mend_checksums(uint8_t *bytes, size_t size, bool mend)
{
    if (size < 16 + 28) {
        return 0;
    }
    uint8_t *trailer = bytes + size - 16;
    uint64_t len = vs_load_u64le(trailer);
    if (len > size - 16 || len < 28) {
        return 0;
    }
    uint8_t *directory = trailer - len;
    if (mend) {
        vs_store_u32le(trailer + 8, vs_crc32c(0, trailer, 8));
        vs_store_u32le(trailer - 4, vs_crc32c(0, directory, (size_t)len - 4));
    }
    return (size_t)vs_load_u64le(directory + 8);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct vs_env *env = vs_env_default();
    uint8_t *bytes = vs_alloc(env, size);
    if (bytes == NULL) {
        return 0;
    }
    memcpy(bytes, data, size);
    for (int mend = 0; mend < 2; mend++) {
        size_t rows = mend_checksums(bytes, size, mend != 0);
        struct vs_str blob = {(const char *)bytes, size};
        struct vs_file *file = NULL;
        struct vs_payload_reader *reader = NULL;
        if (vs_file_open_bytes(env, blob, "fuzz", &file, NULL) == VS_OK) {
            const struct vs_payload_place place = {.file = file,
                                                   .length = size,
                                                   .fields = FIELDS,
                                                   .field_count = 2,
                                                   .row_count = rows};
            if (vs_payload_open(env, &place, &reader, NULL) == VS_OK) {
                fetch_some(reader, rows);
            }
        }
        vs_payload_close(reader);
        vs_file_close(file);
    }
    vs_free(env, bytes);
    return 0;
}
