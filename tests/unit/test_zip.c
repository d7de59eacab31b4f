#include "tests/unit/contents.h"
#include "tests/unit/deflated.h"

#include "finder/zip.h"

#define BUDGET     1000000u
#define FILE_BYTES 200000u

/* What the general purpose flags and the method say (APPNOTE 4.4.4, 4.4.5). */
enum { ENCRYPTED = 0x0001, DESCRIPTOR = 0x0008, UTF8 = 0x0800 };
enum { STORED = 0, DEFLATED = 8, BZIP2 = 12 };

/* How the sizes are given. */
enum sizes { IN_HEADER, IN_ZIP64, BEHIND, BEHIND_ZIP64, BEHIND_BARE };

struct member {
    const char  *name;
    unsigned     flags, method;
    enum sizes   sizes;
    struct slice octets;
};

static uint64_t budget;
static bool     cut;

static void
run(struct contents *c, struct slice file, size_t piece)
{
    struct zip z;
    uint64_t   left = budget;

#define FEED(part) zip_feed(&z, (part))
    zip_init(&z, &contents_events, c, &left);
    CONTENTS_FEED(file, piece, FEED);
    zip_finish(&z);
    cut = z.cut;
#undef FEED
}

/* The local file header. Checksums and times are not looked at. */
static void
put_header(struct buf *to, const struct member *m, uint64_t packed)
{
    bool zip64 = m->sizes == IN_ZIP64 || m->sizes == BEHIND_ZIP64;
    bool behind = m->sizes >= BEHIND;

    buf_append(to, "PK\x03\x04", 4);
    put_le(to, zip64 ? 45 : 20, 2);
    put_le(to, m->flags | (behind ? (unsigned)DESCRIPTOR : 0), 2);
    put_le(to, m->method, 2);
    put_le(to, 0, 8);
    put_le(to, zip64 ? UINT32_MAX : behind ? 0 : packed, 4);
    put_le(to, zip64 ? UINT32_MAX : behind ? 0 : m->octets.len, 4);
    put_le(to, strlen(m->name), 2);
    put_le(to, zip64 ? 9 + 20 : 9, 2);
    buf_append_string(to, m->name);
    buf_append(to, "UT\x05\x00\x01time", 9);
    if (!zip64)
        return;
    put_le(to, 0x0001, 2);
    put_le(to, 16, 2);
    put_le(to, behind ? 0 : m->octets.len, 8);
    put_le(to, behind ? 0 : packed, 8);
}

static void
put_member(struct buf *to, const struct member *m)
{
    struct buf packed;
    size_t     width = m->sizes == BEHIND_ZIP64 ? 8 : 4;

    buf_init(&packed, FILE_BYTES);
    if (m->method == DEFLATED)
        put_deflated(&packed, INFLATER_RAW, m->octets, NULL);
    else
        buf_append_slice(&packed, m->octets);
    put_header(to, m, packed.len);
    buf_append_slice(to, buf_slice(&packed));
    if (m->sizes >= BEHIND && m->sizes != BEHIND_BARE)
        buf_append(to, "PK\x07\x08", 4);
    if (m->sizes >= BEHIND) {
        put_le(to, 0x12345678, 4);
        put_le(to, packed.len, width);
        put_le(to, m->octets.len, width);
    }
    buf_fini(&packed);
    assert_int_equal(to->fault, MT_OK);
}

/* A central directory that says something else. */
static void
put_directory(struct buf *to)
{
    buf_append(to, "PK\x01\x02", 4);
    for (size_t i = 0; i < 42; i++)
        buf_append_byte(to, '\xff');
    buf_append_string(to, "another name");
    buf_append(to, "PK\x05\x06\0\0\0\0\x01\0\x01\0\0\0\0\0\0\0\0\0\0\0", 22);
}

#define TEXT(literal) { literal, sizeof(literal) - 1 }

