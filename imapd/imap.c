#include "imapd/imap.h"

#include "imapd/imap_append.h"
#include "imapd/imap_copy.h"
#include "imapd/imap_mark.h"
#include "imapd/imapd.h"

#include "lib/error.h"
#include "lib/foreign.h"
#include "lib/log.h"
#include "lib/metrics.h"

#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { QUOTED_BYTES_MAX = 1000, VERB_BYTES = 24 };

/* ---- Answers --------------------------------------------------------------------------------------------------------- */

void
imap_say(struct connection *c, const char *format, ...)
{
    va_list args;

    buf_append_string(&c->out, "* ");
    va_start(args, format);
    buf_vprintf(&c->out, format, args);
    va_end(args);
    buf_append_string(&c->out, "\r\n");
}

void
imap_answer(struct connection *c, const char *status, const char *format, ...)
{
    struct imap *s = c->own;
    va_list      args;

    imap_tell(c, !s->keeps_numbers);
    s->keeps_numbers = false;
    buf_printf(&c->out, "%s %s ", s->tag[0] == '\0' ? "*" : s->tag, status);
    va_start(args, format);
    buf_vprintf(&c->out, format, args);
    va_end(args);
    buf_append_string(&c->out, "\r\n");
    if (strcmp(status, "BAD") != 0)
        s->errors = 0;
    else if (++s->errors >= c->imapd->config->access.errors_max) {
        session_too_many_errors(c);
        imap_say(c, "BYE too many commands that cannot be understood");
        connection_end(c);
    }
}

bool
imap_refuse_syntax(struct connection *c, struct imap_reader *r)
{
    if (imap_end(r))
        return false;
    imap_answer(c, "BAD", "[CLIENTBUG] %s was expected", r->fault);
    return true;
}

void
imap_refuse_read(struct connection *c, int rc)
{
    if (rc == MT_ENOTFOUND)
        imap_answer(c, "NO", "[NONEXISTENT] there is no such mailbox");
    else
        imap_answer(c, "NO", "[UNAVAILABLE] the store cannot be read at the moment");
}

static bool
can_be_quoted(struct slice s)
{
    if (s.len > QUOTED_BYTES_MAX)
        return false;
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.data[i] < ' ' || (unsigned char)s.data[i] >= 0x7f)
            return false;
    return true;
}

void
imap_put_string(struct buf *b, struct slice s)
{
    if (!can_be_quoted(s)) {
        buf_printf(b, "{%zu}\r\n", s.len);
        buf_append_slice(b, s);
        return;
    }
    buf_append_byte(b, '"');
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] == '"' || s.data[i] == '\\')
            buf_append_byte(b, '\\');
        buf_append_byte(b, s.data[i]);
    }
    buf_append_byte(b, '"');
}

void
imap_put_nstring(struct buf *b, struct slice s)
{
    if (s.data == NULL)
        buf_append_string(b, "NIL");
    else
        imap_put_string(b, s);
}

/* ---- Sets --------------------------------------------------------------------------------------------------------------------- */

