# SPDX-License-Identifier: Apache-2.0
foreach(name http_guard http_routes http_wire http_watchdog)
    vecstore_test(${name}_test SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/${name}_test.c LINKS vs_http)
endforeach()
