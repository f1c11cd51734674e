# SPDX-License-Identifier: Apache-2.0
vecstore_test(api_test SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/api_test.c LINKS vs_api)
