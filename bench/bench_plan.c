// SPDX-License-Identifier: Apache-2.0
/*
 * Planning of a table with many files: makes its metadata (no data files) below a folder, then
 * plans it without and with a filter. Prints JSON lines; bench/plan.sh adds PyIceberg.
 *
 *   bench_plan FOLDER [FILES [FILES_PER_MANIFEST]]
 */
#include "vecstore/base/json.h"
#include "vecstore/base/pool.h"
#include "vecstore/iceberg/scan.h"
#include "vecstore/iceberg/transform.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define COLUMNS 10
#define DAYS 1000
#define REPEATS 5

static struct vs_field fields[COLUMNS];

static void make_fields(void)
{
    static const char *const names[COLUMNS] = {"id", "day", "text", "score", "c5",
                                               "c6", "c7",  "c8",   "c9",    "c10"};
    for (int i = 0; i < COLUMNS; i++) {
        fields[i] =
            (struct vs_field){.id = i + 1, .name = vs_str_from_c(names[i]), .kind = VS_KIND_LONG};
    }
    fields[1].kind = VS_KIND_DATE;
    fields[2].kind = VS_KIND_STRING;
    fields[3].kind = VS_KIND_DOUBLE;
}

static enum vs_status make_metadata(struct vs_str location,
                                    struct vs_table_metadata **out,
                                    struct vs_error *err)
{
    struct vs_partition_field field = {2, 1000, VS_STR("day"), VS_STR("identity")};
    const struct vs_partition_spec spec = {.field_count = 1, .fields = &field};
    const struct vs_schema schema = {.field_count = COLUMNS, .fields = fields};
    const struct vs_table_create create = {.location = location, .schema = &schema, .spec = &spec};
    return vs_table_metadata_new(vs_env_default(), &create, out, err);
}

static enum vs_status put(struct vs_store *store,
                          const char *name,
                          const struct vs_buf *bytes,
                          struct vs_error *err)
{
    char key[128];
    (void)snprintf(key, sizeof key, "t/metadata/%s", name);
    return vs_store_put(store, key, vs_buf_view(bytes), VS_PUT_ANY, err);
}

static enum vs_status fill_file(struct vs_arena *arena,
                                struct vs_str location,
                                size_t number,
                                struct vs_data_file *file)
{
    *file = (struct vs_data_file){.content = VS_CONTENT_DATA,
                                  .format = VS_STR("PARQUET"),
                                  .record_count = 1000,
                                  .file_size = 1 << 20,
                                  .sort_order_id = 0,
                                  .content_offset = -1,
                                  .content_size = -1,
                                  .first_row_id = -1,
                                  .status = VS_ENTRY_ADDED,
                                  .has_partition = true,
                                  .partition_count = 1};
    file->path = vs_arena_printf(
        arena, "%.*s/data/day=%05zu/%010zu-2c5ea2c0-3f2c-4dcf-9f0c-1f0f6dcbcd3f.parquet",
        VS_STR_ARG(location), number % DAYS, number);
    file->partition = vs_arena_alloc(arena, sizeof *file->partition);
    file->column_sizes = vs_arena_alloc_array(arena, COLUMNS, sizeof *file->column_sizes);
    file->null_counts = vs_arena_alloc_array(arena, COLUMNS, sizeof *file->null_counts);
    file->lower_bounds = vs_arena_alloc_array(arena, COLUMNS, sizeof *file->lower_bounds);
    file->upper_bounds = vs_arena_alloc_array(arena, COLUMNS, sizeof *file->upper_bounds);
    file->split_offsets = vs_arena_alloc(arena, sizeof *file->split_offsets);
    if (file->path.ptr == NULL || file->partition == NULL || file->column_sizes == NULL ||
        file->null_counts == NULL || file->lower_bounds == NULL || file->upper_bounds == NULL ||
        file->split_offsets == NULL) {
        return VS_NO_MEMORY;
    }
    *file->partition =
        (struct vs_value){.kind = VS_KIND_DATE, .as.integer = (int64_t)(number % DAYS)};
    file->split_offsets[0] = 4;
    file->split_count = 1;
    file->column_size_count = file->null_count_count = file->lower_count = file->upper_count =
        COLUMNS;
    file->value_count_count = COLUMNS;
    file->value_counts = file->column_sizes;
    for (int i = 0; i < COLUMNS; i++) {
        struct vs_value low = {.kind = fields[i].kind, .as.integer = (int64_t)number * 1000};
        struct vs_value high = low;
        if (fields[i].kind == VS_KIND_STRING) {
            low.as.text = VS_STR("aaaaaaaaaaaaaaaa");
            high.as.text = VS_STR("zzzzzzzzzzzzzzzz");
        } else if (fields[i].kind == VS_KIND_DOUBLE) {
            low.as.real = 0;
            high.as.real = 1;
        } else if (fields[i].kind == VS_KIND_LONG) {
            high.as.integer += 999;
        } else {
            low.as.integer = high.as.integer = (int64_t)(number % DAYS);
        }
        file->column_sizes[i] = (struct vs_int_long){i + 1, 1000};
        file->null_counts[i] = (struct vs_int_long){i + 1, 0};
        file->lower_bounds[i].key = file->upper_bounds[i].key = i + 1;
        if (!vs_bound_encode(&low, &fields[i], arena, &file->lower_bounds[i].value) ||
            !vs_bound_encode(&high, &fields[i], arena, &file->upper_bounds[i].value)) {
            return VS_NO_MEMORY;
        }
    }
    return VS_OK;
}

