#include "imapd/maildrop.h"

#include "lib/error.h"

#include <stdlib.h>

struct named {
    struct slice          name;
    struct folder_record *out;
    bool                  found;
};

/* As people type it: in any letter case. */
static bool
is_named(void *arg, const struct folder_record *f)
{
    struct named *n = arg;

    n->found = slice_equal_nocase(f->name, n->name);
    if (n->found)
        *n->out = *f;
    return !n->found;
}

static int
find_folder(const struct db_view *v, uint32_t mailbox_id, struct slice name, struct folder_record *out)
{
    struct named n = { .name = name.len == 0 ? slice_of("INBOX") : name, .out = out };
    int          rc = db_folders(v, mailbox_id, is_named, &n);

    return rc == MT_OK && !n.found ? MT_ENOTFOUND : rc;
}

struct filling {
    struct maildrop *drop;
    uint32_t         max;
};

static bool
add_entry(void *arg, uint32_t uid, const struct entry *e)
{
    struct filling *f = arg;

    if (f->drop->count == f->max)
        return false;
    f->drop->messages[f->drop->count++] = (struct maildrop_message){ .id = e->message_id, .uid = uid };
    return true;
}

static int
read_entries(const struct db_view *v, const struct folder_record *f, struct maildrop *out)
{
    struct filling filling = { out, f->messages < MAILDROP_MESSAGES_MAX ? (uint32_t)f->messages : MAILDROP_MESSAGES_MAX };

    out->messages = calloc(filling.max == 0 ? 1 : filling.max, sizeof(*out->messages));
    return out->messages == NULL ? MT_ENOMEM : db_entries(v, f->mailbox_id, f->id, 0, add_entry, &filling);
}

int
maildrop_open(struct db *db, uint32_t mailbox_id, struct slice folder, struct maildrop *out)
{
    struct folder_record record;
    struct db_view       view;
    int                  rc = db_view_begin(db, &view);

    *out = (struct maildrop){ .mailbox_id = mailbox_id };
    if (rc != MT_OK)
        return rc;
    rc = find_folder(&view, mailbox_id, folder, &record);
    if (rc == MT_OK) {
        out->folder_id = record.id;
        out->uidvalidity = record.uidvalidity;
        out->bytes = record.bytes;
        rc = read_entries(&view, &record, out);
    }
    db_view_end(&view);
    if (rc != MT_OK)
        maildrop_free(out);
    return rc;
}

void
maildrop_free(struct maildrop *m)
{
    free(m->messages);
    *m = (struct maildrop){ 0 };
}

int
maildrop_size(const struct maildrop *m, struct db *db, uint32_t n, uint64_t *bytes)
{
    struct message_record record;
    struct db_view        view;
    int                   rc;

    if (n == 0 || n > m->count)
        return MT_ESIZE;
    if (m->messages[n - 1].deleted)
        return MT_ENOTFOUND;
    rc = db_view_begin(db, &view);
    if (rc != MT_OK)
        return rc;
    rc = db_message(&view, m->messages[n - 1].id, &record);
    if (rc == MT_OK)
        *bytes = message_size(&record);
    db_view_end(&view);
    return rc;
}
