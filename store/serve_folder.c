/* Folders: made, removed, renamed, subscribed to, for IMAP. */

#include "lib/error.h"
#include "lib/folder_name.h"
#include "store/message.h"
#include "store/request.h"
#include "store/subscription.h"

struct folder_op {
    struct request_op o;
    uint32_t          mailbox_id;
    uint32_t          folder_id;
    bool              flag;                         /* subscribed; of a deletion: that the folder has gone */
    char              name[FOLDER_NAME_BYTES + 1];
};

/* ---- All folders of a mailbox ---- */

/* What is in the database, in the order of the ids. Each is then in the transaction, too. */
struct folder_list {
    struct tx         *tx;
    struct tx_mailbox *mailbox;
    struct tx_folder  *folders[DB_FOLDERS_MAX];
    unsigned           count;
    uint32_t           ids[DB_FOLDERS_MAX];
};

static bool
note_id(void *arg, const struct folder_record *f)
{
    struct folder_list *l = arg;

    if (l->count < DB_FOLDERS_MAX)
        l->ids[l->count++] = f->id;
    return l->count < DB_FOLDERS_MAX;
}

static int
read_folders(struct tx *tx, struct tx_mailbox *m, struct folder_list *l)
{
    unsigned count = 0;
    int      rc;

    *l = (struct folder_list){ .tx = tx, .mailbox = m };
    rc = db_folders(tx_view(tx), m->record.id, note_id, l);
    for (unsigned i = 0; i < l->count && rc == MT_OK; i++) {
        rc = tx_folder(tx, m, l->ids[i], &l->folders[count]);
        count += rc == MT_OK;
        rc = rc == MT_ENOTFOUND ? MT_OK : rc;
    }
    l->count = count;
    return rc;
}

static struct tx_folder *
find_name(const struct folder_list *l, struct slice name)
{
    for (unsigned i = 0; i < l->count; i++)
        if (slice_equal(l->folders[i]->record.name, name))
            return l->folders[i];
    return NULL;
}

static bool
has_below(const struct folder_list *l, struct slice name)
{
    for (unsigned i = 0; i < l->count; i++)
        if (folder_name_is_below(l->folders[i]->record.name, name))
            return true;
    return false;
}

/* How many of the folders around that name are missing. */
static unsigned
missing_parents(const struct folder_list *l, struct slice name)
{
    unsigned count = 0;

    for (struct slice p = folder_name_parent(name); p.len > 0; p = folder_name_parent(p))
        count += find_name(l, p) == NULL;
    return count;
}

/* Higher than any that a folder of this mailbox had: under one name, no UID with it means two messages. */
static uint32_t
next_uidvalidity(const struct tx *tx, const struct folder_list *l)
{
    uint32_t now_unix = (uint32_t)(tx_now_us(tx) / 1000000);
    uint32_t highest = l->mailbox->record.uidvalidity;

    for (unsigned i = 0; i < l->count; i++)
        if (l->folders[i]->record.uidvalidity > highest)
            highest = l->folders[i]->record.uidvalidity;
    return now_unix > highest ? now_unix : highest + 1;
}

/* Written at once, since the next request of the same transaction reads the table. */
static void
put_folder(struct tx *tx, const struct folder_record *f)
{
    unsigned char key[DB_KEY_MAX];
    struct buf   *b = tx_scratch(tx);

    folder_record_write(b, f);
    tx_put(tx, TABLE_FOLDER, db_key_folder(key, f->mailbox_id, f->id), buf_slice(b), 0);
}

/* Only the readers that look at this folder have to know. */
static void
tell_folder(struct tx *tx, const struct tx_mailbox *m, uint32_t folder_id)
{
    struct change change = { .kind = CHANGE_FOLDER, .mailbox_id = m->record.id, .folder_id = folder_id };

    memcpy(change.mailbox, m->name, sizeof(change.mailbox));
    tx_change(tx, &change);
}

static struct tx_folder *
add_folder(struct tx *tx, struct folder_list *l, struct slice name)
{
    struct tx_mailbox   *m = l->mailbox;
    struct folder_record record = { .mailbox_id = m->record.id, .id = m->record.next_folder_id++, .name = name, .uidnext = 1, .recent_uid = 1, .modseq = 1,
                                    .subscribed = true };
    struct tx_folder    *f;

    record.uidvalidity = m->record.uidvalidity = next_uidvalidity(tx, l);
    m->dirty = true;
    if (tx_folder_add(tx, m, &record, &f) != MT_OK)
        return NULL;
    l->folders[l->count++] = f;
    put_folder(tx, &f->record);
    subscription_drop(tx, m->record.id, f->record.name);
    return f;
}

/* The folder and those around it that are missing, the outermost first. There is room for them. */
static struct tx_folder *
add_with_parents(struct tx *tx, struct folder_list *l, struct slice name)
{
    for (size_t len = 0; len < name.len; len++)
        if (name.data[len] == '/' && find_name(l, slice_sub(name, 0, len)) == NULL && add_folder(tx, l, slice_sub(name, 0, len)) == NULL)
            return NULL;
    return add_folder(tx, l, name);
}

