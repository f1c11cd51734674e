// SPDX-License-Identifier: Apache-2.0
#include "api/http/http_status.h"

#include <stddef.h>

unsigned vs_http_code(enum vs_status status)
{
    switch (status) {
    case VS_OK:
        return 200;
    case VS_INVALID:
        return 400;
    case VS_UNAUTHENTICATED:
        return 401;
    case VS_DENIED:
        return 403;
    case VS_NOT_FOUND:
        return 404;
    case VS_EXISTS:
    case VS_CONFLICT:
        return 409;
    case VS_LIMIT:
        return 422;
    case VS_UNSUPPORTED:
        return 501;
    case VS_UNAVAILABLE:
    case VS_CANCELLED: // only the server itself cancels, when it stops
    case VS_NO_MEMORY:
        return 503;
    case VS_TIMEOUT:
        return 504;
    case VS_CORRUPT:
    case VS_INTERNAL:
    case VS_UNKNOWN:
        return 500;
    }
    return 500;
}

static const struct code_word {
    unsigned code;
    const char *word;
    enum vs_status reason;
} code_words[] = {
    {200, "ok", VS_OK},
    {201, "created", VS_OK},
    {400, "bad_request", VS_INVALID},
    {401, "unauthenticated", VS_UNAUTHENTICATED},
    {403, "forbidden", VS_DENIED},
    {404, "not_found", VS_NOT_FOUND},
    {405, "method_not_allowed", VS_INVALID},
    {408, "request_timeout", VS_TIMEOUT},
    {409, "conflict", VS_CONFLICT},
    {413, "body_too_large", VS_LIMIT},
    {414, "target_too_long", VS_LIMIT},
    {415, "unsupported_media_type", VS_INVALID},
    {421, "misdirected_request", VS_DENIED},
    {422, "over_limit", VS_LIMIT},
    {431, "headers_too_large", VS_LIMIT},
    {500, "internal_error", VS_INTERNAL},
    {501, "not_implemented", VS_UNSUPPORTED},
    {503, "unavailable", VS_UNAVAILABLE},
    {504, "deadline_exceeded", VS_TIMEOUT},
};

static const struct code_word *find_code(unsigned code)
{
    for (size_t i = 0; i < sizeof code_words / sizeof code_words[0]; i++) {
        if (code_words[i].code == code) {
            return &code_words[i];
        }
    }
    return NULL;
}

const char *vs_http_word(unsigned code)
{
    const struct code_word *found = find_code(code);
    return found != NULL ? found->word : "error";
}

enum vs_status vs_http_reason(unsigned code)
{
    const struct code_word *found = find_code(code);
    return found != NULL ? found->reason : VS_INTERNAL;
}