static enum vs_status write_manifest(struct vs_store *store,
                                     const struct vs_table_metadata *m,
                                     size_t first,
                                     size_t count,
                                     struct vs_arena *keep,
                                     struct vs_manifest_file *entry,
                                     struct vs_error *err)
{
    struct vs_arena arena;
    struct vs_buf bytes;
    char name[64];
    vs_arena_init(&arena, vs_env_default(), 0);
    vs_buf_init(&bytes, vs_env_default(), (size_t)1 << 30);
    struct vs_data_file *files = vs_arena_alloc_array(&arena, count, sizeof *files);
    enum vs_status status = files != NULL ? VS_OK : vs_fail(err, VS_NO_MEMORY, "no memory");
    for (size_t i = 0; status == VS_OK && i < count; i++) {
        status = fill_file(&arena, m->location, first + i, &files[i]);
    }
    const struct vs_manifest_write write = {
        .metadata = m, .snapshot_id = 1, .files = files, .file_count = count};
    (void)snprintf(name, sizeof name, "%08zu-m0.avro", first);
    if (status == VS_OK) {
        status = vs_manifest_write_bytes(vs_env_default(), &write, &bytes, err);
    }
    if (status == VS_OK) {
        *entry = (struct vs_manifest_file){
            .path = vs_arena_printf(keep, "%.*s/metadata/%s", VS_STR_ARG(m->location), name),
            .length = (int64_t)bytes.len,
            .sequence_number = 1,
            .min_sequence_number = 1,
            .added_snapshot_id = 1,
            .added_files = (int64_t)count,
            .added_rows = (int64_t)count * 1000,
            .first_row_id = -1};
        status = vs_manifest_summarize(&write, keep, entry, err);
    }
    if (status == VS_OK) {
        status = put(store, name, &bytes, err);
    }
    vs_buf_clear(&bytes);
    vs_arena_clear(&arena);
    return status;
}

static enum vs_status write_table(struct vs_store *store,
                                  struct vs_table_metadata *m,
                                  size_t files,
                                  size_t per_manifest,
                                  struct vs_error *err)
{
    size_t count = (files + per_manifest - 1) / per_manifest;
    struct vs_manifest_file *entries = vs_arena_alloc_array(&m->arena, count, sizeof *entries);
    struct vs_snapshot *snapshot = vs_arena_alloc(&m->arena, sizeof *snapshot);
    struct vs_pair *summary = vs_arena_alloc(&m->arena, sizeof *summary);
    if (entries == NULL || snapshot == NULL || summary == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "no memory");
    }
    for (size_t i = 0; i < count; i++) {
        size_t first = i * per_manifest;
        size_t n = files - first < per_manifest ? files - first : per_manifest;
        VS_TRY(write_manifest(store, m, first, n, &m->arena, &entries[i], err));
    }
    struct vs_buf bytes;
    vs_buf_init(&bytes, vs_env_default(), (size_t)1 << 30);
    const struct vs_manifest_list_write list = {.entries = entries,
                                                .count = count,
                                                .snapshot_id = 1,
                                                .parent_id = VS_NO_SNAPSHOT,
                                                .sequence_number = 1};
    enum vs_status status = vs_manifest_list_write_bytes(vs_env_default(), &list, &bytes, err);
    if (status == VS_OK) {
        status = put(store, "snap-1.avro", &bytes, err);
    }
    *summary = (struct vs_pair){VS_STR("operation"), VS_STR("append")};
    *snapshot =
        (struct vs_snapshot){.snapshot_id = 1,
                             .parent_id = VS_NO_SNAPSHOT,
                             .sequence_number = 1,
                             .timestamp_ms = m->last_updated_ms,
                             .manifest_list = vs_arena_printf(
                                 &m->arena, "%.*s/metadata/snap-1.avro", VS_STR_ARG(m->location)),
                             .schema_id = m->current_schema_id,
                             .first_row_id = -1,
                             .added_rows = -1,
                             .summary_count = 1,
                             .summary = summary};
    m->snapshots = snapshot;
    m->snapshot_count = 1;
    m->current_snapshot_id = 1;
    m->last_sequence_number = 1;
    vs_buf_reset(&bytes);
    if (status == VS_OK) {
        status = vs_table_metadata_format(m, &bytes, err);
    }
    if (status == VS_OK) {
        status = put(store, "v1.metadata.json", &bytes, err);
    }
    vs_buf_clear(&bytes);
    return status;
}

