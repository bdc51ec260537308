/*
 * The types that configuration keys have: reading their text into the struct
 * mr_conf, with the reason when it cannot be.
 */
#ifndef MR_CONF_VALUE_H
#define MR_CONF_VALUE_H

#include "conf/conf.h"
#include "conf/words.h"

enum mr_conf_type {
	MR_T_INT,     /* int64_t, a whole number */
	MR_T_SIZE,    /* int64_t, bytes; k, M and G are understood */
	MR_T_SPAN,    /* int64_t, seconds; written with s, m, h or d behind it, or 0 */
	MR_T_BOOL,    /* bool */
	MR_T_CHOICE,  /* int64_t, one of the words in `choices` */
	MR_T_TEXT,    /* char * */
	MR_T_WORD,    /* char *, one of the words in `choices` */
	MR_T_LIST,    /* struct mr_conf_list */
	MR_T_SITE,    /* char *, 1 to 255 bytes */
	MR_T_SHA256,  /* char *, 64 hex digits or nothing */
	MR_T_HEADER,  /* char *, the name of a header of HTTP */
	MR_T_HEADERS, /* struct mr_conf_list of "*" and names of headers */
	MR_T_ORIGINS, /* struct mr_conf_list of "*" and origins */
	MR_T_BLOCKS   /* trusted_proxies */
};

struct mr_conf_key {
	const char *section;
	const char *name;
	enum mr_conf_type type;
	size_t offset; /* of the member of struct mr_conf, or of its section's struct */
	const char *default_text;
	int64_t least, most;                  /* MR_T_INT, MR_T_SIZE, MR_T_SPAN */
	const struct mr_conf_choice *choices; /* MR_T_CHOICE, MR_T_WORD; ends with text == NULL */
	const char *env;                      /* a variable that overrides, or NULL */
};

/*
 * Reads text into the member of base that the key describes; what was there is
 * released. Errors: MR_EINVAL with the reason, which does not name the key;
 * MR_ENOMEM.
 */
enum mr_err mr_conf_set(const struct mr_conf_key *key, void *base, const char *text,
    struct mr_error *err);

/* Wipes and releases a text; *text is NULL then. */
void mr_conf_clear_text(char **text);

/* Wipes and releases the member. */
void mr_conf_clear(const struct mr_conf_key *key, void *base);

#endif
