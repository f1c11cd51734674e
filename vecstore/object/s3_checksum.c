// SPDX-License-Identifier: Apache-2.0
// Checksums in the spelling of S3: base64 of big-endian bytes.
#include "vecstore/base/crc32c.h"
#include "vecstore/base/crypto.h"
#include "vecstore/object/s3_internal.h"

void vs_s3_crc_text(const void *bytes, size_t n, char text_out[VS_S3_CRC_TEXT_SIZE])
{
    uint32_t crc = vs_crc32c(0, bytes, n);
    uint8_t digest[4] = {(uint8_t)(crc >> 24), (uint8_t)(crc >> 16), (uint8_t)(crc >> 8),
                         (uint8_t)crc};
    vs_base64_format(digest, sizeof digest, text_out);
}

enum vs_status vs_s3_md5_text(const void *bytes,
                              size_t n,
                              char text_out[VS_S3_MD5_TEXT_SIZE],
                              struct vs_error *err)
{
    uint8_t digest[VS_MD5_SIZE];
    VS_TRY(vs_md5(bytes, n, digest, err));
    vs_base64_format(digest, sizeof digest, text_out);
    return VS_OK;
}

enum vs_status vs_s3_check_crc(const struct vs_s3_answer *answer,
                               struct vs_str bytes,
                               const char *name,
                               struct vs_error *err)
{
    char text[VS_S3_CRC_TEXT_SIZE];
    struct vs_str sent = vs_http_header(&answer->http, "x-amz-checksum-crc32c");
    if (sent.len != VS_S3_CRC_TEXT_SIZE - 1) { // absent, or of parts ("…-3")
        return VS_OK;
    }
    vs_s3_crc_text(bytes.ptr, bytes.len, text);
    if (!vs_str_equal_c(sent, text)) {
        return vs_fail(err, VS_CORRUPT,
                       "%s came with CRC-32C %.*s but has %s: it was damaged on the way; read it "
                       "again",
                       name, VS_STR_SHORT(sent), text);
    }
    return VS_OK;
}
