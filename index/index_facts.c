// SPDX-License-Identifier: Apache-2.0
#include "index/index_facts.h"

#include "index/index_internal.h"

const struct vs_descriptor *vs_index_descriptor(const struct vs_index *index)
{
    return &index->descriptor;
}

enum vs_status vs_index_read_codebook(const struct vs_index *index,
                                      size_t column,
                                      struct vs_codebook *codebook_out,
                                      bool *found_out,
                                      struct vs_error *err)
{
    const struct vs_index_column *info = &index->descriptor.info.columns[column];
    const struct vs_blob_entry *blob =
        vs_descriptor_blob(&index->descriptor, VS_BLOB_CODEBOOK, -1, info->field_id);
    uint8_t *bytes = NULL;
    *found_out = false;
    if (blob == NULL) {
        return VS_OK;
    }
    VS_TRY(vs_index_blob_read(index->env, index->file, blob, &bytes, err));
    struct vs_codebook codebook = {0};
    enum vs_status status =
        vs_codebook_decode(index->env, (struct vs_str){(const char *)bytes, (size_t)blob->length},
                           index->file->name, &codebook, err);
    vs_free(index->env, bytes);
    if (status != VS_OK) {
        return status;
    }
    if (codebook.dim != info->dim || !vs_str_equal_c(info->model_id, codebook.model_id)) {
        vs_codebook_clear(&codebook);
        return vs_fail(err, VS_CORRUPT, "%s: a codebook is not the one that the descriptor names",
                       index->file->name);
    }
    *codebook_out = codebook;
    *found_out = true;
    return VS_OK;
}

enum vs_status vs_index_read_second(const struct vs_index *index,
                                    size_t column,
                                    bool *second_out,
                                    struct vs_error *err)
{
    const struct vs_descriptor *d = &index->descriptor;
    *second_out = false;
    for (size_t s = 0; s < d->info.segment_count; s++) {
        uint8_t bytes[VS_SECTION_HEADER_SIZE];
        struct vs_section_header header;
        const struct vs_blob_entry *blob =
            vs_descriptor_blob(d, VS_BLOB_HOT, (int32_t)s, d->info.columns[column].field_id);
        if (blob == NULL || blob->length < sizeof bytes) {
            continue;
        }
        VS_TRY(vs_file_read(index->file, blob->offset, sizeof bytes, bytes, err));
        VS_TRY(vs_section_header_decode(VS_SECTION_HOT, bytes, blob->length, index->file->name,
                                        &header, err));
        *second_out = (header.values[4] & VS_HOT_REPEATED_SLOTS) != 0;
        return VS_OK;
    }
    return VS_OK;
}
