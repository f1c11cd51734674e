// SPDX-License-Identifier: Apache-2.0
/*
 * What the processor and the operating system allow; read once.
 */
#ifndef VS_SIMD_CPU_H
#define VS_SIMD_CPU_H

#include <stdbool.h>

struct vs_cpu {
    int family, model; // x86: with extended bits added; 0 elsewhere
    // Usable: CPUID and XCR0 both agree. avx2 comes with F16C and POPCNT, avx512bw with VL.
    bool avx2, avx512bw, avx512vbmi, avx512vnni;
    bool neon;
    char brand[64];
};

const struct vs_cpu *vs_cpu_get(void);

#endif
