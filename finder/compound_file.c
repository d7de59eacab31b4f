#include "finder/compound_file.h"

#include "lib/error.h"
#include "lib/transfer.h"

#include <stdlib.h>

/* MS-CFB 2.2: offsets in the header, and what can stand there. */
#define HEADER_BYTES 512u
enum {
    SECTOR_SHIFT_AT = 30, FIRST_DIRECTORY_AT = 48, MINI_CUTOFF_AT = 56, FIRST_MINI_FAT_AT = 60, DIFAT_AT = 76,
};
#define SECTOR_SHIFT_SMALL 9u
#define SECTOR_SHIFT_LARGE 12u
#define MINI_SHIFT         6u
#define MINI_BYTES         (1u << MINI_SHIFT)
#define FAT_SECTORS_MAX    109u     /* that the header itself tells of */
#define NUMBER_BYTES       4u
#define SECTORS_PER_FAT    ((1u << SECTOR_SHIFT_SMALL) / NUMBER_BYTES)

/* So many sectors and mini sectors can lie within the octets that are kept. */
#define SECTORS_MAX        (COMPOUND_FILE_BYTES_MAX >> SECTOR_SHIFT_SMALL)
#define MINI_SECTORS_MAX   (COMPOUND_FILE_BYTES_MAX >> MINI_SHIFT)

/* Hence the DIFAT sectors, which tell of further FAT sectors, are never needed. */
static_assert(SECTORS_MAX / SECTORS_PER_FAT <= FAT_SECTORS_MAX, "the header tells of all FAT sectors");

/* 2.6.1: a directory entry. */
#define ENTRY_BYTES 128u
enum { NAME_LEN_AT = 64, TYPE_AT = 66, LEFT_AT = 68, RIGHT_AT = 72, CHILD_AT = 76, START_AT = 116, SIZE_AT = 120 };
enum { TYPE_STORAGE = 1, TYPE_STREAM = 2, TYPE_ROOT = 5 };
#define ENTRIES_MAX (COMPOUND_FILE_BYTES_MAX / ENTRY_BYTES)
#define NO_ENTRY    0xffffu

static_assert(ENTRIES_MAX < NO_ENTRY && SECTORS_MAX < UINT16_MAX, "fit the types of the lists");

/* MS-OXMSG 2.1.3: the name of a stream with a property: this, and the tag in hexadecimal. */
#define STREAM_PREFIX "__substg1.0_"
#define TAG_DIGITS    8u

/* So much of a file's name is read, in UTF-16. */
#define NAME_OCTETS_MAX (2 * CONTENT_NAME_BYTES_MAX)

/* The sectors of something, in order. */
struct chain {
    uint32_t count;
    uint16_t sectors[SECTORS_MAX];
};

struct walk {
    struct slice  file;
    unsigned      shift;                        /* a sector has 1 << shift octets */
    uint32_t      sectors;                      /* that are in the file, the last perhaps in part */
    uint32_t      entries;
    uint32_t      mini_cutoff;                  /* smaller streams lie in mini sectors */
    struct chain  directory, mini_fat, mini_stream;
    bool          used[SECTORS_MAX];            /* by a chain or a stream */
    bool          mini_used[MINI_SECTORS_MAX];
    uint16_t      parent[ENTRIES_MAX];          /* the storage that an entry is in, or NO_ENTRY */
    uint16_t      file_name[ENTRIES_MAX];       /* of a storage: the stream with the name of the attached file, or NO_ENTRY */
    uint16_t      waiting[ENTRIES_MAX];         /* entries found in the tree, but not visited yet */
    bool          found[ENTRIES_MAX];
};

bool
compound_file_is(struct slice first)
{
    static const unsigned char signature[] = { 0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1 };

    return first.len >= sizeof(signature) && memcmp(first.data, signature, sizeof(signature)) == 0;
}

void
compound_file_init(struct compound_file *c, const struct container_events *events, void *arg)
{
    buf_init(&c->octets, COMPOUND_FILE_BYTES_MAX);
    mapi_value_init(&c->value, events, arg);
    c->cut = false;
}

void
compound_file_feed(struct compound_file *c, struct slice octets)
{
    struct slice kept = slice_sub(octets, 0, COMPOUND_FILE_BYTES_MAX - c->octets.len);

    if (buf_append_slice(&c->octets, kept) != MT_OK || kept.len < octets.len)
        c->cut = true;
}

/* ---- Sectors and their chains ----------------------------------------------------------------------------------- */

/* Shorter than a sector only at the end of the file, or where there is none. */
static struct slice
sector_octets(const struct walk *w, uint32_t sector)
{
    return slice_sub(w->file, ((size_t)sector + 1) << w->shift, (size_t)1 << w->shift);
}

