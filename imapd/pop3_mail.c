/* The commands of a session that is logged in: STAT, LIST, UIDL, RETR, TOP, DELE, RSET, NOOP, and QUIT in both states. */

#include "imapd/imapd.h"
#include "imapd/pop3.h"

#include "lib/error.h"
#include "lib/log.h"

#include <stdio.h>

enum { PIECE_BYTES = 64 * 1024, LINES_A_TURN = 500, EMPTY_LINE_BYTES = 2 };

static void
stat_drop(struct connection *c, const struct pop3_command *command)
{
    const struct maildrop *d = &((struct pop3 *)c->own)->drop;

    (void)command;
    connection_sayf(c, "+OK %u %llu", d->count - d->deleted_count, (unsigned long long)(d->bytes - d->deleted_bytes));
}

static void
noop(struct connection *c, const struct pop3_command *command)
{
    (void)command;
    connection_say(c, "+OK");
}

/* The message of that number; else it was refused. */
static struct maildrop_message *
find_message(struct connection *c, struct slice text, uint32_t *number)
{
    struct pop3 *p = c->own;

    if (!pop3_number(text, number) || *number > p->drop.count)
        pop3_refuse(c, "there is no such message; STAT tells how many there are");
    else if (p->drop.messages[*number - 1].deleted)
        pop3_refuse(c, "that message is marked as deleted; RSET takes the mark away");
    else
        return &p->drop.messages[*number - 1];
    return NULL;
}

static void
refuse_unreadable(struct connection *c, int rc)
{
    if (rc == MT_ENOTFOUND)
        pop3_refuse(c, "[SYS/TEMP] that message has gone since you logged in");
    else
        pop3_refuse(c, rc == MT_EDAMAGED ? "[SYS/PERM] that message is damaged in the store" : "[SYS/TEMP] the mailbox cannot be read at the moment");
}

/* ---- LIST and UIDL -------------------------------------------------------------------------------------------------------- */

/* A line of LIST for a message that has gone would need its size: it is left out, as if it had been deleted. */
static bool
say_list_line(struct connection *c, const char *before, uint32_t number)
{
    struct pop3 *p = c->own;
    uint64_t     bytes;
    int          rc = maildrop_size(&p->drop, c->imapd->db, number, &bytes);

    if (rc == MT_OK)
        connection_sayf(c, "%s%u %llu", before, number, (unsigned long long)bytes);
    return rc == MT_OK;
}

static void
say_uidl_line(struct connection *c, const char *before, uint32_t number)
{
    const struct maildrop *d = &((struct pop3 *)c->own)->drop;

    /* The folder's UIDVALIDITY and the message's UID together never come again. */
    connection_sayf(c, "%s%u %u.%u", before, number, d->uidvalidity, d->messages[number - 1].uid);
}

static void
begin_list(struct connection *c, enum pop3_producing what)
{
    struct pop3 *p = c->own;

    connection_say(c, "+OK");
    p->producing = what;
    p->next = 1;
    connection_produce(c);
}

static void
list(struct connection *c, const struct pop3_command *command)
{
    uint32_t number;

    if (command->count == 0)
        begin_list(c, POP3_LIST);
    else if (find_message(c, command->arguments[0], &number) != NULL && !say_list_line(c, "+OK ", number))
        refuse_unreadable(c, MT_ENOTFOUND);
}

static void
uidl(struct connection *c, const struct pop3_command *command)
{
    uint32_t number;

    if (command->count == 0)
        begin_list(c, POP3_UIDL);
    else if (find_message(c, command->arguments[0], &number) != NULL)
        say_uidl_line(c, "+OK ", number);
}

static bool
produce_list(struct connection *c)
{
    struct pop3 *p = c->own;

    for (unsigned n = 0; n < LINES_A_TURN && p->next <= p->drop.count; n++, p->next++) {
        if (p->drop.messages[p->next - 1].deleted)
            continue;
        if (p->producing == POP3_UIDL)
            say_uidl_line(c, "", p->next);
        else
            say_list_line(c, "", p->next);
    }
    if (p->next <= p->drop.count)
        return true;
    connection_say(c, ".");
    return false;
}

/* ---- RETR and TOP --------------------------------------------------------------------------------------------------------- */

/* Looks at the message as a whole before the first octet is sent: damage is reported and never served. */
static int
begin_message(struct connection *c, uint64_t id, uint64_t body_lines)
{
    struct pop3          *p = c->own;
    struct message_record record;
    struct db_view        view;
    int                   rc = db_view_begin(c->imapd->db, &view);

    if (rc != MT_OK)
        return rc;
    rc = db_message(&view, id, &record);
    if (rc == MT_OK && (rc = db_message_check(&view, &record)) != MT_OK)
        log_error("event=message-damaged message=%llu protocol=pop3 reason=\"%s\"", (unsigned long long)id, mt_strerror(rc));
    if (rc == MT_OK)
        p->message = (struct pop3_message){ .id = id, .size = message_size(&record), .body_lines = body_lines, .in_header = true };
    db_view_end(&view);
    return rc;
}

