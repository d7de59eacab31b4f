#include "checker/fetch_imap.h"
#include "checker/imap_command.h"
#include "lib/error.h"

#include <stdio.h>
#include <stdlib.h>

/*
 * One command at a time; go_on() says the next when the one before has ended well. For each folder:
 *
 *   SELECT -> SEARCH -> [NEWEST, when nothing was found and there is new mail] -> FETCH each -> [LEFTOVERS -> FETCH each]
 *          -> [STORE -> UID EXPUNGE, or MARKED -> EXPUNGE]
 *
 * and before the first CAPABILITY -> LOGIN -> CAPABILITY -> [LIST], behind the last LOGOUT. SEARCH may know less than the folder holds, since the
 * index of some servers lags behind: so the headers of the newest mails are looked at, each once in a watch.
 */
static void go_on(struct imap_dialogue *d);

/* Of the newest mails: where the token stands, and what tells a report or a reply. */
#define NEWEST_FIELDS "Subject Message-ID In-Reply-To References X-Mailtest-Token Content-Type Auto-Submitted"

static void *
imap_start(struct fetch *f)
{
    struct imap_dialogue *d = calloc(1, sizeof(*d));
    const char           *junk = f->task.plan->junk_folder;

    if (d != NULL)
        d->f = f;
    if (junk != NULL)
        slice_copy(f->task.memory->junk, sizeof(f->task.memory->junk), slice_of(junk));
    return d;
}

/* The step under way, for failures. */
static const char *
step_name_of(const struct imap_dialogue *d)
{
    switch (d->step) {
    case CAPABILITY:
        return "banner";
    case LOGIN:
        return "login";
    case CAPABILITY_AGAIN:
    case LIST:
    case SELECT:
        return "select";
    case SEARCH:
        return "search";
    case NEWEST:
    case FETCH:
    case LEFTOVERS:
    case FETCH_LEFTOVER:
        return "fetch";
    default:
        return "delete";
    }
}

static const char *
imap_step(const void *dialogue)
{
    return step_name_of(dialogue);
}

static void __attribute__((format(printf, 3, 4)))
say(struct imap_dialogue *d, enum imap_step step, const char *format, ...)
{
    struct buf out;
    va_list    args;

    d->step = step;
    d->tag++;
    buf_init(&out, COMMAND_BYTES);
    buf_printf(&out, "m%u ", d->tag);
    va_start(args, format);
    buf_vprintf(&out, format, args);
    va_end(args);
    buf_append_string(&out, "\r\n");
    if (out.fault != MT_OK)
        fetch_fail(d->f, step_name_of(d), "a command is too long", slice_of(NULL));
    else
        mail_link_send(d->f->link, buf_slice(&out));
    buf_fini(&out);
}

static void
imap_opened(void *dialogue)
{
    say(dialogue, CAPABILITY, "CAPABILITY");
}

/* ---- The Junk folder ---------------------------------------------------------------------------------------------- */

static bool
wants_list(const struct imap_dialogue *d)
{
    return d->f->task.plan->junk_folder == NULL && !d->f->task.memory->junk_known;
}

/* As it goes on the wire, quoted. */
static void
put_folder(const struct imap_dialogue *d, struct buf *out)
{
    const struct plan *plan = d->f->task.plan;

    if (d->folder == FETCH_INBOX)
        imap_put_folder(out, slice_of(plan->folder != NULL ? plan->folder : "INBOX"));
    else if (plan->junk_folder != NULL)
        imap_put_folder(out, slice_of(plan->junk_folder));
    else
        imap_put_quoted(out, slice_of(d->f->task.memory->junk));
}

/* Whether the Junk folder is looked into: where INBOX lacks the mail; and once in a watch, for what is left over there. */
static bool
wants_junk(const struct imap_dialogue *d)
{
    const struct fetch_task *t = &d->f->task;

    if (t->plan->junk_folder != NULL ? t->plan->junk_folder[0] == '\0' : t->memory->junk[0] == '\0')
        return false;
    return d->f->result.copies == 0 || (!t->memory->cleaned && !t->plan->keep);
}

/* ---- Looking into a folder ---------------------------------------------------------------------------------------- */

