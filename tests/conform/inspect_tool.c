// SPDX-License-Identifier: Apache-2.0
// inspect_tool FILE…: the report of each file with digests, one line of JSON a file; refusals as
// {"error": …}. For tests that compare with other readers.
#include "tests/support/parquet_render.h"
#include "vecstore/format/inspect.h"

#include <stdlib.h>

static enum vs_status inspect(const char *path, struct vs_buf *report, struct vs_error *err)
{
    const struct vs_env *env = vs_env_default();
    struct vs_inspect_request options = {.digest = true};
    struct vs_json_writer w;
    struct vs_file *file = NULL;
    struct vs_str bytes = read_whole_file(path);
    if (bytes.ptr == NULL) {
        return vs_fail(err, VS_NOT_FOUND, "%s cannot be read", path);
    }
    vs_json_writer_init(&w, report, false);
    enum vs_status status = vs_file_open_bytes(env, bytes, path, &file, err);
    if (status == VS_OK) {
        status = vs_inspect_file(env, file, &options, &w, err);
    }
    if (status == VS_OK) {
        status = vs_json_writer_finish(&w, err);
    }
    vs_file_close(file);
    free_whole_file(bytes);
    return status;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        struct vs_error err = {0};
        struct vs_buf report;
        vs_buf_init(&report, vs_env_default(), SIZE_MAX / 2);
        if (inspect(argv[i], &report, &err) != VS_OK) {
            struct vs_json_writer w;
            vs_buf_reset(&report);
            vs_json_writer_init(&w, &report, false);
            vs_jw_object_begin(&w);
            vs_jw_key(&w, "error");
            vs_jw_c(&w, err.message);
            vs_jw_object_end(&w);
        }
        fwrite(report.data, 1, report.len, stdout);
        fputc('\n', stdout);
        vs_buf_clear(&report);
    }
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
