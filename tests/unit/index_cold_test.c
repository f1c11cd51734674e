// SPDX-License-Identifier: Apache-2.0
// Indexes opened lazily: the same answers as from memory, in few rounds of reads, and no wrong one.
#include "index/index.h"
#include "tests/support/check.h"
#include "tests/support/index_fixture.h"
#include "tests/support/slow_store.h"
#include "tests/support/test_env.h"
#include "vecstore/base/bytes.h"
#include "vecstore/base/pool.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#define ROWS 6000
#define DIM 24
#define LISTS 96
#define K 10
#define QUERIES 20

struct cold {
    struct test_env test;
    struct fixture fixture;
    struct vs_buf bytes;
    struct slow_link link;
};

struct opened {
    struct vs_file *file;
    struct vs_index *index;
    struct vs_index_scratch *scratch;
};

static const struct fixture_build with_lists = {.small_rows = 500, .list_count = LISTS};
static const struct slow_options no_delay = {.fail_at = -1};

static bool begin_with(struct cold *c, size_t null_every, const struct fixture_build *build)
{
    struct vs_error err;
    struct vs_index_build_result result;
    memset(c, 0, sizeof *c);
    test_env_init(&c->test);
    slow_link_init(&c->link, &no_delay);
    c->fixture = (struct fixture){.row_count = ROWS,
                                  .dim = DIM,
                                  .cluster_count = 60,
                                  .metric = VS_METRIC_COSINE,
                                  .null_every = null_every,
                                  .spread = 0.4F,
                                  .seed = 5,
                                  .values = true};
    fixture_make(&c->fixture, QUERIES);
    bool ok =
        fixture_build_index(&c->test.env, &c->fixture, build, &c->bytes, &result, &err) == VS_OK;
    if (!ok) {
        fprintf(stderr, "%s\n", err.message);
    }
    return ok;
}

static void end(struct cold *c)
{
    slow_link_clear(&c->link);
    vs_buf_clear(&c->bytes);
    fixture_free(&c->fixture);
    CHECK_INT(c->test.live, 0);
}

static enum vs_status open_index(struct cold *c,
                                 const struct vs_index_open_options *options,
                                 struct opened *o,
                                 struct vs_error *err)
{
    struct vs_file *inner = NULL;
    memset(o, 0, sizeof *o);
    VS_TRY(vs_file_open_bytes(&c->test.env, vs_buf_view(&c->bytes), "cold.puffin", &inner, err));
    enum vs_status status = slow_file_wrap(&c->link, &c->test.env, inner, &o->file, err);
    if (status != VS_OK) {
        vs_file_close(inner);
        return status;
    }
    VS_TRY(vs_index_open(&c->test.env, o->file, options, &o->index, err));
    return vs_index_scratch_new(&c->test.env, &o->scratch, err);
}

static void close_index(struct opened *o)
{
    vs_index_scratch_free(o->scratch);
    vs_index_close(o->index);
    vs_file_close(o->file);
}

struct answer {
    struct vs_index_hit hits[K];
    size_t count;
};

static enum vs_status ask(const struct opened *o,
                          const struct cold *c,
                          size_t q,
                          const struct vs_index_mask *mask,
                          struct answer *answer,
                          struct vs_error *err)
{
    const struct vs_index_query query = {
        .vector = c->fixture.queries + q * DIM, .k = K, .nprobe = 12, .rerank = 60, .mask = mask};
    memset(answer, 0, sizeof *answer);
    return vs_index_search(o->index, &query, o->scratch, answer->hits, &answer->count, NULL, err);
}

static bool same(const struct answer *a, const struct answer *b)
{
    bool equal = a->count == b->count;
    for (size_t i = 0; equal && i < a->count; i++) {
        equal = a->hits[i].row == b->hits[i].row &&
                memcmp(&a->hits[i].score, &b->hits[i].score, sizeof(float)) == 0;
    }
    return equal;
}

