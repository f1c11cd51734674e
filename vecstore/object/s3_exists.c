// SPDX-License-Identifier: Apache-2.0
/*
 * Whether an object is there, by HEAD. An answer to HEAD has no body, so a refusal does not say
 * why, and some gateways say 404 to a user they do not know. Unless these credentials have been
 * proved good, a 404 is therefore asked again by a GET of one byte.
 */
#include "vecstore/object/s3_internal.h"

#include <string.h>

void vs_s3_copy_etag(const struct vs_http_response *response, char etag_out[VS_ETAG_SIZE])
{
    struct vs_str etag = vs_http_header(response, "etag");
    etag_out[0] = '\0';
    if (etag.len > 0 && etag.len < VS_ETAG_SIZE) {
        memcpy(etag_out, etag.ptr, etag.len);
        etag_out[etag.len] = '\0';
    }
}

// The same question by a GET of the first byte, which 416 answers for an empty object.
static enum vs_status ask_by_get(struct vs_s3_store *store,
                                 const char *key,
                                 struct vs_s3_head *head_out,
                                 struct vs_error *err)
{
    struct vs_s3_answer answer;
    struct vs_s3_content_range range = {0};
    struct vs_s3_request request = {.action = "read", .method = VS_HTTP_GET, .key = key};
    vs_s3_add_header(&request, "range", VS_STR("bytes=0-0"));
    vs_s3_answer_init(&answer, store->base.env);
    enum vs_status status = vs_s3_send(store, &request, &answer, err);
    if (status == VS_OK && !vs_s3_is_ok(&answer) && answer.http.status != 416) {
        status = vs_s3_is_absent(&answer) ? VS_OK : vs_s3_fail(store, &request, &answer, err);
    } else if (status == VS_OK) {
        head_out->exists = true;
        (void)vs_s3_parse_content_range(vs_http_header(&answer.http, "content-range"), &range);
        head_out->size = range.total;
        vs_s3_copy_etag(&answer.http, head_out->etag);
    }
    vs_s3_answer_clear(&answer);
    return status;
}

static void take_head(const struct vs_http_response *response, struct vs_s3_head *head_out)
{
    struct vs_str length = vs_http_header(response, "content-length");
    head_out->exists = true;
    if (length.ptr == NULL || vs_parse_u64(length, &head_out->size, NULL) != VS_OK) {
        head_out->size = 0;
    }
    vs_s3_copy_etag(response, head_out->etag);
}

enum vs_status vs_s3_head(struct vs_s3_store *store,
                          const char *key,
                          struct vs_s3_head *head_out,
                          struct vs_error *err)
{
    struct vs_s3_answer answer;
    struct vs_s3_request request = {.action = "read", .method = VS_HTTP_HEAD, .key = key};
    struct vs_s3_head head = {0};
    vs_s3_answer_init(&answer, store->base.env);
    enum vs_status status = vs_s3_send(store, &request, &answer, err);
    bool proven = atomic_load_explicit(&store->proven, memory_order_relaxed);
    if (status == VS_OK && vs_s3_is_ok(&answer)) {
        take_head(&answer.http, &head);
    } else if (status == VS_OK && !(proven && answer.http.status == 404)) {
        status = ask_by_get(store, key, &head, err);
    }
    vs_s3_answer_clear(&answer);
    if (status == VS_OK) {
        *head_out = head;
    }
    return status;
}

enum vs_status vs_s3_exists(struct vs_store *store,
                            const char *key,
                            bool *exists_out,
                            struct vs_error *err)
{
    struct vs_s3_head head = {0};
    VS_TRY(vs_s3_head((struct vs_s3_store *)store, key, &head, err));
    *exists_out = head.exists;
    return VS_OK;
}
