// SPDX-License-Identifier: Apache-2.0
/*
 * A codebook for searches alone, straight from its blob: no float centroids in memory, no int8
 * tiles, no model id. The centroids are read a piece at a time by several threads; CRCs of the
 * pieces are joined at the end.
 */
#include "index/codebook_internal.h"
#include "index/index_format.h"
#include "vecstore/base/bytes.h"
#include "vecstore/base/crc32c.h"
#include "vecstore/base/pool.h"

#include <stdatomic.h>

#define PIECE_BYTES ((size_t)256 << 10) // stays in the second-level cache while it is worked on

struct reading {
    const struct vs_codebook_blob *blob;
    struct vs_codebook *codebook;
    uint8_t *head, *section; // the blob up to the centroids; codes of the centroids
    size_t head_len, pq_len; // bytes
    uint32_t piece_lists;    // lists of a piece
    uint32_t piece_count;
    uint32_t *piece_crcs;                            // [piece_count]
    uint32_t header_crc, head_crc, pq_crc, body_crc; // body_crc: what the header says
    atomic_uint next;
};

static enum vs_status no_memory(const struct reading *r, struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "%s: out of memory for a codebook", r->blob->file->name);
}

static uint32_t lists_of_piece(const struct reading *r, uint32_t piece)
{
    uint32_t left = r->codebook->list_count - piece * r->piece_lists;
    return left < r->piece_lists ? left : r->piece_lists;
}

// Header, projection, bias, super-clusters: into one buffer, whose floats then stand in place.
static enum vs_status read_head(struct reading *r, const struct vs_env *env, struct vs_error *err)
{
    const struct vs_codebook_blob *blob = r->blob;
    const char *name = blob->file->name;
    uint8_t header[VS_CODEBOOK_HEADER];
    if (blob->length < sizeof header) {
        return vs_fail(err, VS_CORRUPT, "%s: not a codebook", name);
    }
    VS_TRY(vs_file_read(blob->file, blob->offset, sizeof header, header, err));
    VS_TRY(vs_codebook_parse_header(header, blob->length, name, r->codebook, &r->body_crc, err));
    const struct vs_codebook *counts = r->codebook;
    r->codebook->env = env;
    r->header_crc = vs_crc32c(0, header, sizeof header);
    r->pq_len = 4 * vs_codebook_pq_len(counts);
    r->head_len =
        (size_t)blob->length - r->pq_len - 4 * vs_codebook_centroid_len(counts) - sizeof header;
    r->head = vs_alloc_aligned(env, r->head_len);
    if (r->head == NULL) {
        return no_memory(r, err);
    }
    VS_TRY(vs_file_read(blob->file, blob->offset + sizeof header, r->head_len, r->head, err));
    r->head_crc = vs_crc32c(0, r->head, r->head_len);
    return VS_OK;
}

// Everything but the lists.
static enum vs_status derive_head(struct reading *r, struct vs_error *err)
{
    struct vs_codebook *c = r->codebook;
    const struct vs_codebook_blob *blob = r->blob;
    size_t projection = vs_codebook_projection_len(c), supers = vs_codebook_super_len(c);
    float *floats = (float *)(void *)r->head;
    c->projection_bias = vs_alloc_aligned(c->env, c->proj_dim * sizeof(float));
    c->super_first = vs_alloc_aligned(c->env, ((size_t)c->super_count + 1) * sizeof(uint32_t));
    c->pq = vs_alloc_aligned(c->env, r->pq_len);
    if (c->projection_bias == NULL || c->super_first == NULL || c->pq == NULL) {
        return no_memory(r, err);
    }
    VS_TRY(vs_codebook_make_room(c, err));
    VS_TRY(
        vs_file_read(blob->file, blob->offset + blob->length - r->pq_len, r->pq_len, c->pq, err));
    r->pq_crc = vs_crc32c(0, c->pq, r->pq_len);
    size_t before = projection + c->proj_dim + supers;
    VS_TRY(vs_codebook_load_supers(c, r->head + 4 * before, blob->file->name, err));
    if (!vs_codebook_load_floats(r->head, floats, before) ||
        !vs_codebook_load_floats((const uint8_t *)c->pq, c->pq, vs_codebook_pq_len(c))) {
        return vs_codebook_bad_value(blob->file->name, err);
    }
    memcpy(c->projection_bias, floats + projection, c->proj_dim * sizeof(float));
    c->projection = floats;
    c->super_centroids = floats + projection + c->proj_dim;
    vs_codebook_derive_head(c);
    c->projection = c->super_centroids = NULL;
    return VS_OK;
}

