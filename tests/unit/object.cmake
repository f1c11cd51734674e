# SPDX-License-Identifier: Apache-2.0
vecstore_test(store_uri_test SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/store_uri_test.c LINKS vs_object)
# System calls are replaced by ones that fail on demand.
vecstore_test(store_dir_test SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/store_dir_test.c LINKS vs_object)
target_link_options(store_dir_test PRIVATE
    LINKER:--wrap=fsync,--wrap=write,--wrap=pread,--wrap=linkat,--wrap=copy_file_range)
vecstore_test(chunk_cache_test SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/chunk_cache_test.c LINKS vs_object)
vecstore_test(http_client_test SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/http_client_test.c LINKS vs_object)
# An S3 server inside the test programs.
add_library(vs_test_mock_s3 STATIC ${CMAKE_SOURCE_DIR}/tests/support/mock_s3.c
    ${CMAKE_SOURCE_DIR}/tests/support/mock_s3_ops.c)
target_link_libraries(vs_test_mock_s3 PUBLIC vs_object)
vecstore_test(aws_sign_test SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/aws_sign_test.c LINKS vs_object)
foreach(name s3_xml_test store_hook_test store_s3_test store_s3_read_test)
    vecstore_test(${name} SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/${name}.c
        LINKS vs_object vs_test_mock_s3)
endforeach()
vecstore_test(aws_credentials_test SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/aws_credentials_test.c LINKS vs_object)
# Tens of megabytes in parts, and every allocation on the way.
vecstore_test(store_s3_write_test SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/store_s3_write_test.c
    LINKS vs_object vs_test_mock_s3 LABELS long)
