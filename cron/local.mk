# Programs that cron runs.

sbin_PROGRAMS += cron/millrace-check cron/millrace-replay
cron_millrace_check_SOURCES = cron/check.c
cron_millrace_check_LDADD = $(MR_LIBS)
cron_millrace_replay_SOURCES = cron/replay.c
cron_millrace_replay_LDADD = $(MR_LIBS)
dist_man_MANS += cron/millrace-check.8 cron/millrace-replay.8
