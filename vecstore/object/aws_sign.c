// SPDX-License-Identifier: Apache-2.0
#include "vecstore/object/aws_sign.h"

#include "vecstore/base/crypto.h"
#include "vecstore/base/text.h"
#include "vecstore/object/http_client.h"

#include <string.h>
#include <time.h>

#define HEADERS_MAX 64     // of a request, with those that are added here
#define QUERY_PARTS_MAX 64 // S3's longest query has about ten
#define CANONICAL_LIMIT ((size_t)1 << 20)
#define AMZ_DATE_LEN 16 // 20150830T123600Z
#define DATE_LEN 8

struct header {
    struct vs_str name, value; // name as given: compared without regard to case
};

struct header_list {
    struct header items[HEADERS_MAX];
    size_t count;
};

// A part of the query in scratch: "key=value", both encoded anew.
struct query_part {
    size_t key_at, key_len, value_len; // the value starts behind the key
};

static char lower(char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

static int compare_nocase(struct vs_str a, struct vs_str b)
{
    for (size_t i = 0; i < a.len && i < b.len; i++) {
        int difference = (unsigned char)lower(a.ptr[i]) - (unsigned char)lower(b.ptr[i]);
        if (difference != 0) {
            return difference;
        }
    }
    return a.len < b.len ? -1 : a.len > b.len;
}

// Visible ASCII: what may stand in a request line, a scope or a header name.
static bool is_visible(struct vs_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] <= ' ' || text.ptr[i] > '~') {
            return false;
        }
    }
    return text.len > 0;
}

static bool has_line_break(struct vs_str text)
{
    return text.len > 0 &&
           (memchr(text.ptr, '\n', text.len) != NULL || memchr(text.ptr, '\r', text.len) != NULL ||
            memchr(text.ptr, '\0', text.len) != NULL);
}

static bool is_scope_part(struct vs_str text)
{
    return is_visible(text) && memchr(text.ptr, '/', text.len) == NULL;
}

static enum vs_status check_request(const struct vs_aws_sign *request,
                                    const struct vs_aws_credentials *credentials,
                                    struct vs_error *err)
{
    if (!is_visible(vs_str_from_c(request->method)) || !is_visible(request->host)) {
        return vs_fail(err, VS_INVALID, "a request to sign has no method or no host");
    }
    if (!is_scope_part(request->region) || !is_scope_part(request->service)) {
        return vs_fail(err, VS_INVALID,
                       "cannot sign for region '%.*s' and service '%.*s'; set client.region",
                       VS_STR_SHORT(request->region), VS_STR_SHORT(request->service));
    }
    if (!is_visible(request->payload_sha256)) {
        return vs_fail(err, VS_INVALID, "a request to sign has no hash of its body");
    }
    if (!is_visible(credentials->access_key) || has_line_break(credentials->session_token)) {
        return vs_fail(err, VS_INVALID,
                       "an access key or session token has characters that no "
                       "header can carry");
    }
    if (request->wall_ms < 0 || request->wall_ms / 1000 > INT64_C(253402300799)) {
        return vs_fail(err, VS_INVALID, "the clock shows a time that no signature can carry");
    }
    return VS_OK;
}

static enum vs_status format_date(int64_t wall_ms, char out[AMZ_DATE_LEN + 1], struct vs_error *err)
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm parts;
    if (gmtime_r(&seconds, &parts) == NULL ||
        strftime(out, AMZ_DATE_LEN + 1, "%Y%m%dT%H%M%SZ", &parts) != AMZ_DATE_LEN) {
        return vs_fail(err, VS_INTERNAL, "cannot format the time of a signature");
    }
    return VS_OK;
}

static enum vs_status bad_percent(struct vs_str text, struct vs_error *err)
{
    return vs_fail(err, VS_INVALID, "'%.*s' has a '%%' without two hexadecimal digits",
                   VS_STR_SHORT(text));
}

// Decodes %XX and encodes by the rules of a signature, so that any right spelling of the same text
// gives the same signature.
static enum vs_status encode_anew(struct vs_str text,
                                  bool keep_slash,
                                  struct vs_buf *out,
                                  struct vs_error *err)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool encoded = c == '%';
        if (encoded) {
            int high = text.len - i > 2 ? vs_hex_value(text.ptr[i + 1]) : -1;
            int low = high >= 0 ? vs_hex_value(text.ptr[i + 2]) : -1;
            if (low < 0) {
                return bad_percent(text, err);
            }
            c = (char)(high << 4 | low);
            i += 2;
        }
        // An encoded slash is part of a name, not a separator.
        VS_TRY(vs_url_encode((struct vs_str){&c, 1}, keep_slash && !encoded, out, err));
    }
    return VS_OK;
}

