// SPDX-License-Identifier: Apache-2.0
// Reading: thin entries over the query engine, and vectors out of files.
#include "api/db.h"
#include "ingest/source.h"

#define MAX_QUERY_BYTES ((size_t)4 << 30)

enum vs_status vs_db_query(struct vs_db *db,
                           const struct vs_query_options *options,
                           struct vs_answer **answer_out,
                           struct vs_error *err)
{
    return vs_engine_query(db->engine, options, answer_out, err);
}

enum vs_status vs_db_get(struct vs_db *db,
                         const struct vs_get_options *options,
                         struct vs_buf *report,
                         struct vs_error *err)
{
    return vs_engine_get(db->engine, options, report, err);
}

enum vs_status vs_db_recall(struct vs_db *db,
                            const struct vs_recall_options *options,
                            struct vs_buf *report,
                            struct vs_error *err)
{
    struct vs_buf floats;
    struct vs_recall_queries given = {0};
    vs_buf_init(&floats, db->env, MAX_QUERY_BYTES);
    enum vs_status status = VS_OK;
    if (options->queries != NULL) {
        status = vs_vectors_read(db->env, options->queries, NULL, &floats, &given.count, &given.dim,
                                 err);
        given.vectors = (const float *)(const void *)floats.data;
    }
    if (status == VS_OK) {
        status = vs_engine_recall(db->engine, options, &given, report, err);
    }
    vs_buf_clear(&floats);
    return status;
}

static size_t find_vectors(const struct vs_schema *schema, const char *column)
{
    size_t found = SIZE_MAX;
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct vs_field *field = &schema->fields[i];
        bool fits = field->kind == VS_KIND_LIST && field->element_kind == VS_KIND_FLOAT;
        if (fits && (column == NULL || vs_str_equal_c(field->name, column)) &&
            (found == SIZE_MAX || vs_str_equal_c(field->name, "embedding"))) {
            found = i;
        }
    }
    return found;
}

static enum vs_status append_vectors(const struct vs_column *column,
                                     size_t rows,
                                     uint64_t first,
                                     const char *path,
                                     struct vs_buf *floats,
                                     size_t *count,
                                     size_t *dim,
                                     struct vs_error *err)
{
    for (size_t row = 0; row < rows; row++) {
        size_t n;
        const float *values = vs_column_get_floats(column, row, &n);
        *dim = *count == 0 ? n : *dim;
        if (n == 0 || n != *dim) {
            return vs_fail(err, VS_INVALID, "%s: vector %llu has %zu values, the first has %zu",
                           path, (unsigned long long)first + row, n, *dim);
        }
        VS_TRY(vs_buf_append(floats, values, n * sizeof *values, err));
        (*count)++;
    }
    return VS_OK;
}

static enum vs_status read_source(struct vs_source *source,
                                  const char *path,
                                  const char *column,
                                  struct vs_buf *floats,
                                  size_t *count,
                                  size_t *dim,
                                  struct vs_error *err)
{
    const struct vs_schema *schema = vs_source_schema(source);
    size_t vectors = find_vectors(schema, column);
    if (vectors == SIZE_MAX) {
        return vs_fail(err, VS_INVALID, "%s has no column%s%s of vectors (a list of floats)", path,
                       column != NULL ? " " : "", column != NULL ? column : "");
    }
    struct vs_batch batch = {0};
    enum vs_status status =
        vs_batch_init(&batch, source->env, schema->fields, schema->field_count, err);
    while (status == VS_OK) {
        uint64_t first = 0;
        status = vs_source_next(source, &batch, &first, err);
        if (status != VS_OK || batch.row_count == 0) {
            break;
        }
        status = append_vectors(&batch.columns[vectors], batch.row_count, first, path, floats,
                                count, dim, err);
    }
    vs_batch_clear(&batch);
    return status;
}

enum vs_status vs_vectors_read(const struct vs_env *env,
                               const char *path,
                               const char *column,
                               struct vs_buf *floats_out,
                               size_t *count_out,
                               size_t *dim_out,
                               struct vs_error *err)
{
    struct vs_source *source = NULL;
    struct vs_source_options options = {.vector_column = vs_str_from_c(column)};
    size_t count = 0, dim = 0;
    VS_TRY(vs_source_open(env, path, &options, &source, err));
    enum vs_status status = read_source(source, path, column, floats_out, &count, &dim, err);
    vs_source_close(source);
    if (status == VS_OK && count == 0) {
        status = vs_fail(err, VS_INVALID, "%s holds no vectors", path);
    }
    if (status == VS_OK) {
        *count_out = count;
        *dim_out = dim;
    }
    return status;
}
