# SPDX-License-Identifier: Apache-2.0
vecstore_test(store_conform_test SOURCES ${CMAKE_SOURCE_DIR}/tests/conform/store_conform_test.c
    LINKS vs_object LABELS conform)
# Other engines beside the binary; the Python of VECSTORE_PYTHON (made by ./dev test) has them.
find_program(VECSTORE_SYSTEM_PYTHON NAMES python3)
if(TARGET vecstore AND VECSTORE_SYSTEM_PYTHON)
    add_test(NAME interop_test
        COMMAND sh -c "exec \"\${VECSTORE_PYTHON:-${VECSTORE_SYSTEM_PYTHON}}\" ${CMAKE_SOURCE_DIR}/tests/conform/interop_test.py $<TARGET_FILE:vecstore>"
        WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
    set_tests_properties(interop_test PROPERTIES LABELS conform TIMEOUT 300 SKIP_RETURN_CODE 77)
endif()
