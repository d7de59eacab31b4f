/*
 * THREAD and UID THREAD (RFC 5256): the command around imap_thread.
 */

#include "imapd/imap_collect.h"
#include "imapd/imap_thread.h"
#include "imapd/imapd.h"

#include "lib/error.h"

#include <stdlib.h>

enum phase { PHASE_SEEK, PHASE_COLLECT, PHASE_MAKE, PHASE_SAY };

struct threading {
    struct imap_task     task;
    struct imap_seek     seek;
    struct imap_collect  collect;
    struct imap_threads *threads;
    struct connection   *connection;
    enum phase           phase;
};

static int
take_message(void *arg, uint32_t uid, const struct message_record *m, struct slice header)
{
    struct threading *f = arg;

    return imap_threads_add(f->threads, uid, header, imap_sent_date(m));
}

static uint32_t
show(void *arg, uint32_t uid)
{
    struct threading *f = arg;

    return imap_seek_shown(f->connection->own, &f->seek, uid);
}

static bool
say_some(struct connection *c, struct threading *f)
{
    if (imap_threads_put(f->threads, &c->out, show, f))
        return true;
    buf_append_string(&c->out, "\r\n");
    imap_answer(c, "OK", "THREAD completed");
    return false;
}

static void
next_phase(struct connection *c, struct threading *f)
{
    f->phase++;
    if (f->phase == PHASE_SAY)
        buf_append_string(&c->out, f->seek.found.count > 0 ? "* THREAD " : "* THREAD");
}

static bool
produce(struct connection *c, struct imap_task *t)
{
    struct threading     *f = (struct threading *)t;
    enum imap_seek_result result;
    bool                  more = false;
    int                   rc = MT_OK;

    switch (f->phase) {
    case PHASE_SEEK:
        result = imap_seek_step(c, &f->seek);
        if (result == IMAP_SEEK_REFUSED)
            return false;
        more = result == IMAP_SEEK_MORE;
        break;
    case PHASE_COLLECT:
        rc = imap_collect_step(c, &f->collect, &f->seek, take_message, f, &more);
        break;
    case PHASE_MAKE:
        more = imap_threads_step(f->threads, &rc);
        break;
    case PHASE_SAY:
        return say_some(c, f);
    }
    if (rc == MT_OK && f->phase != PHASE_SEEK)
        rc = imap_collect_count(c->imapd, &f->collect, imap_threads_bytes(f->threads));
    if (rc != MT_OK) {
        imap_collect_refuse(c, &f->seek, rc);
        return false;
    }
    if (!more)
        next_phase(c, f);
    return true;
}

static void
free_threading(struct imap_task *t)
{
    struct threading *f = (struct threading *)t;

    imap_collect_count(f->connection->imapd, &f->collect, 0);
    imap_threads_free(f->threads);
    imap_seek_fini(&f->seek);
    free(f);
}

/* ---- The command ------------------------------------------------------------------------------------------------------------------ */

static void
begin_threading(struct connection *c, struct imap_reader *command, bool uids)
{
    struct threading          *f = calloc(1, sizeof(*f));
    enum imap_thread_algorithm algorithm = IMAP_REFERENCES;
    struct slice               charset;

    if (f == NULL || !imap_seek_init(&f->seek, command->rest, uids)) {
        imap_answer(c, "NO", "[SERVERBUG] out of memory");
        if (f != NULL)
            imap_seek_fini(&f->seek);
        free(f);
        return;
    }
    f->task = (struct imap_task){ produce, free_threading };
    f->connection = c;
    f->collect.headers = true;
    f->seek.reader.utf8 = command->utf8;
    imap_space(&f->seek.reader);
    if (imap_take(&f->seek.reader, "ORDEREDSUBJECT "))
        algorithm = IMAP_ORDERED_SUBJECT;
    else if (!imap_take(&f->seek.reader, "REFERENCES "))
        imap_fail(&f->seek.reader, "ORDEREDSUBJECT or REFERENCES");
    charset = imap_astring(&f->seek.reader);
    imap_space(&f->seek.reader);
    if (!imap_seek_read_criteria(c, &f->seek, true, charset)) {
        free_threading(&f->task);
    } else if ((f->threads = imap_threads_new(algorithm)) == NULL) {
        imap_answer(c, "NO", "[SERVERBUG] out of memory");
        free_threading(&f->task);
    } else {
        imap_begin_task(c, &f->task);
    }
}

static void
thread(struct connection *c, struct imap_reader *r)
{
    begin_threading(c, r, false);
}

static void
uid_thread(struct connection *c, struct imap_reader *r)
{
    begin_threading(c, r, true);
}

const struct imap_verb imap_thread_verbs[] = {
    { "THREAD",     IMAP_SELECTED, true,  thread     },
    { "UID THREAD", IMAP_SELECTED, false, uid_thread },
    { NULL,         0,             false, NULL       },
};
