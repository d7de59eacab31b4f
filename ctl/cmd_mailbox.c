/* The commands for mailboxes. */

#include "ctl/chosen.h"
#include "ctl/command.h"
#include "ctl/facts.h"
#include "lib/error.h"
#include "lib/folder_name.h"
#include "lib/record.h"

#include <sodium.h>

enum { SECRET_MAX = 128, KEY_HEX_MAX = 2 * TOKEN_KEY_BYTES };

/* ---- Adding, and secrets ---------------------------------------------------------------------------------------- */

struct handed_out {
    char address[MAILBOX_ADDRESS_MAX + 1];
    char user[MAILBOX_ADDRESS_MAX + 1];
    char secret[SECRET_MAX + 1];
};

static int
read_added(void *arg, struct reader *r)
{
    struct handed_out *c = arg;

    read_string(r, c->address, sizeof(c->address));
    read_string(r, c->user, sizeof(c->user));
    read_string(r, c->secret, sizeof(c->secret));
    return MT_OK;
}

static int
read_secret(void *arg, struct reader *r)
{
    struct handed_out *c = arg;

    read_string(r, c->user, sizeof(c->user));
    read_string(r, c->secret, sizeof(c->secret));
    return MT_OK;
}

static const char *
text_of(const json_t *document, const char *key)
{
    const char *text = json_string_value(json_object_get(document, key));

    return text != NULL ? text : "";
}

static void
show_added(const struct ctl *ctl, const json_t *d)
{
    const char *file = options_value(&ctl->options, "config");

    fprintf(ctl->out,
            "Mailbox %s is ready.\n\n"
            "  address  %s\n"
            "  user     %s   (for IMAP and POP3)\n"
            "  secret   %s   (shown this once; \"mailtestctl mailbox secret %s\" makes a new one)\n\n"
            "Next: have the customer's rule forward the test mail to %s, then see what came with\n"
            "  mailtestctl%s%s message list %s\n",
            text_of(d, "mailbox"), text_of(d, "address"), text_of(d, "user"), text_of(d, "secret"), text_of(d, "mailbox"),
            text_of(d, "address"), file != NULL ? " -c " : "", file != NULL ? file : "", text_of(d, "mailbox"));
}

static int
run_add(struct ctl *ctl)
{
    const char        *domain = options_value(&ctl->options, "domain");
    struct handed_out c = { .address = "" };
    struct buf        *fields;
    char               name[MAILBOX_NAME_MAX + 1];
    int                rc, code = ctl_mailbox_operand(ctl, 0, name);

    if (code != EX_OK)
        return code;
    if (domain != NULL && !config_has_domain(ctl->config, slice_of(domain)))
        return ctl_fail(EX_USAGE, "\"%.255s\" is not one of the domains in the configuration", domain);
    fields = client_fields(ctl->client);
    write_string(fields, name);
    write_string(fields, domain);
    rc = client_call(ctl->client, MSG_MAILBOX_ADD, -1, NULL, read_added, &c);
    code = ctl_end(ctl, rc, "mailbox %s", name);
    if (code == EX_OK)
        code = ctl_print(ctl, json_pack("{ss ss ss ss}", "mailbox", name, "address", c.address, "user", c.user, "secret", c.secret),
                         show_added);
    sodium_memzero(&c, sizeof(c));
    return code;
}

static void
show_secret(const struct ctl *ctl, const json_t *d)
{
    fprintf(ctl->out, "user    %s\nsecret  %s   (shown this once; the one before is no longer valid)\n", text_of(d, "user"),
            text_of(d, "secret"));
}

static int
read_user(void *arg, struct reader *r)
{
    struct handed_out *c = arg;

    read_string(r, c->user, sizeof(c->user));
    return MT_OK;
}

static void
show_chosen(const struct ctl *ctl, const json_t *d)
{
    fprintf(ctl->out, "Mailbox %s has the secret that you chose; the one before is no longer valid.\n%s", text_of(d, "mailbox"), chosen_note);
}

