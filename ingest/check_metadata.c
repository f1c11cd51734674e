// SPDX-License-Identifier: Apache-2.0
/*
 * What the snapshots of a table name: manifest lists, manifests, files. The current snapshot comes
 * first; objects that several snapshots share are looked at once.
 */
#include "ingest/check_internal.h"
#include "vecstore/format/parquet_read.h"

#include <stdio.h>

#define MAX_OBJECT_BYTES ((size_t)1 << 30)
#define TEXT_SIZE 600

struct snapshot_check {
    struct vs_check *check;
    const struct vs_snapshot *snapshot;
    bool is_current;
    struct vs_arena arena; // of one snapshot
    struct vs_buf vectors; // struct vector: the deletion vectors of the current snapshot
};

struct vector {
    struct vs_str path, target; // in the arena
};

// ---- files ----

static enum vs_status check_footer(const struct vs_check *check,
                                   struct vs_file *file,
                                   struct vs_error *err)
{
    struct vs_parquet_reader *reader = NULL;
    VS_TRY(vs_parquet_open(check->env, file, &reader, err));
    enum vs_status status = vs_parquet_verify(reader, err);
    vs_parquet_close(reader);
    return status;
}

// Whether the file is there, in the length that its manifest says, with a sound footer.
static enum vs_status check_file(struct vs_check *check,
                                 const struct vs_data_file *data,
                                 struct vs_error *err)
{
    struct vs_file *file = NULL;
    struct vs_error problem = {0};
    bool known;
    VS_TRY(vs_op_check(check->env, check->op, err));
    VS_TRY(vs_check_note(check->seen, data->path, &known, err));
    if (known) {
        return VS_OK;
    }
    enum vs_status status = vs_table_file_open(check->env, check->store, check->table->metadata,
                                               data->path, &file, &problem);
    if (status == VS_OK && file->size != (uint64_t)data->file_size) {
        status = vs_fail(&problem, VS_CORRUPT, "is %llu bytes long, its manifest says %lld",
                         (unsigned long long)file->size, (long long)data->file_size);
    }
    if (status == VS_OK && vs_str_equal_nocase(data->format, VS_STR("PARQUET"))) {
        status = check_footer(check, file, &problem);
    }
    vs_file_close(file);
    if (status != VS_OK) {
        VS_TRY(vs_check_note(check->damaged, data->path, &known, err));
    }
    return vs_check_finding(check, data->path, status, &problem, err);
}

static bool copy_partition(struct vs_arena *arena,
                           const struct vs_data_file *data,
                           struct vs_data_file *copy)
{
    copy->has_partition = data->has_partition;
    copy->partition_count = data->partition_count;
    if (data->partition_count == 0) {
        return true;
    }
    copy->partition = vs_arena_alloc_array(arena, data->partition_count, sizeof *copy->partition);
    for (size_t i = 0; copy->partition != NULL && i < data->partition_count; i++) {
        struct vs_value value = data->partition[i];
        bool is_text = value.kind == VS_KIND_STRING || value.kind == VS_KIND_BINARY ||
                       value.kind == VS_KIND_FIXED || value.kind == VS_KIND_UUID;
        if (is_text && !value.is_null) {
            value.as.text = vs_arena_copy_str(arena, value.as.text);
            if (value.as.text.ptr == NULL) {
                return false;
            }
        }
        copy->partition[i] = value;
    }
    return copy->partition != NULL;
}

// A live data file of the current snapshot.
static enum vs_status keep_file(struct vs_check *check,
                                const struct vs_data_file *data,
                                const struct vs_manifest_file *manifest,
                                struct vs_error *err)
{
    bool known;
    VS_TRY(vs_check_note(check->live, data->path, &known, err));
    if (known) {
        char text[TEXT_SIZE];
        (void)snprintf(text, sizeof text,
                       "is listed twice in the current snapshot, the second time by %.*s",
                       VS_STR_ARG(manifest->path));
        vs_check_report(check, data->path, text);
        return VS_OK;
    }
    // What reading rows needs; column statistics are left behind with their arena.
    struct vs_data_file copy = {.content = data->content,
                                .path = vs_arena_copy_str(&check->arena, data->path),
                                .format = vs_arena_copy_str(&check->arena, data->format),
                                .record_count = data->record_count,
                                .file_size = data->file_size,
                                .sort_order_id = data->sort_order_id,
                                .content_offset = -1,
                                .content_size = -1,
                                .spec_id = data->spec_id,
                                .first_row_id = data->first_row_id,
                                .status = data->status,
                                .snapshot_id = data->snapshot_id,
                                .sequence_number = data->sequence_number,
                                .file_sequence_number = data->file_sequence_number};
    if (copy.path.ptr == NULL || copy.format.ptr == NULL ||
        !copy_partition(&check->arena, data, &copy)) {
        return vs_fail(err, VS_NO_MEMORY, "no memory to check the table's files");
    }
    return vs_buf_append(&check->files, &copy, sizeof copy, err);
}

