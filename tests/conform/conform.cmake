# SPDX-License-Identifier: Apache-2.0
vecstore_test(store_conform_test SOURCES ${CMAKE_SOURCE_DIR}/tests/conform/store_conform_test.c
    LINKS vs_object LABELS conform)
