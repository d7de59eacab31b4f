/* The commands for agents, who read mailboxes of others. */

#include "ctl/chosen.h"
#include "ctl/command.h"
#include "ctl/mailbox_names.h"
#include "lib/error.h"
#include "lib/record.h"

#include <sodium.h>
#include <stdio.h>

enum { SECRET_MAX = 128 };

struct handed_out {
    char name[MAILBOX_NAME_MAX + 1];
    char secret[SECRET_MAX + 1];
};

static int
read_secret(void *arg, struct reader *r)
{
    struct handed_out *h = arg;

    read_string(r, h->name, sizeof(h->name));
    read_string(r, h->secret, sizeof(h->secret));
    return MT_OK;
}

static const char *
text_of(const json_t *document, const char *key)
{
    const char *text = json_string_value(json_object_get(document, key));

    return text != NULL ? text : "";
}

static int
agent_operand(const struct ctl *ctl, char name[MAILBOX_NAME_MAX + 1])
{
    if (mailbox_name_parse(slice_of(ctl->options.operands[0]), name) == MT_OK)
        return EX_OK;
    return ctl_fail(EX_USAGE, "\"%.100s\" is no name of an agent: 1 to %u letters, digits, '.', '-' and '_'", ctl->options.operands[0], MAILBOX_NAME_MAX);
}

/* ---- Which mailboxes ---------------------------------------------------------------------------------------------------- */

/* --all, or --mailbox with names behind commas: the fields that the requests have for them. */
static int
write_mailboxes(const struct ctl *ctl, struct buf *fields, bool needed)
{
    const char  *given = options_value(&ctl->options, "mailbox");
    bool         all = options_has(&ctl->options, "all");
    struct slice rest = slice_of(given);
    uint32_t     count = 0;
    struct buf   names;
    int          code = EX_OK;

    if (all && given != NULL)
        return ctl_fail(EX_USAGE, "--all and --mailbox together: one of them");
    if (needed && !all && given == NULL)
        return ctl_fail(EX_USAGE, "which mailboxes? --mailbox A,B or --all");
    buf_init(&names, AGENT_MAILBOXES_MAX * (MAILBOX_NAME_MAX + 8));
    while (code == EX_OK && rest.len > 0) {
        size_t       comma = slice_find(rest, ',');
        struct slice one = slice_sub(rest, 0, comma);
        char         name[MAILBOX_NAME_MAX + 1];

        rest = slice_sub(rest, comma + 1, rest.len);
        if (mailbox_name_parse(one, name) != MT_OK)
            code = ctl_fail(EX_USAGE, "\"%.*s\" is no name of a mailbox", one.len < 100 ? (int)one.len : 100, one.data);
        else if (++count > AGENT_MAILBOXES_MAX)
            code = ctl_fail(EX_USAGE, "at most %u mailboxes; --all is without a limit", AGENT_MAILBOXES_MAX);
        else
            write_string(&names, name);
    }
    write_u8(fields, all);
    write_u32(fields, count);
    buf_append_slice(fields, buf_slice(&names));
    buf_fini(&names);
    return code;
}

static int
pass_over(void *arg, struct reader *r)
{
    (void)arg;
    r->rest.len = 0;
    return MT_OK;
}

/* The agent, or which of the mailboxes that were named, there is not; said. */
static int
fail_mailboxes(struct ctl *ctl, const char *agent)
{
    struct slice rest = slice_of(options_value(&ctl->options, "mailbox"));

    while (rest.len > 0) {
        size_t comma = slice_find(rest, ',');
        char   name[MAILBOX_NAME_MAX + 1] = "";

        mailbox_name_parse(slice_sub(rest, 0, comma), name);
        rest = slice_sub(rest, comma + 1, rest.len);
        write_string(client_fields(ctl->client), name);
        if (client_call(ctl->client, MSG_MAILBOX_SHOW, -1, NULL, pass_over, NULL) == MT_ENOTFOUND)
            return ctl_end(ctl, MT_ENOTFOUND, "mailbox %s", name);
    }
    return ctl_end(ctl, MT_ENOTFOUND, "agent %s", agent);
}

