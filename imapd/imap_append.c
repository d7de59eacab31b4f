#include "imapd/imap_append.h"

#include "imapd/imap.h"
#include "imapd/imap_mark.h"
#include "imapd/imap_name.h"
#include "imapd/imapd.h"

#include "finder/finder.h"
#include "lib/body.h"
#include "lib/data.h"
#include "lib/date.h"
#include "lib/delivery.h"
#include "lib/error.h"

#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* Of one row of MSG_APPEND's table: u64 and u32. */
enum { ROW_BYTES = 12 };

struct imap_append {
    uint64_t               left;        /* octets of the literal that are to come */
    uint64_t               announced;   /* of all messages; counted in imapd->appending_bytes */
    bool                   refused;     /* it was answered already; what comes is thrown away */
    int                    fault;       /* why it cannot be kept */
    uint32_t               folder_id;
    /* The message that comes in: */
    bool                   binary;      /* literal8 */
    bool                   utf8;        /* UTF8 (…) is around it */
    uint64_t               received_us; /* 0: the client named no date */
    struct imap_mark_order marks;       /* flags and keywords */
    uint64_t               begins_at;   /* in octets */
    struct data_reader     reader;
    struct finder         *finder;
    /* All of them: */
    struct body            octets;      /* of each message, and of its fields behind it */
    struct buf             table;       /* how many these are (lib/msg.h, MSG_APPEND) */
    uint32_t               count;       /* in the table */
};

static int on_appended(struct connection *c, int rc, struct reader *r);

void
imap_append_free(struct imapd *imapd, struct imap_append *a)
{
    if (a == NULL)
        return;
    imapd->appending_bytes -= a->announced;
    finder_free(a->finder);
    body_fini(&a->octets);
    buf_fini(&a->table);
    free(a);
}

static void
drop(struct connection *c)
{
    struct imap *s = c->own;

    if (s->append->announced > 0)       /* else the time limit is another one's */
        connection_limit(c, DEADLINE_IDLE);
    imap_append_free(c->imapd, s->append);
    s->append = NULL;
}

/* ---- What the command says --------------------------------------------------------------------------------------------------------- */

/* RFC 9051 section 9, date-time; a date before 1970 is kept as 1970. */
static void
read_date(struct imap_append *a, struct imap_reader *r)
{
    int64_t at_unix;

    if (date_parse(imap_string(r), &at_unix) != MT_OK)
        imap_fail(r, "a date and time such as \"17-Jul-2026 02:44:25 -0700\"");
    else
        a->received_us = (at_unix <= 0 ? 1 : (uint64_t)at_unix) * 1000000;
    imap_space(r);
}

/* "{12+}" and the line end: its octets are what follows. The frame has found the same, or the client wrote more than one. */
static void
read_literal(struct imap_reader *r)
{
    static const char expected[] = "flags, a date and time, or a literal";

    if (!imap_take(r, "{")) {
        imap_fail(r, expected);
        return;
    }
    imap_number64(r);
    imap_take(r, "+");
    if (!imap_take(r, "}"))
        imap_fail(r, expected);
    imap_take(r, "\r");
    imap_take(r, "\n");
    imap_end(r);
}

/* Flags, date and the literal's head (RFC 3502, append-message), which end the line. */
static void
read_message(struct imap_append *a, struct imap_reader *r)
{
    memset(&a->marks, 0, sizeof(a->marks));
    a->received_us = 0;
    if (imap_next_is(r, '(')) {
        imap_mark_read_flags(&a->marks, r);
        imap_space(r);
    }
    if (imap_next_is(r, '"'))
        read_date(a, r);
    a->utf8 = imap_take(r, "UTF8 (");       /* RFC 6855 section 4 */
    a->binary = imap_take(r, "~");          /* RFC 3516, literal8 */
    if (a->utf8 && !a->binary)
        imap_fail(r, "a literal8");
    read_literal(r);
}

/* ---- Refusing --------------------------------------------------------------------------------------------------------------------------- */

struct refusal {
    const char *status, *text;      /* NULL: not refused */
};

static struct refusal
refusal_of(int rc)
{
    switch (rc) {
    case MT_OK:
        return (struct refusal){ NULL, NULL };
    case MT_ENOTFOUND:
        return (struct refusal){ "NO", "[TRYCREATE] there is no such mailbox" };
    case MT_EQUOTA:
        return (struct refusal){ "NO", "[OVERQUOTA] the mailbox has no room for it" };
    case MT_ESIZE:
        return (struct refusal){ "NO", "[TOOBIG] the message is too large; CAPABILITY tells the limit" };
    case MT_EBUSY:
        return (struct refusal){ "NO", "[LIMIT] too many messages are being brought in; try again later" };
    case MT_EINVALID:
        return (struct refusal){ "NO", "[CANNOT] a message without octets is none" };
    case MT_ESYNTAX:
        return (struct refusal){ "BAD", "[CLIENTBUG] a literal cannot contain NUL; \"~{\" begins one that can" };
    default:
        return (struct refusal){ "NO", "[UNAVAILABLE] the message cannot be stored at the moment" };
    }
}

