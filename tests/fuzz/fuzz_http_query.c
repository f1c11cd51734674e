// SPDX-License-Identifier: Apache-2.0
/*
 * Any bytes as a query body and as the other bodies. What is accepted obeys the bounds; cutting the
 * vector out must not change what is accepted: the same text with its members' vector read by the
 * JSON reader gives the same floats.
 */
#include "api/http/body_scan.h"
#include "api/http/float_input.h"
#include "api/http/wire.h"

#include <math.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_vectors(const struct vs_query_options *options)
{
    if ((options->vectors == NULL) != (options->like_id.len > 0) || options->k > VS_MAX_K ||
        options->vector_count > VS_MAX_BATCH || options->dim > VS_MAX_DIM) {
        abort();
    }
    for (size_t i = 0; options->vectors != NULL && i < options->vector_count * options->dim; i++) {
        if (!isfinite(options->vectors[i])) {
            abort();
        }
    }
}

// The slow way to the same vector.
static void compare_slow(struct vs_arena *arena,
                         struct vs_str body,
                         const struct vs_query_options *options)
{
    struct vs_json_doc *doc = NULL;
    struct vs_float_input floats = {0};
    if (options->vectors == NULL) {
        return;
    }
    if (vs_json_parse(arena->env, body, "body", NULL, &doc, NULL) != VS_OK) {
        abort(); // accepted although it is no JSON
    }
    const struct vs_json *one = vs_json_get(vs_json_root(doc), "vector"),
                         *several = vs_json_get(vs_json_root(doc), "vectors");
    if (vs_floats_from_json(arena, one != NULL ? one : several, several != NULL, &floats, NULL) !=
            VS_OK ||
        floats.count != options->vector_count || floats.dim != options->dim) {
        abort();
    }
    for (size_t i = 0; i < floats.count * floats.dim; i++) {
        if (!(floats.values[i] <= options->vectors[i] &&
              floats.values[i] >= options->vectors[i])) { // -0 equals 0
            abort();
        }
    }
    vs_json_free(doc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct vs_wire_bounds bounds = {1000, 30000};
    struct vs_str body = {(const char *)data, size};
    struct vs_arena arena;
    struct vs_wire_query query;
    struct vs_create_options create;
    struct vs_get_options get;
    struct vs_delete_options delete;
    struct vs_insert_options insert;
    vs_arena_init(&arena, vs_env_default(), 0);
    if (vs_wire_query_json(&arena, body, &bounds, &query, NULL) == VS_OK) {
        check_vectors(&query.options);
        compare_slow(&arena, body, &query.options);
    }
    if (vs_wire_create(&arena, body, &create, NULL) == VS_OK &&
        (create.dim == 0 || create.dim > VS_MAX_DIM || create.table == NULL)) {
        abort();
    }
    if (vs_wire_get(&arena, body, &get, NULL) == VS_OK && get.id_count == 0) {
        abort();
    }
    vs_ignore(vs_wire_delete(&arena, body, &delete, NULL));
    if (vs_wire_insert(body, &insert, NULL) == VS_OK &&
        (insert.rows.len < 1 || insert.rows.ptr < body.ptr ||
         insert.rows.ptr + insert.rows.len > body.ptr + size)) {
        abort();
    }
    vs_arena_clear(&arena);
    return 0;
}
