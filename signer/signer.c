/*
 * signer - the process that holds the private keys of TLS and signs with them for smtpd, imapd and lookup. It speaks to nobody else and opens
 * nothing after its start. What it answers to is one packet on a socket pair (lib/signing.h); who sends anything else loses his pair.
 */
#include "lib/error.h"
#include "lib/log.h"
#include "lib/metrics.h"
#include "lib/role.h"
#include "lib/signing.h"
#include "signer/signing_keys.h"
#include "signer/sign.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { LOOK_S = 3600, LOOKS_A_DAY = 24 };

struct signer;

/* One process that may ask. */
struct asker {
    TAILQ_ENTRY(asker) link;
    struct signer     *signer;
    struct event      *event;
    int                fd;
    enum role          role;
    unsigned           index;
};

struct signer {
    struct role_context *role;
    struct signing_keys         *keys;
    TAILQ_HEAD(, asker)  askers;
    struct event        *look;          /* timer: at the certificates' time, every LOOK_S */
    struct event        *too_late;      /* timer: the grace of a drain is over */
    unsigned             looks;
};

static void
asker_free(struct asker *a)
{
    struct signer *signer = a->signer;

    TAILQ_REMOVE(&signer->askers, a, link);
    if (a->event != NULL)
        event_free(a->event);
    close(a->fd);
    free(a);
    if ((signer->role->retired || signer->role->draining) && TAILQ_EMPTY(&signer->askers))
        role_done(signer->role);
}

/* ---- Questions ------------------------------------------------------------------------------------------------------------ */

/* Appends the whole answer to packet. */
static void
answer(struct signer *signer, const struct signing_request *request, struct buf *packet)
{
    EVP_PKEY             *key = signing_keys_find(signer->keys, request->key_id);
    struct signing_answer reply = { .req = request->req, .rc = MT_ENOTFOUND };
    struct buf            signature;

    buf_init(&signature, SIGNING_BYTES_MAX);
    if (key != NULL)
        reply.rc = (uint32_t)sign(key, request, &signature);
    if (reply.rc == MT_OK)
        reply.signature = buf_slice(&signature);
    metric_add(reply.rc == MT_OK ? METRIC_SIGNER_SIGNATURES_TOTAL : METRIC_SIGNER_REFUSED_TOTAL, 1);
    signing_answer_write(packet, &reply);
    buf_fini(&signature);
}

/* One question of one asker in a turn of the loop: no asker keeps the others waiting. */
static void
on_question(evutil_socket_t fd, short what, void *arg)
{
    struct asker          *a = arg;
    unsigned char          bytes[SIGNING_MESSAGE_BYTES + 1];
    struct signing_request request;
    struct buf             packet;
    ssize_t                n = recv(fd, bytes, sizeof(bytes), 0);
    bool                   ok;

    (void)what;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        asker_free(a);
        return;
    }
    if (signing_request_read(slice_make(bytes, (size_t)n), &request) != MT_OK) {
        log_warning("event=asker-lost role=%s index=%u reason=\"%s\"", role_name(a->role), a->index, mt_strerror(MT_EPROTO));
        asker_free(a);
        return;
    }
    buf_init(&packet, SIGNING_MESSAGE_BYTES);
    answer(a->signer, &request, &packet);
    /* One who asks on without reading has no room left for the answer. */
    ok = packet.fault == MT_OK && send(fd, packet.data, packet.len, MSG_NOSIGNAL) == (ssize_t)packet.len;
    buf_fini(&packet);
    if (!ok)
        asker_free(a);
}