/* Whether the mailbox has room for that much more. */
static int
check_room(struct connection *c, const struct db_view *view, uint64_t size)
{
    const struct imap    *s = c->own;
    uint64_t              most = c->imapd->config->quota.mailbox_bytes;
    struct mailbox_record mailbox;
    int                   rc = db_mailbox_by_id(view, s->login.mailbox_id, &mailbox);

    if (rc != MT_OK)
        return rc;
    return mailbox.bytes > most || size > most - mailbox.bytes ? MT_EQUOTA : MT_OK;
}

/* Whether there is the folder, and room in the mailbox for all messages so far and this one. */
static int
look_up(struct connection *c, struct imap_append *a, struct slice name, uint64_t size)
{
    const struct imap   *s = c->own;
    struct folder_record folder;
    struct db_view       view;
    int                  rc = db_view_begin(c->imapd->db, &view);

    if (rc != MT_OK)
        return rc;
    if (a->folder_id == 0) {
        rc = db_folder_by_name(&view, s->login.mailbox_id, name, &folder);
        if (rc == MT_OK)
            a->folder_id = folder.id;
    }
    if (rc == MT_OK)
        rc = check_room(c, &view, a->announced + size);
    db_view_end(&view);
    return rc;
}

/* What one command may bring in: at least one message of any size that is allowed. */
static uint64_t
octets_max(const struct connection *c)
{
    uint64_t one = c->imapd->config->smtp.message_max_bytes;

    return one > IMAP_APPEND_BYTES_MAX ? one : IMAP_APPEND_BYTES_MAX;
}

/* All that can be said before the message comes. r: what stood in front of it was read. name: of the folder, for the first message. */
static struct refusal
check(struct connection *c, struct imap_append *a, const struct imap_reader *r, struct slice name, uint64_t size, bool synchronising)
{
    const struct imap *s = c->own;

    if (s->state == IMAP_CONNECTED)
        return (struct refusal){ "BAD", "log in first" };
    if (!imap_ok(r))
        return (struct refusal){ "BAD", NULL };
    if (s->login.reads_only)
        return (struct refusal){ "NO", "[NOPERM] you may read this mailbox, and change nothing in it" };
    if (a->utf8 && (s->enabled & IMAP_UTF8) == 0)
        return (struct refusal){ "BAD", "[CLIENTBUG] ENABLE UTF8=ACCEPT first" };
    if (!synchronising && size > IMAP_LITERAL_MINUS)
        return (struct refusal){ "BAD", "[TOOBIG] a literal that does not wait may have 4096 octets" };
    if (size == 0)
        return refusal_of(MT_EINVALID);
    if (size > c->imapd->config->smtp.message_max_bytes)
        return refusal_of(MT_ESIZE);
    if (a->count == MSG_APPEND_MESSAGES_MAX || size > octets_max(c) - a->announced)
        return (struct refusal){ "NO", "[LIMIT] one APPEND may bring in 500 messages, several of them at most 64 MiB; none was stored" };
    if (size > IMAP_APPENDING_BYTES_MAX - c->imapd->appending_bytes)
        return refusal_of(MT_EBUSY);
    return refusal_of(look_up(c, a, name, size));
}

/* The answer; what was kept so far is given up. */
static void
refuse(struct connection *c, struct imap_append *a, struct refusal refusal, const char *expected)
{
    if (refusal.text == NULL)
        imap_answer(c, refusal.status, "[CLIENTBUG] %s was expected", expected);
    else
        imap_answer(c, refusal.status, "%s", refusal.text);
    a->refused = true;
    body_clear(&a->octets);
}

/* ---- A message begins ---------------------------------------------------------------------------------------------------------- */

/* Tag and the word APPEND, which the frame has seen. False: answered. */
static bool
read_tag(struct connection *c, struct imap_reader *r)
{
    struct imap *s = c->own;
    struct slice tag = imap_tag(r);

    s->tag[0] = '\0';
    if (!imap_ok(r) || !slice_copy(s->tag, sizeof(s->tag), tag)) {
        s->tag[0] = '\0';
        imap_answer(c, "BAD", "a command begins with a tag of at most %u characters", IMAP_TAG_BYTES);
        return false;
    }
    imap_space(r);
    imap_atom(r);
    imap_space(r);
    return true;
}

