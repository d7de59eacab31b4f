#include "imapd/imap_append.h"

#include "imapd/imap.h"
#include "imapd/imap_mark.h"
#include "imapd/imap_name.h"
#include "imapd/imapd.h"

#include "finder/finder.h"
#include "lib/date.h"
#include "lib/delivery.h"
#include "lib/error.h"
#include "lib/body.h"
#include "lib/data.h"

#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

struct imap_append {
    uint64_t               left;        /* octets of the literal that are to come */
    uint64_t               announced;   /* counted in imapd->appending_bytes */
    bool                   refused;     /* it was answered already; what comes is thrown away */
    int                    fault;       /* why it cannot be kept */
    uint32_t               folder_id;
    uint64_t               received_us; /* 0: the client named no date */
    struct imap_mark_order marks;       /* flags and keywords */
    struct data_reader     reader;
    struct finder         *finder;
    struct body            body;
};

static int on_appended(struct connection *c, int rc, struct reader *r);

void
imap_append_free(struct imapd *imapd, struct imap_append *a)
{
    if (a == NULL)
        return;
    imapd->appending_bytes -= a->announced;
    finder_free(a->finder);
    body_fini(&a->body);
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

/* Behind the tag and APPEND; the literal's head is the rest. */
static struct slice
read_arguments(struct imap_append *a, struct imap_reader *r, char text[IMAP_NAME_BYTES + 1])
{
    struct slice name = imap_read_name(r, text);

    imap_space(r);
    if (imap_next_is(r, '(')) {
        imap_mark_read_flags(&a->marks, r);
        imap_space(r);
    }
    if (imap_next_is(r, '"'))
        read_date(a, r);
    imap_take(r, "~");          /* literal8 (RFC 3516) */
    if (imap_ok(r) && !imap_next_is(r, '{'))
        imap_fail(r, "flags, a date and time, or a literal");
    return name;
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
    default:
        return (struct refusal){ "NO", "[UNAVAILABLE] the message cannot be stored at the moment" };
    }
}

/* Whether there is the folder, and room in the mailbox. */
static int
look_up(struct connection *c, struct imap_append *a, struct slice name, uint64_t size)
{
    const struct imap    *s = c->own;
    struct mailbox_record mailbox;
    struct folder_record  folder;
    struct db_view        view;
    int                   rc = db_view_begin(c->imapd->db, &view);

    if (rc != MT_OK)
        return rc;
    rc = db_folder_by_name(&view, s->login.mailbox_id, name, &folder);
    if (rc == MT_OK)
        a->folder_id = folder.id;
    if (rc == MT_OK)
        rc = db_mailbox_by_id(&view, s->login.mailbox_id, &mailbox);
    if (rc == MT_OK && (mailbox.bytes > c->imapd->config->quota.mailbox_bytes || size > c->imapd->config->quota.mailbox_bytes - mailbox.bytes))
        rc = MT_EQUOTA;
    db_view_end(&view);
    return rc;
}

/* All that can be said before the message comes. */
static struct refusal
check(struct connection *c, struct imap_append *a, struct imap_reader *r, uint64_t size, bool synchronising)
{
    const struct imap *s = c->own;
    char               text[IMAP_NAME_BYTES + 1];
    struct slice       name;

    if (s->state == IMAP_CONNECTED)
        return (struct refusal){ "BAD", "log in first" };
    name = read_arguments(a, r, text);
    if (!imap_ok(r))
        return (struct refusal){ "BAD", NULL };
    if (!synchronising && size > IMAP_LITERAL_MINUS)
        return (struct refusal){ "BAD", "[TOOBIG] a literal that does not wait may have 4096 octets" };
    if (size == 0)
        return refusal_of(MT_EINVALID);
    if (size > c->imapd->config->smtp.message_max_bytes)
        return refusal_of(MT_ESIZE);
    if (size > IMAP_APPENDING_BYTES_MAX - c->imapd->appending_bytes)
        return refusal_of(MT_EBUSY);
    return refusal_of(look_up(c, a, name, size));
}

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
    a->finder = finder_new();
    if (a->finder == NULL)
        return false;
    a->announced = size;
    c->imapd->appending_bytes += size;
    data_reader_init(&a->reader, DATA_CHUNKED);
    connection_limit(c, DEADLINE_MESSAGE);
    return true;
}

void
imap_append_begin(struct connection *c, struct slice command, uint64_t literal, bool synchronising)
{
    struct imap        *s = c->own;
    struct imap_append *a = calloc(1, sizeof(*a));
    struct refusal      refusal = { NULL, NULL };
    struct imap_reader  r;

    if (a == NULL || !imap_reader_init(&r, command)) {
        free(a);
        connection_break(c);
        return;
    }
    a->left = literal;
    body_init(&a->body);
    s->append = a;
    a->refused = !read_tag(c, &r);
    if (!a->refused)
        refusal = check(c, a, &r, literal, synchronising);
    if (refusal.status == NULL && !a->refused && !begin_octets(c, a, literal))
        refusal = refusal_of(MT_ENOMEM);
    if (refusal.status != NULL) {
        if (refusal.text == NULL)
            imap_answer(c, refusal.status, "[CLIENTBUG] %s was expected", r.fault);
        else
            imap_answer(c, refusal.status, "%s", refusal.text);
        a->refused = true;
    }
    imap_reader_fini(&r);
    if (a->refused && synchronising)
        drop(c);                        /* the client was not asked, and sends nothing */
    else if (synchronising)
        connection_say(c, "+ go ahead");
}

