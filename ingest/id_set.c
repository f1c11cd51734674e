// SPDX-License-Identifier: Apache-2.0
#include "ingest/id_set.h"

#include <string.h>

#define EMPTY UINT32_MAX
#define MAX_IDS (UINT32_MAX - 1)
#define SHOWN_BYTES 80

struct vs_id_set {
    const struct vs_env *env;
    uint64_t seed;
    size_t slot_count; // power of two
    uint32_t *slots;   // index of the member, or EMPTY
    struct vs_column members;
    size_t min, max; // members
};

enum vs_status vs_id_set_new(const struct vs_env *env,
                             enum vs_kind kind,
                             struct vs_id_set **set_out,
                             struct vs_error *err)
{
    if (kind != VS_KIND_LONG && kind != VS_KIND_INT && kind != VS_KIND_STRING) {
        return vs_fail(err, VS_INVALID, "an id column must be long, int or string, not %s",
                       vs_kind_name(kind));
    }
    struct vs_id_set *set = vs_alloc_zeroed(env, 1, sizeof *set);
    if (set == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for a set of ids");
    }
    set->env = env;
    set->seed = vs_random_u64(env) | 1;
    vs_column_init(&set->members, env, kind);
    *set_out = set;
    return VS_OK;
}

void vs_id_set_free(struct vs_id_set *set)
{
    if (set == NULL) {
        return;
    }
    vs_column_clear(&set->members);
    vs_free(set->env, set->slots);
    vs_free(set->env, set);
}

static uint64_t mix(uint64_t x)
{
    // splitmix64 finaliser (Steele, Lea, Flood 2014)
    x ^= x >> 30;
    x *= UINT64_C(0xbf58476d1ce4e5b9);
    x ^= x >> 27;
    x *= UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static uint64_t hash_id(const struct vs_id_set *set, const struct vs_value *id)
{
    if (id->kind != VS_KIND_STRING) {
        return mix((uint64_t)id->as.integer ^ set->seed);
    }
    uint64_t hash = set->seed;
    const char *next = id->as.text.ptr;
    size_t left = id->as.text.len;
    while (left >= 8) {
        uint64_t word;
        memcpy(&word, next, 8);
        hash = mix(hash ^ word);
        next += 8;
        left -= 8;
    }
    uint64_t tail = (uint64_t)id->as.text.len << 56;
    if (left > 0) {
        memcpy(&tail, next, left);
        tail ^= (uint64_t)id->as.text.len << 56;
    }
    return mix(hash ^ tail);
}

// The slot of the id, or the free one where it belongs.
static size_t probe(const struct vs_id_set *set, const struct vs_value *id)
{
    size_t slot = (size_t)hash_id(set, id) & (set->slot_count - 1);
    while (set->slots[slot] != EMPTY) {
        struct vs_value member = vs_column_get(&set->members, set->slots[slot]);
        if (vs_value_compare(&member, id) == 0) {
            break;
        }
        slot = (slot + 1) & (set->slot_count - 1);
    }
    return slot;
}

static enum vs_status grow(struct vs_id_set *set, struct vs_error *err)
{
    size_t count = set->slot_count == 0 ? 64 : set->slot_count * 2;
    uint32_t *slots = vs_alloc_zeroed(set->env, count, sizeof *slots);
    if (slots == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for %zu ids; ingest in smaller parts",
                       set->members.row_count);
    }
    memset(slots, 0xff, count * sizeof *slots);
    vs_free(set->env, set->slots);
    set->slots = slots;
    set->slot_count = count;
    for (size_t i = 0; i < set->members.row_count; i++) {
        struct vs_value member = vs_column_get(&set->members, i);
        set->slots[probe(set, &member)] = (uint32_t)i;
    }
    return VS_OK;
}

enum vs_status vs_id_set_add(struct vs_id_set *set,
                             const struct vs_value *id,
                             bool *added_out,
                             struct vs_error *err)
{
    size_t count = set->members.row_count;
    if (count >= MAX_IDS) {
        return vs_fail(err, VS_LIMIT, "more than %u ids in one commit; ingest in smaller parts",
                       MAX_IDS);
    }
    if ((count + 1) * 2 > set->slot_count) {
        VS_TRY(grow(set, err));
    }
    size_t slot = probe(set, id);
    if (set->slots[slot] != EMPTY) {
        *added_out = false;
        return VS_OK;
    }
    VS_TRY(vs_column_append(&set->members, id, err));
    set->slots[slot] = (uint32_t)count;
    if (count > 0) {
        struct vs_value min = vs_column_get(&set->members, set->min);
        struct vs_value max = vs_column_get(&set->members, set->max);
        set->min = vs_value_compare(id, &min) < 0 ? count : set->min;
        set->max = vs_value_compare(id, &max) > 0 ? count : set->max;
    }
    *added_out = true;
    return VS_OK;
}

size_t vs_id_set_find(const struct vs_id_set *set, const struct vs_value *id)
{
    if (set->slot_count == 0) {
        return SIZE_MAX;
    }
    uint32_t member = set->slots[probe(set, id)];
    return member == EMPTY ? SIZE_MAX : member;
}

size_t vs_id_set_count(const struct vs_id_set *set)
{
    return set->members.row_count;
}

struct vs_value vs_id_set_get(const struct vs_id_set *set, size_t index)
{
    return vs_column_get(&set->members, index);
}

bool vs_id_set_range(const struct vs_id_set *set,
                     struct vs_value *min_out,
                     struct vs_value *max_out)
{
    if (set->members.row_count == 0) {
        return false;
    }
    *min_out = vs_column_get(&set->members, set->min);
    *max_out = vs_column_get(&set->members, set->max);
    return true;
}

enum vs_kind vs_id_set_kind(const struct vs_id_set *set)
{
    return set->members.kind;
}

int vs_id_shown_length(struct vs_str text)
{
    if (text.len <= SHOWN_BYTES) {
        return (int)text.len;
    }
    int len = SHOWN_BYTES;
    while (len > 0 && ((unsigned char)text.ptr[len] & 0xc0) == 0x80) {
        len--; // text.ptr[len] continues a character
    }
    return len;
}