static void answers_of(struct cold *c, struct answer *answers)
{
    struct vs_error err;
    struct opened o;
    REQUIRE_OK(open_index(c, NULL, &o, &err), err);
    for (size_t q = 0; q < QUERIES; q++) {
        REQUIRE_OK(ask(&o, c, q, NULL, &answers[q], &err), err);
        CHECK_INT(answers[q].count, K);
    }
    close_index(&o);
}

// ---- cases ----

static const struct vs_index_open_options modes[] = {
    {.lazy = true, .idle = true},
    {.lazy = true, .idle = true, .rows_in_file = true},
    {.lazy = true},
    {.lazy = true, .rows_in_file = true},
    {.lazy = true, .idle = true, .tail_bytes = 700}, // too little: a second round brings the rest
};
#define MODES (sizeof modes / sizeof modes[0])

static void answers_in_mode(struct cold *c, size_t mode, const struct answer *expected)
{
    struct vs_error err;
    struct opened o;
    struct answer found;
    REQUIRE_OK(open_index(c, &modes[mode], &o, &err), err);
    for (size_t round = 0; round < 2; round++) {
        for (size_t q = 0; q < QUERIES; q++) {
            CHECK_OK(ask(&o, c, q, NULL, &found, &err), err);
            CHECK(same(&found, &expected[q]));
        }
        CHECK_OK(vs_index_preload(o.index, NULL, &err), err);
        CHECK(vs_index_reads(o.index).complete);
    }
    close_index(&o);
}

static void lazy_answers_as_from_memory(void)
{
    static const size_t nulls[] = {0, 9};
    for (size_t n = 0; n < 2; n++) {
        struct cold c;
        static struct answer expected[QUERIES];
        REQUIRE(begin_with(&c, nulls[n], &with_lists));
        answers_of(&c, expected);
        for (size_t m = 0; m < MODES; m++) {
            answers_in_mode(&c, m, expected);
        }
        end(&c);
    }
}

// Tail; lists with the rows of the nearest; rows of the others.
static void a_first_query_takes_three_rounds(void)
{
    struct cold c;
    struct vs_error err;
    REQUIRE(begin_with(&c, 0, &with_lists));
    for (size_t q = 0; q < QUERIES; q++) {
        struct opened o;
        struct answer found;
        slow_link_reset(&c.link);
        REQUIRE_OK(open_index(&c, &modes[0], &o, &err), err);
        struct slow_counts opened = slow_link_count(&c.link);
        CHECK_INT(opened.rounds, 1);
        CHECK(opened.requests <= 2);
        REQUIRE_OK(ask(&o, &c, q, NULL, &found, &err), err);
        struct slow_counts first = slow_link_count(&c.link);
        CHECK(first.rounds <= 3);
        struct vs_index_reads reads = vs_index_reads(o.index);
        CHECK_INT(reads.rounds + opened.rounds, first.rounds);
        CHECK(reads.resident_lists >= 12 && reads.resident_lists < LISTS && !reads.complete);
        REQUIRE_OK(ask(&o, &c, q, NULL, &found, &err), err); // nothing is read twice
        CHECK_INT(slow_link_count(&c.link).requests, first.requests);
        close_index(&o);
    }
    end(&c);
}

static void the_rest_comes_by_itself(void)
{
    static const struct vs_index_open_options options[] = {
        {.lazy = true},
        {.lazy = true, .background_rate = 64 << 20},
        {.lazy = true, .rows_in_file = true}};
    struct cold c;
    struct vs_error err;
    REQUIRE(begin_with(&c, 0, &with_lists));
    for (size_t i = 0; i < 3; i++) {
        struct opened o;
        struct answer found;
        REQUIRE_OK(open_index(&c, &options[i], &o, &err), err);
        CHECK(!vs_index_reads(o.index).complete);
        REQUIRE_OK(ask(&o, &c, 0, NULL, &found, &err), err);
        for (int wait = 0; wait < 2000 && !vs_index_reads(o.index).complete; wait++) {
            nanosleep(&(struct timespec){0, 5000000}, NULL);
        }
        struct vs_index_reads reads = vs_index_reads(o.index);
        CHECK(reads.complete && reads.background_bytes > 0);
        CHECK_INT(reads.resident_lists, LISTS);
        close_index(&o);
        // Closed in the midst of it.
        REQUIRE_OK(open_index(&c, &options[i], &o, &err), err);
        REQUIRE_OK(ask(&o, &c, 0, NULL, &found, &err), err);
        close_index(&o);
    }
    end(&c);
}

