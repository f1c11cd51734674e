// SPDX-License-Identifier: Apache-2.0
/*
 * Damaged and hostile index files: cut off, bits turned, bytes changed with every checksum made
 * right again. Each is refused with a reason or answers with rows that exist; turned bits alone
 * never change an answer. $VECSTORE_MUTATIONS sets how many (1,000).
 */
#include "index/index_merge.h"
#include "index/index_write.h"
#include "tests/support/check.h"
#include "tests/support/index_parts.h"
#include "tests/support/test_env.h"
#include "vecstore/base/bytes.h"
#include "vecstore/base/crc32c.h"

#include <stdlib.h>

#define ROWS 420
#define QUERIES 4
#define K 5
#define BLOBS_MAX 64

struct answers {
    size_t count[2][QUERIES];
    struct vs_index_hit hits[2][QUERIES][K];
    uint32_t digest; // of all stored values
};

struct world {
    struct test_env test;
    bool half; // stored vectors are binary16, and searches score by them
    struct fixture f;
    struct test_sink base; // two segments: with lists, flat
    struct part_index opened;
    struct vs_list_record *records; // of the first segment
    struct answers answers;
};

static uint64_t state = 20260;

static uint64_t draw(uint64_t below)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return below > 0 ? (state >> 33) % below : 0;
}

static long mutations(void)
{
    const char *text = getenv("VECSTORE_MUTATIONS");
    long wanted = text != NULL ? strtol(text, NULL, 10) : 0;
    return wanted > 0 ? wanted : 1000;
}

// ---- asking everything of an index ----

static void rows_exist(const struct vs_index_hit *hits, size_t count, size_t row_count)
{
    for (size_t i = 0; i < count; i++) {
        CHECK(hits[i].row < row_count);
    }
}

// The stored values of a segment but its vectors, and the rows of an id.
static enum vs_status ask_values(const struct vs_index *index,
                                 size_t s,
                                 struct answers *out,
                                 struct vs_error *err)
{
    const struct vs_index_info *info = vs_index_info(index);
    enum vs_status status = VS_OK;
    for (size_t f = 0; f < info->field_count && status == VS_OK; f++) {
        struct vs_column column = {0};
        if (info->fields[f].id == 2) {
            continue; // vectors
        }
        status = vs_index_load_column(index, s, info->fields[f].id, &column, err);
        if (status == VS_OK) {
            CHECK_INT(column.row_count, info->segments[s].row_count);
            out->digest = vs_crc32c(out->digest, column.values.data, column.values.len);
        }
        vs_column_clear(&column);
    }
    VS_TRY(status);
    const struct vs_value id = {.kind = VS_KIND_LONG, .as.integer = 7919};
    const uint32_t *rows = NULL;
    size_t count = 0;
    VS_TRY(vs_index_find_id(index, s, &id, &rows, &count, err));
    for (size_t i = 0; i < count; i++) {
        CHECK(rows[i] < info->segments[s].row_count);
    }
    return VS_OK;
}

// VS_OK: out holds the answers. Whatever is answered must exist.
static enum vs_status ask(const struct world *w,
                          const struct vs_index *index,
                          struct answers *out,
                          struct vs_error *err)
{
    const struct vs_index_info *info = vs_index_info(index);
    struct vs_index_scratch *scratch = NULL;
    struct vs_index_stats stats;
    memset(out, 0, sizeof *out);
    if (info->segment_count != 2 || info->column_count != 1 || info->columns[0].dim != w->f.dim) {
        return VS_CORRUPT; // another index altogether: callers compare these with the table
    }
    VS_TRY(vs_index_scratch_new(&w->test.env, &scratch, err));
    enum vs_status status = VS_OK;
    for (size_t s = 0; s < 2 && status == VS_OK; s++) {
        for (size_t q = 0; q < QUERIES && status == VS_OK; q++) {
            const struct vs_index_query query = {.segment = s,
                                                 .vector = w->f.queries + q * w->f.dim,
                                                 .k = K,
                                                 .nprobe = 8,
                                                 .rerank = 64,
                                                 .rescore = w->half};
            status = vs_index_search(index, &query, scratch, out->hits[s][q], &out->count[s][q],
                                     &stats, err);
            rows_exist(out->hits[s][q], status == VS_OK ? out->count[s][q] : 0,
                       info->segments[s].row_count);
        }
    }
    vs_index_scratch_free(scratch);
    for (size_t s = 0; s < 2 && status == VS_OK; s++) {
        status = ask_values(index, s, out, err);
    }
    return status;
}

