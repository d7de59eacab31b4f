#ifndef LIB_METRICS_H
#define LIB_METRICS_H
/*
 * metrics - counters of each process in a page of shared memory (a memfd) that the supervisor makes: the process adds, lookup
 * reads all of them for /metrics. They survive the death of the process that counts, so counters never fall back.
 */

#include "lib/msg.h"

/* Kinds: a counter only grows; a gauge is set or added to and is cleared by the supervisor when its process has died. */
#define METRICS(X) \
    X(SMTP_SESSIONS_TOTAL,       "smtp_sessions_total",        "counter", "SMTP and LMTP sessions accepted") \
    X(SMTP_SESSIONS,             "smtp_sessions",              "gauge",   "SMTP and LMTP sessions open") \
    X(SMTP_TLS_TOTAL,            "smtp_tls_sessions_total",    "counter", "sessions that completed STARTTLS") \
    X(SMTP_MESSAGES_TOTAL,       "smtp_messages_accepted_total", "counter", "messages answered 250") \
    X(SMTP_BYTES_TOTAL,          "smtp_message_bytes_total",   "counter", "octets of these") \
    X(SMTP_REFUSED_PERM_TOTAL,   "smtp_refused_permanent_total", "counter", "5yz replies") \
    X(SMTP_REFUSED_TEMP_TOTAL,   "smtp_refused_temporary_total", "counter", "4yz replies") \
    X(SMTP_RCPT_REFUSED_TOTAL,   "smtp_recipients_refused_total", "counter", "recipients refused") \
    X(SMTP_TIMEOUTS_TOTAL,       "smtp_timeouts_total",        "counter", "sessions ended by a time limit") \
    X(SMTP_BYTES_IN_FLIGHT,      "smtp_in_flight_bytes",       "gauge",   "octets of messages being received") \
    X(IMAP_SESSIONS_TOTAL,       "imap_sessions_total",        "counter", "IMAP sessions accepted") \
    X(POP3_SESSIONS_TOTAL,       "pop3_sessions_total",        "counter", "POP3 sessions accepted") \
    X(IMAP_LOGINS_TOTAL,         "imap_logins_total",          "counter", "logins by IMAP") \
    X(IMAP_LOGIN_FAILURES_TOTAL, "imap_login_failures_total",  "counter", "logins by IMAP that were refused") \
    X(POP3_LOGINS_TOTAL,         "pop3_logins_total",          "counter", "logins by POP3") \
    X(POP3_LOGIN_FAILURES_TOTAL, "pop3_login_failures_total",  "counter", "logins by POP3 that were refused") \
    X(LOOKUP_REQUESTS_TOTAL,     "http_requests_total",        "counter", "HTTP requests") \
    X(LOOKUP_ERRORS_TOTAL,       "http_errors_total",          "counter", "HTTP answers 4xx and 5xx") \
    X(LOOKUP_DENIED_TOTAL,       "http_denied_total",          "counter", "HTTP requests with a missing or wrong key") \
    X(LOOKUP_WAITING,            "lookup_waiting",             "gauge",   "requests that wait for a token") \
    X(LOOKUP_STREAMS,            "lookup_streams",             "gauge",   "event streams open") \
    X(WEBHOOK_POSTS_TOTAL,       "webhook_posts_total",        "counter", "posts of events that have ended, well or not") \
    X(WEBHOOK_FAILURES_TOTAL,    "webhook_post_failures_total", "counter", "posts that were not taken; most are tried again") \
    X(WEBHOOK_POSTS,             "webhook_posts",              "gauge",   "posts under way") \
    X(STORE_MESSAGES_TOTAL,      "store_messages_total",       "counter", "messages committed") \
    X(STORE_ARRIVED_TOTAL,       "store_arrivals_total",       "counter", "messages with a genuine token") \
    X(STORE_UNMATCHED_TOTAL,     "store_unmatched_total",      "counter", "messages without one") \
    X(STORE_COMMITS_TOTAL,       "store_commits_total",        "counter", "transactions committed") \
    X(STORE_COMMIT_US_TOTAL,     "store_commit_seconds_total", "counter", "time in commits; counted in microseconds, shown in seconds") \
    X(STORE_COMMIT_FAILURES_TOTAL, "store_commit_failures_total", "counter", "transactions that failed") \
    X(STORE_FULL_TOTAL,          "store_full_total",           "counter", "writes refused because disk or map was full") \
    X(STORE_EXPIRED_TOTAL,       "store_expired_total",        "counter", "messages removed by retention") \
    X(STORE_MESSAGES,            "store_messages",             "gauge",   "messages kept") \
    X(STORE_MAILBOXES_DAMAGED,   "store_mailboxes_damaged",    "gauge",   "mailboxes whose record is damaged: their mail is put off") \
    X(STORE_USED_BYTES,          "store_used_bytes",           "gauge",   "pages in use") \
    X(STORE_MAP_BYTES,           "store_map_bytes",            "gauge",   "upper limit of the store") \
    X(STORE_OLDEST_READER_TXNS,  "store_oldest_reader_transactions", "gauge", "transactions that the oldest reader lags behind") \
    X(STORE_STALE_READERS_TOTAL, "store_stale_readers_total",  "counter", "reader slots of dead processes cleared") \
    X(TOKENS_EXPECTED,           "tokens_expected",            "gauge",   "tokens with a deadline that is not decided yet") \
    X(TOKENS_MISSED_TOTAL,       "tokens_missed_total",        "counter", "tokens whose deadline passed without their mail, whatever the verdict") \
    X(VERDICTS_ARRIVED_TOTAL,    "verdicts_arrived_total",     "counter", "verdicts arrived of expected tokens; here and below amended ones, too") \
    X(VERDICTS_LATE_TOTAL,       "verdicts_late_total",        "counter", "verdicts late") \
    X(VERDICTS_BOUNCED_TOTAL,    "verdicts_bounced_total",     "counter", "verdicts bounced") \
    X(VERDICTS_AUTOREPLY_TOTAL,  "verdicts_autoreply_total",   "counter", "verdicts autoreply") \
    X(VERDICTS_NOT_ARRIVED_TOTAL, "verdicts_not_arrived_total", "counter", "verdicts not-arrived") \
    X(VERDICTS_RECEIVER_DOWN_TOTAL, "verdicts_receiver_down_total", "counter", "verdicts not-arrived-receiver-down") \
    X(LIMIT_PER_ADDRESS_TOTAL,   "limit_sessions_per_address_total", "counter", "clients turned away by sessions_per_address or connections_per_address") \
    X(LIMIT_PER_NETWORK_TOTAL,   "limit_sessions_per_network_total", "counter", "clients turned away by sessions_per_network") \
    X(LIMIT_RATE_NETWORK_TOTAL,  "limit_new_per_second_network_total", "counter", "clients turned away by new_per_second_network") \
    X(LIMIT_RATE_TOTAL,          "limit_new_per_second_total", "counter", "clients turned away by new_per_second") \
    X(LIMIT_SESSIONS_TOTAL,      "limit_sessions_max_total",   "counter", "clients turned away by sessions_max") \
    X(LIMIT_MAILS_ADDRESS_TOTAL, "limit_mails_per_minute_address_total", "counter", "mails put off by mails_per_minute_address") \
    X(LIMIT_MAILS_MAILBOX_TOTAL, "limit_mails_per_minute_mailbox_total", "counter", "recipients put off by mails_per_minute_mailbox") \
    X(LIMIT_IDLE_COMMANDS_TOTAL, "limit_idle_commands_max_total", "counter", "sessions ended by idle_commands_max") \
    X(LIMIT_ERRORS_TOTAL,        "limit_errors_max_total",     "counter", "sessions ended by errors_max") \
    X(LIMIT_SHED_TOTAL,          "limit_shed_total",           "counter", "idle or slow sessions ended to make room for others") \
    X(PROXY_REFUSED_TOTAL,       "proxy_refused_total",        "counter", "connections of load balancers without a PROXY header that can be used") \
    X(RESULTS_TOTAL,             "results_total",              "counter", "results of checks stored; here and below those that replaced one, too") \
    X(RESULTS_OK_TOTAL,          "results_ok_total",           "counter", "results with the state OK") \
    X(RESULTS_WARNING_TOTAL,     "results_warning_total",      "counter", "results with the state WARNING") \
    X(RESULTS_CRITICAL_TOTAL,    "results_critical_total",     "counter", "results with the state CRITICAL") \
    X(RESULTS_UNKNOWN_TOTAL,     "results_unknown_total",      "counter", "results with the state UNKNOWN") \
    X(RESULTS_REFUSED_TOTAL,     "results_refused_total",      "counter", "results that were posted and refused") \
    X(CHECKS_OK,                 "checks_ok",                  "gauge",   "checks whose newest result is OK") \
    X(CHECKS_WARNING,            "checks_warning",             "gauge",   "checks whose newest result is WARNING") \
    X(CHECKS_CRITICAL,           "checks_critical",            "gauge",   "checks whose newest result is CRITICAL") \
    X(CHECKS_UNKNOWN,            "checks_unknown",             "gauge",   "checks whose newest result is UNKNOWN") \
    X(EVENTS_TOTAL,              "events_total",               "counter", "events written") \
    X(ROLE_RESTARTS_TOTAL,       "role_restarts_total",        "counter", "roles restarted after they died") \
    X(SERVICE_STARTED_UNIX,      "service_start_time_seconds", "gauge",  "when the service was started, seconds since 1970") \
    X(TLS_CERT_EXPIRES_UNIX,     "tls_certificate_expiry_seconds", "gauge", "when the first of the certificates expires, seconds since 1970") \
    X(TLS_CERTIFICATES,          "signer_certificates",        "gauge",   "certificates in use") \
    X(TLS_CERTIFICATES_EXPIRING, "signer_certificates_expiring", "gauge", "certificates that expire within tls.expiry_warning_days, or have expired") \
    X(SIGNER_SIGNATURES_TOTAL,   "signer_signatures_total",    "counter", "signatures made for TLS handshakes") \
    X(SIGNER_REFUSED_TOTAL,      "signer_refused_total",       "counter", "signatures that were asked for and not made")

enum metric {
#define X(id, name, kind, help) METRIC_##id,
    METRICS(X)
#undef X
    METRIC_COUNT
};

struct metric_info {
    const char *name;   /* without the prefix "mailtest_" */
    const char *kind;   /* "counter" or "gauge" */
    const char *help;
};
const struct metric_info *metric_info(enum metric m);

/* A new page of zeros; -1 and errno where the kernel refuses. */
int metrics_create(void);

/* Maps a page that was handed over; the descriptor stays the caller's. NULL: not such a page. */
struct metrics;
struct metrics *metrics_map(int fd);
void            metrics_unmap(struct metrics *m);

/* This process's page: used by metric_add and metric_set. Without one they do nothing. */
void metrics_use(struct metrics *m);
void metric_add(enum metric m, uint64_t n);
void metric_sub(enum metric m, uint64_t n);
void metric_set(enum metric m, uint64_t value);

uint64_t metrics_value(const struct metrics *m, enum metric metric);

/* Sets its gauges to 0: after the process has died. */
void metrics_clear_gauges(struct metrics *m);

#endif
