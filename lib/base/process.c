/* What a process asks the system for: see process.h. */
#include "base/process.h"

#include <sched.h>

void
mr_process_be_patient(void)
{
	(void)sched_setscheduler(0, SCHED_BATCH, &(struct sched_param){ .sched_priority = 0 });
}
