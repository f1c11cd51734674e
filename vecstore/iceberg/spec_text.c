// SPDX-License-Identifier: Apache-2.0
/*
 * Partition specs and sort orders as people write them: "lang, bucket(16, id), day(created)" and
 * "lang asc nulls first, created desc".
 *
 * A column name that is not made of letters, digits and underscores stands in double quotes or
 * backticks.
 */
#include "vecstore/iceberg/spec_text.h"

#include <string.h>

#define MAX_TERMS 64

struct term_reader {
    struct vs_str rest;
    const struct vs_schema *schema;
    struct vs_arena *arena;
    struct vs_error *err;
};

static void skip_space(struct term_reader *r)
{
    while (r->rest.len > 0 && memchr(" \t\r\n", r->rest.ptr[0], 4) != NULL) {
        r->rest.ptr++;
        r->rest.len--;
    }
}

static bool take(struct term_reader *r, char c)
{
    skip_space(r);
    if (r->rest.len == 0 || r->rest.ptr[0] != c) {
        return false;
    }
    r->rest.ptr++;
    r->rest.len--;
    return true;
}

static bool is_word_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '-' || (unsigned char)c >= 0x80;
}

// A bare word or a quoted name; empty when there is none.
static struct vs_str take_word(struct term_reader *r)
{
    skip_space(r);
    struct vs_str word = {r->rest.ptr, 0};
    char quote = '\0';
    if (r->rest.len > 0) {
        quote = r->rest.ptr[0];
    }
    if (quote == '"' || quote == '`') {
        const char *end = memchr(r->rest.ptr + 1, quote, r->rest.len - 1);
        if (end == NULL) {
            return word;
        }
        word = (struct vs_str){r->rest.ptr + 1, (size_t)(end - r->rest.ptr) - 1};
        r->rest.len -= word.len + 2;
        r->rest.ptr = end + 1;
        return word;
    }
    while (word.len < r->rest.len && is_word_byte(word.ptr[word.len])) {
        word.len++;
    }
    r->rest.ptr += word.len;
    r->rest.len -= word.len;
    return word;
}

static bool take_keyword(struct term_reader *r, const char *keyword)
{
    struct term_reader before = *r;
    struct vs_str word = take_word(r);
    if (word.len > 0 && vs_str_equal_nocase(word, vs_str_from_c(keyword))) {
        return true;
    }
    *r = before;
    return false;
}

static enum vs_status fail_here(const struct term_reader *r, const char *what)
{
    return vs_fail(r->err, VS_INVALID,
                   "%s at '%.*s'; write terms like: lang, bucket(16, id), truncate(4, name), "
                   "day(created)",
                   what, VS_STR_ARG(r->rest));
}

// Canonical name of a transform; plurals are what Spark calls them. NULL: unknown.
static const char *transform_name(struct vs_str word)
{
    static const char *const names[][2] = {
        {"identity", "identity"}, {"bucket", "bucket"}, {"truncate", "truncate"}, {"year", "year"},
        {"years", "year"},        {"month", "month"},   {"months", "month"},      {"day", "day"},
        {"days", "day"},          {"hour", "hour"},     {"hours", "hour"},        {"void", "void"},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (vs_str_equal_nocase(word, vs_str_from_c(names[i][0]))) {
            return names[i][1];
        }
    }
    return NULL;
}

// What stands in the brackets: an optional width and a column, in either order.
static enum vs_status read_arguments(struct term_reader *r,
                                     bool has_width,
                                     struct vs_str *column_out,
                                     int64_t *width_out)
{
    struct vs_str first = take_word(r), second = {NULL, 0};
    if (has_width) {
        if (!take(r, ',')) {
            return fail_here(r, "bucket and truncate take a number and a column");
        }
        second = take_word(r);
        bool is_first = vs_parse_i64(first, width_out, NULL) == VS_OK;
        if (!is_first && vs_parse_i64(second, width_out, NULL) != VS_OK) {
            return fail_here(r, "bucket and truncate take a number and a column");
        }
        first = is_first ? second : first;
        if (*width_out < 1 || *width_out > INT32_MAX) {
            return vs_fail(r->err, VS_INVALID, "%lld is no width of a transform",
                           (long long)*width_out);
        }
    }
    *column_out = first;
    return take(r, ')') ? VS_OK : fail_here(r, "a closing bracket is missing");
}

