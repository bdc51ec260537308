# Programs that cron runs.

sbin_PROGRAMS += cron/millrace-replay
cron_millrace_replay_SOURCES = cron/replay.c
cron_millrace_replay_LDADD = $(MR_LIBS)
dist_man_MANS += cron/millrace-replay.8
