// SPDX-License-Identifier: Apache-2.0
// What training is asked for when the caller leaves it open. Independent of FAISS.
#include "index/trainer.h"

#include "index/codebook_internal.h"

#define M_DEFAULT 96      // 48 bytes a vector
#define PROJ_DIM_CAP 1536 // more coordinates carry no recall that 96 codes could keep
#define LIST_DEFAULT_MAX 131072
#define SAMPLE_PER_LIST 24  // more than 32 improve little
#define SAMPLE_SMALL 262144 // up to so many rows are cheap: 64 a list then
#define SAMPLE_MIN 20000    // for projection and product quantiser
#define SAMPLE_BYTES_MAX (4ull << 30)

static uint32_t round_up_even(uint32_t value)
{
    return value + (value & 1u);
}

static uint32_t default_m(uint32_t dim)
{
    uint32_t m = dim < M_DEFAULT ? round_up_even(dim) : M_DEFAULT;
    return m < 2 ? 2 : m;
}

static uint32_t default_sub_dim(const struct vs_train_params *params)
{
    uint32_t m = params->m;
    if (params->projection == VS_PROJECTION_NONE) {
        return (params->dim + m - 1) / m;
    }
    uint32_t half = params->dim / 2, sub_dim = (half + m / 2) / m;
    while (sub_dim > 1 && sub_dim * m > PROJ_DIM_CAP) {
        sub_dim--;
    }
    return sub_dim < 1 ? 1 : sub_dim;
}

// The largest even divisor of proj_dim up to 96; 2 when there is none better.
static uint32_t m_for_proj_dim(uint32_t proj_dim)
{
    for (uint32_t m = M_DEFAULT; m > 2; m -= 2) {
        if (proj_dim % m == 0) {
            return m;
        }
    }
    return 2;
}

// A power of two: about 16 * sqrt(rows) lists, but no fewer than one for 64 rows and no more than
// one for 16. Small lists cost a search the ranking of more centroids and save it far more codes.
static uint32_t default_list_count(uint64_t row_count)
{
    uint64_t lists = 1;
    // lists < 16 * sqrt(rows) / sqrt(2)  <=>  lists^2 < 128 * rows
    while (lists < LIST_DEFAULT_MAX && lists * 32 <= row_count &&
           (lists * lists < 128 * row_count || lists * 90 < row_count)) {
        lists *= 2;
    }
    return (uint32_t)lists;
}

void vs_train_defaults(struct vs_train_params *params)
{
    if (params->m == 0 && params->proj_dim != 0) {
        params->proj_dim = round_up_even(params->proj_dim);
        params->m = m_for_proj_dim(params->proj_dim);
    }
    if (params->m == 0) {
        params->m = default_m(params->dim);
    }
    if (params->proj_dim == 0) {
        params->proj_dim = params->m * default_sub_dim(params);
    }
    if (params->list_count == 0) {
        params->list_count = default_list_count(params->row_count);
    }
    if (params->seed == 0) {
        params->seed = 1;
    }
    if (params->thread_count == 0) {
        params->thread_count = 1;
    }
}

size_t vs_train_sample_size(const struct vs_train_params *params)
{
    struct vs_train_params full = *params;
    vs_train_defaults(&full);
    uint64_t rows = (uint64_t)full.list_count * SAMPLE_PER_LIST;
    uint64_t small = (uint64_t)full.list_count * 64;
    small = small < SAMPLE_SMALL ? small : SAMPLE_SMALL;
    rows = rows < small ? small : rows;
    uint64_t fits = SAMPLE_BYTES_MAX / (4ull * (full.dim == 0 ? 1 : full.dim));
    rows = rows < SAMPLE_MIN ? SAMPLE_MIN : rows;
    rows = rows > fits ? fits : rows;
    return (size_t)(rows < full.row_count ? rows : full.row_count);
}
