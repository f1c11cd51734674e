// SPDX-License-Identifier: Apache-2.0
// The requests of a multipart upload, one function each.
#include "vecstore/object/s3_internal.h"

#include <stdio.h>
#include <string.h>

// ---- documents ----

struct text_search {
    const struct vs_env *env;
    const char *name;
    char *text;
};

static enum vs_status find_text(void *ctx,
                                const struct vs_xml_element *element,
                                struct vs_error *err)
{
    struct text_search *search = (struct text_search *)ctx;
    if (search->text == NULL && vs_str_equal_c(element->name, search->name)) {
        search->text = vs_text_clone(search->env, element->text);
        if (search->text == NULL) {
            return vs_fail(err, VS_NO_MEMORY, "out of memory reading an answer");
        }
    }
    return VS_OK;
}

char *vs_s3_document_text(const struct vs_env *env,
                          struct vs_str document,
                          const char *name,
                          struct vs_error *err)
{
    struct text_search search = {.env = env, .name = name};
    if (vs_xml_walk(env, document, find_text, &search, err) != VS_OK) {
        vs_free(env, search.text);
        return NULL;
    }
    if (search.text == NULL) {
        vs_ignore(vs_fail(err, VS_CORRUPT, "the answer of the store has no <%s>", name));
    }
    return search.text;
}

// ---- begin ----

enum vs_status vs_s3_upload_begin(struct vs_s3_store *store,
                                  const char *key,
                                  char **upload_id_out,
                                  struct vs_error *err)
{
    struct vs_s3_answer answer;
    struct vs_error reason = {0};
    struct vs_s3_request request = {
        .action = "write", .method = VS_HTTP_POST, .key = key, .query = "uploads="};
    vs_s3_add_header(&request, "content-type", VS_STR("application/octet-stream"));
    vs_s3_add_header(&request, "x-amz-meta-vecstore", VS_STR(VECSTORE_VERSION));
    vs_s3_add_sse_headers(store, &request);
    if (store->config.checksum) {
        vs_s3_add_header(&request, "x-amz-checksum-algorithm", VS_STR("CRC32C"));
    }
    vs_s3_answer_init(&answer, store->base.env);
    enum vs_status status = vs_s3_call(store, &request, &answer, err);
    if (status == VS_OK) {
        char *id = vs_s3_document_text(store->base.env, vs_buf_view(&answer.http.body), "UploadId",
                                       &reason);
        if (id == NULL) {
            status =
                vs_fail(err, reason.code, "cannot begin the upload of %s: %s", key, reason.message);
        } else {
            *upload_id_out = id;
        }
    }
    vs_s3_answer_clear(&answer);
    return status;
}

// ---- parts ----

// "partNumber=1&uploadId=…" (number 0: the id alone). NUL-terminated.
static enum vs_status upload_query(struct vs_buf *query,
                                   const char *upload_id,
                                   size_t number,
                                   struct vs_error *err)
{
    if (number > 0) {
        VS_TRY(vs_buf_printf(query, err, "partNumber=%zu&", number));
    }
    VS_TRY(vs_buf_append_c(query, "uploadId=", err));
    VS_TRY(vs_url_encode(vs_str_from_c(upload_id), false, query, err));
    if (vs_buf_c_str(query) == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory making a request");
    }
    return VS_OK;
}

static enum vs_status send_part(struct vs_s3_store *store,
                                struct vs_s3_request *request,
                                struct vs_s3_answer *answer,
                                char etag_out[VS_ETAG_SIZE],
                                struct vs_error *err)
{
    VS_TRY(vs_s3_call(store, request, answer, err));
    vs_s3_copy_etag(&answer->http, etag_out);
    return etag_out[0] != '\0' ? VS_OK
                               : vs_fail(err, VS_UNSUPPORTED,
                                         "the store gave no ETag for a part of %s", request->key);
}

enum vs_status vs_s3_upload_part(struct vs_s3_store *store,
                                 const char *key,
                                 const char *upload_id,
                                 size_t number,
                                 struct vs_str bytes,
                                 struct vs_s3_part *part_out,
                                 struct vs_error *err)
{
    struct vs_s3_answer answer;
    struct vs_buf query;
    struct vs_s3_part part = {.etag = ""};
    struct vs_s3_request request = {
        .action = "write", .method = VS_HTTP_PUT, .key = key, .body = bytes};
    vs_s3_add_header(&request, "content-type", VS_STR("application/octet-stream"));
    if (store->config.checksum) {
        vs_s3_crc_text(bytes.ptr, bytes.len, part.crc);
        vs_s3_add_header(&request, "x-amz-checksum-crc32c", vs_str_from_c(part.crc));
    }
    vs_s3_answer_init(&answer, store->base.env);
    vs_buf_init(&query, store->base.env, VS_S3_XML_MAX);
    enum vs_status status = upload_query(&query, upload_id, number, err);
    if (status == VS_OK) {
        request.query = (const char *)query.data;
        status = send_part(store, &request, &answer, part.etag, err);
    }
    if (status == VS_OK) {
        *part_out = part;
    }
    vs_buf_clear(&query);
    vs_s3_answer_clear(&answer);
    return status;
}

