/* Requests about events: webhooks and their posts, how mail usually comes, which listeners serve. */

#include "lib/error.h"
#include "lib/log.h"
#include "store/journal.h"
#include "store/posting.h"
#include "store/request.h"
#include "store/uptime.h"

#include <sodium.h>
#include <stdlib.h>

enum { SECRET_BYTES = 32 };

#define KINDS_ALL ((1u << EVENT_KIND_LIMIT) - 2u)   /* there is no kind 0 */

/* One change of one webhook; secret is empty where none is handed out. */
struct webhook_op {
    struct request_op o;
    uint32_t          id;
    uint32_t          mailbox_id, kinds;
    uint64_t          event_id;
    uint32_t          posts;
    char              secret[WEBHOOK_SECRET_CHARS + 1];
    char              sealed[WEBHOOK_SEALED_CHARS + 1];     /* the same, for the database */
    char              url[WEBHOOK_URL_BYTES + 1];
};

static void
wipe(struct request_op *o)
{
    struct webhook_op *w = (struct webhook_op *)o;

    sodium_memzero(w->secret, sizeof(w->secret));
}

static void
poke(struct request_op *o)
{
    posting_poke(peer_store(o->peer)->posting);
}

/* ---- Adding ---- */

static unsigned
count_webhooks(struct tx *tx)
{
    MDB_stat st;

    return mdb_stat(tx_view(tx)->txn, db_table(tx_view(tx)->db, TABLE_WEBHOOK), &st) == MDB_SUCCESS ? (unsigned)st.ms_entries : WEBHOOKS_MAX;
}

static int
add(struct batch_op *op, struct tx *tx)
{
    struct webhook_op    *o = (struct webhook_op *)op;
    struct webhook_record w = { .mailbox_id = o->mailbox_id, .kinds = o->kinds, .created_unix = tx_now_us(tx) / 1000000, .url = slice_of(o->url) };
    unsigned char         key[DB_KEY_MAX];
    struct tx_mailbox    *m;
    struct buf            b;
    int                   rc = o->mailbox_id == 0 ? MT_OK : tx_mailbox(tx, o->mailbox_id, &m);

    if (rc != MT_OK)
        return rc;
    if (count_webhooks(tx) >= WEBHOOKS_MAX)
        return MT_EFULL;
    o->id = tx_next_webhook_id(tx);
    memcpy(w.secret, o->sealed, sizeof(w.secret));
    buf_init(&b, sizeof(w) + WEBHOOK_URL_BYTES);
    webhook_record_write(&b, &w);
    if (b.fault != MT_OK)
        tx_fail(tx, b.fault);
    tx_put(tx, TABLE_WEBHOOK, db_key_u32(key, o->id), buf_slice(&b), MDB_NOOVERWRITE);
    buf_fini(&b);
    return tx_fault(tx);
}

static void
tell(const struct request_op *o)
{
    const struct webhook_op *w = (const struct webhook_op *)o;

    log_info("event=%s webhook=%u by=%s", o->event, w->id, request_by(o));
}

static void
answer_add(struct request_op *o, struct buf *b)
{
    const struct webhook_op *w = (struct webhook_op *)o;

    write_u32(b, w->id);
    write_string(b, w->secret);
}

/* http or https with a host, in printable ASCII without spaces: what else it must be, who posts finds out. */
static bool
url_is_fit(struct slice url)
{
    size_t scheme = slice_starts_nocase(url, "https://") ? 8 : slice_starts_nocase(url, "http://") ? 7 : 0;

    if (scheme == 0 || url.len == scheme || url.len > WEBHOOK_URL_BYTES || strchr("/?#:@", url.data[scheme]) != NULL)
        return false;
    for (size_t i = 0; i < url.len; i++)
        if (url.data[i] <= ' ' || url.data[i] >= 0x7f || strchr("\"<>\\^`{|}", url.data[i]) != NULL)
            return false;
    return true;
}

