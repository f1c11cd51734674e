// SPDX-License-Identifier: Apache-2.0
/*
 * Parsers on the body of a query, {"vector":[1,536 floats],"k":10}, and what becomes of a 63-bit
 * snapshot id (docs/adr/0009-json-library.md): yyjson bare, our reader over it (vs_json), cJSON
 * where it is installed, and what the query path uses: its float parser, and base64 of
 * little-endian floats. All end with the floats in an array. One JSON line per parser: microseconds
 * a body, best of several rounds.
 *
 * Usage: bench_json [DIM]
 */
#include "simd/kernels.h"
#include "vecstore/base/buf.h"
#include "vecstore/base/crypto.h"
#include "vecstore/base/float_text.h"
#include "vecstore/base/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <yyjson.h>
#ifdef BENCH_CJSON
#    include <cjson/cJSON.h>
#endif

#define MAX_DIM 16384
#define ROUNDS 15
#define BODIES 200
#define SNAPSHOT_ID INT64_C(3051729675574597004)

static const char id_text[] = "{\"snapshot_id\":3051729675574597004}";

struct body {
    struct vs_str text, array; // array: from '[' on
    size_t dim;
    float expected[MAX_DIM], parsed[MAX_DIM];
    struct vs_buf floats;
    char base64[VS_BASE64_LEN(MAX_DIM * sizeof(float)) + 1];
    size_t base64_len;
};

static double now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec * 1e-3;
}

// Unit vectors as a client prints them: nine significant digits.
static void make_body(struct body *body, size_t dim)
{
    size_t room = dim * 20 + 64, len = 0;
    char *text = malloc(room);
    uint64_t state = 20261121;
    if (text == NULL) {
        perror("memory");
        exit(1);
    }
    len += (size_t)snprintf(text, room, "{\"vector\":[");
    body->array = (struct vs_str){text + len - 1, 0};
    for (size_t i = 0; i < dim; i++) {
        state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        double unit = (double)(state >> 11) / 9007199254740992.0 - 0.5;
        body->expected[i] = (float)(unit * 3.4 / sqrt((double)dim));
        len += (size_t)snprintf(text + len, room - len, "%s%.9g", i > 0 ? "," : "",
                                (double)body->expected[i]);
    }
    len += (size_t)snprintf(text + len, room - len, "],\"k\":10}");
    body->text = (struct vs_str){text, len};
    body->array.len = (size_t)(text + len - body->array.ptr);
    body->dim = dim;
    vs_base64_format((const uint8_t *)body->expected, dim * sizeof(float), body->base64);
    body->base64_len = VS_BASE64_LEN(dim * sizeof(float));
    vs_buf_init(&body->floats, vs_env_default(), MAX_DIM * sizeof(float));
}

static bool parse_yyjson(struct body *body)
{
    yyjson_doc *doc = yyjson_read(body->text.ptr, body->text.len, 0);
    yyjson_val *array = yyjson_obj_get(yyjson_doc_get_root(doc), "vector"), *value;
    size_t i, count, done = 0;
    yyjson_arr_foreach(array, i, count, value)
    {
        body->parsed[done++] = (float)yyjson_get_num(value);
    }
    yyjson_doc_free(doc);
    return done == body->dim;
}

static bool parse_vs_json(struct body *body)
{
    struct vs_json_doc *doc = NULL;
    struct vs_json_iter iter;
    const struct vs_json *value;
    size_t done = 0;
    if (vs_json_parse(vs_env_default(), body->text, "body", NULL, &doc, NULL) != VS_OK) {
        return false;
    }
    vs_json_iter_init(&iter, vs_json_get(vs_json_root(doc), "vector"));
    while (vs_json_iter_next(&iter, NULL, &value)) {
        double number = 0.0;
        vs_json_to_f64(value, &number);
        body->parsed[done++] = (float)number;
    }
    vs_json_free(doc);
    return done == body->dim;
}

// Also copies the floats, as the others do.
static bool parse_float_text(struct body *body)
{
    size_t used = 0;
    enum vs_status status = VS_OK;
    body->floats.len = 0;
    if (!vs_float_array_parse(body->array, &body->floats, &used, &status, NULL) ||
        body->floats.len != body->dim * sizeof(float)) {
        return false;
    }
    memcpy(body->parsed, body->floats.data, body->floats.len);
    return true;
}

