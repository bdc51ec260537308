/* Prometheus' text format, 0.0.4: what the families of metrics are put together from. */
#ifndef MR_FCGI_PROMTEXT_H
#define MR_FCGI_PROMTEXT_H

#include "base/buf.h"

#define MR_PROMTEXT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* Appends HELP and TYPE of the family, whose name is without "millrace_". */
void mr_promtext_head(struct mr_buf *b, const char *family, const char *type, const char *help);

/* Appends a family of one gauge without labels. */
void mr_promtext_gauge(struct mr_buf *b, const char *family, const char *help, double value);

#endif