static void masks_and_values_work_lazily(void)
{
    struct cold c;
    struct vs_error err;
    static uint64_t bits[(ROWS + 63) / 64];
    REQUIRE(begin_with(&c, 9, &with_lists));
    for (size_t row = 0; row < ROWS; row++) {
        bits[row / 64] |= (uint64_t)(row % 3 == 0) << (row % 64);
    }
    struct answer expected[QUERIES];
    for (size_t m = 0; m < MODES + 1; m++) { // the first: from memory
        struct opened o;
        struct vs_index_mask *mask = NULL;
        REQUIRE_OK(open_index(&c, m == 0 ? NULL : &modes[m - 1], &o, &err), err);
        REQUIRE_OK(vs_index_mask_make(o.index, 0, 0, bits, &mask, &err), err);
        for (size_t q = 0; q < QUERIES; q++) {
            struct answer found;
            REQUIRE_OK(ask(&o, &c, q, mask, &found, &err), err);
            expected[q] = m == 0 ? found : expected[q];
            CHECK(same(&found, &expected[q]));
        }
        vs_index_mask_free(mask);
        for (size_t row = 0; row < ROWS; row += 777) {
            const struct vs_value id = {.kind = VS_KIND_LONG, .as.integer = (int64_t)row * 3 + 7};
            const uint32_t *rows = NULL;
            size_t count = 0;
            REQUIRE_OK(vs_index_find_id(o.index, 0, &id, &rows, &count, &err), err);
            CHECK(count == 1 && rows[0] == row);
        }
        uint32_t some[] = {0, 2, 5, 900, 901, 5000};
        float vectors[6 * DIM];
        bool present[6];
        REQUIRE_OK(vs_index_fetch_vectors(o.index, 0, 0, some, 6, vectors, present, &err), err);
        for (size_t i = 0; i < 6; i++) {
            CHECK(present[i] == fixture_has_vector(&c.fixture, some[i]));
            CHECK(!present[i] ||
                  memcmp(vectors + i * DIM, c.fixture.vectors + (size_t)some[i] * DIM,
                         DIM * sizeof(float)) == 0);
        }
        close_index(&o);
    }
    end(&c);
}

// A segment without lists is read whole when it is opened, in the second round at most.
static void small_segments_are_read_at_once(void)
{
    struct cold c;
    struct vs_error err;
    struct opened o;
    struct answer found, expected;
    static const struct fixture_build flat = {.small_rows = 0};
    REQUIRE(begin_with(&c, 9, &flat));
    REQUIRE_OK(open_index(&c, NULL, &o, &err), err);
    REQUIRE_OK(ask(&o, &c, 1, NULL, &expected, &err), err);
    close_index(&o);
    for (size_t tail = 0; tail < 2000; tail += 1900) {
        const struct vs_index_open_options options = {
            .lazy = true, .idle = true, .tail_bytes = tail};
        slow_link_reset(&c.link);
        REQUIRE_OK(open_index(&c, &options, &o, &err), err);
        CHECK(slow_link_count(&c.link).rounds <= (tail == 0 ? 2U : 4U));
        struct slow_counts opened = slow_link_count(&c.link);
        REQUIRE_OK(ask(&o, &c, 1, NULL, &found, &err), err);
        CHECK(same(&found, &expected));
        CHECK_INT(slow_link_count(&c.link).requests, opened.requests);
        close_index(&o);
    }
    end(&c);
}

// ---- many at once ----

struct crowd {
    struct cold *c;
    const struct opened *o;
    const struct answer *expected;
};