static bool parse_base64(struct body *body)
{
    return vs_kernels_get()->base64_decode(body->base64, body->base64_len,
                                           (uint8_t *)body->parsed) == body->dim * sizeof(float);
}

static int64_t id_of_yyjson(void)
{
    yyjson_doc *doc = yyjson_read(id_text, sizeof id_text - 1, 0);
    int64_t id = yyjson_get_sint(yyjson_obj_get(yyjson_doc_get_root(doc), "snapshot_id"));
    yyjson_doc_free(doc);
    return id;
}

static int64_t id_of_vs_json(void)
{
    struct vs_json_doc *doc = NULL;
    int64_t id = 0;
    if (vs_json_parse(vs_env_default(), VS_STR(id_text), "body", NULL, &doc, NULL) == VS_OK) {
        vs_json_to_i64(vs_json_get(vs_json_root(doc), "snapshot_id"), &id);
    }
    vs_json_free(doc);
    return id;
}

#ifdef BENCH_CJSON
static bool parse_cjson(struct body *body)
{
    cJSON *doc = cJSON_ParseWithLength(body->text.ptr, body->text.len);
    const cJSON *array = cJSON_GetObjectItemCaseSensitive(doc, "vector"), *value;
    size_t done = 0;
    cJSON_ArrayForEach(value, array)
    {
        body->parsed[done++] = (float)value->valuedouble;
    }
    cJSON_Delete(doc);
    return done == body->dim;
}

static int64_t id_of_cjson(void)
{
    cJSON *doc = cJSON_Parse(id_text);
    const cJSON *id = cJSON_GetObjectItemCaseSensitive(doc, "snapshot_id");
    int64_t value = (int64_t)cJSON_GetNumberValue(id);
    cJSON_Delete(doc);
    return value;
}
#endif

static int measure(struct body *body,
                   const char *name,
                   bool (*parse)(struct body *),
                   int64_t (*id_of)(void))
{
    double best = 1e30;
    for (int round = 0; round < ROUNDS; round++) {
        memset(body->parsed, 0, sizeof body->parsed);
        double start = now_us();
        for (int i = 0; i < BODIES; i++) {
            if (!parse(body)) {
                fprintf(stderr, "%s does not read the body\n", name);
                return 1;
            }
        }
        double each = (now_us() - start) / BODIES;
        best = each < best ? each : best;
    }
    size_t different = 0, len = parse == parse_base64 ? body->base64_len : body->text.len;
    for (size_t i = 0; i < body->dim; i++) {
        different += body->parsed[i] != body->expected[i];
    }
    printf("{\"parser\":\"%s\",\"dim\":%zu,\"body_bytes\":%zu,\"us\":%.2f,\"mb_per_s\":%.0f,"
           "\"different_floats\":%zu",
           name, body->dim, len, best, (double)len / best, different);
    if (id_of != NULL) {
        printf(",\"snapshot_id\":%" PRId64 ",\"snapshot_id_kept\":%s", id_of(),
               id_of() == SNAPSHOT_ID ? "true" : "false");
    }
    printf("}\n");
    return 0;
}

int main(int argc, char **argv)
{
    static struct body body;
    size_t dim = argc > 1 ? (size_t)strtoul(argv[1], NULL, 10) : 1536;
    if (dim == 0 || dim > MAX_DIM) {
        fprintf(stderr, "usage: bench_json [DIM up to %d]\n", MAX_DIM);
        return 2;
    }
    make_body(&body, dim);
    int code = measure(&body, "float_text (query path)", parse_float_text, NULL);
    code |= measure(&body, "base64 (query path)", parse_base64, NULL);
    code |= measure(&body, "yyjson " YYJSON_VERSION_STRING, parse_yyjson, id_of_yyjson);
    code |= measure(&body, "vs_json (yyjson behind our checks)", parse_vs_json, id_of_vs_json);
#ifdef BENCH_CJSON
    char name[48];
    snprintf(name, sizeof name, "cJSON %s", cJSON_Version());
    code |= measure(&body, name, parse_cjson, id_of_cjson);
#else
    fprintf(stderr, "skipped: cJSON was not installed when this was built: libcjson-dev\n");
#endif
    vs_buf_clear(&body.floats);
    return code;
}
