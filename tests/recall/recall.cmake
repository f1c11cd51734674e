# SPDX-License-Identifier: Apache-2.0
if(VECSTORE_FAISS)
    vecstore_test(recall_test
        SOURCES ${CMAKE_SOURCE_DIR}/tests/recall/recall_test.c ${CMAKE_SOURCE_DIR}/tests/support/index_fixture.c
        LINKS vs_index vs_format vs_base
        LABELS recall)
endif()