static enum vs_status ask_some(void *ctx, size_t task, struct vs_error *err)
{
    const struct crowd *crowd = ctx;
    struct opened own = *crowd->o;
    enum vs_status status = vs_index_scratch_new(&crowd->c->test.env, &own.scratch, err);
    for (size_t i = 0; i < QUERIES && status == VS_OK; i++) {
        struct answer found;
        size_t q = (i * 7 + task * 3) % QUERIES;
        status = ask(&own, crowd->c, q, NULL, &found, err);
        if (status == VS_OK && !same(&found, &crowd->expected[q])) {
            status = vs_fail(err, VS_INTERNAL, "query %zu: another answer", q);
        }
    }
    float vectors[DIM];
    bool present = false;
    if (status == VS_OK) { // their tables are read by whoever comes first
        status = vs_index_fetch_vectors(own.index, 0, 0, &(uint32_t){7}, 1, vectors, &present, err);
    }
    if (status == VS_OK && (!present || memcmp(vectors, crowd->c->fixture.vectors + (size_t)7 * DIM,
                                               sizeof vectors) != 0)) {
        status = vs_fail(err, VS_INTERNAL, "another vector");
    }
    vs_index_scratch_free(own.scratch);
    return status;
}

static void threads_share_what_is_read(void)
{
    struct cold c;
    struct vs_error err;
    static struct answer expected[QUERIES];
    REQUIRE(begin_with(&c, 0, &with_lists));
    answers_of(&c, expected);
    c.link.options.p50_ms = 1;
    for (size_t m = 0; m < 4; m++) {
        struct opened o;
        REQUIRE_OK(open_index(&c, &modes[m], &o, &err), err);
        struct crowd crowd = {&c, &o, expected};
        CHECK_OK(vs_pool_run(&c.test.env, 6, 12, ask_some, &crowd, &err), err);
        close_index(&o);
    }
    end(&c);
}

// A query that was given up reads nothing more.
static void masks_and_prefetch_can_be_cancelled(void)
{
    struct cold c;
    struct vs_error err;
    struct opened o;
    atomic_bool cancelled = false;
    static uint64_t bits[(ROWS + 63) / 64], lists[LISTS / 64 + 1];
    const int32_t field = 1;
    REQUIRE(begin_with(&c, 0, &with_lists));
    memset(bits, 0x55, sizeof bits);
    memset(lists, 0xff, sizeof lists);
    bits[ROWS / 64] &= ((uint64_t)1 << (ROWS % 64)) - 1;
    const struct vs_op op = {.cancelled = &cancelled};
    for (size_t i = 0; i < 2; i++) {
        REQUIRE_OK(open_index(&c, &modes[0], &o, &err), err);
        const struct vs_index_allowed allowed = {0, 0, bits, i == 0 ? NULL : lists, &op};
        struct vs_index_mask *mask = NULL;
        slow_link_reset(&c.link);
        cancelled = true;
        CHECK_STATUS(vs_index_mask_make_in(o.index, &allowed, &mask, &err), VS_CANCELLED);
        CHECK_STATUS(vs_index_prefetch(o.index, 0, &field, 1, &op, &err), VS_CANCELLED);
        CHECK_INT(slow_link_count(&c.link).requests, 0);
        cancelled = false;
        REQUIRE_OK(vs_index_mask_make_in(o.index, &allowed, &mask, &err), err);
        vs_index_mask_free(mask);
        close_index(&o);
    }
    end(&c);
}

// ---- what goes wrong ----

// A file through local copies, pages of which are wrong until they are forgotten.
#define PAGE 20000

struct copied {
    struct vs_file base;
    const struct vs_buf *bytes;
    atomic_bool *wrong; // [pages]
};

static enum vs_status copied_read(
    struct vs_file *file, uint64_t offset, size_t len, void *dst, struct vs_error *err)
{
    const struct copied *copied = (const struct copied *)file;
    (void)err;
    memcpy(dst, copied->bytes->data + offset, len);
    for (uint64_t at = offset; at < offset + len; at++) {
        if (at % PAGE == 7 && copied->wrong[at / PAGE]) {
            ((uint8_t *)dst)[at - offset] ^= 4;
        }
    }
    return VS_OK;
}

static void copied_forget(struct vs_file *file, uint64_t offset, uint64_t len)
{
    const struct copied *copied = (const struct copied *)file;
    for (uint64_t page = offset / PAGE; page * PAGE < offset + len; page++) {
        copied->wrong[page] = false;
    }
}

