// SPDX-License-Identifier: Apache-2.0
/*
 * Copies inside the bucket, without the bytes coming here: CopyObject, and UploadPartCopy for
 * objects that are too large for it.
 */
#include "vecstore/object/s3_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum vs_status vs_s3_source_name(const struct vs_s3_store *store,
                                 const char *key,
                                 struct vs_buf *out,
                                 struct vs_error *err)
{
    struct vs_buf full;
    VS_TRY(vs_buf_printf(out, err, "/%s/", store->bucket));
    vs_buf_init(&full, store->base.env, SIZE_MAX / 2);
    enum vs_status status = vs_s3_full_key(store, key, &full, err);
    status = status == VS_OK ? vs_url_encode(vs_buf_view(&full), true, out, err) : status;
    vs_buf_clear(&full);
    return status;
}

static void add_source(struct vs_s3_request *request, struct vs_str source, const char *etag)
{
    vs_s3_add_header(request, "x-amz-copy-source", source);
    if (etag[0] != '\0') {
        vs_s3_add_header(request, "x-amz-copy-source-if-match", vs_str_from_c(etag));
    }
}

static enum vs_status copy_whole(struct vs_s3_store *store,
                                 struct vs_str source,
                                 const struct vs_s3_head *head,
                                 const char *to,
                                 struct vs_error *err)
{
    struct vs_s3_answer answer;
    struct vs_s3_request request = {
        .action = "copy to", .method = VS_HTTP_PUT, .key = to, .error_in_ok = true};
    add_source(&request, source, head->etag);
    vs_s3_add_sse_headers(store, &request);
    vs_s3_answer_init(&answer, store->base.env);
    enum vs_status status = vs_s3_call(store, &request, &answer, err);
    vs_s3_answer_clear(&answer);
    return status;
}

// The store makes a checksum of the part where the upload was begun with one.
static enum vs_status take_part(const struct vs_s3_store *store,
                                const char *key,
                                struct vs_str document,
                                struct vs_s3_part *part,
                                struct vs_error *err)
{
    const struct vs_env *env = store->base.env;
    struct vs_error reason = {0};
    char *etag = vs_s3_document_text(env, document, "ETag", &reason);
    if (etag == NULL) {
        return vs_fail(err, reason.code, "cannot copy to %s: %s", key, reason.message);
    }
    (void)snprintf(part->etag, sizeof part->etag, "%s", etag);
    vs_free(env, etag);
    if (!store->config.checksum) {
        return VS_OK;
    }
    char *crc = vs_s3_document_text(env, document, "ChecksumCRC32C", &reason);
    if (crc == NULL && reason.code == VS_NO_MEMORY) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory copying to %s", key);
    }
    if (crc != NULL && strlen(crc) < sizeof part->crc) {
        (void)snprintf(part->crc, sizeof part->crc, "%s", crc);
    }
    vs_free(env, crc);
    return VS_OK;
}

static enum vs_status send_part_copy(struct vs_s3_store *store,
                                     const struct vs_s3_request *request,
                                     struct vs_s3_part *part_out,
                                     struct vs_error *err)
{
    struct vs_s3_answer answer;
    struct vs_s3_part part = {.etag = ""};
    vs_s3_answer_init(&answer, store->base.env);
    enum vs_status status = vs_s3_call(store, request, &answer, err);
    if (status == VS_OK) {
        status = take_part(store, request->key, vs_buf_view(&answer.http.body), &part, err);
    }
    part.settled = status != VS_UNAVAILABLE && status != VS_NO_MEMORY &&
                   answer.http.outcome == VS_HTTP_ANSWERED && answer.attempts == 1;
    vs_s3_answer_clear(&answer);
    *part_out = part;
    return status;
}