// ---- manifests ----

struct counted {
    int64_t files, rows;
};

static void compare(struct vs_check *check,
                    const struct vs_manifest_file *manifest,
                    const char *what,
                    int64_t stated_files,
                    int64_t stated_rows,
                    struct counted found)
{
    char text[TEXT_SIZE];
    if ((stated_files < 0 || stated_files == found.files) &&
        (stated_rows < 0 || stated_rows == found.rows)) {
        return;
    }
    (void)snprintf(text, sizeof text,
                   "holds %lld %s files of %lld rows, its manifest list says %lld of %lld",
                   (long long)found.files, what, (long long)found.rows, (long long)stated_files,
                   (long long)stated_rows);
    vs_check_report(check, manifest->path, text);
}

static enum vs_status check_entries(struct snapshot_check *s,
                                    const struct vs_manifest_file *manifest,
                                    const struct vs_data_file *entries,
                                    size_t count,
                                    struct vs_error *err)
{
    struct counted by_status[3] = {{0, 0}};
    for (size_t i = 0; i < count; i++) {
        const struct vs_data_file *entry = &entries[i];
        by_status[entry->status].files++;
        by_status[entry->status].rows += entry->record_count;
        if (entry->status == VS_ENTRY_DELETED) {
            continue;
        }
        VS_TRY(check_file(s->check, entry, err));
        const struct vector vector = {entry->path, entry->referenced_data_file};
        if (s->is_current && entry->content == VS_CONTENT_DATA) {
            VS_TRY(keep_file(s->check, entry, manifest, err));
        } else if (s->is_current && entry->content_offset >= 0 && vector.target.len > 0) {
            VS_TRY(vs_buf_append(&s->vectors, &vector, sizeof vector, err));
        }
    }
    compare(s->check, manifest, "added", manifest->added_files, manifest->added_rows,
            by_status[VS_ENTRY_ADDED]);
    compare(s->check, manifest, "existing", manifest->existing_files, manifest->existing_rows,
            by_status[VS_ENTRY_EXISTING]);
    compare(s->check, manifest, "deleted", manifest->deleted_files, manifest->deleted_rows,
            by_status[VS_ENTRY_DELETED]);
    return VS_OK;
}

static enum vs_status read_entries(struct snapshot_check *s,
                                   const struct vs_manifest_file *manifest,
                                   struct vs_data_file **entries,
                                   size_t *count,
                                   struct vs_error *problem)
{
    struct vs_check *check = s->check;
    struct vs_buf bytes;
    vs_buf_init(&bytes, check->env, MAX_OBJECT_BYTES);
    enum vs_status status = vs_table_object_read(check->env, check->store, check->table->metadata,
                                                 manifest->path, "manifest", &bytes, problem);
    if (status == VS_OK && manifest->length >= 0 && (uint64_t)manifest->length != bytes.len) {
        status = vs_fail(problem, VS_CORRUPT, "is %zu bytes long, its manifest list says %lld",
                         bytes.len, (long long)manifest->length);
    }
    if (status == VS_OK) {
        const struct vs_manifest_read read = {.env = check->env,
                                              .bytes = vs_buf_view(&bytes),
                                              .what = "the manifest",
                                              .manifest = manifest,
                                              .metadata = check->table->metadata};
        status = vs_manifest_read(&read, &s->arena, entries, count, problem);
    }
    vs_buf_clear(&bytes);
    return status;
}