// RFC 3986 5.2.4 as services other than S3 apply it, with repeated slashes joined.
static enum vs_status append_normalised(struct vs_str path,
                                        struct vs_buf *out,
                                        struct vs_error *err)
{
    size_t start = out->len;
    struct vs_str rest = path;
    bool ends_in_slash = false;
    VS_TRY(vs_buf_append_byte(out, '/', err));
    while (rest.len > 0) {
        struct vs_str part = rest, after = {NULL, 0};
        bool more = vs_str_split(rest, '/', &part, &after);
        rest = more ? after : (struct vs_str){NULL, 0};
        if (part.len == 0) {
            ends_in_slash = true;
        } else if (vs_str_equal_c(part, ".")) {
            ends_in_slash = ends_in_slash || more;
        } else if (vs_str_equal_c(part, "..")) {
            while (out->len > start + 1 && out->data[out->len - 1] != '/') {
                out->len--;
            }
            if (out->len > start + 1) {
                out->len--; // its slash; the first one stays
            }
            ends_in_slash = more;
        } else {
            if (out->len > start + 1) {
                VS_TRY(vs_buf_append_byte(out, '/', err));
            }
            // What came percent-encoded is encoded once more: services other than S3 sign so.
            VS_TRY(vs_url_encode(part, false, out, err));
            ends_in_slash = more;
        }
    }
    return ends_in_slash && out->len > start + 1 ? vs_buf_append_byte(out, '/', err) : VS_OK;
}

static enum vs_status append_path(const struct vs_aws_sign *request,
                                  struct vs_buf *out,
                                  struct vs_error *err)
{
    if (request->path.len > 0 && request->path.ptr[0] != '/') {
        return vs_fail(err, VS_INVALID, "the path '%.*s' to sign does not start with '/'",
                       VS_STR_SHORT(request->path));
    }
    if (!request->is_s3) {
        return append_normalised(request->path, out, err);
    }
    return request->path.len > 0 ? encode_anew(request->path, true, out, err)
                                 : vs_buf_append_byte(out, '/', err);
}

static int compare_parts(const struct vs_buf *scratch,
                         const struct query_part *a,
                         const struct query_part *b)
{
    const char *text = (const char *)scratch->data;
    int order = vs_str_compare((struct vs_str){text + a->key_at, a->key_len},
                               (struct vs_str){text + b->key_at, b->key_len});
    return order != 0
               ? order
               : vs_str_compare((struct vs_str){text + a->key_at + a->key_len, a->value_len},
                                (struct vs_str){text + b->key_at + b->key_len, b->value_len});
}

static enum vs_status encode_part(struct vs_str text,
                                  struct vs_buf *scratch,
                                  struct query_part *part_out,
                                  struct vs_error *err)
{
    struct vs_str key = text, value = {NULL, 0};
    if (!vs_str_split(text, '=', &key, &value)) {
        key = text; // "?uploads" is signed as "uploads="
    }
    struct query_part part = {.key_at = scratch->len};
    VS_TRY(encode_anew(key, false, scratch, err));
    part.key_len = scratch->len - part.key_at;
    VS_TRY(encode_anew(value, false, scratch, err));
    part.value_len = scratch->len - part.key_at - part.key_len;
    *part_out = part;
    return VS_OK;
}

