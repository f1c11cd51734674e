// SPDX-License-Identifier: Apache-2.0
/*
 * Assignment of many rows: the same bits on every machine.
 *
 * A batch of rows is compared with the super-centroids, then with the lists of the super-clusters
 * that lie nearest to each row, super-cluster by super-cluster, so that one pass over the centroids
 * of a super-cluster serves all rows that look into it. These are exact integer products (int8).
 * The best few are then compared in f32, whose kernels have one order of accumulation; the rest is
 * element by element. Ties go to the lower list, so the order of visits does not matter.
 */
#include "index/codebook_assign.h"
#include "index/codebook_internal.h"
#include "index/codebook_tiles.h"
#include "simd/kernels.h"

#include <math.h>
#include <string.h>

// Hardening zeroes automatic arrays; those written before they are read are spared that.
#if defined(__has_attribute)
#    if __has_attribute(uninitialized)
#        define NO_INIT __attribute__((uninitialized))
#    endif
#endif
#ifndef NO_INIT
#    define NO_INIT
#endif

#define ROW_BITS 8
#define BATCH_ROWS (1 << ROW_BITS)
#define BATCH_BYTES ((size_t)BATCH_ROWS * 512) // of int8 rows; more coordinates: fewer rows
#define CHUNK_TILES 8                          // of a kernel call
#define CHUNK_ROWS 32
#define CHUNK_LISTS ((size_t)CHUNK_TILES * VS_TILE_ROWS)
#define FOUND_MAX 64  // lists remembered for a row
#define NEAREST 25    // … of which in the end: the first and the candidates for the second
#define EXACT_FIRST 8 // lists compared in f32 at most
#define EXACT_SECOND 4
#define SUPERS_MIN 10 // super-clusters looked into: at least these
#define SUPERS_MAX 32 // … and at most these; a sixteenth of them in between

// The nearest so far, by key (of_distance), in the order of their ids; and perhaps a few more.
struct found {
    uint32_t count, least; // nothing below `least` can be among the wanted
    uint32_t key[FOUND_MAX], id[FOUND_MAX];
};

struct batch {
    const struct vs_codebook *codebook;
    const float *y;
    size_t count, stride, wanted;
    int8_t rows[BATCH_BYTES + VS_PROJ_DIM_MAX];  // of y; at least one
    float scale[BATCH_ROWS], square[BATCH_ROWS]; // |y|^2
    uint32_t visits[2][BATCH_ROWS * SUPERS_MAX]; // super * BATCH_ROWS + row, sorted; spare
    size_t visit_count;
    struct found found[BATCH_ROWS];
};

struct pick { // room for what a row has found and a chunk
    uint32_t key[FOUND_MAX + CHUNK_LISTS], id[FOUND_MAX + CHUNK_LISTS];
};

// ---- int8 ----

// Greater for nearer, in the order of the floats.
static inline uint32_t of_distance(float distance)
{
    uint32_t bits;
    memcpy(&bits, &distance, sizeof bits);
    return ~(bits ^ ((uint32_t)((int32_t)bits >> 31) | 0x80000000u));
}

static inline float to_distance(uint32_t key)
{
    float distance;
    uint32_t bits = ~key ^ ((uint32_t)((int32_t)key >> 31) | 0x80000000u);
    memcpy(&distance, &bits, sizeof distance);
    return distance;
}

// Keys of the squared distances less |y|^2.
static inline void to_keys(const int32_t *dots,
                           const float *norm,
                           const float *scale,
                           float row_scale,
                           size_t count,
                           uint32_t *keys)
{
    for (size_t i = 0; i < count; i++) {
        keys[i] = of_distance(norm[i] - 2.0f * ((float)dots[i] * (row_scale * scale[i])));
    }
}

static inline void to_ids(size_t first, size_t count, uint32_t *ids)
{
    for (size_t i = 0; i < count; i++) {
        ids[i] = (uint32_t)(first + i);
    }
}

