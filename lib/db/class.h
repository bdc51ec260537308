/*
 * What an error of PostgreSQL means for whoever sent the statement.
 */
#ifndef MR_DB_CLASS_H
#define MR_DB_CLASS_H

/* What became of a statement, and so what its caller may do. */
enum mr_db_class {
	MR_DB_OK,
	MR_DB_DATA,        /* the values are refused; other rows would be stored */
	MR_DB_DUPLICATE,   /* a unique key exists already */
	MR_DB_TRANSIENT,   /* not done; the same again may work at once */
	MR_DB_UNAVAILABLE, /* not done; the server cannot work now */
	MR_DB_UNKNOWN,     /* sent, and the connection was lost before the answer */
	MR_DB_OPERATOR     /* not done; somebody has to mend the set-up */
};

/*
 * What a SQLSTATE (NULL: the server said none) means; constraint: the name of
 * the one that was violated, or NULL. Pure.
 */
enum mr_db_class mr_db_class_of(const char *sqlstate, const char *constraint);

#endif
