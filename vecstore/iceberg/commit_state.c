// SPDX-License-Identifier: Apache-2.0
/*
 * What one logical commit has written so far: kept for the next attempt, removed when it is known
 * not to have landed.
 */
#include "vecstore/iceberg/commit_internal.h"

#include <string.h>

#define PUT_TRIES 3

static enum vs_status no_memory(struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "no memory for a commit");
}

enum vs_status vs_commit_state_new(const struct vs_env *env,
                                   struct vs_store *store,
                                   struct vs_uuid commit_id,
                                   struct vs_commit_state **state_out,
                                   struct vs_error *err)
{
    struct vs_commit_state *state = vs_alloc_zeroed(env, 1, sizeof *state);
    if (state == NULL) {
        return no_memory(err);
    }
    state->env = env;
    state->store = store;
    state->commit_id = commit_id;
    vs_uuid_format(commit_id, state->commit_text);
    vs_arena_init(&state->arena, env, 0);
    vs_arena_init(&state->scratch, env, 0);
    *state_out = state;
    return VS_OK;
}

void vs_commit_state_forget(struct vs_commit_state *state)
{
    state->written_count = 0;
}

void vs_commit_state_free(struct vs_commit_state *state, bool keep_last)
{
    if (state == NULL) {
        return;
    }
    for (size_t i = 0; i < state->written_count; i++) {
        if (!keep_last || state->written[i].attempt != state->attempt) {
            vs_ignore(
                vs_store_remove(state->store, state->written[i].key, NULL)); // an orphan at worst
        }
    }
    const struct vs_env *env = state->env;
    vs_arena_clear(&state->scratch);
    vs_arena_clear(&state->arena);
    vs_free(env, state);
}

// ---- writing below the metadata folder ----

static enum vs_status remember(struct vs_commit_state *state,
                               const char *key,
                               size_t *index_out,
                               struct vs_error *err)
{
    if (state->written_count == state->written_capacity) {
        size_t capacity = state->written_capacity == 0 ? 16 : state->written_capacity * 2;
        struct written_file *written =
            vs_arena_alloc_array(&state->arena, capacity, sizeof *written);
        if (written == NULL) {
            return no_memory(err);
        }
        if (state->written_count > 0) {
            memcpy(written, state->written, state->written_count * sizeof *written);
        }
        state->written = written;
        state->written_capacity = capacity;
    }
    const char *copy = vs_arena_copy_c(&state->arena, key);
    if (copy == NULL) {
        return no_memory(err);
    }
    *index_out = state->written_count;
    state->written[state->written_count++] = (struct written_file){copy, state->attempt};
    return VS_OK;
}

enum vs_status vs_commit_put(struct vs_commit_state *state,
                             const struct vs_table_metadata *metadata,
                             const char *name,
                             struct vs_str bytes,
                             size_t *written_index_out,
                             struct vs_error *err)
{
    struct vs_buf key;
    vs_buf_init(&key, state->env, VS_METADATA_MAX_BYTES);
    struct vs_str uri = vs_table_uri(metadata, &state->scratch, "metadata", name);
    enum vs_status status = uri.ptr != NULL
                                ? vs_table_path_key(metadata, state->store, uri, &key, err)
                                : no_memory(err);
    const char *key_text = status == VS_OK ? vs_buf_c_str(&key) : NULL;
    if (status == VS_OK) {
        status =
            key_text != NULL ? remember(state, key_text, written_index_out, err) : no_memory(err);
    }
    if (status == VS_OK) {
        for (int i = 0; i < PUT_TRIES; i++) {
            status = vs_store_put(state->store, key_text, bytes, VS_PUT_ANY, err);
            if (status != VS_UNKNOWN) {
                break;
            }
        }
        if (status == VS_UNKNOWN) {
            // Nothing names this object yet, so the commit has definitely not happened.
            status = VS_UNAVAILABLE;
            if (err != NULL) {
                err->code = VS_UNAVAILABLE;
            }
        }
    }
    vs_buf_clear(&key);
    return status;
}
