# SPDX-License-Identifier: Apache-2.0
vecstore_test(api_test SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/api_test.c LINKS vs_api)
vecstore_test(compact_job_test SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/compact_job_test.c LINKS vs_api)
