/* CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE (RFC 9051 sections 6.3.4 to 6.3.8); GETQUOTA, GETQUOTAROOT (RFC 9208). */

#include "imapd/imap.h"
#include "imapd/imap_copy.h"
#include "imapd/imap_name.h"
#include "imapd/imapd.h"

#include "lib/error.h"
#include "lib/folder_name.h"

#include <stdlib.h>

/* ---- What all of them share --------------------------------------------------------------------------------------------------- */

static void
refuse(struct connection *c, const char *command, int rc)
{
    switch (rc) {
    case MT_EEXIST:
        imap_answer(c, "NO", "[ALREADYEXISTS] there is such a mailbox already");
        break;
    case MT_ENOTFOUND:
        imap_answer(c, "NO", "[NONEXISTENT] there is no such mailbox");
        break;
    case MT_EINVALID:
        imap_answer(c, "NO", "[CANNOT] that is not possible with this mailbox");
        break;
    case MT_EBUSY:
        imap_answer(c, "NO", "[HASCHILDREN] there are mailboxes below it: delete these first");
        break;
    case MT_ESIZE:
        imap_answer(c, "NO", "[LIMIT] a mailbox may have %u folders", DB_FOLDERS_MAX);
        break;
    default:
        imap_answer(c, "NO", "[UNAVAILABLE] %s failed: %s", command, mt_strerror(rc));
        break;
    }
}

static void
refuse_name(struct connection *c, struct slice name)
{
    imap_answer(c, "NO", "[CANNOT] that is no name for a mailbox: %s", folder_name_fault(name));
}

/* The command's tagged answer after store's, where that has no fields. */
static int
end(struct connection *c, const char *command, int rc, struct reader *r)
{
    if (rc == MT_OK && !read_end(r))
        rc = MT_EPROTO;
    if (rc == MT_OK)
        imap_answer(c, "OK", "%s completed", command);
    else
        refuse(c, command, rc);
    return rc == MT_EPROTO ? rc : MT_OK;
}

static void
ask_end(struct connection *c, const char *command)
{
    if (!store_ask_end(c->imapd))
        refuse(c, command, MT_EFULL);
}

/* NULL: none. Out of memory: it is not told. */
static void
keep_written(struct imap *s, const char *name)
{
    free(s->written);
    s->written = name == NULL ? NULL : strdup(name);
}

/*
 * A name that is to be: INBOX in capitals, and without the "/" behind it that says that there will be others below (section 6.3.4). Where
 * it is not what the client wrote, that is kept for tell_new_name.
 */
static struct slice
read_new_name(struct connection *c, struct imap_reader *r, char text[FOLDER_NAME_BYTES + 1])
{
    struct imap *s = c->own;
    char         written[IMAP_NAME_BYTES + 1];
    struct slice name = imap_read_written_name(r, written);

    if (name.len > 1 && name.data[name.len - 1] == '/')
        name.len--;
    folder_name_copy(text, name);
    keep_written(s, slice_equal(name, slice_of(text)) ? NULL : written);
    return slice_of(text);
}

/* RFC 9051 sections 6.3.4, 6.3.6 and 6.3.9.7, for a client that knows them. */
static void
tell_new_name(struct connection *c, uint32_t id)
{
    struct imap *s = c->own;

    if (s->written != NULL && (s->enabled & IMAP_REV2) != 0)
        imap_say_folder(c, id, s->written);
    keep_written(s, NULL);
}

/* ---- CREATE ---------------------------------------------------------------------------------------------------------------------- */

static int
on_created(struct connection *c, int rc, struct reader *r)
{
    const struct imap *s = c->own;
    uint32_t           id = 0;

    if (rc == MT_OK)
        read_u32(r, &id);
    if (rc == MT_OK && read_end(r)) {
        tell_new_name(c, id);
        imap_answer(c, "OK", "[MAILBOXID (F%x-%u)] CREATE completed", s->login.mailbox_id, id);
        return MT_OK;
    }
    refuse(c, "CREATE", rc == MT_OK ? MT_EPROTO : rc);
    return rc == MT_OK ? MT_EPROTO : MT_OK;
}

