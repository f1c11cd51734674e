# SPDX-License-Identifier: Apache-2.0
vecstore_test(commit_crash_test SOURCES ${CMAKE_SOURCE_DIR}/tests/fault/commit_crash_test.c LINKS vs_catalog LABELS fault)
vecstore_test(sql_crash_test SOURCES ${CMAKE_SOURCE_DIR}/tests/fault/sql_crash_test.c LINKS vs_catalog LABELS fault)
target_link_libraries(sql_crash_test PRIVATE ${CMAKE_DL_LIBS})
vecstore_test(commit_race_test SOURCES ${CMAKE_SOURCE_DIR}/tests/fault/commit_race_test.c LINKS vs_catalog LABELS fault)
# Every public operation with its n-th allocation or storage operation failing.
vecstore_test(api_torture_test SOURCES ${CMAKE_SOURCE_DIR}/tests/fault/api_torture_test.c LINKS vs_api LABELS fault)
