// SPDX-License-Identifier: Apache-2.0
#include "api/http/float_input.h"
#include "api/http/wire.h"
#include "tests/support/check.h"
#include "tests/support/test_env.h"

#include <stdlib.h>

static const struct vs_wire_bounds bounds = {1000, 30000};

static void case_query(void)
{
    struct vs_arena arena;
    struct vs_wire_query query;
    struct vs_error err = {0};
    struct vs_str body =
        VS_STR("{ \"k\" : 7, \"vector\" : [ 0.1, -2.5e-3 ,3 ], \"filter\":\"a = "
               "'x\\\"y'\", \"select\":[\"t\",\"u\"],"
               "\"at\":{\"snapshot_id\":\"9223372036854775807\"},\"recall_"
               "target\":0.5,\"nprobe\":4,\"rerank\":9,\"exact\":true,\"rescore\":true,"
               "\"min_score\":-1.5,\"include_vector\":true,\"explain\":true,"
               "\"timeout_ms\":250,\"column\":\"e\"}");
    vs_arena_init(&arena, vs_env_default(), 0);
    REQUIRE_OK(vs_wire_query_json(&arena, body, &bounds, &query, &err), err);
    const struct vs_query_options *o = &query.options;
    CHECK_INT(o->vector_count, 1);
    REQUIRE(o->dim == 3);
    CHECK(o->vectors[0] == 0.1F && o->vectors[1] == -2.5e-3F && o->vectors[2] == 3);
    CHECK_INT(o->k, 7);
    CHECK_TEXT(o->filter, "a = 'x\"y'");
    CHECK_INT(o->select_count, 2);
    CHECK_TEXT(o->select[1], "u");
    CHECK_INT(o->at.snapshot_id, INT64_MAX);
    CHECK(o->recall_target == 0.5F && o->nprobe == 4 && o->rerank == 9 && o->exact &&
          o->has_min_score);
    CHECK(o->min_score == -1.5F && o->include_vector && o->explain && !o->select_none);
    CHECK(o->rescore);
    CHECK_TEXT(o->vector_column, "e");
    CHECK_INT(query.timeout_ms, 250);
    vs_arena_clear(&arena);
}

static void case_forms(void)
{
    struct vs_arena arena;
    struct vs_wire_query query;
    struct vs_error err = {0};
    vs_arena_init(&arena, vs_env_default(), 0);
    REQUIRE_OK(
        vs_wire_query_json(&arena, VS_STR("{\"vectors\":[[1,2],[3,4.25]]}"), &bounds, &query, &err),
        err);
    CHECK(query.options.vector_count == 2 && query.options.dim == 2 &&
          query.options.vectors[3] == 4.25F);
    CHECK_INT(query.timeout_ms, 1000);
    REQUIRE_OK(
        vs_wire_query_json(&arena, VS_STR("{\"vector\":\"AACAPwAAAEA=\"}"), &bounds, &query, &err),
        err); // 1, 2
    CHECK(query.options.dim == 2 && query.options.vectors[0] == 1 && query.options.vectors[1] == 2);
    REQUIRE_OK(vs_wire_query_json(&arena, VS_STR("{\"vectors\":[\"AACAPwAAAEA\",[3,4]]}"), &bounds,
                                  &query, &err),
               err);
    CHECK(query.options.vector_count == 2 && query.options.vectors[1] == 2 &&
          query.options.vectors[2] == 3);
    REQUIRE_OK(vs_wire_query_json(
                   &arena, VS_STR("{\"id\":-42,\"select\":[],\"filter\":{\"a\":{\"$in\":[1,2]}}}"),
                   &bounds, &query, &err),
               err);
    CHECK(vs_str_equal_c(query.options.like_id, "-42") && query.options.select_none);
    CHECK(vs_str_equal_c(query.options.filter_json, "{\"a\":{\"$in\":[1,2]}}"));
    REQUIRE_OK(
        vs_wire_query_json(
            &arena,
            VS_STR("{\"id\":\"x\",\"k\":null,\"filter\":null,\"at\":{\"as_of\":\"2025-01-01\"}}"),
            &bounds, &query, &err),
        err);
    CHECK_TEXT(query.options.at.as_of, "2025-01-01");
    CHECK(query.options.k == 0 && query.options.filter == NULL);
    vs_arena_clear(&arena);
}