static int
begin(struct folder_op *f, struct tx *tx, struct folder_list *l)
{
    struct tx_mailbox *m;
    int                rc = tx_mailbox(tx, f->mailbox_id, &m);

    return rc == MT_OK ? read_folders(tx, m, l) : rc;
}

/* ---- Making ---- */

static int
create(struct batch_op *op, struct tx *tx)
{
    struct folder_op  *f = (struct folder_op *)op;
    struct slice       name = slice_of(f->name);
    struct folder_list l;
    struct tx_folder  *added;
    int                rc = begin(f, tx, &l);

    if (rc != MT_OK)
        return rc;
    if (!folder_name_is_fine(name))
        return MT_EINVALID;
    if (find_name(&l, name) != NULL)
        return MT_EEXIST;
    if (l.count + missing_parents(&l, name) + 1 > DB_FOLDERS_MAX)
        return MT_ESIZE;
    added = add_with_parents(tx, &l, name);
    f->folder_id = added == NULL ? 0 : added->record.id;
    return tx_fault(tx);
}

static void
answer_id(struct request_op *o, struct buf *b)
{
    write_u32(b, ((struct folder_op *)o)->folder_id);
}

/* ---- Removing ---- */

struct ids {
    uint64_t ids[MSG_MESSAGES_DELETE_MAX];
    uint32_t uids[MSG_MESSAGES_DELETE_MAX];
    uint32_t count;
};

static bool
note_message(void *arg, uint32_t uid, const struct entry *e)
{
    struct ids *n = arg;

    n->uids[n->count] = uid;
    n->ids[n->count++] = e->message_id;
    return n->count < MSG_MESSAGES_DELETE_MAX;
}

/* Arrivals stay in their tokens' records. An entry without its message goes, too. */
static int
remove_some(struct tx *tx, const struct tx_folder *f, uint32_t *left)
{
    struct ids    n = { .count = 0 };
    unsigned char key[DB_KEY_MAX];
    int           rc = db_entries(tx_view(tx), f->record.mailbox_id, f->record.id, 0, note_message, &n);

    for (uint32_t i = 0; i < n.count && rc == MT_OK; i++) {
        message_remove(tx, n.ids[i]);
        tx_delete(tx, TABLE_ENTRY, db_key_entry(key, f->record.mailbox_id, f->record.id, n.uids[i]));
    }
    *left = n.count < MSG_MESSAGES_DELETE_MAX ? 0 : 1;
    return rc == MT_OK ? tx_fault(tx) : rc;
}

static int
delete(struct batch_op *op, struct tx *tx)
{
    struct folder_op  *f = (struct folder_op *)op;
    unsigned char      key[DB_KEY_MAX];
    struct folder_list l;
    struct tx_folder  *folder;
    uint32_t           left;
    int                rc = begin(f, tx, &l);

    f->flag = false;
    if (rc != MT_OK)
        return rc;
    if (f->folder_id < FOLDER_FIRST_OWN)
        return MT_EINVALID;
    rc = tx_folder(tx, l.mailbox, f->folder_id, &folder);
    if (rc != MT_OK)
        return rc;
    if (has_below(&l, folder->record.name))
        return MT_EBUSY;
    rc = remove_some(tx, folder, &left);
    if (rc != MT_OK || left > 0)
        return rc;
    if (folder->record.subscribed)
        subscription_keep(tx, f->mailbox_id, folder->record.name);
    folder->removed = true;
    tx_delete(tx, TABLE_FOLDER, db_key_folder(key, f->mailbox_id, f->folder_id));
    tell_folder(tx, l.mailbox, f->folder_id);
    f->flag = true;
    return tx_fault(tx);
}

static void
answer_flag(struct request_op *o, struct buf *b)
{
    write_u8(b, ((struct folder_op *)o)->flag);
}

/* ---- Renaming ---- */

/* What is below goes along: each name has to fit still. */
static bool
all_fit(const struct folder_list *l, struct slice from, struct slice to)
{
    for (unsigned i = 0; i < l->count; i++) {
        struct slice name = l->folders[i]->record.name;

        if (folder_name_is_below(name, from) && name.len - from.len + to.len > FOLDER_NAME_BYTES)
            return false;
    }
    return true;
}

/* The old name stays subscribed to, as RFC 9051 section 6.3.6 has it. */
static int
rename_one(struct tx *tx, struct tx_mailbox *m, struct tx_folder *f, size_t from_len, struct slice to)
{
    char                 text[FOLDER_NAME_BYTES + 1];
    struct slice         rest = slice_sub(f->record.name, from_len, f->record.name.len);
    struct folder_record record = f->record;

    memcpy(text, to.data, to.len);
    if (rest.len > 0)
        memcpy(text + to.len, rest.data, rest.len);
    record.name = slice_make(text, to.len + rest.len);
    if (record.subscribed)
        subscription_keep(tx, record.mailbox_id, f->record.name);
    subscription_drop(tx, record.mailbox_id, record.name);
    put_folder(tx, &record);
    return tx_folder_rename(tx, f, record.name) == MT_OK ? (tell_folder(tx, m, f->record.id), MT_OK) : tx_fault(tx);
}

