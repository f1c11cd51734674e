# SPDX-License-Identifier: Apache-2.0
foreach(name cli_args exit_code progress_estimate)
    vecstore_test(${name}_test SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/${name}_test.c LINKS vs_cli)
endforeach()
