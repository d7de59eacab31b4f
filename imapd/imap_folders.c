/* Commands about folders: SELECT, EXAMINE, CLOSE, UNSELECT, LIST, LSUB, STATUS, NAMESPACE, CREATE, DELETE, RENAME, SUBSCRIBE. */

#include "imapd/imap.h"
#include "imapd/imapd.h"
#include "imapd/imap_name.h"

#include "lib/error.h"

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

static void
unselect(struct connection *c)
{
    struct imap *s = c->own;

    imap_view_close(&s->view);
    imap_set_fini(&s->found);
    s->state = IMAP_LOGGED_IN;
}

/* A folder's name as the client wrote it, in UTF-8 in text. */
static struct slice
read_name(struct imap_reader *r, char text[IMAP_NAME_BYTES + 1])
{
    struct slice written = imap_astring(r);

    if (!imap_name_decode(written, text)) {
        imap_fail(r, "a mailbox name in modified UTF-7 or UTF-8, of at most 255 octets");
        text[0] = '\0';
    }
    return slice_of(text);
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
        s->condstore = true;
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
    name = read_name(r, text);
    read_select_options(s, r);
    if (imap_refuse_syntax(c, r))
        return;
    if (s->state == IMAP_SELECTED)
        imap_say(c, "OK [CLOSED] the mailbox before is closed");
    unselect(c);
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
    unselect(c);
    imap_answer(c, "OK", "UNSELECT completed");
}

/* ---- STATUS -------------------------------------------------------------------------------------------------------------------- */

enum status_item { STATUS_MESSAGES, STATUS_RECENT, STATUS_UIDNEXT, STATUS_UIDVALIDITY, STATUS_UNSEEN, STATUS_DELETED, STATUS_SIZE,
                   STATUS_HIGHESTMODSEQ, STATUS_MAILBOXID, STATUS_ITEMS };

static const char *const status_names[STATUS_ITEMS] = { "MESSAGES", "RECENT", "UIDNEXT", "UIDVALIDITY", "UNSEEN", "DELETED", "SIZE",
                                                        "HIGHESTMODSEQ", "MAILBOXID" };

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
            imap_fail(r, "MESSAGES, RECENT, UIDNEXT, UIDVALIDITY, UNSEEN, DELETED, SIZE, HIGHESTMODSEQ or MAILBOXID");
        items |= 1u << i;
        imap_take(r, " ");
    }
    if (!imap_take(r, ")"))
        imap_fail(r, "the end of the list");
    return items;
}

struct flag_counts {
    uint32_t unseen, deleted;
};

static bool
count_flags(void *arg, uint32_t uid, const struct entry *e)
{
    struct flag_counts *n = arg;

    (void)uid;
    n->unseen += (e->flags & ENTRY_SEEN) == 0;
    n->deleted += (e->flags & ENTRY_DELETED) != 0;
    return true;
}

static void
say_status(struct connection *c, const struct db_view *view, const struct folder_record *f, unsigned items)
{
    struct flag_counts counts = { 0 };
    const char        *before = "";

    if ((items & (1u << STATUS_UNSEEN | 1u << STATUS_DELETED)) != 0)
        db_entries(view, f->mailbox_id, f->id, 0, count_flags, &counts);
    buf_append_string(&c->out, "* STATUS ");
    imap_put_name(&c->out, f->name);
    buf_append_string(&c->out, " (");
    for (unsigned i = 0; i < STATUS_ITEMS; i++) {
        const uint64_t values[STATUS_ITEMS] = {
            [STATUS_MESSAGES] = f->messages, [STATUS_UIDNEXT] = f->uidnext, [STATUS_UIDVALIDITY] = f->uidvalidity,
            [STATUS_UNSEEN] = counts.unseen, [STATUS_DELETED] = counts.deleted, [STATUS_SIZE] = f->bytes,
            [STATUS_HIGHESTMODSEQ] = f->modseq == 0 ? 1 : f->modseq,
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
    name = read_name(r, text);
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
    const char  *response;              /* "LIST", "LSUB" */
    struct slice reference;
    struct slice patterns[PATTERNS_MAX];
    unsigned     pattern_count;
    bool         subscribed_only;       /* every folder is: nothing is left out */
    unsigned     status_items;          /* LIST-STATUS (RFC 5819) */
};

static bool
list_folder(void *arg, const struct folder_record *f)
{
    struct listing *l = arg;
    bool            wanted = false;

    for (unsigned i = 0; i < l->pattern_count && !wanted; i++)
        wanted = imap_name_matches(f->name, l->reference, l->patterns[i]);
    if (!wanted)
        return true;
    buf_printf(&l->c->out, "* %s (%s\\HasNoChildren%s) \"/\" ", l->response, l->subscribed_only ? "\\Subscribed " : "",
               f->id == FOLDER_UNMATCHED ? " \\Junk" : "");
    imap_put_name(&l->c->out, f->name);
    buf_append_string(&l->c->out, "\r\n");
    if (l->status_items != 0)
        say_status(l->c, l->view, f, l->status_items);
    return true;
}

/* The selection options in front (RFC 5258): of these SUBSCRIBED changes nothing but the answer, since every folder is. */
static void
read_selection(struct listing *l, struct imap_reader *r)
{
    if (!imap_take(r, "("))
        return;
    while (imap_ok(r) && !imap_next_is(r, ')')) {
        struct slice option = imap_atom(r);

        l->subscribed_only = l->subscribed_only || slice_equal_nocase(option, slice_of("SUBSCRIBED"));
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
            l->subscribed_only = true;
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
        imap_say(l->c, "%s (\\Noselect) \"/\" \"\"", l->response);
        imap_answer(l->c, "OK", "%s completed", l->response);
        return;
    }
    rc = db_view_begin(l->c->imapd->db, &view);
    if (rc == MT_OK) {
        l->view = &view;
        rc = db_folders(&view, s->login.mailbox_id, list_folder, l);
        db_view_end(&view);
    }
    if (rc != MT_OK)
        imap_refuse_read(l->c, rc);
    else
        imap_answer(l->c, "OK", "%s completed", l->response);
}

static void
list(struct connection *c, struct imap_reader *r)
{
    struct listing l = { .c = c, .response = "LIST" };

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
    struct listing l = { .c = c, .response = "LSUB" };

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
