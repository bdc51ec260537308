/*
 * Just enough XML to read the small answers of S3 and STS: the name of the
 * root, and the text of an element. No tree, no entities but XML's own five
 * and numbers, no namespaces beyond skipping a prefix. Pure.
 */
#ifndef MR_S3_XML_H
#define MR_S3_XML_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

/* The root element's name without its prefix; n == 0: this is no XML. */
struct mr_str mr_xml_root(struct mr_str doc);

/*
 * The text at the start of the first element of that name, at any depth, with
 * blanks around it taken off, entities undone and a NUL behind it. False, with
 * to[0] == '\0', when there is no such element or `size` bytes are too few.
 */
bool mr_xml_text(struct mr_str doc, const char *name, char *to, size_t size);

/*
 * The inside of the next element of that name, which may hold others but none
 * of its own name nor a prefix in its end tag; *doc becomes what follows it. p == NULL: there is none.
 */
struct mr_str mr_xml_next(struct mr_str *doc, const char *name);

#endif
