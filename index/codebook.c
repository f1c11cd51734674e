// SPDX-License-Identifier: Apache-2.0
// Life of a codebook: bounds, memory, derived int8 forms, model id. The bytes are
// codebook_blob.c's, the arithmetic codebook_assign.c's.
#include "index/codebook.h"

#include "index/codebook_internal.h"
#include "index/codebook_tiles.h"
#include "index/list_layout.h"
#include "index/lists.h"
#include "simd/kernels.h"
#include "vecstore/base/checked.h"
#include "vecstore/base/crypto.h"

#include <string.h>

static const char *const METRIC_NAMES[] = {"cosine", "ip", "l2"};

const char *vs_metric_name(enum vs_metric metric)
{
    return (size_t)metric < 3 ? METRIC_NAMES[metric] : "unknown";
}

enum vs_status vs_metric_parse(struct vs_str text, enum vs_metric *metric_out, struct vs_error *err)
{
    for (int i = 0; i < 3; i++) {
        if (vs_str_equal_c(text, METRIC_NAMES[i])) {
            *metric_out = (enum vs_metric)i;
            return VS_OK;
        }
    }
    return vs_fail(err, VS_INVALID, "metric '%.*s' is not known; use cosine, ip or l2",
                   VS_STR_ARG(text));
}

enum vs_status vs_codebook_validate_counts(const struct vs_codebook *codebook,
                                           enum vs_status code,
                                           const char *what,
                                           struct vs_error *err)
{
    if (codebook->dim == 0 || codebook->dim > VS_DIM_MAX) {
        return vs_fail(err, code, "%s: dimension %u is not within 1..%d", what, codebook->dim,
                       VS_DIM_MAX);
    }
    if (codebook->m < 2 || codebook->m > VS_M_MAX || codebook->m % 2 != 0) {
        return vs_fail(err, code, "%s: m = %u is not an even number within 2..%d", what,
                       codebook->m, VS_M_MAX);
    }
    if (codebook->sub_dim == 0 || codebook->proj_dim > VS_PROJ_DIM_MAX ||
        (uint64_t)codebook->m * codebook->sub_dim != codebook->proj_dim) {
        return vs_fail(err, code,
                       "%s: projected dimension %u is not m * sub_dim = %u * %u, at most %d", what,
                       codebook->proj_dim, codebook->m, codebook->sub_dim, VS_PROJ_DIM_MAX);
    }
    if (codebook->list_count == 0 || codebook->list_count > VS_LIST_MAX ||
        codebook->super_count == 0 || codebook->super_count > codebook->list_count) {
        return vs_fail(err, code,
                       "%s: %u lists in %u super-clusters are not within 1..%u lists, at least one "
                       "per super-cluster",
                       what, codebook->list_count, codebook->super_count, VS_LIST_MAX);
    }
    if ((unsigned)codebook->metric > VS_METRIC_L2) {
        return vs_fail(err, code, "%s: metric %u is not known", what, (unsigned)codebook->metric);
    }
    return VS_OK;
}

size_t vs_codebook_projection_len(const struct vs_codebook *codebook)
{
    return (size_t)codebook->proj_dim * codebook->dim;
}

size_t vs_codebook_super_len(const struct vs_codebook *codebook)
{
    return (size_t)codebook->super_count * codebook->proj_dim;
}

size_t vs_codebook_centroid_len(const struct vs_codebook *codebook)
{
    return (size_t)codebook->list_count * codebook->proj_dim;
}

size_t vs_codebook_pq_len(const struct vs_codebook *codebook)
{
    return (size_t)VS_PQ_CODES * codebook->proj_dim;
}

static void *alloc_zeroed(const struct vs_env *env, size_t count, size_t size)
{
    size_t bytes;
    if (!vs_mul_size(count, size, &bytes)) {
        return NULL;
    }
    void *memory = vs_alloc_aligned(env, bytes);
    if (memory != NULL) {
        memset(memory, 0, bytes);
    }
    return memory;
}

static enum vs_status fail_memory(struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "out of memory for a codebook");
}

enum vs_status vs_codebook_init(struct vs_codebook *codebook,
                                const struct vs_env *env,
                                struct vs_error *err)
{
    VS_TRY(vs_codebook_validate_counts(codebook, VS_INVALID, "codebook", err));
    codebook->env = env;
    codebook->projection = alloc_zeroed(env, vs_codebook_projection_len(codebook), sizeof(float));
    codebook->projection_bias = alloc_zeroed(env, codebook->proj_dim, sizeof(float));
    codebook->super_centroids = alloc_zeroed(env, vs_codebook_super_len(codebook), sizeof(float));
    codebook->super_first = alloc_zeroed(env, (size_t)codebook->super_count + 1, sizeof(uint32_t));
    codebook->centroids = alloc_zeroed(env, vs_codebook_centroid_len(codebook), sizeof(float));
    codebook->pq = alloc_zeroed(env, vs_codebook_pq_len(codebook), sizeof(float));
    if (codebook->projection == NULL || codebook->projection_bias == NULL ||
        codebook->super_centroids == NULL || codebook->super_first == NULL ||
        codebook->centroids == NULL || codebook->pq == NULL) {
        vs_codebook_clear(codebook);
        return fail_memory(err);
    }
    return VS_OK;
}

