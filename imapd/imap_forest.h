#ifndef IMAPD_IMAP_FOREST_H
#define IMAPD_IMAP_FOREST_H
/*
 * imap_forest - trees that grow and are cut, and the question in which tree a node is, each in logarithmic time (amortised), without
 * recursion: the link-cut trees of Sleator and Tarjan. Node 0 is none.
 */

#include <stdbool.h>
#include <stdint.h>

struct imap_forest_node {
    uint32_t up;                /* in its splay tree, or from that tree's root to the path above */
    uint32_t left, right;       /* towards the root of the tree, away from it */
};

/* The root of the tree that x is in. */
uint32_t imap_forest_root(struct imap_forest_node *nodes, uint32_t x);

/* Hangs a tree's root below a node of another tree. */
void imap_forest_link(struct imap_forest_node *nodes, uint32_t root, uint32_t below);

/* Takes a node with all below it from its parent. */
void imap_forest_cut(struct imap_forest_node *nodes, uint32_t x);

#endif