static int
take_asker(struct signer *signer, struct reader *in, int *fd)
{
    struct asker *a;
    uint8_t       role;
    uint16_t      index;

    read_u8(in, &role);
    read_u16(in, &index);
    if (!read_end(in) || *fd == -1 || role >= ROLE_COUNT)
        return MT_EPROTO;
    if ((a = calloc(1, sizeof(*a))) == NULL)
        return MT_ENOMEM;
    *a = (struct asker){ .signer = signer, .fd = *fd, .role = role, .index = index };
    *fd = -1;
    TAILQ_INSERT_TAIL(&signer->askers, a, link);
    a->event = event_new(signer->role->base, a->fd, EV_READ | EV_PERSIST, on_question, a);
    if (a->event == NULL || event_add(a->event, NULL) != 0) {
        asker_free(a);
        return MT_ENOMEM;
    }
    return MT_OK;
}

static int
on_supervisor_message(void *arg, const struct msg_head *head, struct reader *in, int *fd)
{
    struct role_context *r = arg;

    return head->type == MSG_PEER ? take_asker(r->own, in, fd) : MT_EPROTO;
}

/* ---- The certificates' time ------------------------------------------------------------------------------------------------ */

static void
on_look(evutil_socket_t fd, short what, void *arg)
{
    struct signer *signer = arg;
    int64_t        first;
    unsigned       expiring = signing_keys_expiring(signer->keys, time(NULL), signer->role->config->tls.expiry_warning_days,
                                            signer->looks % LOOKS_A_DAY == 0, &first);

    (void)fd;
    (void)what;
    signer->looks++;
    metric_set(METRIC_TLS_CERTIFICATES, signing_keys_count(signer->keys));
    metric_set(METRIC_TLS_CERTIFICATES_EXPIRING, expiring);
    metric_set(METRIC_TLS_CERT_EXPIRES_UNIX, first > 0 ? (uint64_t)first : 0);
}

/* ---- The role -------------------------------------------------------------------------------------------------------------- */

static int
signer_open(struct role_context *r)
{
    struct signer *signer = calloc(1, sizeof(*signer));

    if (signer == NULL)
        return MT_ENOMEM;
    r->own = signer;
    signer->role = r;
    TAILQ_INIT(&signer->askers);
    return signing_keys_open(r->config, &signer->keys);
}

static void
on_too_late(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    role_done(((struct signer *)arg)->role);
}

static int
signer_start(struct role_context *r)
{
    const struct timeval every = { .tv_sec = LOOK_S };
    struct signer       *signer = r->own;

    signer->look = event_new(r->base, -1, EV_PERSIST, on_look, signer);
    signer->too_late = evtimer_new(r->base, on_too_late, signer);
    if (signer->look == NULL || signer->too_late == NULL || event_add(signer->look, &every) != 0)
        return MT_ENOMEM;
    on_look(-1, 0, signer);
    return MT_OK;
}

/* Who asks lives on with its sessions, some of which may still want TLS: it ends behind them. */
static void
signer_retire(struct role_context *r)
{
    struct signer *signer = r->own;

    if (TAILQ_EMPTY(&signer->askers))
        role_done(r);
}

static void
signer_drain(struct role_context *r, uint32_t grace_ms)
{
    const struct timeval grace = { .tv_sec = grace_ms / 1000, .tv_usec = grace_ms % 1000 * 1000 };
    struct signer       *signer = r->own;

    if (event_add(signer->too_late, &grace) != 0)
        role_done(r);
    signer_retire(r);
}

static void
signer_close(struct role_context *r)
{
    struct signer *signer = r->own;

    if (signer == NULL)
        return;
    r->draining = r->retired = false;       /* nothing is to be told any more */
    while (!TAILQ_EMPTY(&signer->askers))
        asker_free(TAILQ_FIRST(&signer->askers));
    if (signer->look != NULL)
        event_free(signer->look);
    if (signer->too_late != NULL)
        event_free(signer->too_late);
    signing_keys_free(signer->keys);
    free(signer);
    r->own = NULL;
}

const struct role_hooks signer_hooks = {
    .open = signer_open,
    .start = signer_start,
    .on_supervisor_message = on_supervisor_message,
    .drain = signer_drain,
    .retire = signer_retire,
    .close = signer_close,
};