// ---- completion ----

static enum vs_status complete_document(const struct vs_s3_part_list *parts,
                                        struct vs_buf *body,
                                        struct vs_error *err)
{
    VS_TRY(vs_buf_append_c(body, "<CompleteMultipartUpload>", err));
    for (size_t i = 0; i < parts->count; i++) {
        const struct vs_s3_part *part = &parts->items[i];
        VS_TRY(vs_buf_append_c(body, "<Part>", err));
        if (part->crc[0] != '\0') {
            VS_TRY(vs_buf_printf(body, err, "<ChecksumCRC32C>%s</ChecksumCRC32C>", part->crc));
        }
        VS_TRY(vs_buf_append_c(body, "<ETag>", err));
        VS_TRY(vs_xml_escape(vs_str_from_c(part->etag), body, err));
        VS_TRY(vs_buf_printf(body, err, "</ETag><PartNumber>%zu</PartNumber></Part>", i + 1));
    }
    return vs_buf_append_c(body, "</CompleteMultipartUpload>", err);
}

// An upload that is gone may have been completed by a request whose answer was lost. Names are
// never used twice, so an object of the right size is ours.
static enum vs_status settle_gone(struct vs_s3_store *store,
                                  const struct vs_s3_request *request,
                                  const struct vs_s3_answer *answer,
                                  uint64_t size,
                                  struct vs_error *err)
{
    struct vs_s3_head head = {0};
    struct vs_error reason = {0};
    if (!vs_s3_has_code(answer, "NoSuchUpload")) {
        return vs_s3_fail(store, request, answer, err);
    }
    enum vs_status status = vs_s3_head(store, request->key, &head, &reason);
    if (status == VS_OK && head.exists && head.size == size) {
        return VS_OK;
    }
    return vs_fail(err, VS_UNKNOWN,
                   "it is not known whether the upload of %s was completed: it is gone, and %s",
                   request->key,
                   status != VS_OK
                       ? reason.message
                       : (head.exists ? "the object has another size" : "there is no such object"));
}

static enum vs_status send_complete(struct vs_s3_store *store,
                                    const struct vs_s3_request *request,
                                    struct vs_s3_answer *answer,
                                    uint64_t size,
                                    struct vs_error *err)
{
    VS_TRY(vs_s3_send(store, request, answer, err));
    if (vs_s3_is_ok(answer)) {
        return VS_OK;
    }
    return request->once ? vs_s3_fail_once(store, request, answer, VS_EXISTS, err)
                         : settle_gone(store, request, answer, size, err);
}

enum vs_status vs_s3_upload_complete(struct vs_s3_store *store,
                                     const char *key,
                                     const char *upload_id,
                                     const struct vs_s3_part_list *parts,
                                     enum vs_put_mode mode,
                                     struct vs_error *err)
{
    struct vs_s3_answer answer;
    struct vs_buf query;
    struct vs_buf body;
    struct vs_s3_request request = {.action = "write",
                                    .method = VS_HTTP_POST,
                                    .key = key,
                                    .once = mode == VS_PUT_IF_ABSENT,
                                    .error_in_ok = true};
    vs_s3_add_header(&request, "content-type", VS_STR("application/xml"));
    if (request.once) {
        vs_s3_add_header(&request, "if-none-match", VS_STR("*"));
    }
    vs_s3_answer_init(&answer, store->base.env);
    vs_buf_init(&query, store->base.env, VS_S3_XML_MAX);
    vs_buf_init(&body, store->base.env, VS_S3_XML_MAX);
    enum vs_status status = upload_query(&query, upload_id, 0, err);
    status = status == VS_OK ? complete_document(parts, &body, err) : status;
    if (status == VS_OK) {
        request.query = (const char *)query.data;
        request.body = vs_buf_view(&body);
        status = send_complete(store, &request, &answer, parts->size, err);
    }
    vs_buf_clear(&query);
    vs_buf_clear(&body);
    vs_s3_answer_clear(&answer);
    return status;
}

void vs_s3_upload_abort(struct vs_s3_store *store, const char *key, const char *upload_id)
{
    struct vs_s3_answer answer;
    struct vs_error err = {0};
    struct vs_buf query;
    struct vs_s3_request request = {
        .action = "abandon the upload of", .method = VS_HTTP_DELETE, .key = key};
    vs_s3_answer_init(&answer, store->base.env);
    vs_buf_init(&query, store->base.env, VS_S3_XML_MAX);
    enum vs_status status = upload_query(&query, upload_id, 0, &err);
    if (status == VS_OK) {
        request.query = (const char *)query.data;
        status = vs_s3_call(store, &request, &answer, &err);
    }
    if (status != VS_OK && status != VS_NOT_FOUND && !vs_s3_has_code(&answer, "NoSuchUpload")) {
        vs_log(store->base.env, VS_LOG_WARN, "object", "s3_abort_failed", "key=%s reason=%s", key,
               err.message);
    }
    vs_buf_clear(&query);
    vs_s3_answer_clear(&answer);
}