static void
ask_to_create(struct connection *c, struct slice name, const char *command, store_answer_fn *on_answer)
{
    const struct imap *s = c->own;
    struct buf        *b = store_ask_begin(c, MSG_FOLDER_CREATE, on_answer);

    if (b == NULL) {
        refuse(c, command, MT_ESHUTDOWN);
        return;
    }
    write_u32(b, s->login.mailbox_id);
    write_bytes(b, name);
    ask_end(c, command);
}

static void
create(struct connection *c, struct imap_reader *r)
{
    char         text[FOLDER_NAME_BYTES + 1];
    struct slice name;

    imap_space(r);
    name = read_new_name(c, r, text);
    if (imap_refuse_syntax(c, r))
        return;
    if (folder_name_fault(name) != NULL)
        refuse_name(c, name);
    else
        ask_to_create(c, name, "CREATE", on_created);
}

/* ---- DELETE ----------------------------------------------------------------------------------------------------------------------- */

static int on_deleted(struct connection *c, int rc, struct reader *r);

/* Some hundred messages at a time, until the folder has gone. */
static void
ask_to_delete(struct connection *c)
{
    const struct imap *s = c->own;
    struct buf        *b = store_ask_begin(c, MSG_FOLDER_DELETE, on_deleted);

    if (b == NULL) {
        refuse(c, "DELETE", MT_ESHUTDOWN);
        return;
    }
    write_u32(b, s->login.mailbox_id);
    write_u32(b, s->changing);
    ask_end(c, "DELETE");
}

static int
on_deleted(struct connection *c, int rc, struct reader *r)
{
    struct imap *s = c->own;
    bool         gone = false;

    if (rc == MT_OK) {
        read_bool(r, &gone);
        rc = read_end(r) ? MT_OK : MT_EPROTO;
    }
    if (rc == MT_OK && !gone) {
        ask_to_delete(c);
        return MT_OK;
    }
    if (rc != MT_OK) {
        refuse(c, "DELETE", rc);
        return rc == MT_EPROTO ? rc : MT_OK;
    }
    if (s->state == IMAP_SELECTED && s->view.folder_id == s->changing) {
        imap_say(c, "OK [CLOSED] the mailbox was selected, and has gone");
        imap_unselect(c);
    }
    session_removed(c, "folder-deleted", slice_of(s->deleting), s->deleted);
    c->session.removed += s->deleted;
    imap_answer(c, "OK", "DELETE completed");
    return MT_OK;
}

/* Name and messages are for the log, which tells them when the folder has gone. */
static void
begin_delete(struct connection *c, struct slice name)
{
    struct imap         *s = c->own;
    struct folder_record folder;
    struct db_view       view;

    slice_copy(s->deleting, sizeof(s->deleting), name);
    s->deleted = 0;
    if (db_view_begin(c->imapd->db, &view) == MT_OK) {
        if (db_folder(&view, s->login.mailbox_id, s->changing, &folder) == MT_OK)
            s->deleted = folder.messages;
        db_view_end(&view);
    }
    ask_to_delete(c);
}

static void
delete(struct connection *c, struct imap_reader *r)
{
    struct imap *s = c->own;
    char         text[IMAP_NAME_BYTES + 1];
    struct slice name;
    int          rc;

    imap_space(r);
    name = imap_read_name(r, text);
    if (imap_refuse_syntax(c, r))
        return;
    rc = imap_find_folder(c, name, &s->changing);
    if (rc != MT_OK)
        imap_refuse_read(c, rc);
    else if (s->changing < FOLDER_FIRST_OWN)
        imap_answer(c, "NO", "[CANNOT] INBOX and Unmatched stay");
    else
        begin_delete(c, name);
}

