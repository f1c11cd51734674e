// SPDX-License-Identifier: Apache-2.0
/*
 * Private to simd/: the tables that dispatch.c chooses from. Each instruction set's file exports
 * exactly one of them.
 */
#ifndef VS_SIMD_KERNELS_INTERNAL_H
#define VS_SIMD_KERNELS_INTERNAL_H

#include "simd/kernels.h"

extern const struct vs_kernels vs_kernels_scalar;
extern const struct vs_kernels vs_kernels_avx2; // x86 only

#endif