/* A number in a sector, or UINT32_MAX, which is no sector, where the file has none. */
static uint32_t
number_at(struct slice octets, size_t at)
{
    struct slice number = slice_sub(octets, at, NUMBER_BYTES);

    return number.len == NUMBER_BYTES ? get_le32((const unsigned char *)number.data) : UINT32_MAX;
}

static uint32_t
next_sector(const struct walk *w, uint32_t sector)
{
    uint32_t per_fat = (1u << w->shift) / NUMBER_BYTES;
    uint32_t fat = number_at(w->file, DIFAT_AT + (size_t)(sector / per_fat) * NUMBER_BYTES);

    return fat < w->sectors ? number_at(sector_octets(w, fat), (size_t)(sector % per_fat) * NUMBER_BYTES) : UINT32_MAX;
}

static void
load_chain(struct walk *w, struct chain *c, uint32_t sector)
{
    for (; sector < w->sectors && !w->used[sector]; sector = next_sector(w, sector)) {
        w->used[sector] = true;
        c->sectors[c->count++] = (uint16_t)sector;
    }
}

/* Octets of what a chain holds; empty where it ends before. They never cross a sector's end. */
static struct slice
chain_octets(const struct walk *w, const struct chain *c, size_t at, size_t len)
{
    size_t index = at >> w->shift;

    if (index >= c->count)
        return slice_make(NULL, 0);
    return slice_sub(sector_octets(w, c->sectors[index]), at & (((size_t)1 << w->shift) - 1), len);
}

/* ---- Directory -------------------------------------------------------------------------------------------------- */

/* All its octets, or none. */
static struct slice
entry_octets(const struct walk *w, uint32_t entry)
{
    struct slice octets = chain_octets(w, &w->directory, (size_t)entry * ENTRY_BYTES, ENTRY_BYTES);

    return octets.len == ENTRY_BYTES ? octets : slice_make(NULL, 0);
}

static uint8_t
entry_type(struct slice entry)
{
    return entry.len == 0 ? 0 : (uint8_t)entry.data[TYPE_AT];
}

/* The tag in the name of a stream, or 0. Of several values each has a stream with a number behind that. */
static uint32_t
entry_tag(struct slice entry)
{
    static const char prefix[] = STREAM_PREFIX;
    uint32_t          tag = 0;

    if (entry_type(entry) != TYPE_STREAM)
        return 0;
    for (size_t i = 0; i < sizeof(prefix) - 1 + TAG_DIGITS; i++) {
        char c = entry.data[2 * i];
        int  digit = hex_value(c);

        if (entry.data[2 * i + 1] != 0 || (i < sizeof(prefix) - 1 ? c != prefix[i] : digit < 0))
            return 0;
        if (i >= sizeof(prefix) - 1)
            tag = tag << 4 | (uint32_t)digit;
    }
    return tag;
}

/* The entry joins those that wait, once only, so there is room for it. */
static void
find_entry(struct walk *w, uint32_t entry, uint16_t parent, uint32_t *waiting)
{
    if (entry >= w->entries || w->found[entry])
        return;
    w->found[entry] = true;
    w->parent[entry] = parent;
    w->waiting[(*waiting)++] = (uint16_t)entry;
}

/* Learns which storage each entry is in; entry 0 is the root. */
static void
walk_tree(struct walk *w)
{
    uint32_t waiting = 0;

    find_entry(w, 0, NO_ENTRY, &waiting);
    while (waiting > 0) {
        uint16_t     at = w->waiting[--waiting];
        struct slice entry = entry_octets(w, at);
        uint16_t     id = MAPI_ID(entry_tag(entry)), parent = w->parent[at];

        find_entry(w, number_at(entry, LEFT_AT), parent, &waiting);
        find_entry(w, number_at(entry, RIGHT_AT), parent, &waiting);
        if (entry_type(entry) == TYPE_STORAGE || entry_type(entry) == TYPE_ROOT)
            find_entry(w, number_at(entry, CHILD_AT), at, &waiting);
        if (parent != NO_ENTRY && (id == MAPI_ATTACH_LONG_FILENAME ||
                                   (id == MAPI_ATTACH_FILENAME && w->file_name[parent] == NO_ENTRY)))
            w->file_name[parent] = at;
    }
}

/* ---- Streams ---------------------------------------------------------------------------------------------------- */

static void
tell_sectors(struct walk *w, struct mapi_value *v, uint32_t sector, uint64_t left)
{
    for (; left > 0 && sector < w->sectors && !w->used[sector]; sector = next_sector(w, sector)) {
        struct slice all = sector_octets(w, sector), octets = slice_take(&all, left);

        w->used[sector] = true;
        left -= octets.len;
        mapi_value_feed(v, octets);
    }
}

