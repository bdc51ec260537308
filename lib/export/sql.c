/* What statements have in common: see sql.h. */
#include "export/sql.h"

void
mr_sql_arg_time(struct mr_db_args *args, int64_t us)
{
	if (us == INT64_MIN || us == INT64_MAX)
		mr_db_arg_text(args, NULL);
	else
		mr_db_arg_int(args, us);
}
