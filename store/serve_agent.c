/* Requests about agents: adding, showing, enabling, removing, secrets, and which mailboxes they may read. */

#include "lib/error.h"
#include "lib/log.h"
#include "lib/secret.h"
#include "store/agent.h"
#include "store/request.h"
#include "store/table_list.h"

#include <sodium.h>
#include <stdio.h>

enum { HASH_BYTES = 32, SALT_BYTES = 16, TOLD_BYTES = 512 };

/* One change of one agent. */
struct agent_op {
    struct request_op  o;
    bool               enabled;
    bool               all;
    uint32_t           mailbox_count;
    uint32_t           mailboxes[AGENT_MAILBOXES_MAX];
    struct credentials credentials;
    char               name[MAILBOX_NAME_MAX + 1];
    char               secret[SECRET_CHARS + 1];        /* "": none is handed out */
};

static void
wipe(struct request_op *o)
{
    struct agent_op *a = (struct agent_op *)o;

    sodium_memzero(a->secret, sizeof(a->secret));
    sodium_memzero(&a->credentials, sizeof(a->credentials));
}

static void
tell(const struct request_op *o)
{
    log_info("event=%s agent=%s by=%s", o->event, ((const struct agent_op *)o)->name, request_by(o));
}

static void
tell_secret(const struct request_op *o)
{
    const struct agent_op *a = (const struct agent_op *)o;

    log_info("event=%s agent=%s chosen=%s by=%s", o->event, a->name, a->credentials.chosen ? "yes" : "no", request_by(o));
}

/* Which mailboxes: the names that fit, and dots where there are more. */
static void
tell_rights(const struct request_op *o)
{
    const struct agent_op *a = (const struct agent_op *)o;
    char                   names[TOLD_BYTES + MAILBOX_NAME_MAX + sizeof(",...")] = "";
    size_t                 len = 0;

    for (uint32_t i = 0; i < a->mailbox_count && len < TOLD_BYTES; i++) {
        const struct catalog_mailbox *m = catalog_by_id(peer_store(o->peer)->catalog, a->mailboxes[i]);

        len += (size_t)snprintf(names + len, sizeof(names) - len, "%s%s", len == 0 ? "" : ",", m == NULL ? "" : m->name);
    }
    log_info("event=%s agent=%s mailboxes=%s%s by=%s", o->event, a->name, a->all ? "all" : names, len < TOLD_BYTES ? "" : ",...", request_by(o));
}

static struct agent_op *
op_new(struct peer *p, uint64_t req, struct slice name, int (*run)(struct batch_op *op, struct tx *tx),
       void (*answer)(struct request_op *o, struct buf *b), bool grows)
{
    struct agent_op *o;

    o = request_op_new(p, req, sizeof(*o), run, answer, grows);
    if (o == NULL)
        return NULL;
    o->o.fini = wipe;
    o->o.tell = tell;
    if (mailbox_name_parse(name, o->name) == MT_OK)
        return o;
    o->o.op.done(&o->o.op, grows ? MT_EINVALID : MT_ENOTFOUND);
    return NULL;
}

/* Gives up an op that was not queued. */
static int
refuse(struct agent_op *o, int rc)
{
    o->o.op.done(&o->o.op, rc);
    return MT_OK;
}

static void
answer_secret(struct request_op *o, struct buf *b)
{
    const struct agent_op *a = (struct agent_op *)o;

    write_string(b, a->name);
    write_string(b, a->secret);
}

static int
make_secret(struct agent_op *o)
{
    secret_make(o->secret);
    return secret_hash(slice_of(o->secret), &o->credentials);
}

/* ---- Rights ---- */

/* bool all, u32 count, strings: which mailboxes. names borrows from the request. */
struct mailbox_names {
    bool         all;
    uint32_t     count;
    struct slice names[AGENT_MAILBOXES_MAX];
};

static void
read_mailboxes(struct reader *r, struct mailbox_names *out)
{
    read_bool(r, &out->all);
    read_u32(r, &out->count);
    if (out->count > AGENT_MAILBOXES_MAX)
        out->count = 0;             /* what is left over is a fault of the reader's end */
    for (uint32_t i = 0; i < out->count; i++)
        read_bytes(r, &out->names[i], MAILBOX_NAME_MAX);
}

static int
look_up(struct peer *p, const struct mailbox_names *names, struct agent_op *o)
{
    o->all = names->all;
    for (uint32_t i = 0; i < names->count; i++) {
        const struct catalog_mailbox *m = catalog_find(peer_store(p)->catalog, names->names[i]);

        if (m == NULL)
            return MT_ENOTFOUND;
        o->mailboxes[o->mailbox_count++] = m->id;
    }
    return MT_OK;
}

