#include "imapd/imap_forest.h"

static bool
is_top(const struct imap_forest_node *n, uint32_t x)
{
    uint32_t up = n[x].up;

    return up == 0 || (n[up].left != x && n[up].right != x);
}

static void
rotate(struct imap_forest_node *n, uint32_t x)
{
    uint32_t y = n[x].up, z = n[y].up, moved;
    bool     y_top = is_top(n, y);

    if (n[y].left == x) {
        moved = n[x].right;
        n[y].left = moved;
        n[x].right = y;
    } else {
        moved = n[x].left;
        n[y].right = moved;
        n[x].left = y;
    }
    if (moved != 0)
        n[moved].up = y;
    n[y].up = x;
    n[x].up = z;
    if (!y_top && n[z].left == y)
        n[z].left = x;
    else if (!y_top)
        n[z].right = x;
}

static void
splay(struct imap_forest_node *n, uint32_t x)
{
    while (!is_top(n, x)) {
        uint32_t y = n[x].up, z = n[y].up;

        if (!is_top(n, y))
            rotate(n, (n[y].left == x) == (n[z].left == y) ? y : x);
        rotate(n, x);
    }
}

/* Makes one splay tree of the path from the root to x, with x on top and nothing to its right. */
static void
access_path(struct imap_forest_node *n, uint32_t x)
{
    uint32_t last = 0;

    for (uint32_t y = x; y != 0; y = n[y].up) {
        splay(n, y);
        n[y].right = last;
        last = y;
    }
    splay(n, x);
}

uint32_t
imap_forest_root(struct imap_forest_node *nodes, uint32_t x)
{
    access_path(nodes, x);
    while (nodes[x].left != 0)
        x = nodes[x].left;
    splay(nodes, x);
    return x;
}

void
imap_forest_link(struct imap_forest_node *nodes, uint32_t root, uint32_t below)
{
    access_path(nodes, root);
    nodes[root].up = below;
}

void
imap_forest_cut(struct imap_forest_node *nodes, uint32_t x)
{
    access_path(nodes, x);
    if (nodes[x].left != 0)
        nodes[nodes[x].left].up = 0;
    nodes[x].left = 0;
}