static int
set_chosen(struct ctl *ctl, const char *name)
{
    struct handed_out  h = { .address = "" };
    struct credentials c;
    struct buf        *fields;
    int                rc, code = chosen_read(ctl, &c);

    if (code != EX_OK)
        return code;
    fields = client_fields(ctl->client);
    write_string(fields, name);
    chosen_write(fields, &c);
    sodium_memzero(&c, sizeof(c));
    rc = client_call(ctl->client, MSG_MAILBOX_CHOSEN, -1, NULL, read_user, &h);
    code = ctl_end(ctl, rc, "mailbox %s", name);
    return code == EX_OK ? ctl_print(ctl, json_pack("{ss ss}", "mailbox", name, "user", h.user), show_chosen) : code;
}

static int
run_secret(struct ctl *ctl)
{
    struct handed_out c = { .address = "" };
    char               name[MAILBOX_NAME_MAX + 1];
    int                rc, code = ctl_mailbox_operand(ctl, 0, name);

    if (code != EX_OK)
        return code;
    if (chosen_is_wanted(ctl))
        return set_chosen(ctl, name);
    write_string(client_fields(ctl->client), name);
    rc = client_call(ctl->client, MSG_MAILBOX_SECRET, -1, NULL, read_secret, &c);
    code = ctl_end(ctl, rc, "mailbox %s", name);
    if (code == EX_OK)
        code = ctl_print(ctl, json_pack("{ss ss ss}", "mailbox", name, "user", c.user, "secret", c.secret), show_secret);
    sodium_memzero(&c, sizeof(c));
    return code;
}

static int
read_key(void *arg, struct reader *r)
{
    read_string(r, arg, KEY_HEX_MAX + 1);
    return MT_OK;
}

static void
show_key(const struct ctl *ctl, const json_t *d)
{
    fprintf(ctl->out, "%s\n", text_of(d, "key"));
}

static int
run_key(struct ctl *ctl)
{
    char key[KEY_HEX_MAX + 1] = "";
    char name[MAILBOX_NAME_MAX + 1];
    int  rc, code = ctl_mailbox_operand(ctl, 0, name);

    if (code != EX_OK)
        return code;
    write_string(client_fields(ctl->client), name);
    rc = client_call(ctl->client, MSG_MAILBOX_KEY, -1, NULL, read_key, key);
    code = ctl_end(ctl, rc, "mailbox %s", name);
    if (code == EX_OK)
        code = ctl_print(ctl, json_pack("{ss ss}", "mailbox", name, "key", key), show_key);
    sodium_memzero(key, sizeof(key));
    return code;
}

/* ---- Looking ---------------------------------------------------------------------------------------------------- */

/* What the answers for one mailbox hold, kept until all are there. */
struct mailbox_facts {
    struct buf mailbox, inbox, unmatched, pattern, confirmation;
};

static int
read_mailbox(void *arg, struct reader *r)
{
    struct mailbox_facts *f = arg;
    struct buf           *to[] = { &f->mailbox, &f->inbox, &f->unmatched };
    struct slice          bytes;

    for (size_t i = 0; i < COUNT(to); i++) {
        read_bytes(r, &bytes, RECORD_BYTES_MAX);
        buf_append_slice(to[i], bytes);
    }
    return read_ok(r) ? MT_OK : MT_EPROTO;
}

/* One record, into a buffer. */
static int
read_record(void *arg, struct reader *r)
{
    struct slice bytes;

    read_bytes(r, &bytes, RECORD_BYTES_MAX);
    return buf_append_slice(arg, bytes);
}

/* Of a message, whose folder does not matter here. */
static int
read_message(void *arg, struct reader *r)
{
    int          rc = read_record(arg, r);
    struct slice folder;

    read_bytes(r, &folder, FOLDER_NAME_BYTES);
    return rc;
}

