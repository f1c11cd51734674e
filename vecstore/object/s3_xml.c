// SPDX-License-Identifier: Apache-2.0
#include "vecstore/object/s3_xml.h"

#include <string.h>

struct walker {
    struct vs_str rest; // what is not read yet
    struct vs_str names[VS_XML_DEPTH_MAX];
    size_t depth;
    bool has_children; // of the innermost open element
    bool root_seen;
    struct vs_buf text;
    vs_xml_visit_fn visit;
    void *ctx;
};

static enum vs_status fail_xml(const char *reason, struct vs_error *err)
{
    return vs_fail(err, VS_CORRUPT, "malformed XML: %s", reason);
}

static void advance(struct walker *w, size_t n)
{
    w->rest.ptr += n;
    w->rest.len -= n;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

// Position of `needle` in the rest; SIZE_MAX when absent.
static size_t find(const struct walker *w, const char *needle)
{
    const void *hit = memmem(w->rest.ptr, w->rest.len, needle, strlen(needle));
    return hit == NULL ? SIZE_MAX : (size_t)((const char *)hit - w->rest.ptr);
}

static enum vs_status skip_to(struct walker *w,
                              const char *end,
                              const char *reason,
                              struct vs_error *err)
{
    size_t at = find(w, end);
    if (at == SIZE_MAX) {
        return fail_xml(reason, err);
    }
    advance(w, at + strlen(end));
    return VS_OK;
}

// ---- character data ----

static enum vs_status append_code_point(struct vs_buf *out, uint32_t c, struct vs_error *err)
{
    uint8_t bytes[4];
    size_t n = 0;
    if (c == 0 || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF)) {
        return fail_xml("a reference to a character that does not exist", err);
    }
    if (c < 0x80) {
        bytes[n++] = (uint8_t)c;
    } else if (c < 0x800) {
        bytes[n++] = (uint8_t)(0xC0 | c >> 6);
    } else if (c < 0x10000) {
        bytes[n++] = (uint8_t)(0xE0 | c >> 12);
        bytes[n++] = (uint8_t)(0x80 | (c >> 6 & 63));
    } else {
        bytes[n++] = (uint8_t)(0xF0 | c >> 18);
        bytes[n++] = (uint8_t)(0x80 | (c >> 12 & 63));
        bytes[n++] = (uint8_t)(0x80 | (c >> 6 & 63));
    }
    if (c >= 0x80) {
        bytes[n++] = (uint8_t)(0x80 | (c & 63));
    }
    return vs_buf_append(out, bytes, n, err);
}

static int digit_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : 99;
}

// name is what stands between '&' and ';'.
static enum vs_status append_reference(struct vs_buf *out, struct vs_str name, struct vs_error *err)
{
    static const char *const names[] = {"amp", "lt", "gt", "quot", "apos"};
    static const char chars[] = "&<>\"'";
    for (size_t i = 0; i < 5; i++) {
        if (vs_str_equal_c(name, names[i])) {
            return vs_buf_append_byte(out, (uint8_t)chars[i], err);
        }
    }
    if (name.len < 2 || name.len > 9 || name.ptr[0] != '#') {
        return fail_xml("an unknown entity", err);
    }
    bool hex = name.ptr[1] == 'x';
    uint32_t value = 0;
    for (size_t i = hex ? 2 : 1; i < name.len; i++) {
        int digit = digit_value(name.ptr[i]);
        if (digit >= (hex ? 16 : 10)) {
            return fail_xml("a character reference that is no number", err);
        }
        value = value * (hex ? 16u : 10u) + (uint32_t)digit; // at most eight digits: fits
    }
    return append_code_point(out, value, err);
}

// Everything up to the next '<'.
static enum vs_status read_text(struct walker *w, struct vs_error *err)
{
    const char *next = (const char *)memchr(w->rest.ptr, '<', w->rest.len);
    size_t len = next == NULL ? w->rest.len : (size_t)(next - w->rest.ptr);
    struct vs_str piece = {w->rest.ptr, len};
    advance(w, len);
    if (w->depth == 0) {
        return vs_str_trim(piece).len == 0 ? VS_OK : fail_xml("text outside the root", err);
    }
    struct vs_str plain = {NULL, 0};
    struct vs_str name = {NULL, 0};
    while (vs_str_split(piece, '&', &plain, &piece)) {
        VS_TRY(vs_buf_append_str(&w->text, plain, err));
        if (!vs_str_split(piece, ';', &name, &piece)) {
            return fail_xml("an entity without its end", err);
        }
        VS_TRY(append_reference(&w->text, name, err));
    }
    return vs_buf_append_str(&w->text, piece, err);
}

// ---- tags ----

static struct vs_str local_name(struct vs_str name)
{
    struct vs_str prefix = {NULL, 0};
    struct vs_str local = {NULL, 0};
    return vs_str_split(name, ':', &prefix, &local) ? local : name;
}