// One term: a column, or a transform of one.
static enum vs_status read_term(struct term_reader *r,
                                int32_t *source_out,
                                struct vs_str *transform_out)
{
    int64_t width = 0;
    skip_space(r);
    bool is_quoted = r->rest.len > 0 && (r->rest.ptr[0] == '"' || r->rest.ptr[0] == '`');
    struct vs_str column = take_word(r);
    const char *name = "identity";
    if (!is_quoted && take(r, '(')) {
        name = transform_name(column);
        if (name == NULL) {
            return vs_fail(r->err, VS_INVALID,
                           "transform '%.*s' is not known; there are identity, bucket, truncate, "
                           "year, month, day, hour and void",
                           VS_STR_ARG(column));
        }
        bool has_width = strcmp(name, "bucket") == 0 || strcmp(name, "truncate") == 0;
        VS_TRY(read_arguments(r, has_width, &column, &width));
    }
    if (column.len == 0) {
        return fail_here(r, "a column is missing");
    }
    size_t index = vs_schema_find(r->schema, column);
    if (index == SIZE_MAX) {
        return vs_fail(r->err, VS_NOT_FOUND, "the table has no column '%.*s'", VS_STR_ARG(column));
    }
    // a schema that is to be created may have no ids yet: by position then, as ids are given
    int32_t id = r->schema->fields[index].id;
    *source_out = id > 0 ? id : (int32_t)index + 1;
    *transform_out = width > 0 ? vs_arena_printf(r->arena, "%s[%lld]", name, (long long)width)
                               : vs_str_from_c(name);
    if (transform_out->ptr == NULL) {
        return vs_fail(r->err, VS_NO_MEMORY, "no memory for a partition spec");
    }
    struct vs_transform transform;
    struct vs_field result;
    VS_TRY(vs_transform_parse(*transform_out, &transform, r->err));
    return vs_transform_result(&transform, &r->schema->fields[index], &result, r->err);
}

static bool is_none(struct vs_str text)
{
    text = vs_str_trim(text);
    return text.len == 0 || vs_str_equal_nocase(text, VS_STR("none"));
}

// ---- partition specs ----

static struct vs_str column_name(const struct vs_schema *schema, int32_t id)
{
    size_t index = vs_schema_find_id(schema, id);
    index = index == SIZE_MAX ? (size_t)id - 1 : index;
    return schema->fields[index].name;
}

// The n-th proposal for the field's name: Java's, then with the width, then with a number.
struct vs_str vs_partition_field_name(const struct vs_schema *schema,
                                      const struct vs_partition_field *field,
                                      unsigned n,
                                      struct vs_arena *arena)
{
    static const char *const suffixes[][2] = {
        {"bucket", "_bucket"}, {"truncate", "_trunc"}, {"year", "_year"}, {"month", "_month"},
        {"day", "_day"},       {"hour", "_hour"},      {"void", "_null"}};
    struct vs_str column = column_name(schema, field->source_id), width = {"", 0};
    struct vs_str kind = field->transform, tail;
    const char *suffix = "";
    if (vs_str_split(field->transform, '[', &kind, &tail) && tail.len > 0) {
        width = (struct vs_str){tail.ptr, tail.len - 1};
    }
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        suffix = vs_str_equal_c(kind, suffixes[i][0]) ? suffixes[i][1] : suffix;
    }
    if (n == 0) {
        return vs_arena_printf(arena, "%.*s%s", VS_STR_ARG(column), suffix);
    }
    if (n == 1 && width.len > 0) {
        return vs_arena_printf(arena, "%.*s%s_%.*s", VS_STR_ARG(column), suffix, VS_STR_ARG(width));
    }
    return vs_arena_printf(arena, "%.*s%s_%u", VS_STR_ARG(column), suffix, field->field_id + n);
}

static bool is_time(struct vs_str transform)
{
    return vs_str_equal_c(transform, "year") || vs_str_equal_c(transform, "month") ||
           vs_str_equal_c(transform, "day") || vs_str_equal_c(transform, "hour");
}

