// SPDX-License-Identifier: Apache-2.0
/*
 * Paths and URIs of single files: a store is opened at the folder, the file is a key in it.
 */
#ifndef VS_API_FILE_URI_H
#define VS_API_FILE_URI_H

#include "vecstore/base/buf.h"

// The folder into the buffer (NUL-terminated), and the name, which borrows from uri. INVALID when
// it names no file.
enum vs_status vs_file_uri_split(const char *uri,
                                 struct vs_buf *folder,
                                 const char **name_out,
                                 struct vs_error *err);

#endif