static enum vs_status read_piece(struct reading *r,
                                 uint32_t piece,
                                 float *centroids,
                                 struct vs_error *err)
{
    const struct vs_codebook_blob *blob = r->blob;
    uint32_t first = piece * r->piece_lists, count = lists_of_piece(r, piece);
    size_t len = (size_t)count * r->codebook->proj_dim;
    uint64_t at = blob->offset + VS_CODEBOOK_HEADER + r->head_len +
                  4 * (uint64_t)first * r->codebook->proj_dim;
    VS_TRY(vs_file_read(blob->file, at, 4 * len, centroids, err));
    r->piece_crcs[piece] = vs_crc32c(0, centroids, 4 * len);
    if (!vs_codebook_load_floats((const uint8_t *)centroids, centroids, len)) {
        return vs_codebook_bad_value(blob->file->name, err);
    }
    vs_codebook_derive_lists(r->codebook, first, count, centroids, r->section);
    return VS_OK;
}

// One thread's share: a piece after the other into the same memory.
static enum vs_status read_pieces(void *ctx, size_t task, struct vs_error *err)
{
    struct reading *r = ctx;
    (void)task;
    size_t bytes = (size_t)r->piece_lists * r->codebook->proj_dim * sizeof(float);
    float *centroids = vs_alloc_aligned(r->codebook->env, bytes);
    enum vs_status status = centroids != NULL ? VS_OK : no_memory(r, err);
    while (status == VS_OK) {
        uint32_t piece = atomic_fetch_add_explicit(&r->next, 1, memory_order_relaxed);
        if (piece >= r->piece_count) {
            break;
        }
        status = read_piece(r, piece, centroids, err);
    }
    vs_free_aligned(r->codebook->env, centroids);
    return status;
}

static enum vs_status derive_all(struct reading *r, size_t thread_count, struct vs_error *err)
{
    const struct vs_env *env = r->codebook->env;
    size_t list_bytes = r->codebook->proj_dim * sizeof(float),
           blocks = PIECE_BYTES / list_bytes / VS_BLOCK_LANES;
    r->piece_lists = (uint32_t)(blocks > 0 ? blocks : 1) * VS_BLOCK_LANES;
    r->piece_count = (r->codebook->list_count - 1) / r->piece_lists + 1;
    r->piece_crcs = vs_alloc_zeroed(env, r->piece_count, sizeof *r->piece_crcs);
    r->section = vs_alloc(env, vs_codebook_section_len(r->codebook));
    if (r->piece_crcs == NULL || r->section == NULL) {
        return no_memory(r, err);
    }
    size_t threads = thread_count < r->piece_count ? thread_count : r->piece_count;
    threads = threads > 0 ? threads : 1;
    VS_TRY(vs_pool_run(env, threads, threads, read_pieces, r, err));
    return vs_codebook_take_section(r->codebook, r->section, err);
}

// The pieces were summed apart: their CRCs must join to those of the whole.
static enum vs_status check_crcs(const struct reading *r, struct vs_error *err)
{
    uint32_t crc = r->head_crc;
    for (uint32_t piece = 0; piece < r->piece_count; piece++) {
        uint64_t len = 4 * (uint64_t)lists_of_piece(r, piece) * r->codebook->proj_dim;
        crc = vs_crc32c_join(crc, r->piece_crcs[piece], len);
    }
    crc = vs_crc32c_join(crc, r->pq_crc, r->pq_len);
    if (crc != r->body_crc ||
        vs_crc32c_join(r->header_crc, crc, r->blob->length - VS_CODEBOOK_HEADER) != r->blob->crc) {
        return vs_fail(err, VS_CORRUPT,
                       "%s: checksum of the codebook at offset %llu is wrong; rebuild the index",
                       r->blob->file->name, (unsigned long long)r->blob->offset);
    }
    return VS_OK;
}

enum vs_status vs_codebook_open(const struct vs_env *env,
                                const struct vs_codebook_blob *blob,
                                size_t thread_count,
                                struct vs_codebook *codebook_out,
                                struct vs_error *err)
{
    struct vs_codebook codebook = {0};
    struct reading r = {.blob = blob, .codebook = &codebook};
    enum vs_status status = read_head(&r, env, err);
    if (status == VS_OK) {
        status = derive_head(&r, err);
    }
    if (status == VS_OK) {
        status = derive_all(&r, thread_count, err);
    }
    if (status == VS_OK) {
        status = check_crcs(&r, err);
    }
    vs_free_aligned(env, r.head);
    vs_free(env, r.section);
    vs_free(env, r.piece_crcs);
    if (status != VS_OK) {
        vs_codebook_clear(&codebook);
        return status;
    }
    vs_free_aligned(env, codebook.pq);
    codebook.pq = NULL;
    *codebook_out = codebook;
    return VS_OK;
}
