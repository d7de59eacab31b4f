#include "smtpd/transaction.h"

#include "lib/error.h"
#include "lib/msg.h"

#include <stdlib.h>

/* Kept for the next mails; what is beyond is freed. FINDER_BYTES: what a finder takes while it reads a mail without attachments. */
enum { FREE_TRANSACTIONS_MAX = 64, FIRST_RECIPIENTS = 4, FINDER_BYTES = 40 * 1024 };

/* One RCPT that got a 250. Where in text its parts are: offsets, since text moves when it grows. */
struct transaction_recipient {
    uint32_t mailbox_at, mailbox_len;
    uint32_t address_at, address_len;
    bool     again;     /* an earlier one names the same mailbox, perhaps with another detail */
};

static struct slice
text_at(const struct transaction *t, uint32_t at, uint32_t len)
{
    return slice_sub(buf_slice(&t->text), at, len);
}

static struct transaction *
transaction_new(void)
{
    struct transaction *t = calloc(1, sizeof(*t));

    if (t == NULL)
        return NULL;
    buf_init(&t->text, TRANSACTION_TEXT_BYTES_MAX);
    body_init(&t->body);
    return t;
}

static void
transaction_free(struct transaction *t)
{
    buf_fini(&t->text);
    body_fini(&t->body);
    free(t->recipients);
    free(t);
}

void
transaction_pool_fini(struct transaction_pool *pool)
{
    struct transaction *t;

    while ((t = pool->free) != NULL) {
        pool->free = t->next_free;
        transaction_free(t);
    }
    while (pool->finder_count > 0)
        finder_free(pool->finders[--pool->finder_count]);
    while (pool->spare_count > 0)
        buf_fini(&pool->spares[--pool->spare_count]);
    pool->free_count = 0;
}

struct transaction *
transaction_begin(struct transaction_pool *pool, const struct mail_args *args)
{
    struct transaction *t = pool->free;

    if (t != NULL) {
        pool->free = t->next_free;
        pool->free_count--;
        t->next_free = NULL;
    } else if ((t = transaction_new()) == NULL) {
        return NULL;
    }
    t->flags = (args->eight_bit ? DELIVERY_8BITMIME : 0u) | (args->utf8 ? DELIVERY_SMTPUTF8 : 0u);
    t->recipient_count = t->accepted = 0;
    t->refusal = REPLY_NONE;
    t->reverse_len = (uint32_t)args->path.text.len;
    if (buf_append_slice(&t->text, args->path.text) != MT_OK) {
        transaction_end(pool, t);
        return NULL;
    }
    return t;
}

void
transaction_end(struct transaction_pool *pool, struct transaction *t)
{
    if (t == NULL)
        return;
    transaction_drop_message(pool, t);
    if (pool->free_count == FREE_TRANSACTIONS_MAX) {
        transaction_free(t);
        return;
    }
    buf_clear(&t->text);
    t->next_free = pool->free;
    pool->free = t;
    pool->free_count++;
}

static bool
has_mailbox(const struct transaction *t, struct slice mailbox)
{
    for (uint32_t i = 0; i < t->accepted; i++)
        if (slice_equal(text_at(t, t->recipients[i].mailbox_at, t->recipients[i].mailbox_len), mailbox))
            return true;
    return false;
}

static bool
has_room(struct transaction *t)
{
    uint32_t                      room = t->recipient_room == 0 ? FIRST_RECIPIENTS : t->recipient_room * 2;
    struct transaction_recipient *more;

    if (t->accepted < t->recipient_room)
        return true;
    more = realloc(t->recipients, room * sizeof(*more));
    if (more == NULL)
        return false;
    t->recipients = more;
    t->recipient_room = room;
    return true;
}

enum reply
transaction_recipient(struct transaction *t, const struct transaction_limits *limits, const char *mailbox,
                      const struct path *path)
{
    struct slice name = slice_of(mailbox);
    uint32_t     at = (uint32_t)t->text.len;
    bool         again = has_mailbox(t, name);

    if (t->accepted >= limits->recipients_max || t->accepted >= DELIVERY_RECIPIENTS_MAX)
        return REPLY_TOO_MANY_RCPTS;
    if (!has_room(t))
        return REPLY_NO_MEMORY;
    buf_append_slice(&t->text, name);
    if (buf_append_slice(&t->text, path->text) != MT_OK) {
        t->text.len = at;
        t->text.fault = MT_OK;
        return REPLY_TOO_MANY_RCPTS;
    }
    t->recipients[t->accepted++] = (struct transaction_recipient){
        .mailbox_at = at,
        .mailbox_len = (uint32_t)name.len,
        .address_at = at + (uint32_t)name.len,
        .address_len = (uint32_t)path->text.len,
        .again = again,
    };
    t->recipient_count += again ? 0 : 1;
    return REPLY_RECIPIENT_OK;
}

void
transaction_begin_message(struct transaction_pool *pool, struct transaction *t, enum data_mode mode)
{
    t->pool = pool;
    data_reader_init(&t->reader, mode);
}

/* The finder reads what is there of the message. False: out of memory. */
static bool
begin_finder(struct transaction *t)
{
    if (t->pool->finder_count > 0)
        t->finder = t->pool->finders[--t->pool->finder_count];
    else
        t->finder = finder_new();
    if (t->finder == NULL)
        return false;
    finder_reverse_path(t->finder, transaction_reverse_path(t));
    for (uint32_t i = 0; i < t->accepted; i++)
        finder_recipient(t->finder, text_at(t, t->recipients[i].address_at, t->recipients[i].address_len));
    finder_feed(t->finder, buf_slice(&t->body.pending));
    return true;
}