// A name that is neither a column's (but for identity) nor taken in this spec.
static enum vs_status choose_name(struct term_reader *r,
                                  const struct vs_partition_field *fields,
                                  size_t count,
                                  struct vs_partition_field *field)
{
    bool is_identity = vs_str_equal_c(field->transform, "identity");
    for (unsigned n = 0;; n++) {
        struct vs_str name = vs_partition_field_name(r->schema, field, n, r->arena);
        if (name.ptr == NULL) {
            return vs_fail(r->err, VS_NO_MEMORY, "no memory for a partition spec");
        }
        bool taken = (!is_identity || n > 0) && vs_schema_find(r->schema, name) != SIZE_MAX;
        for (size_t i = 0; i < count; i++) {
            taken = taken || vs_str_equal(fields[i].name, name);
        }
        if (!taken) {
            field->name = name;
            return VS_OK;
        }
    }
}

enum vs_status vs_partition_spec_parse(struct vs_str text,
                                       const struct vs_schema *schema,
                                       struct vs_arena *arena,
                                       struct vs_partition_spec *spec_out,
                                       struct vs_error *err)
{
    struct term_reader r = {.rest = text, .schema = schema, .arena = arena, .err = err};
    struct vs_partition_spec spec = {0};
    if (is_none(text)) {
        *spec_out = spec;
        return VS_OK;
    }
    spec.fields = vs_arena_alloc_array(arena, MAX_TERMS, sizeof *spec.fields);
    if (spec.fields == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "no memory for a partition spec");
    }
    do {
        if (spec.field_count == MAX_TERMS) {
            return vs_fail(err, VS_LIMIT, "a partition spec has at most %d fields", MAX_TERMS);
        }
        struct vs_partition_field *field = &spec.fields[spec.field_count];
        field->field_id = VS_FIRST_PARTITION_ID + (int32_t)spec.field_count;
        VS_TRY(read_term(&r, &field->source_id, &field->transform));
        for (size_t i = 0; i < spec.field_count; i++) {
            const struct vs_partition_field *other = &spec.fields[i];
            if (other->source_id == field->source_id &&
                (vs_str_equal(other->transform, field->transform) ||
                 (is_time(other->transform) && is_time(field->transform)))) {
                return vs_fail(err, VS_INVALID, "%.*s and %.*s of one column are redundant",
                               VS_STR_ARG(other->transform), VS_STR_ARG(field->transform));
            }
        }
        VS_TRY(choose_name(&r, spec.fields, spec.field_count, field));
        spec.field_count++;
    } while (take(&r, ','));
    skip_space(&r);
    if (r.rest.len > 0) {
        return fail_here(&r, "a comma is missing");
    }
    *spec_out = spec;
    return VS_OK;
}

// ---- sort orders ----

static enum vs_status read_direction(struct term_reader *r, struct vs_sort_field *field)
{
    field->descending = take_keyword(r, "desc");
    if (!field->descending) {
        (void)take_keyword(r, "asc");
    }
    field->nulls_last = field->descending; // what SQL engines on Iceberg assume
    if (take_keyword(r, "nulls")) {
        field->nulls_last = take_keyword(r, "last");
        if (!field->nulls_last && !take_keyword(r, "first")) {
            return fail_here(r, "'nulls' is followed by first or last");
        }
    }
    return VS_OK;
}

enum vs_status vs_sort_order_parse(struct vs_str text,
                                   const struct vs_schema *schema,
                                   struct vs_arena *arena,
                                   struct vs_sort_order *order_out,
                                   struct vs_error *err)
{
    struct term_reader r = {.rest = text, .schema = schema, .arena = arena, .err = err};
    struct vs_sort_order order = {.order_id = 1};
    if (is_none(text)) {
        *order_out = (struct vs_sort_order){0};
        return VS_OK;
    }
    order.fields = vs_arena_alloc_array(arena, MAX_TERMS, sizeof *order.fields);
    if (order.fields == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "no memory for a sort order");
    }
    do {
        if (order.field_count == MAX_TERMS) {
            return vs_fail(err, VS_LIMIT, "a sort order has at most %d fields", MAX_TERMS);
        }
        struct vs_sort_field *field = &order.fields[order.field_count];
        VS_TRY(read_term(&r, &field->source_id, &field->transform));
        VS_TRY(read_direction(&r, field));
        for (size_t i = 0; i < order.field_count; i++) {
            if (order.fields[i].source_id == field->source_id &&
                vs_str_equal(order.fields[i].transform, field->transform)) {
                return vs_fail(err, VS_INVALID, "the sort order names a column twice");
            }
        }
        order.field_count++;
    } while (take(&r, ','));
    skip_space(&r);
    if (r.rest.len > 0) {
        return fail_here(&r, "a comma is missing");
    }
    *order_out = order;
    return VS_OK;
}
