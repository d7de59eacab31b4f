#include "checker/fetch.h"
#include "checker/pop3_response.h"
#include "lib/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

enum {
    COMMAND_BYTES = 4096,
    TOP_LINES     = 300,            /* of a mail's text that are asked for: reports have what they return further down */
};

/*
 *   CAPA -> LOGIN (AUTH), or USER -> PASS -> STAT -> UIDL -> TOP each (RETR where the server has no TOP) -> DELE each -> QUIT
 *
 * The newest FETCH_POP3_MAX mails are looked at, each once in a watch where the server tells them apart (UIDL). What DELE marked goes with QUIT.
 */
enum step { CAPA, LOGIN, USER, PASS, STAT, UIDL, TOP, RETR, DELE, QUIT };

struct mail {
    uint32_t number;
    uint64_t uid;               /* XXH3 of its UID; 0: not known */
    bool     deletes, leftover;
};

struct dialogue {
    struct fetch *f;
    enum step     step;
    bool          listing;          /* the lines of an answer of several lines come in */
    bool          refused;          /* the last command */
    char          mechanisms[512];  /* that are offered, with blanks between them */
    bool          no_top;
    bool          withheld;         /* a mail could not be had: what was not found may be there */
    uint32_t      count;            /* of the maildrop */
    struct mail   mails[FETCH_POP3_MAX];    /* newest last; a ring while UIDL is read */
    unsigned      mail_count, at;
    struct buf    octets;           /* of the mail that comes in */
    uint64_t      size;
    bool          goes_on;          /* the last octets of it were the beginning of a line that is longer than a line may be */
    unsigned      deleted, leftovers_deleted;   /* marked; they count when QUIT was answered */
};

static void go_on(struct dialogue *d);

static void *
pop3_start(struct fetch *f)
{
    struct dialogue *d = calloc(1, sizeof(*d));

    if (d == NULL)
        return NULL;
    d->f = f;
    buf_init(&d->octets, FETCH_MAIL_BYTES);
    return d;
}

static void
pop3_free(void *dialogue)
{
    struct dialogue *d = dialogue;

    buf_fini(&d->octets);
    free(d);
}

static const char *
pop3_step(const void *dialogue)
{
    switch (((const struct dialogue *)dialogue)->step) {
    case CAPA:
        return "banner";
    case LOGIN:
    case USER:
    case PASS:
        return "login";
    case STAT:
        return "select";
    case UIDL:
        return "search";
    case TOP:
    case RETR:
        return "fetch";
    default:
        return "delete";
    }
}

static void __attribute__((format(printf, 3, 4)))
say(struct dialogue *d, enum step step, const char *format, ...)
{
    struct buf out;
    va_list    args;

    d->step = step;
    d->listing = d->goes_on = false;
    buf_init(&out, COMMAND_BYTES);
    out.secret = true;
    va_start(args, format);
    buf_vprintf(&out, format, args);
    va_end(args);
    buf_append_string(&out, "\r\n");
    if (out.fault != MT_OK)
        fetch_fail(d->f, pop3_step(d), "a command is too long", slice_of(NULL));
    else
        mail_link_send(d->f->link, buf_slice(&out));
    buf_wipe(&out);
}

static void
pop3_opened(void *dialogue)
{
    say(dialogue, CAPA, "CAPA");
}

/* ---- Login -------------------------------------------------------------------------------------------------------- */

/* "SASL PLAIN XOAUTH2" of CAPA (RFC 5034) */
static void
take_capability(struct dialogue *d, struct slice line)
{
    if (slice_starts_nocase(line, "SASL "))
        slice_copy(d->mechanisms, sizeof(d->mechanisms), slice_sub(line, strlen("SASL "), line.len));
}

static bool
can_be_said(const char *text)
{
    return text[0] != '\0' && strpbrk(text, "\r\n") == NULL;
}

static void
log_in(struct dialogue *d)
{
    switch (fetch_login_choose(d->f, slice_of(d->mechanisms), true)) {
    case FETCH_LOGIN_PLAIN:
        if (can_be_said(d->f->task.auth->user) && can_be_said(d->f->secret))
            say(d, USER, "USER %s", d->f->task.auth->user);
        else
            fetch_fail(d->f, "login", "the server takes USER and PASS alone, which cannot say this user and password", slice_of(NULL));
        break;
    case FETCH_LOGIN_SASL:
        d->step = LOGIN;
        fetch_login_begin(d->f, "AUTH", false);     /* a first message behind it may be too long for a line (RFC 5034 section 4) */
        break;
    case FETCH_LOGIN_NONE:
        break;
    }
}

/* ---- Mails -------------------------------------------------------------------------------------------------------- */

