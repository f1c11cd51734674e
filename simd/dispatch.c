// SPDX-License-Identifier: Apache-2.0
// Chooses the kernel table once: the best that runs here, or the one that VS_SIMD names when it
// runs here.
#include "simd/cpu.h"
#include "simd/kernels_internal.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define TABLE_MAX 4 // on one processor

static const struct vs_kernels *runnable[TABLE_MAX + 1]; // best first, NULL-terminated
static const struct vs_kernels *chosen;
static pthread_once_t choose_once = PTHREAD_ONCE_INIT;

static const struct vs_kernels *find_runnable(const char *name)
{
    for (size_t i = 0; runnable[i] != NULL; i++) {
        if (strcmp(runnable[i]->name, name) == 0) {
            return runnable[i];
        }
    }
    return NULL;
}

// Best first. By CPUID and family alone: a start that measures would give another table now and
// then on a busy machine, and the order was measured once per family (docs/internals/simd.md).
static size_t list_runnable(const struct vs_kernels **out)
{
    size_t count = 0;
#if defined(__x86_64__)
    const struct vs_cpu *cpu = vs_cpu_get();
    bool halves_zmm = cpu->family == 25; // Zen 4: every 512-bit operation takes two turns
    if (cpu->avx512vbmi && cpu->avx512vnni) {
        out[count++] = &vs_kernels_vnni;
    }
    bool has_avx512 = cpu->avx512bw && cpu->avx2;
    if (has_avx512 && !halves_zmm) {
        out[count++] = &vs_kernels_avx512;
    }
    if (cpu->avx2) {
        out[count++] = &vs_kernels_avx2;
    }
    if (has_avx512 && halves_zmm) {
        out[count++] = &vs_kernels_avx512;
    }
#elif defined(__aarch64__)
    if (vs_cpu_get()->neon) {
        out[count++] = &vs_kernels_neon;
    }
#endif
    out[count++] = &vs_kernels_scalar;
    return count;
}

static void choose(void)
{
    runnable[list_runnable(runnable)] = NULL;
    chosen = runnable[0];
    // An unknown or unrunnable name changes nothing.
    // NOLINTNEXTLINE(concurrency-mt-unsafe): read once, and no thread of ours sets it
    const char *wish = getenv("VS_SIMD");
    const struct vs_kernels *table = wish != NULL ? find_runnable(wish) : NULL;
    if (table != NULL) {
        chosen = table;
    }
}

const struct vs_kernels *vs_kernels_get(void)
{
    pthread_once(&choose_once, choose);
    return chosen;
}

const struct vs_kernels *vs_kernels_find(const char *name)
{
    pthread_once(&choose_once, choose);
    return name != NULL ? find_runnable(name) : NULL;
}

const struct vs_kernels *const *vs_kernels_all(void)
{
    pthread_once(&choose_once, choose);
    return runnable;
}
