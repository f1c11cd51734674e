// SPDX-License-Identifier: Apache-2.0
#include "api/index_current.h"

#include "vecstore/iceberg/stats_file.h"

enum vs_status vs_index_current_file(struct vs_db *db,
                                     const char *table,
                                     struct vs_index_current *current,
                                     struct vs_error *err)
{
    VS_TRY(vs_catalog_load(db->catalog, table, &current->table, err));
    const struct vs_table_metadata *metadata = current->table->metadata;
    if (!vs_stats_file_find(metadata, metadata->current_snapshot_id, &current->entry)) {
        return vs_fail(err, VS_NOT_FOUND,
                       "table %s has no index; make one with vecstore index build %s", table,
                       table);
    }
    struct vs_buf key;
    vs_buf_init(&key, db->env, 8192);
    enum vs_status status = vs_store_key(current->table->store, current->entry.path, &key, err);
    if (status == VS_OK) {
        const char *text = vs_buf_c_str(&key);
        status = text != NULL ? vs_file_open(current->table->store, text, &current->file, err)
                              : vs_fail(err, VS_NO_MEMORY, "out of memory for a file name");
    }
    vs_buf_clear(&key);
    return status == VS_OK ? VS_OK
                           : vs_wrap(err, status,
                                     "the index of table %s is named in its metadata but cannot be "
                                     "opened (queries scan exactly; build it again)",
                                     table);
}

enum vs_status vs_index_current_open(struct vs_db *db,
                                     const char *table,
                                     bool skip_lists,
                                     struct vs_index_current *current,
                                     struct vs_error *err)
{
    VS_TRY(vs_index_current_file(db, table, current, err));
    const struct vs_index_open_options options = {.table_uuid = &current->table->metadata->uuid,
                                                  .skip_lists = skip_lists,
                                                  .thread_count = db->thread_count};
    return vs_index_open(db->env, current->file, &options, &current->index, err);
}

void vs_index_current_close(struct vs_index_current *current)
{
    vs_index_close(current->index);
    vs_file_close(current->file);
    vs_table_release(current->table);
    *current = (struct vs_index_current){0};
}

enum vs_status vs_index_current_column(const struct vs_index_current *current,
                                       const char *name,
                                       size_t *column_out,
                                       struct vs_error *err)
{
    const struct vs_index_info *info = vs_index_info(current->index);
    size_t found = SIZE_MAX;
    for (size_t c = 0; c < info->column_count; c++) {
        bool fits =
            name != NULL ? vs_str_equal_c(info->columns[c].name, name) : info->column_count == 1;
        found = fits ? c : found;
    }
    if (found == SIZE_MAX) {
        return vs_fail(err, VS_INVALID,
                       name != NULL ? "the index has no vector column '%s'"
                                    : "the index has several vector columns; name one%s",
                       name != NULL ? name : "");
    }
    *column_out = found;
    return VS_OK;
}
