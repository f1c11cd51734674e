// SPDX-License-Identifier: Apache-2.0
// Every kernel table against exact integers or double precision, and every table bit for bit
// against scalar; unaligned starts.
#include "simd/cpu.h"
#include "simd/kernels.h"
#include "tests/support/check.h"

#include <stdlib.h>

#define DIM_MAX 3072
#define ROWS 7

// The tables under test: all that run here, or the one that VS_SIMD names.
static const struct vs_kernels *const *tables(void)
{
    static const struct vs_kernels *one[2];
    const char *wish = getenv("VS_SIMD");
    if (wish == NULL) {
        return vs_kernels_all();
    }
    one[0] = vs_kernels_find(wish);
    return one;
}

#define NEED_TABLE()                                                                               \
    if (tables()[0] == NULL) {                                                                     \
        SKIP("this processor does not run the table that VS_SIMD names");                          \
    }

// Runs what follows with `table` pointing at each table under test.
#define FOR_EACH_TABLE()                                                                           \
    NEED_TABLE()                                                                                   \
    for (const struct vs_kernels *const *table = tables(); *table != NULL; table++)

static uint64_t state = 1;

static uint32_t next_random(void)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 33);
}

static float random_f32(void)
{
    return (float)((double)next_random() / 1073741824.0 - 1.0);
}

static const size_t BIG_DIMS[] = {384, 768, 1000, 1024, 1536, 3072};

// Dimensions 0..130, then the usual ones.
static size_t dim_at(size_t i)
{
    return i <= 130 ? i : BIG_DIMS[i - 131];
}

#define DIM_COUNT (131 + sizeof BIG_DIMS / sizeof BIG_DIMS[0])

static float f32_space[(ROWS + 1) * DIM_MAX + 8];
static int8_t i8_space[(ROWS + 1) * (DIM_MAX + 5) + 64];

static void check_f32(const struct vs_kernels *table,
                      const float *query,
                      const float *rows,
                      size_t dim)
{
    const struct vs_kernels *scalar = vs_kernels_find("scalar");
    float dots[ROWS], l2s[ROWS], scalar_dots[ROWS], scalar_l2s[ROWS];
    table->dot_f32(query, rows, dim, ROWS, dots);
    table->l2_f32(query, rows, dim, ROWS, l2s);
    scalar->dot_f32(query, rows, dim, ROWS, scalar_dots);
    scalar->l2_f32(query, rows, dim, ROWS, scalar_l2s);
    CHECK(memcmp(dots, scalar_dots, sizeof dots) == 0);
    CHECK(memcmp(l2s, scalar_l2s, sizeof l2s) == 0);
    for (size_t r = 0; r < ROWS; r++) {
        double dot = 0.0, l2 = 0.0, magnitude = 0.0;
        for (size_t j = 0; j < dim; j++) {
            double q = (double)query[j], x = (double)rows[r * dim + j];
            dot += q * x;
            l2 += (q - x) * (q - x);
            magnitude += fabs(q * x);
        }
        double bound = 1e-6 * ((double)dim / 16 + 8);
        CHECK_NEAR(dots[r], dot, bound * magnitude);
        CHECK_NEAR(l2s[r], l2, bound * l2);
    }
}

static void case_f32(void)
{
    for (size_t i = 0; i < sizeof f32_space / sizeof f32_space[0]; i++) {
        f32_space[i] = random_f32();
    }
    FOR_EACH_TABLE()
    {
        for (size_t i = 0; i < DIM_COUNT; i++) {
            size_t dim = dim_at(i);
            const float *query = f32_space + i % 3;
            check_f32(*table, query, query + dim + i % 2, dim);
        }
    }
}

// The order of accumulation is part of the contract: a case where any other order gives another
// result.
static void case_f32_order(void)
{
    float query[33], row[33];
    for (size_t j = 0; j < 33; j++) {
        query[j] = 1.0f;
        row[j] = 1.0f;
    }
    row[0] = 16777216.0f; // 2^24: adding 1 is lost
    // lane 0: 2^24 + row[16] + row[32] = 2^24; others 2; pairs: lane 0 + 2 = 2^24 + 2, the rest
    // sums up exactly to 28
    float expected = 16777216.0f + 2.0f + 4.0f + 8.0f + 16.0f, got;
    FOR_EACH_TABLE()
    {
        (*table)->dot_f32(query, row, 33, 1, &got);
        CHECK_INT(got, expected);
    }
}