static void case_refused(void)
{
    static const struct {
        const char *body;
        enum vs_status status;
        const char *says;
    } list[] = {
        {"", VS_INVALID, "request body"},
        {"[]", VS_INVALID, "array"},
        {"{}", VS_INVALID, "exactly one of"},
        {"{\"vector\":[1,2]", VS_INVALID, "request body"},
        {"{\"vector\":[1,2]} x", VS_INVALID, "request body"},
        {"{\"vector\":[1,2],\"vector\":[3,4]}", VS_INVALID, "vector"},
        {"{\"vector\":[1,2],\"id\":1}", VS_INVALID, "exactly one of"},
        {"{\"vector\":null}", VS_INVALID, "null"},
        {"{\"vector\":[]}", VS_INVALID, "empty"},
        {"{\"vector\":[1,null]}", VS_INVALID, "value 1 is null"},
        {"{\"vector\":[1,\"2\"]}", VS_INVALID, "value 1 is"},
        {"{\"vector\":[[1,2]]}", VS_INVALID, "value 0 is"},
        {"{\"vector\":[1e39]}", VS_INVALID, "32-bit"},
        {"{\"vector\":[01]}", VS_INVALID, "request body"},
        {"{\"vector\":[NaN]}", VS_INVALID, "request body"},
        {"{\"vector\":\"AACA\"}", VS_INVALID, "base64"},
        {"{\"vector\":\"AADAfw==\"}", VS_INVALID, "finite"}, // NaN
        {"{\"vector\":\"A*==\"}", VS_INVALID, "base64"},
        {"{\"vector\":\"AACAPwAAAEA==\"}", VS_INVALID, "base64"}, // padding of another length
        {"{\"vector\":\"AACAPw==AACAPw\"}", VS_INVALID, "base64"},
        {"{\"vector\":\"AACAPwAA\\u0041EA=\"}", VS_OK, ""}, // an escape is what it stands for
        {"{\"vectors\":[[1,2],[3]]}", VS_INVALID, "vector 1"},
        {"{\"vectors\":[]}", VS_INVALID, "at least one"},
        {"{\"id\":1,\"fliter\":\"x\"}", VS_INVALID, "did you mean 'filter'"},
        {"{\"id\":1,\"zzzzzz\":\"x\"}", VS_INVALID, "known are"},
        {"{\"id\":1.5}", VS_INVALID, "id is"},
        {"{\"id\":1,\"k\":0}", VS_INVALID, "k is 0"},
        {"{\"id\":1,\"k\":-1}", VS_INVALID, "k is -1"},
        {"{\"id\":1,\"k\":1001}", VS_LIMIT, "k is 1001"},
        {"{\"id\":1,\"k\":18446744073709551615}", VS_LIMIT, "k"},
        {"{\"id\":1,\"k\":true}", VS_INVALID, "k is"},
        {"{\"id\":1,\"timeout_ms\":30001}", VS_LIMIT, "timeout_ms is 30001"},
        {"{\"id\":1,\"recall_target\":0}", VS_INVALID, "recall_target"},
        {"{\"id\":1,\"at\":{\"snapshot_id\":\"7\",\"ref\":\"main\"}}", VS_INVALID, "one of"},
        {"{\"id\":1,\"at\":{\"snapshot_id\":\"9223372036854775808\"}}", VS_INVALID, "snapshot id"},
        {"{\"id\":1,\"select\":[1]}", VS_INVALID, "element 0"},
        {"{\"id\":1,\"select\":[\"a\\u0000\"]}", VS_INVALID, "NUL"},
        {"{\"id\":1,\"filter\":7}", VS_INVALID, "filter"},
        {"{\"id\":1,\"exact\":1}", VS_INVALID, "exact"},
        {"{\"id\":1,\"rescore\":\"no\"}", VS_INVALID, "rescore"},
    };
    struct vs_arena arena;
    struct vs_wire_query query;
    vs_arena_init(&arena, vs_env_default(), 0);
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        struct vs_error err = {0};
        CHECK_STATUS(vs_wire_query_json(&arena, vs_str_from_c(list[i].body), &bounds, &query, &err),
                     list[i].status);
        if (strstr(err.message, list[i].says) == NULL) {
            CHECK_TEXT(err.message, list[i].says);
        }
    }
    struct vs_error err = {0};
    CHECK_STATUS(vs_wire_query_json(&arena, VS_STR("{\"id\":1,\"k\":5000,\"timeout_ms\":99999}"),
                                    &bounds, &query, &err),
                 VS_LIMIT);
    CHECK(strstr(err.message, "k is 5000") != NULL &&
          strstr(err.message, "timeout_ms is 99999") != NULL);
    vs_arena_clear(&arena);
}

