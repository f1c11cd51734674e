// SPDX-License-Identifier: Apache-2.0
/*
 * Whole objects by one PUT. A conditional one decides a commit, so it is sent once: were an
 * unanswered one repeated here, the refusal of the second could be caused by the first.
 */
#include "vecstore/object/s3_internal.h"

// The request of a put; crc has room for a checksum that the headers borrow.
static struct vs_s3_request put_request(const struct vs_s3_store *store,
                                        const char *key,
                                        struct vs_str bytes,
                                        char crc[VS_S3_CRC_TEXT_SIZE])
{
    struct vs_s3_request request = {
        .action = "write", .method = VS_HTTP_PUT, .key = key, .body = bytes};
    vs_s3_add_header(&request, "content-type", VS_STR("application/octet-stream"));
    vs_s3_add_header(&request, "x-amz-meta-vecstore", VS_STR(VECSTORE_VERSION));
    vs_s3_add_sse_headers(store, &request);
    if (store->config.checksum) {
        vs_s3_crc_text(bytes.ptr, bytes.len, crc);
        vs_s3_add_header(&request, "x-amz-checksum-crc32c", vs_str_from_c(crc));
    }
    return request;
}

static enum vs_status put_once(struct vs_s3_store *store,
                               const struct vs_s3_request *request,
                               enum vs_status lost,
                               struct vs_error *err)
{
    struct vs_s3_answer answer;
    vs_s3_answer_init(&answer, store->base.env);
    enum vs_status status = vs_s3_send(store, request, &answer, err);
    if (status == VS_OK && !vs_s3_is_ok(&answer)) {
        status = vs_s3_fail_once(store, request, &answer, lost, err);
    }
    vs_s3_answer_clear(&answer);
    return status;
}

enum vs_status vs_s3_put(struct vs_store *base,
                         const char *key,
                         struct vs_str bytes,
                         enum vs_put_mode mode,
                         struct vs_error *err)
{
    struct vs_s3_store *store = (struct vs_s3_store *)base;
    char crc[VS_S3_CRC_TEXT_SIZE];
    struct vs_s3_request request = put_request(store, key, bytes, crc);
    if (mode == VS_PUT_IF_ABSENT) {
        request.once = true;
        vs_s3_add_header(&request, "if-none-match", VS_STR("*"));
        return put_once(store, &request, VS_EXISTS, err);
    }
    struct vs_s3_answer answer;
    vs_s3_answer_init(&answer, base->env);
    enum vs_status status = vs_s3_call(store, &request, &answer, err);
    vs_s3_answer_clear(&answer);
    return status;
}

enum vs_status vs_s3_put_match(struct vs_store *base,
                               const char *key,
                               struct vs_str bytes,
                               const char *etag,
                               struct vs_error *err)
{
    struct vs_s3_store *store = (struct vs_s3_store *)base;
    char crc[VS_S3_CRC_TEXT_SIZE];
    if (etag[0] == '\0') {
        return vs_fail(err, VS_INVALID, "cannot replace %s: the state to replace has no tag", key);
    }
    struct vs_s3_request request = put_request(store, key, bytes, crc);
    request.once = true;
    vs_s3_add_header(&request, "if-match", vs_str_from_c(etag));
    return put_once(store, &request, VS_CONFLICT, err);
}
