/*
 * Which groups lie in the spool, segments that are being written to and the
 * quarantine included. For looking only: takes no locks.
 */
#ifndef MR_SPOOL_INSPECT_H
#define MR_SPOOL_INSPECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/uuid.h"

struct mr_scan_record {
	uint8_t group[MR_UUID_BYTES];
	uint32_t events;
	bool ours;        /* of this host's instance */
	bool quarantined;
};

struct mr_scan {
	struct mr_scan_record *records;
	size_t n;
	size_t unreadable; /* pieces in the quarantine without a readable record */
};

/* Errors: MR_EIO, MR_ENOMEM, MR_ELIMIT (too many records). A missing folder is empty. */
enum mr_err mr_scan_read(struct mr_scan *scan, const char *dir, struct mr_error *err);
void mr_scan_free(struct mr_scan *scan);

/* Events of the group in the spool proper; 0: it is not there. */
uint32_t mr_scan_find(const struct mr_scan *scan, const uint8_t group[MR_UUID_BYTES]);

#endif
