#include "lib/pages_rows.h"

#include "lib/error.h"
#include "lib/pages.h"
#include "lib/pages_format.h"

#include <stdlib.h>

enum { DEPTH_MAX = 32 };

struct level {
    unsigned char *page;
    unsigned       node, nodes;
};

struct pages_rows {
    int               fd;
    struct page_meta  meta;             /* the newest that is readable */
    unsigned char    *reached;          /* a bit for each page */
    unsigned char    *room;             /* of the levels, and one page more for strays */
    struct level      levels[DEPTH_MAX];
    unsigned          depth;
    uint64_t          lost;
    struct page_table found;            /* of the table that is looked for */
    const char       *wanted;
    bool              is_found;
};

/* What is done with the rows of the tree that is walked. */
struct walk {
    pages_row_fn *row;
    void         *arg;
    size_t        value_max;
    bool          is_main, is_free_list;
};

struct node {
    uint16_t             flags;
    uint64_t             data_len, child;
    const unsigned char *key, *data;
    size_t               key_len, data_room;
};

/* Notes a run of pages. False: it cannot be, or was met before. */
static bool
reach(struct pages_rows *p, uint64_t first, uint64_t count)
{
    if (first < 2 || first > p->meta.last_page || count > p->meta.last_page - first + 1)
        return false;
    for (uint64_t i = first; i < first + count; i++)
        if ((p->reached[i / 8] >> i % 8 & 1) != 0)
            return false;
    for (uint64_t i = first; i < first + count; i++)
        p->reached[i / 8] |= (unsigned char)(1u << i % 8);
    return true;
}

static bool
read_node(const struct pages_rows *p, const unsigned char *page, unsigned i, struct node *out)
{
    size_t               at = le16(page + PAGE_HEAD_BYTES + 2 * (size_t)i), room;
    const unsigned char *n = page + at;

    if (at < PAGE_HEAD_BYTES || at % 2 != 0 || at + NODE_HEAD_BYTES > p->meta.page_bytes)
        return false;
    room = p->meta.page_bytes - at - NODE_HEAD_BYTES;
    *out = (struct node){ .flags = le16(n + 4), .key_len = le16(n + 6), .key = n + NODE_HEAD_BYTES };
    out->data_len = le16(n) | (uint64_t)le16(n + 2) << 16;
    out->child = out->data_len | (uint64_t)out->flags << 32;
    if (out->key_len > KEY_MAX_BYTES || out->key_len > room)
        return false;
    out->data = out->key + out->key_len;
    out->data_room = room - out->key_len;
    return true;
}

/* Loads a page of nodes into a level. False: it is none. */
static bool
load(struct pages_rows *p, uint64_t number, struct level *l, uint16_t *flags)
{
    unsigned lower, upper;

    if (!page_read(p->fd, number * p->meta.page_bytes, l->page, p->meta.page_bytes) || le64(l->page) != number)
        return false;
    *flags = le16(l->page + 10);
    lower = le16(l->page + 12);
    upper = le16(l->page + 14);
    if (lower < PAGE_HEAD_BYTES || lower > upper || upper > p->meta.page_bytes || lower % 2 != 0)
        return false;
    l->nodes = (lower - PAGE_HEAD_BYTES) / 2;
    l->node = 0;
    return *flags == PAGE_LEAF || *flags == PAGE_BRANCH;
}

static void
free_pages(struct pages_rows *p, struct slice list)
{
    uint64_t count = list.len < 8 ? 0 : le64(list.data);

    for (uint64_t i = 1; i <= count && i < list.len / 8; i++)
        reach(p, le64(list.data + 8 * i), 1);
}

static void
give(struct pages_rows *p, const struct walk *w, struct slice key, struct slice value)
{
    if (w->is_main && value.len == TABLE_BYTES && slice_equal(key, slice_of(p->wanted))) {
        table_decode((const unsigned char *)value.data, &p->found);
        p->is_found = true;
    } else if (w->is_free_list) {
        free_pages(p, value);
    } else if (!w->is_main) {
        w->row(w->arg, key, value);
    }
}

static bool
give_large(struct pages_rows *p, const struct walk *w, const struct node *n)
{
    uint64_t first = n->data_room < 8 ? 0 : le64(n->data);
    uint64_t count = (PAGE_HEAD_BYTES - 1 + n->data_len) / p->meta.page_bytes + 1;
    char    *value;
    bool     is_read;

    if (n->data_len > w->value_max || !reach(p, first, count) || (value = malloc(n->data_len + 1)) == NULL)
        return false;
    is_read = page_read(p->fd, first * p->meta.page_bytes + PAGE_HEAD_BYTES, value, (size_t)n->data_len);
    if (is_read)
        give(p, w, slice_make(n->key, n->key_len), slice_make(value, (size_t)n->data_len));
    free(value);
    return is_read;
}

