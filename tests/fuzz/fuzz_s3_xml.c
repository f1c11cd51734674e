// SPDX-License-Identifier: Apache-2.0
// Any bytes as an answer of an S3 server.
#include "vecstore/object/s3_xml.h"

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum vs_status see(void *ctx, const struct vs_xml_element *element, struct vs_error *err)
{
    (void)err;
    *(size_t *)ctx += element->name.len + element->text.len;
    if (element->depth == 0 || element->depth > VS_XML_DEPTH_MAX || element->name.len == 0) {
        __builtin_trap();
    }
    for (size_t i = 0; i < element->text.len; i++) {
        *(size_t *)ctx += (unsigned char)element->text.ptr[i];
    }
    return VS_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t sum = 0;
    (void)vs_xml_walk(vs_env_default(), (struct vs_str){(const char *)data, size}, see, &sum, NULL);
    return 0;
}
