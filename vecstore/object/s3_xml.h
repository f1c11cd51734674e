// SPDX-License-Identifier: Apache-2.0
/*
 * XML as S3 servers send it: elements, character data, the five named entities, character
 * references and CDATA. Attributes are skipped, prefixes of names ignored; a document type
 * declaration is refused.
 *
 * The bytes come from outside: depth and size are bounded, nothing is recursive. Ownership: what a
 * visitor is shown dies with the call. Threads: pure.
 */
#ifndef VS_OBJECT_S3_XML_H
#define VS_OBJECT_S3_XML_H

#include "vecstore/base/buf.h"

#define VS_XML_DEPTH_MAX 16

// An element that has just ended.
struct vs_xml_element {
    struct vs_str name;   // without prefix
    struct vs_str parent; // "" for the root
    struct vs_str root;
    struct vs_str text; // its own character data, decoded; "" when it has children
    size_t depth;       // 1: the root
};

typedef enum vs_status (*vs_xml_visit_fn)(void *ctx,
                                          const struct vs_xml_element *element,
                                          struct vs_error *err);

// Visits every element at its end, children before parents. CORRUPT with a reason when the text is
// no such document; what was visited before stays visited.
enum vs_status vs_xml_walk(const struct vs_env *env,
                           struct vs_str text,
                           vs_xml_visit_fn visit,
                           void *ctx,
                           struct vs_error *err);

// Appends text with & < > " escaped.
enum vs_status vs_xml_escape(struct vs_str text, struct vs_buf *out, struct vs_error *err);

#endif