static void case_f32_specials(void)
{
    float query[20] = {0}, row[20] = {0}, got;
    query[19] = 1.0f;
    row[19] = INFINITY;
    FOR_EACH_TABLE()
    {
        (*table)->dot_f32(query, row, 20, 1, &got);
        CHECK(isinf(got) && got > 0.0f);
        (*table)->dot_f32(row, query, 19, 1, &got);
        CHECK(got == 0.0f && !signbit(got));
        row[3] = NAN;
        (*table)->l2_f32(query, row, 20, 1, &got);
        CHECK(isnan(got));
        row[3] = 0.0f;
    }
}

static double half_value(uint16_t half)
{
    int exponent = half >> 10 & 31;
    double fraction = half & 0x3ff;
    double value = exponent == 0 ? ldexp(fraction, -24) : ldexp(1024 + fraction, exponent - 25);
    return (half & 0x8000) != 0 ? -value : value;
}

static uint16_t f16_space[ROWS * DIM_MAX + 8];

static void check_f16(const struct vs_kernels *table,
                      const float *query,
                      const uint16_t *rows,
                      size_t dim)
{
    static float wide[ROWS * DIM_MAX];
    for (size_t i = 0; i < ROWS * dim; i++) {
        wide[i] = (float)half_value(rows[i]);
    }
    float got[ROWS], expected[ROWS];
    table->dot_f16(query, rows, dim, ROWS, got);
    vs_kernels_find("scalar")->dot_f32(query, wide, dim, ROWS, expected);
    CHECK(memcmp(got, expected, sizeof got) == 0);
    table->l2_f16(query, rows, dim, ROWS, got);
    vs_kernels_find("scalar")->l2_f32(query, wide, dim, ROWS, expected);
    CHECK(memcmp(got, expected, sizeof got) == 0);
}

// All finite halves, subnormal ones too, give what the same rows as f32 give.
static void case_f16(void)
{
    for (size_t i = 0; i < sizeof f16_space / sizeof f16_space[0]; i++) {
        uint32_t bits = next_random();
        f16_space[i] = (uint16_t)((bits & 0x7c00) == 0x7c00 ? bits & 0x83ff : bits);
    }
    FOR_EACH_TABLE()
    {
        for (size_t i = 0; i < DIM_COUNT; i++) {
            check_f16(*table, f32_space + i % 3, f16_space + i % 5, dim_at(i));
        }
        for (uint32_t bits = 0; bits < 65536; bits++) {
            uint16_t half = (uint16_t)bits;
            float one = 1.0f, got;
            (*table)->dot_f16(&one, &half, 1, 1, &got);
            if ((bits & 0x7c00) == 0x7c00) {
                CHECK((bits & 0x3ff) != 0 ? isnan(got)
                                          : got == ((bits & 0x8000) != 0 ? -INFINITY : INFINITY));
            } else {
                CHECK(got == (float)half_value(half));
            }
        }
    }
}

static int32_t exact_dot(const int8_t *query, const int8_t *row, size_t dim)
{
    int32_t sum = 0;
    for (size_t j = 0; j < dim; j++) {
        sum += query[j] * row[j];
    }
    return sum;
}

static void check_i8(const struct vs_kernels *table,
                     const int8_t *query,
                     const int8_t *rows,
                     size_t dim,
                     size_t stride)
{
    static const uint32_t index[ROWS] = {3, 0, 6, 6, 1, 5, 2};
    int32_t dots[ROWS], picked[ROWS];
    table->dot_i8(query, rows, dim, stride, ROWS, dots);
    table->dot_i8_rows(query, rows, dim, stride, index, ROWS, picked);
    for (size_t r = 0; r < ROWS; r++) {
        CHECK_INT(dots[r], exact_dot(query, rows + r * stride, dim));
        CHECK_INT(picked[r], exact_dot(query, rows + index[r] * stride, dim));
    }
}

