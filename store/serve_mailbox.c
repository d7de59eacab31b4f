/* Requests about mailboxes: adding, showing, enabling, deleting, new secrets, the key for minting offline. */

#include "lib/error.h"
#include "lib/log.h"
#include "lib/secret.h"
#include "store/account.h"
#include "store/request.h"

#include <sodium.h>
#include <stdlib.h>

enum { DOMAIN_BYTES_MAX = 255 };

/* One change of one mailbox; secret is empty where none is handed out. */
struct mailbox_op {
    struct request_op     o;
    uint32_t              id;           /* of an existing one */
    bool                  enabled;
    uint64_t              messages;     /* deleted */
    struct mailbox_record template;     /* of a new one, or the new hashes */
    char                  name[MAILBOX_NAME_MAX + 1];
    char                  domain[DOMAIN_BYTES_MAX + 1];
    char                  address[MAILBOX_ADDRESS_MAX + 1];
    char                  secret[SECRET_CHARS + 1];
};

static void
wipe(struct request_op *o)
{
    struct mailbox_op *m = (struct mailbox_op *)o;

    sodium_memzero(m->secret, sizeof(m->secret));
}

static void
tell(const struct request_op *o)
{
    log_info("event=%s mailbox=%s by=%s", o->event, ((const struct mailbox_op *)o)->name, request_by(o));
}

static void
tell_secret(const struct request_op *o)
{
    const struct mailbox_op *m = (const struct mailbox_op *)o;

    log_info("event=%s mailbox=%s chosen=%s by=%s", o->event, m->name, m->template.credentials.chosen ? "yes" : "no", request_by(o));
}

static void
tell_deleted(const struct request_op *o)
{
    const struct mailbox_op *m = (const struct mailbox_op *)o;

    log_info("event=%s mailbox=%s messages=%llu by=%s", o->event, m->name, (unsigned long long)m->messages, request_by(o));
}

/* Queues a change for a mailbox that exists; answers where there is none. NULL: answered. */
static struct mailbox_op *
op_for(struct peer *p, uint64_t req, const char *name, int (*run)(struct batch_op *op, struct tx *tx),
       void (*answer)(struct request_op *o, struct buf *b))
{
    const struct catalog_mailbox *m = catalog_find(peer_store(p)->catalog, slice_of(name));
    struct mailbox_op            *o;

    if (m == NULL) {
        peer_answer(p, req, MT_ENOTFOUND);
        return NULL;
    }
    o = request_op_new(p, req, sizeof(*o), run, answer, false);
    if (o != NULL) {
        o->id = m->id;
        o->o.fini = wipe;
        o->o.tell = tell;
        memcpy(o->name, m->name, sizeof(o->name));
    }
    return o;
}

static int
make_secret(struct mailbox_op *o)
{
    secret_make(o->secret);
    return secret_hash(slice_of(o->secret), &o->template.credentials);
}

/* Gives up an op that was not queued. */
static int
refuse(struct mailbox_op *o, int rc)
{
    o->o.op.done(&o->o.op, rc);
    return MT_OK;
}

/* ---- Adding ---- */

static int
add(struct batch_op *op, struct tx *tx)
{
    struct mailbox_op *o = (struct mailbox_op *)op;
    struct tx_mailbox *m;
    int                rc = account_create(tx, &o->template, &m);

    if (rc == MT_OK)
        mailbox_address(&m->record, o->address);
    return rc;
}

static void
answer_add(struct request_op *o, struct buf *b)
{
    const struct mailbox_op *m = (struct mailbox_op *)o;

    write_string(b, m->address);
    write_string(b, m->name);
    write_string(b, m->secret);
}