/* ---- RENAME ----------------------------------------------------------------------------------------------------------------------- */

static int
on_renamed(struct connection *c, int rc, struct reader *r)
{
    const struct imap *s = c->own;

    if (rc == MT_OK)
        tell_new_name(c, s->changing);
    return end(c, "RENAME", rc, r);
}

static bool
add_uid(void *arg, uint32_t uid, const struct entry *e)
{
    (void)e;
    return imap_set_append(arg, uid);
}

/* All mail of INBOX goes to the new folder; INBOX stays, and is empty. */
static int
on_inbox_created(struct connection *c, int rc, struct reader *r)
{
    const struct imap     *s = c->own;
    struct imap_copy_order order = { .from_id = FOLDER_INBOX, .move = true, .command = "RENAME" };
    struct imap_set        uids = { 0 };
    struct db_view         view;

    if (rc == MT_OK)
        read_u32(r, &order.to_id);
    if (rc == MT_OK && !read_end(r))
        rc = MT_EPROTO;
    if (rc != MT_OK) {
        refuse(c, "RENAME", rc);
        return rc == MT_EPROTO ? rc : MT_OK;
    }
    rc = db_view_begin(c->imapd->db, &view);
    if (rc == MT_OK) {
        rc = db_entries(&view, s->login.mailbox_id, FOLDER_INBOX, 0, add_uid, &uids);
        db_view_end(&view);
    }
    if (rc == MT_OK) {
        imap_copy_begin(c, &uids, &order);
    } else {
        imap_set_fini(&uids);
        refuse(c, "RENAME", rc);
    }
    return MT_OK;
}

static void
ask_to_rename(struct connection *c, uint32_t id, struct slice to)
{
    struct imap *s = c->own;
    struct buf  *b = store_ask_begin(c, MSG_FOLDER_RENAME, on_renamed);

    if (b == NULL) {
        refuse(c, "RENAME", MT_ESHUTDOWN);
        return;
    }
    s->changing = id;
    write_u32(b, s->login.mailbox_id);
    write_u32(b, id);
    write_bytes(b, to);
    ask_end(c, "RENAME");
}

static void
rename_folder(struct connection *c, struct imap_reader *r)
{
    struct imap *s = c->own;
    char         written[IMAP_NAME_BYTES + 1], text[FOLDER_NAME_BYTES + 1], new_text[FOLDER_NAME_BYTES + 1];
    struct slice name, to;
    uint32_t     id;
    int          rc;

    imap_space(r);
    folder_name_copy(text, imap_read_written_name(r, written));
    name = slice_of(text);
    imap_space(r);
    to = read_new_name(c, r, new_text);
    if (imap_refuse_syntax(c, r))
        return;
    if (s->written != NULL || strcmp(written, text) != 0)       /* the old name is what is told (section 6.3.6) */
        keep_written(s, written);
    rc = imap_find_folder(c, name, &id);
    if (rc != MT_OK)
        imap_refuse_read(c, rc);
    else if (folder_name_fault(to) != NULL)
        refuse_name(c, to);
    else if (id == FOLDER_INBOX)
        ask_to_create(c, to, "RENAME", on_inbox_created);
    else
        ask_to_rename(c, id, to);
}

/* ---- SUBSCRIBE -------------------------------------------------------------------------------------------------------------------- */

static int
on_subscribed(struct connection *c, int rc, struct reader *r)
{
    return end(c, "SUBSCRIBE", rc, r);
}

static int
on_unsubscribed(struct connection *c, int rc, struct reader *r)
{
    return end(c, "UNSUBSCRIBE", rc, r);
}