static void case_i8(void)
{
    for (int extreme = 0; extreme < 2; extreme++) {
        for (size_t i = 0; i < sizeof i8_space; i++) {
            i8_space[i] = (int8_t)(extreme ? (next_random() & 1 ? 127 : -127)
                                           : (int)(next_random() % 255) - 127);
        }
        FOR_EACH_TABLE()
        {
            for (size_t i = 0; i < DIM_COUNT; i++) {
                size_t dim = dim_at(i);
                check_i8(*table, i8_space + i % 7, i8_space + dim + i % 5 + 7, dim, dim + i % 6);
            }
        }
    }
}

#define TILE_QUERIES 19
#define TILE_ROWS 80 // five tiles
#define TILE_DIM_MAX 784

// The layout that kernels.h describes, from a formula of its own.
static void fill_tiles(const int8_t *rows, size_t dim, int8_t *tiles)
{
    size_t quads = (dim + 3) / 4;
    for (size_t r = 0; r < TILE_ROWS; r++) {
        for (size_t j = 0; j < 4 * quads; j++) {
            tiles[((r / 16 * quads + j / 4) * 16 + r % 16) * 4 + j % 4] =
                (int8_t)(j < dim ? rows[r * dim + j] : 0);
        }
    }
}

static void check_i8_tile(const struct vs_kernels *table, const int8_t *rows, size_t dim)
{
    static int8_t tiles_space[TILE_ROWS * TILE_DIM_MAX + 8];
    static int8_t query_space[TILE_QUERIES * (TILE_DIM_MAX + 8) + 8];
    static int32_t out[TILE_QUERIES * TILE_ROWS + 1];
    size_t quads = (dim + 3) / 4, stride = 4 * quads + dim % 8;
    int8_t *queries = query_space + dim % 5, *tiles = tiles_space + dim % 3;
    uint32_t index[TILE_QUERIES];
    memset(query_space, 0, sizeof query_space);
    fill_tiles(rows, dim, tiles);
    for (size_t r = 0; r < TILE_QUERIES; r++) {
        index[r] = (uint32_t)(r * 7 % TILE_QUERIES);
        for (size_t j = 0; j < dim; j++) {
            queries[r * stride + j] = rows[(r * 31 + j * 3 + 1) % (TILE_ROWS * dim)];
        }
    }
    for (size_t count = 0; count <= TILE_QUERIES; count++) {
        struct vs_i8_tiles some = {tiles, quads, count % 5 + 1};
        out[count * 16 * some.count] = 12345;
        table->dot_i8_tile(queries, stride, index, count, &some, out);
        CHECK_INT(out[count * 16 * some.count], 12345); // nothing beyond
        for (size_t r = 0; r < count; r++) {
            for (size_t i = 0; i < 16 * some.count; i++) {
                CHECK_INT(out[r * 16 * some.count + i],
                          exact_dot(queries + index[r] * stride, rows + i * dim, dim));
            }
        }
    }
}

static void case_i8_tile(void)
{
    static const size_t dims[] = {1, 3, 4, 5, 31, 32, 63, 64, 65, 96, 192, 384, 768};
    static int8_t rows[TILE_ROWS * TILE_DIM_MAX];
    for (int extreme = 0; extreme < 2; extreme++) {
        for (size_t i = 0; i < sizeof rows; i++) {
            rows[i] = (int8_t)(extreme ? (next_random() & 1 ? 127 : -127)
                                       : (int)(next_random() % 255) - 127);
        }
        FOR_EACH_TABLE()
        {
            for (size_t i = 0; i < sizeof dims / sizeof dims[0]; i++) {
                check_i8_tile(*table, rows, dims[i]);
            }
        }
    }
}

#define COUNT_MAX 200
#define M_MAX 256
#define PAIR_MAX ((COUNT_MAX + 31) / 32 * 16 * M_MAX)
#define ROOM ((COUNT_MAX + 31) / 32 * 32 + 16)

// The codes of COUNT_MAX entries plainly: entry i, sub-quantiser s.
static uint8_t plain_codes[COUNT_MAX][M_MAX];
// Inputs end where their arrays end, so that a sanitizer sees a read behind them.
static _Alignas(64) uint8_t pair_space[PAIR_MAX];
static _Alignas(64) uint8_t table_space[PAIR_MAX + 64 * M_MAX];
static uint8_t lut_space[16 * M_MAX];
static uint32_t id_space[COUNT_MAX + 16];

