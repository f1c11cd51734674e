// SPDX-License-Identifier: Apache-2.0
#include "ingest/npy_header.h"

#include "vecstore/base/bytes.h"

#include <string.h>

enum vs_status vs_npy_prefix_parse(struct vs_str head,
                                   const char *what,
                                   size_t *header_at_out,
                                   size_t *header_len_out,
                                   struct vs_error *err)
{
    if (head.len < 6 || memcmp(head.ptr, "\x93NUMPY", 6) != 0) {
        return vs_fail(err, VS_CORRUPT, "%s: not a .npy file (it does not start with \\x93NUMPY)",
                       what);
    }
    if (head.len < 10) {
        return vs_fail(err, VS_CORRUPT, "%s: the .npy header is cut short", what);
    }
    unsigned major = (unsigned char)head.ptr[6];
    if (major < 1 || major > 3) {
        return vs_fail(err, VS_UNSUPPORTED, "%s: .npy version %u; versions 1 to 3 are read", what,
                       major);
    }
    size_t at = major == 1 ? 10 : 12;
    if (head.len < at) {
        return vs_fail(err, VS_CORRUPT, "%s: the .npy header is cut short", what);
    }
    size_t len = major == 1 ? vs_load_u16le(head.ptr + 8) : vs_load_u32le(head.ptr + 8);
    if (len > VS_NPY_MAX_HEADER) {
        return vs_fail(err, VS_UNSUPPORTED, "%s: a .npy header of %zu bytes; at most %d are read",
                       what, len, VS_NPY_MAX_HEADER);
    }
    *header_at_out = at;
    *header_len_out = len;
    return VS_OK;
}

// ---- the dictionary: {'descr': '<f4', 'fortran_order': False, 'shape': (1000, 384), } ----

struct cursor {
    const char *next, *end;
};

static void skip_space(struct cursor *c)
{
    while (c->next < c->end && memchr(" \t\r\n", *c->next, 4) != NULL) {
        c->next++;
    }
}

static bool take(struct cursor *c, char wanted)
{
    skip_space(c);
    if (c->next < c->end && *c->next == wanted) {
        c->next++;
        return true;
    }
    return false;
}

static bool take_text(struct cursor *c, struct vs_str *text_out)
{
    skip_space(c);
    if (c->next == c->end || (*c->next != '\'' && *c->next != '"')) {
        return false;
    }
    char quote = *c->next++;
    const char *close = memchr(c->next, quote, (size_t)(c->end - c->next));
    if (close == NULL) {
        return false;
    }
    *text_out = (struct vs_str){c->next, (size_t)(close - c->next)};
    c->next = close + 1;
    return true;
}

static bool take_word(struct cursor *c, struct vs_str word)
{
    skip_space(c);
    if ((size_t)(c->end - c->next) < word.len || memcmp(c->next, word.ptr, word.len) != 0) {
        return false;
    }
    c->next += word.len;
    return true;
}

static bool take_number(struct cursor *c, uint64_t *number_out)
{
    skip_space(c);
    const char *start = c->next;
    uint64_t number = 0;
    while (c->next < c->end && *c->next >= '0' && *c->next <= '9') {
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, (uint64_t)(*c->next - '0'), &number)) {
            return false;
        }
        c->next++;
    }
    *number_out = number;
    return c->next > start;
}

static enum vs_status malformed(const char *what, const char *reason, struct vs_error *err)
{
    return vs_fail(err, VS_CORRUPT, "%s: the .npy header is damaged: %s", what, reason);
}