/* ---- The message -------------------------------------------------------------------------------------------------------------------- */

static void
keep(void *arg, struct slice bytes)
{
    struct imap_append *a = arg;

    if (a->fault != MT_OK)
        return;
    finder_feed(a->finder, bytes);
    a->fault = body_append(&a->body, bytes);
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
    if (a->body.size_bytes > c->imapd->config->smtp.message_max_bytes)
        a->fault = MT_ESIZE;
}

static uint64_t
now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* The fields of MSG_APPEND; *fd: a descriptor of its own for the channel. 0 or MT_E…. */
static int
write_request(struct connection *c, struct imap_append *a, struct delivery *d, int *fd)
{
    struct buf *b;
    int         body_fd = -1;
    int         rc = body_finish(&a->body, &d->body, &body_fd);

    if (rc != MT_OK)
        return rc;
    *fd = body_fd == -1 ? -1 : fcntl(body_fd, F_DUPFD_CLOEXEC, 0);
    if (body_fd != -1 && *fd == -1)
        return MT_EIO;
    b = store_ask_begin(c, MSG_APPEND, on_appended);
    if (b == NULL) {
        if (*fd != -1)
            close(*fd);
        return MT_ESHUTDOWN;
    }
    write_u32(b, a->folder_id);
    write_u32(b, a->marks.flags);
    write_string(b, a->marks.keywords);
    delivery_write(b, d);
    return MT_OK;
}

static int
send_message(struct connection *c, struct imap_append *a)
{
    const struct imap *s = c->own;
    struct recipient   to = { .mailbox = slice_of(s->login.mailbox) };
    struct delivery    d = {
           .session = { .client_address = slice_of(c->client), .protocol = slice_of("IMAP") },
           .received_us = a->received_us == 0 ? now_us() : a->received_us,
           .recipients = &to,
           .recipient_count = 1,
           .size_bytes = a->body.size_bytes,
    };
    int fd, rc;

    data_reader_finish(&a->reader);
    d.session.flags = a->reader.flags;
    finder_finish(a->finder, &d.parsed);
    d.parsed.candidates = NULL;         /* it is no arrival */
    d.parsed.candidate_count = 0;
    rc = write_request(c, a, &d, &fd);
    if (rc != MT_OK)
        return rc;
    return store_ask_end_with(c->imapd, fd) ? MT_OK : MT_EFULL;
}

static void
end(struct connection *c, int rc)
{
    struct refusal refusal = refusal_of(rc);

    drop(c);
    imap_answer(c, refusal.status, "%s", refusal.text);
}

static int
on_appended(struct connection *c, int rc, struct reader *r)
{
    uint32_t uidvalidity = 0, uid = 0;

    if (rc == MT_OK) {
        read_u32(r, &uidvalidity);
        read_u32(r, &uid);
        rc = read_end(r) ? MT_OK : MT_EPROTO;
    }
    if (rc != MT_OK) {
        end(c, rc);
        return rc == MT_EPROTO ? rc : MT_OK;
    }
    drop(c);
    imap_answer(c, "OK", "[APPENDUID %u %u] APPEND completed", uidvalidity, uid);
    return MT_OK;
}

/* The size of a literal that the line ends with and that does not wait: then it comes, whatever was wrong. */
static uint64_t
literal_behind(struct slice line)
{
    const char *brace = line.len < 4 || !slice_ends_nocase(line, "+}") ? NULL : memrchr(line.data, '{', line.len);
    uint64_t    size = 0;

    if (brace != NULL && slice_to_u64(slice_make(brace + 1, (size_t)(line.data + line.len - 2 - (brace + 1))), INT64_MAX, &size) != MT_OK)
        return 0;
    return size;
}

/* What stands behind the message: the end of the line, and nothing else. */
static void
take_tail(struct connection *c, struct imap_append *a, struct slice line)
{
    int rc;

    if (line.len > 0 && !a->refused) {
        imap_answer(c, "BAD", "[CLIENTBUG] the end of the command was expected behind the message");
        a->refused = true;
    }
    a->left = literal_behind(line);
    if (a->refused) {
        if (a->left == 0)
            drop(c);
        return;
    }
    rc = a->fault == MT_OK ? send_message(c, a) : a->fault;
    if (rc != MT_OK)
        end(c, rc);
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
    take_tail(c, a, line);
    return true;
}
