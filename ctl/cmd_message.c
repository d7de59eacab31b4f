/* The commands for messages. */

#include "ctl/command.h"
#include "ctl/explain.h"
#include "ctl/facts.h"
#include "ctl/way.h"
#include "lib/display.h"
#include "lib/error.h"
#include "lib/folder_name.h"
#include "lib/record.h"

#include <unistd.h>

enum { LIST_DEFAULT = 50, LIST_STEP = 500 };
#define LIST_MAX UINT32_MAX

/* ---- List ------------------------------------------------------------------------------------------------------- */

struct listing {
    const char *mailbox;
    json_t     *rows;
    uint64_t    last_id;
    uint32_t    got;        /* in the request under way */
};

static int
read_row(void *arg, struct reader *r)
{
    struct listing *l = arg;
    struct slice    record, folder;
    struct buf      text;
    int             rc;

    read_u64(r, &l->last_id);
    read_bytes(r, &record, RECORD_BYTES_MAX);
    read_bytes(r, &folder, FOLDER_NAME_BYTES);
    if (!read_ok(r))
        return MT_EPROTO;
    buf_init(&text, FACTS_MAX_BYTES);
    rc = facts_message_summary(record, l->last_id, slice_of(l->mailbox), folder, &text);
    if (rc == MT_OK && json_array_append_new(l->rows, output_parsed(&text)) != 0)
        rc = MT_ENOMEM;
    buf_fini(&text);
    l->got++;
    return rc;
}

/* Asks in steps, so that a long list is no long transaction. A damaged message is left out; the result tells. */
static int
list_all(struct ctl *ctl, struct listing *l, uint64_t before_id, uint64_t limit)
{
    bool damaged = false;
    int  rc = MT_OK;

    l->last_id = before_id;
    while ((rc == MT_OK || rc == MT_EDAMAGED) && limit > 0) {
        uint32_t    step = limit < LIST_STEP ? (uint32_t)limit : LIST_STEP;
        struct buf *fields = client_fields(ctl->client);

        write_string(fields, l->mailbox);
        write_u64(fields, l->last_id);
        write_u32(fields, step);
        l->got = 0;
        rc = client_call(ctl->client, MSG_MESSAGE_LIST, -1, read_row, NULL, l);
        damaged = damaged || rc == MT_EDAMAGED;
        if (l->got == 0 || l->got > step)
            break;
        limit -= l->got;
    }
    return rc == MT_OK && damaged ? MT_EDAMAGED : rc;
}

static void
show_list(const struct ctl *ctl, const json_t *d)
{
    static const struct column columns[] = {
        { "ID",       "id",          AS_TEXT  },
        { "RECEIVED", "received_at", AS_TIME  },
        { "KIND",     "kind",        AS_TEXT  },
        { "FOLDER",   "folder",      AS_TEXT  },
        { "SIZE",     "size",        AS_BYTES },
        { "FROM",     "from",        AS_SHORT },
        { "SUBJECT",  "subject",     AS_TEXT  },
    };

    output_list(ctl->out, json_object_get(d, "messages"), columns, COUNT(columns), "There is no message.");
}

static int
run_list(struct ctl *ctl)
{
    struct listing l = { .rows = NULL };
    uint64_t       limit, before;
    char           mailbox[MAILBOX_NAME_MAX + 1], what[MAILBOX_NAME_MAX + 16];
    int            rc, code = ctl_mailbox_operand(ctl, 0, mailbox);

    if (code == EX_OK)
        code = ctl_number_option(ctl, "limit", LIST_MAX, LIST_DEFAULT, &limit);
    if (code == EX_OK && limit == 0)
        code = ctl_fail(EX_USAGE, "--limit 0 would show nothing: a number from 1 on");
    if (code == EX_OK)
        code = ctl_number_option(ctl, "before", UINT64_MAX, 0, &before);
    if (code != EX_OK)
        return code;
    l = (struct listing){ .mailbox = mailbox, .rows = json_array() };
    rc = list_all(ctl, &l, before, limit);
    snprintf(what, sizeof(what), "mailbox %s", mailbox);
    return ctl_print_list(ctl, rc, "messages", l.rows, show_list, what);
}

/* ---- Show ------------------------------------------------------------------------------------------------------- */

/* Finds the name of the mailbox with an id in the rows of MSG_MAILBOX_LIST. */
struct name_search {
    uint32_t id;
    char     name[MAILBOX_NAME_MAX + 1];
};

