// SPDX-License-Identifier: Apache-2.0
/*
 * SHA-256 (FIPS 180-4). crypto.c is the only includer of OpenSSL.
 */
#ifndef VS_BASE_CRYPTO_H
#define VS_BASE_CRYPTO_H

#include "vecstore/base/status.h"

#include <stddef.h>
#include <stdint.h>

#define VS_SHA256_SIZE 32

enum vs_status vs_sha256(const void *bytes,
                         size_t n,
                         uint8_t digest_out[VS_SHA256_SIZE],
                         struct vs_error *err);
// 2 * n lower-case hexadecimal digits and a NUL.
void vs_hex_format(const uint8_t *bytes, size_t n, char *text_out);

#endif
