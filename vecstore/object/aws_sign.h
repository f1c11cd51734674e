// SPDX-License-Identifier: Apache-2.0
/*
 * AWS Signature Version 4, as a pure function over a request: S3, and REST catalogs behind it
 * (Glue, S3 Tables, execute-api).
 *
 * Spec: AWS General Reference "Signing AWS API requests"; rules that others get wrong: iceberg.md
 * 6.3. Threads: pure.
 */
#ifndef VS_OBJECT_AWS_SIGN_H
#define VS_OBJECT_AWS_SIGN_H

#include "vecstore/base/buf.h"
#include "vecstore/base/settings.h"

struct vs_aws_credentials { // empty access_key: anonymous, nothing is signed
    struct vs_str access_key, secret_key, session_token;
};

struct vs_aws_sign {
    const char *method;  // "GET"
    struct vs_str host;  // as sent, with a port that is not the scheme's own
    struct vs_str path;  // as on the wire, percent-encoded once
    struct vs_str query; // as on the wire, without '?'; sorted here
    const struct vs_pair
        *headers; // that will be sent and are to be signed (x-amz-*, content-type, …)
    size_t header_count;
    struct vs_str payload_sha256; // hex, or "UNSIGNED-PAYLOAD"
    bool is_s3;                   // S3: the path is encoded once and not normalised
    struct vs_str region, service;
    int64_t wall_ms;
};

#define VS_AWS_SIGNED_HEADERS_MAX 4
// Headers to add: x-amz-date, x-amz-content-sha256, x-amz-security-token, authorization; values
// live in text (reset first). Anonymous credentials give none.
enum vs_status vs_aws_sign(const struct vs_aws_sign *request,
                           const struct vs_aws_credentials *credentials,
                           struct vs_buf *text,
                           struct vs_pair headers_out[VS_AWS_SIGNED_HEADERS_MAX],
                           size_t *count_out,
                           struct vs_error *err);
// For tests: the canonical request and the string to sign of the same.
enum vs_status vs_aws_canonical_request(const struct vs_aws_sign *request,
                                        const struct vs_aws_credentials *credentials,
                                        struct vs_buf *out,
                                        struct vs_error *err);

#endif
