# SPDX-License-Identifier: Apache-2.0
foreach(name arena bitmap buf bytes cancel crc32c crypto datetime decimal env float_text io json json_write pool status str uuid)
    vecstore_test(${name}_test SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/${name}_test.c LINKS vs_base)
endforeach()
