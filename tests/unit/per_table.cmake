# SPDX-License-Identifier: Apache-2.0
# Searching and building an index with the two tables that every x86 machine of today has, beside the
# best one, which the tests use anyway. The whole suite with each table: ./dev tables.
function(test_with_table test table)
    if(TARGET ${test}_test)
        add_test(NAME ${test}_${table}_test COMMAND ${test}_test WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
        set_tests_properties(${test}_${table}_test PROPERTIES LABELS "${ARGN}" TIMEOUT 300 SKIP_RETURN_CODE 77
            ENVIRONMENT "VS_SIMD=${table}")
    endif()
endfunction()

# Under a sanitizer the tests of the kernels themselves go through the tables; these would take minutes.
if(NOT VECSTORE_SANITIZE)
    foreach(table scalar avx2)
        test_with_table(index_search ${table} unit)
        test_with_table(index_build ${table} unit)
    endforeach()
endif()
test_with_table(recall avx2 recall long)