static void
select_folder(struct imap_dialogue *d, enum fetch_folder folder)
{
    struct buf name;

    d->folder = folder;
    d->read_only = d->too_many_marked = false;
    d->exists = d->uidnext = d->uidvalidity = 0;
    d->found.count = d->found.at = d->ours.count = d->leftover_count = d->leftovers.count = d->leftovers.at = d->marked.count = 0;
    buf_init(&name, COMMAND_BYTES / 2);
    put_folder(d, &name);
    say(d, SELECT, "SELECT %.*s", (int)name.len, name.data);
    buf_fini(&name);
}

static void
search(struct imap_dialogue *d)
{
    struct buf text, day;

    buf_init(&text, COMMAND_BYTES / 4);
    buf_init(&day, 32);
    imap_put_day(&day, d->f->task.since_unix - DAY_S);      /* a day earlier: SINCE has no zone */
    if (!imap_put_quoted(&text, slice_of(d->f->task.token)) || text.fault != MT_OK)
        say(d, SEARCH, "NOOP");                             /* no text to search for: the newest mails have to do */
    else
        say(d, SEARCH, "UID SEARCH SINCE %.*s OR OR SUBJECT %.*s HEADER X-Mailtest-Token %.*s TEXT %.*s", (int)day.len, day.data,
            (int)text.len, text.data, (int)text.len, text.data, (int)text.len, text.data);
    buf_fini(&text);
    buf_fini(&day);
}

/* New mail that no look has seen yet. */
static bool
wants_newest(const struct imap_dialogue *d)
{
    const struct fetch_memory *m = d->f->task.memory;

    return d->found.count == 0 && (d->uidnext == 0 || d->uidnext > m->next_uid[d->folder]);
}

/* ---- Responses ---------------------------------------------------------------------------------------------------- */

static void
take_untagged(struct imap_dialogue *d, const struct imap_response *r)
{
    if (r->condition == IMAP_BYE && d->step != LOGOUT)
        fetch_fail(d->f, step_name_of(d), "the server said BYE", r->text);
    else if (slice_equal_nocase(r->name, slice_of("CAPABILITY")) && (d->step == CAPABILITY || d->step == CAPABILITY_AGAIN))
        imap_take_capabilities(d, r->text);
    else if (r->has_number && slice_equal_nocase(r->name, slice_of("EXISTS")))
        d->exists = r->number;
    else if (r->condition == IMAP_OK && d->step == SELECT && !imap_code_number(r->code, "UIDNEXT", &d->uidnext))
        imap_code_number(r->code, "UIDVALIDITY", &d->uidvalidity);
    else if (d->step == LIST && slice_equal_nocase(r->name, slice_of("LIST")))
        imap_take_listed(d, r->text);
    else if (slice_equal_nocase(r->name, slice_of("SEARCH")))
        imap_take_search(d, r->text);
    else if (r->has_number && slice_equal_nocase(r->name, slice_of("FETCH")) && d->step == NEWEST)
        imap_take_newest(d, r->text);
    else if (r->has_number && slice_equal_nocase(r->name, slice_of("FETCH")) && (d->step == FETCH || d->step == FETCH_LEFTOVER))
        imap_take_mail(d, r->text);
}

/* What a refusal of each command means. True: the dialogue goes on. */
static bool
take_refusal(struct imap_dialogue *d, const struct imap_response *r)
{
    bool no_such = imap_code_is(r->code, "NONEXISTENT") || imap_code_is(r->code, "NOPERM") || imap_code_is(r->code, "CANNOT") ||
                   slice_find_nocase(r->text, slice_of("exist")) < r->text.len;

    switch (d->step) {
    case LOGIN:
        fetch_login_refused(d->f, r->text, imap_login_may_heal(r));
        return false;
    case SELECT:
        if (d->folder == FETCH_JUNK) {
            fetch_note(d->f, "select", "the Junk folder cannot be opened", r->text);
            d->exists = 0;
            return true;
        }
        d->f->result.hopeless = no_such;
        fetch_fail(d->f, "select", "the folder cannot be opened", r->text);
        return false;
    case LIST:
    case SEARCH:                        /* the newest mails are looked at instead */
    case LEFTOVERS:
    case LOGOUT:
        return true;
    case STORE:
    case MARKED:
    case EXPUNGE:
        fetch_note(d->f, "delete", "the mails cannot be deleted", r->text);
        return true;
    default:
        fetch_fail(d->f, step_name_of(d), "the server refused a command", r->text);
        return false;
    }
}

