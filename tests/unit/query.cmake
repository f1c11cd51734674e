# SPDX-License-Identifier: Apache-2.0
foreach(name filter_text filter_json filter_eval filter_words list_summary query_parts)
    vecstore_test(${name}_test SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/${name}_test.c LINKS vs_query)
endforeach()
foreach(name engine engine_rows engine_folder)
    vecstore_test(${name}_test
        SOURCES
            ${CMAKE_SOURCE_DIR}/tests/unit/${name}_test.c
            ${CMAKE_SOURCE_DIR}/tests/support/table_maker.c
        LINKS vs_query)
endforeach()
vecstore_test(filter_duckdb_test SOURCES ${CMAKE_SOURCE_DIR}/tests/conform/filter_duckdb_test.c LINKS vs_query LABELS conform)
vecstore_test(filter_predicate_test SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/filter_predicate_test.c LINKS vs_query)
# A table on a store that is far away (simulated).
vecstore_test(cold_query_test
    SOURCES
        ${CMAKE_SOURCE_DIR}/tests/unit/cold_query_test.c
        ${CMAKE_SOURCE_DIR}/tests/support/slow_store.c
        ${CMAKE_SOURCE_DIR}/tests/support/table_maker.c
    LINKS vs_query)
