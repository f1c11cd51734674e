// SPDX-License-Identifier: Apache-2.0
#include "vecstore/iceberg/stats_file.h"

static bool read_size(const struct vs_table_metadata *metadata, const char *key, uint64_t *size_out)
{
    struct vs_str text = vs_table_property(metadata, key);
    return text.ptr != NULL && vs_parse_u64(text, size_out, NULL) == VS_OK;
}

static const struct vs_statistics *find_path(const struct vs_table_metadata *metadata,
                                             struct vs_str path)
{
    for (size_t i = 0; i < metadata->statistics_count; i++) {
        if (vs_str_equal(metadata->statistics[i].path, path)) {
            return &metadata->statistics[i];
        }
    }
    return NULL;
}

// Another engine may have replaced the statistics entry: the property alone still finds the file.
static bool find_by_property(const struct vs_table_metadata *metadata, struct vs_statistics *out)
{
    struct vs_str path = vs_table_property(metadata, VS_PROPERTY_INDEX_PATH);
    if (path.ptr == NULL || path.len == 0) {
        return false;
    }
    const struct vs_statistics *entry = find_path(metadata, path);
    if (entry != NULL) {
        *out = *entry;
        return true;
    }
    struct vs_statistics found = {
        .snapshot_id = VS_NO_SNAPSHOT, .path = path, .blob_metadata_json = VS_STR("[]")};
    if (!read_size(metadata, VS_PROPERTY_INDEX_FILE_SIZE, &found.file_size) ||
        !read_size(metadata, VS_PROPERTY_INDEX_FOOTER_SIZE, &found.footer_size)) {
        return false;
    }
    *out = found;
    return true;
}

bool vs_stats_file_find(const struct vs_table_metadata *metadata,
                        int64_t snapshot_id,
                        struct vs_statistics *out)
{
    if (find_by_property(metadata, out)) {
        return true;
    }
    // The parent may have been expired: the walk ends there. The count bounds it against a cycle in
    // hostile metadata.
    for (size_t steps = 0; steps <= metadata->snapshot_count; steps++) {
        const struct vs_statistics *entry = vs_table_statistics(metadata, snapshot_id);
        if (entry != NULL && vs_str_ends_with(entry->path, VS_STR(VS_INDEX_FILE_SUFFIX))) {
            *out = *entry;
            return true;
        }
        const struct vs_snapshot *snapshot = vs_table_snapshot(metadata, snapshot_id);
        if (snapshot == NULL || snapshot->parent_id == VS_NO_SNAPSHOT) {
            return false;
        }
        snapshot_id = snapshot->parent_id;
    }
    return false;
}

bool vs_stats_file_previous(struct vs_str *list, struct vs_str *uuid_out)
{
    size_t first = 0;
    while (first < list->len && list->ptr[first] == ' ') {
        first++;
    }
    size_t end = first;
    while (end < list->len && list->ptr[end] != ' ') {
        end++;
    }
    if (end == first) {
        return false;
    }
    *uuid_out = (struct vs_str){list->ptr + first, end - first};
    *list = (struct vs_str){list->ptr + end, list->len - end};
    return true;
}

enum vs_status vs_stats_file_uri(const struct vs_table_metadata *metadata,
                                 struct vs_str uuid,
                                 struct vs_buf *uri,
                                 struct vs_error *err)
{
    vs_buf_reset(uri);
    return vs_buf_printf(uri, err, "%.*s/metadata/%.*s" VS_INDEX_FILE_SUFFIX,
                         VS_STR_ARG(metadata->location), VS_STR_ARG(uuid));
}
