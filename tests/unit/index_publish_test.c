// SPDX-License-Identifier: Apache-2.0
#include "ingest/index_publish.h"
#include "tests/support/id_table.h"

static enum vs_status publish(struct id_table *t, struct vs_uuid uuid, struct vs_error *err)
{
    char uri[512];
    unsigned attempts = 0;
    snprintf(uri, sizeof uri, "%.*s/metadata/x-vecstore.puffin",
             VS_STR_ARG(t->table->metadata->location));
    const struct vs_index_publish what = {
        .table = ID_TABLE,
        .table_uuid = uuid,
        .uri = vs_str_from_c(uri),
        .index_uuid = "0f0e0d0c-0b0a-4908-8706-050403020100",
        .snapshot_id = t->table->metadata->current_snapshot_id,
        .file_size = 1000,
        .footer_size = 100,
    };
    VS_TRY(vs_index_publish(t->catalog, &what, &attempts, err));
    CHECK_INT(attempts, 1);
    return id_table_reload(t, err);
}

// An index of a table that was dropped must not land in the one that took its name.
static void another_tables_index_is_refused(void)
{
    struct test_env env;
    struct id_table t;
    struct vs_statistics found;
    struct vs_error err = {0};
    test_env_init(&env);
    REQUIRE_OK(id_table_open(&t, &env.env, VS_KIND_LONG, &err), err);
    REQUIRE_OK(id_table_append(&t, "a", VS_KIND_LONG, 0, 10, &err), err);
    struct vs_uuid other = t.table->metadata->uuid;
    other.bytes[7] ^= 1;
    int64_t version = t.table->version;
    CHECK_STATUS(publish(&t, other, &err), VS_CONFLICT);
    CHECK(strstr(err.message, "made anew") != NULL);
    REQUIRE_OK(id_table_reload(&t, &err), err);
    CHECK_INT(t.table->version, version);
    CHECK(vs_table_property(t.table->metadata, VS_PROPERTY_INDEX_PATH).ptr == NULL);
    REQUIRE_OK(publish(&t, t.table->metadata->uuid, &err), err);
    const struct vs_table_metadata *m = t.table->metadata;
    REQUIRE(vs_stats_file_find(m, m->current_snapshot_id, &found));
    CHECK(found.file_size == 1000 && found.snapshot_id == m->current_snapshot_id);
    id_table_close(&t);
    CHECK_INT(env.live, 0);
}

TEST_MAIN(TEST(another_tables_index_is_refused))