static enum vs_status ask_bytes(const struct world *w,
                                const uint8_t *bytes,
                                size_t n,
                                struct answers *out,
                                struct vs_error *err)
{
    const struct vs_uuid table = {{1, 2, 3}};
    const struct vs_index_open_options options = {.table_uuid = &table, .thread_count = 1};
    struct vs_file *file = NULL;
    struct vs_index *index = NULL;
    VS_TRY(vs_file_open_bytes(&w->test.env, (struct vs_str){(const char *)bytes, n}, "mutant",
                              &file, err));
    enum vs_status status = vs_index_open(&w->test.env, file, &options, &index, err);
    if (status == VS_OK) {
        status = ask(w, index, out, err);
    }
    vs_index_close(index);
    vs_file_close(file);
    return status;
}

static bool same(const struct answers *a, const struct answers *b)
{
    bool equal = a->digest == b->digest;
    for (size_t s = 0; s < 2; s++) {
        for (size_t q = 0; q < QUERIES; q++) {
            equal = equal && a->count[s][q] == b->count[s][q];
            for (size_t i = 0; equal && i < a->count[s][q]; i++) {
                equal = a->hits[s][q][i].row == b->hits[s][q][i].row;
            }
        }
    }
    return equal;
}

// ---- the sound file ----

static bool world_open(struct world *w, bool half)
{
    static const struct part_range ranges[] = {{"a", 0, 150}, {"b", 150, 180}, {"c", 330, 90}};
    struct vs_error err = {0};
    struct test_sink lists, flat;
    struct part_index a, b;
    *w = (struct world){.half = half,
                        .f = {.row_count = ROWS,
                              .dim = 12,
                              .cluster_count = 8,
                              .metric = VS_METRIC_COSINE,
                              .null_every = 11,
                              .spread = 0.4F,
                              .seed = 3,
                              .values = true}};
    test_env_init(&w->test);
    fixture_make(&w->f, QUERIES);
    struct part_build build = {.small_rows = 100,
                               .list_count = 12,
                               .second = VS_SECOND_ON,
                               .exact_rows = true,
                               .half_rows = half,
                               .snapshot_id = 7};
    CHECK_OK(parts_build(&w->test.env, &w->f, &build, ranges, 2, &lists, &err), err);
    CHECK_OK(part_open(&w->test.env, &lists, "lists", &a, &err), err);
    build.codebook = &a.index->codebooks[0];
    CHECK_OK(parts_build(&w->test.env, &w->f, &build, ranges + 2, 1, &flat, &err), err);
    CHECK_OK(part_open(&w->test.env, &flat, "flat", &b, &err), err);
    const struct vs_merge_source sources[] = {{a.file, a.index}, {b.file, b.index}};
    const struct vs_merge_part parts[] = {{0, 0, NULL}, {1, 0, NULL}};
    const struct vs_merge_segment segments[] = {{1, &parts[0]}, {1, &parts[1]}};
    const struct vs_merge merge = {.index_uuid = {{8}},
                                   .snapshot_id = 7,
                                   .sequence_number = 5,
                                   .source_count = 2,
                                   .sources = sources,
                                   .segment_count = 2,
                                   .segments = segments};
    struct vs_merge_result result;
    test_sink_init(&w->base, &w->test.env);
    CHECK_OK(vs_index_merge(&w->test.env, &merge, &w->base.writer, &result, &err), err);
    part_close(&a);
    part_close(&b);
    vs_buf_clear(&lists.bytes);
    vs_buf_clear(&flat.bytes);
    CHECK_OK(part_open(&w->test.env, &w->base, "base", &w->opened, &err), err);
    if (w->opened.index == NULL) {
        return false;
    }
    w->records = w->opened.index->segments[0].parts[0].records;
    CHECK_OK(ask(w, w->opened.index, &w->answers, &err), err);
    CHECK(w->answers.count[0][0] == K && w->answers.count[1][0] == K);
    CHECK(w->opened.index->segments[0].parts[0].lists.repeated);
    return true;
}

