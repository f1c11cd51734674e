// SPDX-License-Identifier: Apache-2.0
// An Avro file: header, schema, records; for manifests and manifest lists the fields that matter.
#include "vecstore/format/inspect_internal.h"
#include "vecstore/format/render_value.h"

#include <stdlib.h>

#define LISTED_FILES 40 // manifests with more entries are not listed
#define ID_STATUS 0
#define ID_DATA_FILE 2
#define ID_CONTENT 134
#define ID_FILE_PATH 100
#define ID_RECORD_COUNT 103
#define ID_MANIFEST_PATH 500
#define ID_MANIFEST_LENGTH 501
#define ID_LIST_CONTENT 517
#define ID_SEQUENCE 515

enum avro_kind { AVRO_OTHER, AVRO_MANIFEST, AVRO_MANIFEST_LIST };

struct avro_report {
    struct vs_avro_file *file;
    struct vs_json_writer *w;
    const struct vs_inspect_request *options;
    enum avro_kind kind;
    uint64_t records, live, digest;
    int64_t data_records;
    struct vs_buf text;    // the rendering of a record
    struct vs_buf entries; // JSON of the entries that are listed
    struct vs_buf values;  // JSON of the records that are rendered
    struct vs_json_writer entry_writer, value_writer;
};

static enum avro_kind kind_of(const struct vs_avro_node *schema)
{
    for (size_t i = 0; i < schema->field_count; i++) {
        if (vs_str_equal_c(schema->fields[i].name, "manifest_path")) {
            return AVRO_MANIFEST_LIST;
        }
        if (vs_str_equal_c(schema->fields[i].name, "data_file")) {
            return AVRO_MANIFEST;
        }
    }
    return AVRO_OTHER;
}

static int64_t integer(const struct vs_avro_value *record, int32_t id, const char *name)
{
    int64_t value = 0;
    vs_avro_to_i64(vs_avro_field(record, id, name), &value);
    return value;
}

static struct vs_str text(const struct vs_avro_value *record, int32_t id, const char *name)
{
    struct vs_str value = {"", 0};
    vs_avro_to_bytes(vs_avro_field(record, id, name), &value);
    return value;
}

static void add_file(struct avro_report *r, const struct vs_avro_value *record)
{
    const struct vs_avro_value *file = vs_avro_field(record, ID_DATA_FILE, "data_file");
    int64_t status = integer(record, ID_STATUS, "status");
    int64_t rows = integer(file, ID_RECORD_COUNT, "record_count");
    r->live += status != 2;
    r->data_records = (int64_t)((uint64_t)r->data_records + (uint64_t)rows);
    if (r->records > LISTED_FILES) {
        return;
    }
    struct vs_json_writer *w = &r->entry_writer;
    vs_jw_object_begin(w);
    vs_inspect_i64(w, "status", status);
    vs_inspect_i64(w, "content", integer(file, ID_CONTENT, "content"));
    vs_inspect_str(w, "path", text(file, ID_FILE_PATH, "file_path"));
    vs_inspect_i64(w, "rows", rows);
    vs_jw_object_end(w);
}

static void add_manifest(struct avro_report *r, const struct vs_avro_value *record)
{
    struct vs_json_writer *w = &r->entry_writer;
    int64_t sequence = 0;
    vs_jw_object_begin(w);
    vs_inspect_str(w, "path", text(record, ID_MANIFEST_PATH, "manifest_path"));
    vs_inspect_i64(w, "length", integer(record, ID_MANIFEST_LENGTH, "manifest_length"));
    vs_inspect_i64(w, "content", integer(record, ID_LIST_CONTENT, "content"));
    vs_jw_key(w, "sequence_number");
    if (vs_avro_to_i64(vs_avro_field(record, ID_SEQUENCE, "sequence_number"), &sequence)) {
        vs_jw_i64(w, sequence);
    } else {
        vs_jw_null(w);
    }
    vs_jw_object_end(w);
}

static enum vs_status add_record(struct avro_report *r,
                                 const struct vs_avro_value *record,
                                 struct vs_error *err)
{
    uint64_t index = r->records++;
    bool is_shown =
        index >= r->options->first_row && index - r->options->first_row < r->options->rows;
    if (r->options->digest || is_shown) {
        vs_buf_reset(&r->text);
        VS_TRY(vs_render_avro(record, &r->text, err));
        if (is_shown) {
            vs_inspect_rendering(&r->value_writer, vs_buf_view(&r->text));
        }
        VS_TRY(vs_buf_append_byte(&r->text, '\n', err));
        r->digest = vs_digest_add(r->digest, r->text.data, r->text.len);
    }
    if (r->kind == AVRO_MANIFEST) {
        add_file(r, record);
    } else if (r->kind == AVRO_MANIFEST_LIST) {
        add_manifest(r, record);
    }
    return VS_OK;
}

