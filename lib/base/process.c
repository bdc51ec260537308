/* What a process asks the system for: see process.h. */
#include "base/process.h"

#include <sched.h>
#include <sys/prctl.h>

void
mr_process_be_patient(void)
{
	(void)sched_setscheduler(0, SCHED_BATCH, &(struct sched_param){ .sched_priority = 0 });
}

void
mr_process_gain_nothing(void)
{
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}
