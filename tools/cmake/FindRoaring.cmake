# SPDX-License-Identifier: Apache-2.0
# FindRoaring: CRoaring, the bitmap library behind vecstore/base/bitmap.c.
#
#   find_package(Roaring)      ->  Roaring_FOUND, target vs_roaring
#
# Debian 12 (0.2.66) and 13 package it as libroaring-dev; `./dev setup` installs it.

find_path(Roaring_INCLUDE_DIR NAMES roaring/roaring.h DOC "Folder that holds roaring/roaring.h")
find_library(Roaring_LIBRARY NAMES roaring DOC "libroaring")
mark_as_advanced(Roaring_INCLUDE_DIR Roaring_LIBRARY)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Roaring
    REQUIRED_VARS Roaring_LIBRARY Roaring_INCLUDE_DIR
    REASON_FAILURE_MESSAGE "Run './dev setup', which installs libroaring-dev.")

if(Roaring_FOUND AND NOT TARGET vs_roaring)
    add_library(vs_roaring INTERFACE)
    target_include_directories(vs_roaring SYSTEM INTERFACE ${Roaring_INCLUDE_DIR})
    target_link_libraries(vs_roaring INTERFACE ${Roaring_LIBRARY})
endif()
