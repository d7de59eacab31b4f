#ifndef CHECKER_CHECKS_RAW_H
#define CHECKER_CHECKS_RAW_H
/*
 * checks_raw - checks.yaml as it is written: each setting once, by its section. From these lines come the structs, libcyaml's schema and the
 * list of known names; what a setting may be and its default stand in checks_*.c, what it is for in conf/checks.yaml. For checks alone.
 *
 *   TEXT(section, name)            a scalar; NULL: absent
 *   LIST(section, name)            of scalars
 *   PART(section, name, type)      a section in it; NULL: absent
 *   MANY(section, name, type)      a list of sections
 */

#include "lib/config_outline.h"

#define RAW_API_SETTINGS(TEXT, LIST, PART, MANY) \
    TEXT(raw_api, url) TEXT(raw_api, key_file) TEXT(raw_api, ca_file) TEXT(raw_api, insecure)

#define RAW_AUTH_SETTINGS(TEXT, LIST, PART, MANY) \
    TEXT(raw_auth, mechanism) TEXT(raw_auth, user) TEXT(raw_auth, password_file) LIST(raw_auth, token_command)

#define RAW_SERVER_SETTINGS(TEXT, LIST, PART, MANY) \
    TEXT(raw_server, name) TEXT(raw_server, host) TEXT(raw_server, port) TEXT(raw_server, tls) TEXT(raw_server, verify) \
    TEXT(raw_server, ca_file) PART(raw_server, auth, raw_auth) TEXT(raw_server, under_way_max)

#define RAW_MAIL_SETTINGS(TEXT, LIST, PART, MANY) \
    LIST(raw_mail, relays) TEXT(raw_mail, from) LIST(raw_mail, to)

#define RAW_WAY_SETTINGS(TEXT, LIST, PART, MANY) \
    TEXT(raw_way, name) LIST(raw_way, command) TEXT(raw_way, webhook) PART(raw_way, mail, raw_mail) TEXT(raw_way, secret_file) \
    TEXT(raw_way, ca_file) TEXT(raw_way, subject) TEXT(raw_way, text) TEXT(raw_way, timeout) TEXT(raw_way, give_up)

#define RAW_CONTACT_SETTINGS(TEXT, LIST, PART, MANY) \
    TEXT(raw_contact, name) LIST(raw_contact, ways) TEXT(raw_contact, reminder) TEXT(raw_contact, escalate_after) \
    LIST(raw_contact, escalate_to) TEXT(raw_contact, warnings) TEXT(raw_contact, recoveries)

#define RAW_CODE_SETTINGS(TEXT, LIST, PART, MANY) \
    TEXT(raw_code, answer) TEXT(raw_code, meaning) TEXT(raw_code, ignored)

#define RAW_BLOCKLIST_SETTINGS(TEXT, LIST, PART, MANY) \
    TEXT(raw_blocklist, name) TEXT(raw_blocklist, addresses) TEXT(raw_blocklist, domains) TEXT(raw_blocklist, ipv6) \
    TEXT(raw_blocklist, listed) TEXT(raw_blocklist, unlisted) MANY(raw_blocklist, codes, raw_code)

/* What a check has of its own, and what the section "defaults" may say for all. */
#define RAW_OWN_SETTINGS(TEXT, LIST, PART, MANY) \
    TEXT(raw_check, name) TEXT(raw_check, kind) TEXT(raw_check, enabled) TEXT(raw_check, scenario) TEXT(raw_check, strategy) \
    TEXT(raw_check, send) TEXT(raw_check, each_mx) TEXT(raw_check, server) TEXT(raw_check, sendmail) TEXT(raw_check, receive) \
    TEXT(raw_check, account) TEXT(raw_check, folder) TEXT(raw_check, junk_folder) TEXT(raw_check, mailbox) \
    TEXT(raw_check, expect) TEXT(raw_check, to) TEXT(raw_check, rcpt) TEXT(raw_check, client_of) \
    LIST(raw_check, hosts) LIST(raw_check, depends)

