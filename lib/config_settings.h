#ifndef LIB_CONFIG_SETTINGS_H
#define LIB_CONFIG_SETTINGS_H
/*
 * config_settings - all settings, one a line: where it is in struct config, its range or form, and its default. From these lines come
 * libcyaml's schema, the checks and the defaults; what a setting is for stands in conf/mailtest.yaml.
 *
 *   NUMBER(section, name, least, most, default)
 *   BOOLEAN(section, name, default)
 *   TEXT(section, name, enum form, default)        "": see config.c, or none
 *   LIST(section, name, enum form, least, most)    numbers of items; default: none. Items are texts, but with FORM_CERTIFICATE mappings
 *   LEVEL(section, name, default)                  enum log_level
 */

#include "lib/config.h"
#include "lib/config_outline.h"
#include "lib/delivery.h"
#include "lib/webhook.h"

/* What a text may be; the words for it are in config_check.c. */
enum form { FORM_DOMAIN, FORM_PATH, FORM_SOCKET_PATH, FORM_ADDRESS, FORM_SERVER, FORM_USER, FORM_NETWORK, FORM_CERTIFICATE, FORM_COUNT };

#define SETTINGS_TOP(TEXT, LIST) \
    LIST(domains,                                FORM_DOMAIN, 1, 1000) \
    TEXT(hostname,                               FORM_DOMAIN, "") \
    TEXT(state_dir,                              FORM_PATH, "/var/lib/mailtest") \
    TEXT(control_socket,                         FORM_SOCKET_PATH, "")

#define SETTINGS(NUMBER, BOOLEAN, TEXT, LIST, LEVEL) \
    SETTINGS_LISTEN(NUMBER, BOOLEAN, TEXT, LIST, LEVEL) \
    SETTINGS_PROCESSES(NUMBER, BOOLEAN, TEXT, LIST, LEVEL) \
    SETTINGS_TLS(NUMBER, BOOLEAN, TEXT, LIST, LEVEL) \
    SETTINGS_SMTP(NUMBER, BOOLEAN, TEXT, LIST, LEVEL) \
    SETTINGS_STORE(NUMBER, BOOLEAN, TEXT, LIST, LEVEL) \
    SETTINGS_RETENTION(NUMBER, BOOLEAN, TEXT, LIST, LEVEL) \
    SETTINGS_QUOTA(NUMBER, BOOLEAN, TEXT, LIST, LEVEL) \
    SETTINGS_HTTP(NUMBER, BOOLEAN, TEXT, LIST, LEVEL) \
    SETTINGS_ACCESS(NUMBER, BOOLEAN, TEXT, LIST, LEVEL) \
    SETTINGS_WEBHOOK(NUMBER, BOOLEAN, TEXT, LIST, LEVEL) \
    SETTINGS_LIMITS(NUMBER, BOOLEAN, TEXT, LIST, LEVEL) \
    SETTINGS_PROXY(NUMBER, BOOLEAN, TEXT, LIST, LEVEL) \
    SETTINGS_LOG(NUMBER, BOOLEAN, TEXT, LIST, LEVEL)

#define SETTINGS_LISTEN(NUMBER, BOOLEAN, TEXT, LIST, LEVEL) \
    LIST(listen, smtp,                           FORM_ADDRESS, 0, 64) \
    LIST(listen, lmtp,                           FORM_ADDRESS, 0, 64) \
    LIST(listen, imap,                           FORM_ADDRESS, 0, 64) \
    LIST(listen, imaps,                          FORM_ADDRESS, 0, 64) \
    LIST(listen, pop3,                           FORM_ADDRESS, 0, 64) \
    LIST(listen, pop3s,                          FORM_ADDRESS, 0, 64) \
    LIST(listen, http,                           FORM_ADDRESS, 0, 64)

#define SETTINGS_PROCESSES(NUMBER, BOOLEAN, TEXT, LIST, LEVEL) \
    NUMBER(processes, smtpd,                     0, 256, 0) \
    NUMBER(processes, imapd,                     0, 256, 0) \
    TEXT(processes, user,                        FORM_USER, "mailtest") \
    BOOLEAN(processes, system_call_filter,       true) \
    NUMBER(processes, drain_ms,                  0, 3600000, 30000)