static bool
begin_octets(struct connection *c, struct imap_append *a, uint64_t size)
{
    if (a->finder == NULL)
        a->finder = finder_new();
    else
        finder_reset(a->finder);
    if (a->finder == NULL)
        return false;
    a->begins_at = a->octets.size_bytes;
    a->announced += size;
    c->imapd->appending_bytes += size;
    data_reader_init(&a->reader, a->binary && !a->utf8 ? DATA_BINARY : DATA_CHUNKED);
    connection_limit(c, DEADLINE_MESSAGE);
    return true;
}

/* Behind the head of a literal: asks for the message, or refuses it. */
static void
begin_message(struct connection *c, struct imap_append *a, const struct imap_reader *r, struct slice name, uint64_t size, bool synchronising)
{
    struct refusal refusal = check(c, a, r, name, size, synchronising);

    a->left = size;
    if (refusal.status == NULL && !begin_octets(c, a, size))
        refusal = refusal_of(MT_ENOMEM);
    if (refusal.status != NULL)
        refuse(c, a, refusal, r->fault);
    else if (synchronising)
        connection_say(c, "+ go ahead");
}

void
imap_append_begin(struct connection *c, struct slice command, uint64_t literal, bool synchronising)
{
    struct imap        *s = c->own;
    struct imap_append *a = calloc(1, sizeof(*a));
    struct imap_reader  r;
    char                text[IMAP_NAME_BYTES + 1];
    struct slice        name;

    if (a == NULL || !imap_reader_init(&r, command)) {
        free(a);
        connection_break(c);
        return;
    }
    r.utf8 = imap_speaks_utf8(s);
    body_init(&a->octets);
    buf_init(&a->table, MSG_APPEND_MESSAGES_MAX * ROW_BYTES);
    a->left = literal;
    s->append = a;
    a->refused = !read_tag(c, &r);
    if (!a->refused) {
        name = imap_read_name(&r, text);
        imap_space(&r);
        read_message(a, &r);
        begin_message(c, a, &r, name, literal, synchronising);
    }
    imap_reader_fini(&r);
    if (a->refused && synchronising)
        drop(c);                        /* the client was not asked, and sends nothing */
}

/* ---- The message -------------------------------------------------------------------------------------------------------------------- */

static void
keep(void *arg, struct slice bytes)
{
    struct imap_append *a = arg;

    if (a->fault != MT_OK)
        return;
    finder_feed(a->finder, bytes);
    a->fault = body_append(&a->octets, bytes);
}

static void
take_octets(struct connection *c, struct imap_append *a, struct slice octets)
{
    a->left -= octets.len;
    if (a->refused)
        return;
    connection_limit(c, DEADLINE_MESSAGE);
    data_reader_feed(&a->reader, octets, keep, a);
    /* It has grown by the CRs that it lacked. */
    if (a->octets.size_bytes - a->begins_at > c->imapd->config->smtp.message_max_bytes)
        a->fault = MT_ESIZE;
    if ((a->reader.flags & DELIVERY_NUL) != 0 && !a->binary)
        a->fault = MT_ESYNTAX;          /* RFC 9051 section 4.3 */
}

static uint64_t
now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* The message is whole: its fields go behind its octets, and both into the table. 0 or MT_E…. */
static int
end_message(struct connection *c, struct imap_append *a)
{
    uint64_t             size = a->octets.size_bytes - a->begins_at;
    struct session_facts session = { .client_address = slice_of(c->client), .protocol = slice_of("IMAP") };
    struct parsed        parsed;
    struct buf           fields;

    if (a->fault != MT_OK)
        return a->fault;
    data_reader_finish(&a->reader);
    session.flags = a->reader.flags;
    finder_finish(a->finder, &parsed);
    parsed.candidates = NULL;           /* it is no arrival */
    parsed.candidate_count = 0;
    buf_init(&fields, RECORD_BYTES_MAX);
    write_u32(&fields, a->marks.flags);
    write_string(&fields, a->marks.keywords);
    write_u64(&fields, a->received_us == 0 ? now_us() : a->received_us);
    session_facts_write(&fields, &session);
    parsed_write(&fields, &parsed);
    a->fault = fields.fault == MT_OK ? body_append(&a->octets, buf_slice(&fields)) : fields.fault;
    write_u64(&a->table, size);
    write_u32(&a->table, (uint32_t)fields.len);
    a->count++;
    buf_fini(&fields);
    return a->fault == MT_OK ? a->table.fault : a->fault;
}

/* ---- All messages ------------------------------------------------------------------------------------------------------------------- */

