// SPDX-License-Identifier: Apache-2.0
#include "ingest/gate.h"
#include "tests/support/check.h"
#include "tests/support/test_env.h"

#include <math.h>

#define FIELDS 5
#define DIM 3
#define NULL_VECTOR (-1)
#define NO_ID INT64_MIN

static struct vs_field fields[FIELDS] = {
    {.id = 1, .name = {"id", sizeof "id" - 1}, .kind = VS_KIND_LONG, .required = true},
    {.id = 2, .name = {"title", sizeof "title" - 1}, .kind = VS_KIND_STRING},
    {.id = 3, .name = {"code", sizeof "code" - 1}, .kind = VS_KIND_STRING, .required = true},
    {.id = 4,
     .name = {"tags", sizeof "tags" - 1},
     .kind = VS_KIND_LIST,
     .element_kind = VS_KIND_STRING},
    {.id = 5,
     .name = {"embedding", sizeof "embedding" - 1},
     .kind = VS_KIND_LIST,
     .element_kind = VS_KIND_FLOAT},
};
static int32_t identifier[1] = {1};

struct row {
    int64_t id;                     // NO_ID: null
    const char *title, *code, *tag; // NULL: null
    int dim;                        // NULL_VECTOR: null
    float vector[4];
    int null_element; // index + 1 of a null element; 0: none
};

static enum vs_status append_text(struct vs_column *column, const char *text, struct vs_error *err)
{
    return text == NULL ? vs_column_append_null(column, err)
                        : vs_column_append_bytes(column, text, strlen(text), err);
}

static enum vs_status append_vector(struct vs_column *column,
                                    const struct row *row,
                                    struct vs_error *err)
{
    if (row->dim == NULL_VECTOR) {
        return vs_column_append_null(column, err);
    }
    for (int i = 0; i < row->dim; i++) {
        struct vs_value value = {.kind = VS_KIND_FLOAT, .as.real = (double)row->vector[i]};
        VS_TRY(row->null_element == i + 1 ? vs_column_append_null(column->child, err)
                                          : vs_column_append(column->child, &value, err));
    }
    return vs_column_end_list(column, err);
}

static enum vs_status append_row(struct vs_batch *batch,
                                 const struct row *row,
                                 struct vs_error *err)
{
    struct vs_value id = {.kind = VS_KIND_LONG, .as.integer = row->id};
    VS_TRY(row->id == NO_ID ? vs_column_append_null(&batch->columns[0], err)
                            : vs_column_append(&batch->columns[0], &id, err));
    VS_TRY(append_text(&batch->columns[1], row->title, err));
    VS_TRY(append_text(&batch->columns[2], row->code, err));
    VS_TRY(append_text(batch->columns[3].child, "fine", err));
    VS_TRY(append_text(batch->columns[3].child, row->tag, err));
    VS_TRY(vs_column_end_list(&batch->columns[3], err));
    VS_TRY(append_vector(&batch->columns[4], row, err));
    batch->row_count++;
    return VS_OK;
}

struct gate_case {
    struct row row;
    const char *metric;
    bool normalized;
    const char *says; // NULL: accepted
};

static const struct row good = {1, "t", "c", "g", DIM, {1, 2, 3}, 0};

// Checks a batch of a good row, the case's row and another good one.
static void check_case(const struct gate_case *c, size_t n)
{
    struct vs_schema schema = {.field_count = FIELDS,
                               .fields = fields,
                               .identifier_count = 1,
                               .identifier_ids = identifier};
    struct vs_vector_contract contract = {.column = VS_STR("embedding"),
                                          .field_id = 5,
                                          .field = 4,
                                          .dimension = DIM,
                                          .metric = vs_str_from_c(c->metric),
                                          .normalized = c->normalized};
    struct row first = good, last = good;
    struct test_env t;
    struct vs_gate *gate = NULL;
    struct vs_batch batch = {0};
    struct vs_gate_reject reject = {.row = 99};
    struct vs_error err = {0};
    uint8_t accept[3] = {7, 7, 7};
    size_t rejected = 99;
    char reason[200];
    test_env_init(&t);
    first.id = 1001;
    last.id = 1002;
    if (c->normalized) {
        first.vector[0] = last.vector[0] = 1;
        first.vector[1] = first.vector[2] = last.vector[1] = last.vector[2] = 0;
    }
    REQUIRE_OK(vs_gate_open(&t.env, &schema, &contract, 1, &gate, &err), err);
    REQUIRE_OK(vs_batch_init(&batch, &t.env, fields, FIELDS, &err), err);
    REQUIRE_OK(append_row(&batch, &first, &err), err);
    REQUIRE_OK(append_row(&batch, &c->row, &err), err);
    REQUIRE_OK(append_row(&batch, &last, &err), err);
    CHECK_OK(vs_gate_check(gate, &batch, accept, &reject, &rejected, &err), err);
    CHECK(accept[0] == 1 && accept[2] == 1);
    CHECK_INT(accept[1], c->says == NULL);
    CHECK_INT(rejected, c->says != NULL);
    CHECK_INT(vs_id_set_count(vs_gate_ids(gate)), c->says == NULL ? 3 : 2);
    vs_gate_explain(gate, &batch, 1, reason);
    if (c->says == NULL) {
        CHECK_TEXT(reason, "");
    } else {
        CHECK_INT(reject.row, 1);
        CHECK_TEXT(reject.reason, reason);
        if (strstr(reason, c->says) == NULL) {
            fprintf(stderr, "case %zu:\n", n);
            CHECK_TEXT(reason, c->says);
        }
    }
    vs_batch_clear(&batch);
    vs_gate_free(gate);
    CHECK_INT(t.live, 0);
}