#define SETTINGS_TLS(NUMBER, BOOLEAN, TEXT, LIST, LEVEL) \
    TEXT(tls, certificate,                       FORM_PATH, "") \
    TEXT(tls, key,                               FORM_PATH, "") \
    LIST(tls, certificates,                      FORM_CERTIFICATE, 0, 1000) \
    NUMBER(tls, expiry_warning_days,             0, 3650, 14) \
    NUMBER(tls, handshakes_max,                  1, 1000000, 600) \
    BOOLEAN(tls, self_signed,                    false) \
    BOOLEAN(tls, http,                           false)

#define SETTINGS_SMTP(NUMBER, BOOLEAN, TEXT, LIST, LEVEL) \
    NUMBER(smtp, message_max_bytes,              1024, 1073741824, 33554432) \
    NUMBER(smtp, recipients_max,                 1, DELIVERY_RECIPIENTS_MAX, 100) \
    NUMBER(smtp, transactions_max,               1, 1000000, 1000) \
    NUMBER(smtp, errors_max,                     1, 1000, 20) \
    NUMBER(smtp, sessions_max,                   1, 1000000, 20000) \
    NUMBER(smtp, received_max,                   1, 1000, 100) \
    NUMBER(smtp, header_line_max_bytes,          998, 16777216, 1048576) \
    NUMBER(smtp, command_timeout_ms,             100, 3600000, 170000) \
    NUMBER(smtp, message_timeout_ms,             100, 86400000, 600000) \
    NUMBER(smtp, tls_timeout_ms,                 100, 600000, 30000) \
    NUMBER(smtp, in_flight_max_bytes,            65536, 1099511627776, 33554432) \
    BOOLEAN(smtp, refuse_bare_newline,           false) \
    NUMBER(smtp, client_name_timeout_ms,         0, 60000, 1000) \
    NUMBER(smtp, client_name_queries_max,        1, 1000, 100) \
    LIST(smtp, resolvers,                        FORM_SERVER, 0, 8) \
    NUMBER(smtp, early_timeout_ms,               100, 3600000, 60000) \
    NUMBER(smtp, stalled_timeout_ms,             100, 3600000, 60000) \
    NUMBER(smtp, stalled_bytes,                  1, 1073741824, 1024) \
    NUMBER(smtp, pressed_timeout_ms,             100, 3600000, 10000) \
    NUMBER(smtp, idle_commands_max,              1, 1000000, 200) \
    NUMBER(smtp, sessions_per_address,           1, 1000000, 50) \
    NUMBER(smtp, sessions_per_network,           1, 1000000, 200) \
    NUMBER(smtp, new_per_second,                 1, 1000000, 1000) \
    NUMBER(smtp, new_per_second_network,         1, 1000000, 20) \
    NUMBER(smtp, mails_per_minute_address,       1, 1000000, 600) \
    NUMBER(smtp, mails_per_minute_mailbox,       1, 1000000, 300)

#define SETTINGS_STORE(NUMBER, BOOLEAN, TEXT, LIST, LEVEL) \
    NUMBER(store, map_bytes,                     1048576, 70368744177664, 68719476736) \
    NUMBER(store, commit_wait_us,                0, 1000000, 0) \
    NUMBER(store, commit_messages_max,           1, 100000, 2000) \
    NUMBER(store, commit_bytes_max,              65536, 4294967296, 67108864) \
    NUMBER(store, readers_max,                   16, 10000, 126) \
    NUMBER(store, heartbeat_s,                   1, 3600, 10)

#define SETTINGS_RETENTION(NUMBER, BOOLEAN, TEXT, LIST, LEVEL) \
    NUMBER(retention, inbox_days,                1, 36500, 30) \
    NUMBER(retention, inbox_messages,            1, 1000000000, 100000) \
    NUMBER(retention, inbox_bytes,               1024, 1125899906842624, 1073741824) \
    NUMBER(retention, unmatched_days,            1, 36500, 7) \
    NUMBER(retention, unmatched_messages,        1, 1000000000, 1000) \
    NUMBER(retention, unmatched_bytes,           1024, 1125899906842624, 104857600) \
    NUMBER(retention, token_days,                1, 36500, 90) \
    NUMBER(retention, event_days,                2, 36500, 30) \
    NUMBER(retention, result_days,               1, 36500, 90) \
    NUMBER(retention, result_sum_days,           1, 36500, 730) \
    NUMBER(retention, result_count,              10000, 1000000000, 150000) \
    NUMBER(retention, result_bytes,              134217728, 1125899906842624, 1073741824) \
    NUMBER(retention, expire_step,               1, 10000, 200)

