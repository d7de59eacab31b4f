#include "tests/unit/contents.h"
#include "tests/unit/deflated.h"

#include "finder/compound_file.h"

#define FILE_BYTES    (2u << 20)
#define MINI_BYTES    64u
#define MINI_CUTOFF   4096u
#define END_OF_CHAIN  0xfffffffeu
#define FAT_SECTOR    0xfffffffdu
#define NO_SECTOR     0xffffffffu
#define SECTORS_MAX   2048u
#define ENTRY_BYTES   128u

enum { STORAGE = 1, STREAM = 2, ROOT = 5 };

#define OCTETS(literal) { literal, sizeof(literal) - 1 }

static bool cut;

static void
run(struct contents *c, struct slice file, size_t piece)
{
    struct compound_file f;

#define FEED(part) compound_file_feed(&f, (part))
    compound_file_init(&f, &contents_events, c);
    CONTENTS_FEED(file, piece, FEED);
    compound_file_finish(&f);
    cut = f.cut;
    assert_null(f.octets.data);
#undef FEED
}

/* ---- A writer of compound files (MS-CFB) ------------------------------------------------------------------------ */

struct entry {
    const char  *name;
    unsigned     type;
    size_t       parent;    /* the number of its storage */
    struct slice data;
};

struct table {
    uint32_t next[SECTORS_MAX];
    size_t   count;
};

struct writer {
    struct buf   sectors, mini_sectors;
    struct table fat, mini_fat;
    size_t       sector_bytes;
};

/* Puts data into sectors, last one first, so that a reader has to follow the chain; returns where it starts. */
static uint32_t
put_chain(struct buf *to, struct table *table, size_t sector_bytes, struct slice data)
{
    size_t count = (data.len + sector_bytes - 1) / sector_bytes, first = table->count;

    for (size_t i = count; i > 0; i--) {
        struct slice part = slice_sub(data, (i - 1) * sector_bytes, sector_bytes);

        assert_true(table->count < SECTORS_MAX);
        table->next[table->count] = i == count ? END_OF_CHAIN : (uint32_t)table->count - 1;
        table->count++;
        buf_append_slice(to, part);
        for (size_t pad = part.len; pad < sector_bytes; pad++)
            buf_append_byte(to, 0);
    }
    assert_int_equal(to->fault, MT_OK);
    return count == 0 ? END_OF_CHAIN : (uint32_t)(first + count - 1);
}

static struct buf
table_octets(const struct table *t)
{
    struct buf b;

    buf_init(&b, FILE_BYTES);
    for (size_t i = 0; i < t->count; i++)
        put_le(&b, t->next[i], 4);
    return b;
}

/* The next entry with the same parent is its right sibling, the first one its child. */
static uint32_t
next_child(const struct entry *entries, size_t count, size_t parent, size_t from)
{
    for (size_t i = from; i < count; i++)
        if (entries[i].parent == parent)
            return (uint32_t)i;
    return NO_SECTOR;
}

static void
put_entry(struct buf *to, const struct entry *entries, size_t count, size_t at, uint32_t start, size_t size)
{
    const struct entry *e = &entries[at];
    size_t              len = strlen(e->name);

    for (size_t i = 0; i < 32; i++)
        put_le(to, i < len ? (unsigned char)e->name[i] : 0, 2);
    put_le(to, (len + 1) * 2, 2);
    put_le(to, e->type, 1);
    put_le(to, 1, 1);
    put_le(to, NO_SECTOR, 4);
    put_le(to, at == 0 ? NO_SECTOR : next_child(entries, count, e->parent, at + 1), 4);
    put_le(to, e->type == STREAM ? NO_SECTOR : next_child(entries, count, at, 1), 4);
    put_le(to, 0, 36);
    put_le(to, start, 4);
    put_le(to, size, 8);
}

