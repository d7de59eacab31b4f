/* store - see store.h: opening, closing, and what happens around each commit. Its life as a role: hooks.c. */

#include "store/store.h"

#include "lib/error.h"
#include "lib/log.h"
#include "lib/metrics.h"
#include "store/expire.h"
#include "store/prepare.h"
#include "store/peer.h"
#include "store/posting.h"
#include "store/result.h"
#include "store/room.h"
#include "store/snapshot.h"
#include "store/uptime.h"
#include "store/usual.h"
#include "store/verdict.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* More payload than this in one transaction would make LMDB write pages out before the commit. */
#define COMMIT_BYTES_LIMIT (256u * 1024 * 1024)

/* Turns of the event loop in which the last answers leave. */
#define LAST_TURNS 3u

/* Names that every domain must accept (RFC 5321 section 4.5.1, RFC 2142). */
static const char *const needed_mailboxes[] = { "postmaster", "abuse" };

uint64_t
store_now_us(const struct store *s)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)((int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000 + s->clock_ahead_us);
}

int
store_view(struct store *s, struct db_view *v)
{
    return s->db == NULL ? MT_EIO : db_view_begin(s->db, v);
}

bool
store_needs_mailbox(struct slice name)
{
    for (size_t i = 0; i < COUNT(needed_mailboxes); i++)
        if (slice_equal(name, slice_of(needed_mailboxes[i])))
            return true;
    return false;
}

/* ---- Around each commit ---- */

static struct db *
hook_db(void *arg)
{
    return ((struct store *)arg)->db;
}

static bool
hook_has_room(void *arg)
{
    return !room_is_full(((struct store *)arg)->room);
}

static void
hook_piggyback(void *arg, struct tx *tx)
{
    struct store *s = arg;

    expire_piggyback(s->expire, tx);
    uptime_write(s->uptime, tx, false);
}

static uint64_t
hook_now_us(void *arg)
{
    return store_now_us(arg);
}

static void
tell_mailbox(struct store *s, struct catalog_mailbox *m)
{
    struct mailbox_state state;

    catalog_state(m, s->config->quota.mailbox_bytes, &state);
    if (state.enabled == m->told_enabled && state.over_quota == m->told_over_quota)
        return;
    m->told_enabled = state.enabled;
    m->told_over_quota = state.over_quota;
    peers_tell_mailbox(s->peers, &state);
}

/* The mailboxes in memory follow what the transaction made of them. */
static void
follow_mailboxes(struct store *s, const struct tx *tx)
{
    for (const struct tx_mailbox *m = tx_first_mailbox(tx); m != NULL; m = m->next) {
        struct catalog_mailbox *known = catalog_by_id(s->catalog, m->record.id);

        s->message_count -= known == NULL ? 0 : known->messages;
        if (m->removed) {
            catalog_remove(s->catalog, m->record.id);
            peers_tell_mailbox_gone(s->peers, m->name);
            continue;
        }
        known = catalog_update(s->catalog, &m->record);
        if (known == NULL) {
            /* It is on disk, and would be unknown here: start again, which reads it. */
            log_error("event=out-of-memory");
            abort();
        }
        s->message_count += known->messages;
        tell_mailbox(s, known);
    }
}

static bool
tells_event(const struct change *changes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (changes[i].kind == CHANGE_EVENT)
            return true;
    return false;
}

static void
count_verdicts(const struct tx_counts *counts)
{
    static const enum metric metrics[VERDICT_COUNT] = {
        [VERDICT_ARRIVED] = METRIC_VERDICTS_ARRIVED_TOTAL,           [VERDICT_LATE] = METRIC_VERDICTS_LATE_TOTAL,
        [VERDICT_BOUNCED] = METRIC_VERDICTS_BOUNCED_TOTAL,           [VERDICT_AUTOREPLY] = METRIC_VERDICTS_AUTOREPLY_TOTAL,
        [VERDICT_NOT_ARRIVED] = METRIC_VERDICTS_NOT_ARRIVED_TOTAL,   [VERDICT_RECEIVER_DOWN] = METRIC_VERDICTS_RECEIVER_DOWN_TOTAL,
    };

    for (unsigned v = VERDICT_WAITING + 1; v < VERDICT_COUNT; v++)
        metric_add(metrics[v], counts->verdicts[v]);
    metric_add(METRIC_TOKENS_MISSED_TOTAL, counts->missed);
    metric_add(METRIC_EVENTS_TOTAL, counts->events);
}

