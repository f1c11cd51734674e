// SPDX-License-Identifier: Apache-2.0
// Codebooks made by hand: projection, assignment and encoding against brute force; the blob against
// flips, truncation and hostile values.
#include "index/codebook.h"
#include "index/list_layout.h"
#include "tests/support/check.h"
#include "tests/support/test_env.h"
#include "vecstore/base/bytes.h"
#include "vecstore/base/crc32c.h"

#include <stdlib.h>

static uint64_t state = 7;

static float random_f32(void)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (float)((double)(state >> 40) / 8388608.0 - 1.0);
}

// A codebook of random values; the super-clusters have lists in equal shares, near their centroid.
static enum vs_status make_codebook(const struct vs_env *env,
                                    struct vs_codebook shape,
                                    struct vs_codebook *made,
                                    struct vs_error *err)
{
    struct vs_codebook book = shape;
    VS_TRY(vs_codebook_init(&book, env, err));
    size_t proj = book.proj_dim;
    for (size_t i = 0; i < proj * book.dim; i++) {
        book.projection[i] = random_f32();
    }
    for (size_t i = 0; i < proj; i++) {
        book.projection_bias[i] = random_f32();
    }
    for (size_t i = 0; i < 16 * proj; i++) {
        book.pq[i] = random_f32();
    }
    for (size_t s = 0; s < book.super_count; s++) {
        book.super_first[s + 1] = (uint32_t)(book.list_count * (s + 1) / book.super_count);
        for (size_t j = 0; j < proj; j++) {
            float center = book.super_centroids[s * proj + j] = 10.0f * random_f32();
            for (size_t l = book.super_first[s]; l < book.super_first[s + 1]; l++) {
                book.centroids[l * proj + j] = center + random_f32();
            }
        }
    }
    enum vs_status status = vs_codebook_finish(&book, err);
    if (status == VS_OK) {
        *made = book;
    } else {
        vs_codebook_clear(&book);
    }
    return status;
}

static const struct vs_codebook SMALL = {.dim = 5,
                                         .proj_dim = 12,
                                         .m = 4,
                                         .sub_dim = 3,
                                         .super_count = 2,
                                         .list_count = 5,
                                         .metric = VS_METRIC_L2};
static const struct vs_codebook MIDDLE = {
    .dim = 50, .proj_dim = 24, .m = 8, .sub_dim = 3, .super_count = 20, .list_count = 300};

static void case_project(void)
{
    struct vs_codebook book = {0};
    struct vs_error err;
    REQUIRE_OK(make_codebook(vs_env_default(), MIDDLE, &book, &err), err);
    float x[37 * 50], one[24];
    for (size_t i = 0; i < (size_t)37 * 50; i++) {
        x[i] = random_f32();
    }
    for (size_t r = 0; r < 37; r++) {
        vs_codebook_project(&book, x + r * 50, one);
        for (size_t p = 0; p < 24; p++) {
            double sum = (double)book.projection_bias[p];
            for (size_t j = 0; j < 50; j++) {
                sum += (double)book.projection[p * 50 + j] * (double)x[r * 50 + j];
            }
            CHECK_NEAR(one[p], sum, 1e-4);
        }
    }
    vs_codebook_clear(&book);
}

static double distance(const float *a, const float *b, size_t dim)
{
    double sum = 0.0;
    for (size_t j = 0; j < dim; j++) {
        sum += ((double)a[j] - (double)b[j]) * ((double)a[j] - (double)b[j]);
    }
    return sum;
}

// The two nearest lists by brute force, in double precision.
static void brute_force(const struct vs_codebook *book, const float *y, uint32_t best[2])
{
    double least[2] = {(double)INFINITY, (double)INFINITY};
    for (uint32_t l = 0; l < book->list_count; l++) {
        double d = distance(y, book->centroids + (size_t)l * book->proj_dim, book->proj_dim);
        if (d < least[0]) {
            least[1] = least[0];
            best[1] = best[0];
            least[0] = d;
            best[0] = l;
        } else if (d < least[1]) {
            least[1] = d;
            best[1] = l;
        }
    }
}

