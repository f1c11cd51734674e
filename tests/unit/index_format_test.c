// SPDX-License-Identifier: Apache-2.0
#include "index/descriptor.h"
#include "index/index_format.h"
#include "tests/support/check.h"
#include "tests/support/test_env.h"
#include "vecstore/base/bytes.h"
#include "vecstore/base/crc32c.h"

#define LISTS 3

static const struct vs_list_record good_lists[LISTS] = {
    {.offset = 64, .entry_count = 33, .slot_count = 33, .radius = 1.5F},
    {.offset = 64 + 256, .first_slot = 33},
    {.offset = 64 + 256, .entry_count = 2, .first_slot = 33, .slot_count = 2}};

struct hot {
    struct vs_list_record lists[LISTS];
    struct vs_hot_facts facts;
    struct vs_hot_expect expect;
    uint8_t bytes[VS_SECTION_HEADER_SIZE + LISTS * VS_LIST_RECORD_SIZE];
};

// m = 2: a list of 33 entries has 2 * 32 + 4 * 33 = 196 bytes, one of 2 entries 32 + 8 = 40.
static struct hot make_hot(void)
{
    struct hot hot = {.facts = {LISTS, 2, 35, 35, 0}};
    memcpy(hot.lists, good_lists, sizeof good_lists);
    hot.expect =
        (struct vs_hot_expect){LISTS, 2, 10, 40, 64 + 256 + 64, vs_rows_blob_length(35, 10)};
    return hot;
}

static void encode_hot(struct hot *hot)
{
    for (size_t i = 0; i < LISTS; i++) {
        vs_list_record_encode(&hot->lists[i],
                              hot->bytes + VS_SECTION_HEADER_SIZE + i * VS_LIST_RECORD_SIZE);
    }
    vs_hot_header_encode(&hot->facts, hot->bytes + VS_SECTION_HEADER_SIZE, hot->bytes);
}

static enum vs_status decode_hot(struct hot *hot, struct vs_error *err)
{
    struct vs_list_record records[LISTS];
    struct vs_hot_facts facts;
    return vs_hot_decode(hot->bytes, sizeof hot->bytes, &hot->expect, "test", &facts, records, err);
}

static void directory_comes_back(void)
{
    struct vs_error err;
    struct hot hot = make_hot();
    encode_hot(&hot);
    struct vs_list_record records[LISTS];
    struct vs_hot_facts facts;
    REQUIRE_OK(
        vs_hot_decode(hot.bytes, sizeof hot.bytes, &hot.expect, "test", &facts, records, &err),
        err);
    CHECK_INT(facts.entry_count, 35);
    for (size_t i = 0; i < LISTS; i++) {
        CHECK_INT(records[i].offset, good_lists[i].offset);
        CHECK_INT(records[i].slot_count, good_lists[i].slot_count);
    }
    CHECK(records[0].radius == 1.5F);
}

static void directory_rejects(void)
{
    struct vs_error err;
    struct hot hot = make_hot();
    hot.lists[1].offset += 64;
    encode_hot(&hot);
    CHECK_STATUS(decode_hot(&hot, &err), VS_CORRUPT);
    hot = make_hot();
    hot.lists[0].entry_count = UINT32_MAX;
    encode_hot(&hot);
    CHECK_STATUS(decode_hot(&hot, &err), VS_CORRUPT);
    hot = make_hot();
    hot.lists[2].first_slot = 0;
    encode_hot(&hot);
    CHECK_STATUS(decode_hot(&hot, &err), VS_CORRUPT);
    hot = make_hot();
    hot.lists[0].radius = NAN;
    encode_hot(&hot);
    CHECK_STATUS(decode_hot(&hot, &err), VS_CORRUPT);
    hot = make_hot();
    hot.facts.flags = 2;
    encode_hot(&hot);
    CHECK_STATUS(decode_hot(&hot, &err), VS_UNSUPPORTED);
    hot = make_hot();
    hot.facts.slot_count = 34; // without the flag, entries and slots are equal
    encode_hot(&hot);
    CHECK_STATUS(decode_hot(&hot, &err), VS_CORRUPT);
    hot = make_hot(); // the sums agree, the lists do not: one has more slots than entries
    hot.lists[0].slot_count -= 1;
    hot.lists[1].first_slot -= 1;
    hot.lists[2].first_slot -= 1;
    hot.lists[2].slot_count += 1;
    encode_hot(&hot);
    CHECK_STATUS(decode_hot(&hot, &err), VS_CORRUPT);
    hot = make_hot();
    hot.expect.row_count = 34;
    encode_hot(&hot);
    CHECK_STATUS(decode_hot(&hot, &err), VS_CORRUPT);
    hot = make_hot();
    hot.expect.lists_length += 64;
    encode_hot(&hot);
    CHECK_STATUS(decode_hot(&hot, &err), VS_CORRUPT);
}

