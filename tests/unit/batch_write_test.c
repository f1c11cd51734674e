// SPDX-License-Identifier: Apache-2.0
// Data files of partitioned tables: where they are put, how many are open at once, what a failure
// leaves behind.
#include "ingest/batch_write.h"
#include "tests/support/check.h"
#include "tests/support/test_env.h"
#include "vecstore/iceberg/metadata_edit.h"
#include "vecstore/iceberg/scan.h"

#define S(text) VS_STR(text)
#define LOCATION "mem://batches/t"

struct lake {
    const struct vs_env *env;
    struct vs_store *store;
    struct vs_table_metadata *m;
    struct vs_arena arena;
    struct vs_error err;
};

static struct vs_field fields[] = {
    {.id = 1, .name = {"id", 2}, .kind = VS_KIND_LONG, .required = true},
    {.id = 2, .name = {"lang", 4}, .kind = VS_KIND_STRING}};
static const struct vs_schema schema = {.field_count = 2, .fields = fields};

static enum vs_status open_lake(struct lake *l,
                                const struct vs_env *env,
                                const char *spec_text,
                                const struct vs_pair *properties,
                                size_t count)
{
    struct vs_partition_spec spec;
    *l = (struct lake){.env = env};
    vs_arena_init(&l->arena, vs_env_default(), 0);
    VS_TRY(vs_partition_spec_parse(vs_str_from_c(spec_text), &schema, &l->arena, &spec, &l->err));
    const struct vs_table_create create = {.location = S(LOCATION),
                                           .schema = &schema,
                                           .properties = properties,
                                           .property_count = count,
                                           .spec = &spec};
    VS_TRY(vs_store_open_mem(vs_env_default(), "batches", &l->store, &l->err));
    return vs_table_metadata_new(vs_env_default(), &create, &l->m, &l->err);
}

static void close_lake(struct lake *l)
{
    vs_table_metadata_free(l->m);
    vs_store_free(l->store);
    vs_arena_clear(&l->arena);
}

static enum vs_status add_row(struct vs_batch *batch, int64_t id, struct vs_error *err)
{
    char lang[16];
    const struct vs_value value = {.kind = VS_KIND_LONG, .as.integer = id};
    int len = snprintf(lang, sizeof lang, "l%lld", (long long)(id % 100));
    VS_TRY(vs_column_append(&batch->columns[0], &value, err));
    VS_TRY(id % 100 == 99 ? vs_column_append_null(&batch->columns[1], err)
                          : vs_column_append_bytes(&batch->columns[1], lang, (size_t)len, err));
    batch->row_count++;
    return VS_OK;
}

// Rows 0 … count-1, in batches of 250; the caller frees the writer.
static enum vs_status write_rows(struct lake *l,
                                 int64_t count,
                                 struct vs_batch_writer **writer,
                                 const struct vs_data_file **files,
                                 size_t *file_count)
{
    const struct vs_batch_write_options options = {0};
    struct vs_batch batch = {0};
    enum vs_status status = vs_batch_writer_open(l->env, l->store, l->m, &options, writer, &l->err);
    if (status == VS_OK) {
        status = vs_batch_init(&batch, l->env, fields, 2, &l->err);
    }
    for (int64_t id = 0; status == VS_OK && id < count;) {
        vs_batch_reset(&batch);
        for (; status == VS_OK && batch.row_count < 250 && id < count; id++) {
            status = add_row(&batch, id, &l->err);
        }
        if (status == VS_OK) {
            status = vs_batch_writer_write(*writer, &batch, &l->err);
        }
    }
    if (status == VS_OK) {
        status = vs_batch_writer_finish(*writer, files, file_count, &l->err);
    }
    vs_batch_clear(&batch);
    return status;
}

static enum vs_status count_object(void *ctx,
                                   const struct vs_object_info *object,
                                   struct vs_error *err)
{
    (void)object;
    (void)err;
    ++*(size_t *)ctx;
    return VS_OK;
}

static size_t object_count(struct lake *l)
{
    size_t count = 0;
    CHECK_OK(vs_store_list(l->store, "", count_object, &count, &l->err), l->err);
    return count;
}