/* ---- Adding, and secrets ---------------------------------------------------------------------------------------------- */

static void
show_added(const struct ctl *ctl, const json_t *d)
{
    fprintf(ctl->out,
            "Agent %s is ready.\n\n"
            "  user    MAILBOX*%s   (for IMAP and POP3, with the mailbox that is to be read)\n"
            "  secret  %s   (shown this once; \"mailtestctl agent secret %s\" makes a new one)\n",
            text_of(d, "agent"), text_of(d, "agent"), text_of(d, "secret"), text_of(d, "agent"));
}

static int
run_add(struct ctl *ctl)
{
    struct handed_out h = { .name = "" };
    struct buf       *fields;
    char              name[MAILBOX_NAME_MAX + 1];
    int               rc, code = agent_operand(ctl, name);

    if (code != EX_OK)
        return code;
    fields = client_fields(ctl->client);
    write_string(fields, name);
    if ((code = write_mailboxes(ctl, fields, true)) != EX_OK)
        return code;
    rc = client_call(ctl->client, MSG_AGENT_ADD, -1, NULL, read_secret, &h);
    code = rc == MT_ENOTFOUND ? fail_mailboxes(ctl, name) : ctl_end(ctl, rc, "agent %s", name);
    if (code == EX_OK)
        code = ctl_print(ctl, json_pack("{ss ss}", "agent", h.name, "secret", h.secret), show_added);
    sodium_memzero(&h, sizeof(h));
    return code;
}

static void
show_secret(const struct ctl *ctl, const json_t *d)
{
    fprintf(ctl->out, "agent   %s\nsecret  %s   (shown this once; the one before is no longer valid)\n", text_of(d, "agent"), text_of(d, "secret"));
}

static int
read_name(void *arg, struct reader *r)
{
    struct handed_out *h = arg;

    read_string(r, h->name, sizeof(h->name));
    return MT_OK;
}

static void
show_chosen(const struct ctl *ctl, const json_t *d)
{
    fprintf(ctl->out, "Agent %s has the secret that you chose; the one before is no longer valid.\n%s", text_of(d, "agent"), chosen_note);
}

static int
set_chosen(struct ctl *ctl, const char *name)
{
    struct handed_out  h = { .name = "" };
    struct credentials c;
    struct buf        *fields;
    int                rc, code = chosen_read(ctl, &c);

    if (code != EX_OK)
        return code;
    fields = client_fields(ctl->client);
    write_string(fields, name);
    chosen_write(fields, &c);
    sodium_memzero(&c, sizeof(c));
    rc = client_call(ctl->client, MSG_AGENT_CHOSEN, -1, NULL, read_name, &h);
    code = ctl_end(ctl, rc, "agent %s", name);
    return code == EX_OK ? ctl_print(ctl, json_pack("{ss}", "agent", h.name), show_chosen) : code;
}

static int
run_secret(struct ctl *ctl)
{
    struct handed_out h = { .name = "" };
    char              name[MAILBOX_NAME_MAX + 1];
    int               rc, code = agent_operand(ctl, name);

    if (code != EX_OK)
        return code;
    if (chosen_is_wanted(ctl))
        return set_chosen(ctl, name);
    write_string(client_fields(ctl->client), name);
    rc = client_call(ctl->client, MSG_AGENT_SECRET, -1, NULL, read_secret, &h);
    code = ctl_end(ctl, rc, "agent %s", name);
    if (code == EX_OK)
        code = ctl_print(ctl, json_pack("{ss ss}", "agent", h.name, "secret", h.secret), show_secret);
    sodium_memzero(&h, sizeof(h));
    return code;
}

/* ---- Looking ------------------------------------------------------------------------------------------------------------ */

struct agent_list {
    json_t *rows;
    json_t *names;      /* object: a mailbox's id in decimal -> its name */
};

