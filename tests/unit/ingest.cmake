# SPDX-License-Identifier: Apache-2.0
vecstore_test(source_jsonl_test SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/source_jsonl_test.c LINKS vs_ingest)
vecstore_test(source_npy_test SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/source_npy_test.c LINKS vs_ingest)
vecstore_test(source_parquet_test SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/source_parquet_test.c LINKS vs_ingest)
foreach(name expire_job gate id_set index_publish locate orphan_job row_change table_rows)
    vecstore_test(${name}_test SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/${name}_test.c LINKS vs_ingest)
endforeach()
vecstore_test(check_job_test SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/check_job_test.c LINKS vs_ingest)
vecstore_test(batch_write_test SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/batch_write_test.c LINKS vs_ingest)
vecstore_test(refresh_plan_test SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/refresh_plan_test.c LINKS vs_ingest)
if(VECSTORE_FAISS)
    foreach(name index_refresh_test index_steps_test)
        vecstore_test(${name}
            SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/${name}.c ${CMAKE_SOURCE_DIR}/tests/support/table_maker.c
            LINKS vs_ingest)
    endforeach()
endif()