// Every float of a wide range of decimal texts equals strtof's.
static void case_numbers_equal_strtof(void)
{
    struct vs_arena arena;
    uint64_t state = 42;
    char text[64];
    size_t wrong = 0;
    vs_arena_init(&arena, vs_env_default(), 0);
    for (int i = 0; i < 20000; i++) {
        state = state * 6364136223846793005U + 1442695040888963407U;
        uint32_t bits = (uint32_t)(state >> 32);
        float value;
        memcpy(&value, &bits, sizeof value);
        if (!isfinite(value)) {
            continue;
        }
        snprintf(text, sizeof text, "[%.*g]", 1 + i % 17, (double)value);
        struct vs_float_input floats;
        float expected = strtof(text + 1, NULL);
        if (isfinite(expected)) {
            bool good = vs_floats_from_text(&arena, vs_str_from_c(text), false, &floats);
            wrong += !good || floats.values[0] != expected;
        }
        if (i % 1000 == 0) {
            vs_arena_clear(&arena);
        }
    }
    CHECK_INT(wrong, 0);
    vs_arena_clear(&arena);
}

static uint32_t random_below(uint64_t *state, uint32_t limit)
{
    *state = *state * 6364136223846793005U + 1442695040888963407U;
    return (uint32_t)(*state >> 33) % limit;
}

// "-0.0312" and the like: 1 to 24 digits behind the point, runs of 0 and 9 among them.
static size_t random_number(uint64_t *state, char *to)
{
    size_t n = 0;
    to[n] = '-';
    n += random_below(state, 2);
    to[n++] = (char)('0' + (random_below(state, 3) == 0 ? random_below(state, 10) : 0));
    to[n++] = '.';
    for (uint32_t digits = 1 + random_below(state, 24); digits > 0; digits--) {
        uint32_t kind = random_below(state, 8);
        to[n++] = (char)('0' + (kind == 0 ? 0 : kind == 1 ? 9 : random_below(state, 10)));
    }
    if (random_below(state, 8) == 0) {
        n += (size_t)snprintf(to + n, 8, "e%d", (int)random_below(state, 20) - 10);
    }
    return n;
}

// The usual numbers of a vector, in arrays long enough for the parser that takes many at once: each
// is the float of the nearest double. A text that ends anywhere inside is refused.
static void case_vectors_equal_strtod(void)
{
    struct vs_arena arena;
    uint64_t state = 43;
    size_t wrong = 0;
    vs_arena_init(&arena, vs_env_default(), 0);
    for (int round = 0; round < 1500; round++) {
        char text[40 * 48] = "[";
        float expected[40];
        size_t len = 1, count = 1 + random_below(&state, 40);
        for (size_t i = 0; i < count; i++) {
            size_t at = len;
            len += random_number(&state, text + len);
            expected[i] = (float)strtod(text + at, NULL);
            text[len++] = ',';
            text[len] = ' ';
            len += i + 1 < count && random_below(&state, 2) == 0;
        }
        text[len - 1] = ']';
        struct vs_float_input floats;
        char *exact = malloc(len); // a sanitizer sees a read behind it
        REQUIRE(exact != NULL);
        memcpy(exact, text, len);
        bool good = vs_floats_from_text(&arena, (struct vs_str){exact, len}, false, &floats);
        wrong += !good || floats.dim != count ||
                 memcmp(floats.values, expected, count * sizeof expected[0]) != 0;
        size_t cut = random_below(&state, (uint32_t)len);
        char *less = realloc(exact, cut > 0 ? cut : 1);
        REQUIRE(less != NULL);
        wrong += vs_floats_from_text(&arena, (struct vs_str){less, cut}, false, &floats);
        free(less);
        vs_arena_clear(&arena);
    }
    CHECK_INT(wrong, 0);
}