static void clear_derived(struct vs_codebook *codebook)
{
    const struct vs_env *env = codebook->env;
    vs_free_aligned(env, codebook->centroids_i8);
    vs_free_aligned(env, codebook->centroid_scale);
    vs_free_aligned(env, codebook->centroid_norm);
    vs_free_aligned(env, codebook->super_i8);
    vs_free_aligned(env, codebook->super_scale);
    vs_free_aligned(env, codebook->super_norm);
    vs_free_aligned(env, codebook->pq_lanes);
    vs_free_aligned(env, codebook->projection_i8);
    vs_free_aligned(env, codebook->projection_scale);
    vs_codebook_tiles_free(env, codebook->tiles);
    codebook->tiles = NULL;
    if (codebook->centroid_codes != NULL) {
        vs_list_layout_clear(env, codebook->centroid_codes);
        vs_free(env, codebook->centroid_codes);
    }
    codebook->centroid_codes = NULL;
    codebook->projection_i8 = NULL;
    codebook->projection_scale = NULL;
    codebook->centroids_i8 = codebook->super_i8 = NULL;
    codebook->centroid_scale = codebook->centroid_norm = NULL;
    codebook->super_scale = codebook->super_norm = codebook->pq_lanes = NULL;
}

void vs_codebook_clear(struct vs_codebook *codebook)
{
    if (codebook->env != NULL) {
        const struct vs_env *env = codebook->env;
        clear_derived(codebook);
        vs_free_aligned(env, codebook->projection);
        vs_free_aligned(env, codebook->projection_bias);
        vs_free_aligned(env, codebook->super_centroids);
        vs_free_aligned(env, codebook->super_first);
        vs_free_aligned(env, codebook->centroids);
        vs_free_aligned(env, codebook->pq);
    }
    memset(codebook, 0, sizeof *codebook);
}

// One row as int8 with its scale, and its squared length.
static void derive_row(const float *row, size_t dim, int8_t *row_i8, float *scale, float *norm)
{
    *scale = vs_quantize_i8(row, dim, row_i8);
    vs_kernels_get()->dot_f32(row, row, dim, 1, norm);
}

static void derive_pq_lanes(struct vs_codebook *codebook)
{
    size_t sub_dim = codebook->sub_dim;
    for (size_t s = 0; s < codebook->m; s++) {
        const float *table = codebook->pq + s * VS_PQ_CODES * sub_dim;
        float *lanes = codebook->pq_lanes + s * VS_PQ_CODES * sub_dim;
        for (size_t code = 0; code < VS_PQ_CODES; code++) {
            for (size_t j = 0; j < sub_dim; j++) {
                lanes[j * VS_PQ_CODES + code] = table[code * sub_dim + j];
            }
        }
    }
}

size_t vs_codebook_section_len(const struct vs_codebook *codebook)
{
    return (size_t)vs_list_bytes(codebook->list_count, codebook->m);
}

// Codes of up to a block of centroids, as a section of a lists blob has them.
static void encode_block(const struct vs_codebook *codebook,
                         const float *centroids,
                         uint32_t count,
                         uint8_t *block)
{
    uint8_t codes[VS_M_MAX], packed[VS_BLOCK_LANES][VS_M_MAX / 2];
    const uint8_t *entries[VS_BLOCK_LANES];
    for (uint32_t v = 0; v < count; v++) {
        vs_codebook_encode_vector(codebook, centroids + (size_t)v * codebook->proj_dim, codes);
        for (size_t s = 0; s < codebook->m; s += 2) {
            packed[v][s / 2] = (uint8_t)(codes[s] | codes[s + 1] << 4);
        }
        entries[v] = packed[v];
    }
    vs_pq_pack_block(entries, count, codebook->m, block);
}

void vs_codebook_derive_lists(struct vs_codebook *codebook,
                              uint32_t first,
                              uint32_t count,
                              const float *centroids,
                              uint8_t *section)
{
    size_t dim = codebook->proj_dim;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t list = first + i;
        derive_row(centroids + i * dim, dim, codebook->centroids_i8 + list * dim,
                   &codebook->centroid_scale[list], &codebook->centroid_norm[list]);
    }
    for (uint32_t i = 0; i < count; i += VS_BLOCK_LANES) {
        uint32_t left = count - i;
        encode_block(codebook, centroids + i * dim, left < VS_BLOCK_LANES ? left : VS_BLOCK_LANES,
                     section + (size_t)(first + i) / VS_BLOCK_LANES * 16 * codebook->m);
    }
}