// Counts the rows of all files and that each file holds its own partition only.
static void check_rows(struct lake *l,
                       const struct vs_data_file *files,
                       size_t file_count,
                       int64_t expected)
{
    uint8_t seen[1000] = {0};
    int64_t rows = 0;
    for (size_t i = 0; i < file_count; i++) {
        struct vs_file_scan *scan = NULL;
        struct vs_batch batch = {0};
        uint64_t first;
        REQUIRE_OK(vs_file_scan_open(vs_env_default(), l->store, l->m, &files[i], fields, 2, &scan,
                                     &l->err),
                   l->err);
        REQUIRE_OK(vs_batch_init(&batch, vs_env_default(), fields, 2, &l->err), l->err);
        REQUIRE_OK(vs_file_scan_next(scan, 100000, &batch, &first, &l->err), l->err);
        CHECK_INT(batch.row_count, files[i].record_count);
        for (size_t row = 0; row < batch.row_count; row++) {
            struct vs_value id = vs_column_get(&batch.columns[0], row);
            struct vs_value lang = vs_column_get(&batch.columns[1], row);
            const struct vs_value *own = &files[i].partition[0];
            CHECK(lang.is_null == own->is_null &&
                  (lang.is_null || vs_str_equal(lang.as.text, own->as.text)));
            CHECK(id.as.integer >= 0 && id.as.integer < 1000 && !seen[id.as.integer]);
            seen[id.as.integer] = 1;
            rows++;
        }
        vs_batch_clear(&batch);
        vs_file_scan_close(scan);
    }
    CHECK_INT(rows, expected);
}

// One hundred partitions that take turns: at most 64 files are open, so some are ended early.
static void many_partitions(void)
{
    struct lake l;
    struct vs_batch_writer *writer = NULL;
    const struct vs_data_file *files = NULL;
    size_t count = 0, nulls = 0;
    REQUIRE_OK(open_lake(&l, vs_env_default(), "lang", NULL, 0), l.err);
    REQUIRE_OK(write_rows(&l, 1000, &writer, &files, &count), l.err);
    CHECK(count > 100 && count <= 400); // four batches: at most one file of each and batch
    CHECK_INT(object_count(&l), count);
    for (size_t i = 0; i < count; i++) {
        CHECK_INT(files[i].first_row_id, -1);
        CHECK_INT(files[i].content_offset, -1);
        CHECK_INT(files[i].spec_id, 0);
        CHECK(files[i].has_partition && files[i].partition_count == 1);
        bool is_null = files[i].partition[0].is_null;
        nulls += is_null;
        struct vs_str folder = is_null ? S("/data/lang=null/")
                                       : vs_arena_printf(&l.arena, "/data/lang=%.*s/",
                                                         VS_STR_ARG(files[i].partition[0].as.text));
        CHECK(memmem(files[i].path.ptr, files[i].path.len, folder.ptr, folder.len) != NULL);
    }
    CHECK(nulls > 0);
    check_rows(&l, files, count, 1000);
    vs_batch_writer_free(writer, false);
    CHECK_INT(object_count(&l), 0);
    close_lake(&l);
}

// The same rows sorted by partition need one file each.
static void few_partitions(void)
{
    struct lake l;
    struct vs_batch_writer *writer = NULL;
    const struct vs_data_file *files = NULL;
    size_t count = 0;
    REQUIRE_OK(open_lake(&l, vs_env_default(), "lang", NULL, 0), l.err);
    REQUIRE_OK(write_rows(&l, 60, &writer, &files, &count), l.err);
    CHECK_INT(count, 60);
    vs_batch_writer_free(writer, true);
    CHECK_INT(object_count(&l), 60); // kept
    close_lake(&l);
}

static bool is_bits(const char *text) // "0110/1001/0011/10110010/"
{
    for (int i = 0; i < 24; i++) {
        bool is_slash = i == 4 || i == 9 || i == 14 || i == 23;
        if (is_slash ? text[i] != '/' : text[i] != '0' && text[i] != '1') {
            return false;
        }
    }
    return true;
}

static void scattered(void)
{
    struct lake l;
    struct vs_batch_writer *writer = NULL;
    const struct vs_data_file *files = NULL;
    size_t count = 0;
    const struct vs_pair property = {S("write.object-storage.enabled"), S("true")};
    REQUIRE_OK(open_lake(&l, vs_env_default(), "lang", &property, 1), l.err);
    REQUIRE_OK(write_rows(&l, 30, &writer, &files, &count), l.err);
    CHECK_INT(count, 30);
    bool differ = false;
    for (size_t i = 0; i < count; i++) {
        struct vs_str head = S(LOCATION "/data/");
        REQUIRE(vs_str_starts_with(files[i].path, head));
        CHECK(is_bits(files[i].path.ptr + head.len));
        CHECK(strncmp(files[i].path.ptr + head.len + 24, "lang=", 5) == 0);
        differ =
            differ || memcmp(files[i].path.ptr + head.len, files[0].path.ptr + head.len, 24) != 0;
    }
    CHECK(differ);
    check_rows(&l, files, count, 30);
    vs_batch_writer_free(writer, false);
    close_lake(&l);
}