#define SETTINGS_QUOTA(NUMBER, BOOLEAN, TEXT, LIST, LEVEL) \
    NUMBER(quota, mailbox_bytes,                 1024, 1125899906842624, 2147483648)

#define SETTINGS_HTTP(NUMBER, BOOLEAN, TEXT, LIST, LEVEL) \
    NUMBER(http, waiting_max,                    1, 1000000, 5000) \
    NUMBER(http, wait_max_s,                     1, 86400, 600) \
    NUMBER(http, streams_max,                    0, 100000, 100) \
    NUMBER(http, header_max_bytes,               1024, 1048576, 16384) \
    NUMBER(http, body_max_bytes,                 1024, 67108864, 1048576) \
    NUMBER(http, lookup_max,                     1, 100000, 1000) \
    NUMBER(http, timeout_ms,                     100, 3600000, 30000) \
    NUMBER(http, pressed_timeout_ms,             100, 3600000, 5000) \
    NUMBER(http, connections_per_address,        1, 1000000, 1000)

#define SETTINGS_ACCESS(NUMBER, BOOLEAN, TEXT, LIST, LEVEL) \
    NUMBER(access, sessions_max,                 1, 1000000, 10000) \
    NUMBER(access, login_timeout_ms,             100, 3600000, 60000) \
    NUMBER(access, idle_timeout_ms,              100, 86400000, 1800000) \
    NUMBER(access, stalled_timeout_ms,           100, 3600000, 120000) \
    NUMBER(access, refusal_ms,                   0, 10000, 500) \
    NUMBER(access, password_checks_max,          1, 1000, 8) \
    BOOLEAN(access, compress,                    false) \
    NUMBER(access, errors_max,                   1, 1000, 20) \
    NUMBER(access, pressed_timeout_ms,           100, 3600000, 10000) \
    NUMBER(access, sessions_per_address,         1, 1000000, 100) \
    NUMBER(access, sessions_per_network,         1, 1000000, 400) \
    NUMBER(access, new_per_second,               1, 1000000, 500) \
    NUMBER(access, new_per_second_network,       1, 1000000, 20)

#define SETTINGS_WEBHOOK(NUMBER, BOOLEAN, TEXT, LIST, LEVEL) \
    NUMBER(webhook, posts_max,                   0, WEBHOOK_POSTS_MAX, 16) \
    NUMBER(webhook, timeout_ms,                  100, 600000, 10000) \
    BOOLEAN(webhook, allow_private,              true) \
    TEXT(webhook, ca_file,                       FORM_PATH, "/etc/ssl/certs/ca-certificates.crt")

#define SETTINGS_LIMITS(NUMBER, BOOLEAN, TEXT, LIST, LEVEL) \
    LIST(limits, trusted,                        FORM_NETWORK, 0, 1000) \
    NUMBER(limits, pressed_percent,              1, 100, 50) \
    NUMBER(limits, known_days,                   1, 365, 30) \
    NUMBER(limits, log_interval_s,               1, 3600, 10)

#define SETTINGS_PROXY(NUMBER, BOOLEAN, TEXT, LIST, LEVEL) \
    LIST(proxy, from,                            FORM_NETWORK, 0, 1000) \
    BOOLEAN(proxy, http,                         false) \
    NUMBER(proxy, timeout_ms,                    100, 60000, 5000) \
    NUMBER(proxy, waiting_max,                   1, 1000000, 1000)

#define SETTINGS_LOG(NUMBER, BOOLEAN, TEXT, LIST, LEVEL) \
    LEVEL(log, level,                            "info")

enum setting_kind { SETTING_NUMBER, SETTING_BOOLEAN, SETTING_TEXT, SETTING_LIST, SETTING_LEVEL };

/* The same lines as a table. */
struct setting {
    const char       *path;         /* "smtp.recipients_max" */
    size_t            offset;       /* in struct config */
    size_t            size;         /* octets of a number's member */
    enum setting_kind kind;
    enum form         form;
    uint64_t          least, most, initial;
    const char       *text;         /* default of a text */
};

/* A value of log.level; MT_ENOTFOUND. */
int level_parse(const char *text, uint8_t *out);

extern const struct setting settings[];
extern const unsigned       setting_count;

/* Whether every value in the outline is a known setting in its range and form. MT_ESYNTAX with *error set. */
int outline_check(const struct outline *o, struct config_error *error);

#endif
