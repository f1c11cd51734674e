// SPDX-License-Identifier: Apache-2.0
/*
 * SHA-256 (FIPS 180-4), HMAC over it (RFC 2104), MD5 (RFC 1321, only for the Content-MD5 that S3
 * asks for) and Base64 (RFC 4648). crypto.c is the only includer of OpenSSL. Threads: pure.
 */
#ifndef VS_BASE_CRYPTO_H
#define VS_BASE_CRYPTO_H

#include "vecstore/base/status.h"

#include <stddef.h>
#include <stdint.h>

#define VS_SHA256_SIZE 32
#define VS_MD5_SIZE 16

enum vs_status vs_sha256(const void *bytes,
                         size_t n,
                         uint8_t digest_out[VS_SHA256_SIZE],
                         struct vs_error *err);
enum vs_status vs_hmac_sha256(const void *key,
                              size_t key_len,
                              const void *bytes,
                              size_t n,
                              uint8_t mac_out[VS_SHA256_SIZE],
                              struct vs_error *err);
enum vs_status vs_md5(const void *bytes,
                      size_t n,
                      uint8_t digest_out[VS_MD5_SIZE],
                      struct vs_error *err);
// Length of the Base64 text of n bytes, with padding and without the NUL.
#define VS_BASE64_LEN(n) (((n) + 2) / 3 * 4)
// VS_BASE64_LEN(n) characters of the standard alphabet and a NUL.
void vs_base64_format(const uint8_t *bytes, size_t n, char *text_out);
// 2 * n lower-case hexadecimal digits and a NUL.
void vs_hex_format(const uint8_t *bytes, size_t n, char *text_out);

#endif