static const uint8_t *make_pair(size_t count, size_t m)
{
    uint8_t *pair = pair_space + sizeof pair_space - (count + 31) / 32 * 16 * m;
    for (size_t i = 0; i < (count + 31) / 32 * 32; i++) {
        for (size_t s = 0; s < m; s++) {
            // Behind the last entry lies anything.
            uint32_t code = i < count ? plain_codes[i][s] : next_random() & 15;
            uint8_t *byte = pair + (i / 32 * m + s) * 16 + i % 16;
            *byte = (uint8_t)(i % 32 < 16 ? code : *byte | code << 4);
        }
    }
    return pair;
}

static void check_select(const struct vs_kernels *table,
                         const struct vs_pq4_scan *scan,
                         const uint16_t *expected)
{
    static uint32_t sums[ROOM], ids[ROOM];
    size_t found = table->pq4_select(scan, sums, ids), at = 0;
    for (size_t i = 0; i < scan->count; i++) {
        if (expected[i] >= scan->threshold &&
            (scan->lane_mask == NULL || (scan->lane_mask[i / 32] >> (i % 32) & 1) != 0)) {
            uint32_t id = scan->first_id + (scan->ids != NULL ? scan->ids[i] : (uint32_t)i);
            CHECK(at < found && ids[at] == id && sums[at] == expected[i]);
            at++;
        }
    }
    CHECK_INT(found, at);
}

static void check_pq4(const struct vs_kernels *table,
                      size_t count,
                      size_t m,
                      const uint16_t *expected)
{
    size_t bytes = vs_pq4_bytes(table, count, m);
    uint8_t *codes = table_space + sizeof table_space - bytes;
    uint16_t sums[ROOM];
    table->pq4_arrange(make_pair(count, m), count, m, codes);
    const uint8_t *lut = lut_space + sizeof lut_space - 16 * m;
    table->pq4_sums(codes, count, m, lut, sums);
    CHECK(memcmp(sums, expected, count * sizeof sums[0]) == 0);
    static const uint32_t masks[][7] = {
        {UINT32_MAX, 0, 0x80000001u, 0x0f0f00ffu, 1u << 16, UINT32_MAX, 0x55555555u},
        {0, 0, 0, 0, 0, 0, 0},
        {0x0000ffffu, 0xffff0000u, 1, 0x8000u, 0x10000u, 0, UINT32_MAX},
    };
    struct vs_pq4_scan scan = {.codes = codes, .count = count, .m = m, .lut = lut};
    const uint32_t *named = id_space + COUNT_MAX + 16 - (count + 15) / 16 * 16;
    for (unsigned step = 0; step < 8; step++) {
        scan.lane_mask = step % 4 == 0 ? NULL : masks[step % 4 - 1];
        scan.threshold = step == 0   ? 0
                         : step == 5 ? 65536
                         : step == 6 ? UINT32_MAX
                                     : expected[count == 0 ? 0 : next_random() % count];
        scan.ids = step % 3 == 2 ? NULL : named;
        scan.first_id = step % 3 == 0 ? 0 : next_random();
        scan.ahead = step % 2 != 0 ? pair_space : NULL;
        scan.ahead_bytes = step % 2 != 0 ? next_random() % sizeof pair_space : 0;
        check_select(table, &scan, expected);
    }
}

// Every count with some lengths of code, every length with some counts.
static void check_pq4_counts(const struct vs_kernels *table, size_t m)
{
    uint16_t expected[COUNT_MAX];
    const uint8_t *lut = lut_space + sizeof lut_space - 16 * m;
    for (size_t i = 0; i < COUNT_MAX; i++) {
        uint32_t sum = 0;
        for (size_t s = 0; s < m; s++) {
            sum += lut[16 * s + plain_codes[i][s]];
        }
        expected[i] = (uint16_t)sum;
    }
    bool is_every = m == 2 || m == 8 || m == 48 || m == 96 || m == 100;
    for (size_t count = 0; count <= COUNT_MAX; count += is_every ? 1 : 1 + next_random() % 40) {
        check_pq4(table, count, m, expected);
    }
}

