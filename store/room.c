#include "store/room.h"

#include "lib/error.h"
#include "lib/log.h"
#include "lib/metrics.h"
#include "store/peer.h"
#include "store/snapshot.h"
#include "store/uptime.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum {
    LOOK_MS              = 250,                 /* so that mail is taken well within a second of there being room again */
    METRIC_LOOKS         = 4,
    REOPEN_LOOKS         = 4,
    READER_CHECK_LOOKS   = 40,
    RESERVE_PERCENT      = 3,
    RESERVE_MIN_BYTES    = 1024 * 1024,
    DISK_RESERVE_BYTES   = 4 * 1024 * 1024,     /* below this the disk counts as full */
    RECENT_MESSAGES      = 16,                  /* checked after the environment was opened anew */
    PAGE_BYTES           = 4096,
};

struct room {
    struct store *store;
    struct event *look;
    struct db    *failed;           /* the environment whose file failed; closed as soon as nobody uses it */
    bool          full;
    unsigned      looks;
};

static void
set_full(struct room *r, bool full, const char *what)
{
    if (r->full == full)
        return;
    r->full = full;
    if (full)
        log_error("event=store-full reason=\"%s\" effect=\"mail is refused with 452 until there is room\"", what);
    else
        log_info("event=store-has-room");
    peers_tell_full(r->store->peers, full);
    uptime_changed(r->store->uptime);
}

bool
room_is_full(const struct room *r)
{
    return r->full;
}

/* What is kept free of the map, so that expiry and deletions can be written. */
static uint64_t
reserve_bytes(uint64_t map_bytes)
{
    uint64_t reserve = map_bytes / 100 * RESERVE_PERCENT;

    if (reserve < RESERVE_MIN_BYTES)
        reserve = RESERVE_MIN_BYTES;
    return reserve < map_bytes / 4 ? reserve : map_bytes / 4;
}

static uint64_t
pages_of(MDB_txn *txn, MDB_dbi dbi)
{
    MDB_stat st;

    if (mdb_stat(txn, dbi, &st) != MDB_SUCCESS)
        return 0;
    return st.ms_branch_pages + st.ms_leaf_pages + st.ms_overflow_pages;
}

static int
used_bytes(struct store *s, uint64_t *out)
{
    struct db_view v;
    uint64_t       pages;
    int            rc = store_view(s, &v);

    if (rc != MT_OK)
        return rc;
    /* Both meta pages, LMDB's own two tables (0: the free list, 1: the list of tables), and ours. */
    pages = 2 + pages_of(v.txn, 0) + pages_of(v.txn, 1);
    for (unsigned i = 0; i < TABLE_COUNT; i++)
        pages += pages_of(v.txn, db_table(s->db, (enum table)i));
    db_view_end(&v);
    *out = pages * PAGE_BYTES;
    return MT_OK;
}

/*
 * Whether less than the reserve is free; a store that is full has room again only at a little more, so that this does not
 * flap.
 */
static bool
map_is_full(const struct room *r)
{
    MDB_envinfo info;
    uint64_t    used, reserve;

    if (mdb_env_info(db_env(r->store->db), &info) != MDB_SUCCESS)
        return false;
    reserve = reserve_bytes(info.me_mapsize);
    if (r->full)
        reserve += reserve / 4;
    /* What was never taken is free without asking each table. */
    if ((info.me_last_pgno + 1) * PAGE_BYTES + reserve < info.me_mapsize)
        return false;
    return used_bytes(r->store, &used) == MT_OK && used + reserve > info.me_mapsize;
}

/* Whether the disk has no room, and the file no free pages inside either. */
static bool
disk_is_full(struct store *s)
{
    struct statvfs st;
    MDB_envinfo    info;
    uint64_t       used;

    if (statvfs(s->db_dir, &st) != 0 || (uint64_t)st.f_bavail * st.f_frsize >= DISK_RESERVE_BYTES)
        return false;
    if (s->db == NULL || mdb_env_info(db_env(s->db), &info) != MDB_SUCCESS || used_bytes(s, &used) != MT_OK)
        return true;
    return used + DISK_RESERVE_BYTES > (info.me_last_pgno + 1) * PAGE_BYTES;
}

void
room_committed(struct room *r)
{
    if (!r->full && map_is_full(r))
        set_full(r, true, "the map is full: store.map_bytes");
}

/* Drops clean pages from the cache, so that reading tells what the disk has. */
static void
forget_cached(const struct store *s)
{
    char path[PATH_MAX];
    int  fd;

    snprintf(path, sizeof(path), "%s/%s", s->db_dir, DB_FILE);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd == -1)
        return;
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    close(fd);
}

