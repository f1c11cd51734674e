# SPDX-License-Identifier: Apache-2.0
vecstore_test(avro_test SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/avro_test.c LINKS vs_format)
vecstore_test(iceberg_scan_test SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/iceberg_scan_test.c LINKS vs_iceberg)
vecstore_test(table_metadata_test SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/table_metadata_test.c LINKS vs_iceberg)
vecstore_test(manifest_test SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/manifest_test.c LINKS vs_iceberg)
vecstore_test(metadata_diff_test SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/metadata_diff_test.c LINKS vs_iceberg)
vecstore_test(metadata_edit_test SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/metadata_edit_test.c LINKS vs_iceberg)
vecstore_test(file_scan_test SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/file_scan_test.c LINKS vs_iceberg)
vecstore_test(equality_deletes_test SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/equality_deletes_test.c LINKS vs_iceberg)
vecstore_test(deletion_vector_test SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/deletion_vector_test.c LINKS vs_catalog)
vecstore_test(transform_test SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/transform_test.c
    LINKS vs_iceberg)
vecstore_test(predicate_test SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/predicate_test.c
    LINKS vs_iceberg)
vecstore_test(commit_edit_test SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/commit_edit_test.c LINKS vs_iceberg)
vecstore_test(schema_json_test SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/schema_json_test.c LINKS vs_iceberg)
vecstore_test(scan_scope_test SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/scan_scope_test.c LINKS vs_iceberg)
