// SPDX-License-Identifier: Apache-2.0
#include "index/build_internal.h"
#include "index/list_summary.h"

// The attribute columns of the build, NULL for the fields of other places.
static enum vs_status summarise(const struct vs_build *build,
                                const struct vs_build_column *column,
                                const struct vs_column **columns,
                                struct vs_buf *bytes,
                                struct vs_error *err)
{
    const struct vs_index_build_params *params = build->params;
    for (size_t f = 0; f < params->field_count; f++) {
        bool is_attr = build->stored[f] && build->places[f] == VS_PLACE_ATTRS;
        columns[f] = is_attr ? &build->attrs[f] : NULL;
    }
    const struct vs_summary_source source = {
        .records = column->records,
        .list_count = column->codebook->list_count,
        .slot_count = (uint32_t)column->encoded,
        .facts = column->facts,
        .row_count = (size_t)build->row_count,
        .fields = params->fields,
        .columns = columns,
        .field_count = params->field_count,
    };
    return vs_list_summary_build(build->env, &source, bytes, err);
}

enum vs_status vs_build_put_summary(struct vs_build *build,
                                    struct vs_build_column *column,
                                    struct vs_error *err)
{
    const struct vs_column **columns =
        vs_alloc_zeroed(build->env, build->params->field_count + 1, sizeof *columns);
    if (columns == NULL) {
        return vs_build_no_memory(column, err);
    }
    struct vs_buf bytes;
    vs_buf_init(&bytes, build->env, (size_t)1 << 40);
    enum vs_status status = summarise(build, column, columns, &bytes, err);
    if (status == VS_OK && bytes.len > 0) {
        status = vs_index_blob_put(&build->writer, VS_BLOB_SUMMARY, 0, column->field->id,
                                   bytes.data, bytes.len, err);
    }
    vs_buf_clear(&bytes);
    vs_free(build->env, columns);
    return status;
}
