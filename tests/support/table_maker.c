// SPDX-License-Identifier: Apache-2.0
#include "tests/support/table_maker.h"

#include "index/index_build.h"
#include "vecstore/iceberg/contract.h"
#include "vecstore/iceberg/stats_file.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIELD_COUNT 7
#define FILES_MAX 64

static uint64_t mix(uint64_t x)
{
    x += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

bool made_has_vector(int64_t id)
{
    return id % 29 != 28;
}

void made_vector(const struct table_maker *maker, int64_t id, uint32_t version, float *vector)
{
    double sum = 0;
    for (uint32_t i = 0; i < maker->dim; i++) {
        int64_t cluster = (int64_t)(mix((uint64_t)id % 40 * 1000 + i) % 2001) - 1000;
        int64_t noise =
            (int64_t)(mix((uint64_t)id * 7919 + (uint64_t)version * 104729 + (uint64_t)i * 31) %
                      2001) -
            1000;
        vector[i] = (float)((double)cluster / 1000 + (double)noise / 2500);
        sum += (double)vector[i] * (double)vector[i];
    }
    for (uint32_t i = 0; maker->normalized && i < maker->dim; i++) {
        vector[i] = (float)((double)vector[i] / sqrt(sum));
    }
}

const char *made_lang(int64_t id)
{
    static const char *const langs[] = {"en", "de", "fr", "it", NULL};
    return langs[mix((uint64_t)id) % 5];
}

bool made_year(int64_t id, int *year_out)
{
    *year_out = 2000 + (int)(id % 25);
    return id % 11 != 5;
}

double made_price(int64_t id)
{
    return (double)(mix((uint64_t)id + 5) % 10000) / 100;
}

bool made_has_tag(int64_t id, const char *tag)
{
    return strcmp(tag, "even") == 0 ? id % 2 == 0 : (strcmp(tag, "third") == 0 && id % 3 == 0);
}

bool made_is_live(const struct made_row *row, int64_t commit)
{
    return row->added_at <= commit && (row->deleted_at == 0 || row->deleted_at > commit);
}

double made_score(const struct table_maker *maker, const float *query, const struct made_row *row)
{
    float x[MADE_DIM_MAX];
    double dot = 0, qq = 0, xx = 0, distance = 0;
    made_vector(maker, row->id, row->version, x);
    for (uint32_t i = 0; i < maker->dim; i++) {
        double q = (double)query[i], v = (double)x[i];
        dot += q * v;
        qq += q * q;
        xx += v * v;
        distance += (q - v) * (q - v);
    }
    if (strcmp(maker->metric, "cosine") == 0) {
        return dot / sqrt(qq * xx);
    }
    return strcmp(maker->metric, "ip") == 0 ? dot : -distance;
}

static enum vs_status create_table(struct table_maker *maker, struct vs_error *err)
{
    struct vs_field fields[FIELD_COUNT] = {
        {.id = 1, .name = VS_STR("id"), .kind = VS_KIND_LONG, .required = true},
        {.id = 2, .name = VS_STR("lang"), .kind = VS_KIND_STRING},
        {.id = 3, .name = VS_STR("year"), .kind = VS_KIND_INT},
        {.id = 4, .name = VS_STR("price"), .kind = VS_KIND_DOUBLE},
        {.id = 5, .name = VS_STR("tags"), .kind = VS_KIND_LIST, .element_kind = VS_KIND_STRING},
        {.id = 6, .name = VS_STR("body"), .kind = VS_KIND_STRING},
        {.id = 7, .name = VS_STR("embedding"), .kind = VS_KIND_LIST, .element_kind = VS_KIND_FLOAT},
    };
    int32_t identifier = 1;
    const struct vs_schema schema = {.field_count = FIELD_COUNT,
                                     .fields = fields,
                                     .identifier_count = 1,
                                     .identifier_ids = &identifier};
    char dimension[16];
    snprintf(dimension, sizeof dimension, "%u", maker->dim);
    const struct vs_pair properties[] = {
        {VS_STR("vecstore.vector.embedding.dimension"), vs_str_from_c(dimension)},
        {VS_STR("vecstore.vector.embedding.metric"), vs_str_from_c(maker->metric)},
        {VS_STR("vecstore.vector.embedding.normalized"),
         maker->normalized ? VS_STR("true") : VS_STR("false")},
    };
    const struct vs_table_create create = {
        .schema = &schema, .properties = properties, .property_count = 3};
    struct vs_table *table = NULL;
    VS_TRY(vs_catalog_create(maker->catalog, MADE_TABLE, &create, &table, err));
    vs_table_release(table);
    return VS_OK;
}

enum vs_status table_maker_open(struct table_maker *maker,
                                const struct vs_env *env,
                                struct vs_store *store,
                                const char *metric,
                                uint32_t dim,
                                struct vs_error *err)
{
    bool normalized = maker->normalized;
    *maker =
        (struct table_maker){.env = env, .metric = metric, .dim = dim, .normalized = normalized};
    if (store == NULL) {
        VS_TRY(vs_store_open_mem(env, "made", &store, err));
    }
    enum vs_status status = vs_catalog_open_store(env, store, &maker->catalog, err);
    if (status != VS_OK) {
        vs_store_free(store);
        return status;
    }
    maker->files = calloc(FILES_MAX, sizeof *maker->files);
    maker->snapshots[0] = VS_NO_SNAPSHOT;
    return create_table(maker, err);
}

enum vs_status table_maker_recreate(struct table_maker *maker, struct vs_error *err)
{
    VS_TRY(vs_catalog_drop(maker->catalog, MADE_TABLE, err));
    maker->row_count = maker->file_count = 0;
    maker->commits = 0;
    return create_table(maker, err);
}

void table_maker_close(struct table_maker *maker)
{
    vs_catalog_free(maker->catalog);
    free(maker->rows);
    free(maker->files);
    *maker = (struct table_maker){0};
}

static enum vs_status append_row(const struct table_maker *maker,
                                 int64_t id,
                                 uint32_t version,
                                 struct vs_batch *batch,
                                 struct vs_error *err)
{
    struct vs_column *c = batch->columns;
    float vector[MADE_DIM_MAX];
    char body[200];
    int year;
    const char *lang = made_lang(id);
    struct vs_value value = {.kind = VS_KIND_LONG, .as.integer = id};
    VS_TRY(vs_column_append(&c[0], &value, err));
    VS_TRY(lang != NULL ? vs_column_append_bytes(&c[1], lang, strlen(lang), err)
                        : vs_column_append_null(&c[1], err));
    bool has_year = made_year(id, &year);
    value = (struct vs_value){.kind = VS_KIND_INT, .as.integer = year};
    VS_TRY(has_year ? vs_column_append(&c[2], &value, err) : vs_column_append_null(&c[2], err));
    value = (struct vs_value){.kind = VS_KIND_DOUBLE, .as.real = made_price(id)};
    VS_TRY(vs_column_append(&c[3], &value, err));
    if (made_has_tag(id, "even")) {
        VS_TRY(vs_column_append_bytes(c[4].child, "even", 4, err));
    }
    if (made_has_tag(id, "third")) {
        VS_TRY(vs_column_append_bytes(c[4].child, "third", 5, err));
    }
    VS_TRY(vs_column_end_list(&c[4], err));
    int n = snprintf(body, sizeof body, "body of row %" PRId64 " version %u: %0*d", id, version,
                     (int)(mix((uint64_t)id) % 90) + 1, 7);
    VS_TRY(vs_column_append_bytes(&c[5], body, (size_t)n, err));
    if (made_has_vector(id)) {
        made_vector(maker, id, version, vector);
        VS_TRY(vs_column_append_floats(&c[6], vector, maker->dim, err));
    } else {
        VS_TRY(vs_column_append_null(&c[6], err));
    }
    batch->row_count++;
    return VS_OK;
}

static enum vs_status key_of(const struct table_maker *maker,
                             const struct vs_table_metadata *metadata,
                             const char *folder,
                             const char *name,
                             char *key,
                             size_t size,
                             struct vs_error *err)
{
    struct vs_buf buf;
    vs_buf_init(&buf, maker->env, 4096);
    enum vs_status status =
        vs_store_key(vs_catalog_store(maker->catalog), metadata->location, &buf, err);
    if (status == VS_OK) {
        snprintf(key, size, "%s/%s/%s", (const char *)buf.data, folder, name);
    }
    vs_buf_clear(&buf);
    return status;
}

static enum vs_status write_rows(const struct table_maker *maker,
                                 const struct vs_schema *schema,
                                 int64_t first_id,
                                 size_t count,
                                 uint32_t version,
                                 struct vs_parquet_writer *writer,
                                 struct vs_error *err)
{
    struct vs_batch batch = {0};
    enum vs_status status =
        vs_batch_init(&batch, maker->env, schema->fields, schema->field_count, err);
    for (size_t i = 0; i < count && status == VS_OK; i++) {
        status = append_row(maker, first_id + (int64_t)i, version, &batch, err);
    }
    if (status == VS_OK) {
        status = vs_parquet_writer_write(writer, &batch, err);
    }
    vs_batch_clear(&batch);
    return status;
}

static enum vs_status write_file(struct table_maker *maker,
                                 const struct vs_table_metadata *metadata,
                                 const char *key,
                                 int64_t first_id,
                                 size_t count,
                                 uint32_t version,
                                 struct vs_parquet_info *info_out,
                                 struct vs_error *err)
{
    const struct vs_schema *schema = vs_table_current_schema(metadata);
    const struct vs_parquet_write_options options = {.page_bytes = 16384};
    struct vs_writer *out = NULL;
    struct vs_parquet_writer *writer = NULL;
    enum vs_status status = vs_writer_open(vs_catalog_store(maker->catalog), key, &out, err);
    if (status == VS_OK) {
        status = vs_parquet_writer_open(maker->env, out, schema, &options, &writer, err);
    }
    if (status == VS_OK) {
        status = write_rows(maker, schema, first_id, count, version, writer, err);
    }
    if (status == VS_OK) {
        status = vs_parquet_writer_finish(writer, info_out, err);
    }
    if (status == VS_OK) {
        status = vs_writer_finish(out, VS_PUT_IF_ABSENT, err);
    }
    vs_parquet_writer_free(writer);
    vs_writer_free(out);
    return status;
}

static enum vs_status commit(struct table_maker *maker,
                             const struct vs_intent *intent,
                             struct vs_error *err)
{
    struct vs_commit_result result = {0};
    VS_TRY(vs_catalog_commit(maker->catalog, MADE_TABLE, intent, NULL, &result, err));
    if (intent->operation != NULL) {
        maker->snapshots[++maker->commits] = result.snapshot_id;
    }
    vs_table_release(result.table);
    return VS_OK;
}

static void remember(struct table_maker *maker, int64_t first_id, size_t count, uint32_t version)
{
    if (maker->row_count + count > maker->row_room) {
        maker->row_room = (maker->row_count + count) * 2;
        maker->rows = realloc(maker->rows, maker->row_room * sizeof *maker->rows);
    }
    for (size_t i = 0; i < count; i++) {
        maker->rows[maker->row_count++] = (struct made_row){
            first_id + (int64_t)i, version, maker->file_count, i, maker->commits, 0};
    }
    maker->file_count++;
}

enum vs_status table_maker_append(struct table_maker *maker,
                                  int64_t first_id,
                                  size_t count,
                                  uint32_t version,
                                  struct vs_error *err)
{
    struct vs_table *table = NULL;
    struct vs_parquet_info info = {0};
    struct vs_arena arena;
    struct vs_buf uri;
    struct vs_data_file file;
    char name[64], key[256];
    vs_arena_init(&arena, maker->env, 0);
    vs_buf_init(&uri, maker->env, 4096);
    snprintf(name, sizeof name, "part-%05zu.parquet", maker->file_count);
    enum vs_status status = vs_catalog_load(maker->catalog, MADE_TABLE, &table, err);
    if (status == VS_OK) {
        status = key_of(maker, table->metadata, "data", name, key, sizeof key, err);
    }
    if (status == VS_OK) {
        status = write_file(maker, table->metadata, key, first_id, count, version, &info, err);
    }
    if (status == VS_OK) {
        status = vs_store_uri(vs_catalog_store(maker->catalog), key, &uri, err);
    }
    if (status == VS_OK) {
        snprintf(maker->files[maker->file_count], sizeof maker->files[0], "%s",
                 (const char *)uri.data);
        status = vs_data_file_from_parquet(&arena, VS_CONTENT_DATA, vs_buf_view(&uri), &info, &file,
                                           err);
    }
    if (status == VS_OK) {
        const struct vs_intent intent = {
            .operation = "append", .added_data = &file, .added_data_count = 1};
        status = commit(maker, &intent, err);
    }
    if (status == VS_OK) {
        remember(maker, first_id, count, version);
    }
    vs_parquet_info_clear(&info);
    vs_buf_clear(&uri);
    vs_arena_clear(&arena);
    vs_table_release(table);
    return status;
}

enum vs_status table_maker_delete(
    struct table_maker *maker, int64_t first_id, size_t count, int64_t step, struct vs_error *err)
{
    struct vs_table *table = NULL;
    struct vs_arena arena;
    struct vs_data_file *files = NULL;
    size_t delete_count = 0, file_count = 0;
    VS_TRY(vs_catalog_load(maker->catalog, MADE_TABLE, &table, err));
    vs_arena_init(&arena, maker->env, 0);
    struct vs_position_delete *deletes =
        vs_arena_alloc_array(&arena, maker->row_count, sizeof *deletes);
    for (size_t i = 0; i < maker->row_count; i++) {
        struct made_row *row = &maker->rows[i];
        if (row->deleted_at == 0 && row->id >= first_id && row->id < first_id + (int64_t)count &&
            row->id % step == 0) {
            row->deleted_at = maker->commits + 1;
            deletes[delete_count++] =
                (struct vs_position_delete){vs_str_from_c(maker->files[row->file]), row->position};
        }
    }
    enum vs_status status =
        vs_position_deletes_write(vs_catalog_store(maker->catalog), table->metadata, deletes,
                                  delete_count, &arena, &files, &file_count, err);
    if (status == VS_OK) {
        const struct vs_intent intent = {
            .operation = "delete", .added_deletes = files, .added_delete_count = file_count};
        status = commit(maker, &intent, err);
    }
    vs_arena_clear(&arena);
    vs_table_release(table);
    return status;
}

// ---- index ----

struct row_cursor {
    const struct table_maker *maker;
    size_t next;
};

static enum vs_status next_rows(void *ctx,
                                size_t max_rows,
                                struct vs_batch *batch,
                                struct vs_error *err)
{
    struct row_cursor *cursor = (struct row_cursor *)ctx;
    for (size_t i = 0; i < max_rows && cursor->next < cursor->maker->row_count;
         i++, cursor->next++) {
        const struct made_row *row = &cursor->maker->rows[cursor->next];
        VS_TRY(append_row(cursor->maker, row->id, row->version, batch, err));
    }
    return VS_OK;
}

static enum vs_status rewind_rows(void *ctx, struct vs_error *err)
{
    (void)err;
    ((struct row_cursor *)ctx)->next = 0;
    return VS_OK;
}

// Sequence numbers are commit numbers: each commit makes one snapshot.
static size_t list_files(const struct table_maker *maker, struct vs_index_file_ref *refs)
{
    for (size_t i = 0; i < maker->row_count; i++) {
        struct vs_index_file_ref *ref = &refs[maker->rows[i].file];
        if (ref->row_count++ == 0) {
            ref->path = vs_str_from_c(maker->files[maker->rows[i].file]);
            ref->sequence_number = maker->rows[i].added_at + maker->sequence_shift;
            ref->first_row = i;
        }
    }
    return maker->file_count;
}

static enum vs_status write_index(struct table_maker *maker,
                                  const struct vs_table_metadata *metadata,
                                  size_t small_rows,
                                  bool no_exact_rows,
                                  struct vs_index_build_result *result_out,
                                  struct vs_error *err)
{
    struct vs_index_file_ref refs[FILES_MAX];
    memset(refs, 0, sizeof refs);
    const struct vs_schema *schema = vs_table_current_schema(metadata);
    enum vs_metric metric;
    VS_TRY(vs_metric_parse(vs_str_from_c(maker->metric), &metric, err));
    const struct vs_index_build_column column = {
        .field = 6, .dim = maker->dim, .metric = metric, .normalized = maker->normalized};
    const struct vs_index_build_params params = {.table_uuid = metadata->uuid,
                                                 .snapshot_id = metadata->current_snapshot_id,
                                                 .sequence_number = metadata->last_sequence_number,
                                                 .fields = schema->fields,
                                                 .field_count = schema->field_count,
                                                 .id_field = 0,
                                                 .columns = &column,
                                                 .column_count = 1,
                                                 .files = refs,
                                                 .file_count = list_files(maker, refs),
                                                 .store_vectors = no_exact_rows      ? VS_STORE_NONE
                                                                  : maker->half_rows ? VS_STORE_F16
                                                                                     : VS_STORE_F32,
                                                 .small_rows = small_rows,
                                                 .thread_count = 1,
                                                 .seed = 3};
    struct row_cursor cursor = {maker, 0};
    const struct vs_index_row_source source = {next_rows, rewind_rows, &cursor};
    struct vs_writer *out = NULL;
    VS_TRY(vs_writer_open(vs_catalog_store(maker->catalog), maker->index_key, &out, err));
    enum vs_status status = vs_index_build(maker->env, &params, &source, out, result_out, err);
    if (status == VS_OK) {
        status = vs_writer_finish(out, VS_PUT_IF_ABSENT, err);
    }
    vs_writer_free(out);
    return status;
}

static enum vs_status register_index(struct table_maker *maker,
                                     int64_t snapshot_id,
                                     const struct vs_index_build_result *result,
                                     struct vs_error *err)
{
    struct vs_buf uri;
    char size[24], footer[24], uuid[VS_UUID_TEXT_SIZE];
    vs_buf_init(&uri, maker->env, 4096);
    vs_uuid_format(result->index_uuid, uuid);
    snprintf(size, sizeof size, "%" PRIu64, result->file_size);
    snprintf(footer, sizeof footer, "%" PRIu64, result->footer_size);
    enum vs_status status =
        vs_store_uri(vs_catalog_store(maker->catalog), maker->index_key, &uri, err);
    if (status == VS_OK) {
        const struct vs_statistics statistics = {.snapshot_id = snapshot_id,
                                                 .path = vs_buf_view(&uri),
                                                 .file_size = result->file_size,
                                                 .footer_size = result->footer_size,
                                                 .blob_metadata_json = VS_STR("[]")};
        const struct vs_pair properties[] = {
            {VS_STR(VS_PROPERTY_INDEX_PATH), vs_buf_view(&uri)},
            {VS_STR(VS_PROPERTY_INDEX_FILE_SIZE), vs_str_from_c(size)},
            {VS_STR(VS_PROPERTY_INDEX_FOOTER_SIZE), vs_str_from_c(footer)},
            {VS_STR(VS_PROPERTY_INDEX_UUID), vs_str_from_c(uuid)}};
        const struct vs_intent intent = {
            .statistics = &statistics, .set_properties = properties, .set_property_count = 4};
        status = commit(maker, &intent, err);
    }
    vs_buf_clear(&uri);
    return status;
}

enum vs_status table_maker_index(struct table_maker *maker,
                                 size_t small_rows,
                                 bool no_exact_rows,
                                 struct vs_error *err)
{
    struct vs_table *table = NULL;
    struct vs_index_build_result result;
    char name[64], key[256];
    VS_TRY(vs_catalog_load(maker->catalog, MADE_TABLE, &table, err));
    snprintf(name, sizeof name, "index-%" PRId64 "-%" PRIu64 VS_INDEX_FILE_SUFFIX, maker->commits,
             maker->index_rows);
    enum vs_status status = key_of(maker, table->metadata, "metadata", name, key, sizeof key, err);
    if (status == VS_OK) {
        snprintf(maker->index_key, sizeof maker->index_key, "%s", key);
        status = write_index(maker, table->metadata, small_rows, no_exact_rows, &result, err);
    }
    if (status == VS_OK) {
        maker->index_rows = result.row_count;
        status = register_index(maker, table->metadata->current_snapshot_id, &result, err);
    }
    vs_table_release(table);
    return status;
}
