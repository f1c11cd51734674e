// SPDX-License-Identifier: Apache-2.0
#include "vecstore/base/text.h"

#include "vecstore/base/checked.h"

#include <string.h>

char *vs_text_clone(const struct vs_env *env, struct vs_str text)
{
    size_t size = 0;
    char *copy = vs_add_size(text.len, 1, &size) ? (char *)vs_alloc(env, size) : NULL;
    if (copy != NULL) {
        memcpy(copy, text.len > 0 ? text.ptr : "", text.len);
        copy[text.len] = '\0';
    }
    return copy;
}

void vs_text_copy_clean(struct vs_str text, char *out, size_t size)
{
    size_t n = text.len < size - 1 ? text.len : size - 1;
    while (n < text.len && n > 0 && ((unsigned char)text.ptr[n] & 0xC0) == 0x80) {
        n--;
    }
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        out[i] = text.ptr[i];
        if (c < 0x20 || c == 0x7F) {
            out[i] = ' ';
        }
    }
    out[n] = '\0';
}

int vs_hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}
