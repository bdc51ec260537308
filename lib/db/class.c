/* SQLSTATEs and what they mean for who sent the statement: see class.h. */
#include "db/class.h"

#include <stddef.h>
#include <string.h>

static const struct {
	const char *prefix; /* of the SQLSTATE; the first that fits counts */
	enum mr_db_class class;
} classes[] = {
	{ "22", MR_DB_DATA },
	{ "23502", MR_DB_DATA },
	{ "23503", MR_DB_DATA },
	{ "23505", MR_DB_DUPLICATE },
	{ "23514", MR_DB_DATA },
	{ "54", MR_DB_DATA },
	{ "40001", MR_DB_TRANSIENT },
	{ "40P01", MR_DB_TRANSIENT },
	{ "55P03", MR_DB_TRANSIENT },
	{ "08", MR_DB_UNAVAILABLE },
	{ "53", MR_DB_UNAVAILABLE },
	{ "57P0", MR_DB_UNAVAILABLE },
	{ "57014", MR_DB_UNAVAILABLE }, /* statement_timeout */
	{ "25006", MR_DB_UNAVAILABLE }, /* a standby, read-only */
	{ "58", MR_DB_UNAVAILABLE },
	{ "26000", MR_DB_UNAVAILABLE }, /* somebody discarded our statements */
};

enum mr_db_class
mr_db_class_of(const char *state, const char *constraint)
{
	if (state == NULL)
		return MR_DB_UNKNOWN;
	/* A row without a partition has the state of a CHECK, but names none. */
	if (strcmp(state, "23514") == 0 && (constraint == NULL || constraint[0] == '\0'))
		return MR_DB_OPERATOR;
	for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++)
		if (strncmp(state, classes[i].prefix, strlen(classes[i].prefix)) == 0)
			return classes[i].class;
	return MR_DB_OPERATOR;
}
