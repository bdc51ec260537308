/* millrace-check: the workers of this host, the file that they count in, and their log. */
#include "check.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "counters/shared.h"

#define TEXT_MAX 1024

/* Those that have ended are in the list still; requests of plain CGI never are. */
static bool
had_workers(void)
{
	for (size_t i = 0; i < MR_SHARED_PROCESSES; i++)
		if (atomic_load(&mr_shared()->processes[i].started_us) != 0)
			return true;
	return false;
}

static void
tell_workers(const char *file, check_find *find)
{
	char text[TEXT_MAX];
	int64_t oldest_us;
	size_t n = mr_shared_processes(&oldest_us);
	bool missing = n == 0 && had_workers();

	(void)snprintf(text, sizeof text, missing ? "%s: no worker runs; why it ended is in its log, or in "
	    "syslog" : "%s, %zu worker(s)", file, n);
	find(missing ? WARNING : FINE, "counters", text);
}

void
check_counters(const struct mr_conf *conf, check_find *find)
{
	struct mr_error why = MR_ERROR_INIT;
	char text[TEXT_MAX];

	if (conf->metrics_file[0] == '\0') {
		find(FINE, "counters", "none are shared: [metrics] file is empty");
	} else if (access(conf->metrics_file, F_OK) != 0 && errno == ENOENT) {
		(void)snprintf(text, sizeof text, "%s does not exist; a worker makes it when it can",
		    conf->metrics_file);
		find(WARNING, "counters", text);
	} else if (mr_shared_open(conf->metrics_file, MR_SHARED_LOOK, &why) != MR_OK) {
		find(WARNING, "counters", why.text);
	} else {
		tell_workers(conf->metrics_file, find);
		mr_shared_close();
	}
}

/* Whether it could be written, without making it. */
static bool
may_write(const char *path)
{
	char folder[PATH_MAX];

	if (access(path, W_OK) == 0)
		return true;
	return errno == ENOENT && mr_file_folder(folder, sizeof folder, path) == 0 &&
	    access(folder, W_OK | X_OK) == 0;
}

void
check_log(const struct mr_conf *conf, check_find *find)
{
	char text[TEXT_MAX];

	if (strcmp(conf->log, "stderr") == 0 || strcmp(conf->log, "syslog") == 0 ||
	    may_write(conf->log)) {
		find(FINE, "log", conf->log);
		return;
	}
	(void)snprintf(text, sizeof text, "%s: %s; workers write to syslog instead, and the programs for "
	    "cron fail; make its folder, for the worker's user", conf->log, strerror(errno));
	find(WARNING, "log", text);
}
