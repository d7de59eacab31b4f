#include "imapd/imap_list.h"

#include "imapd/imap_name.h"
#include "imapd/imap_status.h"

#include "lib/error.h"

#include <stdlib.h>

/* ---- Reading ------------------------------------------------------------------------------------------------------------------- */

/* One pattern, or the reference, to UTF-8 behind what is in text. False: no name can fit it. */
static bool
decode(struct imap_list *l, size_t *used, struct slice from, bool utf8, struct slice *out)
{
    size_t len;

    if (!imap_pattern_decode(from, utf8, l->text + *used, &len))
        return false;
    *out = slice_make(l->text + *used, len);
    *used += len;
    return true;
}

/*
 * Words in parentheses, separated by single spaces; read() takes one. The "(" has been read. empty: "()" is fine, too.
 */
static void
read_words(struct imap_list *l, struct imap_reader *r, bool empty, void (*read)(struct imap_list *l, struct imap_reader *r))
{
    if (empty && imap_take(r, ")"))
        return;
    do
        read(l, r);
    while (imap_take(r, " "));
    if (!imap_take(r, ")"))
        imap_fail(r, "a space or the end of the list");
}

static void
read_selection(struct imap_list *l, struct imap_reader *r)
{
    static const struct {
        const char *name;
        unsigned    bit;
    } options[] = {
        { "SUBSCRIBED", LIST_SUBSCRIBED }, { "REMOTE", LIST_REMOTE }, { "RECURSIVEMATCH", LIST_RECURSIVEMATCH }, { "SPECIAL-USE", LIST_SPECIAL_USE },
    };
    struct slice word = imap_atom(r);

    for (size_t i = 0; i < COUNT(options); i++)
        if (slice_equal_nocase(word, slice_of(options[i].name))) {
            l->selections |= options[i].bit;
            return;
        }
    imap_fail(r, "SUBSCRIBED, REMOTE, RECURSIVEMATCH or SPECIAL-USE");
}

static void
read_return(struct imap_list *l, struct imap_reader *r)
{
    static const struct {
        const char *name;
        unsigned    bit;
    } options[] = {
        { "SUBSCRIBED", RETURN_SUBSCRIBED }, { "CHILDREN", RETURN_CHILDREN }, { "SPECIAL-USE", RETURN_SPECIAL_USE }, { "STATUS", RETURN_STATUS },
    };
    struct slice word = imap_atom(r);
    size_t       i = 0;

    while (i < COUNT(options) && !slice_equal_nocase(word, slice_of(options[i].name)))
        i++;
    if (i == COUNT(options)) {
        imap_fail(r, "SUBSCRIBED, CHILDREN, SPECIAL-USE or STATUS");
        return;
    }
    l->returns |= options[i].bit;
    if (options[i].bit == RETURN_STATUS) {
        imap_space(r);
        l->status_items |= imap_status_items(r);
    }
}

/* As it came; decoded later, where it is known that there is room. */
static void
read_pattern(struct imap_list *l, struct imap_reader *r)
{
    struct slice pattern = imap_list_mailbox(r);

    if (l->pattern_count == IMAP_LIST_PATTERNS_MAX)
        imap_fail(r, "at most 16 patterns");
    else
        l->patterns[l->pattern_count++] = pattern;
}

/* The reference, and every pattern that a name can fit. */
static void
decode_all(struct imap_list *l, bool utf8)
{
    unsigned count = l->pattern_count;
    size_t   used = 0;

    l->pattern_count = 0;
    if (!decode(l, &used, l->reference, utf8, &l->reference))
        return;
    for (unsigned i = 0; i < count; i++)
        if ((!l->extended || l->patterns[i].len > 0) && decode(l, &used, l->patterns[i], utf8, &l->patterns[l->pattern_count]))
            l->pattern_count++;
}

static void
read_all(struct imap_list *l, struct imap_reader *r)
{
    imap_space(r);
    if (!l->lsub && imap_take(r, "(")) {
        l->extended = true;
        read_words(l, r, true, read_selection);
        imap_space(r);
    }
    l->reference = imap_astring(r);
    imap_space(r);
    if (!l->lsub && imap_take(r, "(")) {
        l->extended = true;
        read_words(l, r, false, read_pattern);
    } else {
        read_pattern(l, r);
    }
    if (!l->lsub && imap_take(r, " RETURN (")) {
        l->extended = true;
        read_words(l, r, true, read_return);
    }
    if ((l->selections & LIST_RECURSIVEMATCH) != 0 && (l->selections & (LIST_SUBSCRIBED | LIST_SPECIAL_USE)) == 0)
        imap_fail(r, "another selection option beside RECURSIVEMATCH");
}