/* Into lower case; empty: the first one. MT_EINVALID: not one of ours. */
static int
choose_domain(const struct config *config, struct slice text, char out[DOMAIN_BYTES_MAX + 1])
{
    if (text.len == 0)
        text = slice_of(config->domains.items[0]);
    if (!config_has_domain(config, text) || !slice_copy(out, DOMAIN_BYTES_MAX + 1, text))
        return MT_EINVALID;
    for (char *c = out; *c != '\0'; c++)
        *c = ascii_lower(*c);
    return MT_OK;
}

int
serve_mailbox_add(struct peer *p, uint64_t req, struct reader *r, int *fd)
{
    struct mailbox_op *o;
    struct slice       name, domain;
    int                rc;

    (void)fd;
    read_bytes(r, &name, MSG_MAX_BYTES);
    read_bytes(r, &domain, MSG_MAX_BYTES);
    if (!read_end(r))
        return MT_EPROTO;
    o = request_op_new(p, req, sizeof(*o), add, answer_add, true);
    if (o == NULL)
        return MT_OK;
    o->o.fini = wipe;
    o->o.tell = tell;
    o->o.event = "mailbox-added";
    if ((rc = mailbox_name_parse(name, o->name)) != MT_OK ||
        (rc = choose_domain(peer_store(p)->config, domain, o->domain)) != MT_OK || (rc = make_secret(o)) != MT_OK)
        return refuse(o, rc);
    o->template.name = slice_of(o->name);
    o->template.domain = slice_of(o->domain);
    request_queue(&o->o);
    return MT_OK;
}

/* ---- Showing ---- */

/* The mailbox's record and those of its two first folders, after their checks. */
static int
write_mailbox(struct buf *b, const struct db_view *v, uint32_t id)
{
    static const enum folder_id folders[] = { FOLDER_INBOX, FOLDER_UNMATCHED };
    struct mailbox_record       m;
    struct folder_record        f;
    struct slice                bytes;
    unsigned char               key[DB_KEY_MAX];
    int                         rc = db_get(v, TABLE_MAILBOX, db_key_u32(key, id), &bytes);

    if (rc == MT_ENOTFOUND)
        rc = MT_EDAMAGED;       /* the catalog knows it */
    if (rc == MT_OK)
        rc = mailbox_record_read(bytes, &m);
    if (rc == MT_OK)
        write_bytes(b, bytes);
    for (size_t i = 0; i < COUNT(folders) && rc == MT_OK; i++) {
        rc = db_get(v, TABLE_FOLDER, db_key_folder(key, id, folders[i]), &bytes);
        if (rc == MT_OK)
            rc = folder_record_read(bytes, &f);
        if (rc == MT_OK)
            write_bytes(b, bytes);
        else if (rc == MT_ENOTFOUND)
            rc = MT_EDAMAGED;
    }
    return rc == MT_OK ? b->fault : rc;
}

struct mailbox_list {
    uint32_t last_id;
    bool     damaged;
};

static int
send_mailboxes(struct peer *p, uint64_t req, void *state)
{
    struct mailbox_list          *l = state;
    const struct catalog_mailbox *m;
    struct db_view                v;
    int                           rc = store_view(peer_store(p), &v);

    if (rc != MT_OK)
        return rc;
    while (rc == MT_OK && (m = catalog_next(peer_store(p)->catalog, l->last_id)) != NULL) {
        struct buf row;

        buf_init(&row, MSG_MAX_BYTES);
        rc = write_mailbox(&row, &v, m->id);
        if (rc == MT_EDAMAGED || rc == MT_EVERSION)
            l->damaged = true;
        else if (rc == MT_OK)
            rc = channel_send(peer_channel(p), MSG_ROW, req, buf_slice(&row), -1);
        buf_fini(&row);
        /* A damaged one is left out, and the answer says so. */
        if (rc == MT_EDAMAGED || rc == MT_EVERSION)
            rc = MT_OK;
        if (rc == MT_OK)
            l->last_id = m->id;
    }
    db_view_end(&v);
    if (rc == MT_EFULL)
        return MT_EAGAIN;
    return rc == MT_OK && l->damaged ? MT_EDAMAGED : rc;
}