static bool
is_seen(const struct dialogue *d, uint64_t uid)
{
    const struct fetch_memory *m = d->f->task.memory;

    for (unsigned i = 0; uid != 0 && i < m->seen_count; i++)
        if (m->seen[i] == uid)
            return true;
    return false;
}

static void
note_seen(struct dialogue *d, uint64_t uid)
{
    struct fetch_memory *m = d->f->task.memory;

    if (uid == 0)
        return;
    m->seen[m->seen_at] = uid;
    m->seen_at = (m->seen_at + 1) % (unsigned)COUNT(m->seen);
    if (m->seen_count < COUNT(m->seen))
        m->seen_count++;
}

static void
add_mail(struct dialogue *d, uint32_t number, uint64_t uid)
{
    for (unsigned i = 0; i < d->mail_count; i++)
        if (d->mails[i].number == number)
            return;             /* told twice, it is still one mail */
    if (d->mail_count == FETCH_POP3_MAX) {
        memmove(d->mails, d->mails + 1, (FETCH_POP3_MAX - 1) * sizeof(d->mails[0]));
        d->mail_count--;
    }
    d->mails[d->mail_count++] = (struct mail){ .number = number, .uid = uid };
}

static void
take_uid(struct dialogue *d, struct slice line)
{
    uint32_t     number;
    struct slice uid;

    if (pop3_uid_parse(line, &number, &uid) && number <= d->count)
        add_mail(d, number, XXH3_64bits(uid.data, uid.len));
}

/* The server tells no UIDs: the newest by their numbers. */
static void
take_numbers(struct dialogue *d)
{
    uint32_t first = d->count > FETCH_POP3_MAX ? d->count - FETCH_POP3_MAX + 1 : 1;

    for (uint32_t n = first; n <= d->count; n++)
        add_mail(d, n, 0);
}

/* A line, with its end, or a piece of one that is too long to be taken at once. */
static void
take_mail_octets(struct dialogue *d, struct slice line, const char *end)
{
    d->size += line.len + strlen(end);
    if (d->octets.fault == MT_OK && d->octets.len + line.len + strlen(end) <= FETCH_MAIL_BYTES) {
        buf_append_slice(&d->octets, line);
        buf_append_string(&d->octets, end);
    } else {
        d->octets.fault = MT_ESIZE;     /* the rest is not looked at */
    }
}

static void
judge_mail(struct dialogue *d)
{
    struct mail        *mail = &d->mails[d->at - 1];
    struct mail_facts   facts = { .octets = buf_slice(&d->octets), .size_bytes = d->step == RETR ? d->size : 0 };
    struct mail_verdict verdict = fetch_judge(d->f, FETCH_INBOX, &facts);

    note_seen(d, mail->uid);
    mail->leftover = verdict.leftover;
    mail->deletes = (verdict.ours || verdict.leftover) && !d->f->task.plan->keep;
}

/* ---- Responses ---------------------------------------------------------------------------------------------------- */

static void
take_content(struct dialogue *d, struct slice line)
{
    struct slice content;

    if (!pop3_content(line, &content)) {
        d->listing = false;
        if (d->step == TOP || d->step == RETR)
            judge_mail(d);
        go_on(d);
    } else if (d->step == CAPA) {
        take_capability(d, content);
    } else if (d->step == UIDL) {
        take_uid(d, content);
    } else {
        take_mail_octets(d, content, "\r\n");
    }
}

/* Anybody may have sent a mail with such a line: it must not keep us from the others. What follows it up to the end of the line is no line. */
static void
take_piece(struct dialogue *d, struct slice piece, const char *end)
{
    if (!d->goes_on && slice_starts(piece, "."))
        piece = slice_sub(piece, 1, piece.len);
    take_mail_octets(d, piece, end);
    d->goes_on = end[0] == '\0';
}

/* What "-ERR" means. True: the dialogue goes on. */
static bool
take_refusal(struct dialogue *d, const struct pop3_status *s)
{
    switch (d->step) {
    case CAPA:                          /* an old server */
    case UIDL:
        return true;
    case LOGIN:
    case USER:
    case PASS:
        fetch_login_refused(d->f, s->text, pop3_is_for_now(s));
        return false;
    case TOP:
        d->no_top = true;
        return true;
    case RETR:                          /* another session has deleted it; or it is ours and cannot be had */
        d->withheld = true;
        fetch_note(d->f, "fetch", "a mail cannot be fetched", s->text);
        return true;
    case DELE:
        fetch_note(d->f, "delete", "a mail cannot be deleted", s->text);
        return true;
    case QUIT:
        fetch_fail(d->f, "delete", "the mails cannot be deleted", s->text);
        return false;
    default:
        fetch_fail(d->f, pop3_step(d), pop3_is_for_now(s) ? "the mailbox cannot be opened now" : "the server refused a command", s->text);
        return false;
    }
}

