/* Requests about checks: storing what they came to, for the HTTP API; and showing and removing them, for mailtestctl. */

#include "lib/db_result.h"
#include "lib/error.h"
#include "lib/log.h"
#include "store/handed.h"
#include "store/request.h"
#include "store/result.h"
#include "store/room.h"

#include <stdlib.h>

/* Results stop here, so that what is left is for mail: of the room that the map has, in percent. */
enum { ROOM_PERCENT = 90 };

/* ---- Storing ---------------------------------------------------------------------------------------------------------------- */

/* One run that was posted; borrows from the octets that were handed over. */
struct posted {
    uint32_t     mailbox_id;
    struct slice check, bytes;
};

struct results_op {
    struct request_op    o;
    bool                 scoped;
    uint32_t             count;
    struct handed_octets octets;
    struct posted       *posted;        /* owned */
    uint8_t             *done;          /* owned: enum result_done for each */
    struct result_chores chores;
};

static int
store_all(struct batch_op *op, struct tx *tx)
{
    struct results_op *a = (struct results_op *)op;

    a->chores.count = 0;
    for (uint32_t i = 0; i < a->count && tx_fault(tx) == MT_OK; i++) {
        struct result_record r;
        struct result_post   post = { .mailbox_id = a->posted[i].mailbox_id, .scoped = a->scoped, .check = a->posted[i].check,
                                      .bytes = a->posted[i].bytes, .r = &r };

        /* It was read once already, and lies where nobody can change it. */
        if (result_record_read(post.bytes, &r) == MT_OK)
            a->done[i] = (uint8_t)result_store(peer_store(a->o.peer), tx, &post, &a->chores);
    }
    result_chores_do(tx, &a->chores);
    return tx_fault(tx);
}

static void
answer_all(struct request_op *o, struct buf *b)
{
    const struct results_op *a = (const struct results_op *)o;

    write_fixed(b, a->done, a->count);
}

static void
free_all(struct results_op *a)
{
    handed_octets_fini(&a->octets);
    free(a->posted);
    free(a->done);
}

static void
fini(struct request_op *o)
{
    free_all((struct results_op *)o);
}

/* Everything that lookup should have seen to is seen to once more. */
static int
read_posted(struct results_op *a, uint64_t now_us)
{
    struct reader r;

    reader_init(&r, a->octets.all);
    for (uint32_t i = 0; i < a->count; i++) {
        struct posted       *p = &a->posted[i];
        struct result_record record;

        read_u32(&r, &p->mailbox_id);
        read_bytes(&r, &p->check, CHECK_TEXT_MAX);
        read_bytes(&r, &p->bytes, RESULT_BYTES_MAX);
        if (!read_ok(&r) || !check_name_is_fine(p->check) || result_record_read(p->bytes, &record) != MT_OK ||
            result_fault(&record, now_us) != NULL)
            return MT_EPROTO;
    }
    return read_end(&r) ? MT_OK : MT_EPROTO;
}

static int
take_posted(struct results_op *a, struct reader *r, const int *fd, uint64_t now_us)
{
    struct slice inline_octets;
    uint64_t     size;
    int          rc;

    read_bool(r, &a->scoped);
    read_u32(r, &a->count);
    read_u64(r, &size);
    read_bytes(r, &inline_octets, MSG_INLINE_BODY_BYTES);
    if (!read_end(r) || a->count == 0 || a->count > RESULTS_A_POST || size == 0)
        return MT_EPROTO;
    a->posted = calloc(a->count, sizeof(*a->posted));
    a->done = calloc(a->count, 1);
    rc = a->posted == NULL || a->done == NULL ? MT_ENOMEM : handed_octets_take(&a->octets, inline_octets, size, *fd);
    /* The clock may have been set back since lookup looked at it. */
    return rc == MT_OK ? read_posted(a, now_us + RESULT_AHEAD_MAX_US) : rc;
}

static bool
has_room(const struct store *s)
{
    struct room_usage u;

    return room_usage(s->room, &u) == MT_OK && u.used_bytes < u.map_bytes / 100 * ROOM_PERCENT;
}