/* They were there when it was asked; ids are never used again. */
static int
grant_all(struct tx *tx, const struct agent_op *o, struct agent_record *a)
{
    unsigned char key[DB_KEY_MAX];
    struct slice  value;
    int           rc = MT_OK;

    if (o->all) {
        a->all = true;
        a->mailbox_count = 0;
        return MT_OK;
    }
    for (uint32_t i = 0; rc == MT_OK && i < o->mailbox_count && !a->all; i++)
        if ((rc = db_get(tx_view(tx), TABLE_MAILBOX, db_key_u32(key, o->mailboxes[i]), &value)) == MT_OK)
            rc = agent_grant(a, o->mailboxes[i]);
    return rc;
}

static int
grant(struct batch_op *op, struct tx *tx)
{
    const struct agent_op *o = (struct agent_op *)op;
    struct agent_record    a;
    int                    rc = agent_find(tx, slice_of(o->name), &a);

    if (rc == MT_OK)
        rc = grant_all(tx, o, &a);
    if (rc != MT_OK)
        return rc;
    agent_put(tx, &a);
    return tx_fault(tx);
}

static int
revoke(struct batch_op *op, struct tx *tx)
{
    const struct agent_op *o = (struct agent_op *)op;
    struct agent_record    a;
    int                    rc = agent_find(tx, slice_of(o->name), &a);

    if (rc != MT_OK)
        return rc;
    if (a.all && !o->all)
        return MT_EINVALID;
    if (o->all) {
        a.all = false;
        a.mailbox_count = 0;
    }
    for (uint32_t i = 0; i < o->mailbox_count; i++)
        agent_revoke(&a, o->mailboxes[i]);
    agent_put(tx, &a);
    return tx_fault(tx);
}

static int
serve_rights(struct peer *p, uint64_t req, struct reader *r, int (*run)(struct batch_op *op, struct tx *tx), const char *event)
{
    struct mailbox_names names;
    struct agent_op     *o;
    struct slice         name;
    int                  rc;

    read_bytes(r, &name, MSG_MAX_BYTES);
    read_mailboxes(r, &names);
    if (!read_end(r))
        return MT_EPROTO;
    o = op_new(p, req, name, run, NULL, false);
    if (o == NULL)
        return MT_OK;
    o->o.tell = tell_rights;
    o->o.event = event;
    if ((rc = look_up(p, &names, o)) != MT_OK)
        return refuse(o, rc);
    request_queue(&o->o);
    return MT_OK;
}

int
serve_agent_grant(struct peer *p, uint64_t req, struct reader *r, int *fd)
{
    (void)fd;
    return serve_rights(p, req, r, grant, "agent-granted");
}

int
serve_agent_revoke(struct peer *p, uint64_t req, struct reader *r, int *fd)
{
    (void)fd;
    return serve_rights(p, req, r, revoke, "agent-revoked");
}

/* ---- Adding and removing ---- */

static int
add(struct batch_op *op, struct tx *tx)
{
    const struct agent_op *o = (struct agent_op *)op;
    struct agent_record    a = { .name = slice_of(o->name), .credentials = o->credentials };
    int                    rc = grant_all(tx, o, &a);

    return rc == MT_OK ? agent_add(tx, &a) : rc;
}

int
serve_agent_add(struct peer *p, uint64_t req, struct reader *r, int *fd)
{
    struct mailbox_names names;
    struct agent_op     *o;
    struct slice         name;
    int                  rc;

    (void)fd;
    read_bytes(r, &name, MSG_MAX_BYTES);
    read_mailboxes(r, &names);
    if (!read_end(r))
        return MT_EPROTO;
    o = op_new(p, req, name, add, answer_secret, true);
    if (o == NULL)
        return MT_OK;
    o->o.tell = tell_rights;
    o->o.event = "agent-added";
    if ((rc = look_up(p, &names, o)) != MT_OK || (rc = make_secret(o)) != MT_OK)
        return refuse(o, rc);
    request_queue(&o->o);
    return MT_OK;
}

static int
remove_agent(struct batch_op *op, struct tx *tx)
{
    struct agent_record a;
    int                 rc = agent_find(tx, slice_of(((struct agent_op *)op)->name), &a);

    if (rc == MT_OK)
        agent_remove(tx, &a);
    return rc == MT_OK ? tx_fault(tx) : rc;
}

int
serve_agent_remove(struct peer *p, uint64_t req, struct reader *r, int *fd)
{
    struct agent_op *o;
    struct slice     name;

    (void)fd;
    read_bytes(r, &name, MSG_MAX_BYTES);
    if (!read_end(r))
        return MT_EPROTO;
    o = op_new(p, req, name, remove_agent, NULL, false);
    if (o == NULL)
        return MT_OK;
    o->o.event = "agent-removed";
    request_queue(&o->o);
    return MT_OK;
}

/* ---- Changing ---- */