bool
imap_read_set(struct connection *c, struct imap_reader *r, bool uids, struct imap_set *indexes)
{
    struct imap      *s = c->own;
    struct slice      text = imap_set_text(r);
    struct imap_set   set = { 0 };
    uint32_t          last = s->view.count == 0 ? 0 : s->view.uids[s->view.count - 1];
    bool              saved = slice_equal(text, slice_of("$"));
    int               rc;

    *indexes = (struct imap_set){ 0 };
    if (!imap_ok(r)) {
        imap_refuse_syntax(c, r);
        return false;
    }
    rc = saved ? MT_OK : imap_set_parse(text, uids ? last : s->view.count, &set);
    if (rc != MT_OK) {
        imap_answer(c, "BAD", rc == MT_ESIZE ? "[LIMIT] a set may have %u ranges" : "that is no sequence set of up to %u ranges", IMAP_SET_RANGES_MAX);
        return false;
    }
    if (!uids && !saved) {          /* numbers: index 0 is number 1, and so the sets differ by one */
        /* RFC 9051 section 9, seq-number; so is "*" where there is no message, which leaves a set empty or with number 1. */
        if (set.count == 0 || set.ranges[set.count - 1].last > s->view.count) {
            imap_set_fini(&set);
            imap_answer(c, "BAD", "[CLIENTBUG] the mailbox has %u messages", s->view.count);
            return false;
        }
        for (uint32_t i = 0; i < set.count; i++) {
            set.ranges[i].first--;
            set.ranges[i].last--;
        }
        *indexes = set;
        return true;
    }
    for (uint32_t i = 0; i < (saved ? s->found.count : set.count); i++) {
        const struct imap_range *range = saved ? &s->found.ranges[i] : &set.ranges[i];
        bool                     exact;
        uint32_t                 at = imap_view_find(&s->view, range->first, &exact);

        for (; at < s->view.count && s->view.uids[at] <= range->last; at++)
            imap_set_append(indexes, at);
    }
    imap_set_fini(&set);
    return true;
}

/* ---- Tasks ------------------------------------------------------------------------------------------------------------------ */

void
imap_begin_task(struct connection *c, struct imap_task *t)
{
    struct imap *s = c->own;

    s->task = t;
    connection_produce(c);
}

static bool
produce(struct connection *c)
{
    struct imap *s = c->own;

    if (s->task == NULL)
        return false;
    if (s->task->produce(c, s->task))
        return true;
    s->task->free(s->task);
    s->task = NULL;
    return false;
}

/* ---- Commands ----------------------------------------------------------------------------------------------------------------- */

static const struct imap_verb *
find_verb(struct slice name)
{
    static const struct imap_verb *const groups[] = { imap_login_verbs, imap_select_verbs, imap_folder_list_verbs, imap_folder_change_verbs, imap_fetch_verbs,
                                                     imap_search_verbs, imap_sort_verbs, imap_thread_verbs, imap_change_verbs, imap_copy_verbs, imap_compress_verbs };

    for (size_t i = 0; i < COUNT(groups); i++)
        for (const struct imap_verb *v = groups[i]; v->name != NULL; v++)
            if (slice_equal_nocase(name, slice_of(v->name)))
                return v;
    return NULL;
}

/* What an agent may not do. In a folder that was opened to be read STORE changes nothing, and CLOSE expunges nothing. */
static bool
changes_mailbox(const struct imap_verb *verb)
{
    static const char *const names[] = { "COPY", "UID COPY", "MOVE", "UID MOVE", "EXPUNGE", "UID EXPUNGE", "CREATE", "DELETE",
                                         "RENAME", "SUBSCRIBE", "UNSUBSCRIBE", "SETQUOTA" };

    for (size_t i = 0; i < COUNT(names); i++)
        if (strcmp(verb->name, names[i]) == 0)
            return true;
    return false;
}

void
imap_refuse_change(struct connection *c)
{
    imap_answer(c, "NO", "[NOPERM] you may read this mailbox, and change nothing in it");
}

static void
refuse_state(struct connection *c, const struct imap_verb *verb)
{
    const struct imap *s = c->own;

    if (s->state == IMAP_CONNECTED)
        imap_answer(c, "BAD", "log in first");
    else if ((verb->in & IMAP_SELECTED) != 0)
        imap_answer(c, "BAD", "SELECT a mailbox first");
    else
        imap_answer(c, "BAD", "you are logged in already");
}