static enum vs_status close_element(struct walker *w, struct vs_error *err)
{
    size_t depth = w->depth;
    struct vs_xml_element element = {
        .name = w->names[depth - 1],
        .parent = depth > 1 ? w->names[depth - 2] : VS_STR(""),
        .root = w->names[0],
        .text = w->has_children ? VS_STR("") : vs_buf_view(&w->text),
        .depth = depth,
    };
    w->depth--;
    VS_TRY(w->visit(w->ctx, &element, err));
    w->has_children = true; // of the parent, which is innermost now
    vs_buf_reset(&w->text);
    return VS_OK;
}

static enum vs_status open_element(struct walker *w, struct vs_str tag, struct vs_error *err)
{
    bool closed = tag.len > 0 && tag.ptr[tag.len - 1] == '/';
    size_t name_len = 0;
    tag.len -= closed;
    while (name_len < tag.len && !is_space(tag.ptr[name_len])) {
        name_len++;
    }
    struct vs_str name = local_name((struct vs_str){tag.ptr, name_len});
    if (name.len == 0 || (w->depth == 0 && w->root_seen)) {
        return fail_xml(name.len == 0 ? "a tag without a name" : "two roots", err);
    }
    if (w->depth == VS_XML_DEPTH_MAX) {
        return fail_xml("elements nested too deeply", err);
    }
    w->names[w->depth++] = name;
    w->root_seen = true;
    w->has_children = false;
    vs_buf_reset(&w->text);
    return closed ? close_element(w, err) : VS_OK;
}

static enum vs_status read_end_tag(struct walker *w, struct vs_str tag, struct vs_error *err)
{
    struct vs_str name = local_name(vs_str_trim(tag));
    if (w->depth == 0 || !vs_str_equal(name, w->names[w->depth - 1])) {
        return fail_xml("an end tag that fits no start", err);
    }
    return close_element(w, err);
}

static enum vs_status read_cdata(struct walker *w, struct vs_error *err)
{
    advance(w, sizeof "<![CDATA[" - 1);
    size_t end = find(w, "]]>");
    if (end == SIZE_MAX || w->depth == 0) {
        return fail_xml("CDATA without its end or outside the root", err);
    }
    VS_TRY(vs_buf_append(&w->text, w->rest.ptr, end, err));
    advance(w, end + 3);
    return VS_OK;
}

// The rest starts with '<'. '>' inside attribute values is quoted.
static enum vs_status read_markup(struct walker *w, struct vs_error *err)
{
    if (vs_str_starts_with(w->rest, VS_STR("<?"))) {
        return skip_to(w, "?>", "an instruction without its end", err);
    }
    if (vs_str_starts_with(w->rest, VS_STR("<!--"))) {
        return skip_to(w, "-->", "a comment without its end", err);
    }
    if (vs_str_starts_with(w->rest, VS_STR("<![CDATA["))) {
        return read_cdata(w, err);
    }
    if (vs_str_starts_with(w->rest, VS_STR("<!"))) {
        return fail_xml("a declaration, which is not allowed here", err);
    }
    char quote = '\0';
    size_t end = 1;
    while (end < w->rest.len && (quote != '\0' || w->rest.ptr[end] != '>')) {
        char c = w->rest.ptr[end++];
        if (quote == '\0' && (c == '"' || c == '\'')) {
            quote = c;
        } else if (c == quote) {
            quote = '\0';
        }
    }
    if (end >= w->rest.len) {
        return fail_xml("a tag without its end", err);
    }
    struct vs_str tag = {w->rest.ptr + 1, end - 1};
    advance(w, end + 1);
    if (tag.len > 0 && tag.ptr[0] == '/') {
        return read_end_tag(w, (struct vs_str){tag.ptr + 1, tag.len - 1}, err);
    }
    return open_element(w, tag, err);
}

enum vs_status vs_xml_walk(const struct vs_env *env,
                           struct vs_str text,
                           vs_xml_visit_fn visit,
                           void *ctx,
                           struct vs_error *err)
{
    struct walker w = {.rest = text, .visit = visit, .ctx = ctx};
    enum vs_status status = VS_OK;
    vs_buf_init(&w.text, env, text.len + 1);
    if (vs_str_starts_with(text, VS_STR("\xEF\xBB\xBF"))) {
        advance(&w, 3);
    }
    while (status == VS_OK && w.rest.len > 0) {
        status = w.rest.ptr[0] == '<' ? read_markup(&w, err) : read_text(&w, err);
    }
    if (status == VS_OK && (w.depth > 0 || !w.root_seen)) {
        status = fail_xml(w.depth > 0 ? "it ends inside an element" : "there is no element", err);
    }
    vs_buf_clear(&w.text);
    return status;
}

enum vs_status vs_xml_escape(struct vs_str text, struct vs_buf *out, struct vs_error *err)
{
    for (size_t i = 0; i < text.len; i++) {
        switch (text.ptr[i]) {
        case '&':
            VS_TRY(vs_buf_append_c(out, "&amp;", err));
            break;
        case '<':
            VS_TRY(vs_buf_append_c(out, "&lt;", err));
            break;
        case '>':
            VS_TRY(vs_buf_append_c(out, "&gt;", err));
            break;
        case '"':
            VS_TRY(vs_buf_append_c(out, "&quot;", err));
            break;
        default:
            VS_TRY(vs_buf_append_byte(out, (uint8_t)text.ptr[i], err));
        }
    }
    return VS_OK;
}