static void case_assign(void)
{
    struct vs_codebook book = {0};
    struct vs_error err;
    REQUIRE_OK(make_codebook(vs_env_default(), MIDDLE, &book, &err), err);
    size_t agree = 0, agree_second = 0;
    for (size_t i = 0; i < 1000; i++) {
        float y[24];
        const float *near = book.centroids + i % book.list_count * 24;
        for (size_t j = 0; j < 24; j++) {
            y[j] = near[j] + 0.7f * random_f32();
        }
        uint32_t expected[2] = {0, 0}, second;
        brute_force(&book, y, expected);
        agree += vs_codebook_assign(&book, y, &second) == expected[0];
        agree_second += second == expected[1];
        CHECK_INT(vs_codebook_assign(&book, y, NULL), vs_codebook_assign(&book, y, &second));
    }
    CHECK(agree >= 998);
    CHECK(agree_second >= 950); // the shortlist is chosen by int8
    vs_codebook_clear(&book);
}

static void case_assign_ties(void)
{
    struct vs_codebook book = {0};
    struct vs_error err;
    REQUIRE_OK(make_codebook(vs_env_default(), SMALL, &book, &err), err);
    for (size_t i = 0; i < (size_t)5 * 12; i++) {
        book.centroids[i] = 1.0f;
    }
    REQUIRE_OK(vs_codebook_finish(&book, &err), err);
    float y[12] = {0}, nan[12];
    uint32_t second = 99;
    CHECK_INT(vs_codebook_assign(&book, y, &second), 0);
    CHECK_INT(second, 1);
    for (size_t j = 0; j < 12; j++) {
        nan[j] = NAN;
    }
    CHECK(vs_codebook_assign(&book, nan, &second) < 5 && second < 5);
    vs_codebook_clear(&book);
}

static void case_encode_vector(void)
{
    struct vs_codebook book = {0};
    struct vs_error err;
    REQUIRE_OK(make_codebook(vs_env_default(), MIDDLE, &book, &err), err);
    for (size_t i = 0; i < 500; i++) {
        float y[24];
        uint8_t codes[8];
        for (size_t j = 0; j < 24; j++) {
            y[j] = random_f32();
        }
        vs_codebook_encode_vector(&book, y, codes);
        for (size_t s = 0; s < 8; s++) {
            const float *table = book.pq + s * 16 * 3;
            size_t best = 0;
            for (size_t c = 1; c < 16; c++) {
                best =
                    distance(y + s * 3, table + c * 3, 3) < distance(y + s * 3, table + best * 3, 3)
                        ? c
                        : best;
            }
            CHECK_NEAR(distance(y + s * 3, table + (size_t)codes[s] * 3, 3),
                       distance(y + s * 3, table + best * 3, 3), 1e-6);
        }
    }
    vs_codebook_clear(&book);
}

static void case_quantize(void)
{
    float x[19] = {0};
    int8_t q[19];
    for (size_t dim = 0; dim <= 19; dim++) {
        float max = 0.0f;
        for (size_t j = 0; j < dim; j++) {
            x[j] = 3.0f * random_f32();
            max = fabsf(x[j]) > max ? fabsf(x[j]) : max;
        }
        float scale = vs_quantize_i8(x, dim, q);
        CHECK(scale == max / 127.0f);
        for (size_t j = 0; j < dim; j++) {
            CHECK_INT(q[j], nearbyint((double)(x[j] / scale)));
        }
    }
    float zero[3] = {0}, tiny[2] = {1e-45f, -1e-45f}, half[3] = {127.0f, 2.5f, -3.5f};
    CHECK(vs_quantize_i8(zero, 3, q) == 0.0f && q[0] == 0 && q[2] == 0);
    CHECK(vs_quantize_i8(tiny, 2, q) == 0.0f && q[0] == 0);
    CHECK(vs_quantize_i8(half, 3, q) == 1.0f && q[0] == 127 && q[1] == 2 && q[2] == -4);
}

