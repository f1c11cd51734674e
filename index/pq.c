// SPDX-License-Identifier: Apache-2.0
#include "index/lists.h"

#include <string.h>

void vs_pq_table(const struct vs_codebook *codebook,
                 const float *y,
                 float *values,
                 uint8_t *table_out)
{
    vs_kernels_get()->pq4_table(y, codebook->pq_lanes, codebook->m, codebook->sub_dim,
                                codebook->metric == VS_METRIC_L2, values, table_out);
}

void vs_pq_pack_block(const uint8_t *const *codes, size_t count, size_t m, uint8_t *out)
{
    memset(out, 0, 16 * m);
    for (size_t v = 0; v < count; v++) {
        unsigned shift = v < 16 ? 0 : 4;
        uint8_t *column = out + (v & 15);
        for (size_t s = 0; s < m; s += 2) {
            unsigned pair = codes[v][s / 2];
            column[16 * s] = (uint8_t)(column[16 * s] | (pair & 15) << shift);
            column[16 * s + 16] = (uint8_t)(column[16 * s + 16] | (pair >> 4) << shift);
        }
    }
}