static void world_close(struct world *w)
{
    part_close(&w->opened);
    vs_buf_clear(&w->base.bytes);
    fixture_free(&w->f);
    CHECK_INT(w->test.live, 0);
}

// ---- cut off, turned bits ----

static void cut_files_are_refused(void)
{
    struct world w;
    struct vs_error err;
    struct answers found;
    REQUIRE(world_open(&w, false));
    size_t size = w.base.bytes.len;
    for (long i = 0; i < mutations() / 5; i++) {
        size_t n = (size_t)draw(i % 2 == 0 ? size : 700), cut = i % 2 == 0 ? n : size - 1 - n;
        uint8_t *bytes = malloc(cut + 1); // its own block: reads behind it are seen
        memcpy(bytes, w.base.bytes.data, cut);
        CHECK(ask_bytes(&w, bytes, cut, &found, &err) != VS_OK);
        CHECK(err.message[0] != '\0');
        free(bytes);
    }
    world_close(&w);
}

static void turn_bits(bool half)
{
    struct world w;
    struct vs_error err;
    struct answers found;
    size_t refused = 0, same_answers = 0;
    REQUIRE(world_open(&w, half));
    uint8_t *bytes = malloc(w.base.bytes.len);
    for (long i = 0; i < mutations(); i++) {
        memcpy(bytes, w.base.bytes.data, w.base.bytes.len);
        for (uint64_t n = 1 + draw(3); n > 0; n--) {
            bytes[draw(w.base.bytes.len)] ^= (uint8_t)(1u << draw(8));
        }
        if (ask_bytes(&w, bytes, w.base.bytes.len, &found, &err) != VS_OK) {
            refused++;
            CHECK(err.message[0] != '\0');
        } else {
            same_answers++;
            CHECK(same(&found, &w.answers));
        }
    }
    free(bytes);
    printf("    %zu refused, %zu with the same answers\n", refused, same_answers);
    CHECK(refused > same_answers);
    world_close(&w);
}

static void turned_bits_change_no_answer(void)
{
    turn_bits(false);
    turn_bits(true);
}

// ---- every checksum made right again ----

static void seal_header(uint8_t *blob)
{
    vs_store_u32le(blob + 60, vs_crc32c(0, blob, 60));
}

// Codebook, ids and attr parts: body from 64 on, its checksum at 48.
static void seal_body(uint8_t *blob, size_t n)
{
    if (n >= 64) {
        vs_store_u32le(blob + 48, vs_crc32c(0, blob + 64, n - 64));
        seal_header(blob);
    }
}

static void seal_vectors(uint8_t *blob, uint64_t rows, uint32_t dim, uint32_t width)
{
    struct vs_vectors_layout at;
    size_t bytes = (size_t)dim * width;
    vs_vectors_layout(rows, dim, width, &at);
    for (uint64_t r = 0; r < rows; r++) {
        vs_store_u32le(blob + at.row_crcs + 4 * r, vs_crc32c(0, blob + 64 + r * bytes, bytes));
    }
    vs_store_u32le(blob + at.crc, vs_crc32c(0, blob + at.presence, (size_t)(at.crc - at.presence)));
    seal_header(blob);
}

static void seal_payload(uint8_t *blob, size_t n)
{
    uint64_t directory_len = vs_load_u64le(blob + n - 16);
    if (directory_len + 16 > n || directory_len < 28) {
        return; // was changed itself: refused as it is
    }
    uint8_t *directory = blob + n - 16 - directory_len;
    uint64_t fields = vs_load_u16le(directory + 6), blocks = vs_load_u64le(directory + 16);
    for (uint64_t b = 0; b < blocks && 24 + 8 * fields + 24 * (b + 1) + 4 <= directory_len; b++) {
        uint8_t *block = directory + 24 + 8 * fields + 24 * b;
        uint64_t offset = vs_load_u64le(block), length = vs_load_u32le(block + 8);
        if (offset <= n && length <= n - offset) {
            vs_store_u32le(block + 20, vs_crc32c(0, blob + offset, (size_t)length));
        }
    }
    vs_store_u32le(directory + directory_len - 4,
                   vs_crc32c(0, directory, (size_t)directory_len - 4));
    vs_store_u32le(blob + n - 8, vs_crc32c(0, blob + n - 16, 8));
}