int
serve_results(struct peer *p, uint64_t req, struct reader *r, int *fd)
{
    struct results_op  fields = { .count = 0 };
    struct results_op *a;
    int                rc = take_posted(&fields, r, fd, store_now_us(peer_store(p)));

    if (rc == MT_OK && !has_room(peer_store(p)))
        rc = MT_EFULL;
    a = rc == MT_OK ? request_op_new(p, req, sizeof(*a), store_all, answer_all, true) : NULL;
    if (a == NULL) {
        free_all(&fields);
        if (rc != MT_OK && rc != MT_EPROTO)
            peer_answer(p, req, rc);
        return rc == MT_EPROTO ? rc : MT_OK;
    }
    fields.o = a->o;
    fields.o.fini = fini;
    fields.o.op.bytes = sizeof(*a) + fields.count * sizeof(*fields.posted) + fields.octets.all.len;
    *a = fields;
    request_queue(&a->o);
    return MT_OK;
}

/* ---- Which check -------------------------------------------------------------------------------------------------------------- */

/* "": any mailbox; "-": none. */
struct wanted {
    char mailbox[MAILBOX_NAME_MAX + 1];
    char check[CHECK_TEXT_MAX + 1];
};

static void
read_wanted(struct reader *r, struct wanted *w)
{
    read_string(r, w->mailbox, sizeof(w->mailbox));
    read_string(r, w->check, sizeof(w->check));
}

static int
scope_of(const struct store *s, const char *mailbox, struct check_scope *out)
{
    const struct catalog_mailbox *m = catalog_find(s->catalog, slice_of(mailbox));

    *out = (struct check_scope){ .any = mailbox[0] == '\0', .mailbox_id = m == NULL ? 0 : m->id };
    return m == NULL && !out->any && strcmp(mailbox, "-") != 0 ? MT_ENOTFOUND : MT_OK;
}

static int
find_wanted(const struct store *s, const struct db_view *v, const struct wanted *w, struct check_record *out)
{
    struct check_scope scope;
    int                rc = scope_of(s, w->mailbox, &scope);

    if (rc != MT_OK)
        return rc;
    return scope.any ? db_check_anywhere(v, slice_of(w->check), out) : db_check_by_name(v, scope.mailbox_id, slice_of(w->check), out);
}

/* False: its mailbox has gone, and so will it. */
static bool
mailbox_name(const struct store *s, const struct check_record *c, const char **out)
{
    const struct catalog_mailbox *m = c->mailbox_id == 0 ? NULL : catalog_by_id(s->catalog, c->mailbox_id);

    *out = m == NULL ? "" : m->name;
    return m != NULL || c->mailbox_id == 0;
}

/* ---- Rows --------------------------------------------------------------------------------------------------------------------- */

/* A list on its way: where it goes on, and what the last turn met. */
struct rows {
    struct check_scope scope;           /* of checks */
    uint32_t           check_id;        /* the last that was sent; or whose results are sent */
    uint64_t           from, before;    /* of results, microseconds; of sums, hours */
    uint32_t           left;
    bool               damaged;
    struct peer       *peer;            /* of this turn */
    struct db_view     view;
    uint64_t           req;
    int                rc;              /* MT_EFULL: the channel takes no more now */
};

/* The record without its document. */
static void
write_short(struct buf *b, const struct result_record *r)
{
    struct result_record brief = *r;
    struct buf           bytes;

    brief.document = slice_make(NULL, 0);
    brief.document_packed = false;
    buf_init(&bytes, RESULT_BYTES_MAX);
    result_record_write(&bytes, &brief);
    write_bytes(b, buf_slice(&bytes));
    buf_fini(&bytes);
}

static void
write_check(struct buf *b, const struct check_record *c)
{
    struct buf bytes;

    buf_init(&bytes, RECORD_BYTES_MAX);
    check_record_write(&bytes, c);
    write_bytes(b, buf_slice(&bytes));
    buf_fini(&bytes);
}

static struct buf *
row_begin(struct rows *l)
{
    struct buf *b = channel_begin(peer_channel(l->peer), MSG_ROW, l->req);

    if (b == NULL)
        l->rc = MT_EFULL;
    return b;
}

static bool
row_end(struct rows *l)
{
    l->rc = channel_end(peer_channel(l->peer), -1);
    return l->rc == MT_OK;
}

/* One turn: walk() goes on from where the last one ended, in a snapshot of its own. */
static int
turn(struct peer *p, uint64_t req, struct rows *l, int (*walk)(struct rows *l))
{
    int rc = store_view(peer_store(p), &l->view);

    if (rc != MT_OK)
        return rc;
    l->peer = p;
    l->req = req;
    l->rc = MT_OK;
    rc = walk(l);
    db_view_end(&l->view);
    l->damaged = l->damaged || rc == MT_EDAMAGED;
    if (l->rc != MT_OK)
        return l->rc == MT_EFULL ? MT_EAGAIN : l->rc;
    return rc == MT_OK && l->damaged ? MT_EDAMAGED : rc;
}

