// SPDX-License-Identifier: Apache-2.0
#include "ingest/jsonl_infer.h"

#include "vecstore/base/json.h"

#include <inttypes.h>
#include <string.h>

#define SAMPLE_BYTES ((size_t)64 * 1024 * 1024)
#define MAX_COLUMNS 4096

// What was seen under a key: a set of forms.
enum form {
    FORM_BOOL = 1,
    FORM_INT = 2,
    FORM_REAL = 4,
    FORM_TEXT = 8,
    FORM_ARRAY = 16,
};

struct guess {
    struct vs_str name;
    unsigned forms;         // of the values
    unsigned element_forms; // of the elements of arrays
    uint64_t line;          // of the first value that is not null
};

struct inference {
    const struct vs_env *env;
    const char *name;
    struct vs_arena *arena;
    struct vs_buf guesses; // struct guess
    struct vs_str vector_name;
};

static struct guess *guess_at(struct inference *in, size_t i)
{
    return (struct guess *)(void *)in->guesses.data + i;
}

static const char *form_name(unsigned forms)
{
    return (forms & FORM_ARRAY) != 0               ? "an array"
           : (forms & FORM_TEXT) != 0              ? "a text"
           : (forms & (FORM_INT | FORM_REAL)) != 0 ? "a number"
                                                   : "true or false";
}

// Integers and reals go together, nothing else does.
static bool fits(unsigned forms)
{
    return (forms & (forms - 1)) == 0 || forms == (FORM_INT | FORM_REAL);
}

static enum vs_status form_of(const struct vs_json *value, unsigned *form_out, struct vs_error *err)
{
    switch (vs_json_type_of(value)) {
    case VS_JSON_NULL:
        *form_out = 0;
        return VS_OK;
    case VS_JSON_BOOL:
        *form_out = FORM_BOOL;
        return VS_OK;
    case VS_JSON_INT:
        *form_out = FORM_INT;
        return VS_OK;
    case VS_JSON_UINT:
        return vs_fail(err, VS_UNSUPPORTED, "an integer above the range of a long");
    case VS_JSON_REAL:
        *form_out = FORM_REAL;
        return VS_OK;
    case VS_JSON_STRING:
        *form_out = FORM_TEXT;
        return VS_OK;
    case VS_JSON_ARRAY:
        *form_out = FORM_ARRAY;
        return VS_OK;
    case VS_JSON_OBJECT:
        break;
    }
    return vs_fail(err, VS_UNSUPPORTED,
                   "an object within an object; columns hold plain values and lists of them");
}

static enum vs_status see_elements(struct guess *guess,
                                   const struct vs_json *array,
                                   struct vs_error *err)
{
    struct vs_json_iter iter;
    const struct vs_json *value;
    vs_json_iter_init(&iter, array);
    while (vs_json_iter_next(&iter, NULL, &value)) {
        unsigned form = 0;
        VS_TRY(form_of(value, &form, err));
        if (form == FORM_ARRAY) {
            return vs_fail(err, VS_UNSUPPORTED, "an array within an array");
        }
        if (!fits(guess->element_forms | form)) {
            return vs_fail(err, VS_INVALID, "%s among elements of another type", form_name(form));
        }
        guess->element_forms |= form;
    }
    return VS_OK;
}

static enum vs_status see_value(struct guess *guess,
                                const struct vs_json *value,
                                uint64_t line,
                                struct vs_error *err)
{
    unsigned form = 0;
    VS_TRY(form_of(value, &form, err));
    if (form == 0) {
        return VS_OK;
    }
    if (!fits(guess->forms | form)) {
        return vs_fail(err, VS_INVALID,
                       "%s here, %s in line %" PRIu64
                       "; make them alike, or make the table first, with --schema",
                       form_name(form), form_name(guess->forms), guess->line);
    }
    guess->line = guess->forms == 0 ? line : guess->line;
    guess->forms |= form;
    return form == FORM_ARRAY ? see_elements(guess, value, err) : VS_OK;
}

static enum vs_status find_guess(
    struct inference *in, struct vs_str key, size_t hint, size_t *at_out, struct vs_error *err)
{
    size_t count = in->guesses.len / sizeof(struct guess);
    if (hint < count && vs_str_equal(guess_at(in, hint)->name, key)) {
        *at_out = hint;
        return VS_OK;
    }
    for (size_t i = 0; i < count; i++) {
        if (vs_str_equal(guess_at(in, i)->name, key)) {
            *at_out = i;
            return VS_OK;
        }
    }
    if (count == MAX_COLUMNS) {
        return vs_fail(err, VS_LIMIT, "more than %d different keys", MAX_COLUMNS);
    }
    struct guess guess = {.name = vs_arena_copy_str(in->arena, key)};
    if (guess.name.ptr == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for the columns");
    }
    *at_out = count;
    return vs_buf_append(&in->guesses, &guess, sizeof guess, err);
}

