// SPDX-License-Identifier: Apache-2.0
// Nested golden files of pyarrow (tools/make_golden_record.py) through the record reader.
#include "tests/support/check.h"
#include "tests/support/parquet_render.h"
#include "tests/support/test_env.h"
#include "vecstore/base/json.h"
#include "vecstore/format/inspect.h"
#include "vecstore/format/render_value.h"

#define GOLDEN "tests/golden/record/"

static const char *const names[] = {"nested_v1", "nested_v2", "nested_names"};

struct opened {
    struct vs_str bytes;
    struct vs_file *file;
    struct vs_parquet_reader *reader;
    struct vs_arena arena;
    struct vs_type type, wish;
};

static enum vs_status open_named(struct opened *o,
                                 const struct vs_env *env,
                                 const char *name,
                                 struct vs_error *err)
{
    char path[256];
    snprintf(path, sizeof path, GOLDEN "%s.parquet", name);
    *o = (struct opened){.bytes = read_whole_file(path)};
    vs_arena_init(&o->arena, env, 0);
    if (o->bytes.ptr == NULL) {
        return vs_fail(err, VS_NOT_FOUND, "%s cannot be read", path);
    }
    VS_TRY(vs_file_open_bytes(env, o->bytes, name, &o->file, err));
    VS_TRY(vs_parquet_open(env, o->file, &o->reader, err));
    VS_TRY(vs_record_file_type(o->reader, true, &o->arena, &o->type, err));
    return vs_type_wish_all(&o->type, &o->arena, &o->wish, err);
}

static void close_opened(struct opened *o)
{
    vs_arena_clear(&o->arena);
    vs_parquet_close(o->reader);
    vs_file_close(o->file);
    free_whole_file(o->bytes);
}

// Digests of every column of all rows from `from` on; text takes the rendering of the first row's
// columns, one a line.
static enum vs_status digest_rows(struct opened *o,
                                  const struct vs_env *env,
                                  uint64_t from,
                                  size_t step,
                                  uint64_t *digests,
                                  struct vs_buf *first,
                                  struct vs_error *err)
{
    struct vs_record_reader *records = NULL;
    struct vs_buf text;
    uint64_t total = 0;
    VS_TRY(vs_record_open(o->reader, &o->wish, &records, err));
    vs_buf_init(&text, env, 1u << 24);
    enum vs_status status = vs_record_seek(records, from, err);
    for (size_t i = 0; i < o->wish.child_count; i++) {
        digests[i] = FNV_BASIS;
    }
    while (status == VS_OK) {
        const struct vs_datum *rows = NULL;
        size_t count = 0;
        status = vs_record_next(records, step, &rows, &count, err);
        if (status != VS_OK || count == 0) {
            break;
        }
        for (size_t r = 0; r < count && status == VS_OK; r++, total++) {
            for (size_t i = 0; i < o->wish.child_count && status == VS_OK; i++) {
                vs_buf_reset(&text);
                status = vs_render_datum(&rows[r].as.items[i], &o->wish.children[i], &text, err);
                status = status == VS_OK ? vs_buf_append_byte(&text, '\n', err) : status;
                digests[i] = fnv_add(digests[i], text.data, text.len);
                if (first != NULL && total == 0 && status == VS_OK) {
                    status = vs_buf_append(first, text.data, text.len, err);
                }
            }
        }
    }
    if (status == VS_OK && total + from != vs_parquet_row_count(o->reader)) {
        status = vs_fail(err, VS_INTERNAL, "%d rows were read", (int)total);
    }
    vs_buf_clear(&text);
    vs_record_close(records);
    return status;
}

