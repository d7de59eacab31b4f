/* LIST, LSUB, STATUS, NAMESPACE (RFC 9051 sections 6.3.9 to 6.3.11, RFC 3501 section 6.3.9). */

#include "imapd/imap.h"
#include "imapd/imapd.h"
#include "imapd/imap_list.h"
#include "imapd/imap_name.h"
#include "imapd/imap_status.h"

#include "lib/error.h"

#include <stdlib.h>

/* ---- One name ---------------------------------------------------------------------------------------------------------------- */

struct listing {
    struct imap_task       task;
    struct imap_list       list;
    struct imap_list_names names;
    bool                   chosen;      /* which names are to be said */
    unsigned               at;          /* the next one to say */
    struct imap_status     status;      /* of the one that was said last; items 0: none is under way */
};

/* Not all attributes go together: a name that is no folder, and leads to others that are none, has no children and yet something below it. */
static void
put_attributes(struct buf *b, const struct imap_list *l, const struct imap_list_name *n)
{
    const char *before = "";
    const struct {
        bool        holds;
        const char *name;
    } attributes[] = {
        { l->lsub && (!n->meets || n->folder_id == 0), "\\Noselect" },
        { (l->returns & RETURN_SUBSCRIBED) != 0 && n->subscribed, "\\Subscribed" },
        { !l->lsub && n->folder_id == 0, "\\NonExistent" },
        { n->has_children, "\\HasChildren" },
        { !n->has_children && (n->folder_id != 0 || !n->child_meets), "\\HasNoChildren" },
        { n->folder_id == FOLDER_UNMATCHED, "\\Junk" },
    };

    for (size_t i = 0; i < COUNT(attributes); i++) {
        if (!attributes[i].holds)
            continue;
        buf_printf(b, "%s%s", before, attributes[i].name);
        before = " ";
    }
}

static void
say_name(struct connection *c, const struct imap_list *l, const struct imap_list_name *n, struct slice old_name)
{
    const bool utf8 = imap_speaks_utf8(c->own);

    buf_printf(&c->out, "* %s (", l->lsub ? "LSUB" : "LIST");
    put_attributes(&c->out, l, n);
    buf_append_string(&c->out, ") \"/\" ");
    imap_put_name(&c->out, n->name, utf8);
    if ((l->selections & LIST_RECURSIVEMATCH) != 0 && n->child_meets)
        buf_printf(&c->out, " (\"CHILDINFO\" (%s%s%s))", (l->selections & LIST_SUBSCRIBED) != 0 ? "\"SUBSCRIBED\"" : "",
                   (l->selections & LIST_SUBSCRIBED) != 0 && (l->selections & LIST_SPECIAL_USE) != 0 ? " " : "",
                   (l->selections & LIST_SPECIAL_USE) != 0 ? "\"SPECIAL-USE\"" : "");
    if (old_name.len > 0) {
        buf_append_string(&c->out, " (\"OLDNAME\" (");
        imap_put_name(&c->out, old_name, utf8);
        buf_append_string(&c->out, "))");
    }
    buf_append_string(&c->out, "\r\n");
}

static bool
look_below(void *arg, const struct folder_record *f)
{
    struct imap_list_name *n = arg;

    n->has_children = n->has_children || folder_name_is_below(f->name, n->name);
    return !n->has_children;
}

void
imap_say_folder(struct connection *c, uint32_t folder_id, const char *old_name)
{
    const struct imap_list l = { .returns = RETURN_SUBSCRIBED };
    const struct imap     *s = c->own;
    struct folder_record   f;
    struct db_view         view;

    if (db_view_begin(c->imapd->db, &view) != MT_OK)
        return;
    if (db_folder(&view, s->login.mailbox_id, folder_id, &f) == MT_OK) {
        struct imap_list_name n = { .name = f.name, .folder_id = f.id, .subscribed = f.subscribed, .meets = true };

        db_folders(&view, f.mailbox_id, look_below, &n);
        say_name(c, &l, &n, slice_equal(slice_of(old_name), f.name) ? slice_make("", 0) : slice_of(old_name));
    }
    db_view_end(&view);
}

/* ---- LIST and LSUB ------------------------------------------------------------------------------------------------------------ */

static bool
gather_folder(void *arg, const struct folder_record *f)
{
    imap_list_add(arg, f->name, f->id, f->subscribed);
    return true;
}

static bool
gather_subscription(void *arg, struct slice name)
{
    imap_list_add(arg, name, 0, true);
    return true;
}

/* All names, as they are at one moment. */
static int
gather(struct connection *c, struct listing *l)
{
    const struct imap *s = c->own;
    struct db_view     view;
    int                rc = db_view_begin(c->imapd->db, &view);

    if (rc != MT_OK)
        return rc;
    rc = db_folders(&view, s->login.mailbox_id, gather_folder, &l->names);
    if (rc == MT_OK && (l->list.selections & LIST_SUBSCRIBED) != 0)
        rc = db_subscriptions(&view, s->login.mailbox_id, gather_subscription, &l->names);
    db_view_end(&view);
    return rc;
}

/* A step of the STATUS under way. A folder that has gone meanwhile has none (RFC 9051 section 6.3.9.2). */
static void
count_some(struct connection *c, struct listing *l)
{
    const struct imap           *s = c->own;
    const struct imap_list_name *n = &l->names.names[l->at - 1];
    struct folder_record         f;
    struct db_view               view;
    bool                         over = true;

    if (db_view_begin(c->imapd->db, &view) == MT_OK) {
        if (db_folder(&view, s->login.mailbox_id, n->folder_id, &f) == MT_OK && slice_equal(f.name, n->name)) {
            over = imap_status_step(&l->status, &view, &f);
            if (over)
                imap_status_say(&c->out, &l->status, &f, imap_speaks_utf8(s));
        }
        db_view_end(&view);
    }
    if (over)
        l->status.items = 0;
}