#define RAW_SHARED_SETTINGS(section, TEXT, LIST, PART, MANY) \
    TEXT(section, from) TEXT(section, helo) TEXT(section, interval) TEXT(section, window) TEXT(section, timeout) \
    TEXT(section, retry_gap) TEXT(section, poll_gap) TEXT(section, warning) TEXT(section, critical) TEXT(section, overlap) \
    TEXT(section, confirm) TEXT(section, confirm_gap) LIST(section, quiet) LIST(section, alert) TEXT(section, keep) \
    TEXT(section, auto_submitted) TEXT(section, certificate_warning_days)

#define RAW_CHECK_SETTINGS(TEXT, LIST, PART, MANY) \
    RAW_OWN_SETTINGS(TEXT, LIST, PART, MANY) RAW_SHARED_SETTINGS(raw_check, TEXT, LIST, PART, MANY)

#define RAW_DEFAULTS_SETTINGS(TEXT, LIST, PART, MANY) RAW_SHARED_SETTINGS(raw_defaults, TEXT, LIST, PART, MANY)

#define RAW_TOP_SETTINGS(TEXT, LIST, PART, MANY) \
    PART(raw_top, api, raw_api) TEXT(raw_top, state_dir) TEXT(raw_top, metrics_listen) TEXT(raw_top, results_file) \
    TEXT(raw_top, dns) TEXT(raw_top, quiet_zone) TEXT(raw_top, group) TEXT(raw_top, under_way_max) TEXT(raw_top, blocklists_file) \
    PART(raw_top, defaults, raw_defaults) MANY(raw_top, servers, raw_server) MANY(raw_top, ways, raw_way) \
    MANY(raw_top, contacts, raw_contact) MANY(raw_top, lists, raw_blocklist) MANY(raw_top, checks, raw_check)

#define RAW_LISTS_SETTINGS(TEXT, LIST, PART, MANY) MANY(raw_lists, lists, raw_blocklist)

#define RAW_MEMBER_TEXT(section, name)       char *name;
#define RAW_MEMBER_LIST(section, name)       struct strings name;
#define RAW_MEMBER_PART(section, name, type) struct type *name;
#define RAW_MEMBER_MANY(section, name, type) struct { struct type *items; uint32_t count; } name;
#define RAW_STRUCT(tag, SETTINGS) \
    struct tag { SETTINGS(RAW_MEMBER_TEXT, RAW_MEMBER_LIST, RAW_MEMBER_PART, RAW_MEMBER_MANY) };

RAW_STRUCT(raw_api, RAW_API_SETTINGS)
RAW_STRUCT(raw_auth, RAW_AUTH_SETTINGS)
RAW_STRUCT(raw_server, RAW_SERVER_SETTINGS)
RAW_STRUCT(raw_mail, RAW_MAIL_SETTINGS)
RAW_STRUCT(raw_way, RAW_WAY_SETTINGS)
RAW_STRUCT(raw_contact, RAW_CONTACT_SETTINGS)
RAW_STRUCT(raw_code, RAW_CODE_SETTINGS)
RAW_STRUCT(raw_blocklist, RAW_BLOCKLIST_SETTINGS)
RAW_STRUCT(raw_check, RAW_CHECK_SETTINGS)
RAW_STRUCT(raw_defaults, RAW_DEFAULTS_SETTINGS)
RAW_STRUCT(raw_top, RAW_TOP_SETTINGS)       /* checks.yaml */
RAW_STRUCT(raw_lists, RAW_LISTS_SETTINGS)   /* a file of lists alone */

/*
 * Reads the text: *o has its places (to be given to outline_fini whatever is returned), *out its values. Every name in it is known, every value of its
 * kind (text, list, section). MT_ESYNTAX with *error set; MT_ENOMEM.
 */
int  raw_top_read(struct slice text, const char *file, struct outline *o, struct raw_top **out, struct config_error *error);
void raw_top_free(struct raw_top *r);       /* NULL is fine */

int  raw_lists_read(struct slice text, const char *file, struct outline *o, struct raw_lists **out, struct config_error *error);
void raw_lists_free(struct raw_lists *r);   /* NULL is fine */

#endif
