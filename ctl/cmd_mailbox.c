/* The commands for mailboxes. */

#include "ctl/command.h"
#include "lib/error.h"
#include "lib/record.h"

#include <sodium.h>

enum { SECRET_MAX = 128, KEY_HEX_MAX = 2 * TOKEN_KEY_BYTES };

/* ---- Adding, and secrets ---------------------------------------------------------------------------------------- */

struct credentials {
    char address[MAILBOX_ADDRESS_MAX + 1];
    char user[MAILBOX_ADDRESS_MAX + 1];
    char secret[SECRET_MAX + 1];
};

static int
read_added(void *arg, struct reader *r)
{
    struct credentials *c = arg;

    read_string(r, c->address, sizeof(c->address));
    read_string(r, c->user, sizeof(c->user));
    read_string(r, c->secret, sizeof(c->secret));
    return MT_OK;
}

static int
read_secret(void *arg, struct reader *r)
{
    struct credentials *c = arg;

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
    struct credentials c = { .address = "" };
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
run_secret(struct ctl *ctl)
{
    struct credentials c = { .address = "" };
    char               name[MAILBOX_NAME_MAX + 1];
    int                rc, code = ctl_mailbox_operand(ctl, 0, name);

    if (code != EX_OK)
        return code;
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

static json_t *
folder_json(const struct folder_record *f)
{
    return json_pack("{sI sI}", "messages", (json_int_t)f->messages, "bytes", (json_int_t)f->bytes);
}

/* One mailbox with its two folders, as MSG_MAILBOX_LIST and MSG_MAILBOX_SHOW give it; NULL: *rc says why. */
static json_t *
mailbox_json(struct reader *r, int *rc)
{
    struct slice          bytes[3];
    struct mailbox_record m;
    struct folder_record  inbox, unmatched;
    json_t               *address, *document;

    for (size_t i = 0; i < COUNT(bytes); i++)
        read_bytes(r, &bytes[i], MSG_MAX_BYTES);
    if (!read_ok(r)) {
        *rc = MT_EPROTO;
        return NULL;
    }
    if ((*rc = mailbox_record_read(bytes[0], &m)) != MT_OK || (*rc = folder_record_read(bytes[1], &inbox)) != MT_OK ||
        (*rc = folder_record_read(bytes[2], &unmatched)) != MT_OK)
        return NULL;
    address = json_sprintf("%.*s@%.*s", (int)m.name.len, m.name.data, (int)m.domain.len, m.domain.data);
    document = json_pack("{so so so sb so so sI sI so so}", "mailbox", output_string(m.name), "address", address, "user",
                         output_string(m.name), "enabled", m.enabled, "created_at", output_time_unix(m.created_unix),
                         "last_arrival_at", output_time_us(m.last_arrival_us), "messages", (json_int_t)m.messages, "bytes",
                         (json_int_t)m.bytes, "inbox", folder_json(&inbox), "unmatched", folder_json(&unmatched));
    *rc = document == NULL ? MT_ENOMEM : MT_OK;
    return document;
}

static int
read_mailbox_row(void *arg, struct reader *r)
{
    int     rc;
    json_t *row = mailbox_json(r, &rc);

    if (row != NULL)
        json_array_append_new(arg, row);
    return rc;
}

static int
read_mailbox(void *arg, struct reader *r)
{
    json_t **document = arg;
    int      rc;

    *document = mailbox_json(r, &rc);
    return rc;
}

static void
show_list(const struct ctl *ctl, const json_t *d)
{
    static const struct column columns[] = {
        { "MAILBOX",      "mailbox",            AS_TEXT    },
        { "ADDRESS",      "address",            AS_TEXT    },
        { "STATE",        "enabled",            AS_ENABLED },
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
    json_t *rows = json_array();
    int     rc;

    client_fields(ctl->client);
    rc = client_call(ctl->client, MSG_MAILBOX_LIST, -1, read_mailbox_row, NULL, rows);
    return ctl_print_list(ctl, rc, "mailboxes", rows, show_list, "mailboxes");
}

static void
show_mailbox(const struct ctl *ctl, const json_t *d)
{
    static const struct column columns[] = {
        { "mailbox",      "mailbox",            AS_TEXT    },
        { "address",      "address",            AS_TEXT    },
        { "user",         "user",               AS_TEXT    },
        { "state",        "enabled",            AS_ENABLED },
        { "created",      "created_at",         AS_TIME    },
        { "last arrival", "last_arrival_at",    AS_TIME    },
        { "messages",     "messages",           AS_TEXT    },
        { "size",         "bytes",              AS_BYTES   },
        { "INBOX",        "inbox.messages",     AS_TEXT    },
        { "Unmatched",    "unmatched.messages", AS_TEXT    },
    };

    output_fields(ctl->out, d, columns, COUNT(columns));
}

static int
run_show(struct ctl *ctl)
{
    json_t *document = NULL;
    char    name[MAILBOX_NAME_MAX + 1];
    int     rc, code = ctl_mailbox_operand(ctl, 0, name);

    if (code != EX_OK)
        return code;
    write_string(client_fields(ctl->client), name);
    rc = client_call(ctl->client, MSG_MAILBOX_SHOW, -1, NULL, read_mailbox, &document);
    return rc == MT_OK ? ctl_print(ctl, document, show_mailbox) : ctl_end(ctl, rc, "mailbox %s", name);
}

/* ---- Changing --------------------------------------------------------------------------------------------------- */

static void
show_state(const struct ctl *ctl, const json_t *d)
{
    if (json_is_true(json_object_get(d, "enabled")))
        fprintf(ctl->out, "Mailbox %s is enabled.\n", text_of(d, "mailbox"));
    else
        fprintf(ctl->out, "Mailbox %s is disabled: mail to it is refused with 550 5.2.1.\n", text_of(d, "mailbox"));
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
    fprintf(ctl->out, "Mailbox %s is deleted, and %lld message(s) with it.\n", text_of(d, "mailbox"),
            (long long)json_integer_value(json_object_get(d, "messages_deleted")));
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
    { "show", "NAME", 1, 1, NEED_STORE, "one mailbox", NULL, NULL, run_show, NULL },
    { "disable", "NAME", 1, 1, NEED_STORE, "refuse mail to it; what is in it stays", NULL, NULL, run_disable, NULL },
    { "enable", "NAME", 1, 1, NEED_STORE, "receive again", NULL, NULL, run_enable, NULL },
    { "delete", "NAME", 1, 1, NEED_STORE, "remove it with all its messages and tokens", NULL, delete_options, run_delete, NULL },
    { "secret", "NAME", 1, 1, NEED_STORE, "give it a new secret, shown once; the old one ends", NULL, NULL, run_secret, NULL },
    { "key", "NAME", 1, 1, NEED_STORE, "its token key in hexadecimal, for a checker that mints by itself",
      "Who has the key can make genuine tokens for this mailbox alone. Rotating the master key changes it.", NULL, run_key, NULL },
    { NULL, NULL, 0, 0, NEED_NOTHING, NULL, NULL, NULL, NULL, NULL },
};
