// SPDX-License-Identifier: Apache-2.0
// What an answer that is no success means, in the words of the project.
#include "vecstore/base/text.h"
#include "vecstore/object/s3_internal.h"

#include <stdio.h>
#include <string.h>

static enum vs_status take_error_part(void *ctx,
                                      const struct vs_xml_element *element,
                                      struct vs_error *err)
{
    (void)err;
    struct vs_s3_error *error = (struct vs_s3_error *)ctx;
    if (vs_str_equal_c(element->name, "Code")) {
        vs_text_copy_clean(element->text, error->code, sizeof error->code);
    } else if (vs_str_equal_c(element->name, "Message")) {
        vs_text_copy_clean(element->text, error->message, sizeof error->message);
    } else if (vs_str_equal_c(element->name, "Region")) {
        vs_text_copy_clean(element->text, error->region, sizeof error->region);
    } else if (vs_str_equal_c(element->name, "RequestId")) {
        vs_text_copy_clean(element->text, error->request_id, sizeof error->request_id);
    }
    return VS_OK;
}

void vs_s3_read_error(const struct vs_env *env, struct vs_s3_answer *answer)
{
    struct vs_str body = vs_buf_view(&answer->http.body);
    struct vs_str region = vs_http_header(&answer->http, "x-amz-bucket-region");
    struct vs_str id = vs_http_header(&answer->http, "x-amz-request-id");
    answer->error = (struct vs_s3_error){0};
    if (vs_xml_walk(env, body, take_error_part, &answer->error, NULL) != VS_OK &&
        answer->error.code[0] == '\0') {
        vs_text_copy_clean(body, answer->error.message,
                           sizeof answer->error.message); // what it says
    }
    if (region.len > 0) {
        vs_text_copy_clean(region, answer->error.region, sizeof answer->error.region);
    }
    if (id.len > 0) {
        vs_text_copy_clean(id, answer->error.request_id, sizeof answer->error.request_id);
    }
}

bool vs_s3_is_ok(const struct vs_s3_answer *answer)
{
    return answer->http.outcome == VS_HTTP_ANSWERED && answer->http.status >= 200 &&
           answer->http.status < 300;
}

bool vs_s3_has_code(const struct vs_s3_answer *answer, const char *code)
{
    return strcmp(answer->error.code, code) == 0;
}

bool vs_s3_is_more_than_asked(const struct vs_s3_answer *answer)
{
    return answer->http.more_than_asked && answer->http.status == 200;
}

// Some gateways answer 404 for a user they do not know.
static bool is_about_credentials(const struct vs_s3_error *error)
{
    static const char *const words[] = {"User",       "AccessKey",  "Signature",    "Token",
                                        "credential", "access key", "AccessDenied", "signature"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strstr(error->code, words[i]) != NULL ||
            (error->code[0] == '\0' && strstr(error->message, words[i]) != NULL)) {
            return true;
        }
    }
    return false;
}

bool vs_s3_is_absent(const struct vs_s3_answer *answer)
{
    if (answer->http.outcome != VS_HTTP_ANSWERED || answer->http.status != 404) {
        return false;
    }
    if (answer->error.code[0] != '\0') {
        return vs_s3_has_code(answer, "NoSuchKey") || vs_s3_has_code(answer, "NotFound") ||
               vs_s3_has_code(answer, "NoSuchVersion");
    }
    return !is_about_credentials(&answer->error);
}

// "s3://bucket/prefix/key" of the request, cut to what a message can hold.
static void name_object(const struct vs_s3_store *store,
                        const struct vs_s3_request *request,
                        char *out,
                        size_t size)
{
    (void)snprintf(out, size, "%.100s%s%.120s", store->base.root_uri,
                   request->key != NULL ? "/" : "", request->key != NULL ? request->key : "");
}

static enum vs_status fail_answer(enum vs_status code,
                                  const struct vs_s3_store *store,
                                  const struct vs_s3_request *request,
                                  const struct vs_s3_answer *answer,
                                  const char *way_out,
                                  struct vs_error *err)
{
    char name[240];
    const struct vs_s3_error *error = &answer->error;
    name_object(store, request, name, sizeof name);
    (void)vs_fail(err, code, "cannot %s %s: HTTP %d%s%s%s%.100s%s%s", request->action, name,
                  answer->http.status, error->code[0] != '\0' ? " " : "", error->code,
                  error->message[0] != '\0' ? ", " : "", error->message,
                  way_out[0] != '\0' ? "; " : "", way_out);
    if (err != NULL) {
        err->system_code = answer->http.status;
    }
    return code;
}

static enum vs_status fail_denied(const struct vs_s3_store *store,
                                  const struct vs_s3_request *request,
                                  const struct vs_s3_answer *answer,
                                  struct vs_error *err)
{
    char way_out[200];
    const char *key = answer->access_key;
    if (key[0] == '\0') {
        (void)snprintf(way_out, sizeof way_out,
                       "the request was anonymous: give credentials, or leave out s3.anonymous");
    } else if (vs_s3_has_code(answer, "SignatureDoesNotMatch")) {
        (void)snprintf(way_out, sizeof way_out,
                       "the secret key does not belong to access key id %.40s", key);
    } else if (is_about_credentials(&answer->error) && !vs_s3_has_code(answer, "AccessDenied")) {
        (void)snprintf(way_out, sizeof way_out,
                       "access key id %.40s is not accepted there: check key, endpoint and region",
                       key);
    } else {
        (void)snprintf(way_out, sizeof way_out,
                       "access key id %.40s needs the permission to %s it in bucket %.63s", key,
                       request->action, store->bucket);
    }
    return fail_answer(VS_DENIED, store, request, answer, way_out, err);
}

