// SPDX-License-Identifier: Apache-2.0
#include "vecstore/base/uuid.h"

#include "vecstore/base/text.h"

#define UUID_CHARS 36

static bool is_dash_position(size_t at)
{
    return at == 8 || at == 13 || at == 18 || at == 23;
}

static void set_version(struct vs_uuid *uuid, unsigned version)
{
    uuid->bytes[6] = (uint8_t)((uuid->bytes[6] & 0x0F) | (version << 4));
    uuid->bytes[8] = (uint8_t)((uuid->bytes[8] & 0x3F) | 0x80);
}

struct vs_uuid vs_uuid_new_v4(const struct vs_env *env)
{
    struct vs_uuid uuid = {{0}};
    env->random_bytes(env->ctx, uuid.bytes, sizeof uuid.bytes);
    set_version(&uuid, 4);
    return uuid;
}

struct vs_uuid vs_uuid_new_v7(const struct vs_env *env)
{
    struct vs_uuid uuid = {{0}};
    env->random_bytes(env->ctx, uuid.bytes + 6, sizeof uuid.bytes - 6);
    uint64_t now_ms = (uint64_t)vs_wall_ms(env);
    for (size_t i = 0; i < 6; i++) {
        uuid.bytes[i] = (uint8_t)(now_ms >> (40 - 8 * i));
    }
    set_version(&uuid, 7);
    return uuid;
}

void vs_uuid_format(struct vs_uuid uuid, char text_out[VS_UUID_TEXT_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    size_t nibble = 0;
    for (size_t at = 0; at < UUID_CHARS; at++) {
        if (is_dash_position(at)) {
            text_out[at] = '-';
            continue;
        }
        uint8_t byte = uuid.bytes[nibble / 2];
        text_out[at] = digits[nibble % 2 == 0 ? byte >> 4 : byte & 15];
        nibble++;
    }
    text_out[UUID_CHARS] = '\0';
}

enum vs_status vs_uuid_parse(struct vs_str text, struct vs_uuid *uuid_out, struct vs_error *err)
{
    struct vs_uuid uuid = {{0}};
    size_t nibble = 0;
    bool good = text.len == UUID_CHARS;
    for (size_t at = 0; good && at < UUID_CHARS; at++) {
        if (is_dash_position(at)) {
            good = text.ptr[at] == '-';
            continue;
        }
        int value = vs_hex_value(text.ptr[at]);
        good = value >= 0;
        uuid.bytes[nibble / 2] = (uint8_t)((uuid.bytes[nibble / 2] << 4) | (value & 15));
        nibble++;
    }
    if (!good) {
        return vs_fail(err, VS_INVALID,
                       "\"%.*s\" is not a UUID such as 0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0",
                       VS_STR_SHORT(text));
    }
    *uuid_out = uuid;
    return VS_OK;
}