static struct buf
directory_octets(struct writer *w, const struct entry *entries, size_t count)
{
    uint32_t   starts[32];
    struct buf b;

    assert_true(count <= COUNT(starts));
    for (size_t i = 1; i < count; i++) {
        if (entries[i].data.len < MINI_CUTOFF)
            starts[i] = put_chain(&w->mini_sectors, &w->mini_fat, MINI_BYTES, entries[i].data);
        else
            starts[i] = put_chain(&w->sectors, &w->fat, w->sector_bytes, entries[i].data);
    }
    starts[0] = put_chain(&w->sectors, &w->fat, w->sector_bytes, buf_slice(&w->mini_sectors));
    buf_init(&b, FILE_BYTES);
    for (size_t i = 0; i < count; i++)
        put_entry(&b, entries, count, i, starts[i], i == 0 ? w->mini_sectors.len : entries[i].data.len);
    return b;
}

static void
put_header(struct buf *to, const struct writer *w, uint32_t directory, uint32_t mini_fat, size_t fat_sectors)
{
    bool small = w->sector_bytes == 512;

    buf_append(to, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 8);
    put_le(to, 0, 16);
    put_le(to, 0x3e, 2);
    put_le(to, small ? 3 : 4, 2);
    put_le(to, 0xfffe, 2);
    put_le(to, small ? 9 : 12, 2);
    put_le(to, 6, 2);
    put_le(to, 0, 10);
    put_le(to, fat_sectors, 4);
    put_le(to, directory, 4);
    put_le(to, 0, 4);
    put_le(to, MINI_CUTOFF, 4);
    put_le(to, mini_fat, 4);
    put_le(to, 1, 4);
    put_le(to, END_OF_CHAIN, 4);
    put_le(to, 0, 4);
    for (size_t i = 0; i < 109; i++)
        put_le(to, i < fat_sectors ? w->fat.count - fat_sectors + i : NO_SECTOR, 4);
    assert_int_equal(to->len, 512);
    put_le(to, 0, w->sector_bytes - 512);
}

static struct buf
compound_file(const struct entry *entries, size_t count, size_t sector_bytes)
{
    static struct writer w;
    struct buf           file, octets;
    uint32_t             directory, mini_fat;
    size_t               fat_sectors = 1;

    w = (struct writer){ .sector_bytes = sector_bytes };
    buf_init(&w.sectors, FILE_BYTES);
    buf_init(&w.mini_sectors, FILE_BYTES);
    octets = directory_octets(&w, entries, count);
    directory = put_chain(&w.sectors, &w.fat, sector_bytes, buf_slice(&octets));
    buf_fini(&octets);
    octets = table_octets(&w.mini_fat);
    mini_fat = put_chain(&w.sectors, &w.fat, sector_bytes, buf_slice(&octets));
    buf_fini(&octets);
    while (fat_sectors * sector_bytes / 4 < w.fat.count + fat_sectors)
        fat_sectors++;
    for (size_t i = 0; i < fat_sectors; i++)
        w.fat.next[w.fat.count++] = FAT_SECTOR;
    octets = table_octets(&w.fat);
    buf_init(&file, FILE_BYTES);
    put_header(&file, &w, directory, mini_fat, fat_sectors);
    buf_append_slice(&file, buf_slice(&w.sectors));
    buf_append_slice(&file, buf_slice(&octets));
    while (file.len < sector_bytes + w.fat.count * sector_bytes)
        put_le(&file, 0xff, 1);
    assert_int_equal(file.fault, MT_OK);
    buf_fini(&octets);
    buf_fini(&w.sectors);
    buf_fini(&w.mini_sectors);
    return file;
}

/* ---- Tests ------------------------------------------------------------------------------------------------------ */

