// SPDX-License-Identifier: Apache-2.0
// The only includer of OpenSSL.
#include "vecstore/base/crypto.h"

#include <limits.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

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
    memcpy(digest_out, digest, VS_SHA256_SIZE);
    return VS_OK;
}

enum vs_status vs_hmac_sha256(const void *key,
                              size_t key_len,
                              const void *bytes,
                              size_t n,
                              uint8_t mac_out[VS_SHA256_SIZE],
                              struct vs_error *err)
{
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    enum vs_status status = VS_OK;
    if (key_len > INT_MAX ||
        HMAC(EVP_sha256(), key_len > 0 ? key : "", (int)key_len,
             (const unsigned char *)(n > 0 ? bytes : ""), n, mac, &len) == NULL ||
        len != VS_SHA256_SIZE) {
        status = vs_fail(err, VS_INTERNAL, "the crypto library cannot compute HMAC-SHA-256");
    } else {
        memcpy(mac_out, mac, VS_SHA256_SIZE);
    }
    OPENSSL_cleanse(mac, sizeof mac); // it may be a key of the next step
    return status;
}

enum vs_status vs_md5(const void *bytes,
                      size_t n,
                      uint8_t digest_out[VS_MD5_SIZE],
                      struct vs_error *err)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    if (EVP_Digest(n > 0 ? bytes : "", n, digest, &len, EVP_md5(), NULL) != 1 ||
        len != VS_MD5_SIZE) {
        return vs_fail(err, VS_UNSUPPORTED,
                       "the crypto library cannot compute MD5; it may be set to refuse it (FIPS)");
    }
    memcpy(digest_out, digest, VS_MD5_SIZE);
    return VS_OK;
}

void vs_base64_format(const uint8_t *bytes, size_t n, char *text_out)
{
    static const char digits[] = // and what stands for none
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";
    char *out = text_out;
    for (size_t i = 0; i < n; i += 3) {
        size_t left = n - i;
        uint32_t group = (uint32_t)bytes[i] << 16;
        group |= left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0;
        group |= left > 2 ? bytes[i + 2] : 0;
        *out++ = digits[group >> 18];
        *out++ = digits[(group >> 12) & 63];
        *out++ = digits[left > 1 ? (group >> 6) & 63 : 64];
        *out++ = digits[left > 2 ? group & 63 : 64];
    }
    *out = '\0';
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