/* Also the answer for a single one. */
static int
read_agent(void *arg, struct reader *r)
{
    struct agent_list  *list = arg;
    struct agent_record a;
    struct slice        bytes;
    json_t             *mailboxes;
    int                 rc;

    read_bytes(r, &bytes, RECORD_BYTES_MAX);
    if (!read_ok(r))
        return MT_EPROTO;
    rc = agent_record_read(bytes, &a);
    if (rc != MT_OK)
        return rc;
    mailboxes = json_array();
    for (uint32_t i = 0; i < a.mailbox_count; i++) {
        char    id[16];
        json_t *name;

        snprintf(id, sizeof(id), "%u", a.mailboxes[i]);
        name = json_object_get(list->names, id);
        if (name != NULL)               /* else it has gone meanwhile */
            json_array_append(mailboxes, name);
    }
    json_array_append_new(list->rows, json_pack("{so sb sb so sb so}", "agent", output_string(a.name), "enabled", a.enabled, "all", a.all, "mailboxes", mailboxes,
                                                "chosen_secret", a.credentials.chosen, "created_at", output_time_unix(a.created_unix)));
    return MT_OK;
}

static void
show_list(const struct ctl *ctl, const json_t *d)
{
    static const struct column columns[] = {
        { "AGENT",     "agent",      AS_TEXT    },
        { "STATE",     "enabled",    AS_ENABLED },
        { "ALL",       "all",        AS_TEXT    },
        { "MAILBOXES", "mailboxes",  AS_WORDS  },
        { "CREATED",   "created_at", AS_TIME    },
    };

    output_list(ctl->out, json_object_get(d, "agents"), columns, COUNT(columns), "There is no agent yet; \"mailtestctl agent add NAME\" makes one.");
}

static int
run_list(struct ctl *ctl)
{
    struct agent_list list = { .rows = json_array(), .names = json_object() };
    int               rc = mailbox_names(ctl, list.names);

    client_fields(ctl->client);
    if (rc == MT_OK)
        rc = client_call(ctl->client, MSG_AGENT_LIST, -1, read_agent, NULL, &list);
    json_decref(list.names);
    return ctl_print_list(ctl, rc, "agents", list.rows, show_list, "agents");
}

static void
show_agent(const struct ctl *ctl, const json_t *d)
{
    static const struct column columns[] = {
        { "agent",         "agent",         AS_TEXT    },
        { "state",         "enabled",       AS_ENABLED },
        { "all mailboxes", "all",           AS_TEXT    },
        { "mailboxes",     "mailboxes",     AS_WORDS  },
        { "chosen secret", "chosen_secret", AS_TEXT    },
        { "created",       "created_at",    AS_TIME    },
    };

    output_fields(ctl->out, d, columns, COUNT(columns));
}

static int
run_show(struct ctl *ctl)
{
    struct agent_list list = { .rows = json_array(), .names = json_object() };
    char              name[MAILBOX_NAME_MAX + 1];
    int               rc, code = agent_operand(ctl, name);

    if (code == EX_OK) {
        rc = mailbox_names(ctl, list.names);
        write_string(client_fields(ctl->client), name);
        if (rc == MT_OK)
            rc = client_call(ctl->client, MSG_AGENT_SHOW, -1, NULL, read_agent, &list);
        code = ctl_end(ctl, rc, "agent %s", name);
    }
    if (code == EX_OK)
        code = ctl_print(ctl, json_incref(json_array_get(list.rows, 0)), show_agent);
    json_decref(list.names);
    json_decref(list.rows);
    return code;
}

/* ---- Changing ----------------------------------------------------------------------------------------------------------- */

static void
show_state(const struct ctl *ctl, const json_t *d)
{
    fprintf(ctl->out, "Agent %s is %s.\n", text_of(d, "agent"), json_is_true(json_object_get(d, "enabled")) ? "enabled" : "disabled: he cannot log in");
}

