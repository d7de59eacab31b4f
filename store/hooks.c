/* hooks - store as a role: what the supervisor tells it, and its end. */

#include "lib/error.h"
#include "lib/log.h"
#include "lib/role.h"
#include "store/peer.h"
#include "store/store.h"

#include <sodium.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

struct store_role {
    struct store         store;
    struct role_context *role;
    struct event        *grace;     /* while draining: ends it at the latest */
};

static int
hook_open(struct role_context *r)
{
    struct store_role *own = calloc(1, sizeof(*own));

    if (own == NULL || sodium_init() < 0) {
        free(own);
        return MT_ENOMEM;
    }
    own->role = r;
    r->own = own;
    return store_open(&own->store, r->base, r->config);
}

static int
hook_start(struct role_context *r)
{
    struct store_role *own = r->own;
    int                rc = MT_OK;

    own->store.peers = peers_new(&own->store);
    if (own->store.peers == NULL)
        return MT_ENOMEM;
    for (unsigned i = 0; i < r->listener_count && rc == MT_OK; i++)
        if (r->listeners[i].kind == LISTEN_CONTROL)
            rc = peers_listen(own->store.peers, r->listeners[i].fd);
    return rc;
}

static int
take_peer(struct store_role *own, struct reader *in, int *fd)
{
    uint8_t  role;
    uint16_t index;
    int      rc;

    read_u8(in, &role);
    read_u16(in, &index);
    if (!read_end(in) || *fd == -1 || role == ROLE_CTL)
        return MT_EPROTO;
    rc = peers_add(own->store.peers, (enum role)role, index, *fd);
    if (rc == MT_OK)
        *fd = -1;
    return rc == MT_EINVALID ? MT_EPROTO : rc;
}

static int
reload(struct store_role *own, int fd)
{
    struct config      *config;
    struct config_error error;
    struct stat         st;
    void               *text;
    int                 rc;

    if (fd == -1 || fstat(fd, &st) != 0 || st.st_size <= 0)
        return MT_EINVALID;
    text = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (text == MAP_FAILED)
        return MT_ENOMEM;
    rc = config_parse(slice_make(text, (size_t)st.st_size), "configuration", &config, &error);
    munmap(text, (size_t)st.st_size);
    if (rc != MT_OK) {
        log_error("event=reload-refused place=\"%s\"", LOG_TEXT(slice_of(error.text)));
        return rc;
    }
    log_set_level((enum log_level)config->log.level);
    store_reload(&own->store, config);
    log_info("event=reloaded");
    return MT_OK;
}

static int
hook_supervisor_message(void *arg, const struct msg_head *head, struct reader *in, int *fd)
{
    struct role_context *r = arg;
    struct store_role   *own = r->own;

    if (head->type == MSG_PEER)
        return take_peer(own, in, fd);
    if (head->type != MSG_RELOAD || !read_end(in))
        return MT_EPROTO;
    channel_answer(r->supervisor, head->req, reload(own, *fd));
    return MT_OK;
}

/* ---- Its end ---- */

static void
on_peers_gone(void *arg)
{
    struct store_role *own = arg;

    role_done(own->role);
}

static void
on_grace_over(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    on_peers_gone(arg);
}

static void
hook_drain(struct role_context *r, uint32_t grace_ms)
{
    const struct timeval grace = { .tv_sec = grace_ms / 1000, .tv_usec = grace_ms % 1000 * 1000 };
    struct store_role   *own = r->own;

    if (own->grace == NULL)
        own->grace = evtimer_new(r->base, on_grace_over, own);
    if (own->grace == NULL || evtimer_add(own->grace, &grace) != 0)
        log_warning("event=no-timer effect=\"this ends when the other roles have ended\"");
    peers_drain(own->store.peers, on_peers_gone, own);
}

static void
hook_close(struct role_context *r)
{
    struct store_role *own = r->own;

    if (own == NULL)
        return;
    store_close(&own->store);
    if (own->grace != NULL)
        event_free(own->grace);
    free(own);
    r->own = NULL;
}

const struct role_hooks store_hooks = {
    .open = hook_open,
    .start = hook_start,
    .drain = hook_drain,
    .on_supervisor_message = hook_supervisor_message,
    .close = hook_close,
};