// A key that `wanted` to `room` of the keys reach; where equal keys forbid it, one that more do.
static uint32_t find_cut(
    const uint32_t *keys, size_t count, uint32_t least, size_t wanted, size_t room)
{
    uint32_t low = least, high = UINT32_MAX;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2 + 1;
        size_t reached = vs_kernels_get()->count_keys(keys, count, middle);
        if (reached < wanted) {
            high = middle - 1;
        } else {
            low = middle;
            if (reached <= room) {
                break;
            }
        }
    }
    return low;
}

// Keeps at least the `wanted` nearest and at most `room`; of equal ones at the end the lower ids.
static size_t cut(
    uint32_t *keys, uint32_t *ids, size_t count, uint32_t *least, size_t wanted, size_t room)
{
    if (count <= room) {
        return count;
    }
    *least = find_cut(keys, count, *least, wanted, room);
    count = vs_kernels_get()->keep_keys(keys, ids, count, *least);
    while (count > room) {
        size_t last = count;
        do {
            last--;
        } while (keys[last] != *least);
        count--;
        memmove(keys + last, keys + last + 1, (count - last) * sizeof *keys);
        memmove(ids + last, ids + last + 1, (count - last) * sizeof *ids);
    }
    return count;
}

// Takes the `count` entries of pick from FOUND_MAX on; their ids are above all that came before.
static void add_found(struct found *found, struct pick *pick, size_t count, size_t wanted)
{
    uint32_t *keys = pick->key + FOUND_MAX, *ids = pick->id + FOUND_MAX;
    size_t kept = vs_kernels_get()->keep_keys(keys, ids, count, found->least);
    if (found->count + kept > FOUND_MAX) { // all in a row, then the best of them
        keys -= found->count;
        ids -= found->count;
        memcpy(keys, found->key, found->count * sizeof *keys);
        memcpy(ids, found->id, found->count * sizeof *ids);
        kept = cut(keys, ids, found->count + kept, &found->least, wanted, FOUND_MAX / 2);
        found->count = 0;
    }
    memcpy(found->key + found->count, keys, kept * sizeof *keys);
    memcpy(found->id + found->count, ids, kept * sizeof *ids);
    found->count += (uint32_t)kept;
}

// Exactly the `wanted` nearest (or all there are).
static void settle_found(struct found *found, size_t wanted)
{
    found->count =
        (uint32_t)cut(found->key, found->id, found->count, &found->least, wanted, wanted);
}

// CHUNK_ROWS rows against `count` centroids of one level from `first` on, up to a chunk.
struct level {
    const int8_t *tiles;
    const float *norm, *scale;
    size_t first, count;
};

static void compare(struct batch *batch,
                    const struct level *level,
                    const uint32_t *rows,
                    size_t row_count,
                    struct found *found, // of each row
                    size_t wanted)
{
    NO_INIT int32_t dots[CHUNK_ROWS * CHUNK_LISTS];
    NO_INIT struct pick pick;
    struct vs_i8_tiles tiles = {level->tiles, batch->stride / 4, vs_tile_count(level->count)};
    vs_kernels_get()->dot_i8_tile(batch->rows, batch->stride, rows, row_count, &tiles, dots);
    for (size_t r = 0; r < row_count; r++) {
        to_keys(dots + r * tiles.count * VS_TILE_ROWS, level->norm + level->first,
                level->scale + level->first, batch->scale[rows[r]], level->count,
                pick.key + FOUND_MAX);
        to_ids(level->first, level->count, pick.id + FOUND_MAX);
        add_found(found + rows[r], &pick, level->count, wanted);
    }
}

static void compare_all(
    struct batch *batch, struct level level, const uint32_t *rows, size_t row_count, size_t wanted)
{
    size_t end = level.first + level.count;
    while (level.first < end) {
        level.count = end - level.first < CHUNK_LISTS ? end - level.first : CHUNK_LISTS;
        compare(batch, &level, rows, row_count, batch->found, wanted);
        level.first += level.count;
        level.tiles += CHUNK_LISTS * batch->stride;
    }
}

static void forget(struct batch *batch)
{
    for (size_t r = 0; r < batch->count; r++) {
        batch->found[r].count = batch->found[r].least = 0;
    }
}

static uint32_t supers_to_visit(uint32_t super_count)
{
    uint32_t wanted = super_count / 16;
    wanted = wanted < SUPERS_MIN ? SUPERS_MIN : wanted > SUPERS_MAX ? SUPERS_MAX : wanted;
    return wanted < super_count ? wanted : super_count;
}

