// SPDX-License-Identifier: Apache-2.0
#include "vecstore/base/bytes.h"
#include "vecstore/format/parquet_encode.h"

#define FIRST_SLOTS 1024
#define MAX_BYTES ((size_t)1 << 30)

void vs_string_dictionary_init(struct vs_string_dictionary *dictionary, const struct vs_env *env)
{
    *dictionary = (struct vs_string_dictionary){.env = env};
    vs_buf_init(&dictionary->bytes, env, MAX_BYTES);
    vs_buf_init(&dictionary->offsets, env, MAX_BYTES);
}

void vs_string_dictionary_clear(struct vs_string_dictionary *dictionary)
{
    if (dictionary->env == NULL) {
        return;
    }
    const struct vs_env *env = dictionary->env;
    vs_buf_clear(&dictionary->bytes);
    vs_buf_clear(&dictionary->offsets);
    vs_free(env, dictionary->slots);
    vs_free(env, dictionary->hashes);
    vs_string_dictionary_init(dictionary, env);
}

// FNV-1a over eight bytes at a time with a final mix; collisions cost time only.
static uint32_t hash_bytes(struct vs_str text)
{
    uint64_t hash = 0xcbf29ce484222325u ^ text.len;
    const char *p = text.ptr;
    size_t left = text.len;
    for (; left >= 8; left -= 8, p += 8) {
        hash = (hash ^ vs_load_u64le(p)) * 0x9E3779B97F4A7C15u;
        hash ^= hash >> 29;
    }
    for (; left > 0; left--, p++) {
        hash = (hash ^ (uint8_t)*p) * 0x100000001b3u;
    }
    hash *= 0x9E3779B97F4A7C15u;
    return (uint32_t)(hash >> 32);
}

static uint32_t entry_offset(const struct vs_string_dictionary *dictionary, uint32_t code)
{
    return vs_load_u32le(dictionary->offsets.data + (size_t)code * 4);
}

static struct vs_str entry_text(const struct vs_string_dictionary *dictionary, uint32_t code)
{
    const uint8_t *at = dictionary->bytes.data + entry_offset(dictionary, code);
    return (struct vs_str){(const char *)at + 4, vs_load_u32le(at)};
}

static enum vs_status grow(struct vs_string_dictionary *dictionary, struct vs_error *err)
{
    size_t count = dictionary->slot_count == 0 ? FIRST_SLOTS : dictionary->slot_count * 2;
    uint32_t *slots = vs_alloc_zeroed(dictionary->env, count, sizeof *slots);
    uint32_t *hashes = vs_alloc_zeroed(dictionary->env, count, sizeof *hashes);
    if (slots == NULL || hashes == NULL) {
        vs_free(dictionary->env, slots);
        vs_free(dictionary->env, hashes);
        return vs_fail(err, VS_NO_MEMORY, "out of memory for a dictionary of %zu slots", count);
    }
    for (size_t i = 0; i < dictionary->slot_count; i++) {
        if (dictionary->slots[i] != 0) {
            size_t at = dictionary->hashes[i] & (count - 1);
            while (slots[at] != 0) {
                at = (at + 1) & (count - 1);
            }
            slots[at] = dictionary->slots[i];
            hashes[at] = dictionary->hashes[i];
        }
    }
    vs_free(dictionary->env, dictionary->slots);
    vs_free(dictionary->env, dictionary->hashes);
    dictionary->slots = slots;
    dictionary->hashes = hashes;
    dictionary->slot_count = count;
    return VS_OK;
}

static enum vs_status append_entry(struct vs_string_dictionary *dictionary,
                                   struct vs_str text,
                                   struct vs_error *err)
{
    uint8_t number[4];
    if (text.len > MAX_BYTES) {
        return vs_fail(err, VS_LIMIT, "a value of %zu bytes is too long for a dictionary",
                       text.len);
    }
    VS_TRY(vs_buf_reserve(&dictionary->bytes, text.len + 4, err));
    vs_store_u32le(number, (uint32_t)dictionary->bytes.len);
    VS_TRY(vs_buf_append(&dictionary->offsets, number, 4, err));
    vs_store_u32le(number, (uint32_t)text.len);
    VS_TRY(vs_buf_append(&dictionary->bytes, number, 4, err));
    return vs_buf_append(&dictionary->bytes, text.ptr, text.len, err);
}

enum vs_status vs_string_dictionary_put(struct vs_string_dictionary *dictionary,
                                        struct vs_str text,
                                        uint32_t *code_out,
                                        struct vs_error *err)
{
    if ((size_t)dictionary->entry_count * 2 >= dictionary->slot_count) {
        VS_TRY(grow(dictionary, err));
    }
    uint32_t hash = hash_bytes(text);
    size_t mask = dictionary->slot_count - 1;
    size_t at = hash & mask;
    for (; dictionary->slots[at] != 0; at = (at + 1) & mask) {
        uint32_t code = dictionary->slots[at] - 1;
        if (dictionary->hashes[at] == hash && vs_str_equal(entry_text(dictionary, code), text)) {
            *code_out = code;
            return VS_OK;
        }
    }
    VS_TRY(append_entry(dictionary, text, err));
    dictionary->slots[at] = dictionary->entry_count + 1;
    dictionary->hashes[at] = hash;
    *code_out = dictionary->entry_count++;
    return VS_OK;
}

void vs_string_dictionary_truncate(struct vs_string_dictionary *dictionary, uint32_t entry_count)
{
    if (entry_count < dictionary->entry_count) {
        dictionary->bytes.len = entry_offset(dictionary, entry_count);
        dictionary->offsets.len = (size_t)entry_count * 4;
        dictionary->entry_count = entry_count;
    }
}
