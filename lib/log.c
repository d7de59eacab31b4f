#include "lib/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* A pipe takes this much in one piece (PIPE_BUF), so that lines of several processes do not mix. */
#define LINE_BYTES 4096u

static const char *const level_names[] = { "error", "warning", "info", "debug" };
static const char        syslog_priorities[] = { '3', '4', '6', '7' };

/* What is logged, and how, is a fact of the process: any function may log without being handed a logger. */
static struct {
    const char    *name;
    enum log_level level;
    bool           journal;
} log_state = { "mailtestd", LOG_LEVEL_INFO, false };

/* systemd names the device and inode of the stream that it gave us; after a redirection standard error is another. */
static bool
stderr_is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    struct stat st;
    char        ours[64];

    if (stream == NULL || fstat(STDERR_FILENO, &st) != 0)
        return false;
    snprintf(ours, sizeof(ours), "%llu:%llu", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
    return strcmp(stream, ours) == 0;
}

void
log_open(const char *name, enum log_level level)
{
    log_state.name    = name;
    log_state.journal = stderr_is_journal();
    log_set_level(level);
}

void
log_set_level(enum log_level level)
{
    log_state.level = level;
}

bool
log_enabled(enum log_level level)
{
    return level <= log_state.level;
}

static size_t
write_prefix(char *line, size_t size, enum log_level level)
{
    struct timespec now;
    struct tm       utc;
    char            date[32];
    int             len;

    if (log_state.journal) {
        len = snprintf(line, size, "<%c>%s[%d] %s ", syslog_priorities[level], log_state.name, (int)getpid(), level_names[level]);
    } else {
        clock_gettime(CLOCK_REALTIME, &now);
        gmtime_r(&now.tv_sec, &utc);
        strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &utc);
        len = snprintf(line, size, "%s.%03ldZ %s[%d] %s ", date, now.tv_nsec / 1000000, log_state.name, (int)getpid(),
                       level_names[level]);
    }
    return len < 0 ? 0 : (size_t)len < size ? (size_t)len : size - 1;
}

__attribute__((format(printf, 2, 0))) static void
log_line(enum log_level level, const char *format, va_list args)
{
    char   line[LINE_BYTES];
    size_t len;
    int    added, saved_errno = errno;

    if (!log_enabled(level))
        return;
    len   = write_prefix(line, sizeof(line), level);
    added = vsnprintf(line + len, sizeof(line) - len, format, args);
    if (added > 0 && (size_t)added < sizeof(line) - len)
        len += (size_t)added;
    else if (added > 0)
        len = sizeof(line) - 1;
    if (len == sizeof(line) - 1)
        memcpy(line + len - 3, "...", 3);
    for (size_t i = 0; i < len; i++)    /* one fact is one line, whatever slipped in */
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
            line[i] = ' ';
    line[len++] = '\n';
    while (write(STDERR_FILENO, line, len) < 0 && errno == EINTR)
        continue;
    errno = saved_errno;
}

#define LOG_FUNCTION(name, level)           \
    void name(const char *format, ...)      \
    {                                       \
        va_list args;                       \
                                            \
        va_start(args, format);             \
        log_line(level, format, args);      \
        va_end(args);                       \
    }
LOG_FUNCTION(log_error, LOG_LEVEL_ERROR)
LOG_FUNCTION(log_warning, LOG_LEVEL_WARNING)
LOG_FUNCTION(log_info, LOG_LEVEL_INFO)
LOG_FUNCTION(log_debug, LOG_LEVEL_DEBUG)

const char *
log_text(struct log_text *text, struct slice s)
{
    static const char hex[] = "0123456789abcdef";
    size_t            n = s.len < LOG_TEXT_BYTES ? s.len : LOG_TEXT_BYTES;
    char             *to = text->chars;

    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s.data[i];
        if (c == '"' || c == '\\') {
            *to++ = '\\';
            *to++ = (char)c;
        } else if (c >= 0x20 && c < 0x7f) {
            *to++ = (char)c;
        } else {
            *to++ = '\\';
            *to++ = 'x';
            *to++ = hex[c >> 4];
            *to++ = hex[c & 15];
        }
    }
    memcpy(to, n < s.len ? "..." : "", n < s.len ? 4 : 1);
    return text->chars;
}