static void
make_secret(char out[WEBHOOK_SECRET_CHARS + 1])
{
    unsigned char bytes[SECRET_BYTES];

    randombytes_buf(bytes, sizeof(bytes));
    sodium_bin2base64(out, WEBHOOK_SECRET_CHARS + 1, bytes, sizeof(bytes), sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    sodium_memzero(bytes, sizeof(bytes));
}

int
serve_webhook_add(struct peer *p, uint64_t req, struct reader *r, int *fd)
{
    const struct catalog_mailbox *m = NULL;
    char                          name[MAILBOX_NAME_MAX + 1];
    struct webhook_op            *o;
    struct slice                  url;
    uint32_t                      kinds;

    (void)fd;
    read_string(r, name, sizeof(name));
    read_u32(r, &kinds);
    read_bytes(r, &url, MSG_MAX_BYTES);
    if (!read_end(r))
        return MT_EPROTO;
    if (name[0] != '\0')
        m = catalog_find(peer_store(p)->catalog, slice_of(name));
    if ((name[0] != '\0' && m == NULL) || !url_is_fit(url) || (kinds & ~KINDS_ALL) != 0) {
        peer_answer(p, req, name[0] != '\0' && m == NULL ? MT_ENOTFOUND : MT_EINVALID);
        return MT_OK;
    }
    o = request_op_new(p, req, sizeof(*o), add, answer_add, true);
    if (o == NULL)
        return MT_OK;
    o->o.fini = wipe;
    o->mailbox_id = m == NULL ? 0 : m->id;
    o->kinds = kinds == 0 ? KINDS_ALL : kinds;
    slice_copy(o->url, sizeof(o->url), url);
    make_secret(o->secret);
    keys_seal(peer_store(p)->keys, o->secret, o->sealed);
    o->o.tell = tell;
    o->o.event = "webhook-added";
    request_queue(&o->o);
    return MT_OK;
}

/* ---- Showing ---- */

struct webhook_list {
    uint32_t last_id;
    bool     damaged;
};

/* A row without the secret, sealed or not. */
static void
write_row(struct buf *b, const struct store *s, const struct db_view *v, uint32_t id, struct webhook_record *w)
{
    const struct catalog_mailbox *m = w->mailbox_id == 0 ? NULL : catalog_by_id(s->catalog, w->mailbox_id);
    struct buf                    record;
    uint64_t                      waiting, dead;

    sodium_memzero(w->secret, sizeof(w->secret));
    buf_init(&record, RECORD_BYTES_MAX);
    webhook_record_write(&record, w);
    post_count(v, id, &waiting, &dead);
    write_u32(b, id);
    write_string(b, m == NULL ? "" : m->name);
    write_bytes(b, buf_slice(&record));
    write_u64(b, waiting);
    write_u64(b, dead);
    buf_fini(&record);
}

static int
send_webhooks(struct peer *p, uint64_t req, void *state)
{
    struct webhook_list *l = state;
    unsigned char        bytes[DB_KEY_MAX];
    struct db_view       v;
    MDB_cursor          *cursor;
    MDB_val              key, data;
    int                  mdb, rc = store_view(peer_store(p), &v);

    if (rc != MT_OK)
        return rc;
    if ((mdb = mdb_cursor_open(v.txn, db_table(v.db, TABLE_WEBHOOK), &cursor)) != MDB_SUCCESS) {
        db_view_end(&v);
        return mt_from_mdb(mdb);
    }
    key = (MDB_val){ db_key_u32(bytes, l->last_id + 1).len, bytes };
    for (mdb = mdb_cursor_get(cursor, &key, &data, MDB_SET_RANGE); mdb == MDB_SUCCESS && rc == MT_OK;
         mdb = mdb_cursor_get(cursor, &key, &data, MDB_NEXT)) {
        struct webhook_record w;
        uint32_t              id = key.mv_size == 4 ? get_u32(key.mv_data) : 0;
        struct buf           *b;

        if (id == 0 || webhook_record_read(slice_make(data.mv_data, data.mv_size), &w) != MT_OK) {
            l->damaged = true;
            continue;
        }
        b = channel_begin(peer_channel(p), MSG_ROW, req);
        if (b != NULL)
            write_row(b, peer_store(p), &v, id, &w);
        rc = b == NULL ? MT_EFULL : channel_end(peer_channel(p), -1);
        if (rc == MT_OK)
            l->last_id = id;
    }
    mdb_cursor_close(cursor);
    db_view_end(&v);
    return rc == MT_EFULL ? MT_EAGAIN : rc == MT_OK && l->damaged ? MT_EDAMAGED : rc;
}

int
serve_webhook_list(struct peer *p, uint64_t req, struct reader *r, int *fd)
{
    struct webhook_list *l;

    (void)fd;
    if (!read_end(r))
        return MT_EPROTO;
    l = calloc(1, sizeof(*l));
    if (l == NULL) {
        peer_answer(p, req, MT_ENOMEM);
        return MT_OK;
    }
    return request_stream(p, req, send_webhooks, l);
}

/* ---- Removing, trying, and posting again ---- */

static int
webhook_is_there(struct tx *tx, uint32_t id)
{
    unsigned char key[DB_KEY_MAX];
    struct slice  value;

    return tx_fault(tx) != MT_OK ? tx_fault(tx) : db_get(tx_view(tx), TABLE_WEBHOOK, db_key_u32(key, id), &value);
}

static int
remove_webhook(struct batch_op *op, struct tx *tx)
{
    if (!webhook_remove(tx, ((struct webhook_op *)op)->id))
        return tx_fault(tx) != MT_OK ? tx_fault(tx) : MT_ENOTFOUND;
    return tx_fault(tx);
}

static int
test(struct batch_op *op, struct tx *tx)
{
    struct webhook_op *o = (struct webhook_op *)op;
    int                rc = webhook_is_there(tx, o->id);

    if (rc != MT_OK)
        return rc;
    o->event_id = journal_add_test(tx, o->id);
    return tx_fault(tx);
}

static void
answer_test(struct request_op *o, struct buf *b)
{
    write_u64(b, ((struct webhook_op *)o)->event_id);
    poke(o);
}

static int
retry(struct batch_op *op, struct tx *tx)
{
    struct webhook_op *o = (struct webhook_op *)op;
    int                rc = webhook_is_there(tx, o->id);

    if (rc != MT_OK)
        return rc;
    o->posts = post_retry(tx, o->id, o->event_id);
    if (tx_fault(tx) != MT_OK)
        return tx_fault(tx);
    return o->event_id != 0 && o->posts == 0 ? MT_ENOTFOUND : MT_OK;
}

static void
answer_retry(struct request_op *o, struct buf *b)
{
    write_u32(b, ((struct webhook_op *)o)->posts);
    poke(o);
}

/* A request with a webhook's id, and with an event's where has_event is set. */
static int
change(struct peer *p, uint64_t req, struct reader *r, bool has_event, int (*run)(struct batch_op *op, struct tx *tx),
       void (*answer)(struct request_op *o, struct buf *b), const char *event)
{
    struct webhook_op *o;
    uint64_t           event_id = 0;
    uint32_t           id;

    read_u32(r, &id);
    if (has_event)
        read_u64(r, &event_id);
    if (!read_end(r))
        return MT_EPROTO;
    o = request_op_new(p, req, sizeof(*o), run, answer, false);
    if (o == NULL)
        return MT_OK;
    o->id = id;
    o->event_id = event_id;
    o->o.tell = event == NULL ? NULL : tell;
    o->o.event = event;
    request_queue(&o->o);
    return MT_OK;
}

int
serve_webhook_remove(struct peer *p, uint64_t req, struct reader *r, int *fd)
{
    (void)fd;
    return change(p, req, r, false, remove_webhook, NULL, "webhook-removed");
}

int
serve_webhook_test(struct peer *p, uint64_t req, struct reader *r, int *fd)
{
    (void)fd;
    return change(p, req, r, false, test, answer_test, NULL);
}

int
serve_post_retry(struct peer *p, uint64_t req, struct reader *r, int *fd)
{
    (void)fd;
    return change(p, req, r, true, retry, answer_retry, NULL);
}

/* ---- The queue ---- */

struct post_list {
    uint32_t webhook_id;        /* 0: all */
    bool     dead_only;
    uint32_t next_webhook;
    uint64_t next_event;
    bool     damaged;
};

/* MT_EFULL: the channel takes no more now. */
static int
send_post_row(struct channel *c, uint64_t req, const struct db_view *v, uint32_t webhook_id, uint64_t event_id, struct slice post)
{
    unsigned char       key[DB_KEY_MAX];
    struct event_record e;
    struct slice        event;
    struct buf         *b;

    if (db_get(v, TABLE_EVENT, db_key_u64(key, event_id), &event) != MT_OK || event_record_read(event, &e) != MT_OK)
        event = slice_make("", 0);
    b = channel_begin(c, MSG_ROW, req);
    if (b == NULL)
        return MT_EFULL;
    write_u32(b, webhook_id);
    write_u64(b, event_id);
    write_bytes(b, post);
    write_bytes(b, event);
    return channel_end(c, -1);
}

static int
send_posts(struct peer *p, uint64_t req, void *state)
{
    struct post_list *l = state;
    unsigned char     bytes[DB_KEY_MAX];
    struct db_view    v;
    MDB_cursor       *cursor;
    MDB_val           key, data;
    int               mdb, rc = store_view(peer_store(p), &v);

    if (rc != MT_OK)
        return rc;
    if ((mdb = mdb_cursor_open(v.txn, db_table(v.db, TABLE_POST), &cursor)) != MDB_SUCCESS) {
        db_view_end(&v);
        return mt_from_mdb(mdb);
    }
    key = (MDB_val){ db_key_post(bytes, l->next_webhook, l->next_event).len, bytes };
    for (mdb = mdb_cursor_get(cursor, &key, &data, MDB_SET_RANGE); mdb == MDB_SUCCESS && rc == MT_OK && key.mv_size == 12;
         mdb = mdb_cursor_get(cursor, &key, &data, MDB_NEXT)) {
        struct slice       post = slice_make(data.mv_data, data.mv_size);
        uint32_t           webhook_id = get_u32(key.mv_data);
        uint64_t           event_id = get_u64((char *)key.mv_data + 4);
        struct post_record record;

        if (l->webhook_id != 0 && webhook_id != l->webhook_id)
            break;
        if (post_record_read(post, &record) != MT_OK)
            l->damaged = true;
        else if (!l->dead_only || record.due_us == 0)
            rc = send_post_row(peer_channel(p), req, &v, webhook_id, event_id, post);
        if (rc == MT_OK) {
            l->next_webhook = webhook_id;
            l->next_event = event_id + 1;
        }
    }
    mdb_cursor_close(cursor);
    db_view_end(&v);
    return rc == MT_EFULL ? MT_EAGAIN : rc == MT_OK && l->damaged ? MT_EDAMAGED : rc;
}

int
serve_post_list(struct peer *p, uint64_t req, struct reader *r, int *fd)
{
    struct post_list *l;
    uint32_t          id;
    bool              dead_only;

    (void)fd;
    read_u32(r, &id);
    read_bool(r, &dead_only);
    if (!read_end(r))
        return MT_EPROTO;
    l = calloc(1, sizeof(*l));
    if (l == NULL) {
        peer_answer(p, req, MT_ENOMEM);
        return MT_OK;
    }
    *l = (struct post_list){ .webhook_id = id, .dead_only = dead_only, .next_webhook = id };
    return request_stream(p, req, send_posts, l);
}

/* ---- The webhook role ---- */

int
serve_post_ready(struct peer *p, uint64_t req, struct reader *r, int *fd)
{
    uint32_t count;

    (void)req;
    (void)fd;
    read_u32(r, &count);
    if (!read_end(r))
        return MT_EPROTO;
    posting_ready(peer_store(p)->posting, p, count);
    return MT_OK;
}

int
serve_post_done(struct peer *p, uint64_t req, struct reader *r, int *fd)
{
    enum { HTTP_OK_FIRST = 200, HTTP_OK_LAST = 299, HTTP_GONE = 410 };
    struct post_result result = { 0 };
    uint32_t           webhook_id;
    uint64_t           event_id;

    (void)req;
    (void)fd;
    read_u32(r, &webhook_id);
    read_u64(r, &event_id);
    read_u16(r, &result.http_status);
    read_bytes(r, &result.error, WEBHOOK_ERROR_BYTES);
    if (!read_end(r))
        return MT_EPROTO;
    /* What was taken has a status that says so, and no error: a body that did not come whole was not. */
    result.taken = result.error.len == 0 && result.http_status >= HTTP_OK_FIRST && result.http_status <= HTTP_OK_LAST;
    result.final = result.http_status == HTTP_GONE;
    posting_done(peer_store(p)->posting, webhook_id, event_id, &result);
    return MT_OK;
}

/* ---- Patterns and listeners ---- */

int
serve_pattern(struct peer *p, uint64_t req, struct reader *r, int *fd)
{
    char                          name[MAILBOX_NAME_MAX + 1];
    const struct catalog_mailbox *m;
    struct pattern_record         pattern;
    unsigned char                 key[DB_KEY_MAX];
    struct db_view                v;
    struct slice                  bytes = { 0 };
    struct buf                   *b;
    int                           rc;

    (void)fd;
    read_string(r, name, sizeof(name));
    if (!read_end(r))
        return MT_EPROTO;
    m = catalog_find(peer_store(p)->catalog, slice_of(name));
    if (m == NULL) {
        peer_answer(p, req, MT_ENOTFOUND);
        return MT_OK;
    }
    rc = store_view(peer_store(p), &v);
    if (rc != MT_OK) {
        peer_answer(p, req, rc);
        return MT_OK;
    }
    rc = db_get(&v, TABLE_PATTERN, db_key_u32(key, m->id), &bytes);
    if (rc == MT_OK)
        rc = pattern_record_read(bytes, &pattern);
    else if (rc == MT_ENOTFOUND)
        rc = MT_OK;
    if (rc != MT_OK) {
        peer_answer(p, req, rc);
    } else if ((b = peer_answer_begin(p, req)) != NULL) {
        write_bytes(b, bytes);
        peer_answer_end(p, req);
    }
    db_view_end(&v);
    return MT_OK;
}

int
serve_serving(struct peer *p, uint64_t req, struct reader *r, int *fd)
{
    char    address[SERVED_ADDRESS_BYTES + 1];
    uint8_t kind;
    bool    serving;

    (void)req;
    (void)fd;
    read_u8(r, &kind);
    read_string(r, address, sizeof(address));
    read_bool(r, &serving);
    if (!read_end(r) || (kind != LISTEN_SMTP && kind != LISTEN_LMTP))
        return MT_EPROTO;
    uptime_listener(peer_store(p)->uptime, p, (enum listener)kind, address, serving);
    return MT_OK;
}
