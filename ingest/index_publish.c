// SPDX-License-Identifier: Apache-2.0
#include "ingest/index_publish.h"

#include <stdio.h>
#include <string.h>

#define MAX_FOREIGN_BYTES (UINT64_C(256) << 20)
#define OWN_TYPE_PREFIX "vecstore-"

struct publication {
    const struct vs_index_publish *publish;
    struct vs_index_pointer pointer;
    struct vs_pair properties[5];
    char previous[(VS_INDEX_PREVIOUS_KEPT + 1) * VS_UUID_TEXT_SIZE];
};

// The version that is current now goes to the front of the former ones.
static void remember_previous(struct publication *publication, const struct vs_table_metadata *base)
{
    struct vs_str current = vs_table_property(base, VS_PROPERTY_INDEX_UUID),
                  own = vs_str_from_c(publication->publish->index_uuid),
                  list = vs_table_property(base, VS_PROPERTY_INDEX_PREVIOUS), next = current;
    size_t used = 0, count = 0;
    bool more = current.len > 0;
    while (count < VS_INDEX_PREVIOUS_KEPT && (more || vs_stats_file_previous(&list, &next))) {
        bool is_repeated = !more && vs_str_equal(next, current);
        more = false;
        if (vs_str_equal(next, own) || is_repeated || next.len != VS_UUID_TEXT_SIZE - 1) {
            continue;
        }
        int n = snprintf(publication->previous + used, sizeof publication->previous - used,
                         "%s%.*s", count > 0 ? " " : "", VS_STR_ARG(next));
        used += (size_t)n;
        count++;
    }
    publication->properties[4] = (struct vs_pair){VS_STR(VS_PROPERTY_INDEX_PREVIOUS),
                                                  (struct vs_str){publication->previous, used}};
}

static enum vs_status check_replaced(const struct vs_index_publish *publish,
                                     const struct vs_table_metadata *base,
                                     struct vs_error *err)
{
    struct vs_str current = vs_table_property(base, VS_PROPERTY_INDEX_UUID);
    if (publish->replaces.len == 0 || current.len == 0 ||
        vs_str_equal(current, publish->replaces)) {
        return VS_OK;
    }
    return vs_fail(err, VS_CONFLICT,
                   "another version of the index (%.*s) was published meanwhile; run the command "
                   "again",
                   VS_STR_ARG(current));
}

// The newest snapshot is the best place, since that is where other engines keep statistics from
// being cleaned up; but never on top of another engine's statistics that this file does not carry.
static enum vs_status choose_snapshot(void *ctx,
                                      const struct vs_table_metadata *base,
                                      struct vs_intent *intent,
                                      struct vs_error *err)
{
    struct publication *publication = ctx;
    int64_t built = publication->publish->snapshot_id;
    if (memcmp(&publication->publish->table_uuid, &base->uuid, sizeof base->uuid) != 0) {
        return vs_fail(err, VS_CONFLICT,
                       "the table was dropped and made anew meanwhile; build its index again");
    }
    VS_TRY(check_replaced(publication->publish, base, err));
    remember_previous(publication, base);
    intent->set_property_count = publication->properties[4].value.len > 0 ? 5 : 4;
    const struct vs_statistics *newest = vs_table_statistics(base, base->current_snapshot_id);
    bool free_or_ours =
        newest == NULL || vs_str_ends_with(newest->path, VS_STR(VS_INDEX_FILE_SUFFIX));
    publication->pointer.statistics.snapshot_id = free_or_ours ? base->current_snapshot_id : built;
    if (vs_table_snapshot(base, publication->pointer.statistics.snapshot_id) == NULL) {
        return vs_fail(
            err, VS_CONFLICT,
            "snapshot %lld, which was indexed, has been expired meanwhile; build the index again",
            (long long)built);
    }
    intent->statistics = &publication->pointer.statistics;
    return VS_OK;
}

