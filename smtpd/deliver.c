#include "smtpd/deliver.h"

#include "lib/error.h"
#include "lib/log.h"
#include "lib/tls.h"
#include "smtpd/smtpd.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { FIRST_SLOTS = 64, TRACE_BYTES_MAX = 4096 };
#define NO_SLOT UINT32_MAX

struct delivery_slot {
    struct session *session;    /* NULL: free */
    uint32_t        serial;     /* of the request, so that a late answer to an earlier one is known as such */
    uint32_t        next_free;
    bool            asked;      /* its answer was lost: the next one says whether it is there */
};

static void on_give_up(evutil_socket_t fd, short what, void *arg);

/* ---- Slots ---------------------------------------------------------------------------------------------------- */

int
deliver_init(struct smtpd *smtpd)
{
    struct deliver *d = &smtpd->deliver;

    *d = (struct deliver){ .first_free = NO_SLOT };
    TAILQ_INIT(&d->no_room);
    buf_init(&d->trace, TRACE_BYTES_MAX);
    d->recipients = calloc(DELIVERY_RECIPIENTS_MAX, sizeof(struct recipient));
    d->give_up = evtimer_new(smtpd->role->base, on_give_up, smtpd);
    return d->recipients == NULL || d->give_up == NULL ? MT_ENOMEM : MT_OK;
}

void
deliver_fini(struct deliver *d)
{
    if (d->give_up != NULL)
        event_free(d->give_up);
    d->give_up = NULL;
    free(d->slots);
    free(d->recipients);
    buf_fini(&d->trace);
    d->slots = NULL;
    d->recipients = NULL;
}

static int
more_slots(struct deliver *d)
{
    uint32_t              count = d->slot_count == 0 ? FIRST_SLOTS : d->slot_count * 2;
    struct delivery_slot *slots = realloc(d->slots, count * sizeof(*slots));

    if (slots == NULL)
        return MT_ENOMEM;
    for (uint32_t i = d->slot_count; i < count; i++)
        slots[i] = (struct delivery_slot){ .next_free = i + 1 < count ? i + 1 : NO_SLOT };
    d->first_free = d->slot_count;
    d->slots = slots;
    d->slot_count = count;
    return MT_OK;
}

/* The number of a request: its slot in the lower half, counted from 1, and the slot's serial above. */
static uint64_t
slot_request(const struct deliver *d, uint32_t i)
{
    return (uint64_t)d->slots[i].serial << 32 | (i + 1);
}

static struct session *
slot_release(struct deliver *d, uint32_t i)
{
    struct delivery_slot *slot = &d->slots[i];
    struct session       *s = slot->session;

    slot->session = NULL;
    slot->asked = false;
    slot->serial++;
    slot->next_free = d->first_free;
    d->first_free = i;
    return s;
}

/* ---- Handing over --------------------------------------------------------------------------------------------- */

static int
write_trace(struct session *s)
{
    const struct transaction *t = s->tx;
    struct deliver           *d = &s->smtpd->deliver;
    const SSL                *ssl = s->stream.ssl;
    struct trace_facts        facts = {
               .helo = slice_of(s->helo),
               .client_name = client_names_find(s->smtpd->names, s->client),
               .client_address = slice_of(s->client),
               .tls_version = slice_of(ssl != NULL ? tls_version(ssl) : NULL),
               .tls_cipher = slice_of(ssl != NULL ? tls_cipher(ssl) : NULL),
               .hostname = slice_of(s->smtpd->config->hostname),
               .protocol = slice_of(trace_protocol(s->lmtp, s->extended, ssl != NULL, (t->flags & DELIVERY_SMTPUTF8) != 0)),
               .id = slice_of(t->id),
               .recipient = t->accepted == 1 ? d->recipients[0].address : slice_make(NULL, 0),
               .time_unix = (int64_t)(t->received_us / 1000000),
    };

    buf_clear(&d->trace);
    return trace_write(&d->trace, &facts);
}

static void
fill_session_facts(const struct session *s, struct session_facts *out)
{
    const struct transaction *t = s->tx;
    const SSL                *ssl = s->stream.ssl;

    *out = (struct session_facts){
        .client_address = slice_of(s->client),
        .client_name = client_names_find(s->smtpd->names, s->client),
        .helo = slice_of(s->helo),
        .protocol = slice_of(trace_protocol(s->lmtp, s->extended, ssl != NULL, (t->flags & DELIVERY_SMTPUTF8) != 0)),
        .tls_version = slice_of(ssl != NULL ? tls_version(ssl) : NULL),
        .tls_cipher = slice_of(ssl != NULL ? tls_cipher(ssl) : NULL),
        .id = slice_of(t->id),
        .flags = t->flags | t->reader.flags | (t->reader.mode == DATA_CHUNKED ? DELIVERY_CHUNKED : 0u),
    };
}

/* Everything but the body. */
static int
fill_delivery(struct session *s, struct delivery *out)
{
    struct deliver *d = &s->smtpd->deliver;
    int             rc;

    transaction_recipients(s->tx, d->recipients);
    if ((rc = write_trace(s)) != MT_OK)
        return rc;
    *out = (struct delivery){
        .reverse_path = transaction_reverse_path(s->tx),
        .trace = buf_slice(&d->trace),
        .received_us = s->tx->received_us,
        .recipients = d->recipients,
        .recipient_count = s->tx->recipient_count,
        .parsed = s->tx->parsed,
        .size_bytes = s->tx->body.size_bytes,
    };
    fill_session_facts(s, &out->session);
    return MT_OK;
}

/* The channel takes a descriptor over, whether it sends it or not; ours stays for another try. */
static int
copy_fd(int fd, int *copy)
{
    *copy = fd == -1 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
    return fd != -1 && *copy == -1 ? MT_EIO : MT_OK;
}