static void
set_subscribed(struct connection *c, struct imap_reader *r, bool on)
{
    const struct imap *s = c->own;
    const char        *command = on ? "SUBSCRIBE" : "UNSUBSCRIBE";
    char               text[IMAP_NAME_BYTES + 1];
    struct slice       name;
    struct buf        *b;

    imap_space(r);
    name = imap_read_name(r, text);
    if (imap_refuse_syntax(c, r))
        return;
    if ((b = store_ask_begin(c, MSG_FOLDER_SUBSCRIBE, on ? on_subscribed : on_unsubscribed)) == NULL) {
        refuse(c, command, MT_ESHUTDOWN);
    } else {
        write_u32(b, s->login.mailbox_id);
        write_bytes(b, name);
        write_u8(b, on);
        ask_end(c, command);
    }
}

static void
subscribe(struct connection *c, struct imap_reader *r)
{
    set_subscribed(c, r, true);
}

static void
unsubscribe(struct connection *c, struct imap_reader *r)
{
    set_subscribed(c, r, false);
}

/* ---- Quota: one root for all folders, named "" -------------------------------------------------------------------------------- */

enum { KIB = 1024 };

static void
say_quota(struct connection *c, const char *command, int rc, const struct mailbox_record *m)
{
    if (rc != MT_OK) {
        imap_refuse_read(c, rc);
        return;
    }
    imap_say(c, "QUOTA \"\" (STORAGE %llu %llu)", (unsigned long long)((m->bytes + KIB - 1) / KIB),
             (unsigned long long)(c->imapd->config->quota.mailbox_bytes / KIB));
    imap_answer(c, "OK", "%s completed", command);
}

/* Its slices end with the view; only numbers are wanted. */
static int
read_mailbox(struct connection *c, struct mailbox_record *m)
{
    const struct imap *s = c->own;
    struct db_view     view;
    int                rc = db_view_begin(c->imapd->db, &view);

    if (rc != MT_OK)
        return rc;
    rc = db_mailbox_by_id(&view, s->login.mailbox_id, m);
    db_view_end(&view);
    return rc;
}

static void
get_quota(struct connection *c, struct imap_reader *r)
{
    struct mailbox_record m;
    struct slice          root;

    imap_space(r);
    root = imap_astring(r);
    if (imap_refuse_syntax(c, r))
        return;
    if (root.len > 0)
        imap_answer(c, "NO", "[NONEXISTENT] there is no such quota root");
    else
        say_quota(c, "GETQUOTA", read_mailbox(c, &m), &m);
}

static void
get_quota_root(struct connection *c, struct imap_reader *r)
{
    const struct imap    *s = c->own;
    struct mailbox_record m;
    char                  text[IMAP_NAME_BYTES + 1];
    struct slice          name;
    uint32_t              id;
    int                   rc;

    imap_space(r);
    name = imap_read_name(r, text);
    if (imap_refuse_syntax(c, r))
        return;
    rc = imap_find_folder(c, name, &id);
    if (rc == MT_OK && (rc = read_mailbox(c, &m)) == MT_OK) {
        buf_append_string(&c->out, "* QUOTAROOT ");
        imap_put_name(&c->out, name, imap_speaks_utf8(s));
        buf_append_string(&c->out, " \"\"\r\n");
    }
    say_quota(c, "GETQUOTAROOT", rc, &m);
}

const struct imap_verb imap_folder_change_verbs[] = {
    { "CREATE",       IMAP_LOGGED_IN | IMAP_SELECTED, false, create         },
    { "DELETE",       IMAP_LOGGED_IN | IMAP_SELECTED, false, delete         },
    { "RENAME",       IMAP_LOGGED_IN | IMAP_SELECTED, false, rename_folder  },
    { "SUBSCRIBE",    IMAP_LOGGED_IN | IMAP_SELECTED, false, subscribe      },
    { "UNSUBSCRIBE",  IMAP_LOGGED_IN | IMAP_SELECTED, false, unsubscribe    },
    { "GETQUOTA",     IMAP_LOGGED_IN | IMAP_SELECTED, false, get_quota      },
    { "GETQUOTAROOT", IMAP_LOGGED_IN | IMAP_SELECTED, false, get_quota_root },
    { NULL,           0,                              false, NULL           },
};
