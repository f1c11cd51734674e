# SPDX-License-Identifier: Apache-2.0
# FindYyjson: the JSON library behind vecstore/base/json.c.
#
#   find_package(Yyjson)      ->  Yyjson_FOUND, target vs_yyjson
#
# Debian 13 and Ubuntu 24.04 package it (libyyjson-dev); on Debian 12 `./dev setup` installs the
# packages of the next release.

find_path(Yyjson_INCLUDE_DIR NAMES yyjson.h DOC "Folder that holds yyjson.h")
find_library(Yyjson_LIBRARY NAMES yyjson DOC "libyyjson")
mark_as_advanced(Yyjson_INCLUDE_DIR Yyjson_LIBRARY)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Yyjson
    REQUIRED_VARS Yyjson_LIBRARY Yyjson_INCLUDE_DIR
    REASON_FAILURE_MESSAGE "Run './dev setup', which installs libyyjson-dev.")

if(Yyjson_FOUND AND NOT TARGET vs_yyjson)
    add_library(vs_yyjson INTERFACE)
    target_include_directories(vs_yyjson SYSTEM INTERFACE ${Yyjson_INCLUDE_DIR})
    target_link_libraries(vs_yyjson INTERFACE ${Yyjson_LIBRARY})
endif()