/* Its records, how its mail usually comes, and the request to confirm a forwarding if there is one that has not expired. */
static int
ask_records(struct ctl *ctl, const char *name, struct mailbox_facts *f)
{
    uint64_t message_id = 0;
    int      rc;

    write_string(client_fields(ctl->client), name);
    rc = client_call(ctl->client, MSG_MAILBOX_SHOW, -1, NULL, read_mailbox, f);
    if (rc != MT_OK)
        return rc;
    write_string(client_fields(ctl->client), name);
    rc = client_call(ctl->client, MSG_PATTERN, -1, NULL, read_record, &f->pattern);
    if (rc == MT_OK)
        rc = facts_pattern_confirmation(buf_slice(&f->pattern), &message_id);
    if (rc != MT_OK || message_id == 0)
        return rc;
    write_u64(client_fields(ctl->client), message_id);
    rc = client_call(ctl->client, MSG_MESSAGE_SHOW, -1, NULL, read_message, &f->confirmation);
    return rc == MT_ENOTFOUND ? MT_OK : rc;
}

/* The same JSON as the HTTP interface's. */
static int
ask_mailbox(struct ctl *ctl, const char *name, json_t **out)
{
    struct mailbox_facts   f;
    struct buf            *all[] = { &f.mailbox, &f.inbox, &f.unmatched, &f.pattern, &f.confirmation }, text;
    struct mailbox_records records;
    int                    rc;

    for (size_t i = 0; i < COUNT(all); i++)
        buf_init(all[i], RECORD_BYTES_MAX);
    buf_init(&text, FACTS_MAX_BYTES);
    rc = ask_records(ctl, name, &f);
    if (rc == MT_OK) {
        records = (struct mailbox_records){ buf_slice(&f.mailbox), buf_slice(&f.inbox), buf_slice(&f.unmatched), buf_slice(&f.pattern),
                                            buf_slice(&f.confirmation) };
        rc = facts_mailbox(&records, ctl_now_us(), &text);
    }
    if (rc == MT_OK) {
        *out = output_parsed(&text);
        rc = *out == NULL ? MT_ENOMEM : MT_OK;
    }
    buf_fini(&text);
    for (size_t i = 0; i < COUNT(all); i++)
        buf_fini(all[i]);
    return rc;
}

/* The names of all. */
static int
read_name_row(void *arg, struct reader *r)
{
    struct slice          bytes[3];
    struct mailbox_record m;
    int                   rc;

    for (size_t i = 0; i < COUNT(bytes); i++)
        read_bytes(r, &bytes[i], RECORD_BYTES_MAX);
    if (!read_ok(r))
        return MT_EPROTO;
    rc = mailbox_record_read(bytes[0], &m);
    if (rc == MT_OK && json_array_append_new(arg, output_string(m.name)) != 0)
        rc = MT_ENOMEM;
    return rc;
}

static void
show_list(const struct ctl *ctl, const json_t *d)
{
    static const struct column columns[] = {
        { "MAILBOX",      "mailbox",            AS_TEXT    },
        { "ADDRESS",      "address",            AS_TEXT    },
        { "STATE",        "enabled",            AS_ENABLED },
        { "FORWARD",      "setup.state",        AS_TEXT    },
        { "INBOX",        "inbox.messages",     AS_TEXT    },
        { "UNMATCHED",    "unmatched.messages", AS_TEXT    },
        { "SIZE",         "bytes",              AS_BYTES   },
        { "LAST ARRIVAL", "last_arrival_at",    AS_TIME    },
    };

    output_list(ctl->out, json_object_get(d, "mailboxes"), columns, COUNT(columns),
                "There is no mailbox yet; \"mailtestctl mailbox add NAME\" makes one.");
}

static int
run_list(struct ctl *ctl)
{
    json_t *names = json_array(), *rows = json_array(), *name, *row;
    bool    damaged = false;
    size_t  i;
    int     rc;

    client_fields(ctl->client);
    rc = client_call(ctl->client, MSG_MAILBOX_LIST, -1, read_name_row, NULL, names);
    damaged = rc == MT_EDAMAGED;
    json_array_foreach (names, i, name) {
        if (rc != MT_OK && rc != MT_EDAMAGED && rc != MT_ENOTFOUND)
            break;
        rc = ask_mailbox(ctl, json_string_value(name), &row);
        damaged = damaged || rc == MT_EDAMAGED;
        if (rc == MT_OK)
            json_array_append_new(rows, row);
    }
    json_decref(names);
    if (rc == MT_ENOTFOUND || rc == MT_EDAMAGED)        /* removed meanwhile, or told below */
        rc = MT_OK;
    return ctl_print_list(ctl, rc == MT_OK && damaged ? MT_EDAMAGED : rc, "mailboxes", rows, show_list, "mailboxes");
}