static int
rename_all(struct tx *tx, struct folder_list *l, struct slice from, struct slice to)
{
    unsigned count = l->count;

    if (folder_name_parent(to).len > 0 && find_name(l, folder_name_parent(to)) == NULL)
        add_with_parents(tx, l, folder_name_parent(to));
    for (unsigned i = 0; i < count && tx_fault(tx) == MT_OK; i++)
        if (slice_equal(l->folders[i]->record.name, from) || folder_name_is_below(l->folders[i]->record.name, from))
            rename_one(tx, l->mailbox, l->folders[i], from.len, to);
    return tx_fault(tx);
}

static int
rename_folder(struct batch_op *op, struct tx *tx)
{
    struct folder_op  *f = (struct folder_op *)op;
    struct slice       to = slice_of(f->name), from;
    char               text[FOLDER_NAME_BYTES + 1];
    struct folder_list l;
    struct tx_folder  *folder;
    int                rc = begin(f, tx, &l);

    if (rc != MT_OK)
        return rc;
    if (f->folder_id < FOLDER_FIRST_OWN || !folder_name_is_fine(to))
        return MT_EINVALID;
    rc = tx_folder(tx, l.mailbox, f->folder_id, &folder);
    if (rc != MT_OK)
        return rc;
    slice_copy(text, sizeof(text), folder->record.name);
    from = slice_of(text);
    if (find_name(&l, to) != NULL)
        return MT_EEXIST;
    if (folder_name_is_below(to, from) || !all_fit(&l, from, to))
        return MT_EINVALID;
    if (l.count + missing_parents(&l, to) > DB_FOLDERS_MAX)
        return MT_ESIZE;
    return rename_all(tx, &l, from, to);
}

/* ---- Subscribing ---- */

/* To a folder that is there, or to one whose subscription was kept; ending one that there is not is fine (RFC 9051 section 6.3.8). */
static int
subscribe(struct batch_op *op, struct tx *tx)
{
    struct folder_op  *f = (struct folder_op *)op;
    struct slice       name = slice_of(f->name);
    struct folder_list l;
    struct tx_folder  *folder;
    int                rc = begin(f, tx, &l);

    if (rc != MT_OK)
        return rc;
    folder = find_name(&l, name);
    if (folder == NULL && f->flag)
        return subscription_is_kept(tx, f->mailbox_id, name) ? MT_OK : MT_ENOTFOUND;
    if (folder == NULL) {
        subscription_drop(tx, f->mailbox_id, name);
        return tx_fault(tx);
    }
    folder->dirty = folder->dirty || folder->record.subscribed != f->flag;
    folder->record.subscribed = f->flag;
    return tx_fault(tx);
}

/* ---- Requests ---- */

/* Which fields stand behind the mailbox's id. */
enum fields { FIELD_FOLDER = 1, FIELD_NAME = 2, FIELD_FLAG = 4 };

static int
queue(struct peer *p, uint64_t req, struct reader *r, enum fields fields, int (*run)(struct batch_op *op, struct tx *tx),
      void (*answer)(struct request_op *o, struct buf *b), bool grows)
{
    struct folder_op  read = { .folder_id = 0 };
    struct folder_op *f;

    read_u32(r, &read.mailbox_id);
    if ((fields & FIELD_FOLDER) != 0)
        read_u32(r, &read.folder_id);
    if ((fields & FIELD_NAME) != 0)
        read_string(r, read.name, sizeof(read.name));
    if ((fields & FIELD_FLAG) != 0)
        read_bool(r, &read.flag);
    if (!read_end(r))
        return MT_EPROTO;
    f = request_op_new(p, req, sizeof(*f), run, answer, grows);
    if (f == NULL)
        return MT_OK;
    read.o = f->o;
    *f = read;
    request_queue(&f->o);
    return MT_OK;
}

int
serve_folder_create(struct peer *p, uint64_t req, struct reader *r, int *fd)
{
    (void)fd;
    return queue(p, req, r, FIELD_NAME, create, answer_id, true);
}

int
serve_folder_delete(struct peer *p, uint64_t req, struct reader *r, int *fd)
{
    (void)fd;
    return queue(p, req, r, FIELD_FOLDER, delete, answer_flag, false);
}

int
serve_folder_rename(struct peer *p, uint64_t req, struct reader *r, int *fd)
{
    (void)fd;
    return queue(p, req, r, (enum fields)(FIELD_FOLDER | FIELD_NAME), rename_folder, NULL, true);
}

int
serve_folder_subscribe(struct peer *p, uint64_t req, struct reader *r, int *fd)
{
    (void)fd;
    return queue(p, req, r, (enum fields)(FIELD_NAME | FIELD_FLAG), subscribe, NULL, true);
}
