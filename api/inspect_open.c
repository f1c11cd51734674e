// SPDX-License-Identifier: Apache-2.0
// Looking into single files: which kind it is, and who reports on it.
#include "api/file_uri.h"
#include "api/inspect_table.h"
#include "vecstore/format/inspect.h"
#include "vecstore/object/store.h"

#include <string.h>

#define URI_MAX ((size_t)64 << 10)
#define DEFAULT_ROWS 100

static bool is_metadata(const struct vs_file *file, const uint8_t head[8])
{
    struct vs_str name = vs_str_from_c(file->name);
    bool is_named =
        vs_str_ends_with(name, VS_STR(".json")) || vs_str_ends_with(name, VS_STR(".json.gz"));
    bool is_vector = memcmp(head + 4, "\xd1\xd3\x39\x64", 4) == 0;
    return is_named || (!is_vector && (head[0] == '{' || (head[0] == 0x1f && head[1] == 0x8b)));
}

static enum vs_status read_metadata(const struct vs_env *env,
                                    struct vs_file *file,
                                    struct vs_table_metadata **metadata_out,
                                    struct vs_error *err)
{
    struct vs_buf text;
    if (file->size > VS_INSPECT_MAX_BYTES) {
        return vs_fail(err, VS_LIMIT, "%s has %llu bytes; table metadata is read up to %zu",
                       file->name, (unsigned long long)file->size, VS_INSPECT_MAX_BYTES);
    }
    vs_buf_init(&text, env, VS_INSPECT_MAX_BYTES + 1);
    enum vs_status status = vs_buf_reserve(&text, (size_t)file->size + 1, err);
    if (status == VS_OK && file->size > 0) {
        status = vs_file_read(file, 0, (size_t)file->size, text.data, err);
    }
    if (status == VS_OK) {
        text.len = (size_t)file->size;
        status = vs_table_metadata_parse(env, vs_buf_view(&text), file->name, metadata_out, err);
    }
    vs_buf_clear(&text);
    return status;
}

static enum vs_status inspect_metadata(const struct vs_env *env,
                                       struct vs_file *file,
                                       const struct vs_inspect_options *options,
                                       struct vs_json_writer *w,
                                       struct vs_error *err)
{
    struct vs_table_metadata *metadata = NULL;
    VS_TRY(read_metadata(env, file, &metadata, err));
    const struct vs_table_inspect t = {
        .env = env, .options = options, .name = file->name, .metadata = metadata, .w = w};
    vs_jw_object_begin(w);
    vs_report_c(w, "format", "iceberg");
    vs_report_u64(w, "size", file->size);
    enum vs_status status = vs_inspect_metadata(&t, err);
    if (status == VS_OK && (options->digest || options->rows)) {
        status = vs_inspect_snapshot(&t, err);
    }
    vs_jw_object_end(w);
    vs_table_metadata_free(metadata);
    return status;
}

static enum vs_status inspect_file(const struct vs_env *env,
                                   struct vs_file *file,
                                   const struct vs_inspect_options *options,
                                   struct vs_buf *report,
                                   struct vs_error *err)
{
    struct vs_json_writer w;
    uint8_t head[8] = {0};
    if (file->size > 0) {
        VS_TRY(vs_file_read(file, 0, file->size < sizeof head ? (size_t)file->size : sizeof head,
                            head, err));
    }
    vs_json_writer_init(&w, report, false);
    if (is_metadata(file, head)) {
        VS_TRY(inspect_metadata(env, file, options, &w, err));
    } else {
        const struct vs_inspect_request request = {.digest = options->digest,
                                                   .rows = options->rows && options->max_rows == 0
                                                               ? DEFAULT_ROWS
                                                           : options->rows ? options->max_rows
                                                                           : 0};
        VS_TRY(vs_inspect_file(env, file, &request, &w, err));
    }
    return vs_json_writer_finish(&w, err);
}

static enum vs_status open_file(const struct vs_env *env,
                                const struct vs_inspect_options *options,
                                struct vs_store **store_out,
                                struct vs_file **file_out,
                                struct vs_error *err)
{
    const char *name = NULL;
    struct vs_buf folder;
    if (options->uri == NULL) {
        return vs_fail(err, VS_INVALID, "no file is given");
    }
    vs_buf_init(&folder, env, URI_MAX);
    enum vs_status status = vs_file_uri_split(options->uri, &folder, &name, err);
    if (status == VS_OK) {
        status = vs_settings_check_known(options->settings, err);
    }
    if (status == VS_OK) {
        status = vs_store_open_with(env, vs_buf_c_str(&folder), options->settings, false, store_out,
                                    err);
    }
    if (status == VS_OK) {
        status = vs_file_open(*store_out, name, file_out, err);
    }
    vs_buf_clear(&folder);
    return status == VS_NOT_FOUND
               ? vs_fail(err, VS_NOT_FOUND, "there is no file %.1000s", options->uri)
               : status;
}

enum vs_status vs_inspect(const struct vs_env *env,
                          const struct vs_inspect_options *options,
                          struct vs_buf *report,
                          struct vs_error *err)
{
    struct vs_store *store = NULL;
    struct vs_file *file = NULL;
    size_t mark = report->len;
    enum vs_status status = vs_op_check(env, options->op, err);
    if (status == VS_OK) {
        status = open_file(env, options, &store, &file, err);
    }
    if (status == VS_OK) {
        status = inspect_file(env, file, options, report, err);
    }
    vs_file_close(file);
    vs_store_free(store);
    if (status != VS_OK) {
        report->len = mark;
    }
    return status;
}