void vs_index_pointer_set(struct vs_index_pointer *pointer,
                          struct vs_str uri,
                          const char *index_uuid,
                          uint64_t file_size,
                          uint64_t footer_size)
{
    *pointer = (struct vs_index_pointer){.statistics = {.snapshot_id = VS_NO_SNAPSHOT,
                                                        .path = uri,
                                                        .file_size = file_size,
                                                        .footer_size = footer_size,
                                                        .blob_metadata_json = VS_STR("[]")}};
    snprintf(pointer->file_size, sizeof pointer->file_size, "%llu", (unsigned long long)file_size);
    snprintf(pointer->footer_size, sizeof pointer->footer_size, "%llu",
             (unsigned long long)footer_size);
    pointer->properties[0] = (struct vs_pair){VS_STR(VS_PROPERTY_INDEX_PATH), uri};
    pointer->properties[1] =
        (struct vs_pair){VS_STR(VS_PROPERTY_INDEX_FILE_SIZE), vs_str_from_c(pointer->file_size)};
    pointer->properties[2] = (struct vs_pair){VS_STR(VS_PROPERTY_INDEX_FOOTER_SIZE),
                                              vs_str_from_c(pointer->footer_size)};
    pointer->properties[3] =
        (struct vs_pair){VS_STR(VS_PROPERTY_INDEX_UUID), vs_str_from_c(index_uuid)};
}

enum vs_status vs_index_name(struct vs_store *store,
                             const struct vs_table_metadata *metadata,
                             const char *uuid,
                             struct vs_buf *uri,
                             struct vs_buf *key,
                             struct vs_error *err)
{
    VS_TRY(vs_stats_file_uri(metadata, vs_str_from_c(uuid), uri, err));
    return vs_store_key(store, vs_buf_view(uri), key, err);
}

enum vs_status vs_index_publish(struct vs_catalog *catalog,
                                const struct vs_index_publish *publish,
                                unsigned *attempts_out,
                                struct vs_error *err)
{
    struct publication publication = {.publish = publish};
    vs_index_pointer_set(&publication.pointer, publish->uri, publish->index_uuid,
                         publish->file_size, publish->footer_size);
    if (publish->blob_metadata_json.len > 0) {
        publication.pointer.statistics.blob_metadata_json = publish->blob_metadata_json;
    }
    memcpy(publication.properties, publication.pointer.properties,
           sizeof publication.pointer.properties);
    struct vs_intent intent = {
        .set_properties = publication.properties,
        .set_property_count = 4,
        .rebase = choose_snapshot,
        .rebase_ctx = &publication,
    };
    struct vs_commit_result result = {0};
    VS_TRY(vs_catalog_commit(catalog, publish->table, &intent, publish->op, &result, err));
    *attempts_out = result.attempts;
    vs_table_release(result.table);
    return VS_OK;
}

static enum vs_status read_blob(const struct vs_puffin_blob *blob,
                                struct vs_file *file,
                                struct vs_arena *arena,
                                struct vs_str *bytes_out,
                                struct vs_error *err)
{
    char *bytes = vs_arena_alloc(arena, (size_t)blob->length);
    if (bytes == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for a statistics blob of %llu bytes",
                       (unsigned long long)blob->length);
    }
    VS_TRY(vs_file_read(file, blob->offset, (size_t)blob->length, bytes, err));
    *bytes_out = (struct vs_str){bytes, (size_t)blob->length};
    return VS_OK;
}

static bool is_foreign(const struct vs_puffin_blob *blob)
{
    return !vs_str_starts_with(blob->type, VS_STR(OWN_TYPE_PREFIX));
}

// Properties, type and fields of the blobs point into the Puffin's arena, which ends with the call:
// copy.
static enum vs_status copy_blob(const struct vs_puffin_blob *blob,
                                struct vs_arena *arena,
                                struct vs_puffin_blob *copy_out,
                                struct vs_error *err)
{
    struct vs_puffin_blob copy = *blob;
    copy.type = vs_arena_copy_str(arena, blob->type);
    copy.codec = vs_arena_copy_str(arena, blob->codec);
    copy.fields = vs_arena_alloc_array(arena, blob->field_count, sizeof *copy.fields);
    copy.properties = vs_arena_alloc_array(arena, blob->property_count, sizeof *copy.properties);
    bool complete = copy.type.ptr != NULL && copy.codec.ptr != NULL && copy.fields != NULL &&
                    copy.properties != NULL;
    if (complete && blob->field_count > 0) {
        memcpy(copy.fields, blob->fields, blob->field_count * sizeof *copy.fields);
    }
    for (size_t i = 0; complete && i < blob->property_count; i++) {
        copy.properties[i].key = vs_arena_copy_str(arena, blob->properties[i].key);
        copy.properties[i].value = vs_arena_copy_str(arena, blob->properties[i].value);
        complete = copy.properties[i].key.ptr != NULL && copy.properties[i].value.ptr != NULL;
    }
    if (!complete) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for a statistics blob");
    }
    *copy_out = copy;
    return VS_OK;
}

