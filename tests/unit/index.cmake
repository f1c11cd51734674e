# SPDX-License-Identifier: Apache-2.0
foreach(test attrs ids payload)
    vecstore_test(${test}_test SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/${test}_test.c LINKS vs_index vs_format vs_base)
endforeach()
vecstore_test(codebook_test SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/codebook_test.c LINKS vs_index vs_base)
if(VECSTORE_FAISS)
    vecstore_test(trainer_test SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/trainer_test.c LINKS vs_index vs_base)
endif()
# The index file. index_fixture.c makes tables up and builds indexes of them in memory.
foreach(test topk index_format index_remap)
    vecstore_test(${test}_test SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/${test}_test.c LINKS vs_index vs_format vs_base)
endforeach()
if(VECSTORE_FAISS)
    foreach(test index_search index_build)
        vecstore_test(${test}_test
            SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/${test}_test.c ${CMAKE_SOURCE_DIR}/tests/support/index_fixture.c
            LINKS vs_index vs_format vs_base)
    endforeach()
endif()
