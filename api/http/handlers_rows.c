// SPDX-License-Identifier: Apache-2.0
// Queries, and reading and writing rows.
#include "api/http/media.h"
#include "api/http/routes.h"
#include "api/http/wire.h"

#define OPERATION_TIMEOUT_MS 30000

static struct vs_op make_op(struct vs_service *service,
                            const struct vs_http_request *request,
                            int64_t timeout_ms)
{
    return (struct vs_op){.cancelled = &service->cancelled,
                          .deadline_ns = request->started_ns + timeout_ms * 1000000};
}

// Says which deadline it was and when it was noticed.
static enum vs_status tell_deadline(const struct vs_http_request *request,
                                    int64_t timeout_ms,
                                    enum vs_status status,
                                    struct vs_error *err)
{
    if (status != VS_TIMEOUT) {
        return status;
    }
    long long spent_ms =
        (long long)((vs_monotonic_ns(request->env) - request->started_ns) / 1000000);
    struct vs_error cause = err != NULL ? *err : (struct vs_error){0};
    return vs_fail(err, status, "the deadline of %lld ms passed (stopped after %lld ms): %.400s",
                   (long long)timeout_ms, spent_ms, cause.message);
}

static enum vs_status run_query(struct vs_service *service,
                                const struct vs_http_request *request,
                                struct vs_wire_query *query,
                                struct vs_reply *reply,
                                struct vs_error *err)
{
    struct vs_answer *answer = NULL;
    struct vs_op op = make_op(service, request, query->timeout_ms);
    query->options.table = request->table;
    query->options.op = &op;
    enum vs_status status = vs_db_query(service->db, &query->options, &answer, err);
    if (status == VS_OK) {
        status = vs_answer_write_json(answer, &reply->body, err);
    }
    vs_answer_free(answer);
    query->options.op = NULL; // ends with this call
    return tell_deadline(request, query->timeout_ms, status, err);
}

enum vs_status vs_handle_query(struct vs_service *service,
                               const struct vs_http_request *request,
                               struct vs_reply *reply,
                               struct vs_error *err)
{
    const struct vs_wire_bounds bounds = {service->default_timeout_ms, service->max_timeout_ms};
    struct vs_wire_query query;
    switch (vs_media_of(request->content_type)) {
    case VS_MEDIA_JSON:
        VS_TRY(vs_request_check_params(request, NULL, 0, err));
        VS_TRY(vs_wire_query_json(request->arena, request->body, &bounds, &query, err));
        break;
    case VS_MEDIA_BYTES:
        VS_TRY(vs_wire_query_raw(request, &bounds, &query, err));
        break;
    case VS_MEDIA_JSONL:
    case VS_MEDIA_OTHER:
        return vs_media_refuse(request, reply, "application/json or application/octet-stream", err);
    }
    return run_query(service, request, &query, reply, err);
}

enum vs_status vs_handle_insert(struct vs_service *service,
                                const struct vs_http_request *request,
                                struct vs_reply *reply,
                                struct vs_error *err)
{
    static const char *const params[] = {"upsert", "quarantine"};
    struct vs_insert_options options = {.size = sizeof options};
    bool upsert, quarantine;
    VS_TRY(vs_request_check_params(request, params, sizeof params / sizeof params[0], err));
    VS_TRY(vs_request_bool_param(request, "upsert", &upsert, err));
    VS_TRY(vs_request_bool_param(request, "quarantine", &quarantine, err));
    switch (vs_media_of(request->content_type)) {
    case VS_MEDIA_JSON:
        VS_TRY(vs_wire_insert(request->body, &options, err));
        break;
    case VS_MEDIA_JSONL:
        options.rows = request->body;
        break;
    case VS_MEDIA_BYTES:
    case VS_MEDIA_OTHER:
        return vs_media_refuse(request, reply, "application/json or application/x-ndjson", err);
    }
    struct vs_op op = make_op(service, request, OPERATION_TIMEOUT_MS);
    options.table = request->table;
    options.upsert |= upsert;
    options.quarantine |= quarantine;
    options.op = &op;
    enum vs_status status = vs_db_insert(service->db, &options, &reply->body, err);
    return tell_deadline(request, OPERATION_TIMEOUT_MS, status, err);
}

enum vs_status vs_handle_get(struct vs_service *service,
                             const struct vs_http_request *request,
                             struct vs_reply *reply,
                             struct vs_error *err)
{
    struct vs_get_options options;
    VS_TRY(vs_request_check_params(request, NULL, 0, err));
    VS_TRY(vs_media_need_json(request, reply, err));
    VS_TRY(vs_wire_get(request->arena, request->body, &options, err));
    struct vs_op op = make_op(service, request, OPERATION_TIMEOUT_MS);
    options.table = request->table;
    options.op = &op;
    enum vs_status status = vs_db_get(service->db, &options, &reply->body, err);
    return tell_deadline(request, OPERATION_TIMEOUT_MS, status, err);
}

enum vs_status vs_handle_delete(struct vs_service *service,
                                const struct vs_http_request *request,
                                struct vs_reply *reply,
                                struct vs_error *err)
{
    struct vs_delete_options options;
    VS_TRY(vs_request_check_params(request, NULL, 0, err));
    VS_TRY(vs_media_need_json(request, reply, err));
    VS_TRY(vs_wire_delete(request->arena, request->body, &options, err));
    struct vs_op op = make_op(service, request, OPERATION_TIMEOUT_MS);
    options.table = request->table;
    options.op = &op;
    enum vs_status status = vs_db_delete(service->db, &options, &reply->body, err);
    return tell_deadline(request, OPERATION_TIMEOUT_MS, status, err);
}
