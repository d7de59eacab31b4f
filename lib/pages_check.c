/*
 * The walk of pages.h over all pages of one snapshot. Depth first with a stack of bounded depth: a level of a tree is one
 * element.
 */

#include "lib/pages.h"

#include "lib/error.h"
#include "lib/pages_format.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { DEPTH_MAX = 32, TABLES_MAX = 256, NAME_BYTES = 64 };

/* A page on the way from the root to the node that is looked at. */
struct level {
    unsigned char *page;
    unsigned       node;        /* the next one to look at */
    unsigned       nodes;
};

/* One tree; tables of the main one are put behind it and walked after it. */
struct tree {
    struct page_table table;
    bool              is_main, is_free_list;
    char              name[NAME_BYTES];
};

struct check {
    int                  fd;
    uint32_t             page_bytes;
    uint64_t             last_page;
    unsigned char       *reached;       /* a bit for each page */
    pages_problem_fn    *problem;
    void                *arg;
    unsigned             problems;
    struct pages_counts *counts;
    struct tree         *trees;         /* TABLES_MAX */
    unsigned             tree_count;
    const struct tree   *tree;          /* that is walked */
    struct level         levels[DEPTH_MAX];
    unsigned             depth;
    struct page_table    seen;          /* what was counted in this tree */
    unsigned char        previous[KEY_MAX_BYTES];
    size_t               previous_len;
    bool                 has_previous;
    unsigned char        least[KEY_MAX_BYTES];  /* of the subtree: the key in the branch node above */
    size_t               least_len;
    bool                 has_least;
};