static int
send_delivery(struct session *s, uint64_t req)
{
    struct channel *store = s->smtpd->role->store;
    struct delivery delivery;
    struct buf     *b;
    int             fd = -1;
    int             rc;

    if (!s->smtpd->store_up)
        return MT_ESHUTDOWN;
    if ((rc = fill_delivery(s, &delivery)) != MT_OK || (rc = body_finish(&s->tx->body, &delivery.body, &fd)) != MT_OK ||
        (rc = copy_fd(fd, &fd)) != MT_OK)
        return rc;
    b = channel_begin(store, MSG_DELIVER, req);
    if (b == NULL) {
        if (fd != -1)
            close(fd);
        return MT_EAGAIN;
    }
    delivery_write(b, &delivery);
    rc = channel_end(store, fd);
    return rc == MT_EFULL ? MT_EAGAIN : rc;
}

/* 0, MT_EAGAIN (no room at the moment), or why it cannot be. */
static int
try_delivery(struct session *s)
{
    struct deliver *d = &s->smtpd->deliver;
    uint32_t        i;
    int             rc;

    if (d->first_free == NO_SLOT && (rc = more_slots(d)) != MT_OK)
        return rc;
    i = d->first_free;
    if ((rc = send_delivery(s, slot_request(d, i))) != MT_OK)
        return rc;
    d->first_free = d->slots[i].next_free;
    d->slots[i].session = s;
    transaction_drop_message(&s->smtpd->pool, s->tx);
    return MT_OK;
}

int
deliver_begin(struct session *s)
{
    int rc = try_delivery(s);

    if (rc == MT_EAGAIN) {
        s->wants_room = true;
        TAILQ_INSERT_TAIL(&s->smtpd->deliver.no_room, s, room_link);
        rc = MT_OK;
    }
    s->waiting = rc == MT_OK;
    if (rc != MT_OK)
        log_warning("s=%x event=delivery-failed id=%s reason=\"%s\"", s->number, s->tx->id, mt_strerror(rc));
    return rc;
}

/* ---- Answers -------------------------------------------------------------------------------------------------- */

int
deliver_answered(struct smtpd *smtpd, uint64_t req, struct reader *r)
{
    struct deliver *d = &smtpd->deliver;
    uint32_t        i = (uint32_t)req - 1;
    uint32_t        rc;
    uint64_t        message_id;
    bool            asked, genuine = false;

    read_u32(r, &rc);
    if (rc == MT_OK) {
        read_u64(r, &message_id);
        read_bool(r, &genuine);
    }
    if (!read_end(r) || rc >= MT_ERROR_COUNT || i >= d->slot_count || d->slots[i].session == NULL || slot_request(d, i) != req)
        return MT_EPROTO;
    asked = d->slots[i].asked;
    if (genuine)
        limits_know(smtpd->clients, &d->slots[i].session->limit);
    if (asked && rc != MT_OK && rc != MT_ENOTFOUND)
        session_abandon(slot_release(d, i));
    else
        session_delivered(slot_release(d, i), asked && rc != MT_OK ? MT_ESHUTDOWN : (int)rc);
    return MT_OK;
}

static void
leave_queue(struct session *s)
{
    TAILQ_REMOVE(&s->smtpd->deliver.no_room, s, room_link);
    s->wants_room = false;
}

void
deliver_room(struct smtpd *smtpd)
{
    struct session *s;

    while ((s = TAILQ_FIRST(&smtpd->deliver.no_room)) != NULL) {
        int rc = try_delivery(s);

        if (rc == MT_EAGAIN)
            return;
        leave_queue(s);
        if (rc != MT_OK)
            session_delivered(s, rc);
    }
}

/* ---- Store lost, and back ------------------------------------------------------------------------------------- */

/* What became of all that is under way will not be known. */
static void
abandon_all(struct deliver *d)
{
    for (uint32_t i = 0; i < d->slot_count; i++)
        if (d->slots[i].session != NULL)
            session_abandon(slot_release(d, i));
}

static void
on_give_up(evutil_socket_t fd, short what, void *arg)
{
    struct smtpd *smtpd = arg;

    (void)fd;
    (void)what;
    log_warning("event=deliveries-abandoned reason=\"store is not back\"");
    abandon_all(&smtpd->deliver);
}

void
deliver_store_lost(struct smtpd *smtpd)
{
    static const struct timeval wait = { .tv_sec = DELIVER_GIVE_UP_MS / 1000, .tv_usec = DELIVER_GIVE_UP_MS % 1000 * 1000 };
    struct deliver             *d = &smtpd->deliver;
    struct session             *s;

    if (event_add(d->give_up, &wait) != 0)
        abandon_all(d);
    while ((s = TAILQ_FIRST(&d->no_room)) != NULL) {
        leave_queue(s);
        session_delivered(s, MT_ESHUTDOWN);
    }
}

static int
ask(struct smtpd *smtpd, uint32_t i)
{
    struct delivery_slot *slot = &smtpd->deliver.slots[i];
    struct buf           *b = channel_begin(smtpd->role->store, MSG_DELIVERED, slot_request(&smtpd->deliver, i));

    if (b == NULL)
        return MT_EFULL;
    write_string(b, slot->session->tx->id);
    write_u64(b, slot->session->tx->received_us);
    slot->asked = true;
    return channel_end(smtpd->role->store, -1);
}

void
deliver_store_back(struct smtpd *smtpd)
{
    struct deliver *d = &smtpd->deliver;

    event_del(d->give_up);
    for (uint32_t i = 0; i < d->slot_count; i++)
        if (d->slots[i].session != NULL && ask(smtpd, i) != MT_OK)
            session_abandon(slot_release(d, i));
}
