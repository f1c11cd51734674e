// SPDX-License-Identifier: Apache-2.0
// Health, version, the document, and everything about tables but their rows.
#include "api/http/media.h"
#include "api/http/routes.h"
#include "api/http/wire.h"
#include "vecstore/base/json.h"

#define READY_KNOWN_NS 1000000000 // how long a look at the warehouse counts

static enum vs_status write_state(struct vs_reply *reply, const char *state, struct vs_error *err)
{
    struct vs_json_writer w;
    vs_json_writer_init(&w, &reply->body, false);
    vs_jw_object_begin(&w);
    vs_jw_key(&w, "status");
    vs_jw_c(&w, state);
    vs_jw_object_end(&w);
    return vs_json_writer_finish(&w, err);
}

enum vs_status vs_handle_livez(struct vs_service *service,
                               const struct vs_http_request *request,
                               struct vs_reply *reply,
                               struct vs_error *err)
{
    (void)service;
    VS_TRY(vs_request_check_params(request, NULL, 0, err));
    return write_state(reply, "ok", err);
}

// Listing loads every table, so that a burst of probes shares one look.
static enum vs_status look(struct vs_service *service, struct vs_error *err)
{
    int64_t seen = atomic_load(&service->ready_ns), now = vs_monotonic_ns(service->env);
    if (seen != 0 && now - seen < READY_KNOWN_NS) {
        return VS_OK;
    }
    struct vs_buf list;
    vs_buf_init(&list, service->env, VS_REPLY_LIMIT);
    enum vs_status status = vs_db_list_tables(service->db, &list, err);
    vs_buf_clear(&list);
    if (status == VS_OK) {
        atomic_store(&service->ready_ns, vs_monotonic_ns(service->env));
    }
    return status;
}

enum vs_status vs_handle_readyz(struct vs_service *service,
                                const struct vs_http_request *request,
                                struct vs_reply *reply,
                                struct vs_error *err)
{
    VS_TRY(vs_request_check_params(request, NULL, 0, err));
    if (atomic_load(&service->draining)) {
        return vs_fail(err, VS_UNAVAILABLE, "the server is draining; ask another one");
    }
    struct vs_error cause = {0};
    if (look(service, &cause) != VS_OK) {
        return vs_fail(err, VS_UNAVAILABLE, "the warehouse cannot be listed: %.400s",
                       cause.message);
    }
    return write_state(reply, "ready", err);
}

enum vs_status vs_handle_version(struct vs_service *service,
                                 const struct vs_http_request *request,
                                 struct vs_reply *reply,
                                 struct vs_error *err)
{
    (void)service;
    VS_TRY(vs_request_check_params(request, NULL, 0, err));
    return vs_version_json(&reply->body, err);
}

enum vs_status vs_handle_openapi(struct vs_service *service,
                                 const struct vs_http_request *request,
                                 struct vs_reply *reply,
                                 struct vs_error *err)
{
    VS_TRY(vs_request_check_params(request, NULL, 0, err));
    return vs_buf_append_str(&reply->body, vs_buf_view(&service->openapi), err);
}

enum vs_status vs_handle_tables(struct vs_service *service,
                                const struct vs_http_request *request,
                                struct vs_reply *reply,
                                struct vs_error *err)
{
    VS_TRY(vs_request_check_params(request, NULL, 0, err));
    return vs_db_list_tables(service->db, &reply->body, err);
}

enum vs_status vs_handle_create(struct vs_service *service,
                                const struct vs_http_request *request,
                                struct vs_reply *reply,
                                struct vs_error *err)
{
    struct vs_create_options options;
    VS_TRY(vs_request_check_params(request, NULL, 0, err));
    VS_TRY(vs_media_need_json(request, reply, err));
    VS_TRY(vs_wire_create(request->arena, request->body, &options, err));
    return vs_db_create_table(service->db, &options, &reply->body, err);
}

enum vs_status vs_handle_describe(struct vs_service *service,
                                  const struct vs_http_request *request,
                                  struct vs_reply *reply,
                                  struct vs_error *err)
{
    VS_TRY(vs_request_check_params(request, NULL, 0, err));
    return vs_db_describe_table(service->db, request->table, &reply->body, err);
}

enum vs_status vs_handle_drop(struct vs_service *service,
                              const struct vs_http_request *request,
                              struct vs_reply *reply,
                              struct vs_error *err)
{
    struct vs_json_writer w;
    VS_TRY(vs_request_check_params(request, NULL, 0, err));
    VS_TRY(vs_db_drop_table(service->db, request->table, err));
    vs_json_writer_init(&w, &reply->body, false);
    vs_jw_object_begin(&w);
    vs_jw_key(&w, "dropped");
    vs_jw_c(&w, request->table);
    vs_jw_object_end(&w);
    return vs_json_writer_finish(&w, err);
}

enum vs_status vs_handle_snapshots(struct vs_service *service,
                                   const struct vs_http_request *request,
                                   struct vs_reply *reply,
                                   struct vs_error *err)
{
    VS_TRY(vs_request_check_params(request, NULL, 0, err));
    return vs_db_list_snapshots(service->db, request->table, &reply->body, err);
}

enum vs_status vs_handle_indexes(struct vs_service *service,
                                 const struct vs_http_request *request,
                                 struct vs_reply *reply,
                                 struct vs_error *err)
{
    VS_TRY(vs_request_check_params(request, NULL, 0, err));
    return vs_db_list_indexes(service->db, request->table, &reply->body, err);
}
