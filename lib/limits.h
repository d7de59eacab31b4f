#ifndef LIB_LIMITS_H
#define LIB_LIMITS_H
/*
 * limits - what one client may have of the service: sessions at a time, new sessions and mails in a time, the same whichever process serves it.
 * The counts are in the table that all processes share (lib/shared_table.h); what the settings are for stands in conf/mailtest.yaml, what a
 * client is told in docs/limits.md.
 *
 * An address is an IPv4 address or the /64 of an IPv6 one; its network is the IPv4 /24 or the IPv6 /48. Trusted networks (limits.trusted) and
 * clients of Unix sockets are exempt. Known are trusted ones, and those whose mail with a genuine token was stored or who logged in, in the
 * last limits.known_days.
 */

#include "lib/config.h"
#include "lib/network.h"
#include "lib/shared_table.h"

/* Which limit was reached; with the setting's name for the log, and a counter each. */
#define LIMITS(X) \
    X(PER_ADDRESS,      "sessions_per_address") \
    X(PER_NETWORK,      "sessions_per_network") \
    X(RATE_NETWORK,     "new_per_second_network") \
    X(RATE,             "new_per_second") \
    X(SESSIONS,         "sessions_max") \
    X(MAILS_ADDRESS,    "mails_per_minute_address") \
    X(MAILS_MAILBOX,    "mails_per_minute_mailbox") \
    X(IDLE_COMMANDS,    "idle_commands_max") \
    X(ERRORS,           "errors_max") \
    X(SHED,             "shed")

enum limit {
    LIMIT_NONE,
#define X(id, name) LIMIT_##id,
    LIMITS(X)
#undef X
    LIMIT_COUNT
};

/* "sessions_per_address" and so on. */
const char *limit_name(enum limit limit);

/* What is given out in one protocol. */
struct limit_rules {
    const char *protocol;       /* for the log: the section of the settings */
    uint32_t    sessions_per_address;
    uint32_t    sessions_per_network;   /* this and the next two: 0 for none */
    uint32_t    new_per_second;
    uint32_t    new_per_second_network;
    uint32_t    mails_per_minute_address;
    uint32_t    mails_per_minute_mailbox;
};

struct limits;

/* One client; lives in its session. */
struct limit_client {
    uint64_t who[SHARED_SCOPE_COUNT];   /* hashes of its address and of its network */
    bool     trusted;
    bool     counted;                   /* between limits_enter and limits_leave */
};

/* table NULL: nothing is counted and everybody is let in; still trusted ones are known as such. Both are borrowed. NULL: out of memory. */
struct limits *limits_new(const struct config *config, struct shared_table *table, uint32_t share, const struct limit_rules *rules);
void           limits_free(struct limits *l);       /* NULL is fine */

/* client: its address in text, or "unix". */
void limits_client(const struct limits *l, const char *client, struct limit_client *out);

/* One more session. LIMIT_NONE: it may be, and limits_leave ends it. */
enum limit limits_enter(struct limits *l, struct limit_client *c);
void       limits_leave(struct limits *l, struct limit_client *c);      /* also where it never entered */

/* One more mail. False: it is too early for one. A known client's mail is taken for every mailbox, so that a flood keeps nobody's out. */
bool limits_mail(struct limits *l, const struct limit_client *c);
bool limits_mailbox(struct limits *l, const struct limit_client *c, struct slice mailbox);

/* It has shown that it is a good one. */
void limits_know(struct limits *l, const struct limit_client *c);
bool limits_knows(struct limits *l, const struct limit_client *c);

/*
 * Counts that a limit was reached, and logs it: "event=limit-reached client=ADDRESS protocol=smtp limit=smtp.errors_max", for one address once in
 * limits.log_interval_s, so that a flood does not fill the log.
 */
void limits_reached(struct limits *l, const struct limit_client *c, const char *client, enum limit limit);

/* The same, where a session is known: the log tells its number, its own protocol, and whose it is. */
struct limit_session {
    uint32_t    number;
    const char *client, *protocol;
    const char *names;      /* "mailbox=acme"; "": nobody has logged in */
};
void limits_reached_in_session(struct limits *l, const struct limit_client *c, const struct limit_session *session, enum limit limit);

/* Whether a line about this client may be logged now: once in limits.log_interval_s. */
bool limits_may_log(struct limits *l, const struct limit_client *c);

#endif