static void
show_mailbox(const struct ctl *ctl, const json_t *d)
{
    static const struct column columns[] = {
        { "mailbox",      "mailbox",            AS_TEXT    },
        { "address",      "address",            AS_TEXT    },
        { "user",         "user",               AS_TEXT    },
        { "state",        "enabled",            AS_ENABLED },
        { "chosen secret", "chosen_secret",      AS_TEXT    },
        { "created",      "created_at",         AS_TIME    },
        { "last arrival", "last_arrival_at",    AS_TIME    },
        { "messages",     "messages",           AS_TEXT    },
        { "size",         "bytes",              AS_BYTES   },
        { "INBOX",        "inbox.messages",     AS_TEXT    },
        { "Unmatched",    "unmatched.messages", AS_TEXT    },
        { "other folders", "other_folders.messages", AS_TEXT    },
    };
    static const struct column setup[] = {
        { "forward",      "state",                 AS_TEXT    },
        { "hint",         "hint",                  AS_LONG    },
        { "arrivals",     "arrivals",              AS_TEXT    },
        { "usually each", "usual_gap_s",           AS_SECONDS },
        { "way",          "way",                   AS_TEXT    },
        { "found in",     "found_in",              AS_PLACES  },
        { "confirmation", "confirmation.provider", AS_TEXT    },
        { "  asked",      "confirmation.at",       AS_TIME    },
        { "  code",       "confirmation.code",     AS_TEXT    },
        { "  link",       "confirmation.link",     AS_LONG    },
        { "  for",        "confirmation.for",      AS_TEXT    },
        { "  message",    "confirmation.message_id", AS_TEXT  },
        { "refused",      "refusal.at",            AS_TIME    },
        { "  status",     "refusal.status",        AS_TEXT    },
        { "  words",      "refusal.diagnostic",    AS_LONG    },
        { "  meaning",    "refusal.meaning",       AS_LONG    },
    };

    output_fields(ctl->out, d, columns, COUNT(columns));
    fputc('\n', ctl->out);
    output_fields(ctl->out, json_object_get(d, "setup"), setup, COUNT(setup));
}

static int
run_show(struct ctl *ctl)
{
    json_t *document = NULL;
    char    name[MAILBOX_NAME_MAX + 1];
    int     rc, code = ctl_mailbox_operand(ctl, 0, name);

    if (code != EX_OK)
        return code;
    rc = ask_mailbox(ctl, name, &document);
    return rc == MT_OK ? ctl_print(ctl, document, show_mailbox) : ctl_end(ctl, rc, "mailbox %s", name);
}

/* ---- Changing --------------------------------------------------------------------------------------------------- */

static void
show_state(const struct ctl *ctl, const json_t *d)
{
    if (json_is_true(json_object_get(d, "enabled")))
        fprintf(ctl->out, "Mailbox %s is enabled.\n", text_of(d, "mailbox"));
    else
        fprintf(ctl->out, "Mailbox %s is disabled: mail to it is refused with 550 5.2.1, logins are refused, and open sessions end.\n", text_of(d, "mailbox"));
}

static int
set_enabled(struct ctl *ctl, bool enabled)
{
    struct buf *fields;
    char        name[MAILBOX_NAME_MAX + 1];
    int         rc, code = ctl_mailbox_operand(ctl, 0, name);

    if (code != EX_OK)
        return code;
    fields = client_fields(ctl->client);
    write_string(fields, name);
    write_u8(fields, enabled);
    rc = client_call(ctl->client, MSG_MAILBOX_ENABLE, -1, NULL, NULL, NULL);
    if (rc != MT_OK)
        return ctl_end(ctl, rc, "mailbox %s", name);
    return ctl_print(ctl, json_pack("{ss sb}", "mailbox", name, "enabled", enabled), show_state);
}

static int
run_enable(struct ctl *ctl)
{
    return set_enabled(ctl, true);
}