static bool same_trained(const struct vs_codebook *a, const struct vs_codebook *b)
{
    size_t proj = a->proj_dim * sizeof(float);
    return a->dim == b->dim && a->m == b->m && a->metric == b->metric &&
           a->list_count == b->list_count &&
           memcmp(a->projection, b->projection, proj * a->dim) == 0 &&
           memcmp(a->projection_bias, b->projection_bias, proj) == 0 &&
           memcmp(a->super_centroids, b->super_centroids, proj * a->super_count) == 0 &&
           memcmp(a->super_first, b->super_first, sizeof *a->super_first * (a->super_count + 1)) ==
               0 &&
           memcmp(a->centroids, b->centroids, proj * a->list_count) == 0 &&
           memcmp(a->pq, b->pq, proj * 16) == 0;
}

static struct vs_str view(const uint8_t *bytes, size_t len)
{
    return (struct vs_str){(const char *)bytes, len};
}

// From a file that begins with three other bytes.
static enum vs_status open_blob(const struct vs_env *env,
                                struct vs_str bytes,
                                uint32_t crc,
                                size_t thread_count,
                                struct vs_codebook *codebook_out,
                                struct vs_error *err)
{
    struct vs_file *file = NULL;
    char *copy = malloc(bytes.len + 3);
    memcpy(copy + 3, bytes.ptr, bytes.len);
    enum vs_status status =
        vs_file_open_bytes(env, view((const uint8_t *)copy, bytes.len + 3), "codebook", &file, err);
    if (status == VS_OK) {
        const struct vs_codebook_blob blob = {file, 3, bytes.len, crc};
        status = vs_codebook_open(env, &blob, thread_count, codebook_out, err);
        vs_file_close(file);
    }
    free(copy);
    return status;
}

static uint32_t crc_of(struct vs_str bytes)
{
    return vs_crc32c(0, bytes.ptr, bytes.len);
}

static bool same_floats(const float *a, const float *b, size_t count)
{
    return memcmp(a, b, count * sizeof *a) == 0;
}

// All that searches use, bit for bit.
static bool same_derived(const struct vs_codebook *a, const struct vs_codebook *b)
{
    size_t lists = a->list_count, supers = a->super_count, proj = a->proj_dim;
    const struct vs_list_layout *x = a->centroid_codes, *y = b->centroid_codes;
    return a->dim == b->dim && a->m == b->m && a->sub_dim == b->sub_dim && a->metric == b->metric &&
           lists == b->list_count && same_floats(a->projection_bias, b->projection_bias, proj) &&
           memcmp(a->super_first, b->super_first, sizeof *a->super_first * (supers + 1)) == 0 &&
           memcmp(a->centroids_i8, b->centroids_i8, lists * proj) == 0 &&
           same_floats(a->centroid_scale, b->centroid_scale, lists) &&
           same_floats(a->centroid_norm, b->centroid_norm, lists) &&
           memcmp(a->super_i8, b->super_i8, supers * proj) == 0 &&
           same_floats(a->super_scale, b->super_scale, supers) &&
           same_floats(a->super_norm, b->super_norm, supers) &&
           same_floats(a->pq_lanes, b->pq_lanes, proj * 16) &&
           a->projection_stride == b->projection_stride &&
           memcmp(a->projection_i8, b->projection_i8, proj * a->projection_stride) == 0 &&
           same_floats(a->projection_scale, b->projection_scale, proj) &&
           memcmp(x->slots, y->slots, lists * sizeof *x->slots) == 0 &&
           memcmp(x->codes, y->codes, x->first_entry[1] * x->entry_bytes) == 0;
}

