// SPDX-License-Identifier: Apache-2.0
/*
 * Damaged objects: bits flipped, bytes set, cut, dropped, repeated or put in, in every kind of
 * object that a table consists of. Each time the table either reads the same, or says what is wrong
 * with it; memory stays bounded.
 *
 * corruption_test [CASES [SEED [print]]]; a failing case prints what it did.
 */
#include "tests/support/check.h"
#include "tests/support/iceberg_table.h"
#include "tests/support/meter_env.h"
#include "vecstore/base/crc32c.h"
#include "vecstore/base/json.h"

#define MAX_OBJECTS 128
#define MEMORY_LIMIT ((size_t)64 << 20)
#define ROWS_PER_FILE 300
#define FOUND_FROM 140 // of the filtered read
#define FOUND_TO 150

enum object_kind { METADATA, HINT, LIST, MANIFEST, DATA, POSITIONS, VECTORS, KIND_COUNT };

static const char *const kind_names[KIND_COUNT] = {
    "metadata", "version hint",     "manifest list",  "manifest",
    "data",     "position deletes", "deletion vector"};

struct object {
    char key[256];
    uint8_t *bytes;
    size_t len;
    enum object_kind kind;
    const char *table;
};

struct answer {
    uint32_t all, found; // digests of all rows and of a filtered read
    size_t count;
};

struct world {
    struct meter_env meter;
    struct vs_catalog *catalog;
    struct vs_store *store;
    struct object objects[MAX_OBJECTS];
    size_t object_count;
    struct answer golden[2]; // of tables[i]
    uint64_t random;
    bool print; // every case
    size_t detected[KIND_COUNT], same[KIND_COUNT];
};

static const char *const tables[2] = {"n.v2", "n.v3"};