static enum vs_status read_records(struct avro_report *r, struct vs_error *err)
{
    r->digest = VS_DIGEST_START;
    vs_json_writer_init(&r->entry_writer, &r->entries, false);
    vs_json_writer_init(&r->value_writer, &r->values, false);
    vs_jw_array_begin(&r->entry_writer);
    vs_jw_array_begin(&r->value_writer);
    for (;;) {
        const struct vs_avro_value *record = NULL;
        VS_TRY(vs_avro_file_next(r->file, &record, err));
        if (record == NULL) {
            break;
        }
        VS_TRY(add_record(r, record, err));
    }
    vs_jw_array_end(&r->entry_writer);
    vs_jw_array_end(&r->value_writer);
    VS_TRY(vs_json_writer_finish(&r->value_writer, err));
    return vs_json_writer_finish(&r->entry_writer, err);
}

static int compare_names(const void *a, const void *b)
{
    return vs_str_compare(*(const struct vs_str *)a, *(const struct vs_str *)b);
}

static enum vs_status write_header(struct avro_report *r, struct vs_error *err)
{
    static const char *const plain[] = {"format-version", "content",     "partition-spec-id",
                                        "schema-id",      "snapshot-id", "sequence-number"};
    struct vs_json_writer *w = r->w;
    size_t count = vs_avro_file_header_count(r->file);
    const struct vs_env *env = w->out->env;
    struct vs_str *keys = (struct vs_str *)vs_alloc(env, (count + 1) * sizeof *keys);
    if (keys == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "no memory for %zu header keys", count);
    }
    for (size_t i = 0; i < count; i++) {
        keys[i] = vs_avro_file_header_key(r->file, i);
    }
    qsort(keys, count, sizeof *keys, compare_names);
    vs_jw_key(w, "header_keys");
    vs_jw_array_begin(w);
    for (size_t i = 0; i < count; i++) {
        vs_jw_str(w, keys[i]);
    }
    vs_jw_array_end(w);
    vs_free(env, keys);
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
        struct vs_str value = vs_avro_file_header(r->file, plain[i]);
        if (value.ptr != NULL) {
            vs_inspect_str(w, plain[i], value);
        }
    }
    vs_jw_key(w, "schema");
    vs_jw_raw(w, vs_avro_file_header(r->file, "avro.schema"));
    return VS_OK;
}

static enum vs_status write_report(struct avro_report *r, uint64_t size, struct vs_error *err)
{
    static const char *const names[] = {"other", "manifest", "manifest-list"};
    struct vs_json_writer *w = r->w;
    struct vs_str codec = vs_avro_file_header(r->file, "avro.codec");
    r->kind = kind_of(vs_avro_file_schema(r->file));
    VS_TRY(read_records(r, err));
    vs_jw_object_begin(w);
    vs_inspect_text(w, "format", "avro");
    vs_inspect_u64(w, "size", size);
    vs_inspect_text(w, "kind", names[r->kind]);
    vs_inspect_u64(w, "records", r->records);
    vs_inspect_str(w, "codec", codec.len > 0 ? codec : VS_STR("null"));
    VS_TRY(write_header(r, err));
    if (r->options->digest) {
        vs_inspect_digest(w, "digest", r->digest);
    }
    if (r->kind == AVRO_MANIFEST) {
        vs_inspect_i64(w, "data_record_count", r->data_records);
        vs_inspect_u64(w, "live_files", r->live);
    }
    bool is_listed =
        r->kind == AVRO_MANIFEST_LIST || (r->kind == AVRO_MANIFEST && r->records <= LISTED_FILES);
    if (is_listed) {
        vs_jw_key(w, r->kind == AVRO_MANIFEST ? "files" : "manifests");
        vs_jw_raw(w, vs_buf_view(&r->entries));
    }
    if (r->options->rows > 0) {
        vs_jw_key(w, "values");
        vs_jw_raw(w, vs_buf_view(&r->values));
    }
    vs_jw_object_end(w);
    return VS_OK;
}

enum vs_status vs_inspect_avro(const struct vs_env *env,
                               struct vs_file *file,
                               const struct vs_inspect_request *options,
                               struct vs_json_writer *w,
                               struct vs_error *err)
{
    struct vs_buf bytes;
    struct avro_report report = {.w = w, .options = options};
    VS_TRY(vs_inspect_read_all(env, file, &bytes, err));
    vs_buf_init(&report.text, env, VS_RECORD_ROW_BYTES);
    vs_buf_init(&report.entries, env, VS_INSPECT_MAX_BYTES);
    vs_buf_init(&report.values, env, VS_INSPECT_MAX_BYTES);
    enum vs_status status =
        vs_avro_file_open(env, vs_buf_view(&bytes), file->name, &report.file, err);
    if (status == VS_OK) {
        status = write_report(&report, file->size, err);
    }
    vs_avro_file_close(report.file);
    vs_buf_clear(&report.text);
    vs_buf_clear(&report.entries);
    vs_buf_clear(&report.values);
    vs_buf_clear(&bytes);
    return status;
}
