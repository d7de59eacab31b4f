#ifndef LIB_PAGES_FORMAT_H
#define LIB_PAGES_FORMAT_H
/*
 * pages_format - where things stand in the pages of an LMDB data file (format 1). For pages.c and pages_check.c alone.
 *
 *   page   number u64, pad u16, flags u16, lower u16 and upper u16 (or, of overflow pages, their count u32); then
 *   leaf, branch: offsets of the nodes u16 each, up to lower; the nodes themselves from upper to the end of the page
 *   node   low u16, high u16, flags u16, key size u16, key, data
 *          of a leaf, low and high are the data's size; data is the value, or where it is large the number of its first
 *          overflow page u64, or a table
 *          of a branch, low, high and flags are the child's page number; the first node has no key
 *   table  pad u32, flags u16, depth u16, branch, leaf and overflow pages u64 each, entries u64, root u64
 *   meta   after the page's head: magic u32, version u32, address u64, map size u64, free-list table, main table,
 *          last page u64, transaction u64
 */

#include "lib/slice.h"

#define PAGE_HEAD_BYTES 16u
#define PAGE_MAX_BYTES  65536u
#define PAGE_NONE       UINT64_MAX
#define PAGE_NUMBER_MAX (UINT64_C(1) << 48)
#define META_BYTES      136u
#define META_MAGIC      0xBEEFC0DEu
#define META_VERSION    1u
#define TABLE_BYTES     48u
#define NODE_HEAD_BYTES 8u
#define KEY_MAX_BYTES   511u

enum page_flag { PAGE_BRANCH = 1, PAGE_LEAF = 2, PAGE_OVERFLOW = 4, PAGE_META = 8 };
enum node_flag { NODE_LARGE = 1, NODE_TABLE = 2 };
enum table_flag { TABLE_NUMBER_KEYS = 8 };

struct page_table {
    uint16_t flags, depth;
    uint64_t branch_pages, leaf_pages, overflow_pages, entries, root;
};

struct page_meta {
    uint16_t          flags;            /* of the page */
    uint32_t          magic, version;
    uint32_t          page_bytes;       /* kept in the pad of the first table */
    struct page_table tables[2];        /* free list, main */
    uint64_t          last_page, txn_id;
};

static inline uint16_t
le16(const void *from)
{
    uint16_t v;

    memcpy(&v, from, sizeof(v));
    return v;
}

static inline uint32_t
le32(const void *from)
{
    uint32_t v;

    memcpy(&v, from, sizeof(v));
    return v;
}

static inline uint64_t
le64(const void *from)
{
    uint64_t v;

    memcpy(&v, from, sizeof(v));
    return v;
}

static inline void
table_decode(const unsigned char *p, struct page_table *out)
{
    *out = (struct page_table){ .flags = le16(p + 4), .depth = le16(p + 6), .branch_pages = le64(p + 8), .leaf_pages = le64(p + 16),
                                .overflow_pages = le64(p + 24), .entries = le64(p + 32), .root = le64(p + 40) };
}

/* A whole meta page's first PAGE_HEAD_BYTES + META_BYTES. */
static inline void
meta_decode(const unsigned char *page, struct page_meta *out)
{
    const unsigned char *p = page + PAGE_HEAD_BYTES;

    *out = (struct page_meta){ .flags = le16(page + 10), .magic = le32(p), .version = le32(p + 4), .page_bytes = le32(p + 24),
                               .last_page = le64(p + 24 + 2 * TABLE_BYTES), .txn_id = le64(p + 32 + 2 * TABLE_BYTES) };
    table_decode(p + 24, &out->tables[0]);
    table_decode(p + 24 + TABLE_BYTES, &out->tables[1]);
}

/* Exactly len octets at offset; false where the file ends before or cannot be read. */
bool page_read(int fd, uint64_t offset, void *to, size_t len);

/* Both meta pages, checked as far as each can be alone. As pages_head_read. */
int pages_metas_read(int fd, struct page_meta metas[2], const char **reason);

#endif
