/* Commands about folders: SELECT, EXAMINE, CLOSE, UNSELECT, LIST, LSUB, STATUS, NAMESPACE. */

#include "imapd/imap.h"
#include "imapd/imapd.h"
#include "imapd/imap_name.h"

#include "lib/error.h"
#include "lib/folder_name.h"

#include <stdlib.h>

/* ---- SELECT and EXAMINE ------------------------------------------------------------------------------------------------------ */

struct seen_count {
    uint32_t number;
    uint32_t first_unseen;
    uint32_t unseen;
};

static bool
count_seen(void *arg, uint32_t uid, const struct entry *e)
{
    struct seen_count *n = arg;

    (void)uid;
    n->number++;
    if ((e->flags & ENTRY_SEEN) == 0 && n->unseen++ == 0)
        n->first_unseen = n->number;
    return true;
}

void
imap_unselect(struct connection *c)
{
    struct imap *s = c->own;

    imap_view_close(&s->view);
    imap_set_fini(&s->found);
    s->state = IMAP_LOGGED_IN;
}

struct slice
imap_read_name(struct imap_reader *r, char *text)
{
    struct slice written = imap_astring(r);

    if (!imap_name_decode(written, text)) {
        imap_fail(r, "a mailbox name in modified UTF-7 or UTF-8, of at most 255 octets");
        text[0] = '\0';
    }
    return slice_of(text);
}

int
imap_find_folder(struct connection *c, struct slice name, uint32_t *id)
{
    const struct imap   *s = c->own;
    struct folder_record folder;
    struct db_view       view;
    int                  rc = db_view_begin(c->imapd->db, &view);

    if (rc != MT_OK)
        return rc;
    rc = db_folder_by_name(&view, s->login.mailbox_id, name, &folder);
    db_view_end(&view);
    *id = rc == MT_OK ? folder.id : 0;
    return rc;
}

static int
open_folder(struct connection *c, struct slice name, struct folder_record *folder, struct seen_count *seen)
{
    struct imap   *s = c->own;
    struct db_view view;
    int            rc = db_view_begin(c->imapd->db, &view);

    if (rc != MT_OK)
        return rc;
    rc = db_folder_by_name(&view, s->login.mailbox_id, name, folder);
    if (rc == MT_OK)
        rc = imap_view_open(&s->view, &view, folder);
    if (rc == MT_OK)
        rc = db_entries(&view, folder->mailbox_id, folder->id, 0, count_seen, seen);
    folder->name = slice_make(NULL, 0);     /* ends with the view */
    db_view_end(&view);
    return rc;
}

/* "(CONDSTORE)" behind the name (RFC 7162 section 3.1.8). */
static void
read_select_options(struct imap *s, struct imap_reader *r)
{
    if (!imap_take(r, " ("))
        return;
    if (slice_equal_nocase(imap_atom(r), slice_of("CONDSTORE")))
        s->enabled |= IMAP_CONDSTORE;
    else
        imap_fail(r, "CONDSTORE");
    if (!imap_take(r, ")"))
        imap_fail(r, "the end of the list");
}

static void
open_selected(struct connection *c, struct imap_reader *r, bool read_only)
{
    struct imap         *s = c->own;
    struct seen_count    seen = { 0 };
    struct folder_record folder;
    char                 text[IMAP_NAME_BYTES + 1];
    struct slice         name;
    int                  rc;

    imap_space(r);
    name = imap_read_name(r, text);
    read_select_options(s, r);
    if (imap_refuse_syntax(c, r))
        return;
    if (s->state == IMAP_SELECTED)
        imap_say(c, "OK [CLOSED] the mailbox before is closed");
    imap_unselect(c);
    rc = open_folder(c, name, &folder, &seen);
    if (rc != MT_OK) {
        imap_refuse_read(c, rc);
        return;
    }
    s->read_only = read_only;
    s->state = IMAP_SELECTED;
    imapd_watch(c->imapd, &s->view);
    imap_say(c, "FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)");
    imap_say(c, "OK [PERMANENTFLAGS (%s)] flags that are kept", read_only ? "" : "\\Answered \\Flagged \\Deleted \\Seen \\Draft \\*");
    imap_say(c, "%u EXISTS", s->view.count);
    imap_say(c, "0 RECENT");
    if (seen.unseen > 0)
        imap_say(c, "OK [UNSEEN %u] the first that was not read", seen.first_unseen);
    imap_say(c, "OK [UIDVALIDITY %u] UIDs are valid", folder.uidvalidity);
    imap_say(c, "OK [UIDNEXT %u] the next UID", folder.uidnext);
    imap_say(c, "OK [HIGHESTMODSEQ %llu] the newest change", (unsigned long long)(folder.modseq == 0 ? 1 : folder.modseq));
    imap_say(c, "OK [MAILBOXID (F%x-%u)] its id", folder.mailbox_id, folder.id);
    imap_answer(c, "OK", "[%s] %s completed", read_only ? "READ-ONLY" : "READ-WRITE", read_only ? "EXAMINE" : "SELECT");
}

