// SPDX-License-Identifier: Apache-2.0
#include "api/schema_text.h"

#define MAX_FIELDS 2000

// The next column definition: up to a comma outside parentheses ("decimal(10,2)").
static struct vs_str take_part(struct vs_str *rest)
{
    size_t depth = 0, i = 0;
    while (i < rest->len && !(rest->ptr[i] == ',' && depth == 0)) {
        depth += rest->ptr[i] == '(';
        depth -= rest->ptr[i] == ')' && depth > 0;
        i++;
    }
    struct vs_str part = {rest->ptr, i};
    size_t used = i < rest->len ? i + 1 : i;
    rest->ptr += used;
    rest->len -= used;
    return vs_str_trim(part);
}

static size_t count_parts(struct vs_str text)
{
    size_t count = 0;
    while (text.len > 0) {
        (void)take_part(&text);
        count++;
    }
    return count;
}

// "title string not null": the name ends at the first blank; NOT NULL is optional.
static enum vs_status parse_part(struct vs_str part,
                                 struct vs_arena *arena,
                                 struct vs_field *field,
                                 struct vs_error *err)
{
    struct vs_str name, type;
    if (!vs_str_split(part, ' ', &name, &type)) {
        return vs_fail(
            err, VS_INVALID,
            "schema: '%.*s' is not a column; write a name and a type, as in \"title string\"",
            VS_STR_ARG(part));
    }
    type = vs_str_trim(type);
    const struct vs_str not_null = VS_STR(" not null");
    if (type.len > not_null.len &&
        vs_str_equal_nocase((struct vs_str){type.ptr + type.len - not_null.len, not_null.len},
                            not_null)) {
        field->required = true;
        type = vs_str_trim((struct vs_str){type.ptr, type.len - not_null.len});
    }
    field->id = -1;
    field->element_id = -1;
    field->name = vs_arena_copy_str(arena, vs_str_trim(name));
    if (field->name.ptr == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for a schema");
    }
    enum vs_status status = vs_type_parse(type, field, err);
    return status == VS_OK ? VS_OK
                           : vs_wrap(err, status, "schema: column '%.*s'", VS_STR_ARG(field->name));
}

enum vs_status vs_schema_text_parse(struct vs_str text,
                                    struct vs_arena *arena,
                                    struct vs_field **fields_out,
                                    size_t *count_out,
                                    struct vs_error *err)
{
    size_t count = count_parts(text);
    if (count == 0 || count > MAX_FIELDS) {
        return vs_fail(err, VS_INVALID,
                       "schema: %zu columns; give 1 to %d, as in \"id long, title string\"", count,
                       MAX_FIELDS);
    }
    struct vs_field *fields =
        vs_arena_alloc_array(arena, count + 1, sizeof *fields); // one spare for the vector column
    if (fields == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for a schema of %zu columns", count);
    }
    for (size_t i = 0; i < count; i++) {
        VS_TRY(parse_part(take_part(&text), arena, &fields[i], err));
        for (size_t j = 0; j < i; j++) {
            if (vs_str_equal(fields[i].name, fields[j].name)) {
                return vs_fail(err, VS_INVALID, "schema: column '%.*s' is named twice",
                               VS_STR_ARG(fields[i].name));
            }
        }
    }
    *fields_out = fields;
    *count_out = count;
    return VS_OK;
}