// Sorts the visits by super-cluster: counting sort, eight bits at a time.
static void sort_visits(struct batch *batch)
{
    uint32_t *from = batch->visits[0], *to = batch->visits[1];
    uint32_t digits = (batch->codebook->super_count - 1) << ROW_BITS;
    for (uint32_t shift = ROW_BITS; shift == ROW_BITS || digits >> shift != 0; shift += 8) {
        uint32_t first[257] = {0};
        for (size_t i = 0; i < batch->visit_count; i++) {
            first[(from[i] >> shift & 255) + 1]++;
        }
        for (size_t digit = 0; digit < 256; digit++) {
            first[digit + 1] += first[digit];
        }
        for (size_t i = 0; i < batch->visit_count; i++) {
            to[first[from[i] >> shift & 255]++] = from[i];
        }
        uint32_t *spare = from;
        from = to;
        to = spare;
    }
    if (from != batch->visits[0]) {
        memcpy(batch->visits[0], from, batch->visit_count * sizeof *from);
    }
}

static void find_visits(struct batch *batch)
{
    const struct vs_codebook *codebook = batch->codebook;
    size_t wanted = supers_to_visit(codebook->super_count);
    struct level supers = {codebook->tiles->supers, codebook->super_norm, codebook->super_scale, 0,
                           codebook->super_count};
    forget(batch);
    batch->visit_count = 0;
    for (size_t first = 0; first < batch->count; first += CHUNK_ROWS) {
        uint32_t rows[CHUNK_ROWS];
        size_t count = batch->count - first < CHUNK_ROWS ? batch->count - first : CHUNK_ROWS;
        to_ids(first, count, rows);
        compare_all(batch, supers, rows, count, wanted);
        for (size_t r = first; r < first + count; r++) {
            settle_found(&batch->found[r], wanted);
            for (size_t i = 0; i < batch->found[r].count; i++) {
                batch->visits[0][batch->visit_count++] =
                    batch->found[r].id[i] * BATCH_ROWS + (uint32_t)r;
            }
        }
    }
    sort_visits(batch);
}

static void visit_all(struct batch *batch)
{
    const struct vs_codebook *codebook = batch->codebook;
    const uint32_t *visits = batch->visits[0];
    forget(batch);
    for (size_t i = 0; i < batch->visit_count;) {
        uint32_t super = visits[i] / BATCH_ROWS, rows[CHUNK_ROWS];
        size_t count = 0;
        for (; i < batch->visit_count && count < CHUNK_ROWS && visits[i] / BATCH_ROWS == super;
             i++) {
            rows[count++] = visits[i] % BATCH_ROWS;
        }
        size_t first = codebook->super_first[super];
        struct level lists = {codebook->tiles->lists +
                                  codebook->tiles->first[super] * batch->stride * VS_TILE_ROWS,
                              codebook->centroid_norm, codebook->centroid_scale, first,
                              codebook->super_first[super + 1] - first};
        compare_all(batch, lists, rows, count, batch->wanted);
    }
}

// ---- exact ----

static const float *centroid_of(const struct vs_codebook *codebook, uint32_t list)
{
    return codebook->centroids + (size_t)list * codebook->proj_dim;
}

// How much rounding may change the order of two lists: about 3.5 standard deviations of what it
// does to the difference of their squared distances (2 y . c each), rows and centroids being of one
// size.
static float doubt(const struct batch *batch, size_t row)
{
    return 4.0f * sqrtf(batch->square[row]) * batch->scale[row];
}

static inline bool before(float distance_a, uint32_t id_a, float distance_b, uint32_t id_b)
{
    return distance_a < distance_b || (distance_a == distance_b && id_a < id_b);
}

// The nearest few of the lists, nearest first.
struct shortlist {
    size_t count;
    float value[EXACT_FIRST];
    uint32_t id[EXACT_FIRST];
};

