# SPDX-License-Identifier: Apache-2.0
foreach(test attrs ids payload)
    vecstore_test(${test}_test SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/${test}_test.c LINKS vs_index vs_format vs_base)
endforeach()
vecstore_test(codebook_test SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/codebook_test.c LINKS vs_index vs_base)
vecstore_test(codebook_assign_test SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/codebook_assign_test.c LINKS vs_index vs_simd vs_base)
foreach(table scalar avx2) # the same checksum for every kernel table
    add_test(NAME codebook_assign_test_${table} COMMAND codebook_assign_test WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
    set_tests_properties(codebook_assign_test_${table} PROPERTIES LABELS unit TIMEOUT 300 SKIP_RETURN_CODE 77 ENVIRONMENT VS_SIMD=${table})
endforeach()
if(VECSTORE_FAISS)
    vecstore_test(train_steps_test SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/train_steps_test.c LINKS vs_index vs_base)
    vecstore_test(trainer_test SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/trainer_test.c LINKS vs_index vs_base)
endif()
# The index file. index_fixture.c makes tables up and builds indexes of them in memory.
foreach(test topk index_format index_remap drift)
    vecstore_test(${test}_test SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/${test}_test.c LINKS vs_index vs_format vs_base)
endforeach()
if(VECSTORE_FAISS)
    foreach(test index_search index_build index_half index_merge index_mutation rescore build_spill build_parts)
        vecstore_test(${test}_test
            SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/${test}_test.c ${CMAKE_SOURCE_DIR}/tests/support/index_fixture.c
            LINKS vs_index vs_format vs_base)
    endforeach()
endif()
# Batches in many small waves: the same test, with room for the sums of a few queries.
if(VECSTORE_FAISS)
    vecstore_test(batch_waves_test
        SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/index_search_test.c ${CMAKE_SOURCE_DIR}/tests/support/index_fixture.c
            ${CMAKE_SOURCE_DIR}/index/lists_batch.c
        LINKS vs_index vs_format vs_simd vs_base)
    target_compile_definitions(batch_waves_test PRIVATE VS_BATCH_SUMS=1500)
endif()
# Indexes opened lazily, over a store that is simulated.
if(VECSTORE_FAISS)
    vecstore_test(index_cold_test
        SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/index_cold_test.c ${CMAKE_SOURCE_DIR}/tests/support/index_fixture.c
            ${CMAKE_SOURCE_DIR}/tests/support/slow_store.c
        LINKS vs_index vs_object vs_format vs_base)
endif()
# The same hostile files, ten times as many.
if(VECSTORE_FAISS)
    add_test(NAME index_mutation_long_test COMMAND index_mutation_test WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
    set_tests_properties(index_mutation_long_test PROPERTIES LABELS long TIMEOUT 900 SKIP_RETURN_CODE 77
        ENVIRONMENT VECSTORE_MUTATIONS=10000)
endif()
vecstore_test(batch_rank_test SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/batch_rank_test.c LINKS vs_index vs_simd vs_base)
# The recall curve, what it is measured by, and the choice of settings.
vecstore_test(recall_curve_test SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/recall_curve_test.c LINKS vs_index vs_base)
if(VECSTORE_FAISS)
    vecstore_test(measure_curve_test
        SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/measure_curve_test.c ${CMAKE_SOURCE_DIR}/tests/support/index_fixture.c
        LINKS vs_index vs_format vs_base)
    vecstore_test(tune_test SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/tune_test.c LINKS vs_index vs_base)
endif()
