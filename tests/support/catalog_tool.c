// SPDX-License-Identifier: Apache-2.0
/*
 * A table of a catalog from the command line, for tests beside other engines:
 *
 *   catalog_tool KIND WAREHOUSE URI NAME list
 *   catalog_tool KIND WAREHOUSE URI NAME create|drop|rows|location TABLE
 *   catalog_tool KIND WAREHOUSE URI NAME append TABLE FIRST COUNT
 *   catalog_tool KIND WAREHOUSE URI NAME register TABLE METADATA
 *
 * URI and NAME may be "-": the default. Prints one result a line; a failure prints
 * "STATUS: sentence" to stderr and ends with 1. Rows are those of tests/support/iceberg_table.h.
 */
#include "tests/support/iceberg_table.h"

static enum vs_status print_name(void *ctx, const char *name, struct vs_error *err)
{
    (void)ctx;
    (void)err;
    puts(name);
    return VS_OK;
}

static enum vs_status print_rows(struct vs_catalog *catalog, const char *name, struct vs_error *err)
{
    struct vs_table *table = NULL;
    struct test_rows rows = {0};
    VS_TRY(vs_catalog_load(catalog, name, &table, err));
    enum vs_status status =
        test_table_rows(catalog, table->metadata, table->metadata->current_snapshot_id, &rows, err);
    for (size_t i = 0; status == VS_OK && i < rows.count; i++) {
        printf("%lld\n", (long long)rows.ids[i]);
    }
    free(rows.ids);
    vs_table_release(table);
    return status;
}

static enum vs_status run(struct vs_catalog *catalog, int argc, char **argv, struct vs_error *err)
{
    const char *command = argv[5], *name = argc > 6 ? argv[6] : "";
    struct vs_table *table = NULL;
    struct vs_commit_result result = {0};
    enum vs_status status = VS_OK;
    if (strcmp(command, "list") == 0) {
        return vs_catalog_list(catalog, print_name, NULL, err);
    }
    if (strcmp(command, "create") == 0) {
        return test_table_create(catalog, name, err);
    }
    if (strcmp(command, "drop") == 0) {
        return vs_catalog_drop(catalog, name, err);
    }
    if (strcmp(command, "rows") == 0) {
        return print_rows(catalog, name, err);
    }
    if (strcmp(command, "location") == 0) {
        status = vs_catalog_load(catalog, name, &table, err);
        if (status == VS_OK) {
            puts(table->metadata_uri);
        }
    } else if (strcmp(command, "register") == 0 && argc > 7) {
        status = vs_catalog_register(catalog, name, argv[7], &table, err);
    } else if (strcmp(command, "append") == 0 && argc > 8) {
        status = test_table_append(catalog, name, strtoll(argv[7], NULL, 10),
                                   strtoull(argv[8], NULL, 10), NULL, &result, err);
        table = result.table;
    } else {
        status = vs_fail(err, VS_INVALID, "unknown command %s", command);
    }
    vs_table_release(table);
    return status;
}

int main(int argc, char **argv)
{
    struct vs_error err = {0};
    struct vs_catalog *catalog = NULL;
    if (argc < 6) {
        fprintf(stderr, "usage: catalog_tool KIND WAREHOUSE URI NAME COMMAND …\n");
        return 2;
    }
    const struct vs_catalog_options options = {.kind = argv[1],
                                               .warehouse =
                                                   strcmp(argv[2], "-") != 0 ? argv[2] : NULL,
                                               .uri = strcmp(argv[3], "-") != 0 ? argv[3] : NULL,
                                               .name = strcmp(argv[4], "-") != 0 ? argv[4] : NULL,
                                               .create_warehouse = true};
    enum vs_status status = vs_catalog_open(vs_env_default(), &options, &catalog, &err);
    if (status == VS_OK) {
        status = run(catalog, argc, argv, &err);
        vs_catalog_free(catalog);
    }
    if (status != VS_OK) {
        fprintf(stderr, "%s: %s\n", vs_status_name(status), err.message);
        return 1;
    }
    return 0;
}