static uint64_t next_random(struct world *w)
{
    uint64_t z = w->random += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static size_t below(struct world *w, size_t n)
{
    return n == 0 ? 0 : (size_t)(next_random(w) % n);
}

// ---- reading ----

struct reading {
    const struct vs_table_metadata *m;
    const struct vs_schema *schema;
    struct vs_scan_plan *plan;
    struct vs_deleted_rows deleted;
    struct vs_buf text; // one row
    const struct vs_predicate *predicate;
    uint32_t digest;
    size_t count;
};

static bool is_deleted(const struct reading *r, size_t file, uint64_t position)
{
    for (size_t i = 0; i < r->deleted.counts[file]; i++) {
        if (r->deleted.positions[file][i] == position) {
            return true;
        }
    }
    return false;
}

static void digest_row(struct reading *r, const struct vs_batch *batch, size_t row)
{
    struct vs_json_writer w;
    vs_buf_reset(&r->text);
    vs_json_writer_init(&w, &r->text, false);
    vs_jw_array_begin(&w);
    for (size_t c = 0; c < batch->column_count; c++) {
        vs_column_write_json(&w, &batch->columns[c], &r->schema->fields[c], row);
    }
    vs_jw_array_end(&w);
    vs_ignore(vs_json_writer_finish(&w, NULL));
    // Files may come in another order: the sum of the rows' digests does not care.
    r->digest += vs_crc32c(0, r->text.data, r->text.len) * 2654435761u;
    r->count++;
}

static enum vs_status read_batches(struct reading *r,
                                   size_t file,
                                   struct vs_file_scan *scan,
                                   struct vs_batch *batch,
                                   struct vs_error *err)
{
    for (;;) {
        uint64_t first = 0;
        vs_batch_reset(batch);
        VS_TRY(vs_file_scan_next(scan, 64, batch, &first, err));
        if (batch->row_count == 0) {
            return VS_OK;
        }
        for (size_t row = 0; row < batch->row_count; row++) {
            int64_t id = vs_column_get(&batch->columns[0], row).as.integer;
            if (!is_deleted(r, file, first + row) &&
                (r->predicate == NULL || (id >= FOUND_FROM && id < FOUND_TO))) {
                digest_row(r, batch, row);
            }
        }
    }
}

static enum vs_status read_file(struct world *w,
                                struct reading *r,
                                size_t file,
                                struct vs_error *err)
{
    struct vs_file_scan *scan = NULL;
    struct vs_batch batch = {0};
    enum vs_status status =
        vs_file_scan_open(&w->meter.env, w->store, r->m, &r->plan->files[file].data,
                          r->schema->fields, r->schema->field_count, &scan, err);
    if (status == VS_OK && r->predicate != NULL) {
        status = vs_file_scan_filter(scan, r->predicate, err);
    }
    if (status == VS_OK) {
        status =
            vs_batch_init(&batch, &w->meter.env, r->schema->fields, r->schema->field_count, err);
    }
    if (status == VS_OK) {
        status = read_batches(r, file, scan, &batch, err);
    }
    vs_batch_clear(&batch);
    vs_file_scan_close(scan);
    return status;
}

static enum vs_status read_rows(struct world *w,
                                const struct vs_table_metadata *m,
                                const struct vs_predicate *predicate,
                                uint32_t *digest_out,
                                size_t *count_out,
                                struct vs_error *err)
{
    struct reading r = {.m = m, .schema = vs_table_current_schema(m), .predicate = predicate};
    const struct vs_scan_options options = {.predicate = predicate};
    vs_buf_init(&r.text, &w->meter.env, 1 << 20);
    enum vs_status status = vs_scan_plan_make_with(
        &w->meter.env, w->store, m, m->current_snapshot_id, &options, &r.plan, NULL, err);
    if (status == VS_OK) {
        status = vs_deleted_rows_read(&w->meter.env, w->store, m, r.plan, &r.deleted, err);
    }
    for (size_t i = 0; status == VS_OK && i < r.plan->file_count; i++) {
        status = read_file(w, &r, i, err);
    }
    for (size_t i = 0; i < r.schema->field_count; i++) { // names belong to the answer
        struct vs_str name = r.schema->fields[i].name;
        r.digest += vs_crc32c((uint32_t)i + 1, name.ptr, name.len);
    }
    vs_deleted_rows_clear(&r.deleted);
    vs_scan_plan_free(r.plan);
    vs_buf_clear(&r.text);
    *digest_out = r.digest;
    *count_out = r.count;
    return status;
}

static enum vs_status read_table(struct world *w,
                                 const char *name,
                                 struct answer *answer_out,
                                 struct vs_error *err)
{
    const struct vs_value low = {.kind = VS_KIND_LONG, .as.integer = FOUND_FROM},
                          high = {.kind = VS_KIND_LONG, .as.integer = FOUND_TO};
    const struct vs_predicate from = {
        .op = VS_PREDICATE_GE, .field_id = 1, .value_count = 1, .values = &low};
    const struct vs_predicate to = {
        .op = VS_PREDICATE_LT, .field_id = 1, .value_count = 1, .values = &high};
    const struct vs_predicate *both[] = {&from, &to};
    const struct vs_predicate predicate = {
        .op = VS_PREDICATE_AND, .child_count = 2, .children = both};
    struct vs_table *table = NULL;
    size_t found_count;
    VS_TRY(vs_catalog_load(w->catalog, name, &table, err));
    enum vs_status status =
        read_rows(w, table->metadata, NULL, &answer_out->all, &answer_out->count, err);
    if (status == VS_OK) {
        status = read_rows(w, table->metadata, &predicate, &answer_out->found, &found_count, err);
    }
    vs_table_release(table);
    return status;
}

// ---- making the tables ----

static bool make_table(struct world *w, const char *name, int version)
{
    struct vs_field fields[TEST_FIELDS];
    int32_t identifier[1];
    struct vs_error err = {0};
    struct vs_schema schema = test_schema(fields, identifier);
    const struct vs_table_create create = {.schema = &schema, .format_version = version};
    struct vs_table *table = NULL;
    CHECK_OK(vs_catalog_create(w->catalog, name, &create, &table, &err), err);
    vs_table_release(table);
    for (int64_t i = 0; i < 2; i++) {
        struct vs_commit_result result = {0};
        CHECK_OK(test_table_append(w->catalog, name, i * ROWS_PER_FILE, ROWS_PER_FILE, NULL,
                                   &result, &err),
                 err);
        vs_table_release(result.table);
    }
    return check_failures == 0;
}

static void delete_some(struct world *w, const char *name)
{
    struct vs_error err = {0};
    struct vs_table *table = NULL;
    struct vs_scan_plan *plan = NULL;
    struct vs_deletes_written written = {0};
    struct vs_commit_result result = {0};
    struct vs_position_delete rows[80];
    struct vs_arena arena;
    size_t count = 0;
    vs_arena_init(&arena, &w->meter.env, 0);
    REQUIRE_OK(vs_catalog_load(w->catalog, name, &table, &err), err);
    const struct vs_table_metadata *m = table->metadata;
    REQUIRE_OK(vs_scan_plan_make(&w->meter.env, w->store, m, m->current_snapshot_id, &plan, &err),
               err);
    for (size_t i = 0; i < 80; i++) {
        rows[count++] =
            (struct vs_position_delete){plan->files[i % plan->file_count].data.path, i * 3};
    }
    const struct vs_deletes_request request = {
        .metadata = m, .snapshot_id = m->current_snapshot_id, .rows = rows, .row_count = count};
    CHECK_OK(vs_deletes_write(w->store, &request, &arena, &written, &err), err);
    const struct vs_intent intent = {.operation = "delete",
                                     .added_deletes = written.added,
                                     .added_delete_count = written.added_count};
    CHECK_OK(vs_catalog_commit(w->catalog, name, &intent, NULL, &result, &err), err);
    vs_table_release(result.table);
    vs_scan_plan_free(plan);
    vs_table_release(table);
    vs_arena_clear(&arena);
}

// ---- the objects ----

static bool has_part(const char *text, const char *part)
{
    return strstr(text, part) != NULL;
}

static enum object_kind kind_of(const char *key)
{
    if (has_part(key, "metadata.json")) {
        return METADATA;
    }
    if (has_part(key, "version-hint")) {
        return HINT;
    }
    if (has_part(key, ".puffin")) {
        return VECTORS;
    }
    if (has_part(key, ".avro")) {
        return has_part(key, "snap-") ? LIST : MANIFEST;
    }
    return has_part(key, "delete") ? POSITIONS : DATA;
}

static enum vs_status add_object(void *ctx, const struct vs_object_info *info, struct vs_error *err)
{
    struct world *w = ctx;
    (void)err;
    if (w->object_count < MAX_OBJECTS) {
        struct object *object = &w->objects[w->object_count++];
        (void)snprintf(object->key, sizeof object->key, "%.*s", VS_STR_ARG(info->key));
        object->kind = kind_of(object->key);
        object->table = has_part(object->key, "/v3/") ? tables[1] : tables[0];
    }
    return VS_OK;
}

static bool is_newest(const struct world *w, const struct object *object)
{
    char next[256];
    const char *name = strrchr(object->key, '/');
    if (name == NULL || name[1] != 'v' || strstr(name, ".metadata.json") == NULL) {
        return true;
    }
    long long number = strtoll(name + 2, NULL, 10);
    (void)snprintf(next, sizeof next, "%.*s/v%lld.metadata.json", (int)(name - object->key),
                   object->key, number + 1);
    for (size_t i = 0; i < w->object_count; i++) {
        if (strcmp(w->objects[i].key, next) == 0) {
            return false;
        }
    }
    return true;
}

static bool open_world(struct world *w)
{
    struct vs_error err = {0};
    meter_env_init(&w->meter, MEMORY_LIMIT);
    CHECK_OK(vs_store_open_mem(&w->meter.env, "damage", &w->store, &err), err);
    CHECK_OK(vs_catalog_open_store(&w->meter.env, w->store, &w->catalog, &err), err);
    for (int i = 0; i < 2; i++) {
        if (!make_table(w, tables[i], 2 + i)) {
            return false;
        }
        delete_some(w, tables[i]);
        CHECK_OK(read_table(w, tables[i], &w->golden[i], &err), err);
        CHECK_INT(w->golden[i].count, 2 * ROWS_PER_FILE - 80);
    }
    CHECK_OK(vs_store_list(w->store, "", add_object, w, &err), err);
    size_t kept = 0;
    for (size_t i = 0; i < w->object_count; i++) {
        w->objects[i].bytes = NULL;
        if (!is_newest(w, &w->objects[i])) { // is not read
            continue;
        }
        struct vs_buf bytes;
        vs_buf_init(&bytes, vs_env_default(), SIZE_MAX);
        CHECK_OK(vs_store_get(w->store, w->objects[i].key, &bytes, &err), err);
        w->objects[kept] = w->objects[i];
        w->objects[kept].bytes = malloc(bytes.len + 1);
        if (w->objects[kept].bytes == NULL) {
            abort();
        }
        memcpy(w->objects[kept].bytes, bytes.data, bytes.len);
        w->objects[kept++].len = bytes.len;
        vs_buf_clear(&bytes);
    }
    w->object_count = kept;
    return check_failures == 0;
}

static void close_world(struct world *w)
{
    for (size_t i = 0; i < w->object_count; i++) {
        free(w->objects[i].bytes);
    }
    vs_catalog_free(w->catalog);
    CHECK_INT(w->meter.live, 0);
}

// ---- damage ----

#define DAMAGE_COUNT 8

// Changes bytes[0, *len), which has room for 64 more; says what it did.
static void damage(struct world *w, uint8_t *bytes, size_t *len, char *text, size_t size)
{
    size_t at = below(w, *len), n = 1 + below(w, 32), left = *len - at;
    unsigned kind = (unsigned)below(w, DAMAGE_COUNT);
    n = n > left ? left : n;
    switch (kind) {
    case 0:
    case 1:
        bytes[at] ^= (uint8_t)(1u << below(w, 8));
        break;
    case 2:
        bytes[at] = (uint8_t)(bytes[at] + 1 + below(w, 255));
        break;
    case 3:
        *len = at;
        break;
    case 4: // a piece is missing
        memmove(bytes + at, bytes + at + n, left - n);
        *len -= n;
        break;
    case 5: // a piece comes twice
        memmove(bytes + at + n, bytes + at, left);
        *len += n;
        break;
    case 6:
        for (size_t i = 0; i < n; i++) {
            bytes[at + i] = (uint8_t)next_random(w);
        }
        break;
    default:
        memset(bytes + at, 0, n);
        break;
    }
    (void)snprintf(text, size, "damage %u at byte %zu, %zu bytes", kind, at, n);
}

static void one_case(struct world *w, size_t number)
{
    struct object *object = &w->objects[below(w, w->object_count)];
    uint8_t *bytes = malloc(object->len + 64);
    size_t len = object->len;
    struct vs_error err = {0};
    struct answer answer = {0};
    char text[96];
    if (bytes == NULL || object->bytes == NULL) {
        abort();
    }
    memcpy(bytes, object->bytes, len);
    damage(w, bytes, &len, text, sizeof text);
    const struct vs_str changed = {(const char *)bytes, len};
    const struct vs_str whole = {(const char *)object->bytes, object->len};
    CHECK_OK(vs_store_put(w->store, object->key, changed, VS_PUT_ANY, &err), err);
    size_t before = w->meter.live;
    bool may_repair = object->kind == HINT; // a reader writes a wrong hint anew
    w->meter.refused = false;
    enum vs_status status = read_table(w, object->table, &answer, &err);
    const struct answer *golden = &w->golden[object->table == tables[1]];
    bool is_same = status == VS_OK && memcmp(&answer, golden, sizeof answer) == 0;
    bool has_reason = status != VS_OK && status != VS_INTERNAL && status != VS_NO_MEMORY &&
                      err.message[0] != '\0';
    if ((!is_same && !has_reason) || w->meter.refused || (w->meter.live != before && !may_repair)) {
        check_report(__FILE__, __LINE__, "a damaged object is found, or makes no difference");
        fprintf(stderr, "    case %zu: %s (%zu bytes): %s: %s %s; %zu rows, %ld bytes lost\n",
                number, object->key, object->len, text, vs_status_name(status),
                status != VS_OK ? err.message : "and other rows", answer.count,
                (long)(w->meter.live - before));
    }
    if (w->print) {
        printf("case %zu: %s: %s: %s %s\n", number, kind_names[object->kind], text,
               vs_status_name(status), status != VS_OK ? err.message : "");
    }
    w->detected[object->kind] += status != VS_OK;
    w->same[object->kind] += is_same;
    CHECK_OK(vs_store_put(w->store, object->key, whole, VS_PUT_ANY, &err), err);
    free(bytes);
}

int main(int argc, char **argv)
{
    static struct world world;
    size_t cases = argc > 1 ? (size_t)strtoull(argv[1], NULL, 10) : 1500;
    world.random = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    world.print = argc > 3;
    if (open_world(&world)) {
        for (size_t i = 0; i < cases && check_failures < 20; i++) {
            one_case(&world, i);
        }
    }
    for (int i = 0; i < KIND_COUNT; i++) {
        printf("%-17s %6zu found, %6zu made no difference\n", kind_names[i], world.detected[i],
               world.same[i]);
    }
    printf("%zu cases, %d failed, peak memory %zu KiB\n", cases, check_failures,
           world.meter.peak >> 10);
    close_world(&world);
    return check_failures > 0;
}
