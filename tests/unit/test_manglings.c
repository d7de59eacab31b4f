#include "tests/unit/unit.h"

#include "finder/finder.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

/*
 * What forwarders do to a test mail: tests/manglings/ has a table of mails for each kind of system, written after what these systems
 * send; its program `write` composes them anew for each run. Here every one of them goes through the finder, whole and in pieces.
 */

#define WRITE_MAILS "/usr/bin/python3 tests/manglings/write"
#define ADDRESS     "acme@mailtest1.example.net"

enum { MANGLINGS_MIN = 150, NEGATIVES_MIN = 60, NAME_CHARS = 100, PLACES_CHARS = 100, RECIPIENT_CHARS = 200, MAIL_BYTES_MAX = 64 << 20 };

/* One mail of the table. */
struct mangled {
    char         name[NAME_CHARS + 1];
    char         token[TOKEN_CHARS + 1];            /* that must be found, or "-"; of a negative: the look-alike that is found */
    char         places[PLACES_CHARS + 1];          /* as read_places; of a negative "not,none", "not,other" or "not,any" */
    char         recipient[RECIPIENT_CHARS + 1];
    struct slice mail;
};

struct fixture {
    uint8_t        key[TOKEN_KEY_BYTES];
    struct finder *finder;
    char          *room;            /* for the mail */
    unsigned       manglings, negatives, failures;
};

/* ---- What was found --------------------------------------------------------------------------------------------- */

/* "subject,text" of enum place bits; static. */
static const char *
spell_places(uint32_t places)
{
    static char text[PLACE_COUNT * 20];

    text[0] = '\0';
    for (unsigned i = 0; i < PLACE_COUNT; i++)
        if ((places & 1u << i) != 0)
            snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", text[0] == '\0' ? "" : ",", place_name(i));
    return text[0] == '\0' ? "nowhere" : text;
}

static uint32_t
place_of(struct slice name)
{
    for (unsigned i = 0; i < PLACE_COUNT; i++)
        if (slice_equal(name, slice_of(place_name(i))))
            return 1u << i;
    fail_msg("unknown place \"%.*s\"", (int)name.len, name.data);
    return 0;
}

/* "text,(other)": it has to be found in text, and may be found in other. */
static void
read_places(const char *text, uint32_t *must, uint32_t *may)
{
    struct slice rest = slice_of(text);

    *must = *may = 0;
    while (rest.len > 0) {
        size_t       len = slice_find(rest, ',');
        struct slice name = slice_sub(rest, 0, len);

        if (slice_starts(name, "("))
            *may |= place_of(slice_sub(name, 1, name.len - 2));
        else
            *must |= place_of(name);
        rest = slice_sub(rest, len + 1, rest.len);
    }
}

static void
complain(struct fixture *x, const struct mangled *m, size_t piece, const char *what, const char *detail)
{
    x->failures++;
    print_message("%s (in pieces of %zu): %s %s\n", m->name, piece, what, detail);
}

/* Nothing genuine may be found but the wanted token, at all the places that it must and no others than it may. False: it does not hold. */
static bool
check_mangling(struct fixture *x, const struct mangled *m, size_t piece, const struct parsed *p)
{
    struct token wanted;
    uint32_t     places = 0, must, may;

    read_places(m->places, &must, &may);
    assert_rc(m->name, token_decode(slice_of(m->token), &wanted), MT_OK);
    for (uint32_t i = 0; i < p->candidate_count; i++) {
        bool is_wanted = token_equal(&p->candidates[i].token, &wanted);

        if (is_wanted)
            places |= p->candidates[i].found_in;
        else if (token_verify(x->key, slice_of(ADDRESS), &p->candidates[i].token)) {
            complain(x, m, piece, "found another genuine token in", spell_places(p->candidates[i].found_in));
            return false;
        }
    }
    if ((places & ~may) != must) {
        complain(x, m, piece, "wanted in", m->places);
        print_message("    found in %s\n", spell_places(places));
    }
    return (places & ~may) == must;
}

