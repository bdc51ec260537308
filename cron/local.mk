# The programs for cron and for administrators.

sbin_PROGRAMS += \
	cron/millrace-admin \
	cron/millrace-check \
	cron/millrace-export \
	cron/millrace-maintain \
	cron/millrace-replay
dist_man_MANS += \
	cron/millrace-admin.8 \
	cron/millrace-check.8 \
	cron/millrace-export.8 \
	cron/millrace-maintain.8 \
	cron/millrace-replay.8

cron_millrace_admin_SOURCES = \
	cron/admin.c cron/admin.h \
	cron/admin_common.c \
	cron/admin_input.c \
	cron/admin_migrate.c \
	cron/admin_rejected.c \
	cron/admin_rebind.c \
	cron/admin_rekey.c \
	cron/admin_rotate.c \
	cron/admin_seal.c \
	cron/admin_usage.c
cron_millrace_admin_LDADD = $(MR_S3_LIBS)
cron_millrace_check_SOURCES = \
	cron/check.c cron/check.h \
	cron/check_export.c \
	cron/check_retention.c \
	cron/check_worker.c
cron_millrace_check_LDADD = $(MR_LIBS)
cron_millrace_export_SOURCES = cron/export.c
cron_millrace_export_LDADD = $(MR_S3_LIBS) $(SNAPPY_LIBS)
cron_millrace_maintain_SOURCES = cron/maintain.c
cron_millrace_maintain_LDADD = $(MR_LIBS)
cron_millrace_replay_SOURCES = cron/replay.c
cron_millrace_replay_LDADD = $(MR_LIBS)
