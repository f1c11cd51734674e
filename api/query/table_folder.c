// SPDX-License-Identifier: Apache-2.0
/*
 * Whether a known table can have changed, by one look at the folder of its metadata files: a newer
 * version is a new name there, and a table made anew is another folder.
 */
#include "api/query/engine_internal.h"

#include <string.h>

void vs_table_folder_find(struct vs_engine_table *entry, struct vs_str metadata_key)
{
    size_t len = metadata_key.len;
    while (len > 0 && metadata_key.ptr[len - 1] != '/') {
        len--;
    }
    if (entry->table->version >= 0 && len > 1 && len <= sizeof entry->folder.key) {
        memcpy(entry->folder.key, metadata_key.ptr, len - 1);
    }
}

bool vs_table_folder_is_quiet(const struct vs_env *env,
                              const struct vs_engine_table *known,
                              struct vs_folder_look *look_out)
{
    const struct vs_table_folder *folder = &known->folder;
    look_out->has_stamp = false;
    if (folder->key[0] == '\0') {
        return false;
    }
    look_out->begin_ns = folder->is_settled ? 0 : vs_monotonic_ns(env); // only then used
    look_out->has_stamp = vs_store_stamp(known->table->store, folder->key, &look_out->stamp);
    if (look_out->has_stamp && folder->is_settled &&
        vs_object_stamp_is(&look_out->stamp, &folder->stamp)) {
        return true;
    }
    look_out->end_ns = vs_monotonic_ns(env);
    return false;
}

void vs_table_folder_remember(struct vs_engine_table *entry, const struct vs_folder_look *look)
{
    struct vs_table_folder *folder = &entry->folder;
    if (!look->has_stamp) {
        return;
    }
    if (folder->seen_ns == 0 || !vs_object_stamp_is(&look->stamp, &folder->stamp)) {
        folder->stamp = look->stamp;
        folder->seen_ns = look->end_ns;
        folder->is_settled = false;
    } else if (look->begin_ns - folder->seen_ns >= VS_STAMP_SETTLE_NS) {
        folder->is_settled = true;
    }
}