/* A message with a recipient, an attached file with both of its names, and an embedded message. */
static const struct entry message[] = {
    { "Root Entry", ROOT, SIZE_MAX, OCTETS("") },
    { "__nameid_version1.0", STORAGE, 0, OCTETS("") },
    { "__properties_version1.0", STREAM, 0, OCTETS("not told") },
    { "__substg1.0_0037001F", STREAM, 0, OCTETS("P\0r\0o\0b\0e\0") },
    { "__substg1.0_1000001E", STREAM, 0, OCTETS("body mt1") },
    { "__substg1.0_10130102", STREAM, 0, OCTETS("<p>html") },
    { "__substg1.0_10090102", STREAM, 0, OCTETS("\x13\0\0\0\2\0\0\0LZFu\0\0\0\0\0hi") },
    { "__substg1.0_007D001F", STREAM, 0, OCTETS("A\0:\0 \0b\0") },
    { "__substg1.0_1035001E", STREAM, 0, OCTETS("<id@example.net>") },
    { "__substg1.0_0FF90102", STREAM, 0, OCTETS("not told") },
    { "__substg1.0_8001001F", STREAM, 0, OCTETS("x\0-\0t\0") },
    { "__substg1.0_8002101F-00000001", STREAM, 0, OCTETS("t\0w\0o\0") },
    { "__substg1.0_00370G1F", STREAM, 0, OCTETS("no tag") },
    { "__recip_version1.0_#00000000", STORAGE, 0, OCTETS("") },
    { "__substg1.0_3003001F", STREAM, 13, OCTETS("a\0@\0b\0") },
    { "__attach_version1.0_#00000000", STORAGE, 0, OCTETS("") },
    { "__substg1.0_37010102", STREAM, 15, OCTETS("attached") },
    { "__substg1.0_3707001F", STREAM, 15, OCTETS("p\0r\0\xf6\0b\0e\0 \0w\0i\0t\0h\0 \0a\0 \0l\0o\0n\0g\0 \0"
                                                 "n\0a\0m\0e\0 \0o\0v\0e\0r\0 \0o\0n\0e\0 \0s\0"
                                                 "e\0c\0t\0o\0r\0.\0e\0m\0l\0") },
    { "__substg1.0_3704001E", STREAM, 15, OCTETS("PROBE~1.EML") },
    { "__attach_version1.0_#00000001", STORAGE, 0, OCTETS("") },
    { "__substg1.0_3701000D", STORAGE, 19, OCTETS("") },
    { "__substg1.0_0037001E", STREAM, 20, OCTETS("embedded") },
    { "__substg1.0_37010102", STREAM, 20, OCTETS("no name") },
};

#define MESSAGE_WANT \
    "field()=Probe|text()=body mt1|html()=<p>html|rtf()=hi|message()=A: b|field()=<id@example.net>|field()=x-t|field()=two|" \
    "field()=a@b|unknown(pr\\xc3\\xb6be with a long name over one sector.eml)=attached|" \
    "field()=pr\\xc3\\xb6be with a long name over one sector.eml|field()=PROBE~1.EML|field()=embedded|unknown()=no name|"

static void
properties_of_a_message_are_told(void **state)
{
    static const size_t sizes[] = { 512, 4096 };

    (void)state;
    for (size_t i = 0; i < COUNT(sizes); i++) {
        struct buf file = compound_file(message, COUNT(message), sizes[i]);

        assert_true(compound_file_is(buf_slice(&file)));
        assert_contents(i == 0 ? "small sectors" : "large sectors", run, buf_slice(&file), MESSAGE_WANT);
        assert_false(cut);
        buf_fini(&file);
    }
}

static void
a_stream_over_many_sectors_is_told(void **state)
{
    static char  body[300000];
    struct entry entries[] = {
        { "Root Entry", ROOT, SIZE_MAX, OCTETS("") },
        { "__substg1.0_1000001E", STREAM, 0, { body, sizeof(body) } },
        { "__substg1.0_1000001E", STREAM, 0, { body, MINI_CUTOFF } },
        { "__substg1.0_1000001E", STREAM, 0, { body, MINI_CUTOFF - 1 } },
    };
    struct buf file, got, want;

    (void)state;
    for (size_t i = 0; i < sizeof(body); i++)
        body[i] = (char)('a' + i % 26 + (i / 26 % 7 == 0 ? 'A' - 'a' : 0));
    buf_init(&want, FILE_BYTES);
    for (size_t i = 1; i < COUNT(entries); i++) {
        buf_append_string(&want, "text()=");
        buf_append_slice(&want, entries[i].data);
        buf_append_string(&want, "|");
    }
    file = compound_file(entries, COUNT(entries), 512);
    got = contents_of(run, buf_slice(&file), 1000);
    assert_true(slice_equal(buf_slice(&got), buf_slice(&want)));
    buf_fini(&file);
    buf_fini(&got);
    buf_fini(&want);
}