static enum vs_status append_query(struct vs_str query,
                                   struct vs_buf *scratch,
                                   struct vs_buf *out,
                                   struct vs_error *err)
{
    struct query_part parts[QUERY_PARTS_MAX];
    size_t count = 0;
    while (query.len > 0) {
        struct vs_str text = query, rest = {NULL, 0};
        query = vs_str_split(query, '&', &text, &rest) ? rest : (struct vs_str){NULL, 0};
        if (text.len == 0) {
            continue;
        }
        if (count == QUERY_PARTS_MAX) {
            return vs_fail(err, VS_LIMIT, "a query to sign has more than %d parts",
                           QUERY_PARTS_MAX);
        }
        struct query_part part;
        VS_TRY(encode_part(text, scratch, &part, err));
        size_t at = count++;
        for (; at > 0 && compare_parts(scratch, &part, &parts[at - 1]) < 0; at--) {
            parts[at] = parts[at - 1];
        }
        parts[at] = part;
    }
    for (size_t i = 0; i < count; i++) {
        const char *key = (const char *)scratch->data + parts[i].key_at;
        if (i > 0) {
            VS_TRY(vs_buf_append_byte(out, '&', err));
        }
        VS_TRY(vs_buf_append(out, key, parts[i].key_len, err));
        VS_TRY(vs_buf_append_byte(out, '=', err));
        VS_TRY(vs_buf_append(out, key + parts[i].key_len, parts[i].value_len, err));
    }
    return VS_OK;
}

// Keeps the list sorted by name; headers of one name stay in the order in which they came.
static enum vs_status add_header(struct header_list *list,
                                 struct vs_str name,
                                 struct vs_str value,
                                 struct vs_error *err)
{
    if (!is_visible(name) || has_line_break(value)) {
        return vs_fail(err, VS_INVALID, "the header '%.*s' has characters that it may not have",
                       VS_STR_SHORT(name));
    }
    if (list->count == HEADERS_MAX) {
        return vs_fail(err, VS_LIMIT, "a request to sign has more than %d headers", HEADERS_MAX);
    }
    size_t at = list->count++;
    for (; at > 0 && compare_nocase(name, list->items[at - 1].name) < 0; at--) {
        list->items[at] = list->items[at - 1];
    }
    list->items[at] = (struct header){name, value};
    return VS_OK;
}

static enum vs_status collect_headers(const struct vs_aws_sign *request,
                                      const struct vs_aws_credentials *credentials,
                                      struct vs_str date,
                                      struct header_list *list,
                                      struct vs_error *err)
{
    static const char *const own_names[] = {"host", "x-amz-date", "x-amz-security-token",
                                            "authorization"};
    list->count = 0;
    for (size_t i = 0; i < request->header_count; i++) {
        struct vs_str name = request->headers[i].key;
        bool own = request->is_s3 && vs_str_equal_nocase(name, VS_STR("x-amz-content-sha256"));
        for (size_t j = 0; j < sizeof own_names / sizeof own_names[0]; j++) {
            own = own || vs_str_equal_nocase(name, vs_str_from_c(own_names[j]));
        }
        if (own) {
            return vs_fail(err, VS_INVALID, "the header '%.*s' is made by the signature",
                           VS_STR_SHORT(name));
        }
        VS_TRY(add_header(list, name, request->headers[i].value, err));
    }
    VS_TRY(add_header(list, VS_STR("host"), request->host, err));
    VS_TRY(add_header(list, VS_STR("x-amz-date"), date, err));
    if (request->is_s3) {
        VS_TRY(add_header(list, VS_STR("x-amz-content-sha256"), request->payload_sha256, err));
    }
    return credentials->session_token.len > 0
               ? add_header(list, VS_STR("x-amz-security-token"), credentials->session_token, err)
               : VS_OK;
}

static bool same_name(const struct header_list *list, size_t i)
{
    return i > 0 && compare_nocase(list->items[i].name, list->items[i - 1].name) == 0;
}

static enum vs_status append_lower(struct vs_str text, struct vs_buf *out, struct vs_error *err)
{
    for (size_t i = 0; i < text.len; i++) {
        VS_TRY(vs_buf_append_byte(out, (uint8_t)lower(text.ptr[i]), err));
    }
    return VS_OK;
}

// Without blanks at the ends, with one where there are several.
static enum vs_status append_value(struct vs_str value, struct vs_buf *out, struct vs_error *err)
{
    value = vs_str_trim(value);
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] != ' ' || value.ptr[i - 1] != ' ') { // i > 0 where there is a blank
            VS_TRY(vs_buf_append_byte(out, (uint8_t)value.ptr[i], err));
        }
    }
    return VS_OK;
}