static void
send_message(struct connection *c, struct slice text, uint64_t body_lines)
{
    struct pop3                   *p = c->own;
    uint32_t                       number;
    const struct maildrop_message *m = find_message(c, text, &number);
    int                            rc;

    if (m == NULL)
        return;
    if ((rc = begin_message(c, m->id, body_lines)) != MT_OK) {
        refuse_unreadable(c, rc);
        return;
    }
    c->session.fetched++;
    connection_sayf(c, "+OK %llu octets", (unsigned long long)p->message.size);
    p->producing = POP3_MESSAGE;
    connection_produce(c);
}

static void
retr(struct connection *c, const struct pop3_command *command)
{
    send_message(c, command->arguments[0], UINT64_MAX);
}

static void
top(struct connection *c, const struct pop3_command *command)
{
    uint64_t lines;

    if (slice_to_u64(command->arguments[1], UINT32_MAX, &lines) != MT_OK)
        pop3_refuse(c, "TOP takes the number of a message and a number of lines");
    else
        send_message(c, command->arguments[0], lines);
}

/*
 * Says one line, or what is there of it, and doubles a dot at its start (RFC 1939 section 3). False: TOP has enough.
 */
static bool
say_piece(struct connection *c, struct slice piece, bool ends)
{
    struct pop3_message *m = &((struct pop3 *)c->own)->message;
    bool                 begins = m->line_octets == 0;

    if (begins && !m->in_header) {
        if (m->body_lines == 0)
            return false;
        if (m->body_lines != UINT64_MAX)
            m->body_lines--;
    }
    if (begins && piece.data[0] == '.')
        buf_append_string(&c->out, ".");
    buf_append_slice(&c->out, piece);
    m->line_octets += piece.len;
    if (ends) {
        m->in_header = m->in_header && m->line_octets > EMPTY_LINE_BYTES;
        m->line_octets = 0;
    }
    return true;
}

/* Says the octets line by line. False: TOP has enough. */
static bool
say_lines(struct connection *c, struct slice octets)
{
    while (octets.len > 0) {
        size_t len = slice_find(octets, '\n');
        bool   ends = len < octets.len;

        len += ends;
        if (!say_piece(c, slice_sub(octets, 0, len), ends))
            return false;
        octets = slice_sub(octets, len, octets.len);
    }
    return true;
}

static int
read_piece(struct connection *c, struct buf *out)
{
    struct pop3_message  *m = &((struct pop3 *)c->own)->message;
    struct message_record record;
    struct db_view        view;
    int                   rc = db_view_begin(c->imapd->db, &view);

    if (rc != MT_OK)
        return rc;
    rc = db_message(&view, m->id, &record);
    if (rc == MT_OK)
        rc = db_message_read(&view, &record, m->offset, PIECE_BYTES, out);
    db_view_end(&view);
    return rc;
}

static bool
end_message(struct connection *c)
{
    const struct pop3_message *m = &((struct pop3 *)c->own)->message;

    connection_say(c, m->line_octets == 0 ? "." : "\r\n.");
    return false;
}

/* A piece from a snapshot of its own. What has gone in the middle ends the connection: a dot would say that it was whole. */
static bool
produce_message(struct connection *c)
{
    struct pop3_message *m = &((struct pop3 *)c->own)->message;
    struct buf           piece;
    bool                 more = true;
    int                  rc;

    if (m->offset >= m->size)
        return end_message(c);
    buf_init(&piece, PIECE_BYTES);
    rc = read_piece(c, &piece);
    if (rc != MT_OK || piece.len == 0) {
        log_warning("s=%x event=retr-cut client=%s message=%llu reason=\"%s\"", c->number, c->client, (unsigned long long)m->id, mt_strerror(rc));
        connection_break(c);
        more = false;
    } else {
        m->offset += piece.len;
        if (!say_lines(c, buf_slice(&piece)))
            more = end_message(c);
    }
    buf_fini(&piece);
    return more;
}

bool
pop3_produce(struct connection *c)
{
    const struct pop3 *p = c->own;

    return p->producing == POP3_MESSAGE ? produce_message(c) : produce_list(c);
}

/* ---- DELE, RSET and QUIT --------------------------------------------------------------------------------------------------- */

