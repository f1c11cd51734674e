// SPDX-License-Identifier: Apache-2.0
#include "vecstore/base/text.h"
#include "vecstore/object/http_client.h"

static bool is_unreserved(uint8_t c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

enum vs_status vs_url_encode(struct vs_str text,
                             bool keep_slash,
                             struct vs_buf *out,
                             struct vs_error *err)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t start = out->len;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = (uint8_t)text.ptr[i];
        enum vs_status status = VS_OK;
        if (is_unreserved(c) || (keep_slash && c == '/')) {
            status = vs_buf_append_byte(out, c, err);
        } else {
            char code[3] = {'%', digits[c >> 4], digits[c & 15]};
            status = vs_buf_append(out, code, sizeof code, err);
        }
        if (status != VS_OK) {
            out->len = start; // nothing half-encoded is left behind
            return status;
        }
    }
    return VS_OK;
}

enum vs_status vs_url_decode(struct vs_str text,
                             bool plus_is_blank,
                             struct vs_buf *out,
                             struct vs_error *err)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        int high = c == '%' && text.len - i > 2 ? vs_hex_value(text.ptr[i + 1]) : -1;
        int low = high >= 0 ? vs_hex_value(text.ptr[i + 2]) : -1;
        if (low >= 0) {
            c = (char)(high * 16 + low);
            i += 2;
        } else if (c == '+' && plus_is_blank) {
            c = ' ';
        }
        VS_TRY(vs_buf_append_byte(out, (uint8_t)c, err));
    }
    return VS_OK;
}
