// SPDX-License-Identifier: Apache-2.0
#include "vecstore/object/aws_profile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// The first line is the profile that is looked for in the rest. What is found lies in the text.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const keys[] = {"aws_access_key_id", "region", "a", ""};
    struct vs_str all = {(const char *)data, size}, profile, text;
    if (!vs_str_split(all, '\n', &profile, &text)) {
        return 0;
    }
    for (int file = VS_AWS_FILE_CONFIG; file <= VS_AWS_FILE_CREDENTIALS; file++) {
        bool exists = vs_aws_profile_exists(text, (enum vs_aws_file)file, profile);
        for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
            struct vs_str value =
                vs_aws_profile_get(text, (enum vs_aws_file)file, profile, keys[i]);
            if (value.ptr != NULL &&
                (!exists || value.len > text.len ||
                 (value.len > 0 &&
                  (value.ptr < text.ptr || value.ptr + value.len > text.ptr + text.len)))) {
                __builtin_trap();
            }
        }
    }
    return 0;
}