static void other_folders(void)
{
    static const struct {
        const char *key, *value;
        enum vs_status status;
    } cases[] = {
        {"write.data.path", LOCATION "/rows/", VS_OK},
        {"write.object-storage.path", LOCATION "/rows", VS_OK},
        {"write.folder-storage.path", LOCATION "/rows", VS_OK},
        {"write.data.path", "mem://batches/elsewhere", VS_UNSUPPORTED},
        {"write.data.path", LOCATION, VS_UNSUPPORTED},
        {"write.data.path", LOCATION "x/rows", VS_UNSUPPORTED},
        {"write.data.path", LOCATION "/../other/rows", VS_INVALID},
        {"write.location-provider.impl", "org.example.Locations", VS_UNSUPPORTED},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct lake l;
        struct vs_batch_writer *writer = NULL;
        const struct vs_data_file *files = NULL;
        size_t count = 0;
        const struct vs_pair property = {vs_str_from_c(cases[i].key),
                                         vs_str_from_c(cases[i].value)};
        REQUIRE_OK(open_lake(&l, vs_env_default(), "", &property, 1), l.err);
        enum vs_status status = write_rows(&l, 10, &writer, &files, &count);
        CHECK_INT(status == VS_OK, cases[i].status == VS_OK);
        if (status != VS_OK) {
            CHECK(cases[i].status == VS_INVALID || status == cases[i].status);
            CHECK(cases[i].status == VS_INVALID || strstr(l.err.message, cases[i].key) != NULL);
            CHECK_INT(object_count(&l), 0);
        } else {
            CHECK_INT(count, 1);
            CHECK(vs_str_starts_with(files[0].path, S(LOCATION "/rows/")));
        }
        vs_batch_writer_free(writer, false);
        close_lake(&l);
    }
}

// ---- failures ----

// The third file is stored, but its writer does not get to know.
struct deaf {
    struct vs_store *inner;
    int finished;
};

static enum vs_status lose_answer(void *ctx, const char *op, const char *key, struct vs_error *err)
{
    struct deaf *deaf = ctx;
    if (strcmp(op, "finish") != 0 || ++deaf->finished != 3) {
        return VS_OK;
    }
    VS_TRY(vs_store_put(deaf->inner, key, S("rows"), VS_PUT_ANY, err));
    return vs_fail(err, VS_UNKNOWN, "the connection was lost");
}

static void unknown_outcome(void)
{
    struct lake l;
    struct vs_batch_writer *writer = NULL;
    const struct vs_data_file *files = NULL;
    struct vs_store *hook = NULL;
    size_t count = 0;
    REQUIRE_OK(open_lake(&l, vs_env_default(), "lang", NULL, 0), l.err);
    struct deaf deaf = {.inner = l.store};
    REQUIRE_OK(vs_store_wrap_hook(l.store, lose_answer, &deaf, &hook, &l.err), l.err);
    l.store = hook;
    CHECK_STATUS(write_rows(&l, 7, &writer, &files, &count), VS_UNAVAILABLE);
    CHECK(strstr(l.err.message, "nothing was committed") != NULL);
    CHECK_INT(object_count(&l), 2); // what was finished before
    vs_batch_writer_free(writer, false);
    CHECK_INT(object_count(&l), 0);
    close_lake(&l);
}

static void every_allocation_fails(void)
{
    for (long n = 0;; n++) {
        struct test_env t;
        struct lake l;
        struct vs_batch_writer *writer = NULL;
        const struct vs_data_file *files = NULL;
        size_t count = 0;
        test_env_init(&t);
        t.fail_at = n;
        REQUIRE_OK(open_lake(&l, &t.env, "lang", NULL, 0), l.err);
        enum vs_status status = write_rows(&l, 7, &writer, &files, &count);
        CHECK(status == (t.failed ? VS_NO_MEMORY : VS_OK) || (status == VS_OK && count == 7));
        vs_batch_writer_free(writer, false);
        CHECK_INT(object_count(&l), 0);
        CHECK_INT(t.live, 0);
        close_lake(&l);
        if (!t.failed) {
            CHECK(n > 50);
            break;
        }
    }
}

TEST_MAIN(TEST(many_partitions),
          TEST(few_partitions),
          TEST(scattered),
          TEST(other_folders),
          TEST(unknown_outcome),
          TEST(every_allocation_fails))
