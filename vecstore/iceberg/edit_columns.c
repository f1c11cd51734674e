// SPDX-License-Identifier: Apache-2.0
/*
 * What names a column outside the schema and has to follow a rename: properties and the name
 * mapping.
 */
#include "vecstore/iceberg/edit_internal.h"

#include <string.h>

#define MAPPING_KEY "schema.name-mapping.default"

// ---- properties ----

// Of the settings per column: those whose key ends with the name, and those with one more part.
struct column_prefix {
    const char *text;
    bool has_part; // "<prefix><column>.<part>"
};

static const struct column_prefix prefixes[] = {
    {"vecstore.vector.", true},
    {"write.metadata.metrics.column.", false},
    {"write.parquet.bloom-filter-enabled.column.", false},
    {"write.parquet.bloom-filter-fpp.column.", false},
    {"write.parquet.stats-enabled.column.", false},
};

// The bytes behind the name when the key is about this column; false otherwise.
static bool split_key(struct vs_str key,
                      const struct column_prefix *prefix,
                      struct vs_str name,
                      struct vs_str *tail_out)
{
    struct vs_str head = vs_str_from_c(prefix->text);
    if (!vs_str_starts_with(key, head)) {
        return false;
    }
    struct vs_str rest = {key.ptr + head.len, key.len - head.len};
    if (!vs_str_starts_with(rest, name)) {
        return false;
    }
    struct vs_str tail = {rest.ptr + name.len, rest.len - name.len};
    *tail_out = tail;
    if (!prefix->has_part) {
        return tail.len == 0;
    }
    // a column's name may hold dots, the part does not
    return tail.len > 1 && tail.ptr[0] == '.' && memchr(tail.ptr + 1, '.', tail.len - 1) == NULL;
}

enum vs_status vs_edit_follow_properties(struct vs_metadata_edit *edit,
                                         struct vs_str name,
                                         struct vs_str new_name,
                                         struct vs_error *err)
{
    struct vs_table_metadata *m = &edit->next;
    struct vs_pair *pairs;
    size_t n = 0;
    VS_TRY(vs_edit_grow(edit, NULL, 0, m->property_count, sizeof *pairs, &pairs, err));
    for (size_t i = 0; i < m->property_count; i++) {
        struct vs_pair pair = m->properties[i];
        const struct column_prefix *prefix = NULL;
        struct vs_str tail = {NULL, 0};
        for (size_t k = 0; k < sizeof prefixes / sizeof prefixes[0] && prefix == NULL; k++) {
            prefix = split_key(pair.key, &prefixes[k], name, &tail) ? &prefixes[k] : NULL;
        }
        if (prefix != NULL && new_name.len == 0) {
            continue;
        }
        if (prefix != NULL) {
            pair.key = vs_arena_printf(edit->arena, "%s%.*s%.*s", prefix->text,
                                       VS_STR_ARG(new_name), VS_STR_ARG(tail));
            if (pair.key.ptr == NULL) {
                return vs_edit_no_memory(err);
            }
        }
        pairs[n++] = pair;
    }
    m->properties = pairs;
    m->property_count = n;
    return VS_OK;
}

// ---- name mapping ----

static bool is_field(const struct vs_json *entry, int32_t id)
{
    int64_t value;
    return vs_json_to_i64(vs_json_get(entry, "field-id"), &value) && value == id;
}

// The names of one entry: without `name`, which then comes last when the entry is the field's own.
static void write_names(struct vs_json_writer *w,
                        const struct vs_json *entry,
                        struct vs_str name,
                        bool is_own)
{
    struct vs_json_iter iter;
    const struct vs_json *item;
    struct vs_str text;
    vs_jw_key(w, "names");
    vs_jw_array_begin(w);
    vs_json_iter_init(&iter, vs_json_get(entry, "names"));
    while (vs_json_iter_next(&iter, NULL, &item)) {
        if (vs_json_to_str(item, &text) && !vs_str_equal(text, name)) {
            vs_jw_str(w, text);
        }
    }
    if (is_own) {
        vs_jw_str(w, name);
    }
    vs_jw_array_end(w);
}