static bool
send_check(void *arg, const struct check_record *c)
{
    struct rows         *l = arg;
    struct result_record newest;
    struct buf          *b;
    const char          *mailbox;

    if (!mailbox_name(peer_store(l->peer), c, &mailbox))
        return true;
    if ((b = row_begin(l)) == NULL)
        return false;
    write_string(b, mailbox);
    write_check(b, c);
    if (db_result(&l->view, c->id, c->last_us, &newest) == MT_OK)
        write_short(b, &newest);
    else
        write_bytes(b, slice_make(NULL, 0));
    if (!row_end(l))
        return false;
    l->check_id = c->id;
    return true;
}

static int
walk_checks(struct rows *l)
{
    return db_checks(&l->view, l->scope, l->check_id, send_check, l);
}

static int
send_checks(struct peer *p, uint64_t req, void *state)
{
    return turn(p, req, state, walk_checks);
}

static bool
send_result(void *arg, const struct result_record *r)
{
    struct rows *l = arg;
    struct buf  *b = row_begin(l);

    if (b == NULL)
        return false;
    write_short(b, r);
    if (!row_end(l))
        return false;
    l->before = r->started_us;
    return --l->left > 0;
}

static int
walk_results(struct rows *l)
{
    return db_results(&l->view, l->check_id, l->from, l->before, send_result, l);
}

static int
send_results(struct peer *p, uint64_t req, void *state)
{
    return turn(p, req, state, walk_results);
}

static bool
send_sum(void *arg, uint32_t hour, const struct result_sum *s)
{
    struct rows *l = arg;
    struct buf   bytes, *b = row_begin(l);

    if (b == NULL)
        return false;
    buf_init(&bytes, RECORD_BYTES_MAX);
    result_sum_write(&bytes, s);
    write_u32(b, hour);
    write_bytes(b, buf_slice(&bytes));
    buf_fini(&bytes);
    if (!row_end(l))
        return false;
    l->before = hour;
    return --l->left > 0;
}

static int
walk_sums(struct rows *l)
{
    return db_result_sums(&l->view, l->check_id, (uint32_t)l->from, (uint32_t)l->before, send_sum, l);
}

static int
send_sums(struct peer *p, uint64_t req, void *state)
{
    return turn(p, req, state, walk_sums);
}

/* ---- Requests ----------------------------------------------------------------------------------------------------------------- */

/* Begins the list with a copy of what is asked for. */
static int
stream(struct peer *p, uint64_t req, peer_stream_fn *step, const struct rows *l)
{
    struct rows *own = malloc(sizeof(*own));

    if (own == NULL) {
        peer_answer(p, req, MT_ENOMEM);
        return MT_OK;
    }
    *own = *l;
    return request_stream(p, req, step, own);
}

int
serve_check_list(struct peer *p, uint64_t req, struct reader *r, int *fd)
{
    struct rows l = { .left = UINT32_MAX };
    char        mailbox[MAILBOX_NAME_MAX + 1];
    int         rc;

    (void)fd;
    read_string(r, mailbox, sizeof(mailbox));
    if (!read_end(r))
        return MT_EPROTO;
    rc = scope_of(peer_store(p), mailbox, &l.scope);
    if (rc == MT_OK)
        return stream(p, req, send_checks, &l);
    peer_answer(p, req, rc);
    return MT_OK;
}

/* The check whose results are asked for. False: it was answered. */
static bool
take_check(struct peer *p, uint64_t req, const struct wanted *w, uint32_t *id)
{
    struct check_record c;
    struct db_view      v;
    int                 rc = store_view(peer_store(p), &v);

    if (rc == MT_OK) {
        rc = find_wanted(peer_store(p), &v, w, &c);
        *id = rc == MT_OK ? c.id : 0;
        db_view_end(&v);
    }
    if (rc != MT_OK)
        peer_answer(p, req, rc);
    return rc == MT_OK;
}

