// SPDX-License-Identifier: Apache-2.0
#include "api/http/http_request.h"

#include "api/http/suggest.h"
#include "vecstore/base/uuid.h"

#include <string.h>

static unsigned hex_value(char c)
{
    return c <= '9' ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a' + 10);
}

// The guard has seen that every '%' is followed by two hexadecimal digits and that none is NUL.
static enum vs_status decode(struct vs_arena *arena,
                             struct vs_str text,
                             bool plus_is_blank,
                             struct vs_str *decoded_out,
                             struct vs_error *err)
{
    char *to = vs_arena_alloc(arena, text.len + 1);
    size_t len = 0;
    if (to == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for the request");
    }
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '%' && text.len - i > 2) {
            c = (char)(hex_value(text.ptr[i + 1]) * 16 + hex_value(text.ptr[i + 2]));
            i += 2;
        } else if (c == '+' && plus_is_blank) {
            c = ' ';
        }
        to[len++] = c;
    }
    to[len] = '\0';
    *decoded_out = (struct vs_str){to, len};
    if (!vs_utf8_validate(*decoded_out)) {
        return vs_fail(err, VS_INVALID, "the request target is not UTF-8 when decoded");
    }
    return VS_OK;
}

static enum vs_status add_param(struct vs_http_request *request,
                                struct vs_str text,
                                struct vs_error *err)
{
    struct vs_str name, value = {"", 0};
    struct vs_http_param param;
    if (text.len == 0) {
        return VS_OK;
    }
    if (!vs_str_split(text, '=', &name, &value)) {
        name = text;
    }
    VS_TRY(decode(request->arena, name, true, &param.name, err));
    VS_TRY(decode(request->arena, value, true, &param.value, err));
    for (size_t i = 0; i < request->param_count; i++) {
        if (vs_str_equal(request->params[i].name, param.name)) {
            return vs_fail(err, VS_INVALID, "query parameter '%.*s' is given twice",
                           VS_STR_ARG(param.name));
        }
    }
    if (request->param_count == VS_REQUEST_MAX_PARAMS) {
        return vs_fail(err, VS_LIMIT, "more than %d query parameters", VS_REQUEST_MAX_PARAMS);
    }
    request->params[request->param_count++] = param;
    return VS_OK;
}

enum vs_status vs_request_set_target(struct vs_http_request *request,
                                     struct vs_str target,
                                     struct vs_error *err)
{
    struct vs_str path, query = {0}, one;
    if (!vs_str_split(target, '?', &path, &query)) {
        path = target;
    }
    VS_TRY(decode(request->arena, path, false, &request->path, err));
    if (query.len == 0) {
        return VS_OK;
    }
    request->params =
        vs_arena_alloc_array(request->arena, VS_REQUEST_MAX_PARAMS, sizeof *request->params);
    if (request->params == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for the request");
    }
    struct vs_str rest = query;
    while (vs_str_split(rest, '&', &one, &query)) {
        VS_TRY(add_param(request, one, err));
        rest = query;
    }
    return add_param(request, rest, err);
}

static bool is_id(struct vs_str text)
{
    if (text.len == 0 || text.len >= VS_REQUEST_ID_SIZE) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool good = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                    c == '.' || c == '_' || c == '-';
        if (!good) {
            return false;
        }
    }
    return true;
}

void vs_request_set_id(struct vs_http_request *request, struct vs_str given)
{
    if (is_id(given)) {
        memcpy(request->id, given.ptr, given.len);
        request->id[given.len] = '\0';
    } else {
        vs_uuid_format(vs_uuid_new_v4(request->env), request->id);
    }
}

struct vs_str vs_media_type(struct vs_str header)
{
    struct vs_str type, rest;
    if (!vs_str_split(header, ';', &type, &rest)) {
        type = header;
    }
    return vs_str_trim(type);
}

struct vs_str vs_request_param(const struct vs_http_request *request, const char *name)
{
    for (size_t i = 0; i < request->param_count; i++) {
        if (vs_str_equal_c(request->params[i].name, name)) {
            return request->params[i].value;
        }
    }
    return (struct vs_str){0};
}

enum vs_status vs_request_check_params(const struct vs_http_request *request,
                                       const char *const *names,
                                       size_t count,
                                       struct vs_error *err)
{
    for (size_t i = 0; i < request->param_count; i++) {
        bool known = false;
        for (size_t j = 0; j < count && !known; j++) {
            known = vs_str_equal_c(request->params[i].name, names[j]);
        }
        if (!known) {
            return vs_unknown_name("query string", "parameter", request->params[i].name, names,
                                   count, err);
        }
    }
    return VS_OK;
}

enum vs_status vs_request_bool_param(const struct vs_http_request *request,
                                     const char *name,
                                     bool *out,
                                     struct vs_error *err)
{
    struct vs_str text = vs_request_param(request, name);
    bool yes = vs_str_equal_c(text, "true") || vs_str_equal_c(text, "1");
    bool no = vs_str_equal_c(text, "false") || vs_str_equal_c(text, "0");
    if (text.ptr != NULL && !yes && !no && text.len > 0) {
        return vs_fail(err, VS_INVALID, "query parameter '%s' is '%.*s'; give true or false", name,
                       VS_STR_ARG(text));
    }
    *out = text.ptr != NULL && !no;
    return VS_OK;
}