static void
select_folder(struct connection *c, struct imap_reader *r)
{
    open_selected(c, r, false);
}

static void
examine(struct connection *c, struct imap_reader *r)
{
    open_selected(c, r, true);
}

static void
unselect_folder(struct connection *c, struct imap_reader *r)
{
    if (imap_refuse_syntax(c, r))
        return;
    imap_unselect(c);
    imap_answer(c, "OK", "UNSELECT completed");
}

/* ---- STATUS -------------------------------------------------------------------------------------------------------------------- */

enum { KIB = 1024 };

enum status_item { STATUS_MESSAGES, STATUS_RECENT, STATUS_UIDNEXT, STATUS_UIDVALIDITY, STATUS_UNSEEN, STATUS_DELETED, STATUS_SIZE,
                   STATUS_HIGHESTMODSEQ, STATUS_MAILBOXID, STATUS_DELETED_STORAGE, STATUS_ITEMS };

static const char *const status_names[STATUS_ITEMS] = { "MESSAGES", "RECENT", "UIDNEXT", "UIDVALIDITY", "UNSEEN", "DELETED", "SIZE",
                                                        "HIGHESTMODSEQ", "MAILBOXID", "DELETED-STORAGE" };

static unsigned
read_status_items(struct imap_reader *r)
{
    unsigned items = 0;

    if (!imap_take(r, "("))
        imap_fail(r, "a list of what to tell");
    while (imap_ok(r) && !imap_next_is(r, ')')) {
        struct slice word = imap_atom(r);
        unsigned     i = 0;

        while (i < STATUS_ITEMS && !slice_equal_nocase(word, slice_of(status_names[i])))
            i++;
        if (i == STATUS_ITEMS)
            imap_fail(r, "MESSAGES, RECENT, UIDNEXT, UIDVALIDITY, UNSEEN, DELETED, SIZE, HIGHESTMODSEQ, MAILBOXID or DELETED-STORAGE");
        items |= 1u << i;
        imap_take(r, " ");
    }
    if (!imap_take(r, ")"))
        imap_fail(r, "the end of the list");
    return items;
}

struct flag_counts {
    const struct db_view *view;         /* NULL: the octets are not wanted */
    uint32_t              unseen, deleted;
    uint64_t              deleted_bytes;
};

static bool
count_flags(void *arg, uint32_t uid, const struct entry *e)
{
    struct flag_counts   *n = arg;
    struct message_record m;

    (void)uid;
    n->unseen += (e->flags & ENTRY_SEEN) == 0;
    if ((e->flags & ENTRY_DELETED) == 0)
        return true;
    n->deleted++;
    if (n->view != NULL && db_message(n->view, e->message_id, &m) == MT_OK)
        n->deleted_bytes += message_size(&m);
    return true;
}

static void
say_status(struct connection *c, const struct db_view *view, const struct folder_record *f, unsigned items)
{
    struct flag_counts counts = { .view = (items & 1u << STATUS_DELETED_STORAGE) != 0 ? view : NULL };
    const char        *before = "";

    if ((items & (1u << STATUS_UNSEEN | 1u << STATUS_DELETED | 1u << STATUS_DELETED_STORAGE)) != 0)
        db_entries(view, f->mailbox_id, f->id, 0, count_flags, &counts);
    buf_append_string(&c->out, "* STATUS ");
    imap_put_name(&c->out, f->name);
    buf_append_string(&c->out, " (");
    for (unsigned i = 0; i < STATUS_ITEMS; i++) {
        const uint64_t values[STATUS_ITEMS] = {
            [STATUS_MESSAGES] = f->messages, [STATUS_UIDNEXT] = f->uidnext, [STATUS_UIDVALIDITY] = f->uidvalidity,
            [STATUS_UNSEEN] = counts.unseen, [STATUS_DELETED] = counts.deleted, [STATUS_SIZE] = f->bytes,
            [STATUS_HIGHESTMODSEQ] = f->modseq == 0 ? 1 : f->modseq,
            [STATUS_DELETED_STORAGE] = (counts.deleted_bytes + KIB - 1) / KIB,      /* RFC 9208 section 5.3 */
        };

        if ((items & 1u << i) == 0)
            continue;
        if (i == STATUS_MAILBOXID)
            buf_printf(&c->out, "%sMAILBOXID (F%x-%u)", before, f->mailbox_id, f->id);
        else
            buf_printf(&c->out, "%s%s %llu", before, status_names[i], (unsigned long long)values[i]);
        before = " ";
    }
    buf_append_string(&c->out, ")\r\n");
}