static void case_rows(void)
{
    struct vs_arena arena;
    struct vs_error err = {0};
    struct vs_insert_options insert;
    struct vs_delete_options delete;
    struct vs_get_options get;
    struct vs_create_options create;
    vs_arena_init(&arena, vs_env_default(), 0);
    REQUIRE_OK(vs_wire_insert(VS_STR(" {\"rows\":[{\"a\":\"]}\\\\\\\"\"}],\"upsert\":true} "),
                              &insert, &err),
               err);
    CHECK(insert.upsert && !insert.quarantine &&
          vs_str_equal_c(insert.rows, "[{\"a\":\"]}\\\\\\\"\"}]"));
    REQUIRE_OK(vs_wire_insert(VS_STR("\n[{}]\n"), &insert, &err), err);
    CHECK(vs_str_equal_c(insert.rows, "[{}]") && !insert.upsert);
    static const char *const bad[] = {"",
                                      "{}",
                                      "{\"rows\":{}}",
                                      "{\"rows\":[}",
                                      "{\"rows\":[]",
                                      "{\"rows\":[]}}",
                                      "{\"rows\":[],\"rows\":[]}",
                                      "{\"rows\":[],\"upsert\":1}",
                                      "{\"rows\":[],\"upsrt\":true}",
                                      "{\"rows\":[],}",
                                      "{\"rows\" []}",
                                      "7"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CHECK_STATUS(vs_wire_insert(vs_str_from_c(bad[i]), &insert, &err), VS_INVALID);
    }
    REQUIRE_OK(
        vs_wire_delete(&arena, VS_STR("{\"ids\":[1,\"b\",-9223372036854775808]}"), &delete, &err),
        err);
    CHECK(delete.id_count == 3 && vs_str_equal_c(delete.ids[2], "-9223372036854775808"));
    CHECK_STATUS(vs_wire_delete(&arena, VS_STR("{\"ids\":[1],\"filter\":\"a=1\"}"), &delete, &err),
                 VS_INVALID);
    CHECK_STATUS(vs_wire_delete(&arena, VS_STR("{}"), &delete, &err), VS_INVALID);
    REQUIRE_OK(vs_wire_get(&arena,
                           VS_STR("{\"ids\":[1],\"select\":[\"a\"],\"at\":{\"ref\":\"r\"}}"), &get,
                           &err),
               err);
    CHECK(get.id_count == 1 && get.select_count == 1 && strcmp(get.at.ref, "r") == 0);
    REQUIRE_OK(
        vs_wire_create(
            &arena,
            VS_STR("{\"name\":\"a.b\",\"dimension\":3,\"metric\":\"ip\",\"normalized\":true}"),
            &create, &err),
        err);
    CHECK(create.dim == 3 && create.normalized && create.schema == NULL);
    CHECK_TEXT(create.metric, "ip");
    CHECK_STATUS(vs_wire_create(&arena, VS_STR("{\"name\":\"a.b\"}"), &create, &err), VS_INVALID);
    CHECK_STATUS(
        vs_wire_create(&arena, VS_STR("{\"name\":\"a.b\",\"dimension\":16385}"), &create, &err),
        VS_LIMIT);
    vs_arena_clear(&arena);
}

static void case_raw(void)
{
    struct vs_arena arena;
    struct vs_error err = {0};
    struct vs_wire_query query;
    static const float values[4] = {1, 2, 3, 4};
    vs_arena_init(&arena, vs_env_default(), 0);
    struct vs_http_request request = {
        .env = vs_env_default(), .arena = &arena, .body = {(const char *)values, sizeof values}};
    REQUIRE_OK(vs_request_set_target(&request,
                                     VS_STR("/q?vectors=2&k=3&select=a,%20b&exact=true&filter=x%20="
                                            "%201&snapshot_id=7&min_score=0.5"),
                                     &err),
               err);
    REQUIRE_OK(vs_wire_query_raw(&request, &bounds, &query, &err), err);
    const struct vs_query_options *o = &query.options;
    CHECK(o->vector_count == 2 && o->dim == 2 && o->vectors[3] == 4 && o->k == 3 && o->exact &&
          o->at.snapshot_id == 7);
    CHECK(o->select_count == 2 && strcmp(o->select[1], "b") == 0 &&
          strcmp(o->filter, "x = 1") == 0 && o->has_min_score);
    request.body.len = 15;
    CHECK_STATUS(vs_wire_query_raw(&request, &bounds, &query, &err), VS_INVALID);
    vs_arena_clear(&arena);
}

static void case_out_of_memory(void)
{
    static const char *const bodies[] = {
        ("{\"vector\":[1,2,3],\"filter\":{\"a\":1},\"select\":[\"a\"],"
         "\"at\":{\"as_of\":\"2025-01-01\"}}"),
        "{\"vectors\":[\"AACAPwAAAEA=\",[1,2]],\"filter\":\"a = 1\"}",
        "{\"id\":7}",
    };
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        bool done = false;
        for (long n = 0; !done && n < 200; n++) {
            struct test_env test;
            struct vs_arena arena;
            struct vs_wire_query query;
            struct vs_error err = {0};
            test_env_init(&test);
            test.fail_at = n;
            vs_arena_init(&arena, &test.env, 0);
            enum vs_status status =
                vs_wire_query_json(&arena, vs_str_from_c(bodies[i]), &bounds, &query, &err);
            // The fast path may give up on a failed allocation and leave it to the slow one.
            CHECK(status == VS_OK || status == VS_NO_MEMORY);
            vs_arena_clear(&arena);
            CHECK_INT(test.live, 0);
            done = !test.failed;
        }
        CHECK(done);
    }
}

TEST_MAIN(TEST(case_query),
          TEST(case_forms),
          TEST(case_refused),
          TEST(case_numbers_equal_strtof),
          TEST(case_vectors_equal_strtod),
          TEST(case_rows),
          TEST(case_raw),
          TEST(case_out_of_memory))
