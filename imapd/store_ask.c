#include "imapd/store_ask.h"

#include "imapd/imapd.h"

#include "lib/error.h"

#include <assert.h>
#include <stdlib.h>

struct store_ask {
    LIST_ENTRY(store_ask)    link;
    uint64_t           req;
    struct connection *connection;      /* NULL: it has gone, or nobody waits */
    store_answer_fn     *on_answer;
};

static struct buf *
begin(struct imapd *imapd, struct connection *c, enum msg_type type, store_answer_fn *on_answer)
{
    struct store_asks *a = &imapd->asks;
    struct store_ask  *k = imapd->role->store == NULL ? NULL : calloc(1, sizeof(*k));
    struct buf  *out = k == NULL ? NULL : channel_begin(imapd->role->store, type, a->last_req + 1);

    assert(a->begun == NULL);
    if (out == NULL) {
        free(k);
        return NULL;
    }
    *k = (struct store_ask){ .req = ++a->last_req, .connection = c, .on_answer = on_answer };
    a->begun = k;
    return out;
}

struct buf *
store_ask_begin(struct connection *c, enum msg_type type, store_answer_fn *on_answer)
{
    assert(!c->waiting);
    return begin(c->imapd, c, type, on_answer);
}

struct buf *
store_tell_begin(struct imapd *imapd, enum msg_type type)
{
    return begin(imapd, NULL, type, NULL);
}

bool
store_ask_end(struct imapd *imapd)
{
    return store_ask_end_with(imapd, -1);
}

bool
store_ask_end_with(struct imapd *imapd, int fd)
{
    struct store_asks *a = &imapd->asks;
    struct store_ask  *k = a->begun;

    assert(k != NULL);
    a->begun = NULL;
    if (channel_end(imapd->role->store, fd) != MT_OK) {
        free(k);
        return false;
    }
    LIST_INSERT_HEAD(&a->buckets[k->req % STORE_ASK_BUCKETS], k, link);
    if (k->connection != NULL)
        k->connection->waiting = true;
    return true;
}

static int
answer(struct store_ask *k, int rc, struct reader *r)
{
    struct connection *c = k->connection;
    store_answer_fn     *on_answer = k->on_answer;
    int                fault;

    LIST_REMOVE(k, link);
    free(k);
    if (c == NULL)
        return MT_OK;
    c->waiting = false;
    fault = on_answer(c, rc, r);        /* may ask again, and wait again */
    connection_turn(c);
    return fault;
}

int
store_asks_answered(struct imapd *imapd, const struct msg_head *head, struct reader *r)
{
    struct store_ask *k;
    uint32_t    code;

    read_u32(r, &code);
    if (!read_ok(r) || code >= MT_ERROR_COUNT || (code != MT_OK && !read_end(r)))
        return MT_EPROTO;
    LIST_FOREACH(k, &imapd->asks.buckets[head->req % STORE_ASK_BUCKETS], link)
        if (k->req == head->req)
            return answer(k, (int)code, r);
    return MT_EPROTO;
}

void
store_asks_lost(struct imapd *imapd)
{
    struct reader none;

    for (unsigned i = 0; i < STORE_ASK_BUCKETS; i++)
        while (!LIST_EMPTY(&imapd->asks.buckets[i])) {
            reader_init(&none, slice_make("", 0));
            answer(LIST_FIRST(&imapd->asks.buckets[i]), MT_ESHUTDOWN, &none);
        }
}

void
store_asks_forget(struct imapd *imapd, const struct connection *c)
{
    struct store_ask *k;

    for (unsigned i = 0; i < STORE_ASK_BUCKETS; i++)
        LIST_FOREACH(k, &imapd->asks.buckets[i], link)
            if (k->connection == c)
                k->connection = NULL;
}

void
store_asks_fini(struct imapd *imapd)
{
    for (unsigned i = 0; i < STORE_ASK_BUCKETS; i++)
        while (!LIST_EMPTY(&imapd->asks.buckets[i])) {
            struct store_ask *k = LIST_FIRST(&imapd->asks.buckets[i]);

            LIST_REMOVE(k, link);
            free(k);
        }
}
