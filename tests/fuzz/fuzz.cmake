# SPDX-License-Identifier: Apache-2.0
# One fuzz target per decoder of outside bytes: tests/fuzz/fuzz_NAME.c.
#
#   cmake --preset fuzz      libFuzzer programs fuzz_NAME (target `fuzzers` builds them all), run by
#                            `./dev fuzz`; fuzz_targets.txt lists them with their seeds
#   every other preset       programs replay_NAME: each seed, and damaged versions of it, in ctest
#
# Seeds are the files below tests/fuzz/corpus/NAME/ (inputs that once crashed stay there) and the
# golden files whose names end in one of the suffixes given here.

set(VS_FUZZ_DIR ${CMAKE_CURRENT_SOURCE_DIR}/fuzz)
add_custom_target(fuzzers)

# vecstore_fuzz(NAME LINKS vs_folder [SEEDS .suffix…])
function(vecstore_fuzz name)
    cmake_parse_arguments(ARG "" "" "LINKS;SEEDS" ${ARGN})
    set_property(GLOBAL APPEND PROPERTY VS_FUZZ_NAMES ${name})
    set(source ${VS_FUZZ_DIR}/fuzz_${name}.c)
    set(corpus ${VS_FUZZ_DIR}/corpus/${name})
    if(NOT EXISTS ${source})
        return()
    endif()

    set(patterns "")
    foreach(suffix ${ARG_SEEDS})
        list(APPEND patterns ${CMAKE_SOURCE_DIR}/tests/golden/*${suffix})
    endforeach()
    set(seeds "")
    if(patterns)
        file(GLOB_RECURSE seeds CONFIGURE_DEPENDS ${patterns})
    endif()
    file(GLOB kept CONFIGURE_DEPENDS ${corpus}/*)
    list(APPEND seeds ${kept})

    if(VECSTORE_FUZZ)
        add_executable(fuzz_${name} ${source})
        target_link_libraries(fuzz_${name} PRIVATE ${ARG_LINKS})
        target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
        add_dependencies(fuzzers fuzz_${name})
        string(REPLACE ";" " " line "${name};${seeds}")
        set_property(GLOBAL APPEND PROPERTY VS_FUZZ_LINES "${line}")
    else()
        add_executable(replay_${name} ${source} ${VS_FUZZ_DIR}/replay_main.c)
        target_link_libraries(replay_${name} PRIVATE ${ARG_LINKS})
        add_test(NAME replay_${name} COMMAND replay_${name} -n 100 ${seeds}
            WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
        set_tests_properties(replay_${name} PROPERTIES LABELS unit TIMEOUT 300)
    endif()
endfunction()

vecstore_fuzz(thrift LINKS vs_format SEEDS .thrift)
vecstore_fuzz(parquet_meta LINKS vs_format SEEDS .parquet)
vecstore_fuzz(parquet_page LINKS vs_format SEEDS .parquet)
vecstore_fuzz(record LINKS vs_format SEEDS .parquet)
vecstore_fuzz(avro_file LINKS vs_format SEEDS .avro)
vecstore_fuzz(avro_schema LINKS vs_format SEEDS .avsc)
vecstore_fuzz(manifest LINKS vs_iceberg SEEDS .avro)
vecstore_fuzz(table_metadata LINKS vs_iceberg SEEDS .metadata.json)
vecstore_fuzz(inspect_metadata LINKS vs_api SEEDS .metadata.json)
vecstore_fuzz(puffin LINKS vs_format SEEDS .puffin)
vecstore_fuzz(index_open LINKS vs_index SEEDS .puffin)
vecstore_fuzz(attrs LINKS vs_index)
vecstore_fuzz(codebook LINKS vs_index)
vecstore_fuzz(ids LINKS vs_index)
vecstore_fuzz(index_model LINKS vs_index)
vecstore_fuzz(index_part LINKS vs_index)
vecstore_fuzz(list_summary LINKS vs_index SEEDS .vssm)
vecstore_fuzz(payload LINKS vs_index)
vecstore_fuzz(bitmap LINKS vs_base)
vecstore_fuzz(base64 LINKS vs_simd)
vecstore_fuzz(json LINKS vs_base SEEDS .json)
vecstore_fuzz(aws_profile LINKS vs_object)
vecstore_fuzz(s3_xml LINKS vs_object)
vecstore_fuzz(npy LINKS vs_ingest SEEDS .npy)
# Not from the golden file: with its 40 KB as the smallest seed a second sees hardly 200 inputs.
vecstore_fuzz(jsonl LINKS vs_ingest)
vecstore_fuzz(filter_text LINKS vs_query SEEDS .filter)
vecstore_fuzz(filter_json LINKS vs_query SEEDS .filter.json)
vecstore_fuzz(rest_answer LINKS vs_catalog)
vecstore_fuzz(http_query LINKS vs_http SEEDS .query.json)

# A target that nobody registered would never run.
file(GLOB present RELATIVE ${VS_FUZZ_DIR} CONFIGURE_DEPENDS ${VS_FUZZ_DIR}/fuzz_*.c)
get_property(registered GLOBAL PROPERTY VS_FUZZ_NAMES)
foreach(file ${present})
    string(REGEX REPLACE "^fuzz_(.*)\\.c$" "\\1" name ${file})
    if(NOT name IN_LIST registered)
        message(WARNING "tests/fuzz/${file} is not registered in tests/fuzz/fuzz.cmake")
    endif()
endforeach()

if(VECSTORE_FUZZ)
    get_property(lines GLOBAL PROPERTY VS_FUZZ_LINES)
    string(REPLACE ";" "\n" text "${lines}")
    file(WRITE ${CMAKE_BINARY_DIR}/fuzz_targets.txt "${text}\n")
endif()
