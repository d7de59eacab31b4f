#include "imapd/imap_thread.h"

#include "imapd/imap_forest.h"
#include "imapd/imap_header.h"
#include "imapd/imap_message_id.h"
#include "imapd/imap_subject.h"

#include "lib/error.h"

#include <sodium.h>
#include <stdlib.h>

enum { FIRST_NODES = 256, ITEMS_A_STEP = 4000, PUT_BYTES = 16 * 1024, HASH_BYTES = 16 };

/*
 *   add …  ──▶ ORDER ──▶ PRUNE ──▶ COUNT ──▶ PLACE ──▶ POPULATE ──▶ MERGE ──▶ LINK ──▶ DONE      REFERENCES
 *                  └──────────────────▶ GROUP ────────────────────────────────▶ LINK                ORDEREDSUBJECT
 */
enum phase { PHASE_ORDER, PHASE_PRUNE, PHASE_COUNT, PHASE_PLACE, PHASE_GROUP, PHASE_POPULATE, PHASE_MERGE, PHASE_LINK, PHASE_DONE };

struct node {
    uint32_t number;            /* 0: a dummy, of which only others tell */
    bool     reply;             /* a reply or a forward by its subject */
    bool     plain;             /* its base subject is empty */
    bool     placed;            /* a dummy: it stands among the roots */
    uint32_t parent;            /* of the references; from PHASE_LINK on, of the answer; 0: none */
    uint32_t owner;             /* what it hangs below in the answer; of a dummy: what it leads to */
    uint32_t first, count;      /* of a dummy at the root: its first child by date, and how many there are */
    uint32_t child, tail, next; /* of the answer; node 0 is the root */
    uint8_t  id[HASH_BYTES];
    uint8_t  subject[HASH_BYTES];
};

struct imap_threads {
    enum imap_thread_algorithm algorithm;
    struct node             *nodes;         /* owned; node 0 is the root */
    struct imap_forest_node *forest;        /* owned; the same numbers */
    uint32_t                 count, cap;
    uint32_t                *table;         /* owned; open addressing, by id, later by subject; 0: free */
    uint32_t                 slots;         /* a power of two */
    uint32_t                *roots;         /* owned */
    uint32_t                 root_count;
    struct imap_order        order;         /* messages by date */
    enum phase               phase;
    uint32_t                 at;            /* in the phase */
    uint32_t                 current;       /* what imap_threads_put goes on with */
    uint8_t                  key[crypto_shorthash_siphashx24_KEYBYTES];     /* random: nobody can make ids meet */
};

_Static_assert(HASH_BYTES == crypto_shorthash_siphashx24_BYTES, "a hash fits");

struct imap_threads *
imap_threads_new(enum imap_thread_algorithm algorithm)
{
    struct imap_threads *t = calloc(1, sizeof(*t));

    if (t == NULL)
        return NULL;
    t->algorithm = algorithm;
    imap_order_init(&t->order);
    randombytes_buf(t->key, sizeof(t->key));
    t->cap = FIRST_NODES;
    t->slots = FIRST_NODES * 2;
    t->count = 1;
    t->nodes = calloc(t->cap, sizeof(*t->nodes));
    t->forest = calloc(t->cap, sizeof(*t->forest));
    t->table = calloc(t->slots, sizeof(*t->table));
    if (t->nodes == NULL || t->forest == NULL || t->table == NULL) {
        imap_threads_free(t);
        return NULL;
    }
    return t;
}

void
imap_threads_free(struct imap_threads *t)
{
    if (t == NULL)
        return;
    imap_order_fini(&t->order);
    free(t->nodes);
    free(t->forest);
    free(t->table);
    free(t->roots);
    free(t);
}

uint64_t
imap_threads_bytes(const struct imap_threads *t)
{
    return t->cap * (sizeof(*t->nodes) + sizeof(*t->forest)) + t->slots * sizeof(*t->table) +
           (t->roots == NULL ? 0 : t->order.count * sizeof(*t->roots)) + imap_order_bytes(&t->order);
}

/* ---- Nodes -------------------------------------------------------------------------------------------------------------------- */

