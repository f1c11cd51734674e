// SPDX-License-Identifier: Apache-2.0
#include "api/id_texts.h"

#include "vecstore/iceberg/contract.h"

static enum vs_status add_text(const struct vs_field *field,
                               struct vs_str text,
                               struct vs_arena *arena,
                               struct vs_id_set *ids,
                               struct vs_error *err)
{
    struct vs_value id;
    bool added;
    enum vs_status status = vs_value_parse(text, field, arena, &id, err);
    if (status != VS_OK) {
        return vs_wrap(err, status, "'%.*s' is not an id of this table (column '%.*s' is %s)",
                       VS_STR_ARG(text), VS_STR_ARG(field->name), vs_kind_name(field->kind));
    }
    return vs_id_set_add(ids, &id, &added, err);
}

enum vs_status vs_id_texts_parse(const struct vs_env *env,
                                 const struct vs_table *table,
                                 const struct vs_str *texts,
                                 size_t count,
                                 struct vs_id_set **ids_out,
                                 struct vs_error *err)
{
    const struct vs_schema *schema = vs_table_current_schema(table->metadata);
    size_t id_field = vs_schema_identifier(schema);
    if (id_field == SIZE_MAX) {
        return vs_fail(
            err, VS_INVALID,
            "table %s has no id column (identifier field), so rows cannot be named by id",
            table->name);
    }
    struct vs_arena arena;
    struct vs_id_set *ids = NULL;
    vs_arena_init(&arena, env, 0);
    enum vs_status status = vs_id_set_new(env, schema->fields[id_field].kind, &ids, err);
    for (size_t i = 0; status == VS_OK && i < count; i++) {
        status = add_text(&schema->fields[id_field], texts[i], &arena, ids, err);
    }
    vs_arena_clear(&arena);
    if (status != VS_OK) {
        vs_id_set_free(ids);
        return status;
    }
    *ids_out = ids;
    return VS_OK;
}