static int
set_enabled(struct ctl *ctl, bool enabled)
{
    struct buf *fields;
    char        name[MAILBOX_NAME_MAX + 1];
    int         rc, code = agent_operand(ctl, name);

    if (code != EX_OK)
        return code;
    fields = client_fields(ctl->client);
    write_string(fields, name);
    write_u8(fields, enabled);
    rc = client_call(ctl->client, MSG_AGENT_ENABLE, -1, NULL, NULL, NULL);
    if (rc != MT_OK)
        return ctl_end(ctl, rc, "agent %s", name);
    return ctl_print(ctl, json_pack("{ss sb}", "agent", name, "enabled", enabled), show_state);
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

static void
show_removed(const struct ctl *ctl, const json_t *d)
{
    fprintf(ctl->out, "Agent %s is removed.\n", text_of(d, "agent"));
}

static int
run_remove(struct ctl *ctl)
{
    char name[MAILBOX_NAME_MAX + 1];
    int  rc, code = agent_operand(ctl, name);

    if (code != EX_OK)
        return code;
    write_string(client_fields(ctl->client), name);
    rc = client_call(ctl->client, MSG_AGENT_REMOVE, -1, NULL, NULL, NULL);
    return rc == MT_OK ? ctl_print(ctl, json_pack("{ss}", "agent", name), show_removed) : ctl_end(ctl, rc, "agent %s", name);
}

static int
change_rights(struct ctl *ctl, enum msg_type type)
{
    struct buf *fields;
    char        name[MAILBOX_NAME_MAX + 1];
    int         rc, code = agent_operand(ctl, name);

    if (code != EX_OK)
        return code;
    fields = client_fields(ctl->client);
    write_string(fields, name);
    if ((code = write_mailboxes(ctl, fields, true)) != EX_OK)
        return code;
    rc = client_call(ctl->client, type, -1, NULL, NULL, NULL);
    if (rc == MT_EINVALID && type == MSG_AGENT_REVOKE)
        return ctl_fail(EX_DATAERR, "agent %s may read all mailboxes; take that away by --all, then grant those that he needs", name);
    if (rc == MT_ESIZE)
        return ctl_fail(EX_DATAERR, "an agent may have %u mailboxes, or all of them", AGENT_MAILBOXES_MAX);
    if (rc != MT_OK)
        return rc == MT_ENOTFOUND ? fail_mailboxes(ctl, name) : ctl_end(ctl, rc, "agent %s", name);
    return run_show(ctl);
}

static int
run_grant(struct ctl *ctl)
{
    return change_rights(ctl, MSG_AGENT_GRANT);
}

static int
run_revoke(struct ctl *ctl)
{
    return change_rights(ctl, MSG_AGENT_REVOKE);
}

static const struct option_spec rights_options[] = {
    { 'm', "mailbox", "A,B", "these mailboxes" },
    { 'a', "all", NULL, "all mailboxes, those to come included" },
    { 0, NULL, NULL, NULL },
};

static const struct option_spec secret_options[] = {
    CHOSEN_OPTIONS,
    { 0, NULL, NULL, NULL },
};

const struct command agent_commands[] = {
    { "add", "NAME", 1, 1, NEED_STORE, "make an agent, who may read mailboxes; prints his secret, once",
      "He logs in by IMAP or POP3 as MAILBOX*NAME with his own secret, reads that mailbox, and can change nothing in it. JSON: agent,\n"
      "secret.", rights_options, run_add, NULL },
    { "list", "", 0, 0, NEED_STORE, "all agents, and what they may read", NULL, NULL, run_list, NULL },
    { "show", "NAME", 1, 1, NEED_STORE, "one agent", NULL, NULL, run_show, NULL },
    { "grant", "NAME", 1, 1, NEED_STORE, "let him read these, too", NULL, rights_options, run_grant, NULL },
    { "revoke", "NAME", 1, 1, NEED_STORE, "let him read these no longer; sessions that are open go on", NULL, rights_options, run_revoke, NULL },
    { "disable", "NAME", 1, 1, NEED_STORE, "refuse his logins; what he may read is kept", NULL, NULL, run_disable, NULL },
    { "enable", "NAME", 1, 1, NEED_STORE, "let him log in again", NULL, NULL, run_enable, NULL },
    { "secret", "NAME", 1, 1, NEED_STORE, "give him a new secret, shown once; the old one ends", NULL, secret_options, run_secret, NULL },
    { "remove", "NAME", 1, 1, NEED_STORE, "end him", NULL, NULL, run_remove, NULL },
    { NULL, NULL, 0, 0, NEED_NOTHING, NULL, NULL, NULL, NULL, NULL },
};
