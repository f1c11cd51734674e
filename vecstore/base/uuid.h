// SPDX-License-Identifier: Apache-2.0
/*
 * UUIDs (RFC 9562): version 4 for names, version 7 for commit ids that sort by time.
 */
#ifndef VS_BASE_UUID_H
#define VS_BASE_UUID_H

#include "vecstore/base/env.h"
#include "vecstore/base/str.h"

#define VS_UUID_TEXT_SIZE 37 // 36 characters and a NUL

struct vs_uuid {
    uint8_t bytes[16]; // network order
};

struct vs_uuid vs_uuid_new_v4(const struct vs_env *env);
struct vs_uuid vs_uuid_new_v7(const struct vs_env *env);
void vs_uuid_format(struct vs_uuid uuid, char text_out[VS_UUID_TEXT_SIZE]);
enum vs_status vs_uuid_parse(struct vs_str text, struct vs_uuid *uuid_out, struct vs_error *err);

#endif