enum vs_status vs_s3_upload_part_copy(struct vs_s3_store *store,
                                      const char *key,
                                      const char *upload_id,
                                      size_t number,
                                      const struct vs_s3_source *source,
                                      struct vs_s3_part *part_out,
                                      struct vs_error *err)
{
    char range[64];
    struct vs_buf query;
    struct vs_s3_request request = {
        .action = "copy to", .method = VS_HTTP_PUT, .key = key, .error_in_ok = true};
    (void)snprintf(range, sizeof range, "bytes=%" PRIu64 "-%" PRIu64, source->first,
                   source->first + source->length - 1);
    add_source(&request, source->name, source->etag);
    vs_s3_add_header(&request, "x-amz-copy-source-range", vs_str_from_c(range));
    vs_buf_init(&query, store->base.env, VS_S3_XML_MAX);
    enum vs_status status = vs_buf_printf(&query, err, "partNumber=%zu&uploadId=", number);
    if (status == VS_OK) {
        status = vs_url_encode(vs_str_from_c(upload_id), false, &query, err);
    }
    request.query = status == VS_OK ? vs_buf_c_str(&query) : NULL;
    if (status == VS_OK) {
        status = request.query == NULL
                     ? vs_fail(err, VS_NO_MEMORY, "out of memory copying to %s", key)
                     : send_part_copy(store, &request, part_out, err);
    }
    vs_buf_clear(&query);
    return status;
}

static enum vs_status copy_parts(struct vs_s3_store *store,
                                 struct vs_str source,
                                 const struct vs_s3_head *head,
                                 const char *to,
                                 struct vs_error *err)
{
    const struct vs_env *env = store->base.env;
    char *upload_id = NULL;
    uint64_t part_size = store->config.copy_max;
    while (head->size / part_size >= 10000) {
        part_size *= 2;
    }
    size_t count = (size_t)((head->size + part_size - 1) / part_size);
    struct vs_s3_part_list parts = {.count = count, .size = head->size};
    parts.items = (struct vs_s3_part *)vs_alloc_zeroed(env, count, sizeof *parts.items);
    if (parts.items == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory copying to %s", to);
    }
    enum vs_status status = vs_s3_upload_begin(store, to, &upload_id, err);
    for (size_t i = 0; i < count && status == VS_OK; i++) {
        uint64_t first = i * part_size, rest = head->size - first;
        const struct vs_s3_source range = {source, head->etag, first,
                                           rest < part_size ? rest : part_size};
        status = vs_s3_upload_part_copy(store, to, upload_id, i + 1, &range, &parts.items[i], err);
    }
    if (status == VS_OK) {
        status = vs_s3_upload_complete(store, to, upload_id, &parts, VS_PUT_ANY, err);
    }
    if (status != VS_OK && status != VS_UNKNOWN && upload_id != NULL) {
        vs_s3_upload_abort(store, to, upload_id);
    }
    vs_free(env, upload_id);
    vs_free(env, parts.items);
    return status;
}

enum vs_status vs_s3_copy(struct vs_store *base,
                          const char *from,
                          const char *to,
                          struct vs_error *err)
{
    struct vs_s3_store *store = (struct vs_s3_store *)base;
    struct vs_s3_head head = {0};
    struct vs_error reason = {0};
    struct vs_buf source;
    VS_TRY(vs_s3_head(store, from, &head, err));
    if (!head.exists) {
        return vs_fail(err, VS_NOT_FOUND, "%s/%s does not exist", base->root_uri, from);
    }
    vs_buf_init(&source, base->env, VS_S3_XML_MAX);
    enum vs_status status = vs_s3_source_name(store, from, &source, &reason);
    if (status == VS_OK) {
        status = head.size <= store->config.copy_max
                     ? copy_whole(store, vs_buf_view(&source), &head, to, &reason)
                     : copy_parts(store, vs_buf_view(&source), &head, to, &reason);
    }
    vs_buf_clear(&source);
    if (status != VS_OK && err != NULL) {
        *err = reason;
    }
    return status;
}