/* The command's name, with the word behind UID. */
static struct slice
read_name(struct imap_reader *r, char name[VERB_BYTES])
{
    struct slice word = imap_atom(r);

    if (slice_equal_nocase(word, slice_of("UID")) && imap_ok(r)) {
        imap_space(r);
        snprintf(name, VERB_BYTES, "UID %.*s", (int)(r->rest.len < VERB_BYTES ? slice_find(r->rest, ' ') : slice_find(slice_sub(r->rest, 0, VERB_BYTES), ' ')),
                 r->rest.data);
        imap_atom(r);
    } else {
        snprintf(name, VERB_BYTES, "%.*s", (int)word.len, word.len == 0 ? "" : word.data);
    }
    return slice_of(name);
}

/* What follows may be of a hostile page's choice. */
static void
end_foreign(struct connection *c, struct slice line)
{
    log_info("s=%x event=foreign-protocol client=%s word=\"%s\"", c->number, c->client, LOG_TEXT(slice_sub(line, 0, slice_find(line, ' '))));
    imap_say(c, "BYE this is a mail server, and that is HTTP");
    connection_end(c);
}

static void
handle(struct connection *c, struct slice command)
{
    struct imap            *s = c->own;
    const struct imap_verb *verb;
    struct imap_reader      r;
    char                    name[VERB_BYTES];
    struct slice            tag;

    if (s->state == IMAP_CONNECTED && foreign_line(command)) {
        end_foreign(c, command);
        return;
    }
    if (!imap_reader_init(&r, command)) {
        connection_break(c);
        return;
    }
    r.utf8 = imap_speaks_utf8(s);
    tag = imap_tag(&r);
    s->tag[0] = '\0';
    if (!imap_ok(&r) || !slice_copy(s->tag, sizeof(s->tag), tag)) {
        imap_answer(c, "BAD", "a command begins with a tag of at most %u characters", IMAP_TAG_BYTES);
        imap_reader_fini(&r);
        return;
    }
    imap_space(&r);
    verb = find_verb(read_name(&r, name));
    if (!imap_ok(&r) || verb == NULL) {
        imap_answer(c, "BAD", "unknown command; CAPABILITY tells what there is");
    } else if ((verb->in & s->state) == 0) {
        refuse_state(c, verb);
    } else if (s->login.reads_only && changes_mailbox(verb)) {
        imap_refuse_change(c);
    } else {
        s->keeps_numbers = verb->keeps_numbers;
        verb->handle(c, &r);
    }
    imap_reader_fini(&r);
}

static struct slice
without_line_end(struct slice s)
{
    if (s.len > 0 && s.data[s.len - 1] == '\n')
        s.len--;
    if (s.len > 0 && s.data[s.len - 1] == '\r')
        s.len--;
    return s;
}

static void
end_idle(struct connection *c, struct slice line)
{
    struct imap *s = c->own;

    s->wait = IMAP_WAIT_COMMAND;
    connection_limit(c, DEADLINE_IDLE);
    if (slice_equal_nocase(line, slice_of("DONE")))
        imap_answer(c, "OK", "IDLE completed");
    else
        imap_answer(c, "BAD", "DONE was expected");
}

/* A line that is no command: an answer to a continuation. */
static bool
take_line(struct connection *c, struct slice *in)
{
    struct imap *s = c->own;
    size_t       end = slice_find(*in, '\n');
    struct slice line;

    if (end == in->len) {
        if (end > SASL_MESSAGE_BYTES * 2)
            connection_break(c);
        return false;
    }
    line = without_line_end(slice_sub(*in, 0, end + 1));
    *in = slice_sub(*in, end + 1, in->len);
    if (s->wait == IMAP_WAIT_DONE)
        end_idle(c, line);
    else
        imap_sasl_answer(c, line);
    return true;
}

static void
refuse_long(struct connection *c, struct slice command, const char *code)
{
    struct imap *s = c->own;
    struct slice tag = slice_sub(command, 0, slice_find(command, ' '));

    if (!slice_copy(s->tag, sizeof(s->tag), tag) || tag.len == 0)
        s->tag[0] = '\0';
    imap_answer(c, "BAD", "[%s] a command may have %u octets, and a literal that does not wait %u", code, IMAP_COMMAND_BYTES, IMAP_LITERAL_MINUS);
}

