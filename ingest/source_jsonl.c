// SPDX-License-Identifier: Apache-2.0
#include "ingest/json_row.h"
#include "ingest/jsonl_infer.h"
#include "ingest/line_reader.h"
#include "ingest/source_internal.h"
#include "vecstore/base/float_text.h"

#include <inttypes.h>
#include <string.h>

// Text of lines that make a batch: numbers take at least as much room as text as they do as floats,
// nearly always.
#define BATCH_TEXT (VS_SOURCE_BATCH_BYTES / 2)

struct jsonl_source {
    struct vs_source base;
    struct vs_source_file file;
    struct vs_arena arena;
    struct vs_source_options options;
    struct vs_line_reader reader;
    struct vs_json_rows rows;
    bool has_vectors;      // a list<float> column: arrays are parsed apart
    struct vs_buf reduced; // the line without its vectors
    struct vs_buf floats;
};

static void jsonl_close(struct vs_source *base)
{
    struct jsonl_source *source = (struct jsonl_source *)base;
    const struct vs_env *env = base->env;
    vs_json_rows_clear(&source->rows);
    vs_line_reader_clear(&source->reader);
    vs_source_file_close(&source->file);
    vs_buf_clear(&source->reduced);
    vs_buf_clear(&source->floats);
    vs_arena_clear(&source->arena);
    vs_free(env, source);
}

// ---- vectors apart ----
// The scanner only looks for float arrays under the names of vector columns. It copies what it does
// not take, so that the JSON reader sees all the rest (with null in place of the arrays) and
// remains the judge of well-formedness.

static const char *skip_space(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\t' || *p == '\r')) {
        p++;
    }
    return p;
}

// Behind the closing quote of the text that starts at p; NULL when it does not close.
static const char *skip_text(const char *p, const char *end, bool *has_escape_out)
{
    *has_escape_out = false;
    for (p++; p < end && *p != '"'; p++) {
        if (*p == '\\' && p + 1 < end) {
            *has_escape_out = true;
            p++;
        }
    }
    return p < end ? p + 1 : NULL;
}

static const char *skip_value(const char *p, const char *end)
{
    size_t depth = 0;
    bool escape;
    while (p < end) {
        if (*p == '"') {
            p = skip_text(p, end, &escape);
            if (p == NULL) {
                return end;
            }
        } else if (*p == '[' || *p == '{') {
            depth++;
            p++;
        } else if (*p == ']' || *p == '}') {
            if (depth == 0) {
                return p;
            }
            depth--;
            p++;
        } else if (*p == ',' && depth == 0) {
            return p;
        } else {
            p++;
        }
    }
    return end;
}

// Takes the array at `start` into its column; *end_out is behind it, or NULL when it is not plain.
static enum vs_status take_vector(struct jsonl_source *source,
                                  size_t position,
                                  struct vs_str rest,
                                  struct vs_batch *batch,
                                  const char **end_out,
                                  struct vs_error *err)
{
    static const float none;
    size_t used = 0;
    enum vs_status status;
    vs_buf_reset(&source->floats);
    *end_out = NULL;
    if (!vs_float_array_parse(rest, &source->floats, &used, &status, err)) {
        return status;
    }
    const float *floats =
        source->floats.len > 0 ? (const float *)(const void *)source->floats.data : &none;
    VS_TRY(vs_column_append_floats(&batch->columns[position], floats,
                                   source->floats.len / sizeof *floats, err));
    source->rows.filled[position] = true;
    *end_out = rest.ptr + used;
    return VS_OK;
}

static bool is_vector(const struct jsonl_source *source, size_t position)
{
    if (position == SIZE_MAX || source->rows.filled[position]) {
        return false;
    }
    const struct vs_field *field = &source->base.schema.fields[position];
    return field->kind == VS_KIND_LIST && field->element_kind == VS_KIND_FLOAT;
}

static enum vs_status take_vectors(struct jsonl_source *source,
                                   struct vs_str line,
                                   struct vs_batch *batch,
                                   struct vs_str *rest_out,
                                   struct vs_error *err)
{
    const char *end = line.ptr + line.len, *copied = line.ptr;
    const char *p = skip_space(line.ptr, end);
    struct vs_buf *out = &source->reduced;
    size_t at = 0;
    vs_buf_reset(out);
    p = p < end && *p == '{' ? p + 1 : end;
    while (p < end) {
        bool escape;
        const char *key = skip_space(p, end);
        if (key == end || *key != '"' || (p = skip_text(key, end, &escape)) == NULL) {
            break;
        }
        struct vs_str name = {key + 1, (size_t)(p - key) - 2};
        p = skip_space(p, end);
        if (p == end || *p != ':') {
            break;
        }
        p = skip_space(p + 1, end);
        const char *value_end = NULL;
        size_t position = escape ? SIZE_MAX : vs_json_rows_find(&source->rows, name, at);
        at = position == SIZE_MAX ? at : position + 1;
        if (p < end && *p == '[' && is_vector(source, position)) {
            struct vs_str rest = {p, (size_t)(end - p)};
            VS_TRY(take_vector(source, position, rest, batch, &value_end, err));
        }
        if (value_end != NULL) {
            VS_TRY(vs_buf_append(out, copied, (size_t)(p - copied), err));
            VS_TRY(vs_buf_append(out, "null", 4, err));
            copied = value_end;
        }
        p = skip_space(value_end != NULL ? value_end : skip_value(p, end), end);
        if (p == end || *p != ',') {
            break;
        }
        p++;
    }
    if (copied == line.ptr) {
        *rest_out = line;
        return VS_OK;
    }
    VS_TRY(vs_buf_append(out, copied, (size_t)(line.ptr + line.len - copied), err));
    *rest_out = vs_buf_view(out);
    return VS_OK;
}