static enum vs_status check_manifest(struct snapshot_check *s,
                                     const struct vs_manifest_file *manifest,
                                     struct vs_error *err)
{
    struct vs_data_file *entries = NULL;
    struct vs_error problem = {0};
    size_t count = 0;
    bool known;
    VS_TRY(vs_op_check(s->check->env, s->check->op, err));
    VS_TRY(vs_check_note(s->check->seen, manifest->path, &known, err));
    if (known) {
        return VS_OK;
    }
    enum vs_status status = read_entries(s, manifest, &entries, &count, &problem);
    if (status != VS_OK) {
        return vs_check_finding(s->check, manifest->path, status, &problem, err);
    }
    return check_entries(s, manifest, entries, count, err);
}

// ---- snapshots ----

static enum vs_status read_list(struct snapshot_check *s,
                                struct vs_manifest_file **manifests,
                                size_t *count,
                                struct vs_error *problem)
{
    struct vs_check *check = s->check;
    struct vs_buf bytes;
    char what[64];
    (void)snprintf(what, sizeof what, "the manifest list of snapshot %lld",
                   (long long)s->snapshot->snapshot_id);
    vs_buf_init(&bytes, check->env, MAX_OBJECT_BYTES);
    enum vs_status status =
        vs_table_object_read(check->env, check->store, check->table->metadata,
                             s->snapshot->manifest_list, "manifest list", &bytes, problem);
    if (status == VS_OK) {
        status = vs_manifest_list_read(check->env, vs_buf_view(&bytes), what, &s->arena, manifests,
                                       count, problem);
    }
    vs_buf_clear(&bytes);
    return status;
}

static enum vs_status check_snapshot(struct snapshot_check *s, struct vs_error *err)
{
    struct vs_manifest_file *manifests = NULL;
    struct vs_error problem = {0};
    size_t count = 0;
    if (s->snapshot->manifest_list.len == 0) {
        return VS_OK; // early tables: the metadata file names the manifests, planning reads them
    }
    enum vs_status status = read_list(s, &manifests, &count, &problem);
    if (status != VS_OK) {
        return vs_check_finding(s->check, s->snapshot->manifest_list, status, &problem, err);
    }
    for (size_t i = 0; i < count; i++) {
        if (manifests[i].sequence_number > s->snapshot->sequence_number) {
            vs_check_report(s->check, manifests[i].path,
                            "has a sequence number above that of a snapshot that lists it");
        }
        VS_TRY(check_manifest(s, &manifests[i], err));
    }
    return VS_OK;
}

// A vector goes when its data file goes; position delete files may stay behind.
static void check_targets(struct snapshot_check *s)
{
    const struct vector *vectors = (const struct vector *)(const void *)s->vectors.data;
    for (size_t i = 0; i < s->vectors.len / sizeof *vectors; i++) {
        const struct vs_value target = {.kind = VS_KIND_STRING, .as.text = vectors[i].target};
        char text[TEXT_SIZE];
        if (vs_id_set_find(s->check->live, &target) == SIZE_MAX) {
            (void)snprintf(text, sizeof text,
                           "deletes rows of %.*s, which the current snapshot does not have",
                           VS_STR_ARG(vectors[i].target));
            vs_check_report(s->check, vectors[i].path, text);
        }
    }
}

static enum vs_status check_one(struct vs_check *check,
                                const struct vs_snapshot *snapshot,
                                struct vs_error *err)
{
    struct snapshot_check s = {.check = check,
                               .snapshot = snapshot,
                               .is_current = snapshot->snapshot_id ==
                                             check->table->metadata->current_snapshot_id};
    vs_arena_init(&s.arena, check->env, 0);
    vs_buf_init(&s.vectors, check->env, MAX_OBJECT_BYTES);
    enum vs_status status = check_snapshot(&s, err);
    if (status == VS_OK) {
        check_targets(&s);
    }
    vs_buf_clear(&s.vectors);
    vs_arena_clear(&s.arena);
    return status;
}

enum vs_status vs_check_snapshots(struct vs_check *check, struct vs_error *err)
{
    const struct vs_table_metadata *m = check->table->metadata;
    const struct vs_snapshot *current = vs_table_snapshot(m, m->current_snapshot_id);
    if (current != NULL) {
        VS_TRY(check_one(check, current, err));
    }
    for (size_t i = 0; i < m->snapshot_count; i++) {
        if (&m->snapshots[i] != current) {
            VS_TRY(check_one(check, &m->snapshots[i], err));
        }
        vs_op_progress(check->op, "reading manifests", i + 1, m->snapshot_count, "snapshots");
    }
    return VS_OK;
}
