// SPDX-License-Identifier: Apache-2.0
#include "api/http/media.h"

enum vs_media vs_media_of(struct vs_str content_type)
{
    static const struct {
        const char *name;
        enum vs_media media;
    } known[] = {
        {"application/json", VS_MEDIA_JSON},          {"application/jsonl", VS_MEDIA_JSONL},
        {"application/x-ndjson", VS_MEDIA_JSONL},     {"application/ndjson", VS_MEDIA_JSONL},
        {"application/x-jsonlines", VS_MEDIA_JSONL},  {"application/jsonlines", VS_MEDIA_JSONL},
        {"application/octet-stream", VS_MEDIA_BYTES},
    };

    if (content_type.len == 0) {
        return VS_MEDIA_JSON;
    }
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (vs_str_equal_nocase(content_type, vs_str_from_c(known[i].name))) {
            return known[i].media;
        }
    }
    return VS_MEDIA_OTHER;
}

enum vs_status vs_media_refuse(const struct vs_http_request *request,
                               struct vs_reply *reply,
                               const char *taken,
                               struct vs_error *err)
{
    int shown = request->content_type.len > 100 ? 100 : (int)request->content_type.len;
    reply->code = 415;
    return vs_fail(err, VS_INVALID, "Content-Type is '%.*s'; send %s", shown,
                   request->content_type.ptr, taken);
}

enum vs_status vs_media_need_json(const struct vs_http_request *request,
                                  struct vs_reply *reply,
                                  struct vs_error *err)
{
    if (vs_media_of(request->content_type) == VS_MEDIA_JSON) {
        return VS_OK;
    }
    return vs_media_refuse(request, reply, "application/json", err);
}
