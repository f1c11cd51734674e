// SPDX-License-Identifier: Apache-2.0
#include "api/http/suggest.h"

#include <string.h>

#define MAX_NAME 40

static size_t least(size_t a, size_t b, size_t c)
{
    size_t ab = a < b ? a : b;
    return ab < c ? ab : c;
}

// Edit distance (insert, delete, replace); texts longer than MAX_NAME are far from everything.
static size_t distance(struct vs_str a, const char *b)
{
    size_t b_len = strlen(b), row[MAX_NAME + 1];
    if (a.len > MAX_NAME || b_len > MAX_NAME) {
        return MAX_NAME;
    }
    for (size_t j = 0; j <= b_len; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= a.len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t replaced = diagonal + (a.ptr[i - 1] != b[j - 1]);
            diagonal = row[j];
            row[j] = least(row[j] + 1, row[j - 1] + 1, replaced);
        }
    }
    return row[b_len];
}

static const char *nearest(struct vs_str name, const char *const *known, size_t count)
{
    const char *best = NULL;
    size_t best_distance = 3; // two edits at most
    for (size_t i = 0; i < count; i++) {
        size_t d = distance(name, known[i]);
        size_t longer = name.len > strlen(known[i]) ? name.len : strlen(known[i]);
        if (d < best_distance && d < longer) {
            best = known[i];
            best_distance = d;
        }
    }
    return best;
}

enum vs_status vs_unknown_name(const char *what,
                               const char *noun,
                               struct vs_str name,
                               const char *const *known,
                               size_t count,
                               struct vs_error *err)
{
    const char *meant = nearest(name, known, count);
    int shown = name.len > 60 ? 60 : (int)name.len;
    if (meant != NULL) {
        return vs_fail(err, VS_INVALID, "%s: unknown %s '%.*s'; did you mean '%s'?", what, noun,
                       shown, name.ptr, meant);
    }
    if (count == 0) {
        return vs_fail(err, VS_INVALID, "%s: unknown %s '%.*s'; none is taken here", what, noun,
                       shown, name.ptr);
    }
    char list[320] = "";
    size_t len = 0;
    for (size_t i = 0; i < count; i++) {
        size_t n = strlen(known[i]);
        if (len + n + 3 > sizeof list) {
            break;
        }
        memcpy(list + len, i > 0 ? ", " : "", i > 0 ? 2 : 0);
        len += i > 0 ? 2 : 0;
        memcpy(list + len, known[i], n + 1);
        len += n;
    }
    return vs_fail(err, VS_INVALID, "%s: unknown %s '%.*s'; known are %s", what, noun, shown,
                   name.ptr, list);
}

enum vs_status vs_members_check(const struct vs_json *object,
                                const char *what,
                                const char *const *names,
                                size_t count,
                                struct vs_error *err)
{
    if (!vs_json_is(object, VS_JSON_OBJECT)) {
        return vs_fail(err, VS_INVALID, "%s is %s, expected an object", what,
                       object != NULL ? vs_json_type_name(object) : "missing");
    }
    struct vs_json_iter iter;
    struct vs_str key;
    const struct vs_json *value;
    vs_json_iter_init(&iter, object);
    while (vs_json_iter_next(&iter, &key, &value)) {
        bool known = false;
        for (size_t i = 0; i < count && !known; i++) {
            known = vs_str_equal_c(key, names[i]);
        }
        if (!known) {
            return vs_unknown_name(what, "member", key, names, count, err);
        }
    }
    return VS_OK;
}
