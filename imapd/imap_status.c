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

struct counts {
    const struct db_view *view;         /* NULL: the octets are not wanted */
    uint32_t              recent_uid;
    uint32_t              recent, unseen, deleted;
    uint64_t              deleted_bytes;
};

static bool
count(void *arg, uint32_t uid, const struct entry *e)
{
    struct counts        *n = arg;
    struct message_record m;

    n->recent += uid >= n->recent_uid;
    n->unseen += (e->flags & ENTRY_SEEN) == 0;
    if ((e->flags & ENTRY_DELETED) == 0)
        return true;
    n->deleted++;
    if (n->view != NULL && db_message(n->view, e->message_id, &m) == MT_OK)
        n->deleted_bytes += message_size(&m);
    return true;
}

static struct counts
count_all(const struct db_view *view, const struct folder_record *f, unsigned items)
{
    const unsigned of_all = 1u << STATUS_UNSEEN | 1u << STATUS_DELETED | 1u << STATUS_DELETED_STORAGE;
    struct counts  n = { .view = (items & 1u << STATUS_DELETED_STORAGE) != 0 ? view : NULL, .recent_uid = f->recent_uid };

    if ((items & (of_all | 1u << STATUS_RECENT)) != 0)
        db_entries(view, f->mailbox_id, f->id, (items & of_all) != 0 ? 0 : f->recent_uid, count, &n);
    return n;
}

void
imap_status_say(struct buf *b, const struct db_view *view, const struct folder_record *f, unsigned items, bool utf8)
{
    const struct counts n = count_all(view, f, items);
    const uint64_t      values[STATUS_ITEMS] = {
        [STATUS_MESSAGES] = f->messages, [STATUS_RECENT] = n.recent, [STATUS_UIDNEXT] = f->uidnext, [STATUS_UIDVALIDITY] = f->uidvalidity,
        [STATUS_UNSEEN] = n.unseen, [STATUS_DELETED] = n.deleted, [STATUS_SIZE] = f->bytes,
        [STATUS_HIGHESTMODSEQ] = f->modseq == 0 ? 1 : f->modseq,
        [STATUS_DELETED_STORAGE] = (n.deleted_bytes + KIB - 1) / KIB,      /* RFC 9208 section 5.3 */
    };
    const char *before = "";

    buf_append_string(b, "* STATUS ");
    imap_put_name(b, f->name, utf8);
    buf_append_string(b, " (");
    for (unsigned i = 0; i < STATUS_ITEMS; i++) {
        if ((items & 1u << i) == 0)
            continue;
        if (i == STATUS_MAILBOXID)
            buf_printf(b, "%sMAILBOXID (F%x-%u)", before, f->mailbox_id, f->id);
        else
            buf_printf(b, "%s%s %llu", before, names[i], (unsigned long long)values[i]);
        before = " ";
    }
    buf_append_string(b, ")\r\n");
}
