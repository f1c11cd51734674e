// SPDX-License-Identifier: Apache-2.0
/*
 * Makes vectors that lie like text embeddings: topics, documents within topics, passages within
 * documents, with a falling spectrum, so that neighbours are meaningful and lists are uneven.
 * Synthetic: label results with it.
 *
 *   gen_vectors ROWS DIM FOLDER    writes base.npy, rows.jsonl (id, topic, day, title) and
 * queries.npy (200 held-out vectors)
 *
 * The same arguments give the same bytes (splitmix64 and a polar normal generator, seed 20261121).
 */
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOPICS 96
#define PASSAGES_PER_DOCUMENT 12
#define QUERIES 200
#define MAX_DIM 4096

static uint64_t state = 20261121;

static uint64_t next_u64(void)
{
    uint64_t z = state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static double uniform(void)
{
    return ((double)(next_u64() >> 11) + 0.5) / 9007199254740992.0;
}

static double normal(void)
{
    double u, v, s;
    do {
        u = 2 * uniform() - 1;
        v = 2 * uniform() - 1;
        s = u * u + v * v;
    } while (s >= 1 || s <= 0);
    return u * sqrt(-2 * log(s) / s);
}

static double spectrum[MAX_DIM];
static float topics[TOPICS][MAX_DIM];

static void fill(float *out, int dim)
{
    for (int i = 0; i < dim; i++) {
        out[i] = (float)(normal() * spectrum[i]);
    }
}

static void prepare(int dim)
{
    double sum = 0;
    for (int i = 0; i < dim; i++) {
        spectrum[i] = pow(i + 4.0, -0.35);
        sum += spectrum[i] * spectrum[i];
    }
    for (int i = 0; i < dim; i++) {
        spectrum[i] /= sqrt(sum);
    }
    for (int t = 0; t < TOPICS; t++) {
        fill(topics[t], dim);
    }
}

// Few topics hold much: the share of topic t falls like 1 / (t + 8).
static int draw_topic(void)
{
    static double cumulative[TOPICS];
    if (cumulative[TOPICS - 1] <= 0) {
        double sum = 0;
        for (int t = 0; t < TOPICS; t++) {
            cumulative[t] = sum += 1.0 / (t + 8);
        }
    }
    double x = uniform() * cumulative[TOPICS - 1];
    int t = 0;
    while (t < TOPICS - 1 && cumulative[t] < x) {
        t++;
    }
    return t;
}

static void make_vector(float *out, const float *topic, const float *document, int dim)
{
    double norm = 0;
    for (int i = 0; i < dim; i++) {
        out[i] = 0.62F * topic[i] + 0.58F * document[i] + (float)(0.53 * normal() * spectrum[i]);
        norm += (double)out[i] * (double)out[i];
    }
    for (int i = 0; i < dim; i++) {
        out[i] = (float)((double)out[i] / sqrt(norm));
    }
}

static FILE *create(const char *folder, const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    if (file == NULL) {
        perror(path);
        exit(1);
    }
    return file;
}

// Every write so far has succeeded, or the program ends.
static void finish(FILE *file, const char *folder, const char *name)
{
    bool failed = ferror(file) != 0;
    if (fclose(file) != 0 || failed) {
        fprintf(stderr, "gen_vectors: %s/%s cannot be written\n", folder, name);
        exit(1);
    }
}

// NumPy format 1.0: magic, version, header length, header padded so that the data starts at a
// multiple of 64.
static void npy_header(FILE *file, long rows, int dim)
{
    char text[118];
    int n = snprintf(text, sizeof text,
                     "{'descr': '<f4', 'fortran_order': False, 'shape': (%ld, %d), }", rows, dim);
    memset(text + n, ' ', sizeof text - (size_t)n);
    text[sizeof text - 1] = '\n';
    const unsigned char head[10] = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, sizeof text, 0};
    (void)fwrite(head, 1, sizeof head, file);
    (void)fwrite(text, 1, sizeof text, file);
}

static void write_rows(const char *folder, long rows, int dim)
{
    static float document[MAX_DIM], vector[MAX_DIM];
    FILE *base = create(folder, "base.npy"), *meta = create(folder, "rows.jsonl"),
         *queries = create(folder, "queries.npy");
    npy_header(base, rows, dim);
    npy_header(queries, QUERIES, dim);
    int topic = 0;
    long every = rows / QUERIES, asked = 0;
    for (long row = 0; row < rows; row++) {
        if (row % PASSAGES_PER_DOCUMENT == 0) {
            topic = draw_topic();
            fill(document, dim);
        }
        make_vector(vector, topics[topic], document, dim);
        (void)fwrite(vector, sizeof *vector, (size_t)dim, base);
        (void)fprintf(
            meta,
            "{\"id\":%ld,\"topic\":\"topic-%02d\",\"day\":\"%04ld-%02ld-%02ld\",\"title\":"
            "\"document %ld, passage %ld\"}\n",
            row, topic, 2020 + row % 6, 1 + row / 7 % 12, 1 + row / 3 % 28,
            row / PASSAGES_PER_DOCUMENT, row % PASSAGES_PER_DOCUMENT);
        if (row % every == every / 2 && asked < QUERIES) {
            // A passage of this document that is not in the base.
            make_vector(vector, topics[topic], document, dim);
            (void)fwrite(vector, sizeof *vector, (size_t)dim, queries);
            asked++;
        }
    }
    finish(base, folder, "base.npy");
    finish(meta, folder, "rows.jsonl");
    finish(queries, folder, "queries.npy");
}

int main(int argc, char **argv)
{
    long rows = argc == 4 ? strtol(argv[1], NULL, 10) : 0;
    long dim = argc == 4 ? strtol(argv[2], NULL, 10) : 0;
    if (rows < QUERIES || rows > 100000000 || dim < 8 || dim > MAX_DIM) {
        fprintf(stderr, "usage: gen_vectors ROWS DIM FOLDER   (ROWS from %d, DIM 8 to %d)\n",
                QUERIES, MAX_DIM);
        return 2;
    }
    prepare((int)dim);
    write_rows(argv[3], rows, (int)dim);
    return 0;
}