/* The newest messages, which are those that the failure may have reached. */
static int
check_recent(struct db *db)
{
    struct db_view v;
    MDB_cursor    *cursor;
    MDB_val        key, data;
    int            rc = db_view_begin(db, &v);

    if (rc != MT_OK)
        return rc;
    rc = mt_from_mdb(mdb_cursor_open(v.txn, db_table(db, TABLE_MESSAGE), &cursor));
    for (unsigned i = 0; rc == MT_OK && i < RECENT_MESSAGES; i++) {
        struct message_record m;
        int                   found = mdb_cursor_get(cursor, &key, &data, i == 0 ? MDB_LAST : MDB_PREV);

        if (found == MDB_NOTFOUND)
            break;
        rc = found != MDB_SUCCESS ? mt_from_mdb(found) : message_record_read(slice_make(data.mv_data, data.mv_size), &m);
        if (rc == MT_OK)
            rc = db_message_check(&v, &m);
    }
    if (cursor != NULL)
        mdb_cursor_close(cursor);
    db_view_end(&v);
    return rc;
}

/*
 * The first commit after a failed one. LMDB has two meta pages in turn, so this overwrites the one that the failed commit may have left on the
 * disk without our knowing: what was refused does not come back with a power failure. And it shows that the disk takes writes again before
 * anybody is told so.
 */
static int
seal(struct store *s, struct db *db)
{
    unsigned char copy[8];
    struct slice  value;
    struct tx    *tx;
    bool          file_failed;
    int           rc = tx_begin(db, store_now_us(s), &tx);

    if (rc != MT_OK)
        return rc;
    rc = db_get(tx_view(tx), TABLE_META, slice_of(DB_META_NEXT_MESSAGE), &value);
    if (rc == MT_OK && value.len != sizeof(copy))
        rc = MT_EDAMAGED;
    if (rc == MT_OK) {
        memcpy(copy, value.data, sizeof(copy));
        tx_put(tx, TABLE_META, slice_of(DB_META_NEXT_MESSAGE), slice_make(copy, sizeof(copy)), 0);
        rc = tx_commit(tx, &file_failed);
    }
    tx_free(tx);
    return rc;
}

static int
check_and_seal(struct store *s, struct db *db)
{
    int rc = check_recent(db);

    if (rc != MT_OK) {
        log_error("event=store-damaged dir=%s reason=\"a recent message is damaged: %s\" hint=\"mailtestctl verify; restore a backup\"", s->db_dir,
                  mt_strerror(rc));
        return rc;
    }
    rc = seal(s, db);
    if (rc != MT_OK)
        log_error("event=store-not-opened dir=%s reason=\"the disk does not take a first commit: %s\"", s->db_dir, mt_strerror(rc));
    return rc;
}

/* Opens the environment anew. A backup still reads from the old one: it is given up, and this comes again when its thread has ended. */
static void
reopen(struct room *r)
{
    struct store     *s = r->store;
    struct db_options options = { .dir = s->db_dir, .map_bytes = s->config->store.map_bytes, .readers_max = s->config->store.readers_max };
    struct db        *db;
    int               rc;

    if (snapshot_is_running(s->snapshots)) {
        snapshot_give_up(s->snapshots);
        return;
    }
    db_close(r->failed);
    r->failed = NULL;
    forget_cached(s);
    rc = db_open(&options, &db);
    if (rc != MT_OK)
        return;
    if (check_and_seal(s, db) != MT_OK) {
        db_close(db);
        return;
    }
    s->db = db;
    log_info("event=store-opened-anew dir=%s", s->db_dir);
}

int
room_failed(struct room *r, int rc, bool file_failed)
{
    struct store *s = r->store;

    /* LMDB calls a write that the disk took only in part an input/output error. */
    if (file_failed && disk_is_full(s))
        rc = MT_EFULL;
    if (file_failed) {
        log_error("event=store-file-failed dir=%s reason=\"%s\" action=\"what waited is refused, the database is opened anew\"", s->db_dir,
                  mt_strerror(rc));
        r->failed = s->db;
        s->db = NULL;
        reopen(r);
    }
    if (rc == MT_EFULL)
        set_full(r, true, file_failed ? "the disk is full" : "the map is full: store.map_bytes");
    return rc;
}

struct readers {
    uint64_t count;
    uint64_t oldest_txn;    /* 0: none reads */
};