static bool
check_negative(struct fixture *x, const struct mangled *m, size_t piece, const struct parsed *p)
{
    struct token other;
    bool         seen = false, wants_other = token_decode(slice_of(m->token), &other) == MT_OK;

    for (uint32_t i = 0; i < p->candidate_count; i++) {
        if (token_verify(x->key, slice_of(ADDRESS), &p->candidates[i].token)) {
            complain(x, m, piece, "found a genuine token in", spell_places(p->candidates[i].found_in));
            return false;
        }
        seen = seen || (wants_other && token_equal(&p->candidates[i].token, &other));
    }
    if (strcmp(m->places, "not,none") == 0 && p->candidate_count > 0) {
        complain(x, m, piece, "took for a candidate what stands in", spell_places(p->candidates[0].found_in));
        return false;
    }
    if (wants_other && !seen)
        complain(x, m, piece, "did not see", m->token);
    return seen || !wants_other;
}

/* ---- The mails -------------------------------------------------------------------------------------------------- */

/* The next of them; false at the end. */
static bool
read_mangled(FILE *from, char *room, struct mangled *m)
{
    char     digits[10];
    uint64_t len;
    int      fields = fscanf(from, "%100s %43s %100s %200s %9s", m->name, m->token, m->places, m->recipient, digits);

    if (fields == EOF)
        return false;
    if (fields != 5 || slice_to_u64(slice_of(digits), MAIL_BYTES_MAX, &len) != MT_OK || fgetc(from) != '\n' ||
        fread(room, 1, len, from) != len)
        fail_msg("%s: its mail cannot be read", m->name);
    for (char *c = m->recipient; *c != '\0'; c++)
        if (*c == '\1')                                 /* stands for a blank */
            *c = ' ';
    m->mail = slice_make(room, len);
    return true;
}

static bool
is_negative(const struct mangled *m)
{
    return slice_starts(slice_of(m->places), "not,");
}

static void
feed_in_pieces(struct fixture *x, const struct mangled *m)
{
    static const size_t pieces[] = { SIZE_MAX, 61, 7, 1 };
    bool                good = true;

    for (size_t i = 0; i < COUNT(pieces) && good; i++) {
        size_t        step = pieces[i] < m->mail.len ? pieces[i] : m->mail.len;
        struct parsed p;

        finder_recipient(x->finder, slice_of(m->recipient));
        for (size_t at = 0; at < m->mail.len; at += step)
            finder_feed(x->finder, slice_sub(m->mail, at, step));
        finder_finish(x->finder, &p);
        good = is_negative(m) ? check_negative(x, m, step, &p) : check_mangling(x, m, step, &p);
        finder_reset(x->finder);
    }
}

static void
a_token_is_found_however_its_mail_was_mangled_and_nothing_else_is(void **state)
{
    struct fixture *x = *state;
    struct mangled  m = { .name = "the first" };
    FILE           *from = popen(WRITE_MAILS, "r");

    assert_non_null(from);
    while (read_mangled(from, x->room, &m)) {
        if (is_negative(&m))
            x->negatives++;
        else
            x->manglings++;
        feed_in_pieces(x, &m);
    }
    if (pclose(from) != 0)
        fail_msg("\"%s\" failed; it has to run in the folder of the source", WRITE_MAILS);
    assert_in_range(x->manglings, MANGLINGS_MIN, UINT32_MAX);
    assert_in_range(x->negatives, NEGATIVES_MIN, UINT32_MAX);
    if (x->failures > 0)
        fail_msg("%u of %u manglings and %u negatives failed", x->failures, x->manglings, x->negatives);
}

static int
set_up(void **state)
{
    struct fixture *x = calloc(1, sizeof(*x));
    uint8_t         master[TOKEN_KEY_BYTES];

    if (x == NULL || sodium_init() < 0)
        return -1;
    for (size_t i = 0; i < sizeof(master); i++)
        master[i] = (uint8_t)i;
    token_mailbox_key(master, 1, slice_of(ADDRESS), x->key);
    x->finder = finder_new();
    x->room = malloc(MAIL_BYTES_MAX);
    *state = x;
    return x->finder == NULL || x->room == NULL ? -1 : 0;
}

static int
tear_down(void **state)
{
    struct fixture *x = *state;

    finder_free(x->finder);
    free(x->room);
    free(x);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_token_is_found_however_its_mail_was_mangled_and_nothing_else_is, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