/* The results of checks; and how many checks there are of each state. */
static void
count_results(struct store *s, const struct tx_counts *counts)
{
    static const struct {
        enum metric total, checks;
    } metrics[RESULT_STATES] = {
        [RESULT_OK] = { METRIC_RESULTS_OK_TOTAL, METRIC_CHECKS_OK },
        [RESULT_WARNING] = { METRIC_RESULTS_WARNING_TOTAL, METRIC_CHECKS_WARNING },
        [RESULT_CRITICAL] = { METRIC_RESULTS_CRITICAL_TOTAL, METRIC_CHECKS_CRITICAL },
        [RESULT_UNKNOWN] = { METRIC_RESULTS_UNKNOWN_TOTAL, METRIC_CHECKS_UNKNOWN },
    };

    for (unsigned i = 0; i < RESULT_STATES; i++) {
        uint64_t fewer = counts->checks[i] < 0 ? (uint64_t)-counts->checks[i] : 0;

        metric_add(METRIC_RESULTS_TOTAL, counts->results[i]);
        metric_add(metrics[i].total, counts->results[i]);
        s->checks[i] += counts->checks[i] > 0 ? (uint64_t)counts->checks[i] : 0;
        s->checks[i] -= fewer < s->checks[i] ? fewer : s->checks[i];
        metric_set(metrics[i].checks, s->checks[i]);
    }
}

static void
hook_committed(void *arg, struct tx *tx)
{
    struct store           *s = arg;
    const struct tx_counts *counts = tx_counts(tx);
    size_t                  count;
    struct change          *changes = tx_changes(tx, &count);

    for (size_t i = 0; i < count; i++)
        changes[i].seq = ++s->change_seq;
    peers_tell_changes(s->peers, changes, count);
    follow_mailboxes(s, tx);
    s->stored.messages += counts->messages;
    s->stored.arrived += counts->arrived;
    s->stored.expired += counts->expired;
    metric_add(METRIC_STORE_MESSAGES_TOTAL, counts->messages);
    metric_add(METRIC_STORE_ARRIVED_TOTAL, counts->arrived);
    metric_add(METRIC_STORE_UNMATCHED_TOTAL, counts->messages - counts->arrived);
    metric_add(METRIC_STORE_EXPIRED_TOTAL, counts->expired);
    count_verdicts(counts);
    count_results(s, counts);
    uptime_committed(s->uptime);
    room_committed(s->room);
    expire_committed(s->expire);
    if (tells_event(changes, count))
        posting_poke(s->posting);
}

static int
hook_failed(void *arg, int rc, bool file_failed)
{
    struct store *s = arg;

    rc = room_failed(s->room, rc, file_failed);
    expire_failed(s->expire, rc);
    uptime_failed(s->uptime);
    return rc;
}

static struct batch_limits
limits_of(const struct config *config)
{
    uint64_t bytes = config->store.commit_bytes_max;

    return (struct batch_limits){
        .wait_us = config->store.commit_wait_us,
        .messages_max = config->store.commit_messages_max,
        .bytes_max = bytes < COMMIT_BYTES_LIMIT ? bytes : COMMIT_BYTES_LIMIT,
    };
}

/* ---- Opening ---- */

static int
make_folder(const char *path)
{
    if (mkdir(path, 0700) == 0 || errno == EEXIST)
        return MT_OK;
    log_error("event=store-open-failed dir=%s reason=\"%s\"", path, strerror(errno));
    return mt_from_errno(errno);
}

/* New names of a folder are not on the disk before the folder itself is synced. */
static int
sync_folder(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = fd == -1 || fsync(fd) != 0 ? mt_from_errno(errno) : MT_OK;

    if (rc != MT_OK)
        log_error("event=store-open-failed dir=%s reason=\"%s\"", path, strerror(errno));
    if (fd != -1)
        close(fd);
    return rc;
}

static bool
has_file(const char *dir, const char *name)
{
    char *path = NULL;
    bool  is;

    if (asprintf(&path, "%s/%s", dir, name) < 0)
        return true;
    is = access(path, F_OK) == 0;
    free(path);
    return is;
}

static int
open_database(struct store *s)
{
    struct db_options options = { .dir = s->db_dir, .map_bytes = s->config->store.map_bytes, .readers_max = s->config->store.readers_max };
    struct db_view    v;
    int               rc = db_open(&options, &s->db);

    if (rc == MT_OK)
        rc = prepare_database(s);
    if (rc != MT_OK)
        return rc;
    if ((rc = db_view_begin(s->db, &v)) != MT_OK)
        return rc;
    rc = catalog_load(s->catalog, &v);
    if (rc == MT_OK)
        rc = result_count_checks(&v, s->checks);
    db_view_end(&v);
    for (struct catalog_mailbox *m = catalog_next(s->catalog, 0); m != NULL; m = catalog_next(s->catalog, m->id))
        s->message_count += m->messages;
    metric_set(METRIC_STORE_MAILBOXES_DAMAGED, catalog_damaged(s->catalog));
    return rc;
}

