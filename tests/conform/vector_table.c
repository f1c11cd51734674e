// SPDX-License-Identifier: Apache-2.0
// Makes a table of version 3 with deletion vectors for deletion_vector_test.py: two files of 1000
// rows; rows with id % 7 == 3 of the first and a run of 100 rows of both are deleted in two
// commits. Prints the path of the metadata file.
#include "tests/support/iceberg_table.h"

#define NAME "n.v3"

static struct vs_error err;

static void must(enum vs_status status)
{
    if (status != VS_OK) {
        fprintf(stderr, "%s: %s\n", vs_status_name(status), err.message);
        exit(1);
    }
}

static bool is_chosen(int round, size_t file, uint64_t position)
{
    return round == 0 ? file == 0 && position % 7 == 3 : position >= 200 && position < 300;
}

static void delete_round(struct vs_catalog *catalog, int round)
{
    struct vs_table *table = NULL;
    struct vs_scan_plan *plan = NULL;
    struct vs_deletes_written written;
    struct vs_commit_result result;
    struct vs_arena arena;
    static struct vs_position_delete rows[2000];
    size_t count = 0;
    vs_arena_init(&arena, vs_env_default(), 0);
    must(vs_catalog_load(catalog, NAME, &table, &err));
    const struct vs_table_metadata *m = table->metadata;
    must(vs_scan_plan_make(vs_env_default(), vs_catalog_store(catalog), m, m->current_snapshot_id,
                           &plan, &err));
    for (size_t f = 0; f < plan->file_count; f++) {
        for (uint64_t p = 0; p < (uint64_t)plan->files[f].data.record_count; p++) {
            if (is_chosen(round, f, p)) {
                rows[count++] = (struct vs_position_delete){plan->files[f].data.path, p};
            }
        }
    }
    const struct vs_deletes_request request = {
        .metadata = m, .snapshot_id = m->current_snapshot_id, .rows = rows, .row_count = count};
    must(vs_deletes_write(vs_catalog_store(catalog), &request, &arena, &written, &err));
    const struct vs_intent intent = {.operation = "delete",
                                     .added_deletes = written.added,
                                     .added_delete_count = written.added_count,
                                     .removed_deletes = written.removed,
                                     .removed_delete_count = written.removed_count};
    must(vs_catalog_commit(catalog, NAME, &intent, NULL, &result, &err));
    vs_table_release(result.table);
    vs_scan_plan_free(plan);
    vs_table_release(table);
    vs_arena_clear(&arena);
}

int main(int argc, char **argv)
{
    struct vs_catalog *catalog = NULL;
    struct vs_field fields[TEST_FIELDS];
    int32_t identifier[1];
    struct vs_schema schema = test_schema(fields, identifier);
    struct vs_table_create create = {.schema = &schema, .format_version = 3};
    struct vs_table *table = NULL;
    struct vs_commit_result result;
    if (argc != 2) {
        fprintf(stderr, "usage: vector_table FOLDER\n");
        return 2;
    }
    const struct vs_catalog_options options = {.warehouse = argv[1], .create_warehouse = true};
    must(vs_catalog_open(vs_env_default(), &options, &catalog, &err));
    must(vs_catalog_create(catalog, NAME, &create, &table, &err));
    vs_table_release(table);
    must(test_table_append(catalog, NAME, 0, 1000, NULL, &result, &err));
    vs_table_release(result.table);
    must(test_table_append(catalog, NAME, 1000, 1000, NULL, &result, &err));
    vs_table_release(result.table);
    delete_round(catalog, 0);
    delete_round(catalog, 1);
    must(vs_catalog_load(catalog, NAME, &table, &err));
    printf("%s\n", table->metadata_uri);
    vs_table_release(table);
    vs_catalog_free(catalog);
    return 0;
}
