#ifndef CHECKER_CHECKS_H
#define CHECKER_CHECKS_H
/*
 * checks - what mailtest-check runs on a schedule: checks.yaml, read with a schema. conf/checks.yaml explains each setting with its
 * unit and default; the fields here bear the same names. Everything is owned by struct checks and stays until checks_free.
 */

#include "checker/plan.h"
#include "lib/config.h"

enum check_kind { CHECK_ROUND_TRIP, CHECK_SMTP, CHECK_BLACKLIST };

/* What happens when a check is due while its last run still goes on. */
enum overlap { OVERLAP_SKIP, OVERLAP_WAIT, OVERLAP_ALLOW };

/* A time of the week in which nobody is alerted, by the local time of the machine (or quiet_zone): minutes since Monday 00:00. */
struct quiet {
    uint32_t from_minute, to_minute;    /* to_minute <= from_minute: over the end of the week */
};

#define CHECK_DEPENDS_MAX 16u
#define CHECK_QUIET_MAX   32u           /* after "Mon-Fri" is taken apart */
#define CHECK_HOSTS_MAX   32u
#define CHECK_CONTACTS_MAX 8u
#define CHECKS_MAX        100000u

struct check {
    const char     *name;               /* letters, digits, '.', '-', '_' and '/'; unique; CHECK_NAME_MAX octets */
    enum check_kind kind;
    unsigned        line;               /* in the file, for messages */
    const char     *strategy;           /* name of the preset; NULL: none */
    bool            enabled;
    struct plan     plan;               /* round trip; of a probe by SMTP: server (or the MX), helo, timeout_ms, to (for the RCPT probe), warning and critical */

    uint32_t        interval_ms;
    enum overlap    overlap;            /* OVERLAP_ALLOW: at most OVERLAP_RUNS_MAX runs at once */
    uint32_t        confirm;            /* runs that must fail one after the other before anybody is alerted; 1: the first alerts */
    uint32_t        confirm_gap_ms;     /* from a run that failed to the next, as long as it is not confirmed */
    struct quiet    quiet[CHECK_QUIET_MAX];
    unsigned        quiet_count;
    unsigned        depends[CHECK_DEPENDS_MAX];     /* indexes of checks: while one of them fails, this one alerts nobody */
    unsigned        depends_count;
    unsigned        contacts[CHECK_CONTACTS_MAX];   /* indexes of struct checks.contacts */
    unsigned        contacts_count;

    bool            probe_recipient;    /* CHECK_SMTP: MAIL and RCPT, then RSET */
    uint32_t        certificate_warning_days;
    const char     *hosts[CHECK_HOSTS_MAX];         /* CHECK_BLACKLIST: addresses, host names, domains */
    unsigned        hosts_count;
    int             client_of;          /* CHECK_BLACKLIST: index of the round trip whose last delivering client is looked up, too; -1: none */
};

#define CHECK_NAME_MAX    100u
#define OVERLAP_RUNS_MAX  8u

/* One server entry; struct plan holds copies of server. */
struct server_entry {
    struct server server;
    uint32_t      under_way_max;        /* runs that send through it at once; 0: no limit */
};

enum alert_way_kind { ALERT_COMMAND, ALERT_WEBHOOK, ALERT_MAIL };

#define ALERT_COMMAND_WORDS_MAX 16u
#define ALERT_RECIPIENTS_MAX    16u

/* One way to tell people. */
struct alert_way {
    const char         *name;
    enum alert_way_kind kind;
    const char         *command[ALERT_COMMAND_WORDS_MAX + 1];
    const char         *url;
    const char         *secret_file;    /* key of the HMAC; one line */
    const char         *ca_file;
    struct server       relays[4];      /* ALERT_MAIL: tried in this order, those last that the alert itself is about */
    unsigned            relays_count;
    const char         *from;
    const char         *to[ALERT_RECIPIENTS_MAX];
    unsigned            to_count;
    const char         *subject;        /* templates (alert_text.h); NULL: the built-in ones */
    const char         *text;
    uint32_t            timeout_ms;
    uint32_t            give_up_ms;     /* after so long a notice that nobody took is dead */
};

