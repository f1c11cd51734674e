// SPDX-License-Identifier: Apache-2.0
/*
 * Any bytes as base64 to every kernel table: all say the same as the plain one, write nothing
 * behind the room that they ask for (the sanitizer sees it), and what they accept encodes to the
 * same text.
 */
#include "simd/kernels.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// The text that the bytes have in base64 is the one given.
static void check_text(const uint8_t *bytes, size_t len, const char *text)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < len; i += 3) {
        uint32_t bits = (uint32_t)bytes[i] << 16 | (i + 1 < len ? (uint32_t)bytes[i + 1] << 8 : 0) |
                        (i + 2 < len ? bytes[i + 2] : 0);
        for (unsigned j = 0; j < 4; j++, text++) {
            if (*text != (i + j <= len ? alphabet[bits >> (18 - 6 * j) & 63] : '=')) {
                abort();
            }
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t room = size / 4 * 3;
    char *text = malloc(size > 0 ? size : 1);
    uint8_t *plain = malloc(room + 1), *out = malloc(room > 0 ? room : 1);
    if (text != NULL && plain != NULL && out != NULL) {
        if (size > 0) {
            memcpy(text, data, size);
        }
        size_t expected = vs_kernels_find("scalar")->base64_decode(text, size, plain);
        if (expected != SIZE_MAX) {
            check_text(plain, expected, text);
        }
        for (const struct vs_kernels *const *table = vs_kernels_all(); *table != NULL; table++) {
            size_t got = (*table)->base64_decode(text, size, out);
            if (got != expected || (got != SIZE_MAX && memcmp(out, plain, got) != 0)) {
                abort();
            }
        }
    }
    free(text);
    free(plain);
    free(out);
    return 0;
}