static void copied_close(struct vs_file *file)
{
    (void)file;
}

static const struct vs_file_vtable copied_vtable = {
    .read = copied_read, .close = copied_close, .forget = copied_forget};

// Opening reads all that is wrong of what it reads once more; then what queries read is spoilt.
static void use_wrong_copies(struct cold *c, size_t mode, const struct answer *expected)
{
    struct vs_error err;
    struct opened o = {0};
    struct answer found;
    size_t pages = c->bytes.len / PAGE + 1, still = 0;
    struct copied file = {.base = {&copied_vtable, c->bytes.len, "copied"}, .bytes = &c->bytes};
    file.wrong = calloc(pages, sizeof *file.wrong);
    for (size_t p = 0; p < pages; p++) {
        file.wrong[p] = true;
    }
    REQUIRE_OK(vs_index_open(&c->test.env, &file.base, &modes[mode], &o.index, &err), err);
    REQUIRE_OK(vs_index_scratch_new(&c->test.env, &o.scratch, &err), err);
    for (size_t p = 0; p < pages; p++) {
        file.wrong[p] = true;
    }
    for (size_t q = 0; q < QUERIES; q++) {
        CHECK_OK(ask(&o, c, q, NULL, &found, &err), err);
        CHECK(same(&found, &expected[q]));
    }
    float vectors[2 * DIM];
    bool present[2];
    CHECK_OK(
        vs_index_fetch_vectors(o.index, 0, 0, (uint32_t[]){7, 5000}, 2, vectors, present, &err),
        err);
    CHECK(memcmp(vectors, c->fixture.vectors + (size_t)7 * DIM, DIM * sizeof(float)) == 0);
    const struct vs_value id = {.kind = VS_KIND_LONG, .as.integer = 777 * 3 + 7};
    const uint32_t *rows = NULL;
    size_t count = 0;
    CHECK_OK(vs_index_find_id(o.index, 0, &id, &rows, &count, &err), err);
    CHECK(count == 1 && rows[0] == 777);
    const struct vs_index_info *info = vs_index_info(o.index);
    for (size_t f = 1; f < info->field_count; f++) { // the vectors were first
        struct vs_column column = {0};
        CHECK_OK(vs_index_load_column(o.index, 0, info->fields[f].id, &column, &err), err);
        vs_column_clear(&column);
    }
    for (size_t p = 0; p < pages; p++) {
        still += file.wrong[p];
    }
    CHECK(still > 0 && still < pages); // only what was read was given up
    close_index(&o);
    free((void *)(uintptr_t)file.wrong);
}

static void wrong_copies_are_read_again(void)
{
    struct cold c;
    static struct answer expected[QUERIES];
    REQUIRE(begin_with(&c, 0, &with_lists));
    answers_of(&c, expected);
    use_wrong_copies(&c, 0, expected);
    use_wrong_copies(&c, 1, expected);
    end(&c);
}

// What fails for want of memory succeeds later, also the last step of reading everything.
static void a_lack_of_memory_passes(void)
{
    struct cold c;
    struct vs_error err;
    struct answer found;
    REQUIRE(begin_with(&c, 0, &with_lists));
    for (long n = 0;; n++) {
        struct opened o;
        REQUIRE_OK(open_index(&c, &modes[0], &o, &err), err);
        c.test.calls = 0;
        c.test.failed = false;
        c.test.fail_at = n;
        enum vs_status status = vs_index_preload(o.index, NULL, &err);
        bool failed = c.test.failed;
        c.test.fail_at = -1;
        CHECK(status == (failed ? VS_NO_MEMORY : VS_OK));
        CHECK_OK(vs_index_preload(o.index, NULL, &err), err);
        CHECK(vs_index_reads(o.index).complete);
        CHECK_OK(ask(&o, &c, 0, NULL, &found, &err), err);
        close_index(&o);
        if (!failed || n > 1000) {
            break;
        }
    }
    end(&c);
}

