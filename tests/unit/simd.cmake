# SPDX-License-Identifier: Apache-2.0
vecstore_test(kernels_test SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/kernels_test.c LINKS vs_simd vs_base)
vecstore_test(kernels_batch_test SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/kernels_batch_test.c LINKS vs_simd vs_base)
# Each table alone; one that does not run here is skipped.
foreach(table scalar avx2 avx512 vnni)
    add_test(NAME kernels_${table}_test COMMAND kernels_test WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
    set_tests_properties(kernels_${table}_test PROPERTIES LABELS unit TIMEOUT 300 SKIP_RETURN_CODE 77
        ENVIRONMENT "VS_SIMD=${table}")
endforeach()
# The aarch64 table, cross-compiled and emulated; skipped where either is missing.
add_test(NAME kernels_neon_test COMMAND ${CMAKE_SOURCE_DIR}/tools/test_neon.sh ${CMAKE_CURRENT_BINARY_DIR}/neon)
set_tests_properties(kernels_neon_test PROPERTIES LABELS unit TIMEOUT 300 SKIP_RETURN_CODE 77)