static void
take_tagged(struct imap_dialogue *d, const struct imap_response *r)
{
    char tag[16];

    snprintf(tag, sizeof(tag), "m%u", d->tag);
    if (!slice_equal(r->tag, slice_of(tag))) {
        fetch_fail(d->f, step_name_of(d), "the server answered another command than was said", r->tag);
        return;
    }
    d->refused = r->condition != IMAP_OK;
    if (d->refused && !take_refusal(d, r))
        return;
    if (d->step == SELECT)
        d->read_only = imap_code_is(r->code, "READ-ONLY");
    go_on(d);
}

static void
imap_octets(void *dialogue)
{
    struct imap_dialogue *d = dialogue;
    struct buf           *in = mail_link_in(d->f->link);
    size_t                at = 0, len;
    int                   rc = MT_OK;

    while (!d->f->over && (rc = imap_response_find(slice_sub(buf_slice(in), at, in->len), &len)) == MT_OK) {
        struct slice         whole = slice_sub(buf_slice(in), at, len);
        struct imap_response r;

        at += len;
        if (imap_response_parse(whole, &r) != MT_OK)
            fetch_fail(d->f, step_name_of(d), "the server's answer is no IMAP", slice_trim(whole));
        else if (r.kind == IMAP_CONTINUE && d->step == LOGIN && d->f->sasl != NULL)
            fetch_login_challenge(d->f, r.text);
        else if (r.kind == IMAP_UNTAGGED)
            take_untagged(d, &r);
        else if (r.kind == IMAP_TAGGED)
            take_tagged(d, &r);
    }
    if (!d->f->over && rc != MT_OK && rc != MT_EAGAIN)
        fetch_fail(d->f, step_name_of(d), rc == MT_ESIZE ? "the server's answer is too large" : "the server's answer is no IMAP", slice_of(NULL));
    buf_consume(in, at);
}

/* ---- What comes next ---------------------------------------------------------------------------------------------- */

static void
fetch_mail(struct imap_dialogue *d, enum imap_step step, struct imap_uids *from)
{
    d->fetched = false;
    say(d, step, "UID FETCH %u (UID INTERNALDATE RFC822.SIZE BODY.PEEK[]<0.%u>)", from->list[from->at++], FETCH_MAIL_BYTES);
}

/* The folder is done with: the other one, or good-bye. */
static void
end_folder(struct imap_dialogue *d)
{
    if (d->folder == FETCH_INBOX && wants_junk(d)) {
        select_folder(d, FETCH_JUNK);
        return;
    }
    d->f->task.memory->cleaned = true;
    d->f->result.looked = true;
    say(d, LOGOUT, "LOGOUT");
}

static void
delete_mails(struct imap_dialogue *d)
{
    struct buf uids;

    if (d->ours.count == 0 || d->f->task.plan->keep) {
        end_folder(d);
        return;
    }
    if (d->read_only) {
        fetch_note(d->f, "delete", "the folder is read-only, so nothing is deleted in it", slice_of(NULL));
        end_folder(d);
        return;
    }
    buf_init(&uids, COMMAND_BYTES / 2);
    imap_put_uids(&uids, d->ours.list, d->ours.count);
    say(d, STORE, "UID STORE %.*s +FLAGS.SILENT (\\Deleted)", (int)uids.len, uids.data);
    buf_fini(&uids);
}

/* With UIDPLUS (RFC 4315) exactly these; without, all that are marked, so only when nobody marked others. */
static void
expunge(struct imap_dialogue *d)
{
    struct buf uids;

    if (d->step == STORE && !d->uidplus) {
        say(d, MARKED, "UID SEARCH DELETED");
        return;
    }
    for (unsigned i = 0; d->step == MARKED && i < d->marked.count; i++)
        d->too_many_marked = d->too_many_marked || !imap_has_uid(&d->ours, d->marked.list[i]);
    if (d->step == MARKED && (d->too_many_marked || d->refused)) {
        fetch_note(d->f, "delete", "the folder holds other mails that are marked as deleted, so ours are only marked as well", slice_of(NULL));
        end_folder(d);
        return;
    }
    if (!d->uidplus) {
        say(d, EXPUNGE, "EXPUNGE");
        return;
    }
    buf_init(&uids, COMMAND_BYTES / 2);
    imap_put_uids(&uids, d->ours.list, d->ours.count);
    say(d, EXPUNGE, "UID EXPUNGE %.*s", (int)uids.len, uids.data);
    buf_fini(&uids);
}

