// SPDX-License-Identifier: Apache-2.0
#include "tests/support/check.h"
#include "vecstore/base/crypto.h"

static void check_digest(const void *bytes, size_t n, const char *expected)
{
    struct vs_error err;
    uint8_t digest[VS_SHA256_SIZE];
    char text[2 * VS_SHA256_SIZE + 1];
    REQUIRE_OK(vs_sha256(bytes, n, digest, &err), err);
    vs_hex_format(digest, sizeof digest, text);
    CHECK_TEXT(text, expected);
}

// FIPS 180-4 examples and the NIST long message.
static void case_published_vectors(void)
{
    static char million[1000000];
    memset(million, 'a', sizeof million);
    check_digest("", 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    check_digest(NULL, 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    check_digest("abc", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    check_digest("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56,
                 "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    check_digest(million, sizeof million,
                 "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static void case_hex(void)
{
    static const uint8_t bytes[] = {0x00, 0x0F, 0xF0, 0xAB, 0xFF};
    char text[11];
    vs_hex_format(bytes, sizeof bytes, text);
    CHECK_TEXT(text, "000ff0abff");
    vs_hex_format(bytes, 0, text);
    CHECK_TEXT(text, "");
}

TEST_MAIN(TEST(case_published_vectors), TEST(case_hex))