enum vs_status vs_codebook_take_section(struct vs_codebook *codebook,
                                        uint8_t *section,
                                        struct vs_error *err)
{
    const struct vs_env *env = codebook->env;
    const struct vs_list_record all = {.entry_count = codebook->list_count};
    uint8_t *numbers = section + (size_t)vs_list_blocks(codebook->list_count) * 16 * codebook->m;
    for (uint32_t list = 0; list < codebook->list_count; list++) {
        memcpy(numbers + 4 * (size_t)list, &list, 4);
    }
    codebook->centroid_codes = vs_alloc_zeroed(env, 1, sizeof *codebook->centroid_codes);
    if (codebook->centroid_codes == NULL) {
        return fail_memory(err);
    }
    VS_TRY(vs_list_layout_make(env, &all, 1, codebook->m, codebook->centroid_codes, err));
    vs_list_layout_put(codebook->centroid_codes, 0, codebook->list_count, section);
    return VS_OK;
}

static enum vs_status derive_model_id(struct vs_codebook *codebook, struct vs_error *err)
{
    struct vs_buf blob;
    uint8_t digest[VS_SHA256_SIZE];
    vs_buf_init(&blob, codebook->env, SIZE_MAX);
    enum vs_status status = vs_codebook_encode(codebook, &blob, err);
    if (status == VS_OK) {
        status = vs_sha256(blob.data, blob.len, digest, err);
    }
    if (status == VS_OK) {
        vs_hex_format(digest, sizeof digest, codebook->model_id);
    }
    vs_buf_clear(&blob);
    return status;
}

// Not zeroed: all of it is written.
static void *room(const struct vs_env *env, size_t count, size_t size)
{
    size_t bytes;
    return vs_mul_size(count, size, &bytes) ? vs_alloc_aligned(env, bytes) : NULL;
}

enum vs_status vs_codebook_make_room(struct vs_codebook *codebook, struct vs_error *err)
{
    const struct vs_env *env = codebook->env;
    size_t lists = codebook->list_count, supers = codebook->super_count;
    clear_derived(codebook);
    codebook->centroids_i8 = room(env, vs_codebook_centroid_len(codebook), 1);
    codebook->centroid_scale = room(env, lists, sizeof(float));
    codebook->centroid_norm = room(env, lists, sizeof(float));
    codebook->super_i8 = room(env, vs_codebook_super_len(codebook), 1);
    codebook->super_scale = room(env, supers, sizeof(float));
    codebook->super_norm = room(env, supers, sizeof(float));
    codebook->pq_lanes = room(env, vs_codebook_pq_len(codebook), sizeof(float));
    codebook->projection_stride = ((size_t)codebook->dim + 63) / 64 * 64;
    codebook->projection_i8 = alloc_zeroed(env, codebook->proj_dim, codebook->projection_stride);
    codebook->projection_scale = room(env, codebook->proj_dim, sizeof(float));
    if (codebook->projection_i8 == NULL || codebook->projection_scale == NULL ||
        codebook->centroids_i8 == NULL || codebook->centroid_scale == NULL ||
        codebook->centroid_norm == NULL || codebook->super_i8 == NULL ||
        codebook->super_scale == NULL || codebook->super_norm == NULL ||
        codebook->pq_lanes == NULL) {
        return fail_memory(err);
    }
    return VS_OK;
}

void vs_codebook_derive_head(struct vs_codebook *codebook)
{
    size_t dim = codebook->proj_dim;
    for (size_t s = 0; s < codebook->super_count; s++) {
        derive_row(codebook->super_centroids + s * dim, dim, codebook->super_i8 + s * dim,
                   &codebook->super_scale[s], &codebook->super_norm[s]);
    }
    derive_pq_lanes(codebook);
    for (size_t p = 0; p < dim; p++) {
        codebook->projection_scale[p] =
            vs_quantize_i8(codebook->projection + p * codebook->dim, codebook->dim,
                           codebook->projection_i8 + p * codebook->projection_stride);
    }
}

enum vs_status vs_codebook_derive(struct vs_codebook *codebook, struct vs_error *err)
{
    VS_TRY(vs_codebook_make_room(codebook, err));
    uint8_t *section = vs_alloc(codebook->env, vs_codebook_section_len(codebook));
    if (section == NULL) {
        return fail_memory(err);
    }
    vs_codebook_derive_head(codebook);
    vs_codebook_derive_lists(codebook, 0, codebook->list_count, codebook->centroids, section);
    enum vs_status status = vs_codebook_take_section(codebook, section, err);
    vs_free(codebook->env, section);
    VS_TRY(status);
    codebook->tiles = vs_codebook_tiles_make(codebook);
    return codebook->tiles != NULL ? VS_OK : fail_memory(err);
}

void vs_codebook_project_i8(
    const struct vs_codebook *codebook, const int8_t *q8, float scale, int32_t *dots, float *y)
{
    vs_kernels_get()->dot_i8(q8, codebook->projection_i8, codebook->dim,
                             codebook->projection_stride, codebook->proj_dim, dots);
    for (size_t p = 0; p < codebook->proj_dim; p++) {
        y[p] = (float)dots[p] * (scale * codebook->projection_scale[p]);
    }
}

enum vs_status vs_codebook_finish(struct vs_codebook *codebook, struct vs_error *err)
{
    VS_TRY(vs_codebook_derive(codebook, err)); // vs_codebook_clear frees what there is
    return derive_model_id(codebook, err);
}