static int
enable(struct batch_op *op, struct tx *tx)
{
    const struct agent_op *o = (struct agent_op *)op;
    struct agent_record    a;
    int                    rc = agent_find(tx, slice_of(o->name), &a);

    if (rc != MT_OK)
        return rc;
    a.enabled = o->enabled;
    agent_put(tx, &a);
    return tx_fault(tx);
}

int
serve_agent_enable(struct peer *p, uint64_t req, struct reader *r, int *fd)
{
    struct agent_op *o;
    struct slice     name;
    bool             enabled;

    (void)fd;
    read_bytes(r, &name, MSG_MAX_BYTES);
    read_bool(r, &enabled);
    if (!read_end(r))
        return MT_EPROTO;
    o = op_new(p, req, name, enable, NULL, false);
    if (o == NULL)
        return MT_OK;
    o->enabled = enabled;
    o->o.event = enabled ? "agent-enabled" : "agent-disabled";
    request_queue(&o->o);
    return MT_OK;
}

static int
set_credentials(struct batch_op *op, struct tx *tx)
{
    const struct agent_op *o = (struct agent_op *)op;
    struct agent_record    a;
    int                    rc = agent_find(tx, slice_of(o->name), &a);

    if (rc != MT_OK)
        return rc;
    a.credentials = o->credentials;
    agent_put(tx, &a);
    return tx_fault(tx);
}

int
serve_agent_secret(struct peer *p, uint64_t req, struct reader *r, int *fd)
{
    struct agent_op *o;
    struct slice     name;
    int              rc;

    (void)fd;
    read_bytes(r, &name, MSG_MAX_BYTES);
    if (!read_end(r))
        return MT_EPROTO;
    o = op_new(p, req, name, set_credentials, answer_secret, false);
    if (o == NULL)
        return MT_OK;
    o->o.tell = tell_secret;
    o->o.event = "agent-secret-changed";
    if ((rc = make_secret(o)) != MT_OK)
        return refuse(o, rc);
    request_queue(&o->o);
    return MT_OK;
}

static void
answer_name(struct request_op *o, struct buf *b)
{
    write_string(b, ((struct agent_op *)o)->name);
}

int
serve_agent_chosen(struct peer *p, uint64_t req, struct reader *r, int *fd)
{
    struct agent_op *o;
    struct slice     name, salt, hash;

    (void)fd;
    read_bytes(r, &name, MSG_MAX_BYTES);
    read_bytes(r, &salt, SALT_BYTES);
    read_bytes(r, &hash, HASH_BYTES);
    if (!read_end(r) || salt.len != SALT_BYTES || hash.len != HASH_BYTES)
        return MT_EPROTO;
    o = op_new(p, req, name, set_credentials, answer_name, false);
    if (o == NULL)
        return MT_OK;
    o->o.tell = tell_secret;
    o->o.event = "agent-secret-changed";
    o->credentials.chosen = true;
    memcpy(o->credentials.salt, salt.data, SALT_BYTES);
    memcpy(o->credentials.secret_hash, hash.data, HASH_BYTES);
    request_queue(&o->o);
    return MT_OK;
}

/* ---- Showing ---- */

int
serve_agent_show(struct peer *p, uint64_t req, struct reader *r, int *fd)
{
    char                name[MAILBOX_NAME_MAX + 1];
    struct agent_record a;
    struct slice        typed, bytes = slice_make("", 0);
    unsigned char       key[DB_KEY_MAX];
    struct db_view      v;
    struct buf         *b;
    int                 rc;

    (void)fd;
    read_bytes(r, &typed, MSG_MAX_BYTES);
    if (!read_end(r))
        return MT_EPROTO;
    rc = mailbox_name_parse(typed, name) != MT_OK ? MT_ENOTFOUND : store_view(peer_store(p), &v);
    if (rc != MT_OK) {
        peer_answer(p, req, rc);
        return MT_OK;
    }
    rc = db_agent_by_name(&v, slice_of(name), &a);
    if (rc == MT_OK)
        rc = db_get(&v, TABLE_AGENT, db_key_u32(key, a.id), &bytes);
    if (rc != MT_OK) {
        peer_answer(p, req, rc);
    } else if ((b = peer_answer_begin(p, req)) != NULL) {
        write_bytes(b, bytes);
        peer_answer_end(p, req);
    }
    db_view_end(&v);
    return MT_OK;
}

static int
send_agent(struct channel *c, uint64_t req, uint32_t id, struct slice bytes)
{
    struct agent_record a;
    struct buf         *b;

    (void)id;
    if (agent_record_read(bytes, &a) != MT_OK)
        return MT_EDAMAGED;
    b = channel_begin(c, MSG_ROW, req);
    if (b == NULL)
        return MT_EFULL;
    write_bytes(b, bytes);
    return channel_end(c, -1);
}

int
serve_agent_list(struct peer *p, uint64_t req, struct reader *r, int *fd)
{
    (void)fd;
    return read_end(r) ? table_list_serve(p, req, TABLE_AGENT, send_agent) : MT_EPROTO;
}
