// SPDX-License-Identifier: Apache-2.0
/*
 * Keys and URIs. Paths in URIs are taken literally, never percent-decoded: that is how Iceberg's
 * writers spell file names
 * ("%3A" in a partition path is three characters of the name).
 */
#include "vecstore/object/store_internal.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define PATH_SIZE_MAX 4096

// ---- keys ----

static bool has_control(struct vs_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c < 0x20 || c == 0x7F) {
            return true;
        }
    }
    return false;
}

// Says what is wrong with one part of a key; NULL when nothing is.
static const char *part_fault(struct vs_str part)
{
    if (part.len == 0) {
        return "has an empty part (a '/' at its start or end, or two in a row)";
    }
    if (vs_str_equal_c(part, ".") || vs_str_equal_c(part, "..")) {
        return "has a \".\" or \"..\" part";
    }
    if (vs_str_starts_with(part, VS_STR(VS_STAGED_PREFIX))) {
        return "has a part that starts with " VS_STAGED_PREFIX ", which is reserved";
    }
    return NULL;
}

// Checks all parts that end in '/', and hands back the rest.
static const char *parent_fault(struct vs_str key, struct vs_str *rest_out)
{
    const char *fault = NULL;
    struct vs_str part = {NULL, 0};
    if (key.len > VS_KEY_SIZE_MAX) {
        return "is longer than 1024 bytes";
    }
    if (has_control(key)) {
        return "has a control character";
    }
    while (fault == NULL && vs_str_split(key, '/', &part, &key)) {
        fault = part_fault(part);
    }
    *rest_out = key;
    return fault;
}

static const char *key_fault(struct vs_str key)
{
    struct vs_str last = {NULL, 0};
    const char *fault = parent_fault(key, &last);
    return fault != NULL ? fault : part_fault(last);
}

static enum vs_status fail_key(const char *key, const char *fault, struct vs_error *err)
{
    return vs_fail(err, VS_INVALID, "object key \"%.300s\" %s", key, fault);
}

enum vs_status vs_key_validate(const char *key, struct vs_error *err)
{
    const char *fault = key_fault(vs_str_from_c(key));
    return fault == NULL ? VS_OK : fail_key(key, fault, err);
}

enum vs_status vs_key_prefix_validate(const char *prefix, struct vs_error *err)
{
    struct vs_str last = {NULL, 0};
    const char *fault = parent_fault(vs_str_from_c(prefix), &last);
    return fault == NULL ? VS_OK : fail_key(prefix, fault, err);
}

// ---- URIs ----