/* Where a hash is in the table, or its free slot. */
static uint32_t *
find_slot(struct imap_threads *t, const uint8_t hash[HASH_BYTES], bool by_subject)
{
    uint32_t at;

    memcpy(&at, hash, sizeof(at));
    for (at &= t->slots - 1; t->table[at] != 0; at = (at + 1) & (t->slots - 1)) {
        const struct node *n = &t->nodes[t->table[at]];
        const struct node *of = by_subject && n->number == 0 ? &t->nodes[n->first] : n;

        if (memcmp(by_subject ? of->subject : n->id, hash, HASH_BYTES) == 0)
            break;
    }
    return &t->table[at];
}

static int
grow(struct imap_threads *t)
{
    uint32_t                 cap = t->cap * 2;
    struct node             *nodes = realloc(t->nodes, cap * sizeof(*nodes));
    struct imap_forest_node *forest;
    uint32_t                *table;

    if (nodes == NULL)
        return MT_ENOMEM;
    t->nodes = nodes;
    forest = realloc(t->forest, cap * sizeof(*forest));
    if (forest == NULL)
        return MT_ENOMEM;
    t->forest = forest;
    if (t->phase == PHASE_ORDER) {          /* ids are still to come */
        table = calloc((size_t)cap * 2, sizeof(*table));
        if (table == NULL)
            return MT_ENOMEM;
        free(t->table);
        t->table = table;
        t->slots = cap * 2;
        for (uint32_t i = 1; i < t->count; i++)
            *find_slot(t, t->nodes[i].id, false) = i;
    }
    t->cap = cap;
    return MT_OK;
}

/* A new node; 0 and *rc: there can be none. */
static uint32_t
new_node(struct imap_threads *t, int *rc)
{
    /* What merging by subjects adds (PHASE_MERGE) is at most one for each two of them. */
    if (t->phase == PHASE_ORDER && t->count > IMAP_THREAD_NODES_MAX)
        *rc = MT_ESIZE;
    else if (t->count == t->cap)
        *rc = grow(t);
    if (*rc != MT_OK)
        return 0;
    t->nodes[t->count] = (struct node){ .number = 0 };
    t->forest[t->count] = (struct imap_forest_node){ 0 };
    return t->count++;
}

static void
hash_of(const struct imap_threads *t, struct slice text, uint8_t out[HASH_BYTES])
{
    crypto_shorthash_siphashx24(out, (const unsigned char *)text.data, text.len, t->key);
}

/* The node of that id; made where there is none. */
static uint32_t
node_of(struct imap_threads *t, struct slice id, int *rc)
{
    uint8_t  hash[HASH_BYTES];
    uint32_t node;

    hash_of(t, id, hash);
    node = *find_slot(t, hash, false);
    if (node == 0 && (node = new_node(t, rc)) != 0) {
        memcpy(t->nodes[node].id, hash, HASH_BYTES);
        *find_slot(t, hash, false) = node;
    }
    return node;
}

/* A node that no id leads to. */
static uint32_t
node_alone(struct imap_threads *t, int *rc)
{
    uint32_t node = new_node(t, rc);

    if (node != 0) {
        randombytes_buf(t->nodes[node].id, HASH_BYTES);
        *find_slot(t, t->nodes[node].id, false) = node;
    }
    return node;
}

/* ---- Step 1: links ------------------------------------------------------------------------------------------------------------ */

/* Unless child has a parent, or that would make a loop. */
static void
link_below(struct imap_threads *t, uint32_t child, uint32_t parent)
{
    if (t->nodes[child].parent != 0 || imap_forest_root(t->forest, parent) == child)
        return;
    imap_forest_link(t->forest, child, parent);
    t->nodes[child].parent = parent;
}

/* Links what the field names, each below the one before it. Returns the last one; 0: none. */
static uint32_t
link_references(struct imap_threads *t, struct slice value, struct buf *id, int *rc)
{
    struct slice rest = value;
    uint32_t     last = 0, skip = 0;

    while (imap_next_message_id(&rest, id))
        skip++;
    skip = skip > IMAP_THREAD_REFERENCES_MAX ? skip - IMAP_THREAD_REFERENCES_MAX : 0;
    for (rest = value; *rc == MT_OK && imap_next_message_id(&rest, id);) {
        uint32_t node;

        if (skip > 0) {
            skip--;
            continue;
        }
        node = node_of(t, buf_slice(id), rc);
        if (last != 0 && node != 0)
            link_below(t, node, last);
        last = node;
    }
    return last;
}