static enum vs_status write_entry(struct vs_metadata_edit *edit,
                                  struct vs_json_writer *w,
                                  const struct vs_json *entry,
                                  const struct vs_field *field,
                                  struct vs_str name,
                                  struct vs_error *err)
{
    const struct vs_json *nested = vs_json_get(entry, "fields");
    int64_t id;
    vs_jw_object_begin(w);
    if (vs_json_to_i64(vs_json_get(entry, "field-id"), &id)) {
        vs_jw_key(w, "field-id");
        vs_jw_i64(w, id);
    }
    write_names(w, entry, name, is_field(entry, field->id));
    if (nested != NULL && !vs_json_is(nested, VS_JSON_NULL)) {
        struct vs_str raw;
        VS_TRY(vs_json_raw(nested, edit->env, edit->arena, &raw, err));
        vs_jw_key(w, "fields");
        vs_jw_raw(w, raw);
    }
    vs_jw_object_end(w);
    return VS_OK;
}

static void write_new_entry(struct vs_json_writer *w,
                            const struct vs_field *field,
                            struct vs_str name)
{
    vs_jw_object_begin(w);
    vs_jw_key(w, "field-id");
    vs_jw_i64(w, field->id);
    vs_jw_key(w, "names");
    vs_jw_array_begin(w);
    vs_jw_str(w, name);
    vs_jw_array_end(w);
    if (field->kind == VS_KIND_LIST) {
        vs_jw_key(w, "fields");
        vs_jw_array_begin(w);
        vs_jw_object_begin(w);
        vs_jw_key(w, "field-id");
        vs_jw_i64(w, field->element_id);
        vs_jw_key(w, "names");
        vs_jw_array_begin(w);
        vs_jw_c(w, "element");
        vs_jw_array_end(w);
        vs_jw_object_end(w);
        vs_jw_array_end(w);
    }
    vs_jw_object_end(w);
}

static enum vs_status write_mapping(struct vs_metadata_edit *edit,
                                    const struct vs_json *mapping,
                                    const struct vs_field *field,
                                    struct vs_str name,
                                    struct vs_buf *text,
                                    struct vs_error *err)
{
    struct vs_json_writer w;
    struct vs_json_iter iter;
    const struct vs_json *entry;
    bool found = false;
    vs_json_writer_init(&w, text, false);
    vs_jw_array_begin(&w);
    vs_json_iter_init(&iter, mapping);
    while (vs_json_iter_next(&iter, NULL, &entry)) {
        found = found || is_field(entry, field->id);
        VS_TRY(write_entry(edit, &w, entry, field, name, err));
    }
    if (!found) {
        write_new_entry(&w, field, name);
    }
    vs_jw_array_end(&w);
    return vs_json_writer_finish(&w, err);
}

enum vs_status vs_edit_follow_mapping(struct vs_metadata_edit *edit,
                                      const struct vs_field *field,
                                      struct vs_str name,
                                      struct vs_error *err)
{
    struct vs_str old = vs_table_property(&edit->next, MAPPING_KEY);
    struct vs_json_limits limits = {.max_depth = VS_JSON_MAX_DEPTH};
    struct vs_json_doc *doc = NULL;
    struct vs_buf text;
    if (old.ptr == NULL) {
        return VS_OK;
    }
    VS_TRY(vs_json_parse(edit->env, old, "table property " MAPPING_KEY, &limits, &doc, err));
    vs_buf_init(&text, edit->env, VS_METADATA_MAX_BYTES);
    enum vs_status status;
    if (!vs_json_is(vs_json_root(doc), VS_JSON_ARRAY)) {
        status = vs_fail(err, VS_CORRUPT, "table property " MAPPING_KEY " is not a JSON array");
    } else {
        status = write_mapping(edit, vs_json_root(doc), field, name, &text, err);
    }
    if (status == VS_OK) {
        status = vs_edit_put_property(edit, VS_STR(MAPPING_KEY), vs_buf_view(&text), err);
    }
    vs_buf_clear(&text);
    vs_json_free(doc);
    return status;
}
