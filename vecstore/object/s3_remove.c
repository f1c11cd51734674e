// SPDX-License-Identifier: Apache-2.0
// DeleteObject and DeleteObjects.
#include "vecstore/object/s3_internal.h"

#include <stdio.h>
#include <string.h>

#define BATCH_MAX 1000

enum vs_status vs_s3_remove(struct vs_store *base, const char *key, struct vs_error *err)
{
    struct vs_s3_store *store = (struct vs_s3_store *)base;
    struct vs_s3_answer answer;
    struct vs_s3_request request = {.action = "remove", .method = VS_HTTP_DELETE, .key = key};
    vs_s3_answer_init(&answer, base->env);
    enum vs_status status = vs_s3_send(store, &request, &answer, err);
    if (status == VS_OK && !vs_s3_is_ok(&answer) && !vs_s3_is_absent(&answer)) {
        status = vs_s3_fail(store, &request, &answer, err);
    }
    vs_s3_answer_clear(&answer);
    return status;
}

// ---- many ----

struct refusals {
    size_t count;
    char key[200], code[64], message[150]; // of the first
    char next_key[200], next_code[64], next_message[150];
};

static void keep(char *out, size_t size, struct vs_str text)
{
    (void)snprintf(out, size, "%.*s", VS_STR_ARG(text));
}

static enum vs_status take_refusal(void *ctx,
                                   const struct vs_xml_element *element,
                                   struct vs_error *err)
{
    (void)err;
    struct refusals *refusals = (struct refusals *)ctx;
    if (vs_str_equal_c(element->parent, "Error")) {
        if (vs_str_equal_c(element->name, "Key")) {
            keep(refusals->next_key, sizeof refusals->next_key, element->text);
        } else if (vs_str_equal_c(element->name, "Code")) {
            keep(refusals->next_code, sizeof refusals->next_code, element->text);
        } else if (vs_str_equal_c(element->name, "Message")) {
            keep(refusals->next_message, sizeof refusals->next_message, element->text);
        }
        return VS_OK;
    }
    if (vs_str_equal_c(element->name, "Error") && element->depth == 2 &&
        strcmp(refusals->next_code, "NoSuchKey") != 0) {
        if (refusals->count++ == 0) {
            memcpy(refusals->key, refusals->next_key, sizeof refusals->key);
            memcpy(refusals->code, refusals->next_code, sizeof refusals->code);
            memcpy(refusals->message, refusals->next_message, sizeof refusals->message);
        }
    }
    return VS_OK;
}

static enum vs_status batch_document(const struct vs_s3_store *store,
                                     const char *const *keys,
                                     size_t count,
                                     struct vs_buf *body,
                                     struct vs_error *err)
{
    struct vs_buf full;
    enum vs_status status = vs_buf_append_c(body, "<Delete><Quiet>true</Quiet>", err);
    vs_buf_init(&full, store->base.env, SIZE_MAX / 2);
    for (size_t i = 0; i < count && status == VS_OK; i++) {
        vs_buf_reset(&full);
        status = vs_s3_full_key(store, keys[i], &full, err);
        status = status == VS_OK ? vs_buf_append_c(body, "<Object><Key>", err) : status;
        status = status == VS_OK ? vs_xml_escape(vs_buf_view(&full), body, err) : status;
        status = status == VS_OK ? vs_buf_append_c(body, "</Key></Object>", err) : status;
    }
    vs_buf_clear(&full);
    VS_TRY(status);
    return vs_buf_append_c(body, "</Delete>", err);
}

static enum vs_status read_refusals(const struct vs_s3_store *store,
                                    const struct vs_s3_answer *answer,
                                    struct vs_error *err)
{
    struct vs_error reason = {0};
    struct refusals refusals = {0};
    enum vs_status status = vs_xml_walk(store->base.env, vs_buf_view(&answer->http.body),
                                        take_refusal, &refusals, &reason);
    if (status != VS_OK) {
        return vs_fail(err, status, "cannot tell what was removed from %s: %s",
                       store->base.root_uri, reason.message);
    }
    if (refusals.count > 0) {
        bool denied = strcmp(refusals.code, "AccessDenied") == 0;
        return vs_fail(err, denied ? VS_DENIED : VS_UNAVAILABLE,
                       "%zu objects were not removed from bucket %s, the first of them %s: %s, %s",
                       refusals.count, store->bucket, refusals.key, refusals.code,
                       refusals.message);
    }
    return VS_OK;
}

// fallback_out: the store has no such operation.
static enum vs_status remove_batch(struct vs_s3_store *store,
                                   const char *const *keys,
                                   size_t count,
                                   bool *fallback_out,
                                   struct vs_error *err)
{
    struct vs_s3_answer answer;
    struct vs_buf body;
    char md5[VS_S3_MD5_TEXT_SIZE];
    struct vs_s3_request request = {
        .action = "remove objects of", .method = VS_HTTP_POST, .query = "delete="};
    vs_s3_answer_init(&answer, store->base.env);
    vs_buf_init(&body, store->base.env, VS_S3_XML_MAX);
    enum vs_status status = batch_document(store, keys, count, &body, err);
    if (status == VS_OK) {
        status = vs_s3_md5_text(body.data, body.len, md5, err);
    }
    if (status == VS_OK) {
        request.body = vs_buf_view(&body);
        vs_s3_add_header(&request, "content-type", VS_STR("application/xml"));
        vs_s3_add_header(&request, "content-md5", vs_str_from_c(md5));
        status = vs_s3_send(store, &request, &answer, err);
    }
    if (status == VS_OK && !vs_s3_is_ok(&answer)) {
        *fallback_out = answer.http.status == 405 || answer.http.status == 501;
        status = *fallback_out ? VS_OK : vs_s3_fail(store, &request, &answer, err);
    } else if (status == VS_OK) {
        status = read_refusals(store, &answer, err);
    }
    vs_buf_clear(&body);
    vs_s3_answer_clear(&answer);
    return status;
}

enum vs_status vs_s3_remove_many(struct vs_store *store,
                                 const char *const *keys,
                                 size_t count,
                                 struct vs_error *err)
{
    for (size_t done = 0; done < count; done += BATCH_MAX) {
        size_t n = count - done < BATCH_MAX ? count - done : BATCH_MAX;
        bool fallback = false;
        VS_TRY(remove_batch((struct vs_s3_store *)store, keys + done, n, &fallback, err));
        for (size_t i = 0; fallback && i < n; i++) {
            VS_TRY(vs_s3_remove(store, keys[done + i], err));
        }
    }
    return VS_OK;
}