/* Each line of mdb_reader_list: process, thread, transaction or "-"; a heading before them, or "(no …)" alone. */
static int
on_reader(const char *line, void *arg)
{
    struct readers *readers = arg;
    const char     *last = strrchr(line, ' ');
    uint64_t        txn_id;

    if (last == NULL || line[0] == '(' || strstr(line, "pid") != NULL)
        return 0;
    readers->count++;
    if (slice_to_u64(slice_trim(slice_of(last)), UINT64_MAX, &txn_id) == MT_OK &&
        (readers->oldest_txn == 0 || txn_id < readers->oldest_txn))
        readers->oldest_txn = txn_id;
    return 0;
}

int
room_usage(struct room *r, struct room_usage *out)
{
    struct readers readers = { 0 };
    MDB_envinfo    info;
    uint64_t       used = 0;
    int            rc;

    if (r->store->db == NULL)
        return MT_EIO;
    if ((rc = mdb_env_info(db_env(r->store->db), &info)) != MDB_SUCCESS ||
        (rc = mdb_reader_list(db_env(r->store->db), on_reader, &readers)) < 0)
        return mt_from_mdb(rc);
    rc = used_bytes(r->store, &used);
    if (rc != MT_OK)
        return rc;
    *out = (struct room_usage){ .map_bytes = info.me_mapsize, .used_bytes = used, .file_bytes = (info.me_last_pgno + 1) * PAGE_BYTES,
                                .readers = readers.count };
    if (readers.oldest_txn != 0 && readers.oldest_txn < info.me_last_txnid)
        out->oldest_reader_txns = info.me_last_txnid - readers.oldest_txn;
    return MT_OK;
}

/* One row a token whose deadline is not decided yet; 0 where the database cannot be read. */
static uint64_t
tokens_expected(struct store *s)
{
    struct db_view v;
    MDB_stat       stat = { 0 };

    if (store_view(s, &v) != MT_OK)
        return 0;
    if (mdb_stat(v.txn, db_table(v.db, TABLE_DEADLINE), &stat) != MDB_SUCCESS)
        stat.ms_entries = 0;
    db_view_end(&v);
    return stat.ms_entries;
}

static void
update_metrics(struct room *r)
{
    struct room_usage u;

    if (room_usage(r, &u) != MT_OK)
        return;
    metric_set(METRIC_STORE_MESSAGES, r->store->message_count);
    metric_set(METRIC_TOKENS_EXPECTED, tokens_expected(r->store));
    metric_set(METRIC_STORE_USED_BYTES, u.used_bytes);
    metric_set(METRIC_STORE_MAP_BYTES, u.map_bytes);
    metric_set(METRIC_STORE_OLDEST_READER_TXNS, u.oldest_reader_txns);
}

/* The slots of processes that died while they read, which would keep old pages for ever. */
static void
clear_stale_readers(struct room *r)
{
    int dead = 0;

    if (r->store->db == NULL || mdb_reader_check(db_env(r->store->db), &dead) != MDB_SUCCESS || dead <= 0)
        return;
    log_warning("event=stale-readers-cleared count=%d", dead);
    metric_add(METRIC_STORE_STALE_READERS_TOTAL, (uint64_t)dead);
}

void
room_look(struct room *r)
{
    if (r->store->db == NULL && (r->full || r->looks % REOPEN_LOOKS == 0))
        reopen(r);
    if (r->looks % READER_CHECK_LOOKS == 0)
        clear_stale_readers(r);
    if (r->full && r->store->db != NULL && !map_is_full(r) && !disk_is_full(r->store))
        set_full(r, false, "");
    if (r->looks % METRIC_LOOKS == 0)
        update_metrics(r);
    r->looks++;
}

static void
on_look(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    room_look(arg);
}

struct room *
room_new(struct store *s)
{
    const struct timeval look = { .tv_sec = LOOK_MS / 1000, .tv_usec = LOOK_MS % 1000 * 1000 };
    struct room         *r = calloc(1, sizeof(*r));

    if (r == NULL)
        return NULL;
    r->store = s;
    r->look = event_new(s->base, -1, EV_PERSIST, on_look, r);
    if (r->look == NULL || event_priority_set(r->look, 1) != 0 || event_add(r->look, &look) != 0) {
        room_free(r);
        return NULL;
    }
    room_committed(r);
    room_look(r);
    return r;
}

void
room_free(struct room *r)
{
    if (r == NULL)
        return;
    if (r->look != NULL)
        event_free(r->look);
    db_close(r->failed);
    free(r);
}
