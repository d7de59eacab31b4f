#ifndef LIB_CONFIG_H
#define LIB_CONFIG_H
/*
 * config - the one place where the configuration is read: YAML with a schema (libcyaml). conf/mailtest.yaml explains each
 * setting with its unit and default; the fields here bear the same names. Absent settings have their defaults filled in; after
 * config_read every value is in its range. Strings are never NULL (empty where absent) unless said otherwise.
 */

#include "lib/msg.h"

struct strings {
    char   **items;
    unsigned count;
};

/* Two files in PEM. */
struct certificate_files {
    char *certificate, *key;
};

struct config {
    struct strings domains;                 /* at least one, lower case; the first is the default for new mailboxes */
    char          *hostname;                /* in greetings and Received; default: the machine's name */
    char          *state_dir;               /* database, keys; "/var/lib/mailtest" */
    char          *control_socket;          /* default: state_dir/control.sock */

    struct {                                /* addresses "127.0.0.1:25", "[::1]:25", "unix:/run/x.sock"; default: none */
        struct strings smtp, lmtp, imap, imaps, pop3, pop3s, http;
    } listen;

    struct {
        uint32_t smtpd, imapd;              /* processes; 0: one for each core */
        char    *user;                      /* "mailtest"; used when started as root: for each role "USER-role" if that user exists, else
                                               this one. "": the owner of state_dir */
        bool     system_call_filter;        /* roles are killed for a system call that is not in their list (lib/system_calls.h) */
        uint32_t drain_ms;                  /* how long sessions under way may go on at a stop */
    } processes;

    struct {
        char *certificate;                  /* PEM chain; default: state_dir/tls/certificate.pem */
        char *key;                          /* PEM; default: state_dir/tls/key.pem */
        struct {                            /* for further names, chosen by what the client asks for; default: none */
            struct certificate_files *items;
            unsigned                  count;
        } certificates;
        uint32_t expiry_warning_days;       /* 14 */
        uint32_t handshakes_max;            /* under way, in each process: 600 */
        bool  self_signed;                  /* make both on the first start where missing */
        bool  http;                         /* the HTTP listeners on TCP speak TLS */
    } tls;

    struct {
        uint64_t message_max_bytes;         /* 33554432 (32 MiB) */
        uint32_t recipients_max;            /* 100 a transaction; LIMITS RCPTMAX */
        uint32_t transactions_max;          /* 1000 a session; LIMITS MAILMAX */
        uint32_t errors_max;                /* 20 a session; then 421 */
        uint32_t sessions_max;              /* 20000 for each smtpd process; over that 421 4.3.2 */
        uint32_t received_max;              /* 100; over that 554 5.4.6 */
        uint32_t header_line_max_bytes;     /* lines of a message: 1048576; longer ones 500 5.6.0. (RFC 5321: 998 is what senders should keep to) */
        uint32_t command_timeout_ms;        /* for a whole command: 170000 */
        uint32_t message_timeout_ms;        /* for a whole message: 600000 */
        uint32_t tls_timeout_ms;            /* for a handshake: 30000 */
        uint64_t in_flight_max_bytes;       /* 33554432 for each smtpd process: messages being received or waiting for store */
        bool     refuse_bare_newline;       /* false: stored and noted; true: 550 5.6.11 */
        uint32_t client_name_timeout_ms;    /* for the look-up of a client's name: 1000; 0: none is looked up */
        uint32_t client_name_queries_max;   /* 100 clients' names at a time for each smtpd process; those of others are not looked up */
        struct strings resolvers;           /* name servers instead of those of /etc/resolv.conf */
        uint32_t early_timeout_ms;          /* 60000 for a command of a client that has named no mailbox yet */
        uint32_t stalled_timeout_ms;        /* 60000 in which at least stalled_bytes (1024) of a message come in */
        uint32_t stalled_bytes;
        uint32_t pressed_timeout_ms;        /* 10000 instead of the longer ones above, under pressure (limits.pressed_percent) */
        uint32_t idle_commands_max;         /* 200 commands since the last mailbox that was named; then 421 */
        uint32_t sessions_per_address;      /* 50 in all processes together; IPv4 /32, IPv6 /64. Over that 421 4.7.0, as for the next three */
        uint32_t sessions_per_network;      /* 200; IPv4 /24, IPv6 /48 */
        uint32_t new_per_second;            /* 1000 new sessions a second */
        uint32_t new_per_second_network;    /* 20; IPv4 /24, IPv6 /48 */
        uint32_t mails_per_minute_address;  /* 600; over that 450 4.7.1 */
        uint32_t mails_per_minute_mailbox;  /* 300; over that 450 4.2.1 */
    } smtp;

    struct {
        uint64_t map_bytes;                 /* 68719476736 (64 GiB) */
        uint32_t commit_wait_us;            /* how long the first write waits for company: 0 */
        uint32_t commit_messages_max;       /* 2000 in one transaction */
        uint64_t commit_bytes_max;          /* 67108864 of payload in one transaction */
        uint32_t readers_max;               /* 126 */
        uint32_t heartbeat_s;               /* 10: how exactly the end of service is known after a crash */
    } store;

    struct {                                /* retention: oldest first, in small steps */
        uint32_t inbox_days;                /* 30 */
        uint32_t inbox_messages;            /* 100000 a mailbox */
        uint64_t inbox_bytes;               /* 1073741824 a mailbox */
        uint32_t unmatched_days;            /* 7 */
        uint32_t unmatched_messages;        /* 1000 a mailbox */
        uint64_t unmatched_bytes;           /* 104857600 a mailbox */
        uint32_t token_days;                /* 90: records of tokens, longer than their messages */
        uint32_t event_days;                /* 30: events, and posts of them that are dead */
        uint32_t result_days;               /* 90: results of checks */
        uint32_t result_sum_days;           /* 730: their sums of hours; not shorter than result_days */
        uint32_t result_count;              /* 150000 a check */
        uint64_t result_bytes;              /* 1073741824 a check */
        uint32_t expire_step;               /* 200 removals in one transaction */
    } retention;

