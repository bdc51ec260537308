/* Where a compressor puts its output. */
#ifndef MR_FORMAT_PACKED_H
#define MR_FORMAT_PACKED_H

#include "base/error.h"
#include "base/str.h"

/* put() is called with each piece, which is valid during the call; its error ends the stream. */
struct mr_packed_to {
	enum mr_err (*put)(void *arg, struct mr_str piece, struct mr_error *err);
	void *arg;
};

#endif