static void
of_a_larger_file_its_front_is_told(void **state)
{
    struct buf file = compound_file(message, COUNT(message), 512);

    (void)state;
    while (file.len < COMPOUND_FILE_BYTES_MAX)
        buf_append_byte(&file, 'x');
    assert_contents("just fits", run, buf_slice(&file), MESSAGE_WANT);
    assert_false(cut);
    buf_append_byte(&file, 'x');
    assert_contents("one octet too many", run, buf_slice(&file), MESSAGE_WANT);
    assert_true(cut);
    buf_fini(&file);
}

/* A chain of 30 sectors that comes back to its start, in a stream that claims to have 4 GiB. */
static void
a_chain_that_loops_ends(void **state)
{
    static char  body[30 * 512];
    struct entry entries[] = {
        { "Root Entry", ROOT, SIZE_MAX, OCTETS("") },
        { "__substg1.0_1000001E", STREAM, 0, { body, sizeof(body) } },
        { "__substg1.0_1000001E", STREAM, 0, OCTETS("the same sectors") },
    };
    struct buf file, got;

    (void)state;
    memset(body, 'b', sizeof(body));
    file = compound_file(entries, COUNT(entries), 512);
    /* Sectors 0 to 29 are the body, last one first; 30 the mini stream, 31 the directory, 32 the mini FAT, 33 the FAT. */
    memcpy(file.data + 512 * 34, "\x1d", 1);
    for (size_t i = 1; i <= 2; i++) {
        memcpy(file.data + 512 * 32 + ENTRY_BYTES * i + 116, "\x1d\0\0\0", 4);
        memcpy(file.data + 512 * 32 + ENTRY_BYTES * i + 120, "\xff\xff\xff\xff", 4);
    }
    got = contents_of(run, buf_slice(&file), SIZE_MAX);
    assert_int_equal(got.len, strlen("text()=|text()=|") + sizeof(body));
    buf_fini(&got);
    /* The directory's chain, too, and siblings that are their own siblings. */
    memcpy(file.data + 512 * 34 + 31 * 4, "\x1f\0\0\0", 4);
    for (size_t i = 0; i <= 2; i++)
        memcpy(file.data + 512 * 32 + ENTRY_BYTES * i + 68, "\1\0\0\0\2\0\0\0\1\0\0", 12);
    got = contents_of(run, buf_slice(&file), SIZE_MAX);
    assert_int_equal(got.len, strlen("text()=|text()=|") + sizeof(body));
    buf_fini(&got);
    buf_fini(&file);
}

/* Every octet in turn becomes 0 or 0xff, and the file breaks off behind every sector: what is told stays within bounds. */
static void
damage_does_no_harm(void **state)
{
    struct buf file = compound_file(message, COUNT(message), 512), got;

    (void)state;
    for (size_t i = 0; i < file.len; i++) {
        char kept = file.data[i];

        for (int octet = 0; octet <= 0xff; octet += 0xff) {
            file.data[i] = (char)octet;
            got = contents_of(run, buf_slice(&file), SIZE_MAX);
            assert_true(got.len <= 3 * file.len * strlen("\\x00"));
            buf_fini(&got);
        }
        file.data[i] = kept;
    }
    for (size_t len = 0; len <= file.len; len += len < 600 ? 1 : 100) {
        got = contents_of(run, slice_sub(buf_slice(&file), 0, len), SIZE_MAX);
        buf_fini(&got);
    }
    assert_contents("not one", run, slice_of("something else"), "");
    assert_false(compound_file_is(slice_sub(buf_slice(&file), 0, 7)));
    buf_fini(&file);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(properties_of_a_message_are_told),
        cmocka_unit_test(a_stream_over_many_sectors_is_told),
        cmocka_unit_test(of_a_larger_file_its_front_is_told),
        cmocka_unit_test(a_chain_that_loops_ends),
        cmocka_unit_test(damage_does_no_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