static void
status(struct connection *c, struct imap_reader *r)
{
    const struct imap   *s = c->own;
    struct folder_record folder;
    struct db_view       view;
    char                 text[IMAP_NAME_BYTES + 1];
    struct slice         name;
    unsigned             items;
    int                  rc;

    imap_space(r);
    name = imap_read_name(r, text);
    imap_space(r);
    items = read_status_items(r);
    if (imap_refuse_syntax(c, r))
        return;
    rc = db_view_begin(c->imapd->db, &view);
    if (rc == MT_OK) {
        rc = db_folder_by_name(&view, s->login.mailbox_id, name, &folder);
        if (rc == MT_OK)
            say_status(c, &view, &folder, items);
        db_view_end(&view);
    }
    if (rc != MT_OK)
        imap_refuse_read(c, rc);
    else
        imap_answer(c, "OK", "STATUS completed");
}

/* ---- LIST ------------------------------------------------------------------------------------------------------------------------ */

enum { PATTERNS_MAX = 16 };

struct listing {
    struct connection *c;
    const struct db_view *view;
    bool         lsub;
    struct slice reference;
    struct slice patterns[PATTERNS_MAX];
    unsigned     pattern_count;
    bool         subscribed_only;       /* others are left out */
    bool         special_only;          /* RFC 6154: those with a special use */
    bool         tells_subscribed;
    unsigned     status_items;          /* LIST-STATUS (RFC 5819) */
};

struct relatives {
    const struct listing *listing;
    struct slice          name;
    bool                  below;            /* there are folders below it */
    bool                  hidden;           /* one of these is subscribed to, and no pattern shows it */
};

static bool
is_wanted(const struct listing *l, struct slice name)
{
    for (unsigned i = 0; i < l->pattern_count; i++)
        if (imap_name_matches(name, l->reference, l->patterns[i]))
            return true;
    return false;
}

static bool
look_below(void *arg, const struct folder_record *f)
{
    struct relatives *r = arg;

    if (folder_name_is_below(f->name, r->name)) {
        r->below = true;
        r->hidden = r->hidden || (f->subscribed && !is_wanted(r->listing, f->name));
    }
    return true;
}

/* What is not subscribed to is left out where only that is asked for; LSUB names it where it leads to one that is (RFC 3501 section 6.3.9). */
static bool
list_folder(void *arg, const struct folder_record *f)
{
    struct listing  *l = arg;
    struct relatives r = { .listing = l, .name = f->name };
    bool             leads;

    if (!is_wanted(l, f->name) || (l->special_only && f->id != FOLDER_UNMATCHED))
        return true;
    db_folders(l->view, f->mailbox_id, look_below, &r);
    leads = l->lsub && !f->subscribed && r.hidden;
    if (l->subscribed_only && !f->subscribed && !leads)
        return true;
    buf_printf(&l->c->out, "* %s (%s%s\\Has%sChildren%s) \"/\" ", l->lsub ? "LSUB" : "LIST", leads ? "\\Noselect " : "",
               l->tells_subscribed && f->subscribed ? "\\Subscribed " : "", r.below ? "" : "No", f->id == FOLDER_UNMATCHED ? " \\Junk" : "");
    imap_put_name(&l->c->out, f->name);
    buf_append_string(&l->c->out, "\r\n");
    if (l->status_items != 0)
        say_status(l->c, l->view, f, l->status_items);
    return true;
}