static void check_golden(const char *name, const struct vs_json *answer)
{
    static const size_t steps[] = {1, 7, 1000};
    struct opened o;
    struct vs_error err = {0};
    struct vs_json_iter iter;
    const struct vs_json *column = NULL;
    REQUIRE_OK(open_named(&o, vs_env_default(), name, &err), err);
    CHECK_INT(vs_json_count(vs_json_get(answer, "columns")), o.wish.child_count);
    for (size_t s = 0; s < 3; s++) {
        uint64_t digests[16] = {0};
        struct vs_buf first, expected;
        vs_buf_init(&first, vs_env_default(), 1u << 20);
        vs_buf_init(&expected, vs_env_default(), 1u << 20);
        CHECK_OK(digest_rows(&o, vs_env_default(), 0, steps[s], digests, &first, &err), err);
        vs_json_iter_init(&iter, vs_json_get(answer, "columns"));
        for (size_t i = 0; vs_json_iter_next(&iter, NULL, &column); i++) {
            struct vs_str digest = {0}, text = {0};
            char mine[VS_DIGEST_TEXT_SIZE];
            vs_digest_format(digests[i], mine);
            CHECK(vs_json_to_str(vs_json_get(column, "digest"), &digest) &&
                  vs_str_equal_c(digest, mine));
            CHECK(vs_json_to_str(vs_json_get(column, "first"), &text));
            CHECK_INT(vs_buf_append_str(&expected, text, NULL), VS_OK);
            CHECK_INT(vs_buf_append_byte(&expected, '\n', NULL), VS_OK);
        }
        // Bytes above 127 are escaped in the JSON; rows that have none compare as they stand.
        if (vs_utf8_validate(vs_buf_view(&first)) && first.len == expected.len) {
            CHECK(vs_str_equal(vs_buf_view(&first), vs_buf_view(&expected)));
        }
        vs_buf_clear(&first);
        vs_buf_clear(&expected);
    }
    close_opened(&o);
}

static void case_golden(void)
{
    struct vs_error err = {0};
    struct vs_json_doc *doc = NULL;
    struct vs_str text = read_whole_file(GOLDEN "expected.json");
    REQUIRE(text.ptr != NULL);
    REQUIRE_OK(vs_json_parse(vs_env_default(), text, "expected.json", NULL, &doc, &err), err);
    for (size_t i = 0; i < 3; i++) {
        const struct vs_json *answer = vs_json_get(vs_json_root(doc), names[i]);
        CHECK(answer != NULL);
        check_golden(names[i], answer);
    }
    vs_json_free(doc);
    free_whole_file(text);
}

static void case_type_text(void)
{
    struct opened o;
    struct vs_error err = {0};
    struct vs_buf text;
    REQUIRE_OK(open_named(&o, vs_env_default(), "nested_v1", &err), err);
    vs_buf_init(&text, vs_env_default(), 4096);
    CHECK_OK(vs_type_tree_format(&o.type, &text, &err), err);
    CHECK_TEXT(vs_buf_c_str(&text),
               "struct<list_of_lists: list<list<list<int>>>, map: map<string, struct<a: long, b: "
               "list<string>>>, struct: struct<x: struct<y: double, z: decimal(20,4)>, r: int, l: "
               "list<boolean>>, structs: list<struct<m: map<int, list<binary>>, f: float>>, flat: "
               "long>");
    vs_buf_clear(&text);
    close_opened(&o);
}

// A seek gives the same rows as reading from the start and leaving the first ones out.
static void case_seek(void)
{
    for (size_t n = 0; n < 3; n++) {
        struct opened o;
        struct vs_error err = {0};
        REQUIRE_OK(open_named(&o, vs_env_default(), names[n], &err), err);
        for (uint64_t from = 0; from <= 40; from += 3) {
            uint64_t small[16] = {0}, large[16] = {0};
            CHECK_OK(digest_rows(&o, vs_env_default(), from, 2, small, NULL, &err), err);
            CHECK_OK(digest_rows(&o, vs_env_default(), from, 100, large, NULL, &err), err);
            CHECK(memcmp(small, large, sizeof small) == 0);
        }
        uint64_t none[16];
        CHECK_STATUS(digest_rows(&o, vs_env_default(), 41, 2, none, NULL, &err), VS_INVALID);
        close_opened(&o);
    }
}

// NOLINTNEXTLINE(misc-no-recursion): ends at 20 levels
static void drop_leaves(struct vs_type *type, int depth)
{
    for (size_t i = 0; depth < 20 && i < type->child_count; i++) {
        if (type->children[i].shape == VS_TYPE_PRIMITIVE) {
            type->children[i].source = NULL;
        }
        drop_leaves(&type->children[i], depth + 1);
    }
}

// Without values the shapes stay: what is null, how many elements there are.
// NOLINTNEXTLINE(misc-no-recursion): ends at 20 levels
static bool same_shape(const struct vs_datum *full, const struct vs_datum *bare, int depth)
{
    if (depth > 20 || full->shape == VS_DATUM_SCALAR) {
        return bare->shape == VS_DATUM_NULL;
    }
    if (full->shape != bare->shape || full->count != bare->count) {
        return false;
    }
    size_t count = full->shape == VS_DATUM_MAP ? 2 * full->count : full->count;
    for (size_t i = 0; i < count; i++) {
        if (!same_shape(&full->as.items[i], &bare->as.items[i], depth + 1)) {
            return false;
        }
    }
    return true;
}

