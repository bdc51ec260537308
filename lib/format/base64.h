/* Base64 (RFC 4648), undone. Pure. */
#ifndef MR_FORMAT_BASE64_H
#define MR_FORMAT_BASE64_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Decodes *n bytes in place, of either alphabet, with or without its padding; a blank is
 * a '+' that a form lost. False: it is none, and the text may have been edited.
 */
bool mr_base64_decode(char *text, size_t *n);

#endif