int
serve_mailbox_list(struct peer *p, uint64_t req, struct reader *r, int *fd)
{
    struct mailbox_list *l;

    (void)fd;
    if (!read_end(r))
        return MT_EPROTO;
    l = calloc(1, sizeof(*l));
    if (l == NULL) {
        peer_answer(p, req, MT_ENOMEM);
        return MT_OK;
    }
    return request_stream(p, req, send_mailboxes, l);
}

int
serve_mailbox_show(struct peer *p, uint64_t req, struct reader *r, int *fd)
{
    char                          name[MAILBOX_NAME_MAX + 1];
    const struct catalog_mailbox *m;
    struct buf                    fields, *b;
    struct db_view                v;
    int                           rc = MT_ENOTFOUND;

    (void)fd;
    read_string(r, name, sizeof(name));
    if (!read_end(r))
        return MT_EPROTO;
    buf_init(&fields, MSG_MAX_BYTES);
    m = catalog_find(peer_store(p)->catalog, slice_of(name));
    if (m != NULL && (rc = store_view(peer_store(p), &v)) == MT_OK) {
        rc = write_mailbox(&fields, &v, m->id);
        db_view_end(&v);
    }
    if (rc != MT_OK) {
        peer_answer(p, req, rc);
    } else if ((b = peer_answer_begin(p, req)) != NULL) {
        buf_append_slice(b, buf_slice(&fields));
        peer_answer_end(p, req);
    }
    buf_fini(&fields);
    return MT_OK;
}

/* ---- Changing ---- */

static int
enable(struct batch_op *op, struct tx *tx)
{
    struct mailbox_op *o = (struct mailbox_op *)op;
    struct tx_mailbox *m;
    int                rc = tx_mailbox(tx, o->id, &m);

    if (rc != MT_OK || m->record.enabled == o->enabled)
        return rc;
    m->record.enabled = o->enabled;
    m->dirty = true;
    account_changed(tx, m);
    return tx_fault(tx);
}

int
serve_mailbox_enable(struct peer *p, uint64_t req, struct reader *r, int *fd)
{
    char               name[MAILBOX_NAME_MAX + 1];
    bool               enabled;
    struct mailbox_op *o;

    (void)fd;
    read_string(r, name, sizeof(name));
    read_bool(r, &enabled);
    if (!read_end(r))
        return MT_EPROTO;
    o = op_for(p, req, name, enable, NULL);
    if (o == NULL)
        return MT_OK;
    o->enabled = enabled;
    o->o.event = enabled ? "mailbox-enabled" : "mailbox-disabled";
    request_queue(&o->o);
    return MT_OK;
}

static int
delete(struct batch_op *op, struct tx *tx)
{
    struct mailbox_op *o = (struct mailbox_op *)op;
    struct tx_mailbox *m;
    int                rc = tx_mailbox(tx, o->id, &m);

    if (rc != MT_OK)
        return rc;
    account_delete(tx, m, &o->messages);
    return tx_fault(tx);
}

static void
answer_delete(struct request_op *o, struct buf *b)
{
    const uint64_t messages = ((struct mailbox_op *)o)->messages;

    write_u32(b, messages < UINT32_MAX ? (uint32_t)messages : UINT32_MAX);
}

int
serve_mailbox_delete(struct peer *p, uint64_t req, struct reader *r, int *fd)
{
    char               name[MAILBOX_NAME_MAX + 1];
    struct mailbox_op *o;

    (void)fd;
    read_string(r, name, sizeof(name));
    if (!read_end(r))
        return MT_EPROTO;
    if (store_needs_mailbox(slice_of(name))) {
        peer_answer(p, req, MT_EDENIED);
        return MT_OK;
    }
    o = op_for(p, req, name, delete, answer_delete);
    if (o == NULL)
        return MT_OK;
    o->o.tell = tell_deleted;
    o->o.event = "mailbox-deleted";
    request_queue(&o->o);
    return MT_OK;
}