static void
take_leaf(struct pages_rows *p, const struct walk *w, const struct level *l)
{
    for (unsigned i = 0; i < l->nodes; i++) {
        struct node n;

        if (!read_node(p, l->page, i, &n))
            p->lost++;
        else if ((n.flags & NODE_LARGE) != 0)
            p->lost += !give_large(p, w, &n);
        else if (n.data_len > n.data_room)
            p->lost++;
        else
            give(p, w, slice_make(n.key, n.key_len), slice_make(n.data, (size_t)n.data_len));
    }
}

static void
enter(struct pages_rows *p, const struct walk *w, uint64_t number)
{
    uint16_t flags;

    if (p->depth == DEPTH_MAX || !reach(p, number, 1) || !load(p, number, &p->levels[p->depth], &flags))
        p->lost++;
    else if (flags == PAGE_LEAF)
        take_leaf(p, w, &p->levels[p->depth]);
    else
        p->depth++;
}

static void
walk_tree(struct pages_rows *p, const struct walk *w, uint64_t root)
{
    p->depth = 0;
    if (root != PAGE_NONE)
        enter(p, w, root);
    while (p->depth > 0) {
        struct level *l = &p->levels[p->depth - 1];
        struct node   n;

        if (l->node == l->nodes)
            p->depth--;
        else if (!read_node(p, l->page, l->node++, &n))
            p->lost++;
        else
            enter(p, w, n.child);
    }
}

int
pages_rows_open(int fd, struct pages_rows **out)
{
    struct page_meta  metas[2];
    struct pages_head head;
    const char       *reason;
    struct pages_rows *p;
    int               rc = pages_head_read(fd, &head, &reason);

    if (rc == MT_OK)
        rc = pages_metas_read(fd, metas, &reason);
    if (rc != MT_OK)
        return rc;
    if ((p = calloc(1, sizeof(*p))) == NULL)
        return MT_ENOMEM;
    p->fd = fd;
    p->meta = metas[metas[1].txn_id > metas[0].txn_id];
    p->reached = calloc(1, (size_t)(p->meta.last_page / 8 + 1));
    p->room = malloc((size_t)DEPTH_MAX * p->meta.page_bytes);
    if (p->reached == NULL || p->room == NULL) {
        pages_rows_close(p);
        return MT_ENOMEM;
    }
    for (unsigned i = 0; i < DEPTH_MAX; i++)
        p->levels[i].page = p->room + (size_t)i * p->meta.page_bytes;
    walk_tree(p, &(struct walk){ .is_free_list = true, .value_max = (size_t)p->meta.last_page * 8 + 8 }, p->meta.tables[0].root);
    *out = p;
    return MT_OK;
}

void
pages_rows_close(struct pages_rows *p)
{
    if (p == NULL)
        return;
    free(p->reached);
    free(p->room);
    free(p);
}

bool
pages_rows_table(struct pages_rows *p, const char *table, size_t value_max, pages_row_fn *row, void *arg)
{
    unsigned char *all = p->reached;
    uint64_t       lost = p->lost;

    p->wanted = table;
    p->is_found = false;
    p->reached = calloc(1, (size_t)(p->meta.last_page / 8 + 1));
    if (p->reached == NULL) {
        p->reached = all;
        return false;
    }
    walk_tree(p, &(struct walk){ .is_main = true }, p->meta.tables[1].root);
    p->lost = lost + (p->lost > lost && !p->is_found);
    for (uint64_t i = 0; i <= p->meta.last_page / 8; i++)
        all[i] |= p->reached[i];
    free(p->reached);
    p->reached = all;
    if (p->is_found)
        walk_tree(p, &(struct walk){ .row = row, .arg = arg, .value_max = value_max }, p->found.root);
    return p->is_found;
}

/* How many pages a large value that begins here has; its later pages are octets that came from outside, and may look like anything. */
static uint64_t
large_pages(const struct pages_rows *p, uint64_t number)
{
    unsigned char head[PAGE_HEAD_BYTES];

    if (!page_read(p->fd, number * p->meta.page_bytes, head, sizeof(head)) || le64(head) != number || le16(head + 10) != PAGE_OVERFLOW)
        return 0;
    return le32(head + 12);
}

void
pages_rows_stray(struct pages_rows *p, size_t value_max, pages_row_fn *row, void *arg)
{
    const struct walk w = { .row = row, .arg = arg, .value_max = value_max };

    for (uint64_t i = 2; i <= p->meta.last_page; i++) {
        uint64_t large;
        uint16_t flags;

        if ((p->reached[i / 8] >> i % 8 & 1) != 0)
            continue;
        if ((large = large_pages(p, i)) > 0)
            i += large - 1;
        else if (load(p, i, &p->levels[0], &flags) && flags == PAGE_LEAF && reach(p, i, 1))
            take_leaf(p, &w, &p->levels[0]);
    }
}

uint64_t
pages_rows_lost(const struct pages_rows *p)
{
    return p->lost;
}