static void case_absent(void)
{
    for (size_t n = 0; n < 3; n++) {
        struct opened o;
        struct vs_error err = {0};
        struct vs_type bare_wish;
        struct vs_record_reader *full = NULL, *bare = NULL;
        const struct vs_datum *full_rows = NULL, *bare_rows = NULL;
        size_t full_count = 0, bare_count = 0;
        REQUIRE_OK(open_named(&o, vs_env_default(), names[n], &err), err);
        REQUIRE_OK(vs_type_wish_all(&o.type, &o.arena, &bare_wish, &err), err);
        drop_leaves(&bare_wish, 0);
        REQUIRE_OK(vs_record_open(o.reader, &o.wish, &full, &err), err);
        REQUIRE_OK(vs_record_open(o.reader, &bare_wish, &bare, &err), err);
        REQUIRE_OK(vs_record_next(full, 100, &full_rows, &full_count, &err), err);
        REQUIRE_OK(vs_record_next(bare, 100, &bare_rows, &bare_count, &err), err);
        CHECK_INT(full_count, 40);
        CHECK_INT(bare_count, 40);
        for (size_t row = 0; row < 40; row++) {
            bool same = same_shape(&full_rows[row], &bare_rows[row], 0);
            CHECK(same);
        }
        REQUIRE_OK(vs_record_next(bare, 100, &bare_rows, &bare_count, &err), err);
        CHECK_INT(bare_count, 0);
        vs_record_close(full);
        vs_record_close(bare);
        close_opened(&o);
    }
}

// A reordered subset with a wider type; and wishes that do not fit.
static void case_wishes(void)
{
    struct opened o;
    struct vs_error err = {0};
    struct vs_record_reader *records = NULL;
    const struct vs_datum *rows = NULL;
    size_t count = 0;
    REQUIRE_OK(open_named(&o, vs_env_default(), "nested_v1", &err), err);
    struct vs_type *r = &o.wish.children[2].children[1];
    struct vs_type inner[1] = {*r};
    inner[0].kind = VS_KIND_LONG;
    struct vs_type fields[3] = {o.wish.children[4], o.wish.children[2], o.wish.children[0]};
    fields[1].children = inner;
    fields[1].child_count = 1;
    fields[2].source = NULL; // absent
    struct vs_type wish = {.shape = VS_TYPE_STRUCT, .child_count = 3, .children = fields};
    REQUIRE_OK(vs_record_open(o.reader, &wish, &records, &err), err);
    REQUIRE_OK(vs_record_next(records, 100, &rows, &count, &err), err);
    CHECK_INT(count, 40);
    for (size_t i = 0; i < count; i++) {
        const struct vs_datum *item = rows[i].as.items;
        CHECK(item[0].shape == VS_DATUM_NULL || item[0].as.scalar.kind == VS_KIND_LONG);
        CHECK(item[1].shape == VS_DATUM_NULL ||
              (item[1].count == 1 && item[1].as.items[0].as.scalar.kind == VS_KIND_LONG));
        CHECK_INT(item[2].shape, VS_DATUM_NULL);
    }
    vs_record_close(records);
    inner[0].kind = VS_KIND_STRING;
    CHECK_STATUS(vs_record_open(o.reader, &wish, &records, &err), VS_INVALID);
    CHECK(strstr(err.message, "stored as int") != NULL);
    fields[1].shape = VS_TYPE_LIST;
    CHECK_STATUS(vs_record_open(o.reader, &wish, &records, &err), VS_INVALID);
    CHECK_STATUS(vs_record_open(o.reader, r, &records, &err), VS_INVALID);
    close_opened(&o);
}

static void case_torture(void)
{
    for (size_t n = 0; n < 3; n++) {
        for (long at = 0;; at++) {
            struct test_env t;
            struct opened o;
            struct vs_error err = {0};
            uint64_t digests[16];
            test_env_init(&t);
            t.fail_at = at;
            t.fail_on = true; // a buffer that cannot double tries what it needs
            enum vs_status status = open_named(&o, &t.env, names[n], &err);
            if (status == VS_OK) {
                status = digest_rows(&o, &t.env, 0, 16, digests, NULL, &err);
            }
            close_opened(&o);
            CHECK_INT(t.live, 0);
            if (!t.failed) {
                CHECK_OK(status, err);
                break;
            }
            CHECK_INT(status, VS_NO_MEMORY);
            if (status != VS_NO_MEMORY) {
                fprintf(stderr, "    %s, allocation %ld: %s\n", names[n], at, err.message);
            }
        }
    }
}

