// SPDX-License-Identifier: Apache-2.0
/*
 * A table of a REST catalog from the command line, for tests beside other engines:
 *
 *   rest_tool URI COMMAND [ARGUMENTS] [-- KEY=VALUE…]
 *   commands: list | create TABLE | append TABLE FIRST COUNT | rows TABLE | location TABLE |
 *             statistics TABLE PATH | property TABLE KEY VALUE | current TABLE | drop TABLE |
 *             register TABLE METADATA
 *
 * Settings stand behind "--". One result a line; a failure prints "STATUS: sentence" to stderr and
 * ends with 1. Rows are those of tests/support/iceberg_table.h.
 */
#include "tests/support/iceberg_table.h"

#define SETTINGS_MAX 32

static enum vs_status print_name(void *ctx, const char *name, struct vs_error *err)
{
    (void)ctx;
    (void)err;
    puts(name);
    return VS_OK;
}

static enum vs_status read_rows(const struct vs_table *table,
                                struct test_rows *rows,
                                struct vs_error *err)
{
    const struct vs_env *env = vs_env_default();
    const struct vs_table_metadata *m = table->metadata;
    struct vs_scan_plan *plan = NULL;
    struct vs_deleted_rows deleted = {0};
    enum vs_status status =
        vs_scan_plan_make(env, table->store, m, m->current_snapshot_id, &plan, err);
    if (status == VS_OK) {
        status = vs_deleted_rows_read(env, table->store, m, plan, &deleted, err);
    }
    for (size_t f = 0; status == VS_OK && f < plan->file_count; f++) {
        status = test_read_file(env, table->store, m, plan, &deleted, f, rows, err);
    }
    if (rows->count > 1) {
        qsort(rows->ids, rows->count, sizeof *rows->ids, test_compare_ids);
    }
    vs_deleted_rows_clear(&deleted);
    vs_scan_plan_free(plan);
    return status;
}

static enum vs_status commit_metadata(struct vs_catalog *catalog,
                                      const char *name,
                                      const struct vs_intent *intent,
                                      struct vs_error *err)
{
    struct vs_commit_result result = {0};
    enum vs_status status = vs_catalog_commit(catalog, name, intent, NULL, &result, err);
    vs_table_release(result.table);
    return status;
}

// Commands about the state of one table.
static enum vs_status with_table(
    struct vs_catalog *catalog, const char *command, int argc, char **argv, struct vs_error *err)
{
    struct vs_table *table = NULL;
    struct test_rows rows = {0};
    bool current = false;
    VS_TRY(vs_catalog_load(catalog, argv[0], &table, err));
    enum vs_status status = VS_OK;
    if (strcmp(command, "rows") == 0) {
        status = read_rows(table, &rows, err);
        for (size_t i = 0; status == VS_OK && i < rows.count; i++) {
            printf("%lld\n", (long long)rows.ids[i]);
        }
        free(rows.ids);
    } else if (strcmp(command, "location") == 0) {
        puts(table->metadata_uri);
    } else if (strcmp(command, "current") == 0) {
        status = vs_catalog_is_current(catalog, table, &current, err);
        puts(current ? "yes" : "no");
    } else if (strcmp(command, "statistics") == 0 && argc > 1) {
        const struct vs_statistics statistics = {.snapshot_id =
                                                     table->metadata->current_snapshot_id,
                                                 .path = vs_str_from_c(argv[1]),
                                                 .file_size = 100,
                                                 .footer_size = 40,
                                                 .blob_metadata_json = VS_STR("[]")};
        const struct vs_intent intent = {.statistics = &statistics};
        status = commit_metadata(catalog, argv[0], &intent, err);
    } else {
        status = vs_fail(err, VS_INVALID, "unknown command %s", command);
    }
    vs_table_release(table);
    return status;
}

static enum vs_status run(
    struct vs_catalog *catalog, const char *command, int argc, char **argv, struct vs_error *err)
{
    struct vs_commit_result result = {0};
    struct vs_table *table = NULL;
    if (strcmp(command, "list") == 0) {
        return vs_catalog_list(catalog, print_name, NULL, err);
    }
    if (argc < 1) {
        return vs_fail(err, VS_INVALID, "%s needs a table", command);
    }
    if (strcmp(command, "create") == 0) {
        return test_table_create(catalog, argv[0], err);
    }
    if (strcmp(command, "drop") == 0) {
        return vs_catalog_drop(catalog, argv[0], err);
    }
    if (strcmp(command, "append") == 0 && argc > 2) {
        enum vs_status status = test_table_append(catalog, argv[0], strtoll(argv[1], NULL, 10),
                                                  strtoull(argv[2], NULL, 10), NULL, &result, err);
        vs_table_release(result.table);
        if (status == VS_OK) {
            printf("%u attempts\n", result.attempts);
        }
        return status;
    }
    if (strcmp(command, "property") == 0 && argc > 2) {
        const struct vs_pair pair = {vs_str_from_c(argv[1]), vs_str_from_c(argv[2])};
        const struct vs_intent intent = {.set_properties = &pair, .set_property_count = 1};
        return commit_metadata(catalog, argv[0], &intent, err);
    }
    if (strcmp(command, "register") == 0 && argc > 1) {
        enum vs_status status = vs_catalog_register(catalog, argv[0], argv[1], &table, err);
        vs_table_release(table);
        return status;
    }
    return with_table(catalog, command, argc, argv, err);
}

int main(int argc, char **argv)
{
    struct vs_error err = {0};
    struct vs_catalog *catalog = NULL;
    struct vs_pair pairs[SETTINGS_MAX];
    struct vs_settings settings = {pairs, 0};
    int own = argc;
    if (argc < 3) {
        fprintf(stderr, "usage: rest_tool URI COMMAND [ARGUMENTS] [-- KEY=VALUE...]\n");
        return 2;
    }
    for (int i = 3; i < argc; i++) {
        if (own == argc && strcmp(argv[i], "--") == 0) {
            own = i;
        } else if (i > own && settings.count < SETTINGS_MAX &&
                   vs_str_split(vs_str_from_c(argv[i]), '=', &pairs[settings.count].key,
                                &pairs[settings.count].value)) {
            settings.count++;
        }
    }
    const struct vs_catalog_options options = {
        .kind = "rest", .uri = argv[1], .settings = &settings};
    enum vs_status status = vs_catalog_open(vs_env_default(), &options, &catalog, &err);
    if (status == VS_OK) {
        status = run(catalog, argv[2], own - 3, argv + 3, &err);
        vs_catalog_free(catalog);
    }
    if (status != VS_OK) {
        fprintf(stderr, "%s: %s\n", vs_status_name(status), err.message);
        return 1;
    }
    return 0;
}
