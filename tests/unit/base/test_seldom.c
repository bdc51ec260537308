/* Lines that are written now and then: base/seldom.h. */
#include "base/seldom.h"

#include <time.h>
#include <unistd.h>

#include "../tap.h"
#include "base/clock.h"

static char dir[200], path[300];

/* How often the text is in the log. */
static int
count(const char *text)
{
	static char all[1 << 16];
	FILE *f = fopen(path, "rb");
	size_t n = f == NULL ? 0 : fread(all, 1, sizeof all - 1, f);
	int found = 0;

	if (f != NULL)
		fclose(f);
	all[n] = '\0';
	for (char *p = all; (p = strstr(p, text)) != NULL; p++)
		found++;
	return found;
}

/* Until a second line of the cause is there, or it takes too long. */
static int
log_until_next(struct mr_seldom *cause)
{
	struct timespec pause = { .tv_nsec = 20000000 };
	int64_t deadline = mr_clock_mono_ms() + 60000;
	int calls = 0;

	while (count("of a while") < 2 && mr_clock_mono_ms() < deadline) {
		mr_seldom_log(cause, MR_LOG_ERROR, "line %d of a while", ++calls);
		nanosleep(&pause, NULL);
	}
	return calls;
}

int
main(void)
{
	static struct mr_seldom often = MR_SELDOM("wrong ones", 3600), other = MR_SELDOM("others", 3600),
	    soon = MR_SELDOM("soon ones", 1);
	char text[100];
	int calls;

	make_temp_dir(dir, sizeof dir, "seldom");
	snprintf(path, sizeof path, "%s/log", dir);
	if (mr_log_open("test", path, MR_LOG_INFO, NULL) != MR_OK)
		bail("no log");
	for (int i = 1; i <= 1000; i++)
		mr_seldom_log(&often, MR_LOG_WARNING, "number %d is wrong", i);
	is_int(count("is wrong"), 1, "one line of many");
	is_int(count("WARNING: number 1 is wrong\n"), 1, "the first, as it is");
	mr_seldom_log(&other, MR_LOG_INFO, "something else");
	is_int(count("INFO: something else\n"), 1, "another cause has its own");
	calls = log_until_next(&soon);
	snprintf(text, sizeof text, "ERROR: %d soon ones were not logged before this: line %d of",
	    calls - 2, calls);
	is_int(count(text), 1, "after a while the next, with how many were left out");
	mr_seldom_tell();
	is_int(count("WARNING: 999 wrong ones were not logged\n"), 1, "at the end those that were not told");
	is_int(count("others were not"), 0, "and no cause that told all");
	mr_seldom_tell();
	is_int(count("999 wrong ones"), 1, "once");
	mr_log_close();
	unlink(path);
	rmdir(dir);
	return done();
}