bool
imap_list_read(struct imap_list *l, struct imap_reader *r, bool lsub)
{
    *l = (struct imap_list){ .lsub = lsub };
    l->text = malloc(IMAP_PATTERN_ROOM(r->all.len) + 1);
    if (l->text == NULL)
        return false;
    if (lsub)
        l->selections = LIST_SUBSCRIBED;
    read_all(l, r);
    if (!imap_ok(r)) {
        l->pattern_count = 0;
        return true;
    }
    if ((l->selections & LIST_SUBSCRIBED) != 0 && !lsub)
        l->returns |= RETURN_SUBSCRIBED;
    l->root_only = !l->extended && l->patterns[0].len == 0;
    decode_all(l, r->utf8);
    return true;
}

void
imap_list_fini(struct imap_list *l)
{
    free(l->text);
    *l = (struct imap_list){ .text = NULL };
}

/* ---- Choosing ------------------------------------------------------------------------------------------------------------------ */

static void
add(struct imap_list_names *n, struct slice name, uint32_t folder_id, bool subscribed)
{
    if (n->count < IMAP_LIST_NAMES_MAX)
        n->names[n->count++] = (struct imap_list_name){ .name = name, .folder_id = folder_id, .subscribed = subscribed };
}

void
imap_list_add(struct imap_list_names *n, struct slice name, uint32_t folder_id, bool subscribed)
{
    if (name.len == 0 || name.len > FOLDER_NAME_BYTES || name.len > sizeof(n->text) - n->len)
        return;
    memcpy(n->text + n->len, name.data, name.len);
    add(n, slice_make(n->text + n->len, name.len), folder_id, subscribed);
    n->len += name.len;
}

static bool
has_name(const struct imap_list_names *n, struct slice name)
{
    for (unsigned i = 0; i < n->count; i++)
        if (slice_equal(n->names[i].name, name))
            return true;
    return false;
}

/* A folder's parents are folders; those of a name that is none need not be. */
static void
add_levels(struct imap_list_names *n)
{
    unsigned count = n->count;

    for (unsigned i = 0; i < count; i++)
        for (struct slice p = folder_name_parent(n->names[i].name); n->names[i].folder_id == 0 && p.len > 0; p = folder_name_parent(p))
            if (!has_name(n, p))
                add(n, p, 0, false);
}

static bool
fits(const struct imap_list *l, struct slice name)
{
    for (unsigned i = 0; i < l->pattern_count; i++)
        if (imap_name_matches(name, l->reference, l->patterns[i]))
            return true;
    return false;
}

static bool
meets(const struct imap_list *l, const struct imap_list_name *name)
{
    if ((l->selections & LIST_SPECIAL_USE) != 0 && name->folder_id != FOLDER_UNMATCHED)
        return false;
    return (l->selections & LIST_SUBSCRIBED) != 0 ? name->subscribed : name->folder_id != 0;
}

/*
 * RFC 9051 section 6.3.9.3: what fits and meets the selections; with RECURSIVEMATCH, and by LSUB, also what fits and leads to something
 * that meets them and is not shown itself, because no pattern fits it.
 */
static void
choose(const struct imap_list *l, struct imap_list_names *n, struct imap_list_name *name)
{
    bool leads = false;

    for (unsigned i = 0; i < n->count; i++) {
        const struct imap_list_name *below = &n->names[i];

        if (!folder_name_is_below(below->name, name->name))
            continue;
        name->has_children = name->has_children || below->folder_id != 0;
        name->child_meets = name->child_meets || below->meets;
        leads = leads || (below->meets && !below->fits);
    }
    name->shown = name->fits && (name->meets || (leads && (l->lsub || (l->selections & LIST_RECURSIVEMATCH) != 0)));
}

bool
imap_list_choose(const struct imap_list *l, struct imap_list_names *n)
{
    unsigned end;

    if (n->matched == 0 && (l->lsub || (l->selections & LIST_RECURSIVEMATCH) != 0))
        add_levels(n);
    end = n->matched + IMAP_LIST_MATCHES_MAX / IMAP_LIST_PATTERNS_MAX;
    for (; n->matched < n->count && n->matched < end; n->matched++) {
        struct imap_list_name *name = &n->names[n->matched];

        name->fits = fits(l, name->name);
        name->meets = meets(l, name);
    }
    if (n->matched < n->count)
        return false;
    for (unsigned i = 0; i < n->count; i++)
        choose(l, n, &n->names[i]);
    return true;
}