static int
read_name(void *arg, struct reader *r)
{
    struct name_search   *search = arg;
    struct slice          bytes[3];
    struct mailbox_record m;
    int                   rc;

    for (size_t i = 0; i < COUNT(bytes); i++)
        read_bytes(r, &bytes[i], RECORD_BYTES_MAX);
    if (!read_ok(r))
        return MT_EPROTO;
    rc = mailbox_record_read(bytes[0], &m);
    if (rc == MT_OK && m.id == search->id)
        slice_copy(search->name, sizeof(search->name), m.name);
    return rc;
}

/* What store sends of one message. */
struct stored {
    struct buf record;
    struct buf folder;      /* its name */
};

static int
read_record(void *arg, struct reader *r)
{
    struct stored *stored = arg;
    struct slice   record, folder;

    read_bytes(r, &record, RECORD_BYTES_MAX);
    read_bytes(r, &folder, FOLDER_NAME_BYTES);
    buf_append_slice(&stored->record, record);
    buf_append_slice(&stored->folder, folder);
    return stored->record.fault != MT_OK ? stored->record.fault : stored->folder.fault;
}

static void
show_message(const struct ctl *ctl, const json_t *d)
{
    static const struct column facts[] = {
        { "message",    "id",             AS_TEXT  },
        { "mailbox",    "mailbox",        AS_TEXT  },
        { "folder",     "folder",         AS_TEXT  },
        { "kind",       "kind",           AS_TEXT  },
        { "why",        "why",            AS_LONG  },
        { "received",   "received_at",    AS_TIME  },
        { "committed",  "committed_at",   AS_TIME  },
        { "size",       "size",           AS_BYTES },
        { "subject",    "subject",        AS_TEXT  },
        { "from",       "from",           AS_TEXT  },
        { "Message-ID", "message_id",     AS_TEXT  },
        { "date",       "date",           AS_TIME  },
        { "traits",     "traits",         AS_WORDS },
        { "sender",     "envelope.from",  AS_TEXT  },
        { "recipient",  "envelope.to",    AS_TEXT  },
        { "client",     "client.address", AS_TEXT  },
        { "name",       "client.name",    AS_TEXT  },
        { "HELO",       "client.helo",    AS_TEXT  },
        { "protocol",   "protocol",       AS_TEXT  },
        { "TLS",        "tls.version",    AS_TEXT  },
        { "cipher",     "tls.cipher",     AS_TEXT  },
        { "facts",      "facts",          AS_WORDS },
        { "session",    "session_id",     AS_TEXT  },
    };
    static const struct column token_columns[] = {
        { "TOKEN",    "token",    AS_TEXT  },
        { "FOUND IN", "found_in", AS_PLACES },
    };
    static const struct column part_columns[] = {
        { "PART",     "type",     AS_TEXT  },
        { "ENCODING", "encoding", AS_TEXT  },
        { "SIZE",     "size",     AS_BYTES },
        { "LINES",    "lines",    AS_TEXT  },
    };

    output_fields(ctl->out, d, facts, COUNT(facts));
    fputc('\n', ctl->out);
    output_list(ctl->out, json_object_get(d, "tokens"), token_columns, COUNT(token_columns),
                "There is no genuine token of this mailbox in it.");
    way_show(ctl->out, d);
    fputc('\n', ctl->out);
    output_list(ctl->out, json_object_get(d, "parts"), part_columns, COUNT(part_columns), "Its parts are not known.");
}

/* A message, and what is known of its first token, whose minting the delays of its hops count from. */
struct told {
    char        mailbox[MAILBOX_NAME_MAX + 1];
    char        token[TOKEN_CHARS + 1];     /* empty: none */
    uint64_t    minted_us;
    json_t     *token_document;             /* NULL: none */
};

static int
read_token(void *arg, struct reader *r)
{
    struct told *told = arg;
    struct buf   text;
    int          rc;

    buf_init(&text, FACTS_MAX_BYTES);
    rc = facts_token(r, told->mailbox, told->token, ctl_now_us(), &text, &told->minted_us);
    if (rc == MT_OK && (told->token_document = output_parsed(&text)) == NULL)
        rc = MT_ENOMEM;
    buf_fini(&text);
    return rc;
}

/* What is known of told->token. */
static int
ask_token(struct ctl *ctl, struct told *told)
{
    struct buf *fields = client_fields(ctl->client);
    int         rc;

    write_string(fields, told->mailbox);
    write_string(fields, told->token);
    rc = client_call(ctl->client, MSG_TOKEN_SHOW, -1, NULL, read_token, told);
    return rc == MT_ENOTFOUND ? MT_OK : rc;
}