    struct {
        uint64_t mailbox_bytes;             /* 2147483648: a mailbox over this gets 452 4.2.2 */
    } quota;

    struct {
        uint32_t waiting_max;               /* 5000 requests that wait; over that 503 with Retry-After */
        uint32_t wait_max_s;                /* 600: a longer wait is cut to this */
        uint32_t streams_max;               /* 100 */
        uint32_t header_max_bytes;          /* 16384 */
        uint32_t body_max_bytes;            /* 1048576 */
        uint32_t lookup_max;                /* 1000 tokens in one request */
        uint32_t timeout_ms;                /* 30000 for a whole request, and for an idle keep-alive connection */
        uint32_t pressed_timeout_ms;        /* 5000 instead, under pressure (limits.pressed_percent) */
        uint32_t connections_per_address;   /* 1000; IPv4 /32, IPv6 /64. Over that 429 with Retry-After */
    } http;

    struct {                                /* to mailboxes by IMAP and POP3 */
        uint32_t sessions_max;              /* 10000 for each imapd process; further clients are turned away */
        uint32_t login_timeout_ms;          /* 60000 from connecting to the login; the same for a TLS handshake */
        uint32_t idle_timeout_ms;           /* 1800000 for the next command of one who is logged in (RFC 9051 section 5.4, RFC 1939 section 3) */
        uint32_t stalled_timeout_ms;        /* 120000 for a client to read more of what it asked for */
        uint32_t refusal_ms;                /* 500 from a login's try to its refusal (imapd/login_try.h) */
        uint32_t password_checks_max;       /* 8 chosen secrets being checked, or waiting for it, in each imapd process (imapd/password_check.h) */
        bool     compress;                  /* false: COMPRESS=DEFLATE of IMAP, over TLS and behind the login (RFC 4978) */
        uint32_t errors_max;                /* 20 commands in a row that are refused; then the session ends */
        uint32_t pressed_timeout_ms;        /* 10000 from connecting to the login, under pressure (limits.pressed_percent) */
        uint32_t sessions_per_address;      /* 100; these four as in smtp. Over them BYE [LIMIT] or -ERR [SYS/TEMP] */
        uint32_t sessions_per_network;      /* 400 */
        uint32_t new_per_second;            /* 500 */
        uint32_t new_per_second_network;    /* 20 */
    } access;

    struct {
        uint32_t posts_max;                 /* 16 at a time; 0: the process that posts is not started, and nothing is posted */
        uint32_t timeout_ms;                /* 10000 for a whole post: look-up, connection, request, answer */
        bool     allow_private;             /* true: also to loopback and private addresses */
        char    *ca_file;                   /* PEM; who may certify a server; "/etc/ssl/certs/ca-certificates.crt" */
    } webhook;

    struct {                                /* lib/limits.h */
        struct strings trusted;             /* networks that no limit on clients holds for; where absent: 127.0.0.0/8 and ::1 */
        uint32_t pressed_percent;           /* 50 percent of sessions_max: from there on time limits are short */
        uint32_t known_days;                /* 30: how long a client counts as known */
        uint32_t log_interval_s;            /* 10: a limit's line for one address comes once in this time */
    } limits;

    struct {                                /* lib/proxy.h */
        struct strings from;                /* networks of load balancers, whose connections begin with a PROXY header */
        bool     http;                      /* false: on the HTTP listeners, too */
        uint32_t timeout_ms;                /* 5000 for the header */
        uint32_t waiting_max;               /* 1000 connections that wait for their header, in each process */
    } proxy;

    struct {
        uint8_t level;                      /* enum log_level; "info" */
    } log;

    struct strings control_listen;          /* no setting: "unix:" and control_socket, for config_listen */
};

/* Where a configuration is wrong: "FILE:LINE:COLUMN: what was found, what is allowed". */
struct config_error {
    char text[1024];
};

/*
 * Parses the text; file is its name for messages. *out is freed with config_free.
 * MT_ESYNTAX with *error set; MT_ENOMEM.
 */
int  config_parse(struct slice text, const char *file, struct config **out, struct config_error *error);

/* Appends the text of a file to out, for config_parse. MT_ENOTFOUND, MT_EDENIED, MT_EIO, MT_ESYNTAX (too long); *error set. */
#define CONFIG_MAX_BYTES (1024u * 1024)
int  config_read_text(const char *file, struct buf *out, struct config_error *error);

/* Of a memfd that the supervisor handed over (at start, MSG_RELOAD); fd stays the caller's. As config_parse; MT_EINVALID: no such memfd. */
int  config_parse_fd(int fd, struct config **out, struct config_error *error);

/* config_read_text and config_parse. */
int  config_read_file(const char *file, struct config **out, struct config_error *error);
void config_free(struct config *c);         /* NULL is fine */

/* "/etc/mailtest/mailtest.yaml": where programs look without -c. */
extern const char config_default_file[];

/* The listening addresses of one kind; LISTEN_CONTROL gives the one of control_socket as "unix:…". */
struct strings config_listen(const struct config *c, enum listener kind);

/* Whether domain is one of the configured ones, without case. */
bool config_has_domain(const struct config *c, struct slice domain);

/* state_dir and "/" and name, malloc'ed. NULL: out of memory. */
char *config_state_path(const struct config *c, const char *name);

#endif