static void
dele(struct connection *c, const struct pop3_command *command)
{
    struct pop3             *p = c->own;
    uint32_t                 number;
    uint64_t                 bytes = 0;
    struct maildrop_message *m = find_message(c, command->arguments[0], &number);

    if (m == NULL)
        return;
    if (p->reads_only) {
        pop3_refuse(c, "[SYS/PERM] you may read this mailbox, and change nothing in it");
        return;
    }
    maildrop_size(&p->drop, c->imapd->db, number, &bytes);
    m->deleted = true;
    p->drop.deleted_count++;
    p->drop.deleted_bytes += bytes;
    connection_sayf(c, "+OK message %u will be deleted at QUIT", number);
}

static void
rset(struct connection *c, const struct pop3_command *command)
{
    struct maildrop *d = &((struct pop3 *)c->own)->drop;

    (void)command;
    for (uint32_t i = 0; i < d->count; i++)
        d->messages[i].deleted = false;
    d->deleted_count = 0;
    d->deleted_bytes = 0;
    connection_sayf(c, "+OK %u messages (%llu octets)", d->count, (unsigned long long)d->bytes);
}

static void
say_goodbye(struct connection *c, const char *line)
{
    const struct pop3 *p = c->own;

    if (p->deleted > 0)
        session_removed_from(c, "expunged", p->drop.folder_id, p->deleted);
    connection_say(c, line);
    connection_end(c);
}

static int on_deleted(struct connection *c, int rc, struct reader *r);

/* The next of the marked messages, as many as fit one request. */
static void
ask_to_delete(struct connection *c)
{
    struct pop3 *p = c->own;
    struct buf  *b = store_ask_begin(c, MSG_MESSAGES_DELETE, on_deleted);
    uint32_t     count = p->drop.deleted_count < MSG_MESSAGES_DELETE_MAX ? p->drop.deleted_count : MSG_MESSAGES_DELETE_MAX;

    if (b == NULL) {
        say_goodbye(c, "-ERR [SYS/TEMP] some messages were not deleted: the store is not there at the moment");
        return;
    }
    write_u32(b, p->drop.mailbox_id);
    write_u32(b, count);
    for (uint32_t i = p->next; count > 0; i++) {
        if (!p->drop.messages[i].deleted)
            continue;
        write_u64(b, p->drop.messages[i].id);
        p->next = i + 1;
        p->drop.deleted_count--;
        count--;
    }
    if (!store_ask_end(c->imapd))
        say_goodbye(c, "-ERR [SYS/TEMP] some messages were not deleted: the store takes nothing more at the moment");
}

/* Durable, or not. What had gone already is deleted, too. */
static int
on_deleted(struct connection *c, int rc, struct reader *r)
{
    struct pop3 *p = c->own;
    uint32_t     deleted = 0;

    if (rc == MT_OK) {
        read_u32(r, &deleted);
        if (!read_end(r))
            rc = MT_EPROTO;
    }
    if (rc != MT_OK) {
        log_warning("s=%x event=delete-failed protocol=pop3 client=%s %s reason=\"%s\"", c->number, c->client, SESSION_NAMES(&c->session), mt_strerror(rc));
        say_goodbye(c, "-ERR [SYS/TEMP] some messages were not deleted; try again");
        return rc == MT_EPROTO ? rc : MT_OK;
    }
    p->deleted += deleted;
    c->session.removed += deleted;
    if (p->drop.deleted_count > 0)
        ask_to_delete(c);
    else
        say_goodbye(c, "+OK goodbye");
    return MT_OK;
}

void
pop3_update(struct connection *c)
{
    struct pop3 *p = c->own;

    p->state = POP3_UPDATE;
    p->next = 0;
    if (p->drop.deleted_count == 0)
        say_goodbye(c, "+OK goodbye");
    else
        ask_to_delete(c);
}

static void
quit(struct connection *c, const struct pop3_command *command)
{
    const struct pop3 *p = c->own;

    (void)command;
    if (p->state == POP3_TRANSACTION)
        pop3_update(c);
    else
        say_goodbye(c, "+OK goodbye");
}

const struct pop3_verb pop3_mail_verbs[] = {
    { "STAT", POP3_TRANSACTION,                      0, 0, stat_drop },
    { "LIST", POP3_TRANSACTION,                      0, 1, list      },
    { "UIDL", POP3_TRANSACTION,                      0, 1, uidl      },
    { "RETR", POP3_TRANSACTION,                      1, 1, retr      },
    { "TOP",  POP3_TRANSACTION,                      2, 2, top       },
    { "DELE", POP3_TRANSACTION,                      1, 1, dele      },
    { "RSET", POP3_TRANSACTION,                      0, 0, rset      },
    { "NOOP", POP3_TRANSACTION,                      0, 0, noop      },
    { "QUIT", POP3_AUTHORIZATION | POP3_TRANSACTION, 0, 0, quit      },
    { NULL,   0,                                     0, 0, NULL      },
};