static void
count_deleted(struct imap_dialogue *d)
{
    if (d->refused)
        return;
    d->f->result.deleted += d->ours.count - d->leftover_count;
    d->f->result.leftovers_deleted += d->leftover_count;
}

static void
search_leftovers(struct imap_dialogue *d)
{
    const struct fetch_task *t = &d->f->task;
    const char              *label = t->plan->label != NULL ? t->plan->label : MAIL_LABEL_NONE;
    struct buf               day;

    if (t->memory->cleaned || t->plan->keep) {
        delete_mails(d);
        return;
    }
    buf_init(&day, 32);
    imap_put_day(&day, t->since_unix - (int64_t)LEFTOVER_DAYS * DAY_S);
    say(d, LEFTOVERS, "UID SEARCH SINCE %.*s OR HEADER " MAIL_CHECK_FIELD " \"%s\" TEXT \"" MAIL_CHECK_FIELD ": %s\"", (int)day.len, day.data,
        label, label);
    buf_fini(&day);
}

/* The next mail of those that were found; then what is left over; then deleting. */
static void
fetch_next(struct imap_dialogue *d)
{
    if (d->step != LEFTOVERS && d->step != FETCH_LEFTOVER && d->found.at < d->found.count)
        fetch_mail(d, FETCH, &d->found);
    else if (d->step != LEFTOVERS && d->step != FETCH_LEFTOVER)
        search_leftovers(d);
    else if (d->leftovers.at < d->leftovers.count)
        fetch_mail(d, FETCH_LEFTOVER, &d->leftovers);
    else
        delete_mails(d);
}

static void
end_list(struct imap_dialogue *d)
{
    struct fetch_memory *m = d->f->task.memory;

    m->junk_known = true;
    if (m->junk[0] == '\0')
        slice_copy(m->junk, sizeof(m->junk), slice_of(d->guessed));
    select_folder(d, FETCH_INBOX);
}

static void
begin_folder(struct imap_dialogue *d)
{
    struct fetch_memory *m = d->f->task.memory;

    if (m->uidvalidity[d->folder] != d->uidvalidity) {
        m->next_uid[d->folder] = m->told_count[d->folder] = 0;
        m->uidvalidity[d->folder] = d->uidvalidity;
    }
    if (d->exists == 0)
        end_folder(d);
    else
        search(d);
}

static void
go_on(struct imap_dialogue *d)
{
    switch (d->step) {
    case CAPABILITY:
        imap_log_in(d);
        break;
    case LOGIN:
        if (fetch_login_passed(d->f))
            say(d, CAPABILITY_AGAIN, "CAPABILITY");
        break;
    case CAPABILITY_AGAIN:
        if (wants_list(d))
            say(d, LIST, d->special_use ? "LIST \"\" \"*\" RETURN (SPECIAL-USE)" : "LIST \"\" \"*\"");
        else
            select_folder(d, FETCH_INBOX);
        break;
    case LIST:
        end_list(d);
        break;
    case SELECT:
        begin_folder(d);
        break;
    case SEARCH:
        if (wants_newest(d))
            say(d, NEWEST, "FETCH %u:* (UID INTERNALDATE BODY.PEEK[HEADER.FIELDS (" NEWEST_FIELDS ")])",
                d->exists > FETCH_NEWEST_MAX ? d->exists - FETCH_NEWEST_MAX + 1 : 1);
        else
            fetch_next(d);
        break;
    case NEWEST:
        d->f->task.memory->next_uid[d->folder] = d->uidnext;
        fetch_next(d);
        break;
    case FETCH:
    case LEFTOVERS:
    case FETCH_LEFTOVER:
        fetch_next(d);
        break;
    case STORE:
    case MARKED:
        if (d->step == STORE && d->refused)
            end_folder(d);
        else
            expunge(d);
        break;
    case EXPUNGE:
        count_deleted(d);
        end_folder(d);
        break;
    case LOGOUT:
        fetch_finish(d->f);
        break;
    }
}

const struct fetch_protocol fetch_imap = {
    .start = imap_start, .opened = imap_opened, .octets = imap_octets, .free = free, .step = imap_step,
};