static void every_flipped_bit_of_a_directory_is_seen(void)
{
    struct vs_error err;
    struct hot hot = make_hot();
    encode_hot(&hot);
    for (size_t i = 0; i < sizeof hot.bytes * 8; i++) {
        hot.bytes[i / 8] ^= (uint8_t)(1u << (i % 8));
        CHECK(decode_hot(&hot, &err) != VS_OK);
        hot.bytes[i / 8] ^= (uint8_t)(1u << (i % 8));
    }
    CHECK_OK(decode_hot(&hot, &err), err);
}

static void header_is_as_documented(void)
{
    uint8_t bytes[VS_SECTION_HEADER_SIZE];
    struct vs_section_header header = {.length = 0x1122334455667788, .values = {7, 8}};
    vs_section_header_encode(VS_SECTION_ROWS, &header, bytes);
    CHECK(memcmp(bytes, "VSROWS\0\0", 8) == 0);
    CHECK_INT(vs_load_u32le(bytes + 8), 1);
    CHECK_INT(vs_load_u32le(bytes + 12), 64);
    CHECK(vs_load_u64le(bytes + 16) == 0x1122334455667788);
    CHECK_INT(vs_load_u32le(bytes + 24), 7);
    CHECK_INT(vs_load_u32le(bytes + 28), 8);
    CHECK_INT(vs_load_u32le(bytes + 60), vs_crc32c(0, bytes, 60));
    struct vs_error err;
    struct vs_section_header back;
    CHECK_STATUS(
        vs_section_header_decode(VS_SECTION_LISTS, bytes, header.length, "test", &back, &err),
        VS_CORRUPT);
    CHECK_STATUS(
        vs_section_header_decode(VS_SECTION_ROWS, bytes, header.length + 1, "test", &back, &err),
        VS_CORRUPT);
    CHECK_OK(vs_section_header_decode(VS_SECTION_ROWS, bytes, header.length, "test", &back, &err),
             err);
    vs_store_u32le(bytes + 8, 2);
    vs_store_u32le(bytes + 60, vs_crc32c(0, bytes, 60));
    CHECK_STATUS(
        vs_section_header_decode(VS_SECTION_ROWS, bytes, header.length, "test", &back, &err),
        VS_UNSUPPORTED);
}

static void vectors_layout_is_as_documented(void)
{
    struct vs_vectors_layout layout;
    REQUIRE(vs_vectors_layout(513, 3, 4, &layout));
    CHECK_INT(layout.presence,
              64 + 6208); // 513 * 12 = 6156 after the header, up to a multiple of 64
    CHECK_INT(layout.row_crcs, layout.presence + 128);
    CHECK_INT(layout.crc, layout.row_crcs + (size_t)4 * 513);
    CHECK_INT(layout.length, layout.crc + 4);
    REQUIRE(vs_vectors_layout(513, 3, 2, &layout)); // binary16
    CHECK_INT(layout.presence, 64 + 3136);          // 513 * 6 = 3078
    CHECK_INT(layout.length, layout.presence + 128 + (size_t)4 * 513 + 4);
    CHECK(!vs_vectors_layout(UINT64_MAX, 3, 4, &layout));
    CHECK(!vs_vectors_layout(1, 20000, 2, &layout));
}

// ---- descriptor ----

static const char good_descriptor[] =
    "{\"format\":\"vecstore-index\",\"version\":1,\"required-features\":[],\"index-uuid\":"
    "\"00000000-0000-4000-8000-000000000001\","
    "\"table-uuid\":\"00000000-0000-4000-8000-000000000002\",\"snapshot-id\":9007199254740993,"
    "\"sequence-number\":4,\"created-ms\":5,\"id-field\":1,"
    "\"fields\":[{\"id\":1,\"name\":\"id\",\"type\":\"long\",\"required\":true,\"place\":\"attrs\"}"
    ","
    "{\"id\":2,\"name\":\"e\",\"type\":\"list<float>\",\"required\":false,\"element-id\":3,"
    "\"element-required\":false,\"place\":\"vectors\"}],"
    "\"columns\":[{\"field-id\":2,\"name\":\"e\",\"dimension\":8,\"metric\":\"l2\",\"normalized\":"
    "false,\"model\":\"\",\"model-id\":\"ab\",\"lists\":4,\"m\":2,"
    "\"projected-dimension\":4,\"exact-rows\":true,\"measured\":{\"queries\":\"rows\",\"count\":3,"
    "\"excluded-neighbours\":1,\"perturbation\":1.5},"
    "\"recall\":[{\"k\":10,\"nprobe\":2,\"rerank\":20,\"recall\":0.9,\"scanned\":0.5}]}],"
    "\"segments\":[{\"rows\":12,\"files\":[{\"path\":\"a\",\"rows\":12,\"sequence-number\":4,"
    "\"first-row\":0}],"
    "\"columns\":[{\"vectors\":11,\"organised\":\"lists\"}],\"attrs\":[{\"field-id\":1,\"offset\":"
    "0,\"length\":99}]}],"
    "\"blobs\":[{\"type\":\"vecstore-hot-v1\",\"segment\":0,\"field-id\":2,\"offset\":64,"
    "\"length\":128,\"crc32c\":4294967295}],\"build\":{\"seed\":1}}";

