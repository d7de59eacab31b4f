#ifndef LIB_LOG_H
#define LIB_LOG_H
/*
 * log - one fact a line as key=value on standard error: "2026-11-21T03:30:00.123Z smtpd[412] info s=4f21 event=delivered …".
 * Under systemd (JOURNAL_STREAM names standard error) a line begins with its syslog priority "<6>" and carries no time. A line is
 * written with one write(2). What a peer sent goes through LOG_TEXT, which escapes and cuts it; secrets and bodies never appear.
 */

#include "lib/slice.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* name: the role, such as "smtpd/0". Borrowed. Before the first call: "mailtestd", info. */
void log_open(const char *name, enum log_level level);
void log_set_level(enum log_level level);
bool log_enabled(enum log_level level);

void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * A peer's text made safe for a log line: printable ASCII as it is, quotes and backslashes with a backslash, all else as \xNN; cut after
 * LOG_TEXT_BYTES of input with "..." behind. log_text fills text->chars and returns them, for use as
 *     log_info("event=helo name=\"%s\"", log_text(&(struct log_text){ 0 }, s));
 */
#define LOG_TEXT_BYTES 100u
struct log_text {
    char chars[LOG_TEXT_BYTES * 4 + 4];
};
const char *log_text(struct log_text *text, struct slice s);
#define LOG_TEXT(s) log_text(&(struct log_text){ .chars = "" }, (s))

#endif
