/* Requests about the store itself: its state, being told of changes, a backup. */

#include "lib/error.h"
#include "lib/log.h"
#include "store/request.h"
#include "store/room.h"
#include "store/snapshot.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum backup { BACKUP_OF_DATABASE, BACKUP_OF_KEYS };

static void
send_row(struct peer *p, uint64_t req, const char *name, uint64_t value)
{
    struct buf *b = peer_channel(p) == NULL ? NULL : channel_begin(peer_channel(p), MSG_ROW, req);

    if (b == NULL)
        return;
    write_string(b, name);
    write_u64(b, value);
    channel_end(peer_channel(p), -1);
}

int
serve_status(struct peer *p, uint64_t req, struct reader *r, int *fd)
{
    struct store             *s = peer_store(p);
    const struct batch_stats *stats = batch_stats(s->batch);
    struct room_usage         u = { 0 };
    bool                      usable = room_usage(s->room, &u) == MT_OK;

    (void)fd;
    if (!read_end(r))
        return MT_EPROTO;
    const struct {
        const char *name;
        uint64_t    value;
    } rows[] = {
        { "store_uptime_seconds", (store_now_us(s) - s->started_us) / 1000000 },
        { "database_usable", usable },
        { "full", room_is_full(s->room) },
        { "mailboxes", catalog_count(s->catalog) },
        { "mailboxes_damaged", catalog_damaged(s->catalog) },
        { "messages", s->message_count },
        { "used_bytes", u.used_bytes },
        { "file_bytes", u.file_bytes },
        { "map_bytes", u.map_bytes },
        { "commits", stats->commits },
        { "failed_commits", stats->failures },
        { "messages_stored", s->stored.messages },
        { "messages_arrived", s->stored.arrived },
        { "messages_expired", s->stored.expired },
        { "last_commit_microseconds", stats->last_us },
        { "last_commit_changes", stats->last_ops },
        { "readers", u.readers },
        { "oldest_reader_transactions", u.oldest_reader_txns },
        { "checks", s->checks[RESULT_OK] + s->checks[RESULT_WARNING] + s->checks[RESULT_CRITICAL] + s->checks[RESULT_UNKNOWN] },
        { "checks_warning", s->checks[RESULT_WARNING] },
        { "checks_critical", s->checks[RESULT_CRITICAL] },
        { "checks_unknown", s->checks[RESULT_UNKNOWN] },
        { "token_keys", keys_count(s->keys) },
        { "smtpd_connected", peers_count(s->peers, ROLE_SMTPD) },
        { "imapd_connected", peers_count(s->peers, ROLE_IMAPD) },
        { "lookup_connected", peers_count(s->peers, ROLE_LOOKUP) },
        { "webhook_connected", peers_count(s->peers, ROLE_WEBHOOK) },
        { "control_connected", peers_count(s->peers, ROLE_CTL) },
    };

    for (size_t i = 0; i < COUNT(rows); i++)
        send_row(p, req, rows[i].name, rows[i].value);
    peer_answer(p, req, MT_OK);
    return MT_OK;
}

int
serve_subscribe(struct peer *p, uint64_t req, struct reader *r, int *fd)
{
    (void)fd;
    if (!read_end(r))
        return MT_EPROTO;
    peer_subscribe(p);
    peer_answer(p, req, MT_OK);
    return MT_OK;
}

/* ---- Backup ---- */

struct backup_request {
    struct peer *peer;
    uint64_t     req;
};

static void
answer_bytes(struct peer *p, uint64_t req, int rc, uint64_t bytes)
{
    struct buf *b;

    if (rc != MT_OK) {
        peer_answer(p, req, rc);
    } else if ((b = peer_answer_begin(p, req)) != NULL) {
        write_u64(b, bytes);
        peer_answer_end(p, req);
    }
}

static void
backup_done(void *arg, int rc, uint64_t bytes)
{
    struct backup_request *b = arg;

    answer_bytes(b->peer, b->req, rc, bytes);
    peer_release(b->peer);
    free(b);
}

static int
start_backup(struct peer *p, uint64_t req, int *fd)
{
    struct backup_request *b = malloc(sizeof(*b));
    int                    rc;

    if (b == NULL)
        return MT_ENOMEM;
    *b = (struct backup_request){ p, req };
    rc = snapshot_start(peer_store(p)->snapshots, *fd, backup_done, b);
    if (rc != MT_OK) {
        free(b);
        return rc;
    }
    peer_hold(p);
    *fd = -1;
    return MT_OK;
}

/* Into regular files only: writing to anything else could block. */
static bool
is_file(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

int
serve_backup(struct peer *p, uint64_t req, struct reader *r, int *fd)
{
    uint64_t bytes = 0;
    uint8_t  what;
    int      rc;

    read_u8(r, &what);
    if (!read_end(r) || what > BACKUP_OF_KEYS || *fd == -1)
        return MT_EPROTO;
    if (!is_file(*fd)) {
        peer_answer(p, req, MT_EINVALID);
        return MT_OK;
    }
    if (what == BACKUP_OF_KEYS) {
        rc = keys_copy(peer_store(p)->keys, *fd, &bytes);
        answer_bytes(p, req, rc, bytes);
        return MT_OK;
    }
    rc = start_backup(p, req, fd);
    if (rc != MT_OK)
        peer_answer(p, req, rc);
    return MT_OK;
}

/* A sign of life: it goes the way of every request, so it tells that those are answered, too. */
int
serve_ping(struct peer *p, uint64_t req, struct reader *r, int *fd)
{
    (void)fd;
    if (!read_end(r))
        return MT_EPROTO;
    peer_answer(p, req, MT_OK);
    return MT_OK;
}
