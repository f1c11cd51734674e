# SPDX-License-Identifier: Apache-2.0
vecstore_test(parquet_write_test SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/parquet_write_test.c LINKS vs_format)
vecstore_test(puffin_test SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/puffin_test.c LINKS vs_format)
vecstore_test(parquet_conform_test SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/parquet_conform_test.c LINKS vs_format)
vecstore_test(parquet_read_test SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/parquet_read_test.c LINKS vs_format)
vecstore_test(column_test SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/column_test.c LINKS vs_format)
vecstore_test(thrift_test SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/thrift_test.c LINKS vs_format)
vecstore_test(codec_test SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/codec_test.c LINKS vs_format)
vecstore_test(parquet_bits_test SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/parquet_bits_test.c LINKS vs_format)
