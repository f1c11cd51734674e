# SPDX-License-Identifier: Apache-2.0
vecstore_test(store_uri_test SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/store_uri_test.c LINKS vs_object)
# System calls are replaced by ones that fail on demand.
vecstore_test(store_dir_test SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/store_dir_test.c LINKS vs_object)
target_link_options(store_dir_test PRIVATE
    LINKER:--wrap=fsync,--wrap=write,--wrap=pread,--wrap=linkat)