static void case_open(void)
{
    static const struct vs_codebook shapes[] = {
        {.dim = 5, .proj_dim = 12, .m = 4, .sub_dim = 3, .super_count = 2, .list_count = 5},
        {.dim = 50, .proj_dim = 24, .m = 8, .sub_dim = 3, .super_count = 20, .list_count = 300},
        {.dim = 9, .proj_dim = 128, .m = 32, .sub_dim = 4, .super_count = 30, .list_count = 1701},
    };
    for (size_t i = 0; i < 6; i++) {
        struct vs_codebook book = {0}, read = {0};
        struct vs_error err;
        struct vs_buf blob;
        vs_buf_init(&blob, vs_env_default(), SIZE_MAX);
        REQUIRE_OK(make_codebook(vs_env_default(), shapes[i % 3], &book, &err), err);
        REQUIRE_OK(vs_codebook_encode(&book, &blob, &err), err);
        struct vs_str bytes = vs_buf_view(&blob);
        REQUIRE_OK(open_blob(vs_env_default(), bytes, crc_of(bytes), 1 + i / 3 * 2, &read, &err),
                   err);
        CHECK(same_derived(&book, &read));
        CHECK(read.centroids == NULL && read.pq == NULL && read.tiles == NULL);
        vs_codebook_clear(&read);
        CHECK_STATUS(open_blob(vs_env_default(), bytes, crc_of(bytes) + 1, 2, &read, &err),
                     VS_CORRUPT);
        for (size_t at = 0; at < blob.len; at += i % 3 == 0 ? 1 : blob.len / 50) {
            blob.data[at] ^= 0x41;
            CHECK_STATUS(open_blob(vs_env_default(), bytes, crc_of(bytes), 2, &read, &err),
                         VS_CORRUPT); // the header's checksums differ then
            blob.data[at] ^= 0x41;
        }
        for (size_t len = 0; len < blob.len; len += i % 3 == 0 ? 1 : blob.len / 50) {
            struct vs_str cut = {bytes.ptr, len};
            CHECK_STATUS(open_blob(vs_env_default(), cut, crc_of(cut), 2, &read, &err), VS_CORRUPT);
        }
        vs_codebook_clear(&book);
        vs_buf_clear(&blob);
    }
}

static void case_blob(void)
{
    struct vs_codebook book = {0}, read = {0};
    struct vs_error err;
    struct vs_buf blob;
    vs_buf_init(&blob, vs_env_default(), SIZE_MAX);
    REQUIRE_OK(make_codebook(vs_env_default(), SMALL, &book, &err), err);
    REQUIRE_OK(vs_codebook_encode(&book, &blob, &err), err);
    REQUIRE_OK(vs_codebook_decode(vs_env_default(), vs_buf_view(&blob), "test", &read, &err), err);
    CHECK(same_trained(&book, &read));
    CHECK_TEXT(read.model_id, book.model_id);
    CHECK(memcmp(read.centroids_i8, book.centroids_i8, (size_t)5 * 12) == 0);
    vs_codebook_clear(&read);
    for (size_t len = 0; len < blob.len; len++) {
        CHECK_STATUS(
            vs_codebook_decode(vs_env_default(), view(blob.data, len), "test", &read, &err),
            VS_CORRUPT);
    }
    for (size_t i = 0; i < blob.len; i++) {
        blob.data[i] ^= 0x41;
        CHECK_STATUS(vs_codebook_decode(vs_env_default(), vs_buf_view(&blob), "test", &read, &err),
                     VS_CORRUPT);
        blob.data[i] ^= 0x41;
    }
    vs_codebook_clear(&book);
    vs_buf_clear(&blob);
}

// Damage with good checksums: every value is still checked.
static void case_blob_hostile(void)
{
    struct vs_codebook book = {0}, read = {0};
    struct vs_error err;
    struct vs_buf blob;
    vs_buf_init(&blob, vs_env_default(), SIZE_MAX);
    REQUIRE_OK(make_codebook(vs_env_default(), SMALL, &book, &err), err);
    REQUIRE_OK(vs_codebook_encode(&book, &blob, &err), err);

    static const struct {
        size_t at;
        uint32_t value;
    } edits[] = {
        {8, 0},
        {8, 16385},
        {8, 6},
        {12, 13},
        {16, 3},
        {16, 0},
        {16, 258},
        {20, 0},
        {24, 0},
        {24, 6},
        {28, 0},
        {28, 0x400001},
        {32, 3},
        {36, 1},
        {52, 1},
        {64, 0x7f800000u},
        {64, 0x7fc00000u},
        {64 + 4 * 60, 0xff800000u},
        {64 + 4 * 60, 0x7149f2cau}, // 1e30
        {64 + 4 * (60 + 12 + 24), 1},
        {64 + 4 * (60 + 12 + 24 + 1), 0},
        {64 + 4 * (60 + 12 + 24 + 2), 4},
        {64 + 4 * (60 + 12 + 24 + 2), 99},
    };

    for (size_t i = 0; i < sizeof edits / sizeof edits[0]; i++) {
        uint32_t before = vs_load_u32le(blob.data + edits[i].at);
        vs_store_u32le(blob.data + edits[i].at, edits[i].value);
        vs_store_u32le(blob.data + 48, vs_crc32c(0, blob.data + 64, blob.len - 64));
        vs_store_u32le(blob.data + 60, vs_crc32c(0, blob.data, 60));
        CHECK_STATUS(vs_codebook_decode(vs_env_default(), vs_buf_view(&blob), "test", &read, &err),
                     VS_CORRUPT);
        CHECK_STATUS(open_blob(vs_env_default(), vs_buf_view(&blob), crc_of(vs_buf_view(&blob)), 1,
                               &read, &err),
                     VS_CORRUPT);
        vs_store_u32le(blob.data + edits[i].at, before);
    }
    vs_codebook_clear(&book);
    vs_buf_clear(&blob);
}

