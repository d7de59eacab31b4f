/* Flags and keywords of messages, changed for IMAP. */

#include "lib/error.h"
#include "store/request.h"

struct flags_op {
    struct request_op o;
    uint32_t          mailbox_id;
    uint32_t          folder_id;
    uint8_t           op;                   /* enum msg_flags_op */
    uint32_t          flags;
    char              keywords[ENTRY_KEYWORDS_BYTES + 1];
    uint64_t          unchanged_since;
    uint64_t          modseq;               /* of the change; 0: nothing was changed */
    uint32_t          count;
    uint32_t          modified_count;
    uint32_t          uids[MSG_MESSAGES_DELETE_MAX];
    uint32_t          modified[MSG_MESSAGES_DELETE_MAX];
};

static struct slice
next_word(struct slice *words)
{
    struct slice word = slice_sub(*words, 0, slice_find(*words, ' '));

    *words = slice_sub(*words, word.len + 1, words->len);
    return word;
}

/* Appends those words of from that are not in to yet, or that are not in without. */
static void
add_words(struct buf *to, struct slice from, struct slice without)
{
    while (from.len > 0) {
        struct slice word = next_word(&from);

        if (word.len == 0 || entry_has_keyword(without, word) || entry_has_keyword(buf_slice(to), word))
            continue;
        if (to->len > 0)
            buf_append_byte(to, ' ');
        buf_append_slice(to, word);
    }
}

static void
change_entry(const struct flags_op *f, struct entry *e, struct buf *keywords)
{
    struct slice none = slice_make("", 0), given = slice_of(f->keywords);

    switch (f->op) {
    case MSG_FLAGS_SET:
        e->flags = f->flags;
        add_words(keywords, given, none);
        break;
    case MSG_FLAGS_ADD:
        e->flags |= f->flags;
        add_words(keywords, e->keywords, none);
        add_words(keywords, given, none);
        break;
    default:
        e->flags &= ~f->flags;
        add_words(keywords, e->keywords, given);
        break;
    }
    e->keywords = buf_slice(keywords);
}

static void
write_entry(struct tx *tx, struct slice key, const struct entry *e)
{
    struct buf *b = tx_scratch(tx);

    entry_write(b, key, e);
    tx_put(tx, TABLE_ENTRY, key, buf_slice(b), 0);
}

static void
tell(struct tx *tx, const struct tx_mailbox *m, const struct flags_op *f, uint32_t uid, const struct entry *e)
{
    struct change change = { .kind = CHANGE_FLAGS, .message_id = e->message_id, .modseq = e->modseq, .mailbox_id = f->mailbox_id,
                             .folder_id = f->folder_id, .uid = uid };

    slice_copy(change.mailbox, sizeof(change.mailbox), slice_of(m->name));
    tx_change(tx, &change);
}

/* MT_ESIZE: the keywords of one message would be too many; nothing of it was written. */
static int
change_one(struct flags_op *f, struct tx *tx, const struct tx_mailbox *m, struct tx_folder *folder, uint32_t uid)
{
    unsigned char key[DB_KEY_MAX];
    struct slice  at = db_key_entry(key, f->mailbox_id, f->folder_id, uid);
    struct entry  e, before;
    struct buf    keywords;
    int           rc = db_entry(tx_view(tx), f->mailbox_id, f->folder_id, uid, &e);

    if (rc != MT_OK)
        return rc == MT_ENOTFOUND ? MT_OK : rc;
    if (e.modseq > f->unchanged_since) {
        f->modified[f->modified_count++] = uid;
        return MT_OK;
    }
    buf_init(&keywords, ENTRY_KEYWORDS_BYTES);
    before = e;
    change_entry(f, &e, &keywords);
    rc = keywords.fault;
    if (rc == MT_OK && (e.flags != before.flags || !slice_equal(e.keywords, before.keywords))) {
        if (f->modseq == 0)
            f->modseq = ++folder->record.modseq;
        folder->dirty = true;
        e.modseq = f->modseq;
        tx_folder_add_keywords(tx, folder, e.keywords);
        write_entry(tx, at, &e);
        tell(tx, m, f, uid, &e);
    }
    buf_fini(&keywords);
    return rc;
}

static int
change_flags(struct batch_op *op, struct tx *tx)
{
    struct flags_op   *f = (struct flags_op *)op;
    struct tx_mailbox *mailbox;
    struct tx_folder  *folder;
    int                rc = tx_mailbox(tx, f->mailbox_id, &mailbox);

    if (rc == MT_OK)
        rc = tx_folder(tx, mailbox, f->folder_id, &folder);
    f->modseq = 0;
    f->modified_count = 0;
    for (uint32_t i = 0; i < f->count && rc == MT_OK && tx_fault(tx) == MT_OK; i++) {
        int one = change_one(f, tx, mailbox, folder, f->uids[i]);

        /* A damaged entry is told among those that were not changed: the others can be. */
        if (one != MT_OK && one != MT_EDAMAGED && f->modseq == 0 && f->modified_count == 0)
            rc = one;
        else if (one != MT_OK)
            f->modified[f->modified_count++] = f->uids[i];
    }
    return rc == MT_OK ? tx_fault(tx) : rc;
}

static void
answer(struct request_op *o, struct buf *b)
{
    const struct flags_op *f = (const struct flags_op *)o;

    write_u64(b, f->modseq);
    write_u32(b, f->modified_count);
    for (uint32_t i = 0; i < f->modified_count; i++)
        write_u32(b, f->modified[i]);
}

static bool
read_fields(struct reader *r, struct flags_op *f)
{
    read_u32(r, &f->mailbox_id);
    read_u32(r, &f->folder_id);
    read_u8(r, &f->op);
    read_u32(r, &f->flags);
    read_string(r, f->keywords, sizeof(f->keywords));
    read_u64(r, &f->unchanged_since);
    read_count(r, &f->count, MSG_MESSAGES_DELETE_MAX, sizeof(uint32_t));
    for (uint32_t i = 0; i < f->count; i++)
        read_u32(r, &f->uids[i]);
    return read_end(r) && f->op < MSG_FLAGS_OPS && (f->flags & ~(uint32_t)ENTRY_FLAGS) == 0;
}

int
serve_flags(struct peer *p, uint64_t req, struct reader *r, int *fd)
{
    struct flags_op fields = { .count = 0 };
    struct flags_op *f;

    (void)fd;
    if (!read_fields(r, &fields))
        return MT_EPROTO;
    f = request_op_new(p, req, sizeof(*f), change_flags, answer, false);
    if (f == NULL)
        return MT_OK;
    fields.o = f->o;
    *f = fields;
    request_queue(&f->o);
    return MT_OK;
}
