# SPDX-License-Identifier: Apache-2.0
vecstore_test(kernels_test SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/kernels_test.c LINKS vs_simd vs_base)