static void case_no_memory(void)
{
    struct vs_codebook book = {0};
    struct vs_error err;
    struct vs_buf blob;
    vs_buf_init(&blob, vs_env_default(), SIZE_MAX);
    REQUIRE_OK(make_codebook(vs_env_default(), SMALL, &book, &err), err);
    REQUIRE_OK(vs_codebook_encode(&book, &blob, &err), err);
    for (long n = 0;; n++) {
        struct test_env test;
        struct vs_codebook read = {0};
        test_env_init(&test);
        test.fail_at = n;
        enum vs_status status =
            vs_codebook_decode(&test.env, vs_buf_view(&blob), "test", &read, &err);
        CHECK_INT(status, test.failed ? VS_NO_MEMORY : VS_OK);
        vs_codebook_clear(&read);
        CHECK_INT(test.live, 0);
        if (!test.failed) {
            CHECK(n >= 10);
            break;
        }
    }
    for (long n = 0;; n++) {
        struct test_env test;
        struct vs_codebook read = {0};
        test_env_init(&test);
        test.fail_at = n;
        struct vs_str bytes = vs_buf_view(&blob);
        enum vs_status status = open_blob(&test.env, bytes, crc_of(bytes), 2, &read, &err);
        CHECK_INT(status, test.failed ? VS_NO_MEMORY : VS_OK);
        vs_codebook_clear(&read);
        CHECK_INT(test.live, 0);
        if (!test.failed) {
            CHECK(n >= 15);
            break;
        }
    }
    vs_codebook_clear(&book);
    vs_codebook_clear(&book); // twice is fine
    vs_buf_clear(&blob);
}

static void case_bounds_and_metric(void)
{
    struct vs_codebook book = SMALL;
    struct vs_error err;
    enum vs_metric metric;
    book.proj_dim = 11;
    CHECK_STATUS(vs_codebook_init(&book, vs_env_default(), &err), VS_INVALID);
    book = SMALL;
    REQUIRE_OK(make_codebook(vs_env_default(), SMALL, &book, &err), err);
    book.centroids[7] = NAN;
    CHECK_STATUS(vs_codebook_finish(&book, &err), VS_INVALID);
    vs_codebook_clear(&book);
    for (int i = 0; i < 3; i++) {
        REQUIRE_OK(vs_metric_parse(vs_str_from_c(vs_metric_name((enum vs_metric)i)), &metric, &err),
                   err);
        CHECK_INT(metric, i);
    }
    CHECK_STATUS(vs_metric_parse(VS_STR("euclid"), &metric, &err), VS_INVALID);
    CHECK(strstr(err.message, "euclid") != NULL && strstr(err.message, "l2") != NULL);
}

TEST_MAIN(TEST(case_project),
          TEST(case_assign),
          TEST(case_assign_ties),
          TEST(case_encode_vector),
          TEST(case_quantize),
          TEST(case_blob),
          TEST(case_open),
          TEST(case_blob_hostile),
          TEST(case_no_memory),
          TEST(case_bounds_and_metric))
