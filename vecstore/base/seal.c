// SPDX-License-Identifier: Apache-2.0
#include "vecstore/base/seal.h"

#include "vecstore/base/crc32c.h"

#include <string.h>

static void digits_of(const void *bytes, size_t n, size_t at, char digits[VS_SEAL_SIZE])
{
    const uint8_t *all = bytes;
    uint32_t crc = vs_crc32c(0, all, at);
    crc = vs_crc32c(crc, VS_SEAL_BLANK, VS_SEAL_SIZE);
    crc = vs_crc32c(crc, all + at + VS_SEAL_SIZE, n - at - VS_SEAL_SIZE);
    for (size_t i = 0; i < VS_SEAL_SIZE; i++) {
        digits[i] = "0123456789abcdef"[crc >> (28 - 4 * i) & 15];
    }
}

void vs_seal_write(void *bytes, size_t n, size_t at)
{
    char digits[VS_SEAL_SIZE];
    digits_of(bytes, n, at, digits);
    memcpy((uint8_t *)bytes + at, digits, sizeof digits);
}

bool vs_seal_holds(const void *bytes, size_t n, size_t at)
{
    char digits[VS_SEAL_SIZE];
    digits_of(bytes, n, at, digits);
    return memcmp((const uint8_t *)bytes + at, digits, sizeof digits) == 0;
}