static int
run_disable(struct ctl *ctl)
{
    return set_enabled(ctl, false);
}

static int
read_deleted(void *arg, struct reader *r)
{
    read_u32(r, arg);
    return MT_OK;
}

static void
show_deleted(const struct ctl *ctl, const json_t *d)
{
    long long count = (long long)json_integer_value(json_object_get(d, "messages_deleted"));

    fprintf(ctl->out, "Mailbox %s is deleted, and %lld message%s with it.\n", text_of(d, "mailbox"), count, count == 1 ? "" : "s");
}

static int
run_delete(struct ctl *ctl)
{
    uint32_t deleted = 0;
    char     name[MAILBOX_NAME_MAX + 1];
    int      rc, code = ctl_mailbox_operand(ctl, 0, name);

    if (code == EX_OK)
        code = ctl_confirm(ctl, "Delete mailbox %s with all its messages?", name);
    if (code != EX_OK)
        return code;
    write_string(client_fields(ctl->client), name);
    rc = client_call(ctl->client, MSG_MAILBOX_DELETE, -1, NULL, read_deleted, &deleted);
    if (rc != MT_OK)
        return ctl_end(ctl, rc, "mailbox %s", name);
    return ctl_print(ctl, json_pack("{ss sI}", "mailbox", name, "messages_deleted", (json_int_t)deleted), show_deleted);
}

static const struct option_spec add_options[] = {
    { 'd', "domain", "DOMAIN", "the domain of its address; without it, the first of the configuration" },
    { 0, NULL, NULL, NULL },
};

static const struct option_spec secret_options[] = {
    CHOSEN_OPTIONS,
    { 0, NULL, NULL, NULL },
};

static const struct option_spec delete_options[] = {
    { 'y', "yes", NULL, "do not ask; needed where there is no terminal" },
    { 0, NULL, NULL, NULL },
};

const struct command mailbox_commands[] = {
    { "add", "NAME", 1, 1, NEED_STORE, "make a mailbox; prints its address, login and secret, once",
      "NAME is 1 to 64 letters, digits, '.', '-' and '_'. It receives at NAME@ and NAME+anything@ in every configured\n"
      "domain. The address that is printed is what its tokens are bound to. JSON: mailbox, address, user, secret.",
      add_options, run_add, NULL },
    { "list", "", 0, 0, NEED_STORE, "all mailboxes with what is in them", NULL, NULL, run_list, NULL },
    { "show", "NAME", 1, 1, NEED_STORE, "one mailbox, and how far its forward is set up",
      "The forward is waiting, confirmation (a provider asks to confirm it: code and link are shown), refused, first-probe, healthy\n"
      "or silent; the hint says what to do next. The JSON is what the HTTP interface answers.", NULL, run_show, NULL },
    { "disable", "NAME", 1, 1, NEED_STORE, "refuse mail to it, and logins; what is in it stays",
      "Sessions that are open, by IMAP and POP3, end at once, those of agents, too.", NULL, run_disable, NULL },
    { "enable", "NAME", 1, 1, NEED_STORE, "receive again, and let log in", NULL, NULL, run_enable, NULL },
    { "delete", "NAME", 1, 1, NEED_STORE, "remove it with all its messages and tokens", NULL, delete_options, run_delete, NULL },
    { "secret", "NAME", 1, 1, NEED_STORE, "give it a new secret, shown once; the old one ends, and the sessions of it",
      "With --stdin or --file the secret is one that you choose. It is kept by a slow hash alone, so logging in takes some 55 ms of a\n"
      "processor, and SCRAM does not work with it (mbsync: AuthMechs LOGIN; mpop: auth plain). JSON: mailbox, user, and secret when it was made here.", secret_options, run_secret, NULL },
    { "key", "NAME", 1, 1, NEED_STORE, "its token key in hexadecimal, for a checker that mints by itself",
      "Who has the key can make genuine tokens for this mailbox alone. Rotating the master key changes it.", NULL, run_key, NULL },
    { NULL, NULL, 0, 0, NEED_NOTHING, NULL, NULL, NULL, NULL, NULL },
};
