// SPDX-License-Identifier: Apache-2.0
#include "api/http/guard.h"

#include <string.h>

#define HEADER_LINE_EXTRA 4 // ": " and the end of line

static const struct vs_verdict pass = {0, NULL};

static struct vs_verdict refuse(unsigned code, const char *message)
{
    return (struct vs_verdict){code, message};
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// The byte that "%XX" at `at` stands for, -1 when it is malformed.
static int escaped_byte(struct vs_str text, size_t at)
{
    if (text.len - at < 3) {
        return -1;
    }
    int high = hex_digit(text.ptr[at + 1]), low = hex_digit(text.ptr[at + 2]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

static bool is_control(int byte)
{
    return byte < 0x20 || byte == 0x7F;
}

static struct vs_verdict check_bytes(struct vs_str target)
{
    for (size_t i = 0; i < target.len; i++) {
        unsigned char c = (unsigned char)target.ptr[i];
        if (c <= 0x20 || c >= 0x7F || c == '#' || c == '\\' || c == '"' || c == '<' || c == '>') {
            return refuse(400, "the request target holds a byte that must be percent-encoded");
        }
    }
    return pass;
}

static struct vs_verdict check_escapes(struct vs_str text, bool is_path)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] != '%') {
            continue;
        }
        int byte = escaped_byte(text, i);
        if (byte < 0) {
            return refuse(400, "the request target holds a malformed percent-encoding");
        }
        if (byte == 0 || (is_path && is_control(byte))) {
            return refuse(400, "the request target holds an encoded control character");
        }
        if (is_path && (byte == '/' || byte == '\\' || byte == '.' || byte == '%')) {
            return refuse(400, "the path holds an encoded slash, backslash, dot or percent sign");
        }
    }
    return pass;
}

// Encoded dots are refused already, so that only literal ones are left.
static struct vs_verdict check_segments(struct vs_str path)
{
    struct vs_str rest = {path.ptr + 1, path.len - 1}, segment;
    bool more = true;
    while (more) {
        struct vs_str tail = {0};
        more = vs_str_split(rest, '/', &segment, &tail);
        if (!more) {
            segment = rest;
        }
        if (vs_str_equal_c(segment, ".") || vs_str_equal_c(segment, "..")) {
            return refuse(400, "the path holds a '.' or '..' segment");
        }
        rest = tail;
    }
    return pass;
}

struct vs_verdict vs_guard_target(struct vs_str target)
{
    if (target.len > VS_GUARD_TARGET_BYTES) {
        return refuse(414, "the request target is longer than 4,096 bytes");
    }
    if (target.len == 0 || target.ptr[0] != '/') {
        return refuse(400, "the request target must be a path that starts with '/'");
    }
    struct vs_str path, query = {0};
    if (!vs_str_split(target, '?', &path, &query)) {
        path = target;
    }
    struct vs_verdict verdict = check_bytes(target);
    if (verdict.code == 0) {
        verdict = check_escapes(path, true);
    }
    if (verdict.code == 0) {
        verdict = check_escapes(query, false);
    }
    return verdict.code == 0 ? check_segments(path) : verdict;
}

// RFC 9110 token.
static bool is_token(struct vs_str name)
{
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.ptr[i];
        if (c <= 0x20 || c >= 0x7F || strchr("\"(),/:;<=>?@[\\]{}", c) != NULL) {
            return false;
        }
    }
    return name.len > 0;
}

static bool is_value(struct vs_str value)
{
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        if (is_control(c) && c != '\t') {
            return false;
        }
    }
    return true;
}

// Only names of this machine: a page whose name was pointed at 127.0.0.1 must not reach the server
// through a browser.
static bool is_local_host(struct vs_str host)
{
    struct vs_str name = host;
    if (host.len > 0 && host.ptr[0] == '[') {
        size_t end = 0;
        while (end < host.len && host.ptr[end] != ']') {
            end++;
        }
        name = (struct vs_str){host.ptr, end < host.len ? end + 1 : host.len};
        return vs_str_equal_c(name, "[::1]");
    }
    struct vs_str port;
    if (vs_str_split(host, ':', &name, &port)) {
        uint64_t number;
        if (vs_parse_u64(port, &number, NULL) != VS_OK || number > 65535) {
            return false;
        }
    }
    return vs_str_equal_nocase(name, VS_STR("localhost")) || vs_str_equal_c(name, "127.0.0.1");
}

static bool parse_length(struct vs_str value, uint64_t *length_out)
{
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] < '0' || value.ptr[i] > '9') {
            return false;
        }
    }
    return value.len > 0 && value.len <= 19 && vs_parse_u64(value, length_out, NULL) == VS_OK;
}

void vs_guard_header(struct vs_guard *guard, struct vs_str name, struct vs_str value)
{
    guard->header_bytes += name.len + value.len + HEADER_LINE_EXTRA;
    guard->bad_name |= !is_token(name);
    guard->bad_value |= !is_value(value);
    if (vs_str_equal_nocase(name, VS_STR("Content-Length"))) {
        guard->content_length_count++;
        guard->bad_length |= !parse_length(value, &guard->content_length);
    } else if (vs_str_equal_nocase(name, VS_STR("Transfer-Encoding"))) {
        guard->transfer_encoding_count++;
        guard->not_chunked |= !vs_str_equal_nocase(value, VS_STR("chunked"));
    } else if (vs_str_equal_nocase(name, VS_STR("Host"))) {
        guard->host_count++;
        guard->foreign_host |= !is_local_host(value);
    }
}

struct vs_verdict vs_guard_judge(const struct vs_guard *guard)
{
    if (guard->header_bytes > VS_GUARD_HEADER_BYTES) {
        return refuse(431, "the headers are longer than 32 KiB");
    }
    if (guard->bad_name) {
        return refuse(400, "a header name holds a blank or another character that is not allowed");
    }
    if (guard->bad_value) {
        return refuse(400, "a header value holds a control character");
    }
    if (guard->content_length_count > 1 || guard->transfer_encoding_count > 1) {
        return refuse(400, "Content-Length or Transfer-Encoding is given more than once");
    }
    if (guard->content_length_count > 0 && guard->transfer_encoding_count > 0) {
        return refuse(400, "both Content-Length and Transfer-Encoding are given");
    }
    if (guard->bad_length) {
        return refuse(400, "Content-Length is not a plain number");
    }
    if (guard->not_chunked) {
        return refuse(400, "the only Transfer-Encoding taken is 'chunked'");
    }
    if (guard->host_count > 1) {
        return refuse(400, "Host is given more than once");
    }
    if (guard->foreign_host) {
        return refuse(421,
                      "Host names another machine; this server listens on loopback and answers to "
                      "localhost, 127.0.0.1 and [::1]");
    }
    return pass;
}
