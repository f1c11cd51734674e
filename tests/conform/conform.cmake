# SPDX-License-Identifier: Apache-2.0
# A table of a catalog from the command line, for scripts that run other engines beside it.
add_executable(catalog_tool ${CMAKE_SOURCE_DIR}/tests/support/catalog_tool.c)
target_link_libraries(catalog_tool PRIVATE vs_test_support vs_catalog)
add_executable(rest_tool ${CMAKE_SOURCE_DIR}/tests/support/rest_tool.c)
target_link_libraries(rest_tool PRIVATE vs_test_support vs_catalog)
vecstore_test(store_conform_test SOURCES ${CMAKE_SOURCE_DIR}/tests/conform/store_conform_test.c
    LINKS vs_object vs_test_mock_s3 LABELS conform)
vecstore_test(corpus_format_test SOURCES ${CMAKE_SOURCE_DIR}/tests/conform/corpus_format_test.c
    LINKS vs_format LABELS conform)
add_executable(inspect_tool ${CMAKE_SOURCE_DIR}/tests/conform/inspect_tool.c)
target_link_libraries(inspect_tool PRIVATE vs_format vs_settings)
# Other engines beside the binary; the Python of VECSTORE_PYTHON (made by ./dev test) has them.
find_program(VECSTORE_SYSTEM_PYTHON NAMES python3)
if(TARGET vecstore AND VECSTORE_SYSTEM_PYTHON)
    add_test(NAME interop_test
        COMMAND sh -c "exec \"\${VECSTORE_PYTHON:-${VECSTORE_SYSTEM_PYTHON}}\" ${CMAKE_SOURCE_DIR}/tests/conform/interop_test.py $<TARGET_FILE:vecstore>"
        WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
    set_tests_properties(interop_test PROPERTIES LABELS conform TIMEOUT 300 SKIP_RETURN_CODE 77)
endif()
# The whole corpus through the command line (Python's standard library only), and tables exported
# and inspected beside PyIceberg and DuckDB.
if(TARGET vecstore AND VECSTORE_SYSTEM_PYTHON)
    add_test(NAME corpus_test
        COMMAND ${VECSTORE_SYSTEM_PYTHON} ${CMAKE_SOURCE_DIR}/tests/conform/corpus_test.py $<TARGET_FILE:vecstore>
        WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
    add_test(NAME export_test
        COMMAND sh -c "exec \"\${VECSTORE_PYTHON:-${VECSTORE_SYSTEM_PYTHON}}\" ${CMAKE_SOURCE_DIR}/tests/conform/export_test.py $<TARGET_FILE:vecstore>"
        WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
    set_tests_properties(corpus_test export_test PROPERTIES LABELS "conform;long" TIMEOUT 600 SKIP_RETURN_CODE 77)
endif()
if(VECSTORE_SYSTEM_PYTHON)
    add_test(NAME inspect_pyarrow_test
        COMMAND sh -c "exec \"\${VECSTORE_PYTHON:-${VECSTORE_SYSTEM_PYTHON}}\" ${CMAKE_SOURCE_DIR}/tests/conform/inspect_pyarrow_test.py $<TARGET_FILE:inspect_tool>"
        WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
    set_tests_properties(inspect_pyarrow_test PROPERTIES LABELS conform TIMEOUT 300 SKIP_RETURN_CODE 77)
endif()
if(VECSTORE_SYSTEM_PYTHON)
    add_test(NAME sql_catalog_test
        COMMAND sh -c "exec \"\${VECSTORE_PYTHON:-${VECSTORE_SYSTEM_PYTHON}}\" ${CMAKE_SOURCE_DIR}/tests/conform/sql_catalog_test.py $<TARGET_FILE:catalog_tool>"
        WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
    set_tests_properties(sql_catalog_test PROPERTIES LABELS conform TIMEOUT 300 SKIP_RETURN_CODE 77)
endif()
# Bitmaps and deletion vectors: those of others read by us, ours read by others.
vecstore_test(deletes_conform_test SOURCES ${CMAKE_SOURCE_DIR}/tests/conform/deletes_conform_test.c
    LINKS vs_iceberg LABELS conform)
add_executable(vector_table ${CMAKE_SOURCE_DIR}/tests/conform/vector_table.c)
target_link_libraries(vector_table PRIVATE vs_catalog)
if(VECSTORE_SYSTEM_PYTHON)
    add_test(NAME deletion_vector_conform_test
        COMMAND sh -c "exec \"\${VECSTORE_PYTHON:-${VECSTORE_SYSTEM_PYTHON}}\" ${CMAKE_SOURCE_DIR}/tests/conform/deletion_vector_test.py $<TARGET_FILE:vector_table>"
        WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
    set_tests_properties(deletion_vector_conform_test PROPERTIES LABELS conform TIMEOUT 120 SKIP_RETURN_CODE 77)
endif()
# Edits of table metadata from the command line, for PyIceberg to read the result.
add_executable(edit_tool ${CMAKE_SOURCE_DIR}/tests/support/edit_tool.c)
target_link_libraries(edit_tool PRIVATE vs_test_support vs_iceberg)
if(VECSTORE_SYSTEM_PYTHON)
    add_test(NAME metadata_edit_pyiceberg_test
        COMMAND sh -c "exec \"\${VECSTORE_PYTHON:-${VECSTORE_SYSTEM_PYTHON}}\" ${CMAKE_SOURCE_DIR}/tests/conform/metadata_edit_test.py $<TARGET_FILE:edit_tool>"
        WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
    set_tests_properties(metadata_edit_pyiceberg_test PROPERTIES LABELS conform TIMEOUT 300 SKIP_RETURN_CODE 77)
endif()
# Partitioned tables with PyIceberg and DuckDB.
add_executable(scan_tool ${CMAKE_SOURCE_DIR}/tests/support/scan_tool.c)
target_link_libraries(scan_tool PRIVATE vs_ingest vs_catalog vs_iceberg)
if(VECSTORE_SYSTEM_PYTHON)
    add_test(NAME partition_test
        COMMAND sh -c "exec \"\${VECSTORE_PYTHON:-${VECSTORE_SYSTEM_PYTHON}}\" ${CMAKE_SOURCE_DIR}/tests/conform/partition_test.py $<TARGET_FILE:scan_tool>"
        WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
    set_tests_properties(partition_test PROPERTIES LABELS "conform;long" TIMEOUT 600 SKIP_RETURN_CODE 77)
endif()
if(VECSTORE_SYSTEM_PYTHON)
    # Against the service of VECSTORE_TEST_REST_URI; skipped without one.
    add_test(NAME rest_catalog_test
        COMMAND sh -c "exec \"\${VECSTORE_PYTHON:-${VECSTORE_SYSTEM_PYTHON}}\" ${CMAKE_SOURCE_DIR}/tests/conform/rest_catalog_test.py $<TARGET_FILE:rest_tool>"
        WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
    set_tests_properties(rest_catalog_test PROPERTIES LABELS long TIMEOUT 600 SKIP_RETURN_CODE 77)
endif()
# Expiry, overwrites, branches and orphans: PyIceberg reads the table after each of them.
if(TARGET vecstore AND VECSTORE_SYSTEM_PYTHON)
    add_test(NAME upkeep_interop_test
        COMMAND sh -c "exec \"\${VECSTORE_PYTHON:-${VECSTORE_SYSTEM_PYTHON}}\" ${CMAKE_SOURCE_DIR}/tests/conform/upkeep_interop_test.py $<TARGET_FILE:vecstore>"
        WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
    set_tests_properties(upkeep_interop_test PROPERTIES LABELS conform TIMEOUT 300 SKIP_RETURN_CODE 77)
endif()
# The twenty most frequent failures between implementations, with PyIceberg, fastavro and pyarrow.
if(TARGET vecstore AND VECSTORE_SYSTEM_PYTHON)
    add_test(NAME twenty_failures_test
        COMMAND sh -c "VECSTORE_BIN=$<TARGET_FILE:vecstore> exec \"\${VECSTORE_PYTHON:-${VECSTORE_SYSTEM_PYTHON}}\" -W ignore ${CMAKE_SOURCE_DIR}/tests/interop/twenty.py"
        WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
    set_tests_properties(twenty_failures_test PROPERTIES LABELS "conform;long" TIMEOUT 600 SKIP_RETURN_CODE 77)
endif()
# Compaction: PyIceberg and DuckDB read the table before and after, and beside four writers.
if(TARGET vecstore AND VECSTORE_SYSTEM_PYTHON)
    add_test(NAME compact_interop_test
        COMMAND sh -c "exec \"\${VECSTORE_PYTHON:-${VECSTORE_SYSTEM_PYTHON}}\" ${CMAKE_SOURCE_DIR}/tests/conform/compact_interop_test.py $<TARGET_FILE:vecstore>"
        WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
    set_tests_properties(compact_interop_test PROPERTIES LABELS "conform;long" TIMEOUT 300 SKIP_RETURN_CODE 77)
endif()