static void
take_status(struct dialogue *d, struct slice line)
{
    struct pop3_status s;

    if (d->step == LOGIN && d->f->sasl != NULL && (slice_starts(line, "+ ") || slice_equal(line, slice_of("+")))) {
        fetch_login_challenge(d->f, slice_trim(slice_sub(line, 1, line.len)));
        return;
    }
    if (pop3_status_parse(line, &s) != MT_OK) {
        fetch_fail(d->f, pop3_step(d), "the server's answer is no POP3", line);
        return;
    }
    d->refused = !s.ok;
    if (d->refused && !take_refusal(d, &s))
        return;
    if (d->step == STAT && !pop3_stat_parse(s.text, &d->count)) {
        fetch_fail(d->f, "select", "the server does not tell how many mails there are", line);
        return;
    }
    d->listing = s.ok && (d->step == CAPA || d->step == UIDL || d->step == TOP || d->step == RETR);
    if (!d->listing)
        go_on(d);
}

static void
pop3_octets(void *dialogue)
{
    struct dialogue *d = dialogue;
    struct buf      *in = mail_link_in(d->f->link);
    struct slice     line;
    size_t           at = 0, len;
    int              rc = MT_OK;

    while (!d->f->over && (rc = pop3_line_find(slice_sub(buf_slice(in), at, in->len), &line, &len)) != MT_EAGAIN) {
        bool in_mail = d->listing && (d->step == TOP || d->step == RETR);

        if (rc != MT_OK && !in_mail)
            break;
        if (rc != MT_OK) {
            take_piece(d, slice_sub(buf_slice(in), at, POP3_LINE_BYTES), "");
            at += POP3_LINE_BYTES;
            continue;
        }
        at += len;
        if (d->goes_on)
            take_piece(d, line, "\r\n");
        else if (d->listing)
            take_content(d, line);
        else
            take_status(d, line);
    }
    if (!d->f->over && rc == MT_ESIZE)
        fetch_fail(d->f, pop3_step(d), "the server's answer has an endless line", slice_of(NULL));
    buf_consume(in, at);
}

/* ---- What comes next ---------------------------------------------------------------------------------------------- */

/* The newest mail that was not looked at yet; then deleting. Newest first: the one that is waited for is most likely there. */
static void
fetch_next(struct dialogue *d)
{
    if (d->step != RETR && d->step != TOP)
        d->at = d->mail_count + 1;
    if (d->step == TOP && d->refused) {         /* no TOP: the whole mail then */
        say(d, RETR, "RETR %u", d->mails[d->at - 1].number);
        return;
    }
    while (--d->at > 0) {
        const struct mail *mail = &d->mails[d->at - 1];

        if (is_seen(d, mail->uid))
            continue;
        buf_clear(&d->octets);
        d->size = 0;
        if (d->no_top)
            say(d, RETR, "RETR %u", mail->number);
        else
            say(d, TOP, "TOP %u %d", mail->number, TOP_LINES);
        return;
    }
    d->f->task.memory->cleaned = true;
    d->step = DELE;
    d->at = 0;
    d->refused = true;                          /* nothing was deleted by now */
    go_on(d);
}

static void
delete_next(struct dialogue *d)
{
    if (!d->refused && d->at > 0) {
        d->deleted += !d->mails[d->at - 1].leftover;
        d->leftovers_deleted += d->mails[d->at - 1].leftover;
    }
    while (d->at < d->mail_count)
        if (d->mails[d->at++].deletes) {
            say(d, DELE, "DELE %u", d->mails[d->at - 1].number);
            return;
        }
    say(d, QUIT, "QUIT");
}

static void
end_session(struct dialogue *d)
{
    d->f->result.deleted = d->deleted;
    d->f->result.leftovers_deleted = d->leftovers_deleted;
    d->f->result.looked = !d->withheld;
    fetch_finish(d->f);
}

static void
go_on(struct dialogue *d)
{
    switch (d->step) {
    case CAPA:
        log_in(d);
        break;
    case USER:
        say(d, PASS, "PASS %s", d->f->secret);
        break;
    case LOGIN:
    case PASS:
        if (fetch_login_passed(d->f))
            say(d, STAT, "STAT");
        break;
    case STAT:
        if (d->count > 0)
            say(d, UIDL, "UIDL");
        else
            fetch_next(d);
        break;
    case UIDL:
        if (d->refused)
            take_numbers(d);
        fetch_next(d);
        break;
    case TOP:
    case RETR:
        fetch_next(d);
        break;
    case DELE:
        delete_next(d);
        break;
    case QUIT:
        end_session(d);
        break;
    }
}

const struct fetch_protocol fetch_pop3 = {
    .start = pop3_start, .opened = pop3_opened, .octets = pop3_octets, .free = pop3_free, .step = pop3_step,
};