/* Some matches, or what is to be said up to the next STATUS, or a step of that. */
static bool
produce(struct connection *c, struct imap_task *t)
{
    struct listing *l = (struct listing *)t;

    l->chosen = l->chosen || imap_list_choose(&l->list, &l->names);
    if (!l->chosen)
        return true;
    if (l->status.items != 0) {
        count_some(c, l);
        return true;
    }
    while (l->at < l->names.count) {
        const struct imap_list_name *n = &l->names.names[l->at++];

        if (!n->shown)
            continue;
        say_name(c, &l->list, n, slice_make("", 0));
        if (l->list.status_items != 0 && n->meets && n->folder_id != 0) {
            imap_status_begin(&l->status, l->list.status_items);
            return true;
        }
    }
    imap_answer(c, "OK", "%s completed", l->list.lsub ? "LSUB" : "LIST");
    return false;
}

static void
free_listing(struct imap_task *t)
{
    struct listing *l = (struct listing *)t;

    imap_list_fini(&l->list);
    free(l);
}

/* True: the listing goes on as a task. */
static bool
begin(struct connection *c, struct listing *l)
{
    const char *command = l->list.lsub ? "LSUB" : "LIST";
    int         rc;

    if (l->list.root_only) {
        imap_say(c, "%s (\\Noselect) \"/\" \"\"", command);
        imap_answer(c, "OK", "%s completed", command);
        return false;
    }
    rc = gather(c, l);
    if (rc != MT_OK) {
        imap_refuse_read(c, rc);
        return false;
    }
    imap_begin_task(c, &l->task);
    return true;
}

static void
know_condstore(struct connection *c, unsigned status_items)
{
    if (imap_status_has_modseq(status_items))
        ((struct imap *)c->own)->enabled |= IMAP_CONDSTORE;
}

static void
list_or_lsub(struct connection *c, struct imap_reader *r, bool lsub)
{
    struct listing *l = calloc(1, sizeof(*l));

    if (l == NULL || !imap_list_read(&l->list, r, lsub)) {
        imap_answer(c, "NO", "[SERVERBUG] out of memory");
    } else if (!imap_refuse_syntax(c, r)) {
        know_condstore(c, l->list.status_items);
        l->task = (struct imap_task){ produce, free_listing };
        if (begin(c, l))
            return;
    }
    if (l != NULL)
        free_listing(&l->task);
}

static void
list(struct connection *c, struct imap_reader *r)
{
    list_or_lsub(c, r, false);
}

static void
lsub(struct connection *c, struct imap_reader *r)
{
    list_or_lsub(c, r, true);
}

/* ---- STATUS, NAMESPACE ---------------------------------------------------------------------------------------------------------- */

struct status {
    struct imap_task   task;
    uint32_t           folder_id;
    struct imap_status status;
};

static void
free_status(struct imap_task *t)
{
    free(t);
}

static bool
produce_status(struct connection *c, struct imap_task *task)
{
    const struct imap   *s = c->own;
    struct status       *t = (struct status *)task;
    struct folder_record folder;
    struct db_view       view;
    bool                 over = false;
    int                  rc = db_view_begin(c->imapd->db, &view);

    if (rc == MT_OK) {
        rc = db_folder(&view, s->login.mailbox_id, t->folder_id, &folder);
        over = rc == MT_OK && imap_status_step(&t->status, &view, &folder);
        if (over)
            imap_status_say(&c->out, &t->status, &folder, imap_speaks_utf8(s));
        db_view_end(&view);
    }
    if (rc != MT_OK)
        imap_refuse_read(c, rc);
    else if (over)
        imap_answer(c, "OK", "STATUS completed");
    return rc == MT_OK && !over;
}

static void
status(struct connection *c, struct imap_reader *r)
{
    struct status *t;
    char           text[IMAP_NAME_BYTES + 1];
    struct slice   name;
    uint32_t       folder_id;
    unsigned       items;
    int            rc;

    imap_space(r);
    name = imap_read_name(r, text);
    imap_space(r);
    items = imap_status_items(r);
    if (imap_refuse_syntax(c, r))
        return;
    know_condstore(c, items);
    rc = imap_find_folder(c, name, &folder_id);
    t = rc == MT_OK ? malloc(sizeof(*t)) : NULL;
    if (rc != MT_OK) {
        imap_refuse_read(c, rc);
    } else if (t == NULL) {
        imap_answer(c, "NO", "[SERVERBUG] out of memory");
    } else {
        t->task = (struct imap_task){ produce_status, free_status };
        t->folder_id = folder_id;
        imap_status_begin(&t->status, items);
        imap_begin_task(c, &t->task);
    }
}

static void
namespace(struct connection *c, struct imap_reader *r)
{
    if (imap_refuse_syntax(c, r))
        return;
    imap_say(c, "NAMESPACE ((\"\" \"/\")) NIL NIL");
    imap_answer(c, "OK", "NAMESPACE completed");
}

const struct imap_verb imap_folder_list_verbs[] = {
    { "STATUS",    IMAP_LOGGED_IN | IMAP_SELECTED, false, status    },
    { "LIST",      IMAP_LOGGED_IN | IMAP_SELECTED, false, list      },
    { "LSUB",      IMAP_LOGGED_IN | IMAP_SELECTED, false, lsub      },
    { "NAMESPACE", IMAP_LOGGED_IN | IMAP_SELECTED, false, namespace },
    { NULL,        0,                              false, NULL      },
};