// ---- rows ----

static enum vs_status append_line(struct jsonl_source *source,
                                  struct vs_str line,
                                  struct vs_batch *batch,
                                  struct vs_error *err)
{
    struct vs_json_doc *doc = NULL;
    vs_json_rows_begin(&source->rows);
    if (source->has_vectors) {
        VS_TRY(take_vectors(source, line, batch, &line, err));
    }
    VS_TRY(vs_json_parse(source->base.env, line, "its JSON", NULL, &doc, err));
    enum vs_status status = vs_json_rows_append(&source->rows, vs_json_root(doc), batch, err);
    vs_json_free(doc);
    return status;
}

static enum vs_status jsonl_next(struct vs_source *base,
                                 struct vs_batch *batch,
                                 uint64_t *first_row_out,
                                 struct vs_error *err)
{
    struct jsonl_source *source = (struct jsonl_source *)base;
    size_t text = 0;
    while (batch->row_count < base->max_rows && text < BATCH_TEXT) {
        struct vs_str line;
        bool has_line = false;
        VS_TRY(vs_line_reader_next(&source->reader, &line, &has_line, err));
        if (!has_line) {
            break;
        }
        if (vs_str_trim(line).len == 0) {
            if (batch->row_count > 0) {
                break; // the lines of a batch follow each other without a gap
            }
            continue;
        }
        if (batch->row_count == 0) {
            *first_row_out = source->reader.line;
        }
        text += line.len;
        enum vs_status status = append_line(source, line, batch, err);
        if (status != VS_OK) {
            return vs_wrap(err, status, "%s: line %" PRIu64, base->name, source->reader.line);
        }
        batch->row_count++;
    }
    base->bytes_read = source->reader.offset - (source->reader.bytes.len - source->reader.next);
    return VS_OK;
}

static enum vs_status start(struct jsonl_source *source, struct vs_error *err)
{
    struct vs_schema *schema = &source->base.schema;
    if (source->options.schema != NULL) {
        VS_TRY(vs_schema_clone(source->options.schema, &source->arena, schema, err));
    } else {
        source->options.rename_count = 0; // names are the file's
        source->reader.keep = true;
        VS_TRY(vs_jsonl_infer(source->base.env, &source->reader,
                              vs_source_vector_name(&source->options), &source->arena, schema,
                              err));
        vs_line_reader_rewind(&source->reader);
    }
    for (size_t i = 0; i < schema->field_count; i++) {
        source->has_vectors |= schema->fields[i].kind == VS_KIND_LIST &&
                               schema->fields[i].element_kind == VS_KIND_FLOAT;
    }
    return vs_json_rows_init(&source->rows, source->base.env, schema, &source->options, err);
}

enum vs_status vs_source_open_jsonl(const struct vs_env *env,
                                    struct vs_source_file *file,
                                    const char *name,
                                    const struct vs_source_options *options,
                                    struct vs_source **source_out,
                                    struct vs_error *err)
{
    static const struct vs_source_vtable vtable = {jsonl_next, jsonl_close};
    struct jsonl_source *source = vs_alloc_zeroed(env, 1, sizeof *source);
    if (source == NULL) {
        vs_source_file_close(file);
        return vs_fail(err, VS_NO_MEMORY, "%s: out of memory", name);
    }
    source->base = (struct vs_source){.vtable = &vtable,
                                      .env = env,
                                      .row_word = "line",
                                      .row_total = VS_SOURCE_ROWS_UNKNOWN,
                                      .bytes_total = file->file != NULL ? file->file->size : 0,
                                      .max_rows = VS_SOURCE_BATCH_ROWS};
    source->options = *options;
    source->file = *file;
    *file = (struct vs_source_file){0};
    vs_arena_init(&source->arena, env, 0);
    vs_buf_init(&source->reduced, env, VS_LINE_MAX_BYTES + 1024);
    vs_buf_init(&source->floats, env, VS_LINE_MAX_BYTES * 4);
    source->base.name = vs_arena_copy_c(&source->arena, name);
    vs_line_reader_init(&source->reader, env, source->file.file, source->base.name);
    enum vs_status status = source->base.name == NULL
                                ? vs_fail(err, VS_NO_MEMORY, "%s: out of memory", name)
                                : start(source, err);
    if (status != VS_OK) {
        jsonl_close(&source->base);
        return status;
    }
    *source_out = &source->base;
    return VS_OK;
}
