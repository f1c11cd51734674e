# SPDX-License-Identifier: Apache-2.0
vecstore_test(commit_crash_test SOURCES ${CMAKE_SOURCE_DIR}/tests/fault/commit_crash_test.c LINKS vs_catalog LABELS fault)
vecstore_test(sql_crash_test SOURCES ${CMAKE_SOURCE_DIR}/tests/fault/sql_crash_test.c LINKS vs_catalog LABELS fault)
target_link_libraries(sql_crash_test PRIVATE ${CMAKE_DL_LIBS})
vecstore_test(commit_race_test SOURCES ${CMAKE_SOURCE_DIR}/tests/fault/commit_race_test.c LINKS vs_catalog LABELS fault)
# Every public operation with its n-th allocation or storage operation failing.
vecstore_test(api_torture_test SOURCES ${CMAKE_SOURCE_DIR}/tests/fault/api_torture_test.c LINKS vs_api LABELS fault)
# Damaged objects: found, or without a difference. A slice every day, the whole in the long tier.
vecstore_test(corruption_test SOURCES ${CMAKE_SOURCE_DIR}/tests/fault/corruption_test.c LINKS vs_catalog ARGS 1500 LABELS fault)
add_test(NAME corruption_long_test COMMAND corruption_test 20000 7 WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
set_tests_properties(corruption_long_test PROPERTIES LABELS "fault;long" TIMEOUT 600)
find_program(VECSTORE_SYSTEM_PYTHON NAMES python3)
# The binary stopped or failed at each call that changes a file.
add_library(syscall_shim SHARED ${CMAKE_SOURCE_DIR}/tests/support/syscall_shim.c)
target_link_libraries(syscall_shim PRIVATE vs_settings ${CMAKE_DL_LIBS})
if(TARGET vecstore AND VECSTORE_SYSTEM_PYTHON AND NOT VECSTORE_SANITIZE)
    add_test(NAME crash_points_test
        COMMAND ${VECSTORE_SYSTEM_PYTHON} ${CMAKE_SOURCE_DIR}/tests/fault/crash_points.py $<TARGET_FILE:vecstore> $<TARGET_FILE:syscall_shim> --every 40
        WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
    add_test(NAME crash_points_long_test
        COMMAND ${VECSTORE_SYSTEM_PYTHON} ${CMAKE_SOURCE_DIR}/tests/fault/crash_points.py $<TARGET_FILE:vecstore> $<TARGET_FILE:syscall_shim>
        WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
    set_tests_properties(crash_points_test PROPERTIES LABELS fault TIMEOUT 300 SKIP_RETURN_CODE 77)
    set_tests_properties(crash_points_long_test PROPERTIES LABELS "fault;long" TIMEOUT 1800 SKIP_RETURN_CODE 77)
endif()

# Commits over a network that fails: a scripted S3 store and REST catalog (tests/support/fault_server.py). Everyday: every
# fault at the request that decides, and stores that are refused; the long parts are the scoreboard's.
if(TARGET vecstore AND VECSTORE_SYSTEM_PYTHON)
    add_test(NAME remote_faults_quick_test
        COMMAND ${VECSTORE_SYSTEM_PYTHON} ${CMAKE_SOURCE_DIR}/tests/fault/remote_faults_test.py $<TARGET_FILE:vecstore> broken publishes)
    set_tests_properties(remote_faults_quick_test PROPERTIES LABELS fault TIMEOUT 300)
    foreach(part matrix lost crash stalled writers)
        add_test(NAME remote_faults_${part}_test
            COMMAND ${VECSTORE_SYSTEM_PYTHON} ${CMAKE_SOURCE_DIR}/tests/fault/remote_faults_test.py $<TARGET_FILE:vecstore> ${part})
        set_tests_properties(remote_faults_${part}_test PROPERTIES LABELS "fault;long" TIMEOUT 1800)
    endforeach()
endif()
# Inspection and export with every allocation failing once.
vecstore_test(inspect_torture_test SOURCES ${CMAKE_SOURCE_DIR}/tests/fault/inspect_torture_test.c
    LINKS vs_api LABELS fault)
target_compile_definitions(inspect_torture_test PRIVATE VS_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
# Clocks that are wrong and jump back: commits, expiry, orphans.
vecstore_test(clock_skew_test SOURCES ${CMAKE_SOURCE_DIR}/tests/fault/clock_skew_test.c LINKS vs_ingest ARGS 30 LABELS fault)
add_test(NAME clock_skew_long_test COMMAND clock_skew_test 200 5 WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
set_tests_properties(clock_skew_long_test PROPERTIES LABELS "fault;long" TIMEOUT 600)