static void case_pq4(void)
{
    for (size_t i = 0; i < COUNT_MAX; i++) {
        for (size_t s = 0; s < M_MAX; s++) {
            plain_codes[i][s] = next_random() & 15;
        }
    }
    for (size_t i = 0; i < COUNT_MAX + 16; i++) {
        id_space[i] = next_random();
    }
    for (int extreme = 0; extreme < 2; extreme++) {
        for (size_t i = 0; i < sizeof lut_space; i++) {
            lut_space[i] = extreme ? 255 : (uint8_t)next_random();
        }
        FOR_EACH_TABLE()
        {
            for (size_t m = 2; m <= M_MAX; m += m < 130 ? 2 : 14) {
                check_pq4_counts(*table, m);
            }
        }
    }
}

static void check_keys(const struct vs_kernels *table, size_t count, uint32_t least)
{
    static uint32_t keys[ROOM], ids[ROOM], keys_before[ROOM];
    uint32_t *key = keys + ROOM - count, *id = ids + ROOM - count; // ends where the array ends
    for (size_t i = 0; i < count; i++) {
        key[i] = keys_before[i] = next_random() % 4 == 0 ? UINT32_MAX : next_random() * 2;
        id[i] = (uint32_t)i;
    }
    size_t reference = 0;
    for (size_t i = 0; i < count; i++) {
        reference += key[i] >= least;
    }
    CHECK_INT(table->count_keys(key, count, least), reference);
    size_t kept = table->keep_keys(key, id, count, least), at = 0;
    CHECK_INT(kept, reference);
    for (size_t i = 0; i < count; i++) {
        if (keys_before[i] >= least) {
            CHECK(key[at] == keys_before[i] && id[at] == i);
            at++;
        }
    }
}

static void case_keys(void)
{
    static const uint32_t least[] = {0, 1, 1u << 30, 1u << 31, 3000000000u, UINT32_MAX};
    FOR_EACH_TABLE()
    {
        for (size_t count = 0; count <= COUNT_MAX; count++) {
            check_keys(*table, count, least[count % 6]);
            check_keys(*table, count, next_random() * 2);
        }
    }
}

static void check_encode(const struct vs_kernels *table, size_t m, size_t sub_dim)
{
    const float *y = f32_space + 1, *lanes = f32_space + 1 + m * sub_dim;
    uint8_t codes[64];
    table->pq4_encode(y, lanes, m, sub_dim, codes);
    for (size_t s = 0; s < m; s++) {
        float best = 0.0f;
        unsigned best_code = 0;
        for (unsigned c = 0; c < 16; c++) {
            float sum = 0.0f;
            for (size_t j = 0; j < sub_dim; j++) {
                float diff = y[s * sub_dim + j] - lanes[(s * sub_dim + j) * 16 + c];
                sum += diff * diff;
            }
            if (c == 0 || sum < best) {
                best = sum;
                best_code = c;
            }
        }
        CHECK_INT(codes[s], best_code);
    }
}

static void case_pq4_encode(void)
{
    for (size_t i = 0; i < sizeof f32_space / sizeof f32_space[0]; i++) {
        f32_space[i] = (float)(next_random() % 8); // many ties
    }
    FOR_EACH_TABLE()
    {
        for (size_t sub_dim = 1; sub_dim <= 20; sub_dim++) {
            check_encode(*table, 64, sub_dim);
        }
        float nan[1] = {NAN}, lanes[16] = {0};
        uint8_t code = 99;
        (*table)->pq4_encode(nan, lanes, 1, 1, &code);
        CHECK_INT(code, 0);
    }
}

static const char BASE64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static size_t encode_base64(const uint8_t *bytes, size_t len, char *text)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i += 3) {
        uint32_t bits = (uint32_t)bytes[i] << 16 | (i + 1 < len ? (uint32_t)bytes[i + 1] << 8 : 0) |
                        (i + 2 < len ? bytes[i + 2] : 0);
        for (unsigned j = 0; j < 4; j++) {
            text[n++] = (char)(i + j <= len ? BASE64[bits >> (18 - 6 * j) & 63] : '=');
        }
    }
    return n;
}

static bool is_base64(uint8_t byte)
{
    return byte != 0 && strchr(BASE64, byte) != NULL;
}

#define TEXT_MAX ((size_t)4 * 120)