static enum vs_status plan(struct vs_store *store,
                           const struct vs_table_metadata *m,
                           const char *name,
                           const struct vs_predicate *predicate,
                           size_t threads,
                           struct vs_error *err)
{
    int64_t best = INT64_MAX;
    size_t files = 0, bytes = 0;
    const struct vs_scan_options options = {.predicate = predicate, .thread_count = threads};
    for (int i = 0; i < REPEATS; i++) {
        struct vs_scan_plan *p = NULL;
        int64_t start = vs_monotonic_ns(vs_env_default());
        VS_TRY(vs_scan_plan_make_with(vs_env_default(), store, m, 1, &options, &p, NULL, err));
        int64_t spent = vs_monotonic_ns(vs_env_default()) - start;
        best = spent < best ? spent : best;
        files = p->file_count;
        bytes = p->arena.used_bytes;
        vs_scan_plan_free(p);
    }
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    printf("{\"bench\":\"plan\",\"who\":\"vecstore\",\"filter\":\"%s\",\"threads\":%zu,"
           "\"files\":%zu,\"best_ms\":%.1f,\"plan_bytes_per_file\":%.0f,\"max_rss_mib\":%.0f}\n",
           name, threads, files, (double)best / 1e6, files > 0 ? (double)bytes / (double)files : 0,
           (double)usage.ru_maxrss / 1024);
    return VS_OK;
}

static enum vs_status plan_all(struct vs_store *store,
                               const struct vs_table_metadata *m,
                               struct vs_error *err)
{
    const struct vs_value day = {.kind = VS_KIND_DATE, .as.integer = 7};
    const struct vs_value id = {.kind = VS_KIND_LONG, .as.integer = 5000500};
    const struct vs_predicate by_day = {
        .op = VS_PREDICATE_EQ, .field_id = 2, .value_count = 1, .values = &day};
    const struct vs_predicate by_id = {
        .op = VS_PREDICATE_EQ, .field_id = 1, .value_count = 1, .values = &id};
    for (size_t threads = 1; threads <= vs_cpu_count() && threads <= 8; threads *= 2) {
        VS_TRY(plan(store, m, "none", NULL, threads, err));
        VS_TRY(plan(store, m, "day = 7", &by_day, threads, err));
        VS_TRY(plan(store, m, "id = 5000500", &by_id, threads, err));
    }
    return VS_OK;
}

int main(int argc, char **argv)
{
    struct vs_error err = {0};
    struct vs_store *store = NULL;
    struct vs_table_metadata *m = NULL;
    if (argc < 2) {
        fprintf(stderr, "bench_plan FOLDER [FILES [FILES_PER_MANIFEST]]\n");
        return 2;
    }
    size_t files = argc > 2 ? strtoul(argv[2], NULL, 10) : 100000;
    size_t per_manifest = argc > 3 ? strtoul(argv[3], NULL, 10) : 1000;
    struct vs_buf location;
    vs_buf_init(&location, vs_env_default(), 4096);
    make_fields();
    enum vs_status status = vs_store_open(vs_env_default(), argv[1], true, &store, &err);
    if (status == VS_OK) {
        status = vs_store_uri(store, "t", &location, &err);
    }
    if (status == VS_OK) {
        status = make_metadata(vs_buf_view(&location), &m, &err);
    }
    if (status == VS_OK) {
        status = write_table(store, m, files, per_manifest > 0 ? per_manifest : 1000, &err);
    }
    if (status == VS_OK) {
        status = plan_all(store, m, &err);
    }
    if (status != VS_OK) {
        fprintf(stderr, "%s\n", err.message);
    }
    vs_buf_clear(&location);
    vs_table_metadata_free(m);
    vs_store_free(store);
    return status == VS_OK ? 0 : 1;
}
