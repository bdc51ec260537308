/* base/process: how threads that are woken are scheduled, and what is started may. */
#include "base/process.h"

#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>

#include "../tap.h"

static void *
policy_of_thread(void *arg)
{
	*(int *)arg = sched_getscheduler(0);
	return NULL;
}

int
main(void)
{
	pthread_t thread;
	int policy = -1;

	is_int(sched_getscheduler(0), SCHED_OTHER, "before");
	mr_process_be_patient();
	is_int(sched_getscheduler(0), SCHED_BATCH, "the process");
	if (pthread_create(&thread, NULL, policy_of_thread, &policy) != 0)
		bail("no thread");
	pthread_join(thread, NULL);
	is_int(policy, SCHED_BATCH, "a thread that it starts then");
	mr_process_gain_nothing();
	is_int(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1, "no new privileges");
	return done();
}