// Bytes changed one at a time: an answer or an error, never a crash.
static void case_damaged(void)
{
    struct vs_str bytes = read_whole_file(GOLDEN "nested_v2.parquet");
    struct vs_error err = {0};
    REQUIRE(bytes.ptr != NULL);
    char *copy = (char *)vs_alloc(vs_env_default(), bytes.len);
    REQUIRE(copy != NULL);
    for (size_t at = 4; at < bytes.len; at += 23) {
        struct opened o = {.bytes = {NULL, 0}};
        uint64_t digests[16];
        memcpy(copy, bytes.ptr, bytes.len);
        copy[at] = (char)(copy[at] ^ (char)(1 + at % 255));
        vs_arena_init(&o.arena, vs_env_default(), 0);
        if (vs_file_open_bytes(vs_env_default(), (struct vs_str){copy, bytes.len}, "damaged",
                               &o.file, &err) == VS_OK &&
            vs_parquet_open(vs_env_default(), o.file, &o.reader, &err) == VS_OK &&
            vs_record_file_type(o.reader, true, &o.arena, &o.type, &err) == VS_OK &&
            vs_type_wish_all(&o.type, &o.arena, &o.wish, &err) == VS_OK &&
            o.wish.child_count <= 16 && vs_parquet_row_count(o.reader) < 1000) {
            enum vs_status status = digest_rows(&o, vs_env_default(), 0, 16, digests, NULL, &err);
            CHECK(status != VS_INTERNAL);
        }
        vs_arena_clear(&o.arena);
        vs_parquet_close(o.reader);
        vs_file_close(o.file);
    }
    vs_free(vs_env_default(), copy);
    free_whole_file(bytes);
}

// Structure without digests, and a few rows as they are rendered.
static void case_inspect_rows(void)
{
    struct opened o;
    struct vs_error err = {0};
    struct vs_buf text, row;
    struct vs_json_writer w;
    struct vs_json_doc *doc = NULL;
    struct vs_inspect_request options = {.rows = 2, .first_row = 38};
    struct vs_record_reader *records = NULL;
    const struct vs_datum *rows = NULL;
    size_t count = 0;
    REQUIRE_OK(open_named(&o, vs_env_default(), "nested_v2", &err), err);
    vs_buf_init(&text, vs_env_default(), 1u << 20);
    vs_buf_init(&row, vs_env_default(), 1u << 20);
    vs_json_writer_init(&w, &text, false);
    CHECK_OK(vs_inspect_file(vs_env_default(), o.file, &options, &w, &err), err);
    CHECK_OK(vs_json_writer_finish(&w, &err), err);
    CHECK_OK(vs_json_parse(vs_env_default(), vs_buf_view(&text), "report", NULL, &doc, &err), err);
    const struct vs_json *values = vs_json_get(vs_json_root(doc), "values");
    const struct vs_json *value = NULL;
    struct vs_json_iter iter;
    CHECK_INT(vs_json_count(values), 2);
    CHECK_INT(vs_json_count(vs_json_get(vs_json_root(doc), "groups")), 2);
    CHECK(strstr(vs_buf_c_str(&text), "\"digest\"") == NULL);
    CHECK_OK(vs_record_open(o.reader, &o.wish, &records, &err), err);
    CHECK_OK(vs_record_seek(records, 38, &err), err);
    CHECK_OK(vs_record_next(records, 2, &rows, &count, &err), err);
    vs_json_iter_init(&iter, values);
    for (size_t i = 0; i < count && vs_json_iter_next(&iter, NULL, &value); i++) {
        struct vs_str shown = {0};
        vs_buf_reset(&row);
        CHECK_OK(vs_render_datum(&rows[i], &o.wish, &row, &err), err);
        bool is_text = vs_json_to_str(value, &shown);
        CHECK(is_text ? vs_str_equal(shown, vs_buf_view(&row))
                      : vs_json_get(value, "hex") != NULL && !vs_utf8_validate(vs_buf_view(&row)));
    }
    vs_record_close(records);
    vs_json_free(doc);
    options.first_row = 41;
    vs_buf_reset(&text);
    vs_json_writer_init(&w, &text, false);
    CHECK_STATUS(vs_inspect_file(vs_env_default(), o.file, &options, &w, &err), VS_INVALID);
    vs_buf_clear(&text);
    vs_buf_clear(&row);
    close_opened(&o);
}

TEST_MAIN(TEST(case_golden),
          TEST(case_type_text),
          TEST(case_seek),
          TEST(case_absent),
          TEST(case_wishes),
          TEST(case_torture),
          TEST(case_damaged),
          TEST(case_inspect_rows))
