// SPDX-License-Identifier: Apache-2.0
#include "tests/support/check.h"
#include "tests/support/test_env.h"
#include "vecstore/base/uuid.h"

static void case_v4_bits(void)
{
    struct vs_uuid first = vs_uuid_new_v4(vs_env_default());
    struct vs_uuid second = vs_uuid_new_v4(vs_env_default());
    CHECK_INT(first.bytes[6] >> 4, 4);
    CHECK_INT(first.bytes[8] >> 6, 2);
    CHECK(memcmp(&first, &second, sizeof first) != 0);
}

static void case_v7_sorts_by_time(void)
{
    struct test_env test;
    char before[VS_UUID_TEXT_SIZE] = "";
    test_env_init(&test);
    for (int i = 0; i < 50; i++) {
        char text[VS_UUID_TEXT_SIZE];
        test.now_ms = 1645557742000 + (int64_t)i * 977; // RFC 9562, A.6 starts here
        struct vs_uuid uuid = vs_uuid_new_v7(&test.env);
        CHECK_INT(uuid.bytes[6] >> 4, 7);
        CHECK_INT(uuid.bytes[8] >> 6, 2);
        vs_uuid_format(uuid, text);
        CHECK(i > 0 || strncmp(text, "017f22e2-79b0-7", 15) == 0);
        CHECK(strcmp(before, text) < 0);
        memcpy(before, text, sizeof before);
    }
}

static void case_text_round_trip(void)
{
    static const char *const bad[] = {
        "",
        "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f",
        "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f00",
        "0f1e2d3c04b5a-6978-8796-a5b4c3d2e1f0",
        "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1fg",
        "{f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f}",
        "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1-0",
    };
    struct vs_error err;
    struct vs_uuid uuid;
    char text[VS_UUID_TEXT_SIZE];
    REQUIRE_OK(vs_uuid_parse(VS_STR("0F1e2d3c-4b5a-6978-8796-A5b4c3d2e1f0"), &uuid, &err), err);
    CHECK_INT(uuid.bytes[0], 0x0F);
    CHECK_INT(uuid.bytes[15], 0xF0);
    vs_uuid_format(uuid, text);
    CHECK_TEXT(text, "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CHECK_STATUS(vs_uuid_parse(vs_str_from_c(bad[i]), &uuid, &err), VS_INVALID);
        CHECK_INT(uuid.bytes[0], 0x0F); // untouched
    }
}

TEST_MAIN(TEST(case_v4_bits), TEST(case_v7_sorts_by_time), TEST(case_text_round_trip))