static enum vs_status decode_text(struct test_env *test,
                                  const char *text,
                                  struct vs_buf *again,
                                  struct vs_error *err)
{
    struct vs_arena arena;
    struct vs_descriptor d;
    vs_arena_init(&arena, &test->env, 0);
    enum vs_status status =
        vs_descriptor_decode(&test->env, vs_str_from_c(text), "test", &arena, &d, err);
    if (status == VS_OK && again != NULL) {
        status = vs_descriptor_encode(&d, again, err);
    }
    vs_arena_clear(&arena);
    return status;
}

static void descriptor_comes_back_byte_for_byte(void)
{
    struct test_env test;
    struct vs_error err;
    struct vs_buf again;
    test_env_init(&test);
    vs_buf_init(&again, &test.env, 65536);
    REQUIRE_OK(decode_text(&test, good_descriptor, &again, &err), err);
    CHECK_TEXT(vs_buf_c_str(&again), good_descriptor);
    vs_buf_clear(&again);
    CHECK_INT(test.live, 0);
}

// Each case replaces one piece of the good text.
static void descriptor_rejects(void)
{
    static const struct {
        const char *old, *new;
        enum vs_status expected;
    } cases[] = {{"\"version\":1", "\"version\":3", VS_UNSUPPORTED},
                 {"\"version\":1", "\"version\":2", VS_CORRUPT}, // without moved files
                 {"\"required-features\":[]", "\"required-features\":[\"x\"]", VS_UNSUPPORTED},
                 {"\"vecstore-index\"", "\"other\"", VS_CORRUPT},
                 {"\"dimension\":8", "\"dimension\":0", VS_CORRUPT},
                 {"\"dimension\":8", "\"dimension\":16385", VS_CORRUPT},
                 {"\"dimension\":8", "\"dimension\":8.5", VS_CORRUPT},
                 {"\"l2\"", "\"l3\"", VS_CORRUPT},
                 {"\"rows\":12,\"files\"", "\"rows\":13,\"files\"", VS_CORRUPT},
                 {"\"vectors\":11", "\"vectors\":13", VS_CORRUPT},
                 {"\"first-row\":0", "\"first-row\":1", VS_CORRUPT},
                 {"\"organised\":\"lists\"", "\"organised\":\"trees\"", VS_CORRUPT},
                 {"\"lists\":4", "\"lists\":0", VS_CORRUPT},
                 {"\"id-field\":1", "\"id-field\":7", VS_CORRUPT},
                 {"\"field-id\":2,\"name\"", "\"field-id\":1,\"name\"", VS_CORRUPT},
                 {"\"recall\":0.9", "\"recall\":1.1", VS_CORRUPT},
                 {"\"segment\":0", "\"segment\":1", VS_CORRUPT},
                 {"\"type\":\"long\"", "\"type\":\"struct\"", VS_CORRUPT},
                 {"\"place\":\"attrs\"", "\"place\":\"cellar\"", VS_CORRUPT},
                 {"\"crc32c\":4294967295", "\"crc32c\":4294967296", VS_CORRUPT},
                 {"\"k\":10,", "", VS_CORRUPT}};
    struct test_env test;
    test_env_init(&test);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[4096];
        struct vs_error err = {0};
        const char *at = strstr(good_descriptor, cases[i].old);
        REQUIRE(at != NULL);
        snprintf(text, sizeof text, "%.*s%s%s", (int)(at - good_descriptor), good_descriptor,
                 cases[i].new, at + strlen(cases[i].old));
        enum vs_status status = decode_text(&test, text, NULL, &err);
        if (status != cases[i].expected) {
            fprintf(stderr, "    %s -> %s: %s\n", cases[i].old, cases[i].new,
                    status == VS_OK ? "accepted" : err.message);
        }
        CHECK_INT(status, cases[i].expected);
        CHECK_INT(test.live, 0);
    }
}

static void descriptor_survives_failing_allocations(void)
{
    struct test_env test;
    struct vs_error err;
    for (long n = 0;; n++) {
        test_env_init(&test);
        test.fail_at = n;
        enum vs_status status = decode_text(&test, good_descriptor, NULL, &err);
        CHECK_INT(test.live, 0);
        if (!test.failed) {
            CHECK_INT(status, VS_OK);
            break;
        }
        CHECK(status == VS_NO_MEMORY || status == VS_OK); // a buffer may do with less
    }
}

TEST_MAIN(TEST(directory_comes_back),
          TEST(directory_rejects),
          TEST(every_flipped_bit_of_a_directory_is_seen),
          TEST(header_is_as_documented),
          TEST(vectors_layout_is_as_documented),
          TEST(descriptor_comes_back_byte_for_byte),
          TEST(descriptor_rejects),
          TEST(descriptor_survives_failing_allocations))