static enum vs_status fail_404(const struct vs_s3_store *store,
                               const struct vs_s3_request *request,
                               const struct vs_s3_answer *answer,
                               struct vs_error *err)
{
    char name[240];
    if (vs_s3_is_absent(answer) && request->key != NULL) {
        name_object(store, request, name, sizeof name);
        return vs_fail(err, VS_NOT_FOUND, "%s does not exist", name);
    }
    if (is_about_credentials(&answer->error)) {
        return fail_denied(store, request, answer, err);
    }
    return fail_answer(VS_INVALID, store, request, answer,
                       "check that the bucket exists at this endpoint and region", err);
}

static enum vs_status fail_no_answer(const struct vs_s3_store *store,
                                     const struct vs_s3_request *request,
                                     const struct vs_s3_answer *answer,
                                     struct vs_error *err)
{
    char name[240];
    name_object(store, request, name, sizeof name);
    return vs_fail(err, VS_UNAVAILABLE,
                   "cannot %s %s: %s after %lld attempt%s; check s3.endpoint and the network",
                   request->action, name, answer->http.failure, (long long)answer->attempts,
                   answer->attempts == 1 ? "" : "s");
}

enum vs_status vs_s3_fail(const struct vs_s3_store *store,
                          const struct vs_s3_request *request,
                          const struct vs_s3_answer *answer,
                          struct vs_error *err)
{
    if (answer->http.outcome != VS_HTTP_ANSWERED) {
        return fail_no_answer(store, request, answer, err);
    }
    switch (answer->http.status) {
    case 301:
    case 302:
    case 307:
    case 308:
        return fail_answer(VS_INVALID, store, request, answer,
                           "the bucket is elsewhere: set client.region or s3.endpoint", err);
    case 401:
    case 403:
        return fail_denied(store, request, answer, err);
    case 404:
        return fail_404(store, request, answer, err);
    case 412:
        return fail_answer(VS_CONFLICT, store, request, answer, "", err);
    case 413:
        return fail_answer(VS_LIMIT, store, request, answer, "", err);
    case 408:
    case 425:
    case 429:
        return fail_answer(VS_UNAVAILABLE, store, request, answer, "try again later", err);
    case 405:
    case 501:
        return fail_answer(VS_UNSUPPORTED, store, request, answer,
                           "this store does not offer the operation", err);
    default:
        break;
    }
    if (answer->http.status >= 500) {
        return fail_answer(VS_UNAVAILABLE, store, request, answer, "try again later", err);
    }
    if (vs_s3_has_code(answer, "RequestTimeout") || answer->http.status == 409) {
        bool parent = vs_s3_has_code(answer, "ObjectParentIsFile");
        return fail_answer(parent ? VS_INVALID : VS_UNAVAILABLE, store, request, answer, "", err);
    }
    if (vs_s3_has_code(answer, "EntityTooLarge")) {
        return fail_answer(VS_LIMIT, store, request, answer, "", err);
    }
    if (is_about_credentials(&answer->error)) { // 400 InvalidToken, ExpiredToken
        return fail_denied(store, request, answer, err);
    }
    return fail_answer(VS_INVALID, store, request, answer, "", err);
}

enum vs_status vs_s3_fail_once(const struct vs_s3_store *store,
                               const struct vs_s3_request *request,
                               const struct vs_s3_answer *answer,
                               enum vs_status lost,
                               struct vs_error *err)
{
    char name[240];
    const struct vs_http_response *http = &answer->http;
    name_object(store, request, name, sizeof name);
    if (http->outcome == VS_HTTP_AMBIGUOUS) {
        return vs_fail(err, VS_UNKNOWN,
                       "it is not known whether %s was written: %s; look before doing it again",
                       name, http->failure);
    }
    if (http->outcome != VS_HTTP_ANSWERED) {
        return fail_no_answer(store, request, answer, err);
    }
    bool undefined = http->status == 408 || http->status == 425 || http->status == 429 ||
                     (http->status >= 500 && http->status != 501) ||
                     vs_s3_has_code(answer, "RequestTimeout");
    if (undefined) {
        return fail_answer(VS_UNKNOWN, store, request, answer,
                           "it may have been applied: look before doing it again", err);
    }
    if (http->status == 412) {
        return lost == VS_EXISTS ? vs_fail(err, VS_EXISTS, "%s exists already", name)
                                 : vs_fail(err, lost, "%s was changed by another writer", name);
    }
    if (http->status == 404 && lost == VS_CONFLICT && vs_s3_is_absent(answer)) {
        return vs_fail(err, lost, "%s was removed by another writer", name);
    }
    return vs_s3_fail(store, request, answer, err);
}
