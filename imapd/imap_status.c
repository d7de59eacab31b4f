#include "imapd/imap_status.h"

#include "imapd/imap_name.h"

#include "lib/error.h"

enum { KIB = 1024 };

enum status_item { STATUS_MESSAGES, STATUS_RECENT, STATUS_UIDNEXT, STATUS_UIDVALIDITY, STATUS_UNSEEN, STATUS_DELETED, STATUS_SIZE,
                   STATUS_HIGHESTMODSEQ, STATUS_MAILBOXID, STATUS_DELETED_STORAGE, STATUS_ITEMS };

static const char *const names[STATUS_ITEMS] = { "MESSAGES", "RECENT", "UIDNEXT", "UIDVALIDITY", "UNSEEN", "DELETED", "SIZE",
                                                 "HIGHESTMODSEQ", "MAILBOXID", "DELETED-STORAGE" };

unsigned
imap_status_items(struct imap_reader *r)
{
    unsigned items = 0;

    if (!imap_take(r, "("))
        imap_fail(r, "a list of what to tell");
    do {
        struct slice word = imap_atom(r);
        unsigned     i = 0;

        while (i < STATUS_ITEMS && !slice_equal_nocase(word, slice_of(names[i])))
            i++;
        if (i == STATUS_ITEMS)
            imap_fail(r, "MESSAGES, RECENT, UIDNEXT, UIDVALIDITY, UNSEEN, DELETED, SIZE, HIGHESTMODSEQ, MAILBOXID or DELETED-STORAGE");
        else
            items |= 1u << i;
    } while (imap_take(r, " "));
    if (!imap_take(r, ")"))
        imap_fail(r, "a space or the end of the list");
    return items;
}

bool
imap_status_has_modseq(unsigned items)
{
    return (items & 1u << STATUS_HIGHESTMODSEQ) != 0;
}

void
imap_status_begin(struct imap_status *n, unsigned items)
{
    *n = (struct imap_status){ .items = items };
}

struct counting {
    struct imap_status         *n;
    const struct db_view       *view;
    const struct folder_record *folder;
    unsigned                    looked;
    bool                        more;
};

static bool
count(void *arg, uint32_t uid, const struct entry *e)
{
    struct counting      *k = arg;
    struct imap_status   *n = k->n;
    struct message_record m;

    n->next_uid = uid;
    k->more = k->looked >= IMAP_STATUS_ENTRIES;
    if (k->more)
        return false;
    k->looked++;
    n->next_uid = uid + 1;
    n->recent += uid >= k->folder->recent_uid;
    n->unseen += (e->flags & ENTRY_SEEN) == 0;
    if ((e->flags & ENTRY_DELETED) == 0)
        return true;
    n->deleted++;
    if ((n->items & 1u << STATUS_DELETED_STORAGE) == 0)
        return true;
    k->looked += IMAP_STATUS_RECORD_ENTRIES;
    if (db_message(k->view, e->message_id, &m) == MT_OK)
        n->deleted_bytes += message_size(&m);
    return true;
}

bool
imap_status_step(struct imap_status *n, const struct db_view *view, const struct folder_record *f)
{
    const unsigned  of_all = 1u << STATUS_UNSEEN | 1u << STATUS_DELETED | 1u << STATUS_DELETED_STORAGE;
    struct counting k = { .n = n, .view = view, .folder = f };

    if ((n->items & (of_all | 1u << STATUS_RECENT)) == 0)
        return true;
    if ((n->items & of_all) == 0 && n->next_uid < f->recent_uid)
        n->next_uid = f->recent_uid;
    db_entries(view, f->mailbox_id, f->id, n->next_uid, count, &k);
    return !k.more;
}

void
imap_status_say(struct buf *b, const struct imap_status *n, const struct folder_record *f, bool utf8)
{
    const uint64_t values[STATUS_ITEMS] = {
        [STATUS_MESSAGES] = f->messages, [STATUS_RECENT] = n->recent, [STATUS_UIDNEXT] = f->uidnext, [STATUS_UIDVALIDITY] = f->uidvalidity,
        [STATUS_UNSEEN] = n->unseen, [STATUS_DELETED] = n->deleted, [STATUS_SIZE] = f->bytes,
        [STATUS_HIGHESTMODSEQ] = f->modseq == 0 ? 1 : f->modseq,
        [STATUS_DELETED_STORAGE] = (n->deleted_bytes + KIB - 1) / KIB,      /* RFC 9208 section 5.3 */
    };
    const char *before = "";

    buf_append_string(b, "* STATUS ");
    imap_put_name(b, f->name, utf8);
    buf_append_string(b, " (");
    for (unsigned i = 0; i < STATUS_ITEMS; i++) {
        if ((n->items & 1u << i) == 0)
            continue;
        if (i == STATUS_MAILBOXID)
            buf_printf(b, "%sMAILBOXID (F%x-%u)", before, f->mailbox_id, f->id);
        else
            buf_printf(b, "%s%s %llu", before, names[i], (unsigned long long)values[i]);
        before = " ";
    }
    buf_append_string(b, ")\r\n");
}
