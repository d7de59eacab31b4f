#include "checker/block_query.h"

#include "checker/clock.h"
#include "lib/display.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>

enum { TEXT_CHARS = 280 };

struct block_query {
    const struct block_list *list;
    struct dns              *dns;
    struct event            *finished;
    bool                     wants_text, pending, over;     /* pending: c-ares will call back */
    char                     name[BLOCK_NAME_BYTES];
    uint64_t                 began_us;
    struct block_found       found;
    block_query_fn          *done;      /* NULL: forgotten */
    void                    *arg;
};

static void
query_free(struct block_query *q)
{
    event_free(q->finished);
    free(q);
}

static void
on_finished(evutil_socket_t fd, short what, void *arg)
{
    struct block_query *q = arg;

    (void)fd;
    (void)what;
    if (q->done != NULL)
        q->done(q->arg, &q->found);
    query_free(q);
}

static void
finish(struct block_query *q)
{
    q->over = true;
    q->found.took_us = monotonic_us() - q->began_us;
    event_active(q->finished, EV_TIMEOUT, 0);
}

void
block_query_forget(struct block_query *q)
{
    if (q == NULL)
        return;
    q->done = NULL;
    if (!q->pending)
        query_free(q);
}

/* ---- The list's own words ----------------------------------------------------------------------------------------- */

static void
take_text(struct block_query *q, const unsigned char *answer, int len)
{
    struct ares_txt_ext *records = NULL;
    struct buf           raw, shown;

    if (ares_parse_txt_reply_ext(answer, len, &records) != ARES_SUCCESS)
        return;
    buf_init(&raw, BLOCK_TEXT_BYTES * 4);
    buf_init(&shown, BLOCK_TEXT_BYTES * 8);
    for (const struct ares_txt_ext *r = records; r != NULL; r = r->next) {
        if (r->record_start && r != records)
            buf_append_string(&raw, "; ");
        buf_append(&raw, r->txt, r->length);
    }
    display_text(&shown, buf_slice(&raw), TEXT_CHARS);
    slice_copy(q->found.text, sizeof(q->found.text), buf_slice(&shown));
    buf_fini(&raw);
    buf_fini(&shown);
    ares_free_data(records);
}

/* The queries of a channel that ends call back, too; then nobody is left to be told. */
static bool
is_wanted(struct block_query *q, int status)
{
    q->pending = false;
    if (status != ARES_EDESTRUCTION && q->done != NULL)
        return true;
    if (q->done == NULL)
        query_free(q);
    return false;
}

static void
on_text(void *arg, int status, int timeouts, unsigned char *answer, int len)
{
    struct block_query *q = arg;

    (void)timeouts;
    if (!is_wanted(q, status))
        return;
    if (status == ARES_SUCCESS)
        take_text(q, answer, len);
    finish(q);
}

/* ---- Its answer --------------------------------------------------------------------------------------------------- */

static void
judge(struct block_query *q)
{
    struct block_found *f = &q->found;
    char                address[INET_ADDRSTRLEN];

    for (unsigned i = 0; i < f->count; i++) {
        enum block_answer answer = block_answer_of(q->list, f->answers[i], f->meaning, sizeof(f->meaning));

        if (answer == BLOCK_LISTED) {
            f->result = f->result == BLOCK_ASKS_IN_VAIN ? f->result : BLOCK_IS_LISTED;
            continue;
        }
        f->result = BLOCK_ASKS_IN_VAIN;
        inet_ntop(AF_INET, &f->answers[i], address, sizeof(address));
        snprintf(f->fault, sizeof(f->fault), answer == BLOCK_NONSENSE ? "it answers %s, which is no answer of a block list%s%s"
                                                                     : "it answers with an error, %s%s%s",
                 address, f->meaning[0] != '\0' && answer == BLOCK_REFUSED ? ": " : "", answer == BLOCK_REFUSED ? f->meaning : "");
    }
}

static void
on_answer(void *arg, int status, int timeouts, unsigned char *answer, int len)
{
    struct block_query *q = arg;
    struct block_found *f = &q->found;
    struct ares_addrttl addresses[BLOCK_ANSWERS_MAX];
    int                 count = (int)BLOCK_ANSWERS_MAX;

    (void)timeouts;
    if (!is_wanted(q, status))
        return;
    if (status == ARES_SUCCESS)
        status = ares_parse_a_reply(answer, len, NULL, addresses, &count);
    if (status == ARES_SUCCESS) {
        for (f->count = 0; f->count < (unsigned)count; f->count++)
            f->answers[f->count] = addresses[f->count].ipaddr;
        judge(q);
    } else if (status != ARES_ENOTFOUND && status != ARES_ENODATA) {
        f->result = BLOCK_ASKS_IN_VAIN;
        snprintf(f->fault, sizeof(f->fault), "no answer: %s", ares_strerror(status));
    }
    if (f->result != BLOCK_IS_LISTED || !q->wants_text) {
        finish(q);
        return;
    }
    q->pending = true;
    ares_query(dns_channel(q->dns), q->name, ns_c_in, ns_t_txt, on_text, q);
    dns_asked(q->dns);
}

struct block_query *
block_query_start(struct event_base *base, struct dns *dns, const struct block_list *list, enum block_kind kind, const char *text, bool wants_text,
                  block_query_fn *done, void *arg)
{
    struct block_query *q = calloc(1, sizeof(*q));

    if (q == NULL)
        return NULL;
    *q = (struct block_query){ .list = list, .dns = dns, .wants_text = wants_text, .began_us = monotonic_us(), .done = done, .arg = arg };
    q->finished = event_new(base, -1, 0, on_finished, q);
    if (q->finished == NULL) {
        free(q);
        return NULL;
    }
    if (!block_name_make(kind, text, list->name, q->name)) {
        q->found.result = BLOCK_ASKS_IN_VAIN;
        snprintf(q->found.fault, sizeof(q->found.fault), "the name to ask for would be too long");
        finish(q);
        return q;
    }
    q->pending = true;
    ares_query(dns_channel(dns), q->name, ns_c_in, ns_t_a, on_answer, q);
    dns_asked(dns);
    return q;
}