static void offer(struct shortlist *list, size_t capacity, float value, uint32_t id)
{
    size_t at = list->count < capacity ? list->count : capacity - 1;
    if (list->count < capacity) {
        list->count++;
    } else if (!before(value, id, list->value[at], list->id[at])) {
        return;
    }
    for (; at > 0 && before(value, id, list->value[at - 1], list->id[at - 1]); at--) {
        list->value[at] = list->value[at - 1];
        list->id[at] = list->id[at - 1];
    }
    list->value[at] = value;
    list->id[at] = id;
}

// The nearest of those that rounding to int8 leaves possible.
static void decide_first(const struct batch *batch, size_t row, struct vs_assignment *out)
{
    const struct vs_codebook *codebook = batch->codebook;
    const struct found *found = &batch->found[row];
    const float *y = batch->y + row * codebook->proj_dim;
    struct shortlist near = {0};
    float least = INFINITY, limit = doubt(batch, row);
    for (size_t i = 0; i < found->count; i++) {
        offer(&near, EXACT_FIRST, to_distance(found->key[i]), found->id[i]);
    }
    for (size_t i = 0; i < near.count && near.value[i] - near.value[0] <= limit; i++) {
        float distance;
        vs_kernels_get()->l2_f32(y, centroid_of(codebook, near.id[i]), codebook->proj_dim, 1,
                                 &distance);
        if (i == 0 || before(distance, near.id[i], least, out->list)) {
            least = distance;
            out->list = near.id[i];
        }
    }
    out->distance = least;
}

struct soar {
    const struct vs_codebook *codebook;
    const float *y, *residual;
    float lambda, residual_y, residual_norm; // r . y, |r|^2
};

static float soar_loss(const struct soar *soar, float distance, float residual_centroid)
{
    if (!(soar->residual_norm > 0.0f)) {
        return distance;
    }
    float along = soar->residual_y - residual_centroid; // r . r'
    return distance + soar->lambda * (along * along / soar->residual_norm);
}

static uint32_t decide_exactly(const struct soar *soar, const uint32_t *ids, size_t count)
{
    const struct vs_kernels *kernels = vs_kernels_get();
    size_t dim = soar->codebook->proj_dim;
    float least = INFINITY;
    uint32_t best = ids[0];
    for (size_t i = 0; i < count; i++) {
        float distance, dot;
        const float *centroid = centroid_of(soar->codebook, ids[i]);
        kernels->l2_f32(soar->y, centroid, dim, 1, &distance);
        kernels->dot_f32(soar->residual, centroid, dim, 1, &dot);
        float loss = soar_loss(soar, distance, dot);
        if (before(loss, ids[i], least, best)) {
            least = loss;
            best = ids[i];
        }
    }
    return best;
}

// The losses of all candidates by int8, the best few of them in f32.
static uint32_t decide_second(const struct batch *batch,
                              size_t row,
                              float lambda,
                              const struct vs_assignment *first)
{
    const struct vs_codebook *codebook = batch->codebook;
    const struct vs_kernels *kernels = vs_kernels_get();
    const struct found *found = &batch->found[row];
    size_t dim = codebook->proj_dim;
    const float *y = batch->y + row * dim, *centroid = centroid_of(codebook, first->list);
    NO_INIT float residual[VS_PROJ_DIM_MAX];
    NO_INIT int8_t residual_i8[VS_PROJ_DIM_MAX];
    struct shortlist best = {0};
    int32_t dots[NEAREST];
    for (size_t j = 0; j < dim; j++) {
        residual[j] = y[j] - centroid[j];
    }
    struct soar soar = {codebook, y, residual, lambda, 0.0f, first->distance};
    kernels->dot_f32(y, residual, dim, 1, &soar.residual_y);
    float scale = vs_quantize_i8(residual, dim, residual_i8);
    kernels->dot_i8_rows(residual_i8, codebook->centroids_i8, dim, dim, found->id, found->count,
                         dots);
    for (size_t i = 0; i < found->count; i++) {
        uint32_t id = found->id[i];
        if (id != first->list) {
            float dot = (float)dots[i] * (scale * codebook->centroid_scale[id]);
            float distance = to_distance(found->key[i]) + batch->square[row];
            offer(&best, EXACT_SECOND, soar_loss(&soar, distance, dot), id);
        }
    }
    return best.count == 0 ? VS_ASSIGN_NO_LIST : decide_exactly(&soar, best.id, best.count);
}

