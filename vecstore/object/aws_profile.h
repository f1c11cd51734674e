// SPDX-License-Identifier: Apache-2.0
/*
 * The shared files of AWS tools: ~/.aws/config and ~/.aws/credentials.
 *
 * Spec: AWS SDKs and Tools Reference Guide, "Shared config and credentials files": sections in
 * brackets ("[profile x]" in config, "[x]" in credentials, "[default]" in both), "key = value",
 * comments after '#' or ';', indented lines belong to the property above them (and are skipped).
 * Sections may repeat; the last value of a key wins. Bytes come from outside: nothing is allocated,
 * every line is looked at once. Ownership: results borrow from the text. Threads: pure.
 */
#ifndef VS_OBJECT_AWS_PROFILE_H
#define VS_OBJECT_AWS_PROFILE_H

#include "vecstore/base/str.h"

enum vs_aws_file { VS_AWS_FILE_CONFIG, VS_AWS_FILE_CREDENTIALS };

// True when the text has the profile.
bool vs_aws_profile_exists(struct vs_str text, enum vs_aws_file file, struct vs_str profile);
// The value of a key (in any case) of a profile; ptr == NULL when absent, "" when empty.
struct vs_str vs_aws_profile_get(struct vs_str text,
                                 enum vs_aws_file file,
                                 struct vs_str profile,
                                 const char *key);

#endif
