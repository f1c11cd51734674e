// SPDX-License-Identifier: Apache-2.0
#include "api/file_uri.h"

#include <string.h>

enum vs_status vs_file_uri_split(const char *uri,
                                 struct vs_buf *folder,
                                 const char **name_out,
                                 struct vs_error *err)
{
    const char *slash = strrchr(uri, '/');
    const char *name = slash != NULL ? slash + 1 : uri;
    size_t n = slash != NULL ? (size_t)(slash - uri) : 0;
    struct vs_str text = {uri, n};
    if (name[0] == '\0') {
        return vs_fail(err, VS_INVALID, "'%.300s' names no file; give the path of one file", uri);
    }
    VS_TRY(slash == NULL ? vs_buf_append_c(folder, ".", err)
                         : vs_buf_append_str(folder, text, err));
    bool is_root = slash != NULL && (n == 0 || vs_str_equal_nocase(text, VS_STR("file:")) ||
                                     vs_str_equal_nocase(text, VS_STR("file://")));
    if (is_root) {
        VS_TRY(vs_buf_append_byte(folder, '/', err));
    }
    if (vs_buf_c_str(folder) == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "no memory to open %.300s", uri);
    }
    *name_out = name;
    return VS_OK;
}