static const struct {
    const char   *label;
    struct member members[3];
    const char   *want;
} cases[] = {
    { "empty", { { .name = NULL } }, "" },
    { "stored", { { "a.txt", 0, STORED, IN_HEADER, TEXT("hello token") } }, "unknown(a.txt)=hello token|" },
    { "deflated", { { "a.txt", 0, DEFLATED, IN_HEADER, TEXT("hello token") } }, "unknown(a.txt)=hello token|" },
    { "a folder and files in it",
      { { "a/", 0, STORED, IN_HEADER, TEXT("") }, { "a/b", UTF8, DEFLATED, IN_HEADER, TEXT("B") },
        { "a/c", 0, STORED, IN_HEADER, TEXT("C") } },
      "unknown(a/)=|unknown(a/b)=B|unknown(a/c)=C|" },
    { "empty files", { { "a", 0, STORED, IN_HEADER, TEXT("") }, { "b", 0, DEFLATED, IN_HEADER, TEXT("") } },
      "unknown(a)=|unknown(b)=|" },
    { "zip64", { { "a", 0, STORED, IN_ZIP64, TEXT("one") }, { "b", 0, DEFLATED, IN_ZIP64, TEXT("two") } },
      "unknown(a)=one|unknown(b)=two|" },
    { "data descriptors",
      { { "a", 0, DEFLATED, BEHIND, TEXT("one") }, { "b", 0, STORED, BEHIND, TEXT("two") },
        { "c", 0, STORED, IN_HEADER, TEXT("three") } },
      "unknown(a)=one|unknown(b)=two|unknown(c)=three|" },
    { "data descriptors of zip64",
      { { "a", 0, DEFLATED, BEHIND_ZIP64, TEXT("one") }, { "b", 0, STORED, BEHIND_ZIP64, TEXT("two") },
        { "c", 0, STORED, IN_HEADER, TEXT("three") } },
      "unknown(a)=one|unknown(b)=two|unknown(c)=three|" },
    { "data descriptors without a signature",
      { { "a", 0, DEFLATED, BEHIND_BARE, TEXT("one") }, { "b", 0, DEFLATED, BEHIND_BARE, TEXT("two") } },
      "unknown(a)=one|unknown(b)=two|" },
    { "an empty file with a data descriptor", { { "a", 0, STORED, BEHIND, TEXT("") }, { "b", 0, STORED, BEHIND, TEXT("x") } },
      "unknown(a)=|unknown(b)=x|" },
    { "a folder with the flag for a data descriptor", { { "a/", DESCRIPTOR, STORED, IN_HEADER, TEXT("") },
      { "a/b", 0, STORED, IN_HEADER, TEXT("B") } }, "unknown(a/)=|unknown(a/b)=B|" },
    { "encrypted and other methods",
      { { "a", ENCRYPTED, STORED, IN_HEADER, TEXT("secret") }, { "b", 0, BZIP2, IN_HEADER, TEXT("BZh9") },
        { "c", ENCRYPTED, DEFLATED, BEHIND, TEXT("secret") } },
      "unknown(a)=|unknown(b)=|unknown(c)=|" },
    { "signatures within a stored file of unknown size",
      { { "a", 0, STORED, BEHIND, TEXT("PKPK\x07PK\x07\x08" "1234PK\x07\x08" "56789PK\x07\x08PK\x03\x04PK\x05\x06P") },
        { "b", 0, STORED, BEHIND, TEXT("x") } },
      "unknown(a)=PKPK\\x07PK\\x07\\x081234PK\\x07\\x0856789PK\\x07\\x08PK\\x03\\x04PK\\x05\\x06P|unknown(b)=x|" },
};

static void
put_members(struct buf *to, const struct member *members, size_t count)
{
    for (size_t m = 0; m < count && members[m].name != NULL; m++)
        put_member(to, &members[m]);
}

static void
members_are_told(void **state)
{
    (void)state;
    budget = BUDGET;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buf file;

        buf_init(&file, FILE_BYTES);
        put_members(&file, cases[i].members, COUNT(cases[i].members));
        put_directory(&file);
        assert_contents(cases[i].label, run, buf_slice(&file), cases[i].want);
        assert_false(cut);
        buf_fini(&file);
    }
}

static void
a_zip_within_a_stored_member_does_not_end_it(void **state)
{
    const struct member inside[] = { { "x", 0, STORED, BEHIND, TEXT("token") } };
    struct member       outside[] = { { "in.zip", 0, STORED, BEHIND, { NULL, 0 } }, { "y", 0, STORED, IN_HEADER, TEXT("Y") } };
    struct buf          inner, outer, all, first;

    (void)state;
    budget = BUDGET;
    buf_init(&inner, FILE_BYTES);
    put_members(&inner, inside, COUNT(inside));
    put_directory(&inner);
    outside[0].octets = buf_slice(&inner);
    buf_init(&outer, FILE_BYTES);
    put_members(&outer, outside, COUNT(outside));
    all = contents_of(run, buf_slice(&outer), SIZE_MAX);
    buf_init(&first, FILE_BYTES);
    buf_append_string(&first, "|unknown(y)=Y|");
    assert_true(all.len > first.len);
    assert_slice("the second member", slice_sub(buf_slice(&all), all.len - first.len, first.len), "|unknown(y)=Y|");
    for (size_t piece = 1; piece < 100; piece++) {
        struct buf got = contents_of(run, buf_slice(&outer), piece);

        assert_true(slice_equal(buf_slice(&got), buf_slice(&all)));
        buf_fini(&got);
    }
    buf_fini(&inner);
    buf_fini(&outer);
    buf_fini(&all);
    buf_fini(&first);
}

