# SPDX-License-Identifier: Apache-2.0
vecstore_test(commit_test SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/commit_test.c LINKS vs_catalog)
vecstore_test(commit_outcome_test SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/commit_outcome_test.c LINKS vs_catalog)
vecstore_test(catalog_sql_test SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/catalog_sql_test.c LINKS vs_catalog)
vecstore_test(catalog_dir_test SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/catalog_dir_test.c LINKS vs_catalog)
vecstore_test(rest_client_test
    SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/rest_client_test.c ${CMAKE_SOURCE_DIR}/tests/support/rest_service.c
    LINKS vs_catalog)
vecstore_test(catalog_rest_test
    SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/catalog_rest_test.c ${CMAKE_SOURCE_DIR}/tests/support/rest_service.c
    LINKS vs_catalog)
vecstore_test(catalog_s3_test SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/catalog_s3_test.c
    LINKS vs_catalog vs_test_mock_s3)