static enum vs_status see_object(struct inference *in,
                                 const struct vs_json *object,
                                 uint64_t line,
                                 struct vs_error *err)
{
    struct vs_json_iter iter;
    struct vs_str key;
    const struct vs_json *value;
    size_t at = SIZE_MAX;
    if (!vs_json_is(object, VS_JSON_OBJECT)) {
        return vs_fail(err, VS_INVALID, "%s, but a row is an object: {\"column\": value, …}",
                       vs_json_type_name(object));
    }
    vs_json_iter_init(&iter, object);
    while (vs_json_iter_next(&iter, &key, &value)) {
        VS_TRY(find_guess(in, key, at + 1, &at, err));
        enum vs_status status = see_value(guess_at(in, at), value, line, err);
        if (status != VS_OK) {
            return vs_wrap(err, status, "key '%.*s'", VS_STR_ARG(key));
        }
    }
    return VS_OK;
}

static enum vs_status see_line(struct inference *in,
                               struct vs_str line,
                               uint64_t number,
                               struct vs_error *err)
{
    struct vs_json_doc *doc = NULL;
    enum vs_status status = vs_json_parse(in->env, line, "its JSON", NULL, &doc, err);
    if (status == VS_OK) {
        status = see_object(in, vs_json_root(doc), number, err);
    }
    vs_json_free(doc);
    return status == VS_OK ? VS_OK : vs_wrap(err, status, "%s: line %" PRIu64, in->name, number);
}

static enum vs_kind plain_kind(unsigned forms)
{
    return (forms & FORM_REAL) != 0   ? VS_KIND_DOUBLE
           : (forms & FORM_INT) != 0  ? VS_KIND_LONG
           : (forms & FORM_BOOL) != 0 ? VS_KIND_BOOLEAN
                                      : VS_KIND_STRING; // also where only null was seen
}

static enum vs_status make_schema(struct inference *in,
                                  struct vs_schema *schema_out,
                                  struct vs_error *err)
{
    size_t count = in->guesses.len / sizeof(struct guess);
    struct vs_field *fields = vs_arena_alloc_array(in->arena, count, sizeof *fields);
    if (fields == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "%s: out of memory for %zu columns", in->name, count);
    }
    for (size_t i = 0; i < count; i++) {
        const struct guess *guess = guess_at(in, i);
        bool is_vector = vs_str_equal(guess->name, in->vector_name);
        bool numbers = (guess->element_forms & (FORM_BOOL | FORM_TEXT)) == 0;
        fields[i] = (struct vs_field){.id = -1, .name = guess->name, .element_id = -1};
        if (is_vector && (guess->forms == FORM_TEXT || (guess->forms == FORM_ARRAY && numbers))) {
            fields[i].kind = VS_KIND_LIST;
            fields[i].element_kind = VS_KIND_FLOAT;
        } else if (guess->forms == FORM_ARRAY) {
            fields[i].kind = VS_KIND_LIST;
            fields[i].element_kind = plain_kind(guess->element_forms);
        } else {
            fields[i].kind = plain_kind(guess->forms);
        }
    }
    *schema_out = (struct vs_schema){.field_count = count, .fields = fields};
    return VS_OK;
}

static enum vs_status see_lines(struct inference *in,
                                struct vs_line_reader *reader,
                                struct vs_error *err)
{
    for (size_t seen = 0; seen < VS_INFER_LINES && reader->next < SAMPLE_BYTES;) {
        struct vs_str line;
        bool has_line = false;
        VS_TRY(vs_line_reader_next(reader, &line, &has_line, err));
        if (!has_line) {
            return VS_OK;
        }
        if (vs_str_trim(line).len > 0) {
            VS_TRY(see_line(in, line, reader->line, err));
            seen++;
        }
    }
    return VS_OK;
}

enum vs_status vs_jsonl_infer(const struct vs_env *env,
                              struct vs_line_reader *reader,
                              struct vs_str vector_name,
                              struct vs_arena *arena,
                              struct vs_schema *schema_out,
                              struct vs_error *err)
{
    struct inference in = {
        .env = env, .name = reader->name, .arena = arena, .vector_name = vector_name};
    vs_buf_init(&in.guesses, env, MAX_COLUMNS * sizeof(struct guess));
    enum vs_status status = see_lines(&in, reader, err);
    if (status == VS_OK) {
        status = make_schema(&in, schema_out, err);
    }
    vs_buf_clear(&in.guesses);
    return status;
}
