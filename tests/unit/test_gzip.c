#include "tests/unit/contents.h"
#include "tests/unit/deflated.h"

#include "finder/gzip.h"

#include <stdlib.h>

#define BUDGET  1000000u
#define NOTHING { "", 0 }

static uint64_t budget;
static bool     cut;

static void
run(struct contents *c, struct slice file, size_t piece)
{
    struct gzip g;
    uint64_t    left = budget;

#define FEED(part) gzip_feed(&g, (part))
    gzip_init(&g, &contents_events, c, &left);
    CONTENTS_FEED(file, piece, FEED);
    gzip_finish(&g);
    cut = g.cut;
#undef FEED
}

struct member {
    const char *name, *octets;
};

static const struct {
    const char   *label;
    struct member members[3];
    struct slice  behind;       /* the last member */
    size_t        without;      /* octets missing at the end */
    const char   *want;
} cases[] = {
    { "with a name", { { "report.txt", "hello token" } }, NOTHING, 0, "unknown(report.txt)=hello token|" },
    { "without a name", { { NULL, "hello token" } }, NOTHING, 0, "unknown()=hello token|" },
    { "empty file", { { "empty", "" } }, NOTHING, 0, "unknown(empty)=|" },
    { "two files", { { "a", "one" }, { "b", "two" } }, NOTHING, 0, "unknown(a)=one|unknown(b)=two|" },
    { "one file in three members", { { "a", "to" }, { NULL, "ke" }, { NULL, "n" } }, NOTHING, 0, "unknown(a)=token|" },
    { "zeros behind", { { "a", "one" } }, { "\0\0\0\0\0\0\0", 7 }, 0, "unknown(a)=one|" },
    { "something else behind", { { "a", "one" } }, { "Content", 7 }, 0, "unknown(a)=one|" },
    { "without its checksum", { { "a", "one" } }, NOTHING, 8, "unknown(a)=one|" },
    { "a name of 300 octets",
      { { "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
          "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
          "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789", "x" } },
      NOTHING, 0,
      "unknown(0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
      "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
      "0123456789012345678901234567890123456789012345678901234)=x|" },
};

static void
members_are_told(void **state)
{
    (void)state;
    budget = BUDGET;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buf file;

        buf_init(&file, 10000);
        for (size_t m = 0; m < COUNT(cases[i].members) && cases[i].members[m].octets != NULL; m++)
            put_deflated(&file, INFLATER_GZIP, slice_of(cases[i].members[m].octets), cases[i].members[m].name);
        buf_append_slice(&file, cases[i].behind);
        assert_contents(cases[i].label, run, slice_sub(buf_slice(&file), 0, file.len - cases[i].without), cases[i].want);
        assert_false(cut);
        buf_fini(&file);
    }
}

static void
anything_else_is_not_told(void **state)
{
    (void)state;
    budget = BUDGET;
    assert_contents("nothing", run, slice_of(""), "");
    assert_contents("text", run, slice_of("no such file at all"), "");
    assert_contents("another method", run, slice_make("\x1f\x8b\x07\0\0\0\0\0\0\0abc", 13), "");
    assert_contents("half a header", run, slice_make("\x1f\x8b\x08\0\0\0", 6), "");
    assert_contents("reserved kind of block", run, slice_make("\x1f\x8b\x08\0\0\0\0\0\0\0\xff\xff\xff", 13), "");
    assert_true(gzip_is(slice_make("\x1f\x8b\x08\0", 4)));
    assert_false(gzip_is(slice_make("\x1f\x8b", 2)));
    assert_false(gzip_is(slice_of("PK\x03\x04")));
}

static void
a_bomb_is_cut_at_the_budget(void **state)
{
    enum { BOMB_BYTES = 10000000 };
    char      *zeros = calloc(1, BOMB_BYTES);
    struct buf bomb, got;

    (void)state;
    assert_non_null(zeros);
    buf_init(&bomb, BOMB_BYTES);
    put_deflated(&bomb, INFLATER_GZIP, slice_make(zeros, BOMB_BYTES), "bomb");
    assert_true(bomb.len < BOMB_BYTES / 500);
    budget = 100000;
    for (size_t piece = 1; piece < 20000; piece *= 10) {
        got = contents_of(run, buf_slice(&bomb), piece);
        assert_int_equal(got.len, strlen("unknown(bomb)=|") + budget * strlen("\\x00"));
        assert_true(cut);
        buf_fini(&got);
    }
    buf_fini(&bomb);
    free(zeros);
}

static void
a_file_of_just_the_budget_is_whole(void **state)
{
    struct buf file;

    (void)state;
    buf_init(&file, 1000);
    put_deflated(&file, INFLATER_GZIP, slice_of("0123456789"), "a");
    budget = 10;
    assert_contents("all", run, buf_slice(&file), "unknown(a)=0123456789|");
    assert_false(cut);
    budget = 9;
    assert_contents("but one", run, buf_slice(&file), "unknown(a)=012345678|");
    assert_true(cut);
    budget = 0;
    assert_contents("nothing left", run, buf_slice(&file), "");
    assert_true(cut);
    buf_fini(&file);
}

static void
a_file_can_be_given_up(void **state)
{
    struct contents c = { .open = false };
    struct gzip     g;
    struct buf      file;
    uint64_t        left = BUDGET;

    (void)state;
    buf_init(&c.text, 100);
    buf_init(&file, 1000);
    put_deflated(&file, INFLATER_GZIP, slice_of("hello"), NULL);
    gzip_init(&g, &contents_events, &c, &left);
    gzip_fini(&g);
    gzip_init(&g, &contents_events, &c, &left);
    gzip_feed(&g, slice_sub(buf_slice(&file), 0, file.len - 1));
    gzip_fini(&g);
    assert_slice("no end", buf_slice(&c.text), "unknown()=hello");
    buf_fini(&c.text);
    buf_fini(&file);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_are_told),
        cmocka_unit_test(anything_else_is_not_told),
        cmocka_unit_test(a_bomb_is_cut_at_the_budget),
        cmocka_unit_test(a_file_of_just_the_budget_is_whole),
        cmocka_unit_test(a_file_can_be_given_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
