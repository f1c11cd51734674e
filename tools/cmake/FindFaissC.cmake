# SPDX-License-Identifier: Apache-2.0
# FindFaissC: the C API of FAISS and everything that is needed to link it, as one target.
#
#   find_package(FaissC)      ->  FaissC_FOUND, target vs_faiss_c
#
# Where the C API comes from, in this order:
#   1. ${VECSTORE_DEPS_DIR}/faiss: libfaiss_c.a and include/, made by `./dev setup` from the
#      distribution's own source package where libfaiss-dev has no C symbols;
#   2. the system: libfaiss_c, or a libfaiss that exports faiss_index_factory itself.
# Either way the C++ library is the packaged one. The one include form is <faiss/c_api/Index_c.h>.
#
# The packaged library is C++ with OpenMP and BLAS, so the C++ runtime, libgomp and OpenBLAS are
# linked by name; LAPACK is part of OpenBLAS.

set(FaissC_DEPS ${VECSTORE_DEPS_DIR}/faiss)

find_library(FaissC_CXX_LIBRARY NAMES faiss DOC "The FAISS C++ library (libfaiss-dev)")
find_library(FaissC_BLAS_LIBRARY NAMES openblas DOC "OpenBLAS with LAPACK (libopenblas-dev)")

if(EXISTS ${FaissC_DEPS}/libfaiss_c.a)
    set(FaissC_C_LIBRARY ${FaissC_DEPS}/libfaiss_c.a)
    set(FaissC_INCLUDE_DIR ${FaissC_DEPS}/include)
else()
    find_library(FaissC_C_LIBRARY NAMES faiss_c DOC "The FAISS C API")
    find_path(FaissC_INCLUDE_DIR NAMES faiss/c_api/Index_c.h DOC "Folder that holds faiss/c_api")
    mark_as_advanced(FaissC_C_LIBRARY FaissC_INCLUDE_DIR)
    if(NOT FaissC_C_LIBRARY)
        set(FaissC_C_LIBRARY "")
    endif()
endif()
mark_as_advanced(FaissC_CXX_LIBRARY FaissC_BLAS_LIBRARY)

# Headers without symbols are a common packaging state, so a program is linked before we believe it.
if(FaissC_CXX_LIBRARY AND FaissC_BLAS_LIBRARY AND FaissC_INCLUDE_DIR)
    include(CheckCSourceCompiles)
    set(CMAKE_REQUIRED_INCLUDES ${FaissC_INCLUDE_DIR})
    set(CMAKE_REQUIRED_LIBRARIES
        ${FaissC_C_LIBRARY} ${FaissC_CXX_LIBRARY} ${FaissC_BLAS_LIBRARY} stdc++ gomp m)
    check_c_source_compiles("
        #include <faiss/c_api/Index_c.h>
        #include <faiss/c_api/index_factory_c.h>
        int main(void)
        {
            FaissIndex *index = 0;
            return faiss_index_factory(&index, 8, \"Flat\", METRIC_L2);
        }" FaissC_LINKS)
    unset(CMAKE_REQUIRED_INCLUDES)
    unset(CMAKE_REQUIRED_LIBRARIES)
    if(NOT FaissC_LINKS)
        unset(FaissC_LINKS CACHE) # set-up may add the library later: look again next time
        set(FaissC_LINKS FALSE)
    endif()
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(FaissC
    REQUIRED_VARS FaissC_CXX_LIBRARY FaissC_BLAS_LIBRARY FaissC_INCLUDE_DIR FaissC_LINKS
    REASON_FAILURE_MESSAGE "Run './dev setup', or configure with -DVECSTORE_FAISS=OFF: that binary serves and searches every index and only cannot train one.")

if(FaissC_FOUND AND NOT TARGET vs_faiss_c)
    add_library(vs_faiss_c INTERFACE)
    target_include_directories(vs_faiss_c SYSTEM INTERFACE ${FaissC_INCLUDE_DIR})
    target_link_libraries(vs_faiss_c INTERFACE
        ${FaissC_C_LIBRARY} ${FaissC_CXX_LIBRARY} ${FaissC_BLAS_LIBRARY} stdc++ gomp m)
endif()
