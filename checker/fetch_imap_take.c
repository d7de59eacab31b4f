#include "checker/fetch_imap.h"
#include "checker/imap_command.h"
#include "lib/error.h"

#include <string.h>

void
imap_take_listed(struct imap_dialogue *d, struct slice text)
{
    struct fetch_memory *m = d->f->task.memory;
    struct imap_listed   listed;

    if (++d->listed > LISTED_MAX || imap_listed_read(text, &listed) != MT_OK || !listed.selectable)
        return;
    if (listed.junk && m->junk[0] == '\0')
        slice_copy(m->junk, sizeof(m->junk), slice_of(listed.name));
    else if (d->guessed[0] == '\0' && imap_is_junk_name(slice_of(listed.name), listed.delimiter))
        slice_copy(d->guessed, sizeof(d->guessed), slice_of(listed.name));
}

static void
add_uid(struct imap_uids *u, uint32_t uid, unsigned max)
{
    if (u->count == max) {              /* the newest are kept */
        memmove(u->list, u->list + 1, (max - 1) * sizeof(u->list[0]));
        u->count--;
    }
    u->list[u->count++] = uid;
}

bool
imap_has_uid(const struct imap_uids *u, uint32_t uid)
{
    for (unsigned i = 0; i < u->count; i++)
        if (u->list[i] == uid)
            return true;
    return false;
}

/* Whether an earlier look of this watch told of the mail, and it is kept. */
static bool
is_told(const struct imap_dialogue *d, uint32_t uid)
{
    const struct fetch_memory *m = d->f->task.memory;

    for (unsigned i = 0; i < m->told_count[d->folder]; i++)
        if (m->told[d->folder][i] == uid)
            return true;
    return false;
}

static void
note_told(struct imap_dialogue *d, uint32_t uid)
{
    struct fetch_memory *m = d->f->task.memory;

    if (m->told_count[d->folder] < FETCH_TOLD_MAX)
        m->told[d->folder][m->told_count[d->folder]++] = uid;
    if (!imap_has_uid(&d->ours, uid))
        add_uid(&d->ours, uid, DELETE_MAX);
}

void
imap_take_search(struct imap_dialogue *d, struct slice rest)
{
    uint32_t uid;

    while (imap_number_next(&rest, &uid)) {
        if (d->step == SEARCH && !is_told(d, uid) && !imap_has_uid(&d->found, uid))
            add_uid(&d->found, uid, FETCH_FOUND_MAX);
        if (d->step == LEFTOVERS && d->leftovers.count < FETCH_LEFTOVERS_MAX && !imap_has_uid(&d->ours, uid))
            add_uid(&d->leftovers, uid, FETCH_LEFTOVERS_MAX);       /* the oldest first; the next run takes the others */
        else if (d->step == MARKED && d->marked.count < DELETE_MAX)
            add_uid(&d->marked, uid, DELETE_MAX);
        else if (d->step == MARKED)
            d->too_many_marked = true;
    }
}

/* What is looked for is a token, which no other mail has; else it is any text. */
static bool
is_token(const struct imap_dialogue *d)
{
    struct token t;

    return token_decode(slice_of(d->f->task.token), &t) == MT_OK;
}

/* Whether a mail can be ours by its header: it has the token, or it is a report or an automatic reply, which may have it further down. */
static bool
looks_like_ours(const struct imap_dialogue *d, struct slice fields)
{
    const char *const marks[] = { d->f->task.token, "multipart/report", "Auto-Submitted" };

    if (!is_token(d))
        return true;            /* another text, which a header may have in many forms */
    for (size_t i = 0; i < COUNT(marks); i++)
        if (slice_find_nocase(fields, slice_of(marks[i])) < fields.len)
            return true;
    return false;
}

/* The others are never looked at again. */
void
imap_take_newest(struct imap_dialogue *d, struct slice text)
{
    struct fetch_memory *m = d->f->task.memory;
    struct imap_fetched  mail;
    int64_t              at;

    if (imap_fetched_read(text, &mail) != MT_OK || mail.uid == 0 || mail.uid < m->next_uid[d->folder] || is_told(d, mail.uid))
        return;
    if (imap_date_read(mail.internal_date, &at) == MT_OK && at < d->f->task.since_unix)
        return;
    if (d->found.count < FETCH_NEWEST_MAX && looks_like_ours(d, mail.body))
        add_uid(&d->found, mail.uid, FETCH_NEWEST_MAX);
}

void
imap_take_mail(struct imap_dialogue *d, struct slice text)
{
    const struct imap_uids *asked = d->step == FETCH ? &d->found : &d->leftovers;
    struct imap_fetched     mail;
    struct mail_facts       facts;
    struct mail_verdict     verdict;
    int64_t                 at = 0;

    if (imap_fetched_read(text, &mail) != MT_OK || !mail.has_body || d->fetched || mail.uid != asked->list[asked->at - 1])
        return;                         /* such as a change of flags that another session made */
    d->fetched = true;
    if (imap_date_read(mail.internal_date, &at) != MT_OK)
        at = 0;
    if (at != 0 && at < d->f->task.since_unix && !is_token(d))
        return;                         /* an old mail with the same words */
    facts = (struct mail_facts){ .octets = mail.body, .size_bytes = mail.size_bytes, .received_unix = at };
    verdict = fetch_judge(d->f, d->folder, &facts);
    if (verdict.ours)
        note_told(d, mail.uid);
    if (d->step == FETCH_LEFTOVER && verdict.leftover && d->ours.count < DELETE_MAX) {
        add_uid(&d->ours, mail.uid, DELETE_MAX);
        d->leftover_count++;
    }
}