/* The name of the mailbox that a record belongs to, and its token. */
static int
ask_owner(struct ctl *ctl, struct slice record, struct told *told)
{
    struct name_search search = { .id = 0 };
    int                rc = facts_message_owner(record, &search.id, told->token);

    if (rc != MT_OK)
        return rc;
    client_fields(ctl->client);
    rc = client_call(ctl->client, MSG_MAILBOX_LIST, -1, read_name, NULL, &search);
    memcpy(told->mailbox, search.name, sizeof(told->mailbox));
    return rc != MT_OK || told->token[0] == '\0' ? rc : ask_token(ctl, told);
}

/* token may be NULL; else NULL is put there where the message has none. */
static int
ask_message(struct ctl *ctl, uint64_t id, json_t **out, json_t **token)
{
    struct told   told = { .minted_us = 0 };
    struct stored stored;
    struct buf    text;
    int           rc;

    buf_init(&stored.record, RECORD_BYTES_MAX);
    buf_init(&stored.folder, FOLDER_NAME_BYTES);
    buf_init(&text, FACTS_MAX_BYTES);
    write_u64(client_fields(ctl->client), id);
    rc = client_call(ctl->client, MSG_MESSAGE_SHOW, -1, NULL, read_record, &stored);
    if (rc == MT_OK)
        rc = ask_owner(ctl, buf_slice(&stored.record), &told);
    if (rc == MT_OK)
        rc = facts_message(buf_slice(&stored.record), id, slice_of(told.mailbox), buf_slice(&stored.folder), told.minted_us, &text);
    if (rc == MT_OK && (*out = output_parsed(&text)) == NULL)
        rc = MT_ENOMEM;
    if (rc == MT_OK && token != NULL)
        *token = told.token_document;
    else
        json_decref(told.token_document);
    buf_fini(&stored.record);
    buf_fini(&stored.folder);
    buf_fini(&text);
    return rc;
}

static int
run_show(struct ctl *ctl)
{
    json_t  *document;
    uint64_t id;
    int      rc, code = ctl_number_operand(ctl, 0, "message id", UINT64_MAX, &id);

    if (code != EX_OK)
        return code;
    rc = ask_message(ctl, id, &document, NULL);
    return rc == MT_OK ? ctl_print(ctl, document, show_message) : ctl_end(ctl, rc, "message %llu", (unsigned long long)id);
}

/* ---- Explain ---------------------------------------------------------------------------------------------------- */

/* What is known of each further genuine token of a message, behind what is known of the first (NULL: nothing, or there is none). */
static int
ask_tokens(struct ctl *ctl, const json_t *message, const json_t *first, json_t **out)
{
    json_t *found, *tokens = json_array();
    size_t  i;
    int     rc = tokens == NULL ? MT_ENOMEM : MT_OK;

    json_array_foreach (json_object_get(message, "tokens"), i, found) {
        struct told told = { .minted_us = 0 };
        bool        fits = slice_copy(told.mailbox, sizeof(told.mailbox), slice_of(json_string_value(json_object_get(message, "mailbox")))) &&
                           slice_copy(told.token, sizeof(told.token), slice_of(json_string_value(json_object_get(found, "token"))));

        if (rc == MT_OK && i > 0)
            rc = fits ? ask_token(ctl, &told) : MT_EPROTO;
        if (i == 0 && first != NULL)
            told.token_document = json_copy((json_t *)(uintptr_t)first);
        json_array_append_new(tokens, told.token_document == NULL ? json_null() : told.token_document);
    }
    *out = tokens;
    return rc;
}

static int
run_explain(struct ctl *ctl)
{
    json_t  *message = NULL, *token = NULL, *tokens = NULL;
    uint64_t id;
    int      rc, code = ctl_number_operand(ctl, 0, "message id", UINT64_MAX, &id);

    if (code != EX_OK)
        return code;
    rc = ask_message(ctl, id, &message, &token);
    if (rc == MT_OK)
        rc = ask_tokens(ctl, message, token, &tokens);
    if (rc == MT_OK)
        return ctl_print(ctl, json_pack("{so so so}", "message", message, "token", token == NULL ? json_null() : token, "tokens", tokens),
                         explain_show);
    json_decref(message);
    json_decref(token);
    json_decref(tokens);
    return ctl_end(ctl, rc, "message %llu", (unsigned long long)id);
}

/* ---- Raw -------------------------------------------------------------------------------------------------------- */

/* A line longer than this is shown in pieces on a terminal. */
#define TERMINAL_LINE_BYTES 4096u

struct raw {
    FILE      *to;
    bool       terminal;    /* made fit to be shown; else the exact octets */
    struct buf line;
};

