# SPDX-License-Identifier: Apache-2.0
vecstore_test(avro_test SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/avro_test.c LINKS vs_format)
vecstore_test(iceberg_scan_test SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/iceberg_scan_test.c LINKS vs_iceberg)
vecstore_test(table_metadata_test SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/table_metadata_test.c LINKS vs_iceberg)
vecstore_test(manifest_test SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/manifest_test.c LINKS vs_iceberg)
