/* Prometheus' text format: see promtext.h. */
#include "promtext.h"

void
mr_promtext_head(struct mr_buf *b, const char *family, const char *type, const char *help)
{
	mr_buf_printf(b, "# HELP millrace_%s %s\n# TYPE millrace_%s %s\n", family, help, family,
	    type);
}

void
mr_promtext_gauge(struct mr_buf *b, const char *family, const char *help, double value)
{
	mr_promtext_head(b, family, "gauge", help);
	mr_buf_printf(b, "millrace_%s %.*f\n", family, value == (double)(int64_t)value ? 0 : 3,
	    value);
}
