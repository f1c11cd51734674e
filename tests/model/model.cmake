# SPDX-License-Identifier: Apache-2.0
# The commit protocol searched state by state; about 10 seconds.
find_program(VECSTORE_SYSTEM_PYTHON NAMES python3)
if(VECSTORE_SYSTEM_PYTHON)
    add_test(NAME commit_model_test
        COMMAND ${VECSTORE_SYSTEM_PYTHON} ${CMAKE_SOURCE_DIR}/tests/model/commit_model.py)
    set_tests_properties(commit_model_test PROPERTIES LABELS model TIMEOUT 300)
endif()