static void
flush_line(struct raw *raw)
{
    struct slice line = buf_slice(&raw->line);
    struct buf   shown;

    if (line.len > 0 && line.data[line.len - 1] == '\r')
        line.len--;
    buf_init(&shown, (size_t)TERMINAL_LINE_BYTES * 4);
    display_text(&shown, line, TERMINAL_LINE_BYTES);
    output_slice(raw->to, buf_slice(&shown));
    buf_fini(&shown);
    buf_clear(&raw->line);
}

static int
read_piece(void *arg, struct reader *r)
{
    struct raw  *raw = arg;
    struct slice piece;

    read_bytes(r, &piece, MSG_MAX_BYTES);
    if (!raw->terminal) {
        output_slice(raw->to, piece);
        return MT_OK;
    }
    for (size_t i = 0; i < piece.len; i++) {
        if (piece.data[i] == '\n') {
            flush_line(raw);
            fputc('\n', raw->to);
        } else if (buf_append_byte(&raw->line, piece.data[i]) != MT_OK) {
            flush_line(raw);
            buf_append_byte(&raw->line, piece.data[i]);
        }
    }
    return MT_OK;
}

static int
run_raw(struct ctl *ctl)
{
    struct raw raw = { .to = ctl->out, .terminal = isatty(fileno(ctl->out)) == 1 };
    uint64_t   id;
    int        rc, code = ctl_number_operand(ctl, 0, "message id", UINT64_MAX, &id);

    if (code == EX_OK && ctl->json)
        code = ctl_fail(EX_USAGE, "message raw prints the message itself, which is no JSON: leave out --json, or use \"message show\"");
    if (code != EX_OK)
        return code;
    buf_init(&raw.line, TERMINAL_LINE_BYTES);
    write_u64(client_fields(ctl->client), id);
    rc = client_call(ctl->client, MSG_MESSAGE_RAW, -1, read_piece, NULL, &raw);
    if (raw.line.len > 0)
        flush_line(&raw);
    buf_fini(&raw.line);
    return ctl_end(ctl, rc, "message %llu", (unsigned long long)id);
}

/* ---- Delete ----------------------------------------------------------------------------------------------------- */

static void
show_deleted(const struct ctl *ctl, const json_t *d)
{
    fprintf(ctl->out, "Message %lld is deleted; what is known of its token stays.\n",
            (long long)json_integer_value(json_object_get(d, "id")));
}

static int
run_delete(struct ctl *ctl)
{
    uint64_t id;
    int      rc, code = ctl_number_operand(ctl, 0, "message id", UINT64_MAX, &id);

    if (code != EX_OK)
        return code;
    write_u64(client_fields(ctl->client), id);
    rc = client_call(ctl->client, MSG_MESSAGE_DELETE, -1, NULL, NULL, NULL);
    return rc == MT_OK ? ctl_print(ctl, json_pack("{sI}", "id", (json_int_t)id), show_deleted)
                       : ctl_end(ctl, rc, "message %llu", (unsigned long long)id);
}

static const struct option_spec list_options[] = {
    { 'n', "limit",  "N",  "at most so many; 50 without it" },
    { 0,   "before", "ID", "only those older than message ID" },
    { 0, NULL, NULL, NULL },
};

const struct command message_commands[] = {
    { "list", "MAILBOX", 1, 1, NEED_STORE, "what has arrived, newest first", NULL, list_options, run_list, NULL },
    { "show", "ID", 1, 1, NEED_STORE, "all that is known of a message", "The JSON is what the HTTP interface answers.", NULL,
      run_show, NULL },
    { "explain", "ID", 1, 1, NEED_STORE, "for a person: what was found where, what was lost, the kind and why, the way",
      "Where the token still stood and where it is gone, what a report means, how the mail was forwarded and by which evidence,\n"
      "the hops with their delays, what differs from the arrivals before, and what the hosts on its way claim.\n"
      "JSON: message, tokens (each genuine one, in the order of the message's) and token (the first), as the HTTP interface\n"
      "answers them.", NULL, run_explain, NULL },
    { "raw", "ID", 1, 1, NEED_STORE, "the message itself, octet by octet",
      "On a terminal, control characters are shown as \\xNN; redirect the output for the exact octets.", NULL, run_raw, NULL },
    { "delete", "ID", 1, 1, NEED_STORE, "delete a message; the record of the arrival stays", NULL, NULL, run_delete, NULL },
    { NULL, NULL, 0, 0, NEED_NOTHING, NULL, NULL, NULL, NULL, NULL },
};