// ---- the whole ----

static void assign_rows(struct batch *batch, float lambda, struct vs_assignment *out)
{
    size_t dim = batch->codebook->proj_dim;
    memset(batch->rows, 0, batch->count * batch->stride);
    batch->wanted = lambda > 0.0f ? NEAREST : EXACT_FIRST;
    for (size_t r = 0; r < batch->count; r++) {
        const float *y = batch->y + r * dim;
        vs_kernels_get()->dot_f32(y, y, dim, 1, &batch->square[r]);
        batch->scale[r] = isfinite(batch->square[r])
                              ? vs_quantize_i8(y, dim, batch->rows + r * batch->stride)
                              : 0.0f;
    }
    find_visits(batch);
    visit_all(batch);
    for (size_t r = 0; r < batch->count; r++) {
        out[r] = (struct vs_assignment){0, VS_ASSIGN_NO_LIST, 0.0f};
        if (!isfinite(batch->square[r])) {
            continue;
        }
        settle_found(&batch->found[r], batch->wanted);
        decide_first(batch, r, &out[r]);
        out[r].second =
            lambda > 0.0f ? decide_second(batch, r, lambda, &out[r]) : VS_ASSIGN_NO_LIST;
    }
}

void vs_codebook_assign_batch(const struct vs_codebook *codebook,
                              const float *y,
                              size_t count,
                              float soar_lambda,
                              struct vs_assignment *out)
{
    NO_INIT struct batch batch;
    batch.codebook = codebook;
    batch.stride = ((size_t)codebook->proj_dim + 3) / 4 * 4;
    size_t rows_max = BATCH_BYTES / batch.stride;
    rows_max = rows_max < BATCH_ROWS ? rows_max : BATCH_ROWS;
    for (size_t first = 0; first < count; first += rows_max) {
        batch.y = y + first * codebook->proj_dim;
        batch.count = count - first < rows_max ? count - first : rows_max;
        assign_rows(&batch, soar_lambda, out + first);
    }
}

uint32_t vs_codebook_assign(const struct vs_codebook *codebook,
                            const float *y,
                            uint32_t *second_out)
{
    struct vs_assignment found = {0, VS_ASSIGN_NO_LIST, 0.0f};
    // With a vanishing lambda the second list is the next nearest.
    vs_codebook_assign_batch(codebook, y, 1, second_out != NULL ? 1e-30f : 0.0f, &found);
    if (second_out != NULL) {
        *second_out = found.second != VS_ASSIGN_NO_LIST ? found.second : found.list;
    }
    return found.list;
}

void vs_codebook_project_rows(const struct vs_codebook *codebook,
                              const int8_t *rows,
                              size_t stride,
                              const float *scale,
                              size_t count,
                              float *y)
{
    const struct vs_codebook_tiles *tiles = codebook->tiles;
    size_t proj_dim = codebook->proj_dim;
    for (size_t first = 0; first < count; first += CHUNK_ROWS) {
        uint32_t index[CHUNK_ROWS];
        size_t n = count - first < CHUNK_ROWS ? count - first : CHUNK_ROWS;
        for (size_t r = 0; r < n; r++) {
            index[r] = (uint32_t)r;
        }
        for (size_t p = 0; p < proj_dim; p += CHUNK_LISTS) {
            NO_INIT int32_t dots[CHUNK_ROWS * CHUNK_LISTS];
            size_t left = proj_dim - p;
            left = left < CHUNK_LISTS ? left : CHUNK_LISTS;
            struct vs_i8_tiles chunk = {tiles->projection + p * tiles->projection_quads * 4,
                                        tiles->projection_quads, vs_tile_count(left)};
            vs_kernels_get()->dot_i8_tile(rows + first * stride, stride, index, n, &chunk, dots);
            for (size_t r = 0; r < n; r++) {
                const int32_t *from = dots + r * chunk.count * VS_TILE_ROWS;
                float *to = y + (first + r) * proj_dim + p;
                for (size_t i = 0; i < left; i++) {
                    to[i] =
                        (float)from[i] * (scale[first + r] * codebook->projection_scale[p + i]) +
                        codebook->projection_bias[p + i];
                }
            }
        }
    }
}
