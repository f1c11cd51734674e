// SPDX-License-Identifier: Apache-2.0
// Bitmaps and deletion vectors that Java wrote, from the conformance corpus outside of the
// repository ($VECSTORE_SHARED, or ../shared beside the source tree), against its expected.json.
#include "tests/support/check.h"
#include "vecstore/base/json.h"
#include "vecstore/iceberg/deletion_vector.h"
#include "vecstore/object/store.h"

#include <inttypes.h>
#include <stdlib.h>

static bool add_digest(uint64_t value, void *ctx)
{
    uint64_t *hash = ctx;
    char text[32];
    int n = snprintf(text, sizeof text, "%" PRIu64 "\n", value);
    for (int i = 0; i < n; i++) {
        *hash = (*hash ^ (uint8_t)text[i]) * UINT64_C(0x100000001b3);
    }
    return true;
}

// The member as text: numbers of 64 bits are strings in the file.
static bool member_is(const struct vs_json *answer, const char *key, bool present, uint64_t value)
{
    struct vs_str text;
    char expected[32];
    snprintf(expected, sizeof expected, "%" PRIu64, value);
    return present
               ? vs_json_to_str(vs_json_get(answer, key), &text) && vs_str_equal_c(text, expected)
               : vs_json_is(vs_json_get(answer, key), VS_JSON_NULL);
}

static void check_file(struct vs_store *store, struct vs_str name, const struct vs_json *answer)
{
    char key[256], digest[24];
    struct vs_buf bytes;
    struct vs_bitmap bitmap, again;
    struct vs_error err = {0};
    struct vs_str kind, expected;
    snprintf(key, sizeof key, "%.*s", VS_STR_ARG(name));
    vs_buf_init(&bytes, vs_env_default(), 1 << 20);
    REQUIRE_OK(vs_store_get(store, key, &bytes, &err), err);
    REQUIRE(vs_json_to_str(vs_json_get(answer, "kind"), &kind));
    bool is_vector = vs_str_starts_with(kind, VS_STR("deletion-vector"));
    REQUIRE_OK(
        is_vector
            ? vs_deletion_vector_decode(vs_env_default(), vs_buf_view(&bytes), key, &bitmap, &err)
            : vs_bitmap_read(&bitmap, vs_env_default(), vs_buf_view(&bytes), key, &err),
        err);
    uint64_t min = 0, max = 0, hash = UINT64_C(0xcbf29ce484222325);
    int64_t cardinality = -1;
    bool any = vs_bitmap_min(&bitmap, &min) && vs_bitmap_max(&bitmap, &max);
    CHECK(vs_json_to_i64(vs_json_get(answer, "cardinality"), &cardinality));
    CHECK_INT(vs_bitmap_cardinality(&bitmap), cardinality);
    CHECK(member_is(answer, "min", any, min) && member_is(answer, "max", any, max));
    (void)vs_bitmap_each(&bitmap, add_digest, &hash);
    snprintf(digest, sizeof digest, "%016" PRIx64, hash);
    CHECK(vs_json_to_str(vs_json_get(answer, "digest"), &expected));
    CHECK(vs_str_equal_c(expected, digest));
    // what we write of it is read as the same set, and is no longer
    struct vs_buf out;
    vs_buf_init(&out, vs_env_default(), 1 << 20);
    CHECK_OK(vs_bitmap_write(&bitmap, &out, &err), err);
    CHECK(out.len <= bytes.len);
    REQUIRE_OK(vs_bitmap_read(&again, vs_env_default(), vs_buf_view(&out), "copy", &err), err);
    CHECK_INT(vs_bitmap_cardinality(&again), cardinality);
    vs_bitmap_clear(&again);
    vs_bitmap_clear(&bitmap);
    vs_buf_clear(&out);
    vs_buf_clear(&bytes);
}

static void case_corpus(void)
{
    const char *shared = getenv("VECSTORE_SHARED");
    char root[4096];
    struct vs_store *store = NULL;
    struct vs_error err = {0};
    struct vs_buf text;
    struct vs_json_doc *doc = NULL;
    struct vs_json_limits limits = {.max_depth = 64};
    snprintf(root, sizeof root, "%s/data/conform", shared != NULL ? shared : "../shared");
    if (vs_store_open(vs_env_default(), root, false, &store, &err) != VS_OK) {
        SKIP("no data/conform in $VECSTORE_SHARED or ../shared");
    }
    vs_buf_init(&text, vs_env_default(), (size_t)64 << 20);
    REQUIRE_OK(vs_store_get(store, "expected.json", &text, &err), err);
    REQUIRE_OK(
        vs_json_parse(vs_env_default(), vs_buf_view(&text), "expected.json", &limits, &doc, &err),
        err);
    struct vs_json_iter iter;
    struct vs_str name;
    const struct vs_json *answer;
    size_t count = 0;
    vs_json_iter_init(&iter, vs_json_get(vs_json_root(doc), "deletes"));
    while (vs_json_iter_next(&iter, &name, &answer)) {
        check_file(store, name, answer);
        count++;
    }
    CHECK_INT(count, 5);
    vs_json_free(doc);
    vs_buf_clear(&text);
    vs_store_free(store);
}

TEST_MAIN(TEST(case_corpus))
