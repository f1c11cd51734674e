# SPDX-License-Identifier: Apache-2.0
vecstore_test(commit_test SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/commit_test.c LINKS vs_catalog)
vecstore_test(catalog_dir_test SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/catalog_dir_test.c LINKS vs_catalog)