static int
add_references(struct imap_threads *t, uint32_t *out, struct slice header)
{
    struct imap_field field;
    struct buf        id;
    struct slice      value = slice_make("", 0);
    uint32_t          node = 0, last = 0;
    int               rc = MT_OK;

    buf_init(&id, IMAP_THREAD_ID_BYTES);
    if (imap_find_field(header, "Message-ID", &field) && imap_next_message_id(&field.value, &id))
        node = node_of(t, buf_slice(&id), &rc);
    if (rc == MT_OK && (node == 0 || t->nodes[node].number != 0))       /* it has none, or one that another has */
        node = node_alone(t, &rc);
    if (imap_find_field(header, "References", &field))
        value = field.value;
    last = link_references(t, value, &id, &rc);
    if (rc == MT_OK && last == 0 && imap_find_field(header, "In-Reply-To", &field) && imap_next_message_id(&field.value, &id))
        last = node_of(t, buf_slice(&id), &rc);
    buf_fini(&id);
    if (rc != MT_OK)
        return rc;
    if (t->nodes[node].parent != 0 && t->nodes[node].parent != last) {
        imap_forest_cut(t->forest, node);
        t->nodes[node].parent = 0;
    }
    if (last != 0)
        link_below(t, node, last);
    *out = node;
    return MT_OK;
}

int
imap_threads_add(struct imap_threads *t, uint32_t number, struct slice header, int64_t sent)
{
    struct imap_field field;
    struct buf        text;
    uint32_t          node = 0;
    int               rc = MT_OK;

    if (t->algorithm == IMAP_REFERENCES)
        rc = add_references(t, &node, header);
    else
        node = node_alone(t, &rc);
    if (rc != MT_OK)
        return rc;
    t->nodes[node].number = number;
    buf_init(&text, IMAP_SUBJECT_BYTES * 2);
    if (imap_find_field(header, "Subject", &field))
        t->nodes[node].reply = imap_base_subject(field.value, &text);
    t->nodes[node].plain = text.len == 0;
    hash_of(t, text.len == 0 ? slice_of("") : buf_slice(&text), t->nodes[node].subject);
    buf_clear(&text);
    imap_order_put_number(&text, sent, false);
    rc = imap_order_add(&t->order, node, buf_slice(&text));
    buf_fini(&text);
    return rc;
}

/* ---- Step 3: dummies go -------------------------------------------------------------------------------------------------------- */

static bool
is_dummy(const struct imap_threads *t, uint32_t node)
{
    return t->nodes[node].number == 0;
}

/* What a message hangs below when the dummies are left out: a message, or where there is none the dummy on top; 0: it is on top itself. */
static uint32_t
find_owner(struct imap_threads *t, uint32_t node)
{
    uint32_t from = t->nodes[node].parent, to = from;

    while (to != 0 && is_dummy(t, to) && t->nodes[to].owner == 0 && t->nodes[to].parent != 0)
        to = t->nodes[to].parent;
    if (to != 0 && is_dummy(t, to) && t->nodes[to].owner != 0)
        to = t->nodes[to].owner;
    /* So that nobody goes this way again. */
    while (from != to && from != 0 && is_dummy(t, from) && t->nodes[from].owner == 0) {
        t->nodes[from].owner = to;
        from = t->nodes[from].parent;
    }
    return to;
}

static void
prune(struct imap_threads *t, uint32_t node)
{
    uint32_t owner;

    if (is_dummy(t, node))
        return;
    owner = find_owner(t, node);
    t->nodes[node].owner = owner;
    if (owner != 0 && is_dummy(t, owner))
        t->nodes[owner].count++;
}

/* A dummy that has one child only gives it to the root. */
static void
promote(struct imap_threads *t, uint32_t node)
{
    uint32_t owner = t->nodes[node].owner;

    if (!is_dummy(t, node) && owner != 0 && is_dummy(t, owner) && t->nodes[owner].count == 1)
        t->nodes[node].owner = 0;
}

