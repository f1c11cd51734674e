// SPDX-License-Identifier: Apache-2.0
#include "index/batch_rank.h"

#include "index/topk.h"

size_t vs_batch_rank_keep(const struct vs_codebook *codebook, size_t want)
{
    size_t keep = vs_coarse_shortlist(codebook, want);
    return keep > 0 && vs_coarse_opened(codebook, keep) < codebook->list_count ? 0 : keep;
}

size_t vs_batch_rank(struct vs_coarse *coarse,
                     const struct vs_codebook *codebook,
                     const uint16_t *sums,
                     size_t keep,
                     size_t want,
                     uint16_t *spare)
{
    const struct vs_kernels *kernels = coarse->kernels;
    size_t lists = codebook->list_count;
    struct vs_reservoir best;
    vs_reservoir_init(&best, coarse->keys, coarse->ids, keep, lists);
    uint16_t least = kernels->sums_bound(sums, lists, keep, spare);
    best.count = kernels->sums_keep(sums, lists, least, 0, best.keys, best.ids);
    vs_reservoir_shrink(&best);
    return vs_coarse_best(coarse, codebook, best.count, want);
}