struct blobs {
    size_t count;
    uint8_t *bytes[BLOBS_MAX];
    const struct vs_blob_entry *entries;
};

static uint8_t *find_blob(const struct blobs *all, const char *type, int32_t segment)
{
    for (size_t i = 0; i < all->count; i++) {
        if (all->entries[i].segment == segment && vs_str_equal_c(all->entries[i].type, type)) {
            return all->bytes[i];
        }
    }
    return NULL;
}

// The directory carries the checksums of lists and rows at their true places.
static void seal_lists(const struct world *w, const struct blobs *all)
{
    uint8_t *hot = find_blob(all, VS_BLOB_HOT, 0), *lists = find_blob(all, VS_BLOB_LISTS, 0),
            *rows = find_blob(all, VS_BLOB_ROWS, 0);
    const struct vs_index_column *column = &vs_index_info(w->opened.index)->columns[0];
    const struct vs_lists *view = &w->opened.index->segments[0].parts[0].lists;
    size_t stride = view->stride;
    uint8_t *facts = rows + 64 + view->slot_count * stride;
    for (uint32_t l = 0; l < column->list_count; l++) {
        const struct vs_list_record *record = &w->records[l];
        uint8_t *out = hot + 64 + (size_t)l * VS_LIST_RECORD_SIZE;
        vs_store_u32le(out + 12, vs_crc32c(0, lists + record->offset,
                                           (size_t)vs_list_bytes(record->entry_count, column->m)));
        vs_store_u32le(out + 24, vs_crc32c(0, rows + 64 + record->first_slot * stride,
                                           record->slot_count * stride));
        vs_store_u32le(out + 28, vs_crc32c(0, facts + (size_t)record->first_slot * 16,
                                           (size_t)record->slot_count * 16));
    }
    vs_store_u32le(hot + 44,
                   vs_crc32c(0, hot + 64, (size_t)column->list_count * VS_LIST_RECORD_SIZE));
    seal_header(hot);
    seal_header(lists);
    seal_header(rows);
}

static void seal(const struct world *w, const struct blobs *all)
{
    const struct vs_descriptor *d = &w->opened.index->descriptor;
    for (size_t i = 0; i < all->count; i++) {
        const struct vs_blob_entry *entry = &all->entries[i];
        uint8_t *bytes = all->bytes[i];
        size_t n = (size_t)entry->length;
        if (vs_str_equal_c(entry->type, VS_BLOB_CODEBOOK) ||
            vs_str_equal_c(entry->type, VS_BLOB_IDS)) {
            seal_body(bytes, n);
        } else if (vs_str_equal_c(entry->type, VS_BLOB_ATTRS)) {
            const struct vs_segment_parts *parts = &d->segments[entry->segment];
            for (size_t p = 0; p < parts->attr_count; p++) {
                seal_body(bytes + parts->attrs[p].offset, (size_t)parts->attrs[p].length);
            }
        } else if (vs_str_equal_c(entry->type, VS_BLOB_VECTORS) ||
                   vs_str_equal_c(entry->type, VS_BLOB_VECTORS16)) {
            seal_vectors(bytes, d->info.segments[entry->segment].row_count, d->info.columns[0].dim,
                         vs_vectors_width(vs_str_equal_c(entry->type, VS_BLOB_VECTORS16)));
        } else if (vs_str_equal_c(entry->type, VS_BLOB_PAYLOAD)) {
            seal_payload(bytes, n);
        } else if (vs_str_equal_c(entry->type, VS_BLOB_CANARY)) {
            vs_store_u32le(bytes + 48, vs_crc32c(0, bytes + 64, n - 64));
            seal_header(bytes);
        }
    }
    seal_lists(w, all);
}