// Texts of every length, then each with one byte changed: what is accepted encodes again to the
// same text, and the byte decides alone whether it is accepted.
static void check_base64(const struct vs_kernels *table, size_t len)
{
    uint8_t bytes[TEXT_MAX], out[TEXT_MAX];
    char text[TEXT_MAX], again[TEXT_MAX + 4];
    for (size_t i = 0; i < len; i++) {
        bytes[i] = (uint8_t)next_random();
    }
    size_t chars = (len + 2) / 3 * 4;
    char *at = text + TEXT_MAX - chars; // both end where their arrays end
    uint8_t *to = out + TEXT_MAX - chars / 4 * 3;
    CHECK_INT(encode_base64(bytes, len, at), chars);
    CHECK_INT(table->base64_decode(at, chars, to), len);
    CHECK(memcmp(to, bytes, len) == 0);
    for (size_t cut = 1; cut < 4 && cut <= chars; cut++) {
        CHECK(table->base64_decode(at, chars - cut, to) == SIZE_MAX);
    }
    for (unsigned step = 0; step < 40 && chars > 0; step++) {
        size_t i = step < 4 ? chars - 1 - step : next_random() % chars;
        char kept = at[i];
        at[i] = (char)next_random();
        size_t got = table->base64_decode(at, chars, to);
        bool is_inside = i < len / 3 * 4;
        if (is_inside && i + 4 < chars) {
            CHECK_INT(got != SIZE_MAX, is_base64((uint8_t)at[i]));
        }
        if (got != SIZE_MAX) {
            CHECK_INT(encode_base64(to, got, again), chars);
            CHECK(memcmp(again, at, chars) == 0);
        }
        at[i] = kept;
    }
}

static void case_base64(void)
{
    char text[TEXT_MAX];
    uint8_t out[TEXT_MAX];
    FOR_EACH_TABLE()
    {
        for (size_t len = 0; len <= TEXT_MAX / 4 * 3 - 3; len++) {
            check_base64(*table, len);
        }
        for (unsigned byte = 0; byte < 256; byte++) { // every byte at every place of a long text
            for (size_t i = 0; i < 200; i++) {
                memset(text, 'A', 400);
                text[i] = (char)byte;
                CHECK_INT((*table)->base64_decode(text, 400, out) != SIZE_MAX,
                          is_base64((uint8_t)byte));
            }
        }
        static const char *const bad[] = {"=",    "==",   "====",  "A===",     "AA=A",
                                          "AB==", "AAB=", "AA= ",  "A",        "AA",
                                          "AAA",  "=AAA", "AAAA=", "AA==AAAA", "AAA\n"};
        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
            CHECK((*table)->base64_decode(bad[i], strlen(bad[i]), out) == SIZE_MAX);
        }
    }
}

static void case_dispatch(void)
{
    NEED_TABLE()
    const struct vs_kernels *const *all = vs_kernels_all();
    size_t count = 0;
    printf("tables:"); // read by ./dev tables
    while (all[count] != NULL) {
        printf(" %s", all[count]->name);
        CHECK(vs_kernels_find(all[count]->name) == all[count]);
        count++;
    }
    printf("\n");
    REQUIRE(count >= 1);
    CHECK_TEXT(all[count - 1]->name, "scalar");
    CHECK_INT(vs_kernels_find("avx2") != NULL, vs_cpu_get()->avx2);
    CHECK_INT(vs_kernels_find("avx512") != NULL, vs_cpu_get()->avx512bw && vs_cpu_get()->avx2);
    CHECK_INT(vs_kernels_find("vnni") != NULL,
              vs_cpu_get()->avx512vbmi && vs_cpu_get()->avx512vnni);
    CHECK_INT(vs_kernels_find("neon") != NULL, vs_cpu_get()->neon);
    CHECK(vs_kernels_find("mmx") == NULL);
    CHECK(vs_kernels_find(NULL) == NULL);
    const char *wish = getenv("VS_SIMD");
    const struct vs_kernels *expected = wish != NULL ? vs_kernels_find(wish) : NULL;
    CHECK(vs_kernels_get() == (expected != NULL ? expected : all[0]));
}

TEST_MAIN(TEST(case_f32),
          TEST(case_f32_order),
          TEST(case_f32_specials),
          TEST(case_f16),
          TEST(case_i8),
          TEST(case_i8_tile),
          TEST(case_pq4),
          TEST(case_keys),
          TEST(case_pq4_encode),
          TEST(case_base64),
          TEST(case_dispatch))
