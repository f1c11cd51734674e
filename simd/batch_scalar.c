// SPDX-License-Identifier: Apache-2.0
// Plain C: scans for many queries, by this table's pq4_sums and loops that the compiler vectorises.
#include "simd/batch_internal.h"

VS_DEFINE_BATCH(scalar)