static enum vs_status append_headers(const struct header_list *list,
                                     struct vs_buf *out,
                                     struct vs_error *err)
{
    for (size_t i = 0; i < list->count; i++) {
        if (same_name(list, i)) {
            VS_TRY(vs_buf_append_byte(out, ',', err));
        } else {
            if (i > 0) {
                VS_TRY(vs_buf_append_byte(out, '\n', err));
            }
            VS_TRY(append_lower(list->items[i].name, out, err));
            VS_TRY(vs_buf_append_byte(out, ':', err));
        }
        VS_TRY(append_value(list->items[i].value, out, err));
    }
    return vs_buf_append_byte(out, '\n', err);
}

static enum vs_status append_names(const struct header_list *list,
                                   struct vs_buf *out,
                                   struct vs_error *err)
{
    for (size_t i = 0; i < list->count; i++) {
        if (!same_name(list, i)) {
            if (i > 0) {
                VS_TRY(vs_buf_append_byte(out, ';', err));
            }
            VS_TRY(append_lower(list->items[i].name, out, err));
        }
    }
    return VS_OK;
}

static enum vs_status append_canonical(const struct vs_aws_sign *request,
                                       const struct header_list *list,
                                       struct vs_buf *scratch,
                                       struct vs_buf *out,
                                       struct vs_error *err)
{
    VS_TRY(vs_buf_append_c(out, request->method, err));
    VS_TRY(vs_buf_append_byte(out, '\n', err));
    VS_TRY(append_path(request, out, err));
    VS_TRY(vs_buf_append_byte(out, '\n', err));
    VS_TRY(append_query(request->query, scratch, out, err));
    VS_TRY(vs_buf_append_byte(out, '\n', err));
    VS_TRY(append_headers(list, out, err));
    VS_TRY(vs_buf_append_byte(out, '\n', err));
    VS_TRY(append_names(list, out, err));
    VS_TRY(vs_buf_append_byte(out, '\n', err));
    return vs_buf_append_str(out, request->payload_sha256, err);
}

enum vs_status vs_aws_canonical_request(const struct vs_aws_sign *request,
                                        const struct vs_aws_credentials *credentials,
                                        struct vs_buf *out,
                                        struct vs_error *err)
{
    char date[AMZ_DATE_LEN + 1];
    struct header_list list;
    struct vs_buf scratch;
    VS_TRY(check_request(request, credentials, err));
    VS_TRY(format_date(request->wall_ms, date, err));
    VS_TRY(collect_headers(request, credentials, vs_str_from_c(date), &list, err));
    vs_buf_init(&scratch, out->env, CANONICAL_LIMIT);
    enum vs_status status = append_canonical(request, &list, &scratch, out, err);
    vs_buf_clear(&scratch);
    return status;
}

// "20150830/us-east-1/service/aws4_request"
static enum vs_status append_scope(const struct vs_aws_sign *request,
                                   const char *date,
                                   struct vs_buf *out,
                                   struct vs_error *err)
{
    VS_TRY(vs_buf_append(out, date, DATE_LEN, err));
    VS_TRY(vs_buf_append_byte(out, '/', err));
    VS_TRY(vs_buf_append_str(out, request->region, err));
    VS_TRY(vs_buf_append_byte(out, '/', err));
    VS_TRY(vs_buf_append_str(out, request->service, err));
    return vs_buf_append_c(out, "/aws4_request", err);
}

// The key of the day, region and service, then the signature: HMAC upon HMAC.
static enum vs_status compute_signature(const struct vs_aws_sign *request,
                                        struct vs_str secret_key,
                                        const char *date,
                                        struct vs_str string_to_sign,
                                        struct vs_buf *scratch,
                                        uint8_t signature_out[VS_SHA256_SIZE],
                                        struct vs_error *err)
{
    const struct vs_str steps[] = {{date, DATE_LEN},
                                   request->region,
                                   request->service,
                                   VS_STR("aws4_request"),
                                   string_to_sign};
    uint8_t key[VS_SHA256_SIZE];
    vs_buf_reset(scratch);
    enum vs_status status = vs_buf_append_c(scratch, "AWS4", err);
    if (status == VS_OK) {
        status = vs_buf_append_str(scratch, secret_key, err);
    }
    const void *with = scratch->data;
    size_t with_len = scratch->len;
    for (size_t i = 0; i < sizeof steps / sizeof steps[0] && status == VS_OK; i++) {
        status = vs_hmac_sha256(with, with_len, steps[i].ptr, steps[i].len, key, err);
        with = key;
        with_len = sizeof key;
    }
    if (status == VS_OK) {
        memcpy(signature_out, key, sizeof key);
    }
    explicit_bzero(key, sizeof key);
    if (scratch->data != NULL) {
        explicit_bzero(scratch->data, scratch->capacity);
    }
    return status;
}

