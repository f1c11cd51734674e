# SPDX-License-Identifier: Apache-2.0
# Compiler settings shared by every target, and the two functions that define targets.
set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin) # the binary and all test programs
if(NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE RelWithDebInfo)
endif()

include(CheckCCompilerFlag)
find_package(Threads REQUIRED)

add_library(vs_settings INTERFACE)
target_include_directories(vs_settings INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_definitions(vs_settings INTERFACE _GNU_SOURCE VECSTORE_VERSION="${PROJECT_VERSION}")
target_compile_options(vs_settings INTERFACE -ffp-contract=off -fno-strict-aliasing -fno-delete-null-pointer-checks -fno-strict-overflow)
target_link_libraries(vs_settings INTERFACE Threads::Threads m)

target_compile_options(vs_settings INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Wstrict-prototypes
    -Wmissing-prototypes -Wcast-qual -Wwrite-strings -Wundef -Wformat=2 -Wswitch-enum -Wvla
    -Wdouble-promotion $<$<BOOL:${VECSTORE_WERROR}>:-Werror>)
# What the optimiser guesses differs by compiler release and level: shown, never fatal.
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
    target_compile_options(vs_settings INTERFACE -Wno-error=maybe-uninitialized -Wno-error=stringop-overflow
        -Wno-error=array-bounds -Wno-error=format-truncation)
endif()

if(VECSTORE_SANITIZE)
    target_compile_options(vs_settings INTERFACE -fsanitize=${VECSTORE_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    target_link_options(vs_settings INTERFACE -fsanitize=${VECSTORE_SANITIZE})
else()
    # OpenSSF hardening; each flag is probed, since gcc 12 and clang 14 know different subsets.
    foreach(flag -fstack-protector-strong -fstack-clash-protection -fcf-protection=full -fstrict-flex-arrays=3 -ftrivial-auto-var-init=zero)
        string(MAKE_C_IDENTIFIER "HAVE${flag}" have)
        check_c_compiler_flag(${flag} ${have})
        if(${have})
            target_compile_options(vs_settings INTERFACE ${flag})
        endif()
    endforeach()
    target_compile_options(vs_settings INTERFACE $<$<NOT:$<CONFIG:Debug>>:-U_FORTIFY_SOURCE> $<$<NOT:$<CONFIG:Debug>>:-D_FORTIFY_SOURCE=3>)
    target_link_options(vs_settings INTERFACE -Wl,-z,relro,-z,now,-z,noexecstack)
endif()

if(VECSTORE_FUZZ)
    if(NOT CMAKE_C_COMPILER_ID MATCHES "Clang")
        message(FATAL_ERROR "VECSTORE_FUZZ needs clang: cmake --preset fuzz")
    endif()
    # Coverage feedback everywhere; libFuzzer's main only in the fuzz targets (tests/fuzz/fuzz.cmake).
    target_compile_options(vs_settings INTERFACE -fsanitize=fuzzer-no-link)
    target_link_options(vs_settings INTERFACE -fsanitize=fuzzer-no-link)
endif()

# vecstore_library(name SOURCES a.c … [LINKS vs_base …] [PRIVATE_LINKS zstd …])
# LINKS are our own folders (visible to users), PRIVATE_LINKS third-party libraries of one adapter file.
function(vecstore_library name)
    cmake_parse_arguments(ARG "" "" "SOURCES;LINKS;PRIVATE_LINKS" ${ARGN})
    add_library(${name} STATIC ${ARG_SOURCES})
    target_link_libraries(${name} PUBLIC vs_settings ${ARG_LINKS} PRIVATE ${ARG_PRIVATE_LINKS})
endfunction()

# vecstore_test(name SOURCES x_test.c LINKS vs_base … [LABELS unit])
# Registers a ctest case whose working directory is the source tree.
function(vecstore_test name)
    cmake_parse_arguments(ARG "" "" "SOURCES;LINKS;LABELS;ARGS" ${ARGN})
    if(NOT ARG_LABELS)
        set(ARG_LABELS unit)
    endif()
    add_executable(${name} ${ARG_SOURCES})
    target_link_libraries(${name} PRIVATE vs_test_support ${ARG_LINKS})
    add_test(NAME ${name} COMMAND ${name} ${ARG_ARGS} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
    set_tests_properties(${name} PROPERTIES LABELS "${ARG_LABELS}" TIMEOUT 300 SKIP_RETURN_CODE 77)
endfunction()
