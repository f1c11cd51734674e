// SPDX-License-Identifier: Apache-2.0
#include "tests/support/check.h"
#include "vecstore/base/crypto.h"
#include "vecstore/base/str.h"

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

static void check_mac(struct vs_str key, struct vs_str bytes, const char *expected)
{
    struct vs_error err;
    uint8_t mac[VS_SHA256_SIZE];
    char text[2 * VS_SHA256_SIZE + 1];
    REQUIRE_OK(vs_hmac_sha256(key.ptr, key.len, bytes.ptr, bytes.len, mac, &err), err);
    vs_hex_format(mac, sizeof mac, text);
    CHECK_TEXT(text, expected);
}

// RFC 4231, test cases 1, 2 and 6; the MAC of nothing with an empty key.
static void case_hmac_vectors(void)
{
    static char long_key[131];
    memset(long_key, 0xAA, sizeof long_key);
    check_mac(
        VS_STR("\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b"),
        VS_STR("Hi There"), "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    check_mac(VS_STR("Jefe"), VS_STR("what do ya want for nothing?"),
              "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    check_mac((struct vs_str){long_key, sizeof long_key},
              VS_STR("Test Using Larger Than Block-Size Key - Hash Key First"),
              "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    check_mac((struct vs_str){NULL, 0}, (struct vs_str){NULL, 0},
              "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

// RFC 1321, appendix A.5.
static void case_md5_vectors(void)
{
    static const char *const texts[][2] = {
        {"", "d41d8cd98f00b204e9800998ecf8427e"},
        {"abc", "900150983cd24fb0d6963f7d28e17f72"},
        {"12345678901234567890123456789012345678901234567890123456789012345678901234567890",
         "57edf4a22be3c955ac49da2e2107b67a"},
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct vs_error err;
        uint8_t digest[VS_MD5_SIZE];
        char text[2 * VS_MD5_SIZE + 1];
        REQUIRE_OK(vs_md5(texts[i][0], strlen(texts[i][0]), digest, &err), err);
        vs_hex_format(digest, sizeof digest, text);
        CHECK_TEXT(text, texts[i][1]);
    }
}

// RFC 4648, section 10.
static void case_base64_vectors(void)
{
    static const char *const texts[][2] = {{"", ""},
                                           {"f", "Zg=="},
                                           {"fo", "Zm8="},
                                           {"foo", "Zm9v"},
                                           {"foob", "Zm9vYg=="},
                                           {"fooba", "Zm9vYmE="},
                                           {"foobar", "Zm9vYmFy"},
                                           {"\xff\xef\xfe", "/+/+"}};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        char text[16];
        vs_base64_format((const uint8_t *)texts[i][0], strlen(texts[i][0]), text);
        CHECK_TEXT(text, texts[i][1]);
        CHECK_INT(strlen(text), VS_BASE64_LEN(strlen(texts[i][0])));
    }
}

TEST_MAIN(TEST(case_published_vectors),
          TEST(case_hex),
          TEST(case_hmac_vectors),
          TEST(case_md5_vectors),
          TEST(case_base64_vectors))