static enum vs_status read_foreign(const struct vs_puffin *puffin,
                                   struct vs_file *file,
                                   struct vs_arena *arena,
                                   struct vs_index_build_params *params,
                                   struct vs_error *err)
{
    struct vs_puffin_blob *blobs = vs_arena_alloc_array(arena, puffin->blob_count, sizeof *blobs);
    struct vs_str *bytes = vs_arena_alloc_array(arena, puffin->blob_count, sizeof *bytes);
    if (blobs == NULL || bytes == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for %zu statistics blobs",
                       puffin->blob_count);
    }
    size_t count = 0;
    uint64_t total = 0;
    for (size_t i = 0; i < puffin->blob_count; i++) {
        const struct vs_puffin_blob *blob = &puffin->blobs[i];
        if (!is_foreign(blob)) {
            continue;
        }
        total += blob->length;
        if (total > MAX_FOREIGN_BYTES) {
            return vs_fail(err, VS_LIMIT,
                           "the statistics of other engines on this snapshot exceed %llu bytes",
                           (unsigned long long)MAX_FOREIGN_BYTES);
        }
        VS_TRY(copy_blob(blob, arena, &blobs[count], err));
        VS_TRY(read_blob(blob, file, arena, &bytes[count], err));
        count++;
    }
    params->foreign_blobs = blobs;
    params->foreign_bytes = bytes;
    params->foreign_count = count;
    return VS_OK;
}

static enum vs_status read_statistics_file(const struct vs_env *env,
                                           struct vs_store *store,
                                           const struct vs_statistics *entry,
                                           struct vs_arena *arena,
                                           struct vs_index_build_params *params,
                                           struct vs_error *err)
{
    struct vs_buf key;
    struct vs_file *file = NULL;
    struct vs_puffin puffin = {0};
    vs_buf_init(&key, env, 8192);
    enum vs_status status = vs_store_key(store, entry->path, &key, err);
    if (status == VS_OK) {
        status = vs_file_open(store, vs_buf_c_str(&key), &file, err);
    }
    if (status == VS_OK) {
        status = vs_puffin_read(env, file, &puffin, err);
    }
    if (status == VS_OK) {
        status = read_foreign(&puffin, file, arena, params, err);
    }
    vs_puffin_clear(&puffin);
    vs_file_close(file);
    vs_buf_clear(&key);
    return status;
}

enum vs_status vs_foreign_blobs_read(const struct vs_env *env,
                                     struct vs_store *store,
                                     const struct vs_table_metadata *metadata,
                                     int64_t snapshot_id,
                                     struct vs_arena *arena,
                                     struct vs_index_build_params *params,
                                     struct vs_buf *json_out,
                                     struct vs_error *err)
{
    const struct vs_statistics *entry = vs_table_statistics(metadata, snapshot_id);
    if (entry == NULL) {
        return VS_OK;
    }
    struct vs_error reason = {0};
    enum vs_status status = read_statistics_file(env, store, entry, arena, params, &reason);
    if (status == VS_NO_MEMORY) {
        return vs_fail(err, status, "%s", reason.message);
    }
    if (status != VS_OK) { // statistics are informational: their loss must not stop an index
        vs_log(env, VS_LOG_WARN, "ingest", "statistics_not_carried", "file=%.*s reason=\"%s\"",
               VS_STR_ARG(entry->path), reason.message);
        return VS_OK;
    }
    return params->foreign_count > 0 ? vs_buf_append_str(json_out, entry->blob_metadata_json, err)
                                     : VS_OK;
}
