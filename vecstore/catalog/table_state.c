// SPDX-License-Identifier: Apache-2.0
// One loaded state of a table: made of what a catalog found, then shared by counting references.
#include "vecstore/base/text.h"
#include "vecstore/catalog/catalog_internal.h"

#include <stdatomic.h>
#include <string.h>

struct counted_table {
    struct vs_table table; // first: the public view
    const struct vs_env *env;
    struct vs_table_metadata *metadata;
    char *name;
    char *metadata_uri;
    atomic_size_t references;
};

enum vs_status vs_table_state_new(struct vs_catalog *catalog,
                                  const struct vs_table_state *state,
                                  struct vs_table **table_out,
                                  struct vs_error *err)
{
    const struct vs_env *env = catalog->env;
    struct counted_table *t = vs_alloc_zeroed(env, 1, sizeof *t);
    if (t == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "no memory for table '%s'", state->name);
    }
    t->env = env;
    t->name = vs_text_clone(env, vs_str_from_c(state->name));
    t->metadata_uri =
        vs_text_clone(env, vs_str_from_c(state->metadata_uri != NULL ? state->metadata_uri : ""));
    if (t->name == NULL || t->metadata_uri == NULL) {
        vs_free(env, t->name);
        vs_free(env, t->metadata_uri);
        vs_free(env, t);
        return vs_fail(err, VS_NO_MEMORY, "no memory for table '%s'", state->name);
    }
    t->metadata = state->metadata;
    t->table = (struct vs_table){.metadata = state->metadata,
                                 .store = state->store,
                                 .name = t->name,
                                 .metadata_uri = t->metadata_uri,
                                 .version = state->version};
    atomic_init(&t->references, 1);
    *table_out = &t->table;
    return VS_OK;
}

static struct counted_table *counted(const struct vs_table *table)
{
    union {
        const struct vs_table *in;
        struct counted_table *out;
    } cast = {table};

    return cast.out;
}

struct vs_table *vs_table_retain(const struct vs_table *table)
{
    struct counted_table *t = counted(table);
    atomic_fetch_add_explicit(&t->references, 1, memory_order_relaxed);
    return &t->table;
}

void vs_table_release(struct vs_table *table)
{
    if (table == NULL) {
        return;
    }
    struct counted_table *t = counted(table);
    if (atomic_fetch_sub_explicit(&t->references, 1, memory_order_acq_rel) != 1) {
        return;
    }
    vs_table_metadata_free(t->metadata);
    vs_free(t->env, t->name);
    vs_free(t->env, t->metadata_uri);
    vs_free(t->env, t);
}
