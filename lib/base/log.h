/*
 * The program's log: stderr, a file, or syslog.
 *
 * A line is "TIME NAME[PID] LEVEL: text". Every byte of the text that is not
 * printable ASCII is written as \xNN, so that nothing that a client sent can
 * forge a line or reach a terminal. A log file that was renamed or removed
 * (logrotate) is opened anew within a second. Safe from any thread.
 */
#ifndef MR_BASE_LOG_H
#define MR_BASE_LOG_H

#include "base/error.h"

enum mr_log_level { MR_LOG_DEBUG, MR_LOG_INFO, MR_LOG_WARNING, MR_LOG_ERROR };

/*
 * target: "stderr", "syslog", or the path of a file, created with mode 0640; never
 * through a symbolic link, which could lead anywhere when root follows it.
 * name: what the lines are marked with; must stay valid. Until the first
 * call, lines of level info and above go to stderr. On error the old target
 * stays.
 */
enum mr_err mr_log_open(const char *name, const char *target, enum mr_log_level least,
    struct mr_error *err);

/*
 * The same for who must not be kept from work by a log: where the target cannot be opened,
 * syslog is taken instead until the next start, with a warning there and to the old target.
 */
void mr_log_open_or_syslog(const char *name, const char *target, enum mr_log_level least);

/*
 * A line of level error, before the program ends: to the target and, as whoever started it may
 * have closed that, to syslog.
 */
void mr_log_last_words(const char *text);

/* Closes the target; later lines go to stderr. */
void mr_log_close(void);

/* One line; longer ones are cut at 2,000 bytes. errno is kept. */
void mr_log(enum mr_log_level level, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * What this thread logs between the two is written with one write(2) where it
 * fits into 4 KiB: a line for each of many requests would cost a system call
 * each. Not for syslog. They do not nest; let go before waiting for anything.
 */
void mr_log_hold(void);
void mr_log_release(void);

#define mr_log_debug(...) mr_log(MR_LOG_DEBUG, __VA_ARGS__)
#define mr_log_info(...) mr_log(MR_LOG_INFO, __VA_ARGS__)
#define mr_log_warning(...) mr_log(MR_LOG_WARNING, __VA_ARGS__)
#define mr_log_error(...) mr_log(MR_LOG_ERROR, __VA_ARGS__)

#endif