static bool
step(struct connection *c, struct slice *in)
{
    struct imap *s = c->own;
    size_t       len = 0;
    uint64_t     literal = 0;
    bool         synchronising = false;

    if (!imap_frame_skip(&s->frame, in) || in->len == 0)
        return false;
    if (s->append != NULL)
        return imap_append_step(c, in);
    if (s->wait != IMAP_WAIT_COMMAND)
        return take_line(c, in);
    switch (imap_frame(&s->frame, *in, &len, &literal, &synchronising)) {
    case IMAP_FRAME_MORE:
        return false;
    case IMAP_FRAME_GO_AHEAD:
        connection_say(c, "+ go ahead");
        return true;
    case IMAP_FRAME_ENDLESS:
        imap_say(c, "BYE [TOOBIG] a command may have %u octets", IMAP_COMMAND_BYTES);
        connection_end(c);
        return false;
    case IMAP_FRAME_TOO_LONG:
        refuse_long(c, *in, "TOOBIG");
        break;
    case IMAP_FRAME_MESSAGE:
        imap_append_begin(c, slice_sub(*in, 0, len), literal, synchronising);
        break;
    case IMAP_FRAME_COMPLETE:
        if (s->state != IMAP_CONNECTED)
            connection_limit(c, DEADLINE_IDLE);
        handle(c, without_line_end(slice_sub(*in, 0, len)));
        break;
    }
    *in = slice_sub(*in, len, in->len);
    return true;
}

/* ---- Begin and end ------------------------------------------------------------------------------------------------------------- */

static int
open_session(struct connection *c)
{
    struct imap *s = calloc(1, sizeof(*s));

    if (s == NULL)
        return MT_ENOMEM;
    s->state = IMAP_CONNECTED;
    s->view.connection = c;
    buf_init(&s->pending, IMAP_COMMAND_BYTES);
    s->view.kept = &c->imapd->uids;
    c->own = s;
    metric_add(METRIC_IMAP_SESSIONS_TOTAL, 1);
    return MT_OK;
}

static void
greet(struct connection *c)
{
    char text[IMAP_CAPABILITIES_BYTES];

    imap_say(c, "OK [CAPABILITY %s] %s IMAP server ready", imap_capabilities(c, text), c->imapd->config->hostname);
}

static void
ignore(struct connection *c)
{
    (void)c;
}

static void
expired(struct connection *c, enum deadline_kind kind)
{
    log_info("s=%x event=timeout client=%s limit=\"%s\"", c->number, c->client, kind == DEADLINE_LOGIN ? "login" : "a command");
    imap_say(c, "BYE nothing was heard for too long");
    connection_end(c);
}

static void
stop(struct connection *c)
{
    imap_say(c, c->revoked ? "BYE [CONTACTADMIN] this login holds no longer" : "BYE [UNAVAILABLE] the service is stopping");
    connection_end(c);
}

static void
free_session(struct connection *c)
{
    struct imap *s = c->own;

    if (s->task != NULL)
        s->task->free(s->task);
    imap_select_free(s->select);
    imap_mark_free(s->mark);
    imap_copy_free(s->copy);
    imap_append_free(c->imapd, s->append);
    imap_view_close(&s->view);
    imap_set_fini(&s->found);
    imap_set_fini(&s->expunging);
    free(s->written);
    login_try_free(s->trying);
    buf_fini(&s->pending);
    sodium_memzero(s, sizeof(*s));
    free(s);
}

const struct protocol imap_protocol = {
    .name    = "imap",
    .logins  = METRIC_IMAP_LOGINS_TOTAL,
    .login_failures = METRIC_IMAP_LOGIN_FAILURES_TOTAL,
    .open    = open_session,
    .greet   = greet,
    .step    = step,
    .produce = produce,
    .secured = ignore,
    .expired = expired,
    .stop    = stop,
    .free    = free_session,
};
