// SPDX-License-Identifier: Apache-2.0
// Any bytes as an Avro file: every record is decoded and every value is walked.
#include "vecstore/format/avro_file.h"

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// NOLINTNEXTLINE(misc-no-recursion): the reader nests values 2 * VS_AVRO_MAX_DEPTH deep
static uint64_t walk(const struct vs_avro_value *value)
{
    uint64_t sum = (uint64_t)value->node->type;
    struct vs_str bytes;
    if (vs_avro_to_bytes(value, &bytes)) {
        for (size_t i = 0; i < bytes.len; i++) {
            sum += (uint8_t)bytes.ptr[i];
        }
    }
    if (value->node->type == VS_AVRO_RECORD || value->node->type == VS_AVRO_ARRAY ||
        value->node->type == VS_AVRO_MAP) {
        size_t count = value->count * (value->node->type == VS_AVRO_MAP ? 2 : 1);
        for (size_t i = 0; i < count; i++) {
            sum += walk(&value->as.items[i]);
        }
    }
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vs_avro_file *file = NULL;
    const struct vs_avro_value *record = NULL;
    static volatile uint64_t sink;
    if (vs_avro_file_open(vs_env_default(), (struct vs_str){(const char *)data, size}, "fuzz",
                          &file, NULL) != VS_OK) {
        return 0;
    }
    for (int i = 0; i < 10000 && vs_avro_file_next(file, &record, NULL) == VS_OK && record != NULL;
         i++) {
        sink = sink + walk(record);
    }
    vs_avro_file_close(file);
    return 0;
}
