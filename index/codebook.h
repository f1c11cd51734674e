// SPDX-License-Identifier: Apache-2.0
/*
 * What training yields: projection, two-level centroids, product-quantiser codebooks. Shared by all
 * segments of a model id.
 *
 * Vectors enter here prepared: normalised when the metric is cosine, as they are otherwise. All
 * floats; derived int8 forms are made by vs_codebook_finish in a reproducible way. Owned by one
 * env; immutable after finish.
 */
#ifndef VS_INDEX_CODEBOOK_H
#define VS_INDEX_CODEBOOK_H

#include "vecstore/base/buf.h"
#include "vecstore/base/io.h"

struct vs_list_layout;

enum vs_metric { VS_METRIC_COSINE = 0, VS_METRIC_IP = 1, VS_METRIC_L2 = 2 };

const char *vs_metric_name(enum vs_metric metric);
enum vs_status vs_metric_parse(struct vs_str text,
                               enum vs_metric *metric_out,
                               struct vs_error *err);

struct vs_codebook_tiles; // codebook_tiles.h

struct vs_codebook {
    const struct vs_env *env;
    uint32_t dim;      // of the table's vectors
    uint32_t proj_dim; // after projection; = m * sub_dim
    uint32_t m;        // sub-quantisers, even, <= 256
    uint32_t sub_dim;
    uint32_t super_count; // super-clusters (first level)
    uint32_t list_count;  // lists (second level), grouped by super-cluster
    enum vs_metric metric;
    float *projection;      // [proj_dim][dim]
    float *projection_bias; // [proj_dim], subtracted mean already folded in: y = P x + b
    float *super_centroids; // [super_count][proj_dim]
    uint32_t *super_first; // [super_count + 1]: lists of super-cluster s are [first[s], first[s+1])
    float *centroids;      // [list_count][proj_dim]
    float *pq;             // [m][16][sub_dim], on the projected vectors themselves (not residuals)
    // derived by vs_codebook_finish
    int8_t *centroids_i8; // [list_count][proj_dim], per-row scale
    float *centroid_scale;
    float *centroid_norm; // squared L2 norm of the f32 centroid
    int8_t *super_i8;
    float *super_scale, *super_norm;
    float *pq_lanes;       // [m][sub_dim][16]: pq with the 16 codes side by side
    int8_t *projection_i8; // [proj_dim][projection_stride], per-row scale, padded with zeros
    float *projection_scale;
    size_t projection_stride; // dim rounded up to 64
    // How many lists of the nearest super-clusters are looked at when lists are ranked, at least;
    // 0: all (up to a bound). Not part of the blob: measured for the queries to come (descriptor).
    uint32_t open_lists;
    // Codes of the list centroids, as if all were entries of one list: ranking many lists scans
    // them like any codes. "Slots" are list numbers.
    struct vs_list_layout *centroid_codes;
    struct vs_codebook_tiles *tiles; // the int8 parts once more, as dot_i8_tile wants them
    char model_id[65];               // SHA-256 of the serialised codebook, hex
};

// Allocates the trained arrays (zeroed) for the counts that are set in *codebook and remembers env;
// VS_INVALID names a count out of bounds.
enum vs_status vs_codebook_init(struct vs_codebook *codebook,
                                const struct vs_env *env,
                                struct vs_error *err);
void vs_codebook_clear(struct vs_codebook *codebook); // accepts a zeroed codebook
// Computes the derived parts and the model id from the trained ones.
enum vs_status vs_codebook_finish(struct vs_codebook *codebook, struct vs_error *err);
// The codebook blob (docs/format/index-v1.md): trained parts only; CRC included. decode validates
// sizes, finiteness and finishes.
enum vs_status vs_codebook_encode(const struct vs_codebook *codebook,
                                  struct vs_buf *out,
                                  struct vs_error *err);
enum vs_status vs_codebook_decode(const struct vs_env *env,
                                  struct vs_str bytes,
                                  const char *what,
                                  struct vs_codebook *codebook_out,
                                  struct vs_error *err);

// The same for searches alone, from the file: projection, super_centroids, centroids, pq and tiles
// are NULL afterwards and model_id is empty (who needs them decodes the blob).
struct vs_codebook_blob {
    struct vs_file *file;
    uint64_t offset, length;
    uint32_t crc;
};
enum vs_status vs_codebook_open(const struct vs_env *env,
                                const struct vs_codebook_blob *blob,
                                size_t thread_count,
                                struct vs_codebook *codebook_out,
                                struct vs_error *err);

// y[proj_dim] = P x + b
void vs_codebook_project(const struct vs_codebook *codebook, const float *x, float *y);
// y[i] of a query from integers: q8[dim] with its scale (vs_quantize_i8); bias left out; dots:
// proj_dim of room. Exact integer sums, so the same bits everywhere; several times faster than
// vs_codebook_project, and its error is far below that of the codes.
void vs_codebook_project_i8(
    const struct vs_codebook *codebook, const int8_t *q8, float scale, int32_t *dots, float *y);
// Nearest list of a projected vector (L2 in the projected space; int8 shortlist, exact check of the
// best few in f32); reproducible. second_out (may be NULL) gets the runner-up.
uint32_t vs_codebook_assign(const struct vs_codebook *codebook,
                            const float *y,
                            uint32_t *second_out);
// codes_out[m], one 0..15 per sub-quantiser (nearest by L2; ties to the lower).
void vs_codebook_encode_vector(const struct vs_codebook *codebook,
                               const float *y,
                               uint8_t *codes_out);
// int8 row with one scale: q[i] = round(x[i] / scale), halves to even, scale = max|x| / 127 (0 for
// a zero vector); returns the scale.
float vs_quantize_i8(const float *x, size_t dim, int8_t *q);

#endif