int
serve_result_list(struct peer *p, uint64_t req, struct reader *r, int *fd)
{
    struct rows   l = { 0 };
    struct wanted w;

    (void)fd;
    read_wanted(r, &w);
    read_u64(r, &l.from);
    read_u64(r, &l.before);
    read_u32(r, &l.left);
    if (!read_end(r) || l.left == 0 || l.left > RESULT_ROWS_MAX)
        return MT_EPROTO;
    return take_check(p, req, &w, &l.check_id) ? stream(p, req, send_results, &l) : MT_OK;
}

int
serve_result_sums(struct peer *p, uint64_t req, struct reader *r, int *fd)
{
    struct rows   l = { 0 };
    struct wanted w;
    uint32_t      from, before;

    (void)fd;
    read_wanted(r, &w);
    read_u32(r, &from);
    read_u32(r, &before);
    read_u32(r, &l.left);
    if (!read_end(r) || l.left == 0 || l.left > RESULT_ROWS_MAX)
        return MT_EPROTO;
    l.from = from;
    l.before = before;
    return take_check(p, req, &w, &l.check_id) ? stream(p, req, send_sums, &l) : MT_OK;
}

static void
answer_show(struct peer *p, uint64_t req, const struct db_view *v, const struct check_record *c, uint64_t at_us)
{
    struct result_record newest;
    struct buf           bytes, *b;
    const char          *mailbox;
    bool                 known = mailbox_name(peer_store(p), c, &mailbox);
    int                  rc = !known ? MT_ENOTFOUND : db_result_newest(v, c->id, at_us == 0 || at_us >= TIME_US_MAX ? UINT64_MAX : at_us + 1, &newest);

    if (!known || (rc != MT_OK && rc != MT_ENOTFOUND)) {
        peer_answer(p, req, rc);
        return;
    }
    if ((b = peer_answer_begin(p, req)) == NULL)
        return;
    buf_init(&bytes, RESULT_BYTES_MAX);
    if (rc == MT_OK)
        result_record_write(&bytes, &newest);
    write_string(b, mailbox);
    write_check(b, c);
    write_bytes(b, buf_slice(&bytes));
    buf_fini(&bytes);
    peer_answer_end(p, req);
}

int
serve_check_show(struct peer *p, uint64_t req, struct reader *r, int *fd)
{
    struct check_record c;
    struct wanted       w;
    struct db_view      v;
    uint64_t            at_us;
    int                 rc;

    (void)fd;
    read_wanted(r, &w);
    read_u64(r, &at_us);
    if (!read_end(r))
        return MT_EPROTO;
    rc = store_view(peer_store(p), &v);
    if (rc != MT_OK) {
        peer_answer(p, req, rc);
        return MT_OK;
    }
    rc = find_wanted(peer_store(p), &v, &w, &c);
    if (rc == MT_OK)
        answer_show(p, req, &v, &c, at_us);
    else
        peer_answer(p, req, rc);
    db_view_end(&v);
    return MT_OK;
}

/* ---- Removing ----------------------------------------------------------------------------------------------------------------- */

struct delete_op {
    struct request_op o;
    uint32_t          check_id;
    uint32_t          results;
    char              name[CHECK_TEXT_MAX + 1];
};

static int
delete(struct batch_op *op, struct tx *tx)
{
    struct delete_op   *d = (struct delete_op *)op;
    struct check_record c;
    int                 rc = db_check(tx_view(tx), d->check_id, &c);

    if (rc != MT_OK)
        return rc;
    d->results = c.results;
    return result_remove_check(tx, d->check_id);
}

static void
answer_delete(struct request_op *o, struct buf *b)
{
    write_u32(b, ((const struct delete_op *)o)->results);
}

static void
tell_deleted(const struct request_op *o)
{
    const struct delete_op *d = (const struct delete_op *)o;

    log_info("event=%s check=%s results=%u by=%s", o->event, d->name, d->results, request_by(o));
}

int
serve_check_delete(struct peer *p, uint64_t req, struct reader *r, int *fd)
{
    struct delete_op *d;
    struct wanted     w;
    uint32_t          id;

    (void)fd;
    read_wanted(r, &w);
    if (!read_end(r))
        return MT_EPROTO;
    if (!take_check(p, req, &w, &id) || (d = request_op_new(p, req, sizeof(*d), delete, answer_delete, false)) == NULL)
        return MT_OK;
    d->check_id = id;
    memcpy(d->name, w.check, sizeof(d->name));
    d->o.tell = tell_deleted;
    d->o.event = "check-deleted";
    request_queue(&d->o);
    return MT_OK;
}