#define CONTACT_WAYS_MAX 8u

/* Whom to tell, and how often. */
struct contact {
    const char *name;
    unsigned    ways[CONTACT_WAYS_MAX];         /* indexes of struct checks.ways */
    unsigned    ways_count;
    uint32_t    reminder_ms;                    /* 0: none */
    uint32_t    escalate_after_ms;              /* 0: never */
    unsigned    escalate_to[CONTACT_WAYS_MAX];
    unsigned    escalate_count;
    bool        warnings;                       /* also when a check is WARNING; CRITICAL and, after confirmation, UNKNOWN always */
    bool        recoveries;
};

/* What an answer of a block list means. */
struct block_list_code {
    const char *answer;                 /* "127.0.0.2", "127.0.0.4-7", "127.0.0.*"; "127.0.0.&8": bit 8 is set in the last octet (block_name.h) */
    const char *meaning;
    bool        ignored;                /* no listing: an error code such as 127.255.255.254 (our resolver is refused) */
};

/* A DNS block list (RFC 5782). Its test points for addresses are those of the RFC. */
struct block_list {
    const char             *name;       /* "zen.spamhaus.org" */
    bool                    addresses, domains;     /* what it lists */
    bool                    ipv6;       /* of addresses, these too */
    const char             *listed;     /* domains: a name that is always listed; NULL: "test" */
    const char             *unlisted;   /* domains: one that never is; NULL: "invalid" */
    struct block_list_code *codes;
    unsigned                codes_count;
};

#define BLOCK_LISTS_MAX      200u
#define BLOCK_LIST_CODES_MAX 64u

struct checks {
    const char    *api_url, *api_key_file, *api_ca_file;    /* api_url NULL: no check asks the service, and results are not sent to it */
    bool           api_insecure;
    const char    *state_dir;           /* "/var/lib/mailtest-check" */
    const char    *metrics_listen;      /* "127.0.0.1:9725"; NULL: none */
    const char    *results_file;        /* JSON lines; "-": standard output; NULL: none */
    const char    *dns;                 /* NULL: the system's */
    const char    *quiet_zone;          /* such as "Europe/Berlin"; NULL: the machine's */
    uint32_t       group_ms;            /* how long an alert waits for others of the same cause */
    uint32_t       under_way_max;       /* runs at once in all */
    const char    *blocklists_file;     /* whose lists are added by checks_read_file; NULL: none */

    struct server_entry *servers;
    unsigned             servers_count;
    struct alert_way    *ways;
    unsigned             ways_count;
    struct contact      *contacts;
    unsigned             contacts_count;
    struct block_list   *lists;
    unsigned             lists_count;

    struct check *checks;
    unsigned      checks_count;
    const char   *machine_name;         /* for EHLO where no helo is given */
    void         *memory;               /* what all of it lies in */
};

/* Where programs look without -c. */
#define CHECKS_DEFAULT_FILE "/etc/mailtest/checks.yaml"

/*
 * Parses the text; file is its name for messages. *out is freed with checks_free. MT_ESYNTAX with *error set; MT_ENOMEM. The file of block lists
 * that it may name is not read.
 */
int  checks_parse(struct slice text, const char *file, struct checks **out, struct config_error *error);

/* Reads a file of at most CHECKS_MAX_BYTES, and blocklists_file, which starts at the folder of the first. As config_read_file. */
#define CHECKS_MAX_BYTES (128u * 1024 * 1024)
int  checks_read_file(const char *file, struct checks **out, struct config_error *error);
void checks_free(struct checks *c);             /* NULL is fine */

/* The index of a check; -1: there is none of this name. Logarithmic. */
int  checks_find(const struct checks *c, const char *name);

#endif
