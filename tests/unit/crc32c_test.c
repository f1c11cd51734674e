// SPDX-License-Identifier: Apache-2.0
#include "tests/support/check.h"
#include "vecstore/base/crc32c.h"
#include "vecstore/base/crc32c_internal.h"

// Bit by bit, straight from the definition.
static uint32_t crc_reference(const uint8_t *bytes, size_t n)
{
    uint32_t state = 0xFFFFFFFFu;
    for (size_t i = 0; i < n; i++) {
        state ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) {
            state = (state & 1) != 0 ? (state >> 1) ^ 0x82F63B78u : state >> 1;
        }
    }
    return ~state;
}

static void case_published_vectors(void)
{
    uint8_t bytes[32];
    CHECK_INT(vs_crc32c(0, "123456789", 9), 0xE3069283u);
    CHECK_INT(vs_crc32c(0, "", 0), 0);
    // RFC 3720, B.4
    memset(bytes, 0, sizeof bytes);
    CHECK_INT(vs_crc32c(0, bytes, sizeof bytes), 0x8A9136AAu);
    memset(bytes, 0xFF, sizeof bytes);
    CHECK_INT(vs_crc32c(0, bytes, sizeof bytes), 0x62A8AB43u);
    for (int i = 0; i < 32; i++) {
        bytes[i] = (uint8_t)i;
    }
    CHECK_INT(vs_crc32c(0, bytes, sizeof bytes), 0x46DD794Eu);
    for (int i = 0; i < 32; i++) {
        bytes[i] = (uint8_t)(31 - i);
    }
    CHECK_INT(vs_crc32c(0, bytes, sizeof bytes), 0x113FDB5Cu);
    static const uint8_t read_command[48] = {
        0x01, 0xC0, 0, 0, 0, 0, 0,    0, 0,    0, 0, 0,    0, 0, 0, 0,
        0x14, 0,    0, 0, 0, 0, 0x04, 0, 0,    0, 0, 0x14, 0, 0, 0, 0x18,
        0x28, 0,    0, 0, 0, 0, 0,    0, 0x02, 0, 0, 0,    0, 0, 0, 0};
    CHECK_INT(vs_crc32c(0, read_command, sizeof read_command), 0xD9963A56u);
}

static uint8_t data[70000];

static void case_all_lengths_and_offsets(void)
{
    uint32_t state = 12345;
    for (size_t i = 0; i < sizeof data; i++) {
        state = state * 1664525u + 1013904223u;
        data[i] = (uint8_t)(state >> 24);
    }
    for (size_t n = 0; n < 1600; n++) {
        size_t offset = n % 17;
        CHECK_INT(vs_crc32c(0, data + offset, n), crc_reference(data + offset, n));
        CHECK_INT(vs_crc32c_portable(0, data + offset, n), crc_reference(data + offset, n));
    }
    static const size_t lengths[] = {24575, 24576, 24577, 49152, 65536, 69990};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        CHECK_INT(vs_crc32c(0, data + 3, lengths[i]), crc_reference(data + 3, lengths[i]));
    }
}

static void case_pieces_equal_the_whole(void)
{
    uint32_t whole = vs_crc32c(0, data, 50000);
    for (size_t cut = 0; cut <= 50000; cut += 997) {
        CHECK_INT(vs_crc32c(vs_crc32c(0, data, cut), data + cut, 50000 - cut), whole);
        CHECK_INT(vs_crc32c_portable(vs_crc32c(0, data, cut), data + cut, 50000 - cut), whole);
        CHECK_INT(vs_crc32c_join(vs_crc32c(0, data, cut), vs_crc32c(0, data + cut, 50000 - cut),
                                 50000 - cut),
                  whole);
    }
}

TEST_MAIN(TEST(case_published_vectors),
          TEST(case_all_lengths_and_offsets),
          TEST(case_pieces_equal_the_whole))