/* The fields of MSG_APPEND; *fd: a descriptor of its own for the channel. 0 or MT_E…. */
static int
write_request(struct connection *c, struct imap_append *a, int *fd)
{
    const struct imap *s = c->own;
    struct slice       octets;
    struct buf        *b;
    int                octets_fd = -1;
    int                rc = body_finish(&a->octets, &octets, &octets_fd);

    if (rc != MT_OK)
        return rc;
    *fd = octets_fd == -1 ? -1 : fcntl(octets_fd, F_DUPFD_CLOEXEC, 0);
    if (octets_fd != -1 && *fd == -1)
        return MT_EIO;
    b = store_ask_begin(c, MSG_APPEND, on_appended);
    if (b == NULL) {
        if (*fd != -1)
            close(*fd);
        return MT_ESHUTDOWN;
    }
    write_u32(b, s->login.mailbox_id);
    write_u32(b, a->folder_id);
    write_u32(b, a->count);
    write_fixed(b, a->table.data, a->table.len);
    write_bytes(b, octets);
    return MT_OK;
}

static void
end_badly(struct connection *c, int rc)
{
    struct refusal refusal = refusal_of(rc);

    drop(c);
    imap_answer(c, refusal.status, "%s", refusal.text);
}

static void
send_messages(struct connection *c, struct imap_append *a)
{
    int fd;
    int rc = write_request(c, a, &fd);

    if (rc == MT_OK && !store_ask_end_with(c->imapd, fd))
        rc = MT_EFULL;
    if (rc != MT_OK)
        end_badly(c, rc);
}

static int
on_appended(struct connection *c, int rc, struct reader *r)
{
    const struct imap *s = c->own;
    uint32_t           count = s->append->count;
    uint32_t           uidvalidity = 0, uid = 0;

    if (rc == MT_OK) {
        read_u32(r, &uidvalidity);
        read_u32(r, &uid);
        rc = read_end(r) ? MT_OK : MT_EPROTO;
    }
    if (rc != MT_OK) {
        end_badly(c, rc);
        return rc == MT_EPROTO ? rc : MT_OK;
    }
    drop(c);
    if (count == 1)
        imap_answer(c, "OK", "[APPENDUID %u %u] APPEND completed", uidvalidity, uid);
    else
        imap_answer(c, "OK", "[APPENDUID %u %u:%u] APPEND completed", uidvalidity, uid, uid + count - 1);
    return MT_OK;
}

/* ---- What stands behind a message ---------------------------------------------------------------------------------------------------- */

/* The rest of a command that was refused. */
static void
take_refused_tail(struct connection *c, struct imap_append *a, struct slice line)
{
    uint64_t size = 0;
    bool     synchronising = true;

    if (imap_frame_literal(line, &size, &synchronising) && !synchronising)
        a->left = size;                 /* it comes, whatever was wrong */
    else
        drop(c);
}

/* Another message (RFC 3502), or the end of the command. */
static void
take_tail(struct connection *c, struct imap_append *a, struct slice line)
{
    struct imap_reader r;
    uint64_t           size = 0;
    bool               synchronising = true, more;
    int                rc = end_message(c, a);

    if (!imap_reader_init(&r, line)) {
        connection_break(c);
        return;
    }
    if (a->utf8 && !imap_take(&r, ")"))
        imap_fail(&r, "the end of the UTF-8 data");
    more = imap_frame_literal(line, &size, &synchronising);
    if (imap_ok(&r) && r.rest.len > 0) {
        if (imap_take(&r, " "))
            read_message(a, &r);
        else
            imap_fail(&r, "another message, or the end of the command");
    }
    if (rc != MT_OK || !imap_ok(&r)) {
        refuse(c, a, imap_ok(&r) ? refusal_of(rc) : (struct refusal){ "BAD", NULL }, r.fault);
        a->left = size;
    } else if (more) {
        begin_message(c, a, &r, slice_make("", 0), size, synchronising);
    }
    imap_reader_fini(&r);
    if (a->refused && synchronising)
        drop(c);                        /* nothing of it is on its way */
    else if (!a->refused && !more)
        send_messages(c, a);
}

bool
imap_append_step(struct connection *c, struct slice *in)
{
    struct imap        *s = c->own;
    struct imap_append *a = s->append;
    struct slice        octets = slice_sub(*in, 0, a->left < in->len ? (size_t)a->left : in->len);
    size_t              end_at;
    struct slice        line;

    if (octets.len > 0) {
        take_octets(c, a, octets);
        *in = slice_sub(*in, octets.len, in->len);
        return in->len > 0;
    }
    end_at = slice_find(*in, '\n');
    if (end_at == in->len) {
        if (in->len >= IMAP_COMMAND_BYTES) {
            imap_say(c, "BYE [TOOBIG] a command may have %u octets", IMAP_COMMAND_BYTES);
            connection_end(c);
        }
        return false;
    }
    line = slice_sub(*in, 0, end_at > 0 && in->data[end_at - 1] == '\r' ? end_at - 1 : end_at);
    *in = slice_sub(*in, end_at + 1, in->len);
    if (a->refused)
        take_refused_tail(c, a, line);
    else
        take_tail(c, a, line);
    return true;
}