// The scheme of "scheme:rest"; false for a plain path. One letter is no scheme, and a '/' comes
// before none.
static bool split_scheme(struct vs_str uri, struct vs_str *scheme_out, struct vs_str *rest_out)
{
    struct vs_str scheme = {NULL, 0};
    struct vs_str rest = {NULL, 0};
    if (!vs_str_split(uri, ':', &scheme, &rest) || scheme.len < 2) {
        return false;
    }
    for (size_t i = 0; i < scheme.len; i++) {
        char c = scheme.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        bool other = (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
        if (!letter && (i == 0 || !other)) {
            return false;
        }
    }
    *scheme_out = scheme;
    *rest_out = rest;
    return true;
}

static struct vs_str drop_front(struct vs_str text, size_t n)
{
    return (struct vs_str){text.ptr + n, text.len - n};
}

// The path of "/x", "file:/x", "file:///x" or "file://localhost/x"; false for anything else.
static bool path_of_uri(struct vs_str uri, struct vs_str *path_out)
{
    struct vs_str scheme = {NULL, 0};
    struct vs_str path = uri;
    if (split_scheme(uri, &scheme, &path)) {
        if (!vs_str_equal_nocase(scheme, VS_STR("file"))) {
            return false;
        }
        if (vs_str_starts_with(path, VS_STR("//localhost/"))) {
            path = drop_front(path, sizeof "//localhost" - 1);
        } else if (vs_str_starts_with(path, VS_STR("///"))) {
            path = drop_front(path, 2);
        } else if (vs_str_starts_with(path, VS_STR("//"))) {
            return false; // a host
        }
    }
    if (!vs_str_starts_with(path, VS_STR("/"))) {
        return false;
    }
    *path_out = path;
    return true;
}

// True for s3, s3a and s3n, which name the same buckets; rest_out is what follows the colon.
static bool is_s3_uri(struct vs_str uri, struct vs_str *rest_out)
{
    struct vs_str scheme = {NULL, 0};
    return split_scheme(uri, &scheme, rest_out) && (vs_str_equal_nocase(scheme, VS_STR("s3")) ||
                                                    vs_str_equal_nocase(scheme, VS_STR("s3a")) ||
                                                    vs_str_equal_nocase(scheme, VS_STR("s3n")));
}

// Appends the path with runs of '/' made one and none at the end.
static enum vs_status append_collapsed(struct vs_buf *buf, struct vs_str path, struct vs_error *err)
{
    for (size_t i = 0; i < path.len; i++) {
        bool extra = path.ptr[i] == '/' && (i + 1 == path.len || path.ptr[i + 1] == '/');
        if (!extra) {
            VS_TRY(vs_buf_append_byte(buf, (uint8_t)path.ptr[i], err));
        }
    }
    return VS_OK;
}

// True, with what follows, when path lies below the root (both start with a scheme or a '/').
static bool below_root(struct vs_str path, struct vs_str root, struct vs_str *rest_out)
{
    if (!vs_str_starts_with(path, root)) {
        return false;
    }
    struct vs_str rest = drop_front(path, root.len);
    if (!vs_str_starts_with(rest, VS_STR("/"))) {
        return false;
    }
    *rest_out = drop_front(rest, 1);
    return true;
}

enum vs_status vs_store_uri(const struct vs_store *store,
                            const char *key,
                            struct vs_buf *buf,
                            struct vs_error *err)
{
    VS_TRY(vs_key_validate(key, err));
    vs_buf_reset(buf);
    VS_TRY(vs_buf_append_c(buf, store->root_uri, err));
    VS_TRY(vs_buf_append_byte(buf, '/', err));
    VS_TRY(vs_buf_append_c(buf, key, err));
    if (vs_buf_c_str(buf) == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory making the URI of %s", key);
    }
    return VS_OK;
}

// The text that is compared: for files the path with single slashes, for S3 one spelling of the
// scheme, else the URI as it is. Into buf (empty).
static enum vs_status comparable(struct vs_str uri, struct vs_buf *buf, struct vs_error *err)
{
    struct vs_str path = {NULL, 0};
    struct vs_str rest = {NULL, 0};
    if (is_s3_uri(uri, &rest)) {
        VS_TRY(vs_buf_append_c(buf, "s3:", err));
        return vs_buf_append_str(buf, rest, err);
    }
    return path_of_uri(uri, &path) ? append_collapsed(buf, path, err)
                                   : vs_buf_append_str(buf, uri, err);
}

// Where in `text` the key starts, for one spelling of the root. False when text is not below it.
static bool find_key(struct vs_str text, const char *root_uri, struct vs_str *key_out)
{
    struct vs_str root = vs_str_from_c(root_uri);
    (void)path_of_uri(root, &root);
    if (vs_str_equal_c(root, "file://")) {
        root.len = 0; // the root directory itself: keys follow its only slash
    }
    return root_uri != NULL && below_root(text, root, key_out);
}

enum vs_status vs_store_key(const struct vs_store *store,
                            struct vs_str uri,
                            struct vs_buf *buf,
                            struct vs_error *err)
{
    struct vs_str key = {NULL, 0};
    vs_buf_reset(buf);
    VS_TRY(comparable(uri, buf, err));
    struct vs_str text = vs_buf_view(buf);
    if (!find_key(text, store->root_uri, &key) && !find_key(text, store->root_alias, &key)) {
        return vs_fail(err, VS_DENIED,
                       "%.*s lies outside the warehouse %s: open the warehouse that holds it",
                       VS_STR_ARG(uri), store->root_uri);
    }
    const char *fault = key_fault(key);
    if (memchr(key.ptr, '\0', key.len) != NULL || fault != NULL) {
        return vs_fail(err, VS_DENIED, "%.*s names no object of the warehouse %s: its key %s",
                       VS_STR_ARG(uri), store->root_uri, fault != NULL ? fault : "has a NUL");
    }
    memmove(buf->data, key.ptr, key.len);
    buf->len = key.len;
    if (vs_buf_c_str(buf) == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory making the key of an object");
    }
    return VS_OK;
}

// ---- opening ----

// Makes a plain path absolute; "." and empty parts go. ".." is resolved by the file system later.
static enum vs_status make_absolute(struct vs_str path, struct vs_buf *buf, struct vs_error *err)
{
    char cwd[PATH_SIZE_MAX];
    if (!vs_str_starts_with(path, VS_STR("/"))) {
        if (getcwd(cwd, sizeof cwd) == NULL) {
            return vs_fail_errno(err, errno, "cannot find the current directory");
        }
        VS_TRY(vs_buf_append_c(buf, strcmp(cwd, "/") == 0 ? "" : cwd, err));
    }
    struct vs_str rest = path;
    bool more = true;
    while (more) {
        struct vs_str part = rest;
        more = vs_str_split(rest, '/', &part, &rest);
        if (part.len > 0 && !vs_str_equal_c(part, ".")) {
            VS_TRY(vs_buf_append_byte(buf, '/', err));
            VS_TRY(vs_buf_append_str(buf, part, err));
        }
    }
    return buf->len > 0 ? VS_OK : vs_buf_append_byte(buf, '/', err);
}

enum vs_status vs_store_open(const struct vs_env *env,
                             const char *uri,
                             bool create,
                             struct vs_store **store_out,
                             struct vs_error *err)
{
    return vs_store_open_with(env, uri, NULL, create, store_out, err);
}

enum vs_status vs_store_open_with(const struct vs_env *env,
                                  const char *uri,
                                  const struct vs_settings *settings,
                                  bool create,
                                  struct vs_store **store_out,
                                  struct vs_error *err)
{
    struct vs_str text = vs_str_from_c(uri);
    struct vs_str scheme = {NULL, 0};
    struct vs_str path = text;
    bool has_scheme = split_scheme(text, &scheme, &path);
    if (is_s3_uri(text, &path) && !has_control(text)) {
        return vs_store_s3_open(env, path, settings, store_out, err);
    }
    if (has_scheme && !vs_str_equal_nocase(scheme, VS_STR("file"))) {
        return vs_fail(err, VS_UNSUPPORTED,
                       "unknown scheme \"%.*s\" in warehouse %.300s: known are file:///path, "
                       "s3://bucket/prefix and plain paths",
                       VS_STR_ARG(scheme), uri);
    }
    if (text.len == 0 || has_control(text) || (has_scheme && !path_of_uri(text, &path))) {
        return vs_fail(err, VS_INVALID,
                       "\"%.300s\" is no warehouse: expected file:///absolute/path or a plain path",
                       uri);
    }
    struct vs_buf absolute;
    vs_buf_init(&absolute, env, PATH_SIZE_MAX - 1);
    enum vs_status status = make_absolute(path, &absolute, err);
    if (status == VS_OK) {
        status = vs_store_dir_open(env, vs_buf_view(&absolute), create, store_out, err);
    }
    vs_buf_clear(&absolute);
    return status;
}