static int
set_secret(struct batch_op *op, struct tx *tx)
{
    struct mailbox_op *o = (struct mailbox_op *)op;
    struct tx_mailbox *m;
    int                rc = tx_mailbox(tx, o->id, &m);

    if (rc != MT_OK)
        return rc;
    m->record.credentials = o->template.credentials;
    m->dirty = true;
    account_changed(tx, m);
    return tx_fault(tx);
}

static void
answer_secret(struct request_op *o, struct buf *b)
{
    const struct mailbox_op *m = (struct mailbox_op *)o;

    write_string(b, m->name);
    write_string(b, m->secret);
}

int
serve_mailbox_secret(struct peer *p, uint64_t req, struct reader *r, int *fd)
{
    char               name[MAILBOX_NAME_MAX + 1];
    struct mailbox_op *o;
    int                rc;

    (void)fd;
    read_string(r, name, sizeof(name));
    if (!read_end(r))
        return MT_EPROTO;
    o = op_for(p, req, name, set_secret, answer_secret);
    if (o == NULL)
        return MT_OK;
    o->o.tell = tell_secret;
    o->o.event = "mailbox-secret-changed";
    if ((rc = make_secret(o)) != MT_OK)
        return refuse(o, rc);
    request_queue(&o->o);
    return MT_OK;
}

static void
answer_name(struct request_op *o, struct buf *b)
{
    write_string(b, ((struct mailbox_op *)o)->name);
}

int
serve_mailbox_chosen(struct peer *p, uint64_t req, struct reader *r, int *fd)
{
    char               name[MAILBOX_NAME_MAX + 1];
    struct slice       salt, hash;
    struct credentials credentials = { .chosen = true };
    struct mailbox_op *o;

    (void)fd;
    read_string(r, name, sizeof(name));
    read_bytes(r, &salt, sizeof(credentials.salt));
    read_bytes(r, &hash, sizeof(credentials.secret_hash));
    if (!read_end(r) || salt.len != sizeof(credentials.salt) || hash.len != sizeof(credentials.secret_hash))
        return MT_EPROTO;
    memcpy(credentials.salt, salt.data, salt.len);
    memcpy(credentials.secret_hash, hash.data, hash.len);
    o = op_for(p, req, name, set_secret, answer_name);
    if (o == NULL)
        return MT_OK;
    o->o.tell = tell_secret;
    o->o.event = "mailbox-secret-changed";
    o->template.credentials = credentials;
    request_queue(&o->o);
    return MT_OK;
}

int
serve_mailbox_key(struct peer *p, uint64_t req, struct reader *r, int *fd)
{
    char                          name[MAILBOX_NAME_MAX + 1], hex[2 * TOKEN_KEY_BYTES + 1];
    uint8_t                       key[TOKEN_KEY_BYTES];
    struct store                 *s = peer_store(p);
    const struct catalog_mailbox *m;
    struct buf                   *b;

    (void)fd;
    read_string(r, name, sizeof(name));
    if (!read_end(r))
        return MT_EPROTO;
    m = catalog_find(s->catalog, slice_of(name));
    if (m == NULL) {
        peer_answer(p, req, MT_ENOTFOUND);
        return MT_OK;
    }
    keys_select(s->keys, slice_of(m->address));
    keys_mailbox_key(s->keys, key);
    log_info("event=mailbox-key-shown mailbox=%s by=control", m->name);
    sodium_bin2hex(hex, sizeof(hex), key, sizeof(key));
    if ((b = peer_answer_begin(p, req)) != NULL) {
        write_string(b, hex);
        peer_answer_end(p, req);
    }
    sodium_memzero(key, sizeof(key));
    sodium_memzero(hex, sizeof(hex));
    return MT_OK;
}