static int
make_needed_mailboxes(struct store *s)
{
    int rc = MT_OK;

    for (size_t i = 0; i < COUNT(needed_mailboxes) && rc == MT_OK; i++)
        if (catalog_find(s->catalog, slice_of(needed_mailboxes[i])) == NULL)
            rc = prepare_mailbox(s, needed_mailboxes[i], s->config->domains.items[0]);
    return rc;
}

static int
make_parts(struct store *s)
{
    const struct batch_hooks  hooks = { hook_db, hook_has_room, hook_piggyback, hook_committed, hook_failed, hook_now_us, s };
    const struct batch_limits limits = limits_of(s->config);

    if ((s->snapshots = snapshot_new(s)) == NULL || (s->room = room_new(s)) == NULL || (s->expire = expire_new(s)) == NULL ||
        (s->uptime = uptime_new(s)) == NULL || (s->verdicts = verdicts_new(s)) == NULL || (s->usual = usual_new(s)) == NULL ||
        (s->posting = posting_new(s)) == NULL || (s->batch = batch_new(s->base, &hooks, &limits)) == NULL)
        return MT_ENOMEM;
    return MT_OK;
}

int
store_open(struct store *s, struct event_base *base, const struct config *config)
{
    bool first;
    int  rc;

    *s = (struct store){ .base = base, .config = config, .lock_fd = -1 };
    s->started_us = store_now_us(s);
    if (asprintf(&s->db_dir, "%s/%s", config->state_dir, DB_DIR) < 0) {
        s->db_dir = NULL;
        return MT_ENOMEM;
    }
    if ((s->catalog = catalog_new()) == NULL)
        return MT_ENOMEM;
    if ((rc = make_folder(config->state_dir)) != MT_OK || (rc = db_lock(config->state_dir, &s->lock_fd)) != MT_OK ||
        (rc = make_folder(s->db_dir)) != MT_OK)
        return rc;
    first = !has_file(s->db_dir, DB_FILE);
    if ((rc = keys_open(config->state_dir, first, s->started_us / 1000000, &s->keys)) != MT_OK ||
        (rc = open_database(s)) != MT_OK || (rc = sync_folder(s->db_dir)) != MT_OK || (rc = sync_folder(config->state_dir)) != MT_OK ||
        (rc = prepare_webhooks(s)) != MT_OK || (rc = make_needed_mailboxes(s)) != MT_OK || (rc = make_parts(s)) != MT_OK)
        return rc;
    log_info("event=store-open dir=%s mailboxes=%zu messages=%llu keys=%u", s->db_dir, catalog_count(s->catalog),
             (unsigned long long)s->message_count, keys_count(s->keys));
    return MT_OK;
}

void
store_close(struct store *s)
{
    uptime_close(s->uptime);
    while (s->batch != NULL && !batch_is_empty(s->batch))
        batch_commit(s->batch);
    peers_close(s->peers);
    /* The answers leave, as far as the peers read; one that does not must not hold up the end. */
    for (unsigned i = 0; s->peers != NULL && i < LAST_TURNS; i++)
        event_base_loop(s->base, EVLOOP_NONBLOCK);
    peers_free(s->peers);
    batch_free(s->batch);
    posting_free(s->posting);
    usual_free(s->usual);
    verdicts_free(s->verdicts);
    uptime_free(s->uptime);
    expire_free(s->expire);
    room_free(s->room);
    snapshot_free(s->snapshots);
    catalog_free(s->catalog);
    keys_close(s->keys);
    db_close(s->db);
    if (s->lock_fd != -1)
        close(s->lock_fd);
    free(s->db_dir);
    config_free(s->own_config);
    *s = (struct store){ .lock_fd = -1 };
}

void
store_reload(struct store *s, struct config *config)
{
    struct config            *old = s->own_config;
    const struct batch_limits limits = limits_of(config);

    s->config = s->own_config = config;
    config_free(old);
    batch_set_limits(s->batch, &limits);
    expire_look_again(s->expire);
    for (struct catalog_mailbox *m = catalog_next(s->catalog, 0); m != NULL; m = catalog_next(s->catalog, m->id))
        tell_mailbox(s, m);
}
