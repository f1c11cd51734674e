# SPDX-License-Identifier: Apache-2.0
# The HTTP server from outside, with Python's standard library alone.
find_program(VECSTORE_SYSTEM_PYTHON NAMES python3)
if(TARGET vecstore AND VECSTORE_SYSTEM_PYTHON)
    add_test(NAME http_server_test
        COMMAND ${VECSTORE_SYSTEM_PYTHON} ${CMAKE_SOURCE_DIR}/tests/e2e/http_server_test.py $<TARGET_FILE:vecstore>
        WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
    set_tests_properties(http_server_test PROPERTIES LABELS e2e TIMEOUT 300 SKIP_RETURN_CODE 77)
endif()
# The command line from outside, the same way.
if(TARGET vecstore AND VECSTORE_SYSTEM_PYTHON)
    add_test(NAME cli_test
        COMMAND ${VECSTORE_SYSTEM_PYTHON} ${CMAKE_SOURCE_DIR}/tests/e2e/cli_test.py $<TARGET_FILE:vecstore>
        WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
    set_tests_properties(cli_test PROPERTIES LABELS e2e TIMEOUT 300 SKIP_RETURN_CODE 77)
endif()
# Commands that change or clean up a table.
if(TARGET vecstore AND VECSTORE_SYSTEM_PYTHON)
    add_test(NAME cli_table_test
        COMMAND ${VECSTORE_SYSTEM_PYTHON} ${CMAKE_SOURCE_DIR}/tests/e2e/cli_table_test.py $<TARGET_FILE:vecstore>
        WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
    set_tests_properties(cli_table_test PROPERTIES LABELS e2e TIMEOUT 300 SKIP_RETURN_CODE 77)
endif()
# The life of an index.
if(TARGET vecstore AND VECSTORE_SYSTEM_PYTHON)
    add_test(NAME cli_index_test
        COMMAND ${VECSTORE_SYSTEM_PYTHON} ${CMAKE_SOURCE_DIR}/tests/e2e/cli_index_test.py $<TARGET_FILE:vecstore>
        WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
    set_tests_properties(cli_index_test PROPERTIES LABELS e2e TIMEOUT 300 SKIP_RETURN_CODE 77)
endif()
