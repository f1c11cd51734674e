// SPDX-License-Identifier: Apache-2.0
// The only includer of OpenSSL.
#include "vecstore/base/crypto.h"

#include <openssl/evp.h>

enum vs_status vs_sha256(const void *bytes,
                         size_t n,
                         uint8_t digest_out[VS_SHA256_SIZE],
                         struct vs_error *err)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    if (EVP_Digest(n > 0 ? bytes : "", n, digest, &len, EVP_sha256(), NULL) != 1 ||
        len != VS_SHA256_SIZE) {
        return vs_fail(err, VS_INTERNAL, "the crypto library cannot compute SHA-256");
    }
    for (size_t i = 0; i < VS_SHA256_SIZE; i++) {
        digest_out[i] = digest[i];
    }
    return VS_OK;
}

void vs_hex_format(const uint8_t *bytes, size_t n, char *text_out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        text_out[2 * i] = digits[bytes[i] >> 4];
        text_out[2 * i + 1] = digits[bytes[i] & 15];
    }
    text_out[2 * n] = '\0';
}