/* ---- Step 4: the roots by date -------------------------------------------------------------------------------------------------- */

static void
place(struct imap_threads *t, uint32_t node)
{
    uint32_t owner = t->nodes[node].owner;

    if (owner == 0) {
        t->roots[t->root_count++] = node;
    } else if (is_dummy(t, owner) && !t->nodes[owner].placed) {
        t->nodes[owner].placed = true;
        t->nodes[owner].first = node;
        t->roots[t->root_count++] = owner;
    }
}

/* ---- Step 5: by subject --------------------------------------------------------------------------------------------------------- */

static const struct node *
subject_of(const struct imap_threads *t, uint32_t root)
{
    return &t->nodes[is_dummy(t, root) ? t->nodes[root].first : root];
}

static void
populate(struct imap_threads *t, uint32_t root)
{
    const struct node *subject = subject_of(t, root);
    uint32_t          *slot;

    if (subject->plain)
        return;
    slot = find_slot(t, subject->subject, true);
    if (*slot == 0 || (!is_dummy(t, *slot) && (is_dummy(t, root) || (t->nodes[*slot].reply && !t->nodes[root].reply))))
        *slot = root;
}

static int
merge(struct imap_threads *t, uint32_t root)
{
    const struct node *subject = subject_of(t, root);
    uint32_t           other, *slot;
    int                rc = MT_OK;

    if (subject->plain)
        return MT_OK;
    slot = find_slot(t, subject->subject, true);
    other = *slot;
    if (other == root || other == 0)
        return MT_OK;
    if (is_dummy(t, other) || (t->nodes[root].reply && !t->nodes[other].reply)) {
        t->nodes[root].owner = other;           /* of a dummy: its children go there (follow) */
        return MT_OK;
    }
    *slot = new_node(t, &rc);
    if (rc != MT_OK)
        return rc;
    t->nodes[*slot].first = other;
    t->nodes[*slot].count = 2;
    t->nodes[root].owner = t->nodes[other].owner = *slot;
    return MT_OK;
}

/* ---- Step 6: everything by date --------------------------------------------------------------------------------------------------- */

static void
append_child(struct imap_threads *t, uint32_t parent, uint32_t node)
{
    struct node *p = &t->nodes[parent];

    if (p->child == 0)
        p->child = node;
    else
        t->nodes[p->tail].next = node;
    p->tail = node;
    t->nodes[node].parent = parent;
}

/* In the order of dates: so each set of siblings comes into that order, and a dummy to the place of its first child. */
static void
link_node(struct imap_threads *t, uint32_t node)
{
    uint32_t owner = t->nodes[node].owner;

    if (owner != 0 && is_dummy(t, owner)) {
        if (t->nodes[owner].owner != 0)
            owner = t->nodes[owner].owner;
        if (!t->nodes[owner].placed)
            append_child(t, 0, owner);
        t->nodes[owner].placed = true;
    }
    append_child(t, owner, node);
}

/* ---- ORDEREDSUBJECT --------------------------------------------------------------------------------------------------------------- */

/* The first message by date of each subject is a root, the others are its children. */
static void
group(struct imap_threads *t, uint32_t node)
{
    uint32_t *slot = find_slot(t, t->nodes[node].subject, true);

    if (*slot == 0)
        *slot = node;
    else
        t->nodes[node].owner = *slot;
}

/* ---- Phases ------------------------------------------------------------------------------------------------------------------------- */

/* Ends a phase; what the next ones need is made ready. */
static int
begin_phase(struct imap_threads *t, enum phase phase)
{
    t->phase = phase;
    t->at = phase == PHASE_PRUNE || phase == PHASE_COUNT;       /* these go through the nodes, of which 0 is none */
    if (phase == PHASE_PLACE) {
        t->roots = malloc((t->order.count + 1u) * sizeof(*t->roots));
        return t->roots == NULL ? MT_ENOMEM : MT_OK;
    }
    if (phase == PHASE_GROUP || phase == PHASE_POPULATE)
        memset(t->table, 0, t->slots * sizeof(*t->table));
    if (phase == PHASE_LINK)
        for (uint32_t i = 0; i < t->count; i++)
            t->nodes[i].placed = false;
    return MT_OK;
}

