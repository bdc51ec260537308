/* Reading a text piece by piece, from its front. Pure. */
#ifndef MR_BASE_TAKE_H
#define MR_BASE_TAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

/* Takes exactly n digits, at most 18, from the front of *s. False: *s is untouched. */
bool mr_take_digits(struct mr_str *s, size_t n, int64_t *value);

/* Takes one character that is one of those. False: *s is untouched. */
bool mr_take_char(struct mr_str *s, const char *any_of);

/* Takes the word, in capitals or not. False: *s is untouched. */
bool mr_take_word(struct mr_str *s, const char *word);

#endif