/* used: whose sectors count once only; NULL for a few octets that are read in addition. */
static void
tell_mini_sectors(const struct walk *w, struct mapi_value *v, uint32_t sector, uint64_t left, bool *used)
{
    while (left > 0 && sector < MINI_SECTORS_MAX && (used == NULL || !used[sector])) {
        struct slice all = chain_octets(w, &w->mini_stream, (size_t)sector << MINI_SHIFT, MINI_BYTES);
        struct slice octets = slice_take(&all, left);

        if (octets.len == 0)
            return;
        if (used != NULL)
            used[sector] = true;
        left -= octets.len;
        mapi_value_feed(v, octets);
        sector = number_at(chain_octets(w, &w->mini_fat, (size_t)sector * NUMBER_BYTES, NUMBER_BYTES), 0);
    }
}

/* A file's name, read aside. */
struct name {
    char   octets[CONTENT_NAME_BYTES_MAX];
    size_t len;
};

static void
on_name_begin(void *arg, enum content_kind kind, struct slice file_name)
{
    (void)arg, (void)kind, (void)file_name;
}

static void
on_name_octets(void *arg, struct slice octets)
{
    struct name *n = arg;
    struct slice kept = slice_sub(octets, 0, sizeof(n->octets) - n->len);

    memcpy(n->octets + n->len, kept.data, kept.len);
    n->len += kept.len;
}

static void
on_name_end(void *arg)
{
    (void)arg;
}

/* The name of the file that a storage with an attachment has; empty where there is none. */
static void
read_name(const struct walk *w, uint16_t storage, struct name *out)
{
    static const struct container_events events = { on_name_begin, on_name_octets, on_name_end };
    struct mapi_value                    v;
    struct slice                         entry;
    uint32_t                             size;

    out->len = 0;
    if (storage == NO_ENTRY || w->file_name[storage] == NO_ENTRY)
        return;
    entry = entry_octets(w, w->file_name[storage]);
    size = number_at(entry, SIZE_AT);
    if (size >= w->mini_cutoff)
        return;
    mapi_value_init(&v, &events, out);
    mapi_value_begin(&v, entry_tag(entry), slice_make(NULL, 0));
    tell_mini_sectors(w, &v, number_at(entry, START_AT), size < NAME_OCTETS_MAX ? size : NAME_OCTETS_MAX, NULL);
    mapi_value_end(&v);
}

static void
tell_stream(struct walk *w, struct mapi_value *v, uint16_t at)
{
    struct slice entry = entry_octets(w, at);
    uint32_t     tag = entry_tag(entry), size, start;
    struct name  name = { .len = 0 };

    if (tag == 0)
        return;
    if (MAPI_ID(tag) == MAPI_ATTACH_DATA)
        read_name(w, w->parent[at], &name);
    size = number_at(entry, SIZE_AT);
    start = number_at(entry, START_AT);
    mapi_value_begin(v, tag, slice_make(name.octets, name.len));
    if (size < w->mini_cutoff)
        tell_mini_sectors(w, v, start, size, w->mini_used);
    else
        tell_sectors(w, v, start, size);
    mapi_value_end(v);
}

/* The streams come in the order of the directory, those that the tree has lost, too. */
static void
tell_file(struct walk *w, struct mapi_value *v)
{
    w->sectors = (uint32_t)((w->file.len - 1) >> w->shift);     /* what stands before the first is the header */
    w->mini_cutoff = number_at(w->file, MINI_CUTOFF_AT);
    load_chain(w, &w->directory, number_at(w->file, FIRST_DIRECTORY_AT));
    load_chain(w, &w->mini_fat, number_at(w->file, FIRST_MINI_FAT_AT));
    w->entries = (uint32_t)(((size_t)w->directory.count << w->shift) / ENTRY_BYTES);
    if (w->entries > 0)
        load_chain(w, &w->mini_stream, number_at(entry_octets(w, 0), START_AT));
    memset(w->parent, 0xff, sizeof(w->parent));
    memset(w->file_name, 0xff, sizeof(w->file_name));
    walk_tree(w);
    for (uint32_t i = 0; i < w->entries; i++)
        tell_stream(w, v, (uint16_t)i);
}

void
compound_file_finish(struct compound_file *c)
{
    struct slice file = buf_slice(&c->octets);
    struct walk *w;

    if (file.len > HEADER_BYTES && compound_file_is(file)) {
        w = calloc(1, sizeof(*w));
        if (w == NULL) {
            c->cut = true;
        } else {
            w->file = file;
            w->shift = get_le16((const unsigned char *)file.data + SECTOR_SHIFT_AT);
            if (w->shift == SECTOR_SHIFT_SMALL || w->shift == SECTOR_SHIFT_LARGE)
                tell_file(w, &c->value);
        }
        free(w);
    }
    compound_file_fini(c);
}

void
compound_file_fini(struct compound_file *c)
{
    buf_fini(&c->octets);
}