// A file of these blobs with a descriptor that has their checksums.
static void write_file(const struct world *w, const struct blobs *all, struct test_sink *sink)
{
    struct vs_index_writer writer;
    struct vs_descriptor d = w->opened.index->descriptor;
    struct vs_error err = {0};
    int32_t field = 2;
    uint64_t file_size, footer_size;
    test_sink_init(sink, &w->test.env);
    CHECK_OK(vs_index_writer_open(&writer, &w->test.env, &sink->writer, d.info.snapshot_id,
                                  d.sequence_number, &err),
             err);
    writer.all_fields = &field;
    writer.all_field_count = 1;
    for (size_t i = 0; i < all->count; i++) {
        const struct vs_blob_entry *entry = &all->entries[i];
        CHECK_OK(vs_index_blob_put(&writer, entry->type.ptr, entry->segment, entry->field_id,
                                   all->bytes[i], (size_t)entry->length, &err),
                 err);
    }
    CHECK_OK(vs_index_writer_finish(&writer, &d, &file_size, &footer_size, &err), err);
    vs_index_writer_clear(&writer);
}

// One to four changes; small numbers and extremes more often than chance would have them.
static void change(uint8_t *bytes, size_t n)
{
    static const uint32_t odd[] = {0,          1,          2,          63,         64,        255,
                                   0x7fffffff, 0x80000000, 0xffffffff, 0x7f800000, 0x7fc00000};
    for (uint64_t times = bytes != NULL && n > 0 ? 1 + draw(4) : 0; times > 0; times--) {
        size_t at = (size_t)(draw(3) == 0 ? draw(n < 64 ? n : 64) : draw(n));
        if (draw(3) == 0 && n >= 4) {
            at = at / 4 * 4 <= n - 4 ? at / 4 * 4 : n - 4;
            vs_store_u32le(bytes + at, odd[draw(sizeof odd / sizeof odd[0])]);
        } else {
            bytes[at] = (uint8_t)(draw(2) == 0 ? bytes[at] ^ (1u << draw(8)) : draw(256));
        }
    }
}

static void change_blobs(bool half)
{
    struct world w;
    struct vs_error err;
    struct answers found;
    size_t refused = 0, answered = 0;
    REQUIRE(world_open(&w, half));
    const struct vs_descriptor *d = &w.opened.index->descriptor;
    struct blobs all = {.count = d->blob_count, .entries = d->blobs};
    REQUIRE(all.count <= BLOBS_MAX);
    for (size_t i = 0; i < all.count; i++) {
        all.bytes[i] = malloc((size_t)d->blobs[i].length);
    }
    for (long i = 0; i < mutations(); i++) {
        struct test_sink sink;
        for (size_t b = 0; b < all.count; b++) {
            memcpy(all.bytes[b], w.base.bytes.data + d->blobs[b].offset,
                   (size_t)d->blobs[b].length);
        }
        size_t victim = (size_t)draw(all.count);
        change(all.bytes[victim], (size_t)d->blobs[victim].length);
        seal(&w, &all);
        write_file(&w, &all, &sink);
        uint8_t *bytes = malloc(sink.bytes.len); // exactly as long: reads behind it are seen
        memcpy(bytes, sink.bytes.data, sink.bytes.len);
        if (ask_bytes(&w, bytes, sink.bytes.len, &found, &err) == VS_OK) {
            answered++;
        } else {
            refused++;
            CHECK(err.message[0] != '\0');
        }
        if (i % 8 == 0) { // a full check finds its way through, too
            struct vs_file *file = NULL;
            struct vs_buf report;
            vs_buf_init(&report, &w.test.env, 1 << 20);
            REQUIRE_OK(vs_file_open_bytes(&w.test.env,
                                          (struct vs_str){(const char *)bytes, sink.bytes.len},
                                          "mutant", &file, &err),
                       err);
            (void)vs_index_verify(&w.test.env, file, NULL, &report, &err);
            vs_file_close(file);
            vs_buf_clear(&report);
        }
        free(bytes);
        vs_buf_clear(&sink.bytes);
    }
    for (size_t i = 0; i < all.count; i++) {
        free(all.bytes[i]);
    }
    printf("    %zu refused, %zu answered with rows that exist\n", refused, answered);
    CHECK(refused > 0 && answered > 0);
    world_close(&w);
}

