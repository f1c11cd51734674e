// SPDX-License-Identifier: Apache-2.0
/*
 * The two shared files of AWS tools, read into memory of a wiping environment.
 *
 * Where they are: AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE, else ~/.aws/config and
 * ~/.aws/credentials. A file that does not exist is an empty one. Threads: single owner.
 */
#ifndef VS_OBJECT_AWS_SHARED_FILES_INTERNAL_H
#define VS_OBJECT_AWS_SHARED_FILES_INTERNAL_H

#include "vecstore/base/buf.h"

#define VS_AWS_FILE_LIMIT ((size_t)1 << 20)

struct vs_aws_shared_files {
    struct vs_buf config_path, credentials_path; // NUL-terminated
    struct vs_buf config, credentials;
};

enum vs_status vs_aws_shared_files_load(const struct vs_env *env,
                                        struct vs_aws_shared_files *files,
                                        struct vs_error *err);
void vs_aws_shared_files_clear(struct vs_aws_shared_files *files);
// The credentials file comes before the config file; ptr == NULL when absent or empty.
struct vs_str vs_aws_shared_files_get(const struct vs_aws_shared_files *files,
                                      struct vs_str profile,
                                      const char *key);

#endif
