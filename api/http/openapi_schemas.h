// SPDX-License-Identifier: Apache-2.0
/*
 * The schemas of the OpenAPI document: name and JSON Schema (2020-12) text.
 */
#ifndef VS_HTTP_OPENAPI_SCHEMAS_H
#define VS_HTTP_OPENAPI_SCHEMAS_H

#include <stddef.h>

struct vs_openapi_schema {
    const char *name;
    const char *json;
};

extern const struct vs_openapi_schema vs_openapi_schemas[];
extern const size_t vs_openapi_schema_count;

#endif
