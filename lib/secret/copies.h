/*
 * Structs of options keep copies of the strings that they were given: which
 * members those are is a table of their offsets.
 */
#ifndef MR_SECRET_COPIES_H
#define MR_SECRET_COPIES_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Makes each string of the struct a copy, NULL for one that is NULL or empty.
 * False: no memory for all of them; free them in any case.
 */
bool mr_copies_make(void *options, const size_t *offsets, size_t n);

/* Wipes and frees the copies. */
void mr_copies_free(void *options, const size_t *offsets, size_t n);

#endif