/* The selection options in front (RFC 5258). */
static void
read_selection(struct listing *l, struct imap_reader *r)
{
    if (!imap_take(r, "("))
        return;
    while (imap_ok(r) && !imap_next_is(r, ')')) {
        struct slice option = imap_atom(r);

        if (slice_equal_nocase(option, slice_of("SUBSCRIBED")))
            l->subscribed_only = l->tells_subscribed = true;
        else if (slice_equal_nocase(option, slice_of("SPECIAL-USE")))
            l->special_only = true;
        imap_take(r, " ");
    }
    if (!imap_take(r, ") "))
        imap_fail(r, "the end of the options, and a space");
}

static void
read_patterns(struct listing *l, struct imap_reader *r)
{
    if (!imap_take(r, "(")) {
        l->patterns[l->pattern_count++] = imap_list_mailbox(r);
        return;
    }
    while (imap_ok(r) && !imap_next_is(r, ')')) {
        if (l->pattern_count == PATTERNS_MAX)
            imap_fail(r, "at most 16 patterns");
        else
            l->patterns[l->pattern_count++] = imap_list_mailbox(r);
        imap_take(r, " ");
    }
    if (!imap_take(r, ")"))
        imap_fail(r, "the end of the patterns");
}

static void
read_returns(struct listing *l, struct imap_reader *r)
{
    if (!imap_take(r, " RETURN ("))
        return;
    while (imap_ok(r) && !imap_next_is(r, ')')) {
        struct slice option = imap_atom(r);

        if (slice_equal_nocase(option, slice_of("SUBSCRIBED")))
            l->tells_subscribed = true;
        if (slice_equal_nocase(option, slice_of("STATUS"))) {
            imap_space(r);
            l->status_items = read_status_items(r);
        }
        imap_take(r, " ");
    }
    if (!imap_take(r, ")"))
        imap_fail(r, "the end of the options");
}

static void
say_list(struct listing *l)
{
    const struct imap *s = l->c->own;
    struct db_view     view;
    int                rc;

    if (l->pattern_count == 1 && l->patterns[0].len == 0) {     /* asks for the delimiter alone */
        imap_say(l->c, "%s (\\Noselect) \"/\" \"\"", l->lsub ? "LSUB" : "LIST");
        imap_answer(l->c, "OK", "%s completed", l->lsub ? "LSUB" : "LIST");
        return;
    }
    rc = db_view_begin(l->c->imapd->db, &view);
    if (rc == MT_OK) {
        l->view = &view;
        rc = db_folders(&view, s->login.mailbox_id, list_folder, l);
        l->view = NULL;
        db_view_end(&view);
    }
    if (rc != MT_OK)
        imap_refuse_read(l->c, rc);
    else
        imap_answer(l->c, "OK", "%s completed", l->lsub ? "LSUB" : "LIST");
}

static void
list(struct connection *c, struct imap_reader *r)
{
    struct listing l = { .c = c };

    imap_space(r);
    read_selection(&l, r);
    l.reference = imap_astring(r);
    imap_space(r);
    read_patterns(&l, r);
    read_returns(&l, r);
    if (!imap_refuse_syntax(c, r))
        say_list(&l);
}

static void
lsub(struct connection *c, struct imap_reader *r)
{
    struct listing l = { .c = c, .lsub = true, .subscribed_only = true };

    imap_space(r);
    l.reference = imap_astring(r);
    imap_space(r);
    l.patterns[l.pattern_count++] = imap_list_mailbox(r);
    if (!imap_refuse_syntax(c, r))
        say_list(&l);
}

static void
namespace(struct connection *c, struct imap_reader *r)
{
    if (imap_refuse_syntax(c, r))
        return;
    imap_say(c, "NAMESPACE ((\"\" \"/\")) NIL NIL");
    imap_answer(c, "OK", "NAMESPACE completed");
}

const struct imap_verb imap_folder_verbs[] = {
    { "SELECT",    IMAP_LOGGED_IN | IMAP_SELECTED, false, select_folder   },
    { "EXAMINE",   IMAP_LOGGED_IN | IMAP_SELECTED, false, examine         },
    { "UNSELECT",  IMAP_SELECTED,                  false, unselect_folder },
    { "STATUS",    IMAP_LOGGED_IN | IMAP_SELECTED, false, status          },
    { "LIST",      IMAP_LOGGED_IN | IMAP_SELECTED, false, list            },
    { "LSUB",      IMAP_LOGGED_IN | IMAP_SELECTED, false, lsub            },
    { "NAMESPACE", IMAP_LOGGED_IN | IMAP_SELECTED, false, namespace       },
    { NULL,        0,                              false, NULL            },
};