static void a_failing_store_fails_queries_for_a_while(void)
{
    struct cold c;
    struct vs_error err;
    static struct answer expected[QUERIES];
    REQUIRE(begin_with(&c, 0, &with_lists));
    answers_of(&c, expected);
    for (long fail_at = 0; fail_at < 12; fail_at++) {
        struct opened o;
        struct answer found;
        slow_link_reset(&c.link);
        c.link.options.fail_at = fail_at;
        enum vs_status status = open_index(&c, &modes[fail_at % 2], &o, &err);
        CHECK(status == VS_OK || status == VS_UNAVAILABLE);
        for (size_t q = 0; q < QUERIES && status == VS_OK; q++) {
            enum vs_status asked = ask(&o, &c, q, NULL, &found, &err);
            CHECK(asked == VS_OK || asked == VS_UNAVAILABLE);
            if (asked != VS_OK) { // what failed is tried again
                REQUIRE_OK(ask(&o, &c, q, NULL, &found, &err), err);
            }
            CHECK(same(&found, &expected[q]));
        }
        close_index(&o);
    }
    end(&c);
}

// Each byte of the file in turn, in steps: the same answers or a refusal.
static void damage_is_found_or_harmless(void)
{
    struct cold c;
    struct vs_error err;
    static struct answer expected[QUERIES];
    size_t refused = 0;
    REQUIRE(begin_with(&c, 0, &with_lists));
    answers_of(&c, expected);
    for (size_t at = 5; at < c.bytes.len; at += c.bytes.len / 300) {
        struct opened o;
        c.bytes.data[at] ^= 0x10;
        enum vs_status status = open_index(&c, &modes[at % 2], &o, &err);
        for (size_t q = 0; q < 6 && status == VS_OK; q++) {
            struct answer found;
            status = ask(&o, &c, q, NULL, &found, &err);
            CHECK(status == VS_CORRUPT || (status == VS_OK && same(&found, &expected[q])));
        }
        refused += status != VS_OK;
        close_index(&o);
        c.bytes.data[at] ^= 0x10;
    }
    CHECK(refused > 30);
    // Cut short.
    size_t len = c.bytes.len;
    for (size_t cut = 1; cut < len; cut = cut * 2 + 7) {
        struct opened o;
        c.bytes.len = len - cut;
        CHECK(open_index(&c, &modes[0], &o, &err) != VS_OK);
        close_index(&o);
    }
    c.bytes.len = len;
    end(&c);
}

static void running_out_of_memory_leaks_nothing(void)
{
    struct cold c;
    struct vs_error err;
    REQUIRE(begin_with(&c, 9, &with_lists));
    for (size_t m = 0; m < 2; m++) {
        long before = c.test.live;
        for (long n = 0;; n++) {
            struct opened o;
            struct answer found;
            c.test.calls = 0;
            c.test.failed = false;
            c.test.fail_at = n;
            enum vs_status status = open_index(&c, &modes[m], &o, &err);
            for (size_t q = 0; q < 2 && status == VS_OK; q++) {
                status = ask(&o, &c, q, NULL, &found, &err);
            }
            bool failed = c.test.failed;
            c.test.fail_at = -1;
            CHECK(status == (failed ? VS_NO_MEMORY : VS_OK));
            if (status != VS_OK && o.scratch != NULL) { // and the same index goes on
                CHECK_OK(ask(&o, &c, 0, NULL, &found, &err), err);
            }
            close_index(&o);
            CHECK_INT(c.test.live, before);
            if (!failed || n > 5000) {
                break;
            }
        }
    }
    end(&c);
}

TEST_MAIN(TEST(lazy_answers_as_from_memory),
          TEST(a_first_query_takes_three_rounds),
          TEST(the_rest_comes_by_itself),
          TEST(masks_and_values_work_lazily),
          TEST(small_segments_are_read_at_once),
          TEST(threads_share_what_is_read),
          TEST(a_failing_store_fails_queries_for_a_while),
          TEST(damage_is_found_or_harmless),
          TEST(running_out_of_memory_leaks_nothing),
          TEST(masks_and_prefetch_can_be_cancelled),
          TEST(wrong_copies_are_read_again),
          TEST(a_lack_of_memory_passes))
