# SPDX-License-Identifier: Apache-2.0
if(VECSTORE_FAISS)
    vecstore_test(recall_test
        SOURCES ${CMAKE_SOURCE_DIR}/tests/recall/recall_test.c ${CMAKE_SOURCE_DIR}/tests/support/index_fixture.c
        LINKS vs_index vs_format vs_base
        LABELS recall)
    vecstore_test(filter_recall_test
        SOURCES ${CMAKE_SOURCE_DIR}/tests/recall/filter_recall_test.c ${CMAKE_SOURCE_DIR}/tests/support/index_fixture.c
        LINKS vs_index vs_format vs_base
        ARGS generated
        LABELS recall)
    add_test(NAME filter_recall_text_test COMMAND filter_recall_test real_text WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
    set_tests_properties(filter_recall_text_test PROPERTIES LABELS "recall;long" TIMEOUT 900 SKIP_RETURN_CODE 77)
endif()