static enum vs_status parse_descr(struct cursor *c,
                                  const char *what,
                                  struct vs_npy_header *header,
                                  struct vs_error *err)
{
    struct vs_str text;
    if (!take_text(c, &text)) {
        skip_space(c);
        if (c->next < c->end && *c->next == '[') {
            return vs_fail(err, VS_UNSUPPORTED,
                           "%s: a structured .npy array; save the vectors as one float32 array",
                           what);
        }
        return malformed(what, "'descr' is no text", err);
    }
    if (vs_str_equal_c(text, "<f4")) {
        header->width = 4;
    } else if (vs_str_equal_c(text, "<f8")) {
        header->width = 8;
    } else if (vs_str_equal_c(text, "<f2")) {
        header->width = 2;
    } else if (text.len > 1 && text.ptr[1] == 'O') {
        return vs_fail(err, VS_UNSUPPORTED,
                       "%s: a .npy array of Python objects (pickle), which is never loaded; save "
                       "it with .astype('float32')",
                       what);
    } else if (text.len > 1 && text.ptr[0] == '>') {
        return vs_fail(err, VS_UNSUPPORTED,
                       "%s: big-endian values ('%.*s'); save them with .astype('<f4')", what,
                       VS_STR_ARG(text));
    } else {
        return vs_fail(err, VS_UNSUPPORTED,
                       "%s: values of type '%.*s'; little-endian float32, float64 and float16 are "
                       "read: save them with .astype('<f4')",
                       what, VS_STR_ARG(text));
    }
    return VS_OK;
}

static enum vs_status parse_order(struct cursor *c, const char *what, struct vs_error *err)
{
    if (take_word(c, VS_STR("True"))) {
        return vs_fail(err, VS_UNSUPPORTED,
                       "%s: the array is in Fortran order; save it with np.ascontiguousarray(a)",
                       what);
    }
    return take_word(c, VS_STR("False")) ? VS_OK
                                         : malformed(what, "'fortran_order' is no boolean", err);
}

static enum vs_status parse_shape(struct cursor *c,
                                  const char *what,
                                  struct vs_npy_header *header,
                                  struct vs_error *err)
{
    uint64_t sizes[2] = {0};
    size_t count = 0;
    if (!take(c, '(')) {
        return malformed(what, "'shape' is no tuple", err);
    }
    while (!take(c, ')')) {
        uint64_t size;
        if (!take_number(c, &size)) {
            return malformed(what, "'shape' holds no number", err);
        }
        if (count < 2) {
            sizes[count] = size;
        }
        count++;
        if (!take(c, ',')) {
            if (!take(c, ')')) {
                return malformed(what, "'shape' does not end", err);
            }
            break;
        }
    }
    if (count != 2) {
        return vs_fail(err, VS_UNSUPPORTED,
                       "%s: an array of %zu dimensions; vectors are the rows of an array of two",
                       what, count);
    }
    if (sizes[1] == 0 || sizes[1] > VS_NPY_MAX_COLUMNS) {
        return vs_fail(err, VS_UNSUPPORTED, "%s: vectors of %llu values; 1 to %d are read", what,
                       (unsigned long long)sizes[1], VS_NPY_MAX_COLUMNS);
    }
    header->rows = sizes[0];
    header->columns = sizes[1];
    return VS_OK;
}

enum vs_status vs_npy_header_parse(struct vs_str text,
                                   const char *what,
                                   struct vs_npy_header *header_out,
                                   struct vs_error *err)
{
    struct cursor c = {text.ptr, text.ptr + text.len};
    struct vs_npy_header header = {0};
    bool seen[3] = {false, false, false};
    if (!take(&c, '{')) {
        return malformed(what, "no '{'", err);
    }
    while (!take(&c, '}')) {
        struct vs_str key;
        if (!take_text(&c, &key) || !take(&c, ':')) {
            return malformed(what, "no key", err);
        }
        bool *mark = vs_str_equal_c(key, "descr")           ? &seen[0]
                     : vs_str_equal_c(key, "fortran_order") ? &seen[1]
                     : vs_str_equal_c(key, "shape")         ? &seen[2]
                                                            : NULL;
        if (mark == NULL || *mark) {
            return malformed(what, "an unknown or repeated key", err);
        }
        *mark = true;
        VS_TRY(mark == &seen[0]   ? parse_descr(&c, what, &header, err)
               : mark == &seen[1] ? parse_order(&c, what, err)
                                  : parse_shape(&c, what, &header, err));
        if (!take(&c, ',')) {
            if (!take(&c, '}')) {
                return malformed(what, "it does not end", err);
            }
            break;
        }
    }
    if (!seen[0] || !seen[1] || !seen[2]) {
        return malformed(what, "'descr', 'fortran_order' or 'shape' is missing", err);
    }
    *header_out = header;
    return VS_OK;
}