// The value of the authorization header, appended to text. scratch has room for a secret key
// without growing, so that no copy of it is left behind in freed memory.
static enum vs_status append_authorization(const struct vs_aws_sign *request,
                                           const struct vs_aws_credentials *credentials,
                                           const char *date,
                                           struct vs_buf *scratch,
                                           struct vs_buf *text,
                                           struct vs_error *err)
{
    struct header_list list;
    uint8_t digest[VS_SHA256_SIZE];
    char hex[2 * VS_SHA256_SIZE + 1];
    VS_TRY(collect_headers(request, credentials, vs_str_from_c(date), &list, err));
    size_t start = text->len;
    VS_TRY(append_canonical(request, &list, scratch, text, err));
    VS_TRY(vs_sha256(text->data + start, text->len - start, digest, err));
    text->len = start;
    vs_hex_format(digest, sizeof digest, hex);
    VS_TRY(vs_buf_printf(text, err, "AWS4-HMAC-SHA256\n%s\n", date));
    VS_TRY(append_scope(request, date, text, err));
    VS_TRY(vs_buf_printf(text, err, "\n%s", hex));
    vs_buf_reset(scratch);
    VS_TRY(vs_buf_reserve(scratch, credentials->secret_key.len + sizeof "AWS4", err));
    VS_TRY(compute_signature(request, credentials->secret_key, date,
                             (struct vs_str){(const char *)text->data + start, text->len - start},
                             scratch, digest, err));
    text->len = start;
    vs_hex_format(digest, sizeof digest, hex);
    VS_TRY(vs_buf_append_c(text, "AWS4-HMAC-SHA256 Credential=", err));
    VS_TRY(vs_buf_append_str(text, credentials->access_key, err));
    VS_TRY(vs_buf_append_byte(text, '/', err));
    VS_TRY(append_scope(request, date, text, err));
    VS_TRY(vs_buf_append_c(text, ", SignedHeaders=", err));
    VS_TRY(append_names(&list, text, err));
    return vs_buf_printf(text, err, ", Signature=%s", hex);
}

enum vs_status vs_aws_sign(const struct vs_aws_sign *request,
                           const struct vs_aws_credentials *credentials,
                           struct vs_buf *text,
                           struct vs_pair headers_out[VS_AWS_SIGNED_HEADERS_MAX],
                           size_t *count_out,
                           struct vs_error *err)
{
    char date[AMZ_DATE_LEN + 1];
    struct vs_buf scratch;
    vs_buf_reset(text);
    if (credentials->access_key.len == 0) {
        *count_out = 0;
        return VS_OK;
    }
    VS_TRY(check_request(request, credentials, err));
    VS_TRY(format_date(request->wall_ms, date, err));
    size_t hash_len = request->is_s3 ? request->payload_sha256.len : 0;
    size_t token_len = credentials->session_token.len;
    VS_TRY(vs_buf_append(text, date, AMZ_DATE_LEN, err));
    VS_TRY(vs_buf_append(text, request->payload_sha256.ptr, hash_len, err));
    VS_TRY(vs_buf_append_str(text, credentials->session_token, err));
    vs_buf_init(&scratch, text->env, CANONICAL_LIMIT);
    enum vs_status status = append_authorization(request, credentials, date, &scratch, text, err);
    vs_buf_clear(&scratch);
    if (status != VS_OK) {
        return status;
    }
    const char *at = (const char *)text->data;
    size_t count = 0;
    headers_out[count++] = (struct vs_pair){VS_STR("x-amz-date"), {at, AMZ_DATE_LEN}};
    at += AMZ_DATE_LEN;
    if (hash_len > 0) {
        headers_out[count++] = (struct vs_pair){VS_STR("x-amz-content-sha256"), {at, hash_len}};
        at += hash_len;
    }
    if (token_len > 0) {
        headers_out[count++] = (struct vs_pair){VS_STR("x-amz-security-token"), {at, token_len}};
        at += token_len;
    }
    size_t used = (size_t)(at - (const char *)text->data);
    headers_out[count++] = (struct vs_pair){VS_STR("authorization"), {at, text->len - used}};
    *count_out = count;
    return VS_OK;
}