static void
drop_finder(struct transaction_pool *pool, struct transaction *t)
{
    if (t->finder == NULL)
        return;
    if (pool->finder_count < COUNT(pool->finders)) {
        finder_reset(t->finder);
        pool->finders[pool->finder_count++] = t->finder;
    } else {
        finder_free(t->finder);
    }
    t->finder = NULL;
}

/* What a transaction without a message holds is small: the buffer goes to the next one that has a message. */
static void
drop_body(struct transaction_pool *pool, struct transaction *t)
{
    body_clear(&t->body);
    if (t->body.pending.cap > 0 && pool->spare_count < COUNT(pool->spares)) {
        pool->spares[pool->spare_count++] = t->body.pending;
        body_init(&t->body);
    }
    body_fini(&t->body);
}

/* The first reason stays; what was kept of the message is dropped at once, since it will never be needed. */
static void
refuse(struct transaction *t, enum reply reason)
{
    if (t->refusal != REPLY_NONE)
        return;
    t->refusal = reason;
    if (t->pool != NULL)
        transaction_drop_message(t->pool, t);
}

struct feeding {
    struct transaction              *t;
    const struct transaction_limits *limits;
};

/*
 * A finder is larger than most mails, so those that body has in memory wait for their end: who stops within a message holds what it sent.
 * False: out of memory.
 */
static bool
find(struct transaction *t, struct slice bytes)
{
    struct transaction_pool *pool = t->pool;

    if (t->body.pending.cap == 0 && pool->spare_count > 0)
        t->body.pending = pool->spares[--pool->spare_count];
    if (t->finder == NULL && bytes.len <= MSG_INLINE_BODY_BYTES - t->body.pending.len)
        return true;
    if (t->finder == NULL && !begin_finder(t))
        return false;
    finder_feed(t->finder, bytes);
    return true;
}

static void
keep(void *arg, struct slice bytes)
{
    struct feeding     *f = arg;
    struct transaction *t = f->t;

    if (t->refusal != REPLY_NONE)
        return;
    if (t->reader.size_bytes > f->limits->message_max_bytes) {
        refuse(t, REPLY_TOO_LARGE);
        return;
    }
    if (!find(t, bytes)) {
        refuse(t, REPLY_NO_MEMORY);
        return;
    }
    switch (body_append(&t->body, bytes)) {
    case MT_OK:
        break;
    case MT_EFULL:
        refuse(t, REPLY_STORE_FULL);
        break;
    default:
        refuse(t, REPLY_NO_MEMORY);
    }
}

static void
check_limits(struct transaction *t, const struct transaction_limits *limits)
{
    if (t->reader.line_bytes_max > limits->line_max_bytes)
        refuse(t, REPLY_DATA_LINE_TOO_LONG);
    else if (limits->refuse_bare_newline && (t->reader.flags & (DELIVERY_BARE_LF | DELIVERY_BARE_CR)) != 0)
        refuse(t, REPLY_BARE_NEWLINE);
    else if (t->finder != NULL && finder_received_count(t->finder) > limits->received_max)
        refuse(t, REPLY_LOOP);
}

size_t
transaction_feed(struct transaction *t, const struct transaction_limits *limits, struct slice in)
{
    size_t used = data_reader_feed(&t->reader, in, keep, &(struct feeding){ .t = t, .limits = limits });

    check_limits(t, limits);
    return used;
}

void
transaction_announce(struct transaction *t, const struct transaction_limits *limits, uint64_t bytes)
{
    if (t->reader.size_bytes > limits->message_max_bytes || bytes > limits->message_max_bytes - t->reader.size_bytes)
        refuse(t, REPLY_TOO_LARGE);
}

void
transaction_finish_message(struct transaction *t, const struct transaction_limits *limits, uint64_t received_us)
{
    if (t->reader.mode == DATA_CHUNKED)
        data_reader_finish(&t->reader);
    if (t->refusal == REPLY_NONE && t->finder == NULL && !begin_finder(t))
        refuse(t, REPLY_NO_MEMORY);
    check_limits(t, limits);
    t->received_us = received_us;
    if (t->refusal == REPLY_NONE)
        finder_finish(t->finder, &t->parsed);
}

void
transaction_drop_message(struct transaction_pool *pool, struct transaction *t)
{
    drop_body(pool, t);
    drop_finder(pool, t);
}

size_t
transaction_held_bytes(const struct transaction *t)
{
    return t->body.pending.cap + (t->body.fd == -1 ? 0 : (size_t)t->body.size_bytes) + (t->finder == NULL ? 0 : FINDER_BYTES);
}

struct slice
transaction_reverse_path(const struct transaction *t)
{
    return text_at(t, 0, t->reverse_len);
}

struct slice
transaction_first_mailbox(const struct transaction *t)
{
    return t->accepted == 0 ? slice_make(NULL, 0) : text_at(t, t->recipients[0].mailbox_at, t->recipients[0].mailbox_len);
}

void
transaction_recipients(const struct transaction *t, struct recipient *to)
{
    for (uint32_t i = 0; i < t->accepted; i++) {
        const struct transaction_recipient *r = &t->recipients[i];

        if (!r->again)
            *to++ = (struct recipient){ .mailbox = text_at(t, r->mailbox_at, r->mailbox_len),
                                        .address = text_at(t, r->address_at, r->address_len) };
    }
}