static const struct {
    const char *label;
    size_t      at;
    const char *octets;     /* instead of what stands there */
    const char *want;
} damages[] = {
    { "the start of its deflated stream", 40, "\xff", "unknown(a)=|unknown(b)=two|" },
    { "the end of its deflated stream", 43, "\xff\xff", "unknown(a)=ong\\xff|unknown(b)=two|" },
    { "its signature", 2, "x", "unknown(b)=two|" },
    { "the end of the first signature", 3, "P", "unknown(b)=two|" },
};

static void
behind_damage_the_next_member_is_found(void **state)
{
    const struct member members[] = {
        { "a", 0, DEFLATED, IN_HEADER, TEXT("one") }, { "b", 0, DEFLATED, IN_HEADER, TEXT("two") },
    };

    (void)state;
    budget = BUDGET;
    for (size_t i = 0; i < COUNT(damages); i++) {
        struct buf file;

        buf_init(&file, FILE_BYTES);
        put_members(&file, members, COUNT(members));
        memcpy(file.data + damages[i].at, damages[i].octets, strlen(damages[i].octets));
        assert_contents(damages[i].label, run, buf_slice(&file), damages[i].want);
        buf_fini(&file);
    }
}

static void
what_stands_in_front_is_skipped(void **state)
{
    static const struct {
        const char  *label;
        struct slice front;
    } fronts[] = {
        { "a program", TEXT("#!/bin/sh\nunzip $0\n") }, { "the mark of a split file", TEXT("PK\x07\x08") },
        { "half a signature", TEXT("PK") }, { "most of a signature", TEXT("PK\x03") }, { "its first letter", TEXT("PP") },
    };
    const struct member member = { "a", 0, STORED, IN_HEADER, TEXT("one") };

    (void)state;
    budget = BUDGET;
    for (size_t i = 0; i < COUNT(fronts); i++) {
        struct buf file;

        buf_init(&file, FILE_BYTES);
        buf_append_slice(&file, fronts[i].front);
        put_member(&file, &member);
        assert_contents(fronts[i].label, run, buf_slice(&file), "unknown(a)=one|");
        buf_fini(&file);
    }
}

static void
what_breaks_off_is_told_as_far_as_it_goes(void **state)
{
    const struct member sized = { "a", 0, STORED, IN_HEADER, TEXT("hello") }, behind = { "a", 0, STORED, BEHIND, TEXT("hello") };
    struct buf          file;

    (void)state;
    budget = BUDGET;
    buf_init(&file, FILE_BYTES);
    put_member(&file, &sized);
    assert_contents("within the octets", run, slice_sub(buf_slice(&file), 0, file.len - 1), "unknown(a)=hell|");
    assert_contents("behind the extra fields", run, slice_sub(buf_slice(&file), 0, file.len - 5), "unknown(a)=|");
    assert_contents("within the extra fields", run, slice_sub(buf_slice(&file), 0, file.len - 6), "");
    buf_clear(&file);
    put_member(&file, &behind);
    assert_contents("within the data descriptor", run, slice_sub(buf_slice(&file), 0, file.len - 13), "unknown(a)=helloPK\\x07|");
    buf_fini(&file);
}

static void
a_bomb_is_cut_at_the_budget(void **state)
{
    static const char   zeros[FILE_BYTES];
    const struct member members[] = {
        { "a", 0, DEFLATED, IN_HEADER, { zeros, 1000 } }, { "b", 0, STORED, IN_HEADER, { zeros, 3000 } },
        { "c", 0, DEFLATED, IN_HEADER, { zeros, sizeof(zeros) } },
    };
    struct buf file;

    (void)state;
    buf_init(&file, FILE_BYTES);
    put_members(&file, members, COUNT(members));
    budget = 1000 + 50000;
    for (size_t piece = 1; piece < 10000; piece *= 7) {
        struct buf got = contents_of(run, buf_slice(&file), piece);

        assert_int_equal(got.len, strlen("unknown(a)=|unknown(b)=|unknown(c)=|") + (1000 + 3000 + 50000) * strlen("\\x00"));
        assert_true(cut);
        buf_fini(&got);
    }
    buf_fini(&file);
}

static void
magic_is_known(void **state)
{
    (void)state;
    assert_true(zip_is(slice_of("PK\x03\x04 and so on")));
    assert_true(zip_is(slice_of("PK\x05\x06")));
    assert_true(zip_is(slice_of("PK\x07\x08PK\x03\x04")));
    assert_true(zip_is(slice_of("PK00PK\x03\x04")));
    assert_false(zip_is(slice_of("PK\x03")));
    assert_false(zip_is(slice_of("Packed")));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_are_told),
        cmocka_unit_test(a_zip_within_a_stored_member_does_not_end_it),
        cmocka_unit_test(behind_damage_the_next_member_is_found),
        cmocka_unit_test(what_stands_in_front_is_skipped),
        cmocka_unit_test(what_breaks_off_is_told_as_far_as_it_goes),
        cmocka_unit_test(a_bomb_is_cut_at_the_budget),
        cmocka_unit_test(magic_is_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
