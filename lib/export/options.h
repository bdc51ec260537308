/*
 * What an export is asked to do: by options of the command line, or by POST /export/run,
 * whose wish stands in the table export_runs until it is carried out.
 */
#ifndef MR_EXPORT_OPTIONS_H
#define MR_EXPORT_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

/* Texts are the caller's. */
struct mr_export_options {
	const char *config; /* the file */
	const char *client; /* NULL: all */
	const char *format; /* NULL: as configured */
	int64_t since_us;   /* of created_at; INT64_MIN: none */
	int64_t until_us;   /* exclusive; INT64_MAX: none */
	bool dry_run;
	bool force;
	bool verify;
	bool requests;      /* only what POST /export/run asked for */
	bool verbose;
	bool quiet;
	bool over_http;     /* this is one of those: its outcome stands in export_runs */
};

#define MR_EXPORT_OPTIONS_INIT { .since_us = INT64_MIN, .until_us = INT64_MAX }

#endif