static void complain(struct check *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void
complain(struct check *c, const char *format, ...)
{
    char    text[256], what[160];
    va_list args;

    if (c->problems++ >= PAGES_PROBLEMS_MAX)
        return;
    va_start(args, format);
    vsnprintf(what, sizeof(what), format, args);
    va_end(args);
    snprintf(text, sizeof(text), "table %s: %s", c->tree == NULL ? "(none)" : c->tree->name, what);
    c->problem(c->arg, text);
}

/* Notes that a run of pages belongs to something. False: it cannot, or already does. */
static bool
reach(struct check *c, uint64_t first, uint64_t count)
{
    if (first < 2 || first > c->last_page || count > c->last_page - first + 1) {
        complain(c, "page %llu is not in the file", (unsigned long long)first);
        return false;
    }
    for (uint64_t i = first; i < first + count; i++) {
        if ((c->reached[i / 8] >> i % 8 & 1) != 0) {
            complain(c, "page %llu is used twice", (unsigned long long)i);
            return false;
        }
        c->reached[i / 8] |= (unsigned char)(1u << i % 8);
    }
    c->counts->pages += count;
    return true;
}

static bool
load(struct check *c, uint64_t number, void *to, size_t len)
{
    if (page_read(c->fd, number * c->page_bytes, to, len) && le64(to) == number)
        return true;
    complain(c, "page %llu cannot be read, or says that it is another", (unsigned long long)number);
    return false;
}

/* ---- Keys ---- */

/* As the tree orders them: the free list by its number, all others by octets. */
static int
compare(const struct check *c, const unsigned char *a, size_t a_len, const unsigned char *b, size_t b_len)
{
    size_t len = a_len < b_len ? a_len : b_len;
    int    order;

    if (c->tree->is_free_list)
        return le64(a) < le64(b) ? -1 : le64(a) > le64(b);
    order = memcmp(a, b, len);
    return order != 0 ? order : a_len < b_len ? -1 : a_len > b_len;
}

static void
take_key(struct check *c, const unsigned char *key, size_t len)
{
    if (c->has_previous && compare(c, c->previous, c->previous_len, key, len) >= 0)
        complain(c, "keys are out of order");
    if (c->has_least && compare(c, key, len, c->least, c->least_len) < 0)
        complain(c, "a key is below the one in the branch above it");
    memcpy(c->previous, key, len);
    c->previous_len = len;
    c->has_previous = true;
    c->has_least = false;
}

/* All keys so far must be below the one that leads to the next child, and all in that child not. */
static void
take_separator(struct check *c, const unsigned char *key, size_t len)
{
    if (c->has_previous && compare(c, c->previous, c->previous_len, key, len) >= 0)
        complain(c, "a key is not below the branch to the next page");
    memcpy(c->least, key, len);
    c->least_len = len;
    c->has_least = true;
}

/* ---- Nodes ---- */

struct node {
    uint16_t             flags;
    uint64_t             data_len;      /* of a leaf */
    uint64_t             child;         /* of a branch */
    const unsigned char *key, *data;
    size_t               key_len;
    size_t               data_room;     /* octets from data to the end of the page */
};

static bool
read_node(struct check *c, const unsigned char *page, unsigned i, struct node *out)
{
    size_t               at = le16(page + PAGE_HEAD_BYTES + 2 * (size_t)i);
    const unsigned char *p = page + at;
    size_t               room;

    if (at < le16(page + 14) || at % 2 != 0 || at + NODE_HEAD_BYTES > c->page_bytes)
        goto bad;
    room = c->page_bytes - at - NODE_HEAD_BYTES;
    *out = (struct node){ .flags = le16(p + 4), .key_len = le16(p + 6), .key = p + NODE_HEAD_BYTES };
    out->data_len = le16(p) | (uint64_t)le16(p + 2) << 16;
    out->child = out->data_len | (uint64_t)out->flags << 32;
    if (out->key_len > KEY_MAX_BYTES || out->key_len > room)
        goto bad;
    out->data = out->key + out->key_len;
    out->data_room = room - out->key_len;
    /* Of the free list's, whose keys are numbers, only the first of a branch may have none. */
    if (c->tree->is_free_list && out->key_len != 8 && ((le16(page + 10) & PAGE_BRANCH) == 0 || i > 0))
        goto bad;
    return true;
bad:
    complain(c, "page %llu has a node that does not fit into it", (unsigned long long)le64(page));
    return false;
}

/* The pages of a large value. */
static bool
take_large(struct check *c, uint64_t first, uint64_t data_len)
{
    unsigned char head[PAGE_HEAD_BYTES];
    uint64_t      count = (PAGE_HEAD_BYTES - 1 + data_len) / c->page_bytes + 1;

    if (!reach(c, first, count) || !load(c, first, head, sizeof(head)))
        return false;
    if (le16(head + 10) != PAGE_OVERFLOW || le32(head + 12) != count) {
        complain(c, "page %llu is not the value of %llu octets that it should be", (unsigned long long)first, (unsigned long long)data_len);
        return false;
    }
    c->seen.overflow_pages += count;
    return true;
}

static void
take_free(struct check *c, const unsigned char *list, uint64_t len)
{
    uint64_t count = len < 8 ? 0 : le64(list);

    if (len < 8 || count > len / 8 - 1) {
        complain(c, "a list of free pages does not fit its size");
        return;
    }
    for (uint64_t i = 1; i <= count; i++) {
        if (i > 1 && le64(list + 8 * i) >= le64(list + 8 * (i - 1)))
            complain(c, "a list of free pages is out of order");
        if (reach(c, le64(list + 8 * i), 1))
            c->counts->free++;
    }
}

static void
take_free_large(struct check *c, uint64_t first, uint64_t len)
{
    unsigned char *list = malloc(len > 0 ? (size_t)len : 1);

    if (list == NULL)
        complain(c, "out of memory for a list of free pages");
    else if (!page_read(c->fd, first * c->page_bytes + PAGE_HEAD_BYTES, list, (size_t)len))
        complain(c, "page %llu cannot be read", (unsigned long long)first);
    else
        take_free(c, list, len);
    free(list);
}

static void
add_tree(struct check *c, const struct node *n)
{
    struct tree *t;

    if (n->data_len != TABLE_BYTES || c->tree_count == TABLES_MAX) {
        complain(c, "the entry of a table does not fit");
        return;
    }
    t = &c->trees[c->tree_count++];
    *t = (struct tree){ .is_main = false };
    snprintf(t->name, sizeof(t->name), "%.*s", (int)(n->key_len < NAME_BYTES - 1 ? n->key_len : NAME_BYTES - 1), (const char *)n->key);
    for (char *p = t->name; *p != '\0'; p++)
        if (*p < ' ' || *p > '~')
            *p = '?';
    table_decode(n->data, &t->table);
}

static void
take_leaf(struct check *c, const unsigned char *page, unsigned nodes)
{
    c->seen.leaf_pages++;
    for (unsigned i = 0; i < nodes; i++) {
        struct node n;
        bool        large;

        if (!read_node(c, page, i, &n))
            continue;
        c->seen.entries++;
        c->counts->entries++;
        take_key(c, n.key, n.key_len);
        large = (n.flags & NODE_LARGE) != 0;
        if (n.data_room < (large ? 8 : n.data_len) || (n.flags & ~(unsigned)NODE_LARGE) != (c->tree->is_main ? NODE_TABLE : 0)) {
            complain(c, "page %llu has a value that does not fit", (unsigned long long)le64(page));
            continue;
        }
        if (large && !take_large(c, le64(n.data), n.data_len))
            continue;
        if (c->tree->is_main)
            add_tree(c, &n);
        else if (c->tree->is_free_list && large)
            take_free_large(c, le64(n.data), n.data_len);
        else if (c->tree->is_free_list)
            take_free(c, n.data, n.data_len);
    }
}

/* ---- The walk ---- */

/* Looks at a page; a branch becomes the deepest level. */
static void
enter(struct check *c, uint64_t number)
{
    struct level *l = &c->levels[c->depth];
    uint16_t      flags;
    unsigned      lower, upper;

    if (!reach(c, number, 1) || !load(c, number, l->page, c->page_bytes))
        return;
    flags = le16(l->page + 10);
    lower = le16(l->page + 12);
    upper = le16(l->page + 14);
    if (lower < PAGE_HEAD_BYTES || lower > upper || upper > c->page_bytes || lower % 2 != 0) {
        complain(c, "the head of page %llu does not fit", (unsigned long long)number);
        return;
    }
    l->nodes = (lower - PAGE_HEAD_BYTES) / 2;
    l->node = 0;
    if (flags == PAGE_LEAF) {
        if (c->depth + 1 != c->tree->table.depth)
            complain(c, "page %llu is a leaf at level %u of %u", (unsigned long long)number, c->depth + 1, c->tree->table.depth);
        take_leaf(c, l->page, l->nodes);
    } else if (flags == PAGE_BRANCH && c->depth + 1 < c->tree->table.depth) {
        c->seen.branch_pages++;
        c->depth++;
    } else {
        complain(c, "page %llu is of the wrong kind", (unsigned long long)number);
    }
}

static void
walk_tree(struct check *c)
{
    const struct page_table *t = &c->tree->table;

    c->seen = (struct page_table){ 0 };
    c->has_previous = c->has_least = false;
    c->depth = 0;
    if (t->depth > DEPTH_MAX || (t->depth == 0) != (t->root == PAGE_NONE)) {
        complain(c, "it is said to be %u levels deep", t->depth);
        return;
    }
    /* No other is used by this service, and a wrong one would make LMDB read the pages in another way. */
    if (t->flags != (c->tree->is_free_list ? TABLE_NUMBER_KEYS : 0)) {
        complain(c, "it has flags that none of the tables has");
        return;
    }
    if (t->root != PAGE_NONE)
        enter(c, t->root);
    while (c->depth > 0) {
        struct level *l = &c->levels[c->depth - 1];
        struct node   n;

        if (l->node == l->nodes) {
            c->depth--;
            continue;
        }
        if (!read_node(c, l->page, l->node++, &n))
            continue;
        if (l->node > 1)
            take_separator(c, n.key, n.key_len);
        enter(c, n.child);
    }
    if (c->seen.entries != t->entries || c->seen.leaf_pages != t->leaf_pages || c->seen.branch_pages != t->branch_pages ||
        c->seen.overflow_pages != t->overflow_pages)
        complain(c, "%llu entries in %llu pages were found, %llu in %llu should be there", (unsigned long long)c->seen.entries,
                 (unsigned long long)(c->seen.leaf_pages + c->seen.branch_pages + c->seen.overflow_pages), (unsigned long long)t->entries,
                 (unsigned long long)(t->leaf_pages + t->branch_pages + t->overflow_pages));
}

static int
choose_snapshot(int fd, uint64_t txn_id, struct page_meta *out)
{
    struct page_meta  metas[2];
    struct pages_head head;
    const char       *reason;
    int               rc = pages_head_read(fd, &head, &reason);

    if (rc == MT_OK)
        rc = pages_metas_read(fd, metas, &reason);
    if (rc != MT_OK)
        return rc;
    *out = metas[1].txn_id > metas[0].txn_id ? metas[1] : metas[0];
    for (int i = 0; i < 2 && txn_id != 0; i++)
        if (metas[i].txn_id == txn_id)
            *out = metas[i];
    if (txn_id != 0 && out->txn_id != txn_id)
        return MT_ENOTFOUND;
    /* What is allocated for it is bounded by the file's size. */
    return out->last_page <= head.last_page ? MT_OK : MT_EDAMAGED;
}

static void
walk_all(struct check *c, const struct page_meta *meta, enum pages_depth depth)
{
    c->trees[0] = (struct tree){ .table = meta->tables[1], .is_main = true, .name = "(tables)" };
    c->trees[1] = (struct tree){ .table = meta->tables[0], .is_free_list = true, .name = "(free list)" };
    c->tree_count = 2;
    for (unsigned i = 0; i < (depth == PAGES_ALL ? c->tree_count : 1); i++) {
        c->tree = &c->trees[i];
        walk_tree(c);
    }
    c->tree = NULL;
    c->counts->pages += 2;
    c->counts->lost = c->last_page + 1 > c->counts->pages ? c->last_page + 1 - c->counts->pages : 0;
}

int
pages_check(int fd, uint64_t txn_id, enum pages_depth depth, pages_problem_fn *problem, void *arg, struct pages_counts *out)
{
    struct page_meta meta;
    struct check    *c;
    unsigned char   *room = NULL;
    int              rc = choose_snapshot(fd, txn_id, &meta);

    if (rc != MT_OK)
        return rc;
    c = calloc(1, sizeof(*c));
    if (c == NULL)
        return MT_ENOMEM;
    *out = (struct pages_counts){ 0 };
    *c = (struct check){ .fd = fd, .page_bytes = meta.page_bytes, .last_page = meta.last_page, .problem = problem, .arg = arg, .counts = out };
    c->reached = calloc(1, (size_t)(meta.last_page / 8 + 1));
    c->trees = calloc(TABLES_MAX, sizeof(*c->trees));
    room = malloc((size_t)DEPTH_MAX * meta.page_bytes);
    if (c->reached == NULL || c->trees == NULL || room == NULL) {
        rc = MT_ENOMEM;
    } else {
        for (unsigned i = 0; i < DEPTH_MAX; i++)
            c->levels[i].page = room + (size_t)i * meta.page_bytes;
        walk_all(c, &meta, depth);
    }
    free(c->reached);
    free(c->trees);
    free(room);
    free(c);
    return rc;
}
