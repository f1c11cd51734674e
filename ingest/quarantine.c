// SPDX-License-Identifier: Apache-2.0
#include "ingest/quarantine.h"

#include "vecstore/base/json.h"
#include "vecstore/base/uuid.h"

#include <stdio.h>

#define LINE_LIMIT ((size_t)64 << 20)

struct vs_quarantine {
    const struct vs_env *env;
    const struct vs_schema *schema;
    struct vs_store *store;
    struct vs_writer *out;
    struct vs_buf uri, key, line;
    bool finished;
};

static enum vs_status open_file(struct vs_quarantine *quarantine,
                                struct vs_store *store,
                                const struct vs_table_metadata *metadata,
                                struct vs_error *err)
{
    char uuid[VS_UUID_TEXT_SIZE];
    vs_uuid_format(vs_uuid_new_v4(quarantine->env), uuid);
    VS_TRY(vs_buf_printf(&quarantine->uri, err, "%.*s/quarantine/%s.jsonl",
                         VS_STR_ARG(metadata->location), uuid));
    VS_TRY(vs_store_key(store, vs_buf_view(&quarantine->uri), &quarantine->key, err));
    return vs_writer_open(store, vs_buf_c_str(&quarantine->key), &quarantine->out, err);
}

enum vs_status vs_quarantine_open(const struct vs_env *env,
                                  struct vs_store *store,
                                  const struct vs_table_metadata *metadata,
                                  const struct vs_schema *schema,
                                  struct vs_quarantine **quarantine_out,
                                  struct vs_error *err)
{
    struct vs_quarantine *quarantine = vs_alloc_zeroed(env, 1, sizeof *quarantine);
    if (quarantine == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for setting rows aside");
    }
    quarantine->env = env;
    quarantine->schema = schema;
    quarantine->store = store;
    vs_buf_init(&quarantine->uri, env, 8192);
    vs_buf_init(&quarantine->key, env, 8192);
    vs_buf_init(&quarantine->line, env, LINE_LIMIT);
    enum vs_status status = open_file(quarantine, store, metadata, err);
    if (status != VS_OK) {
        vs_quarantine_free(quarantine, false);
        return status;
    }
    *quarantine_out = quarantine;
    return VS_OK;
}

enum vs_status vs_quarantine_add(struct vs_quarantine *quarantine,
                                 const struct vs_batch *batch,
                                 size_t row,
                                 const char *source,
                                 uint64_t source_row,
                                 const char *reason,
                                 struct vs_error *err)
{
    struct vs_json_writer w;
    vs_buf_reset(&quarantine->line);
    vs_json_writer_init(&w, &quarantine->line, false);
    vs_jw_object_begin(&w);
    vs_jw_key(&w, "source");
    vs_jw_c(&w, source);
    vs_jw_key(&w, "row");
    vs_jw_u64(&w, source_row);
    vs_jw_key(&w, "reason");
    vs_jw_c(&w, reason);
    vs_jw_key(&w, "values");
    vs_jw_object_begin(&w);
    for (size_t i = 0; i < quarantine->schema->field_count; i++) {
        vs_jw_key_str(&w, quarantine->schema->fields[i].name);
        vs_column_write_json(&w, &batch->columns[i], &quarantine->schema->fields[i], row);
    }
    vs_jw_object_end(&w);
    vs_jw_object_end(&w);
    VS_TRY(vs_json_writer_finish(&w, err));
    VS_TRY(vs_buf_append_byte(&quarantine->line, '\n', err));
    return vs_writer_write(quarantine->out, quarantine->line.data, quarantine->line.len, err);
}

enum vs_status vs_quarantine_finish(struct vs_quarantine *quarantine,
                                    char *uri_out,
                                    size_t size,
                                    struct vs_error *err)
{
    VS_TRY(vs_status_definite(vs_writer_finish(quarantine->out, VS_PUT_ANY, err), err));
    quarantine->finished = true;
    snprintf(uri_out, size, "%.*s", VS_STR_ARG(vs_buf_view(&quarantine->uri)));
    return VS_OK;
}

void vs_quarantine_free(struct vs_quarantine *quarantine, bool keep)
{
    if (quarantine == NULL) {
        return;
    }
    if (quarantine->finished && !keep) {
        vs_ignore(vs_store_remove(quarantine->store, vs_buf_c_str(&quarantine->key), NULL));
    }
    vs_writer_free(quarantine->out);
    vs_buf_clear(&quarantine->uri);
    vs_buf_clear(&quarantine->key);
    vs_buf_clear(&quarantine->line);
    vs_free(quarantine->env, quarantine);
}