static void every_rule(void)
{
    const float nan = NAN, inf = INFINITY;
    const struct gate_case cases[] = {
        {{1, "t", "c", "g", DIM, {1, 2, 3}, 0}, "cosine", false, NULL},
        {{1, NULL, "c", NULL, NULL_VECTOR, {0}, 0}, "cosine", true, NULL}, // no vector: allowed
        {{NO_ID, "t", "c", "g", DIM, {1, 2, 3}, 0}, "cosine", false, "the id column id is null"},
        {{1, "t", NULL, "g", DIM, {1, 2, 3}, 0}, "cosine", false, "required column code is null"},
        {{1001, "t", "c", "g", DIM, {1, 2, 3}, 0},
         "cosine",
         false,
         "id 1001 occurs more than once"},
        {{1, "\xff", "c", "g", DIM, {1, 2, 3}, 0}, "cosine", false, "title is not UTF-8"},
        {{1, "t", "\xc3", "g", DIM, {1, 2, 3}, 0}, "cosine", false, "code is not UTF-8"},
        {{1, "t", "c", "\xed\xa0\x80", DIM, {1, 2, 3}, 0}, "cosine", false, "tags is not UTF-8"},
        {{1, "t", "c", "g", 2, {1, 2}, 0}, "cosine", false, "has 2 values"},
        {{1, "t", "c", "g", 4, {1, 2, 3, 4}, 0}, "cosine", false, "has 4 values"},
        {{1, "t", "c", "g", 0, {0}, 0}, "cosine", false, "has 0 values"},
        {{1, "t", "c", "g", DIM, {1, 2, 3}, 3}, "cosine", false, "null element"},
        {{1, "t", "c", "g", DIM, {1, nan, 3}, 0}, "l2", false, "NaN or infinite"},
        {{1, "t", "c", "g", DIM, {1, 2, inf}, 0}, "ip", false, "NaN or infinite"},
        {{1, "t", "c", "g", DIM, {-inf, 2, 3}, 0}, "cosine", false, "NaN or infinite"},
        {{1, "t", "c", "g", DIM, {0, 0, -0.0F}, 0}, "cosine", false, "zero vector"},
        {{1, "t", "c", "g", DIM, {0, 0, 0}, 0}, "l2", false, NULL}, // has a distance
        {{1, "t", "c", "g", DIM, {0, 0, 0}, 0}, "ip", false, NULL},
        {{1, "t", "c", "g", DIM, {1e-10F, 0, 0}, 0}, "cosine", false, NULL},
        {{1, "t", "c", "g", DIM, {3e38F, 3e38F, 3e38F}, 0}, "cosine", false, NULL}, // no overflow
        {{1, "t", "c", "g", DIM, {0.6F, 0.8F, 0}, 0}, "cosine", true, NULL},
        {{1, "t", "c", "g", DIM, {1.0005F, 0, 0}, 0}, "ip", true, NULL},
        {{1, "t", "c", "g", DIM, {1.002F, 0, 0}, 0}, "ip", true, "unit length"},
        {{1, "t", "c", "g", DIM, {0.5F, 0, 0}, 0}, "l2", true, "unit length"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        check_case(&cases[i], i);
    }
}

// Ids are remembered over batches, those of refused rows are not.
static void ids_over_batches(void)
{
    struct vs_schema schema = {.field_count = FIELDS,
                               .fields = fields,
                               .identifier_count = 1,
                               .identifier_ids = identifier};
    struct vs_vector_contract contract = {
        .column = VS_STR("embedding"), .field = 4, .dimension = DIM, .metric = VS_STR("cosine")};
    for (long n = -1;; n++) { // -1: no allocation fails
        struct test_env t;
        struct vs_gate *gate = NULL;
        struct vs_batch batch = {0};
        uint8_t accept[2];
        size_t rejected = 0;
        struct vs_gate_reject reject;
        struct row bad = good, again = good;
        struct vs_error err = {0};
        bad.dim = 1;
        REQUIRE_OK(vs_batch_init(&batch, vs_env_default(), fields, FIELDS, &err), err);
        REQUIRE_OK(append_row(&batch, &bad, &err), err);
        REQUIRE_OK(append_row(&batch, &again, &err), err);
        test_env_init(&t);
        t.fail_at = n;
        enum vs_status status = vs_gate_open(&t.env, &schema, &contract, 1, &gate, &err);
        if (status == VS_OK) {
            status = vs_gate_check(gate, &batch, accept, &reject, &rejected, &err);
        }
        if (status == VS_OK) {
            CHECK(rejected == 1 && accept[0] == 0 && accept[1] == 1); // the refused id is free
            status = vs_gate_check(gate, &batch, accept, &reject, &rejected, &err);
        }
        if (status == VS_OK) {
            CHECK(rejected == 2 && strstr(reject.reason, "1 values") != NULL);
            vs_gate_explain(gate, &batch, 1, reject.reason);
            CHECK(strstr(reject.reason, "more than once") != NULL);
        }
        CHECK(status == VS_OK || (t.failed && status == VS_NO_MEMORY));
        vs_gate_free(gate);
        vs_batch_clear(&batch);
        CHECK_INT(t.live, 0);
        if (n >= 0 && !t.failed) {
            CHECK(n > 2);
            break;
        }
    }
}

TEST_MAIN(TEST(every_rule), TEST(ids_over_batches))
