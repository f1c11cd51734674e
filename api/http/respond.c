// SPDX-License-Identifier: Apache-2.0
#include "api/http/respond.h"

#include "api/http/http_status.h"
#include "vecstore/base/json.h"

void vs_reply_init(struct vs_reply *reply, const struct vs_env *env)
{
    *reply = (struct vs_reply){.code = 200};
    vs_buf_init(&reply->body, env, VS_REPLY_LIMIT);
}

void vs_reply_clear(struct vs_reply *reply)
{
    vs_buf_clear(&reply->body);
}

void vs_reply_fail(struct vs_reply *reply,
                   unsigned code,
                   enum vs_status reason,
                   const char *message,
                   const char *request_id)
{
    struct vs_json_writer w;
    reply->code = code;
    reply->retry = code == 503;
    vs_buf_reset(&reply->body);
    vs_json_writer_init(&w, &reply->body, false);
    vs_jw_object_begin(&w);
    vs_jw_key(&w, "error");
    vs_jw_object_begin(&w);
    vs_jw_key(&w, "code");
    vs_jw_c(&w, vs_http_word(code));
    vs_jw_key(&w, "message");
    vs_jw_c(&w, message);
    vs_jw_key(&w, "reason");
    vs_jw_c(&w, vs_status_name(reason));
    vs_jw_key(&w, "request_id");
    vs_jw_c(&w, request_id);
    vs_jw_object_end(&w);
    vs_jw_object_end(&w);
    if (vs_json_writer_finish(&w, NULL) != VS_OK) {
        vs_buf_clear(&reply->body);
    }
}

void vs_reply_error(struct vs_reply *reply,
                    enum vs_status status,
                    const struct vs_error *error,
                    const char *request_id)
{
    const char *message = error->message[0] != '\0' ? error->message : "no further explanation";
    vs_reply_fail(reply, vs_http_code(status), status, message, request_id);
}
