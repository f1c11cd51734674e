// SPDX-License-Identifier: Apache-2.0
/*
 * An environment that meters memory and refuses more than a limit. Threads: one.
 */
#ifndef VS_TESTS_METER_ENV_H
#define VS_TESTS_METER_ENV_H

#include "vecstore/base/env.h"

#include <stdlib.h>
#include <string.h>

#define METER_HEADER 16 // before each block: its size

struct meter_env {
    struct vs_env env;
    size_t live, peak, limit;
    bool refused;
};

static inline void *meter_resize(void *ctx, void *ptr, size_t size)
{
    struct meter_env *meter = ctx;
    char *block = ptr == NULL ? NULL : (char *)ptr - METER_HEADER;
    size_t before = 0;
    if (block != NULL) {
        memcpy(&before, block, sizeof before);
    }
    if (size == 0) {
        meter->live -= before;
        free(block);
        return NULL;
    }
    if (size > meter->limit || meter->live - before + size > meter->limit) {
        meter->refused = true;
        return NULL;
    }
    char *made = realloc(block, size + METER_HEADER);
    if (made == NULL) {
        return NULL;
    }
    memcpy(made, &size, sizeof size);
    meter->live += size - before;
    meter->peak = meter->live > meter->peak ? meter->live : meter->peak;
    return made + METER_HEADER;
}

static inline void meter_env_init(struct meter_env *meter, size_t limit)
{
    *meter = (struct meter_env){.env = *vs_env_default(), .limit = limit};
    meter->env.resize = meter_resize;
    meter->env.log = NULL;
    meter->env.ctx = meter;
}

#endif
