// SPDX-License-Identifier: Apache-2.0
/*
 * How many lists have to be looked at when lists are ranked. Rows of the table have their nearest
 * lists in a few super-clusters; questions unlike the rows do not. So it is measured, with the
 * queries of the recall curve: the smallest share of the lists that keeps what ranking all keeps.
 */
#include "index/build_internal.h"

#define OPEN_MIN 512
// Of so many nearest lists this share has to be kept; for more wanted lists more are opened
// (coarse.c).
#define USUAL_LISTS 32
#define KEPT 0.99
#define QUERIES_MAX 128

struct ranking {
    struct vs_codebook codebook; // a view with an open_lists of its own
    struct vs_coarse *coarse;
    float *y, *y_lists;
    uint64_t *wanted; // a bit per list
};

static size_t rank_lists(struct ranking *r, const float *query, uint32_t open, size_t want)
{
    r->codebook.open_lists = open;
    vs_coarse_project(r->coarse, &r->codebook, query, r->y, r->y_lists);
    return vs_coarse_rank(r->coarse, &r->codebook, want);
}

// Share of the best `want` lists that are still found, over all queries.
static double share_kept(
    struct ranking *r, const struct vs_truth *truth, size_t queries, uint32_t open, size_t want)
{
    size_t lists = r->codebook.list_count, kept = 0, all = 0;
    for (size_t q = 0; q < queries; q++) {
        size_t at = q * truth->query_count / queries;
        at = at / VS_TRUTH_GROUPS * VS_TRUTH_GROUPS + q % VS_TRUTH_GROUPS; // both kinds by turns
        at = at < truth->query_count ? at : q;
        const float *query = truth->vectors + at * r->codebook.dim;
        size_t count = rank_lists(r, query, 0, want);
        memset(r->wanted, 0, (lists + 63) / 64 * sizeof *r->wanted);
        for (size_t i = 0; i < count; i++) {
            r->wanted[r->coarse->ids[i] / 64] |= (uint64_t)1 << (r->coarse->ids[i] % 64);
        }
        all += count;
        count = rank_lists(r, query, open, want);
        for (size_t i = 0; i < count; i++) {
            kept += r->wanted[r->coarse->ids[i] / 64] >> (r->coarse->ids[i] % 64) & 1;
        }
    }
    return all > 0 ? (double)kept / (double)all : 0;
}

static void choose_open(struct vs_build_column *column, struct ranking *r)
{
    const struct vs_truth *truth = &column->measure.truth;
    uint32_t lists = r->codebook.list_count;
    size_t queries = truth->query_count < QUERIES_MAX ? truth->query_count : QUERIES_MAX;
    size_t want = lists / 8 < USUAL_LISTS ? lists / 8 + 1 : USUAL_LISTS;
    for (uint32_t open = OPEN_MIN, more = OPEN_MIN / 2; open <= lists / 2; open += more) {
        // Steps of a half and a third by turns: 512, 768, 1024, 1536, 2048, …
        more = open >= 4 * more ? 2 * more : more;
        if (share_kept(r, truth, queries, open, want) >= KEPT) {
            column->measure.open_lists = open;
            return;
        }
    }
}

enum vs_status vs_measure_open(struct vs_build *build,
                               struct vs_build_column *column,
                               struct vs_error *err)
{
    struct vs_coarse coarse;
    struct ranking r = {.codebook = *column->codebook, .coarse = &coarse};
    struct vs_scratch_block block = {0};
    size_t lists = r.codebook.list_count, proj = r.codebook.proj_dim;
    if (column->measure.truth.query_count == 0) {
        return VS_OK;
    }
    size_t bytes = vs_coarse_bytes(&r.codebook) + 2 * VS_SCRATCH_ROUND(proj, 4) +
                   VS_SCRATCH_ROUND((lists + 63) / 64, 8);
    VS_TRY(vs_scratch_reset(build->env, &block, bytes, err));
    vs_coarse_init(&coarse, &r.codebook, &block);
    r.y = vs_scratch_take(&block, proj, 4);
    r.y_lists = vs_scratch_take(&block, proj, 4);
    r.wanted = vs_scratch_take(&block, (lists + 63) / 64, 8);
    choose_open(column, &r);
    vs_free_aligned(build->env, block.memory);
    column->ranked = *column->codebook; // what the curve is measured with
    column->ranked.open_lists = column->measure.open_lists;
    column->lists.codebook = &column->ranked;
    return VS_OK;
}
