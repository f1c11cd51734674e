// SPDX-License-Identifier: Apache-2.0
#include "index/index_internal.h"

// A summary is a hint: what cannot be used is reported once and then as good as absent.
static enum vs_status read_summary(const struct vs_index *index,
                                   size_t segment,
                                   size_t column,
                                   struct vs_index_part *part,
                                   struct vs_error *err)
{
    const struct vs_blob_entry *blob =
        vs_descriptor_blob(&index->descriptor, VS_BLOB_SUMMARY, (int32_t)segment,
                           index->descriptor.info.columns[column].field_id);
    part->summary_read = true;
    if (blob == NULL || !part->has_lists) {
        return VS_OK;
    }
    uint8_t *bytes = NULL;
    enum vs_status status = vs_index_blob_read(index->env, index->file, blob, &bytes, err);
    if (status == VS_UNAVAILABLE || status == VS_NO_MEMORY) {
        part->summary_read = false; // another time
    }
    if (status != VS_OK) {
        return status;
    }
    const struct vs_str text = {(const char *)bytes, (size_t)blob->length};
    status = vs_list_summary_decode(index->env, text, index->file->name,
                                    part->lists.codebook->list_count, &part->summary, err);
    vs_free(index->env, bytes);
    return status;
}

enum vs_status vs_index_list_summary(const struct vs_index *index,
                                     size_t segment,
                                     size_t column,
                                     const struct vs_list_summary **summary_out,
                                     struct vs_error *err)
{
    VS_TRY(vs_index_check_target(index, segment, column, err));
    struct vs_index_part *part = &index->segments[segment].parts[column];
    pthread_mutex_t *lock = (pthread_mutex_t *)(uintptr_t)&index->lock;
    pthread_mutex_lock(lock);
    enum vs_status status =
        part->summary_read ? VS_OK : read_summary(index, segment, column, part, err);
    *summary_out = part->summary;
    pthread_mutex_unlock(lock);
    return status;
}
