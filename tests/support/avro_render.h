// SPDX-License-Identifier: Apache-2.0
/*
 * The canonical rendering of Avro records (the conformance corpus defines it) and its FNV-1a 64
 * digest.
 */
#ifndef VS_TESTS_AVRO_RENDER_H
#define VS_TESTS_AVRO_RENDER_H

#include "vecstore/format/avro_file.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline void avro_put(struct vs_buf *out, const void *bytes, size_t n)
{
    if (vs_buf_append(out, bytes, n, NULL) != VS_OK) {
        abort();
    }
}

static inline void avro_put_text(struct vs_buf *out, const char *text)
{
    avro_put(out, text, strlen(text));
}

static inline void avro_render(struct vs_buf *out, const struct vs_avro_value *value);

// NOLINTNEXTLINE(misc-no-recursion): the reader nests values 2 * VS_AVRO_MAX_DEPTH deep
static inline void avro_render_items(struct vs_buf *out, const struct vs_avro_value *value)
{
    bool is_map = value->node->type == VS_AVRO_MAP, is_record = value->node->type == VS_AVRO_RECORD;
    avro_put_text(out, is_record ? "(" : (is_map ? "{" : "["));
    for (size_t i = 0; i < value->count * (is_map ? 2 : 1); i++) {
        if (i > 0) {
            avro_put_text(out, is_map && i % 2 == 1 ? ":" : ",");
        }
        avro_render(out, &value->as.items[i]);
    }
    avro_put_text(out, is_record ? ")" : (is_map ? "}" : "]"));
}

// NOLINTNEXTLINE(misc-no-recursion): the reader nests values 2 * VS_AVRO_MAX_DEPTH deep
static inline void avro_render(struct vs_buf *out, const struct vs_avro_value *value)
{
    char text[40];
    switch (value->node->type) {
    case VS_AVRO_NULL:
        avro_put_text(out, "\\N");
        return;
    case VS_AVRO_BOOLEAN:
        avro_put_text(out, value->as.integer ? "true" : "false");
        return;
    case VS_AVRO_INT:
    case VS_AVRO_LONG:
    case VS_AVRO_ENUM:
        snprintf(text, sizeof text, "%" PRId64, value->as.integer);
        avro_put_text(out, text);
        return;
    case VS_AVRO_FLOAT:
        snprintf(text, sizeof text, "%08" PRIx64, value->as.bits);
        avro_put_text(out, text);
        return;
    case VS_AVRO_DOUBLE:
        snprintf(text, sizeof text, "%016" PRIx64, value->as.bits);
        avro_put_text(out, text);
        return;
    case VS_AVRO_BYTES:
    case VS_AVRO_STRING:
    case VS_AVRO_FIXED:
        snprintf(text, sizeof text, "%zu:", value->as.bytes.len);
        avro_put_text(out, text);
        avro_put(out, value->as.bytes.ptr, value->as.bytes.len);
        return;
    case VS_AVRO_RECORD:
    case VS_AVRO_ARRAY:
    case VS_AVRO_MAP:
        avro_render_items(out, value);
        return;
    case VS_AVRO_UNION:
        break;
    }
    abort();
}

static inline uint64_t avro_digest(const void *bytes, size_t n)
{
    uint64_t digest = 0xcbf29ce484222325u;
    for (size_t i = 0; i < n; i++) {
        digest = (digest ^ ((const uint8_t *)bytes)[i]) * 0x100000001b3u;
    }
    return digest;
}

#endif
