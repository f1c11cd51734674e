// SPDX-License-Identifier: Apache-2.0
/*
 * Content types. A body without one counts as JSON; an unexpected one is refused with 415, which
 * also keeps the forms that a web page can send unasked away from the routes that change tables.
 */
#ifndef VS_HTTP_MEDIA_H
#define VS_HTTP_MEDIA_H

#include "api/http/http_request.h"
#include "api/http/respond.h"

enum vs_media { VS_MEDIA_JSON, VS_MEDIA_JSONL, VS_MEDIA_BYTES, VS_MEDIA_OTHER };

enum vs_media vs_media_of(struct vs_str content_type);
// INVALID with reply->code 415 unless the body is JSON.
enum vs_status vs_media_need_json(const struct vs_http_request *request,
                                  struct vs_reply *reply,
                                  struct vs_error *err);
// The same failure for a route that takes several types; `taken` lists them.
enum vs_status vs_media_refuse(const struct vs_http_request *request,
                               struct vs_reply *reply,
                               const char *taken,
                               struct vs_error *err);

#endif