static void hostile_blobs_do_no_harm(void)
{
    change_blobs(false);
    change_blobs(true);
}

// The descriptor's text, changed and sealed.
static void hostile_descriptors_do_no_harm(void)
{
    struct world w;
    struct vs_error err;
    struct answers found;
    struct vs_buf text;
    size_t refused = 0, answered = 0;
    REQUIRE(world_open(&w, true));
    const struct vs_descriptor *d = &w.opened.index->descriptor;
    vs_buf_init(&text, &w.test.env, 1 << 22);
    for (long i = 0; i < mutations(); i++) {
        struct test_sink sink;
        struct vs_puffin_writer *puffin = NULL;
        char hex[9];
        int32_t field = 2;
        uint64_t file_size, footer_size;
        test_sink_init(&sink, &w.test.env);
        vs_buf_reset(&text);
        REQUIRE_OK(vs_descriptor_encode(d, &text, &err), err);
        for (uint64_t n = 1 + draw(2); n > 0; n--) { // digits become others, now and then any byte
            size_t at = (size_t)draw(text.len);
            while (draw(20) != 0 && (text.data[at] < '0' || text.data[at] > '9')) {
                at = (at + 1) % text.len;
            }
            text.data[at] = (uint8_t)(draw(12) == 0 ? 32 + draw(95) : '0' + draw(10));
        }
        REQUIRE_OK(vs_puffin_writer_open(&w.test.env, &sink.writer, &puffin, &err), err);
        for (size_t b = 0; b < d->blob_count; b++) {
            int32_t own = d->blobs[b].field_id >= 0 ? d->blobs[b].field_id : 2;
            const struct vs_puffin_blob blob = {.type = d->blobs[b].type,
                                                .field_count = 1,
                                                .fields = &own,
                                                .snapshot_id = 7,
                                                .sequence_number = 5};
            REQUIRE_OK(vs_puffin_writer_begin(puffin, &blob, 64, &err), err);
            REQUIRE_OK(vs_puffin_writer_write(puffin, w.base.bytes.data + d->blobs[b].offset,
                                              (size_t)d->blobs[b].length, &err),
                       err);
            REQUIRE_OK(vs_puffin_writer_end(puffin, NULL, NULL, &err), err);
        }
        snprintf(hex, sizeof hex, "%08x", (unsigned)vs_crc32c(0, text.data, text.len));
        struct vs_puffin_property property = {VS_STR("crc32c"), vs_str_from_c(hex)};
        const struct vs_puffin_blob blob = {.type = VS_STR(VS_BLOB_DESCRIPTOR),
                                            .field_count = 1,
                                            .fields = &field,
                                            .snapshot_id = 7,
                                            .sequence_number = 5,
                                            .property_count = 1,
                                            .properties = &property};
        REQUIRE_OK(vs_puffin_writer_begin(puffin, &blob, 64, &err), err);
        REQUIRE_OK(vs_puffin_writer_write(puffin, text.data, text.len, &err), err);
        REQUIRE_OK(vs_puffin_writer_end(puffin, NULL, NULL, &err), err);
        REQUIRE_OK(vs_puffin_writer_finish(puffin, NULL, 0, &file_size, &footer_size, &err), err);
        vs_puffin_writer_free(puffin);
        if (ask_bytes(&w, sink.bytes.data, sink.bytes.len, &found, &err) == VS_OK) {
            answered++;
        } else {
            refused++;
        }
        vs_buf_clear(&sink.bytes);
    }
    vs_buf_clear(&text);
    printf("    %zu refused, %zu answered with rows that exist\n", refused, answered);
    CHECK(refused > 0 && answered > 0);
    world_close(&w);
}

TEST_MAIN(TEST(cut_files_are_refused),
          TEST(turned_bits_change_no_answer),
          TEST(hostile_blobs_do_no_harm),
          TEST(hostile_descriptors_do_no_harm))