static uint32_t
items_of(const struct imap_threads *t)
{
    switch (t->phase) {
    case PHASE_PRUNE:
    case PHASE_COUNT:
        return t->count;
    case PHASE_POPULATE:
    case PHASE_MERGE:
        return t->root_count;
    default:
        return t->order.count;
    }
}

static int
take_item(struct imap_threads *t, uint32_t i)
{
    switch (t->phase) {
    case PHASE_PRUNE:
        prune(t, i);
        break;
    case PHASE_COUNT:
        promote(t, i);
        break;
    case PHASE_PLACE:
        place(t, t->order.rows[i].number);
        break;
    case PHASE_GROUP:
        group(t, t->order.rows[i].number);
        break;
    case PHASE_POPULATE:
        populate(t, t->roots[i]);
        break;
    case PHASE_MERGE:
        return merge(t, t->roots[i]);
    default:
        link_node(t, t->order.rows[i].number);
        break;
    }
    return MT_OK;
}

static enum phase
phase_behind(const struct imap_threads *t)
{
    static const enum phase next[] = {
        [PHASE_ORDER] = PHASE_PRUNE, [PHASE_PRUNE] = PHASE_COUNT, [PHASE_COUNT] = PHASE_PLACE, [PHASE_PLACE] = PHASE_POPULATE,
        [PHASE_GROUP] = PHASE_LINK, [PHASE_POPULATE] = PHASE_MERGE, [PHASE_MERGE] = PHASE_LINK, [PHASE_LINK] = PHASE_DONE,
    };

    return t->phase == PHASE_ORDER && t->algorithm == IMAP_ORDERED_SUBJECT ? PHASE_GROUP : next[t->phase];
}

bool
imap_threads_step(struct imap_threads *t, int *rc)
{
    bool more;

    *rc = MT_OK;
    if (t->phase == PHASE_ORDER) {
        more = imap_order_step(&t->order, rc);
    } else {
        for (unsigned n = 0; n < ITEMS_A_STEP && t->at < items_of(t) && *rc == MT_OK; n++)
            *rc = take_item(t, t->at++);
        more = t->at < items_of(t);
    }
    if (*rc == MT_OK && !more)
        *rc = begin_phase(t, phase_behind(t));
    if (*rc == MT_OK && t->phase == PHASE_DONE)
        t->current = t->nodes[0].child;
    return *rc == MT_OK && t->phase != PHASE_DONE;
}

/* ---- The answer ------------------------------------------------------------------------------------------------------------------- */

static bool
has_siblings(const struct imap_threads *t, uint32_t node)
{
    const struct node *parent = &t->nodes[t->nodes[node].parent];

    return parent->child != parent->tail;
}

/* A parenthesis stands in front of it: it is a root, or one of several children. */
static bool
opens(const struct imap_threads *t, uint32_t node)
{
    return t->nodes[node].parent == 0 || is_dummy(t, t->nodes[node].parent) || has_siblings(t, node);
}

/* The next node in the order of the answer, with the parentheses that end before it; 0: that was the last. */
static uint32_t
go_on(const struct imap_threads *t, uint32_t node, struct buf *out)
{
    if (t->nodes[node].child != 0)
        return t->nodes[node].child;
    while (node != 0) {
        if (opens(t, node))
            buf_append_byte(out, ')');
        if (t->nodes[node].next != 0)
            return t->nodes[node].next;
        node = t->nodes[node].parent;
    }
    return 0;
}

bool
imap_threads_put(struct imap_threads *t, struct buf *out, imap_threads_show_fn *show, void *arg)
{
    size_t begun = out->len;

    while (t->current != 0 && out->len - begun < PUT_BYTES) {
        uint32_t           node = t->current, parent = t->nodes[node].parent;
        const struct node *n = &t->nodes[node];

        /* A space comes behind the parent's number. */
        if (parent != 0 && !is_dummy(t, parent) && t->nodes[parent].child == node)
            buf_append_byte(out, ' ');
        if (opens(t, node))
            buf_append_byte(out, '(');
        if (n->number != 0)
            buf_printf(out, "%u", show(arg, n->number));
        t->current = go_on(t, node, out);
    }
    return t->current != 0 && out->fault == MT_OK;
}
