#include "imapd/imap_list.h"
#include "imapd/imap_status.h"
#include "tests/unit/unit.h"

/* ---- Reading ---- */

static void
commands_are_read(void **state)
{
    static const struct {
        const char *in;
        bool        utf8;
        unsigned    selections, returns, patterns;
        const char *first;          /* pattern behind the reference */
        const char *fault;
    } rows[] = {
        { " \"\" *", false, 0, 0, 1, "*", NULL },
        { " \"\" \"\"", false, 0, 0, 1, "", NULL },
        { " a/ %", false, 0, 0, 1, "a/%", NULL },
        { " () \"\" \"\"", false, 0, 0, 0, NULL, NULL },
        { " (SUBSCRIBED) \"\" *", false, LIST_SUBSCRIBED, RETURN_SUBSCRIBED, 1, "*", NULL },
        { " (subscribed REMOTE recursiveMatch Special-Use) \"\" x", false,
          LIST_SUBSCRIBED | LIST_REMOTE | LIST_RECURSIVEMATCH | LIST_SPECIAL_USE, RETURN_SUBSCRIBED, 1, "x", NULL },
        { " (SUBSCRIBED SUBSCRIBED) \"\" x", false, LIST_SUBSCRIBED, RETURN_SUBSCRIBED, 1, "x", NULL },
        { " \"\" (INBOX \"\" {2}\r\na* %) RETURN (CHILDREN)", false, 0, RETURN_CHILDREN, 3, "INBOX", NULL },
        { " \"\" * RETURN ()", false, 0, 0, 1, "*", NULL },
        { " \"\" * return (subscribed special-use STATUS (MESSAGES UNSEEN) CHILDREN)", false, 0,
          RETURN_SUBSCRIBED | RETURN_SPECIAL_USE | RETURN_STATUS | RETURN_CHILDREN, 1, "*", NULL },
        { " \"Entw&APw-rfe/\" \"&AOQ-%\"", false, 0, 0, 1, "Entw\xc3\xbcrfe/\xc3\xa4%", NULL },
        { " \"\" \"R&D*\"", true, 0, 0, 1, "R&D*", NULL },
        { " \"\" \"R&D*\"", false, 0, 0, 0, NULL, NULL },          /* no name can be that: silently nothing */
        { " \"&\" *", false, 0, 0, 0, NULL, NULL },
        { " \"\" \"\xff\"", true, 0, 0, 0, NULL, "a quoted string in UTF-8" },
        { "", false, 0, 0, 0, NULL, "an argument" },
        { " \"\"", false, 0, 0, 0, NULL, "an argument" },
        { " \"\" ", false, 0, 0, 0, NULL, "a mailbox name with wildcards" },
        { " \"\" ()", false, 0, 0, 0, NULL, "a mailbox name with wildcards" },
        { " \"\" (a  b)", false, 0, 0, 0, NULL, "a mailbox name with wildcards" },
        { " \"\" (a", false, 0, 0, 0, NULL, "a space or the end of the list" },
        { " \"\" * x", false, 0, 0, 0, NULL, "the end of the command" },
        { " \"\" * RETURN (FROB)", false, 0, 0, 0, NULL, "SUBSCRIBED, CHILDREN, SPECIAL-USE or STATUS" },
        { " \"\" * RETURN (STATUS)", false, 0, 0, 0, NULL, "a space" },
        { " \"\" * RETURN (STATUS ())", false, 0, 0, 0, NULL, "a word" },
        { " \"\" * RETURN (CHILDREN) x", false, 0, 0, 0, NULL, "the end of the command" },
        { " (FROB) \"\" *", false, 0, 0, 0, NULL, "SUBSCRIBED, REMOTE, RECURSIVEMATCH or SPECIAL-USE" },
        { " (RECURSIVEMATCH) \"\" *", false, 0, 0, 0, NULL, "another selection option beside RECURSIVEMATCH" },
        { " (REMOTE RECURSIVEMATCH) \"\" *", false, 0, 0, 0, NULL, "another selection option beside RECURSIVEMATCH" },
        { " (SUBSCRIBED", false, 0, 0, 0, NULL, "a space or the end of the list" },
        { " (SUBSCRIBED)\"\" *", false, 0, 0, 0, NULL, "a space" },
        { " (a b c d e f g h i j k l m n o p q)", false, 0, 0, 0, NULL, "SUBSCRIBED, REMOTE, RECURSIVEMATCH or SPECIAL-USE" },
        { " \"\" (a b c d e f g h i j k l m n o p q)", false, 0, 0, 0, NULL, "at most 16 patterns" },
        { " ((((((((((((((((\"\" *", false, 0, 0, 0, NULL, "a word" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct imap_reader r;
        struct imap_list   l;
        char               text[200] = "";

        assert_true(imap_reader_init(&r, slice_of(rows[i].in)));
        r.utf8 = rows[i].utf8;
        assert_true(imap_list_read(&l, &r, false));
        imap_end(&r);
        if (rows[i].fault == NULL ? r.fault != NULL : r.fault == NULL || strcmp(r.fault, rows[i].fault) != 0)
            fail_msg("%s: fault \"%s\"", rows[i].in, r.fault == NULL ? "" : r.fault);
        if (rows[i].fault == NULL) {
            if (l.selections != rows[i].selections || l.returns != rows[i].returns || l.pattern_count != rows[i].patterns)
                fail_msg("%s: %x, %x, %u", rows[i].in, l.selections, l.returns, l.pattern_count);
            assert_true((l.status_items != 0) == ((rows[i].returns & RETURN_STATUS) != 0));
        }
        if (rows[i].first != NULL) {
            slice_copy(text, sizeof(text), l.reference);
            slice_copy(text + strlen(text), sizeof(text) - strlen(text), l.patterns[0]);
            assert_string_equal(text, rows[i].first);
        }
        imap_list_fini(&l);
        imap_reader_fini(&r);
    }
}

static void
only_the_basic_form_asks_for_the_delimiter(void **state)
{
    static const struct {
        const char *in;
        bool        lsub, root_only;
    } rows[] = { { " \"\" \"\"", false, true }, { " x \"\"", false, true }, { " \"\" \"\"", true, true }, { " () \"\" \"\"", false, false },
                 { " \"\" (\"\")", false, false }, { " \"\" \"\" RETURN (CHILDREN)", false, false } };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct imap_reader r;
        struct imap_list   l;

        assert_true(imap_reader_init(&r, slice_of(rows[i].in)));
        assert_true(imap_list_read(&l, &r, rows[i].lsub));
        assert_true(imap_end(&r));
        if (l.root_only != rows[i].root_only)
            fail_msg("%s", rows[i].in);
        imap_list_fini(&l);
        imap_reader_fini(&r);
    }
}

/* ---- Choosing ---- */

/* In as many calls as it takes, and no more than that. */
static void
choose_all(const struct imap_list *l, struct imap_list_names *n)
{
    unsigned calls = 1;

    while (!imap_list_choose(l, n))
        calls++;
    assert_true(calls <= n->count / (IMAP_LIST_MATCHES_MAX / IMAP_LIST_PATTERNS_MAX) + 1);
}

/* As in the examples of RFC 9051 section 6.3.9.8: "name", "-" in front: not subscribed to, "?": no folder. */
static const char *const fruit[] = { "INBOX", "-Fruit", "-Fruit/Apple", "Fruit/Banana", "?Fruit/Peach", "-Tofu", "Vegetable", "Vegetable/Broccoli",
                                     "-Vegetable/Corn", "?Gone/Far/Away", NULL };

static void
add_names(struct imap_list_names *n, const char *const *names)
{
    for (unsigned i = 0; names[i] != NULL; i++) {
        bool gone = names[i][0] == '?', subscribed = names[i][0] != '-';

        imap_list_add(n, slice_of(names[i] + (gone || !subscribed)), gone ? 0 : FOLDER_FIRST_OWN + i, subscribed);
    }
}

/* "Fruit+ ?Gone" and so on: "~": shown for what is below it alone, "+": something below meets the selections, "?": no folder, "/": has children. */
static void
put_chosen(struct buf *b, const struct imap_list_names *n)
{
    for (unsigned i = 0; i < n->count; i++) {
        const struct imap_list_name *name = &n->names[i];

        if (!name->shown)
            continue;
        buf_printf(b, "%s%s%s%.*s%s%s", b->len == 0 ? "" : " ", name->folder_id == 0 ? "?" : "", name->meets ? "" : "~", (int)name->name.len, name->name.data,
                   name->has_children ? "/" : "", name->child_meets ? "+" : "");
    }
}

static void
names_are_chosen(void **state)
{
    static const struct {
        const char *in;
        bool        lsub;
        const char *want;
    } rows[] = {
        { " \"\" *", false, "INBOX Fruit/+ Fruit/Apple Fruit/Banana Tofu Vegetable/+ Vegetable/Broccoli Vegetable/Corn" },
        { " \"\" %", false, "INBOX Fruit/+ Tofu Vegetable/+" },
        { " \"\" (INBOX Fruit/* *ale*)", false, "INBOX Fruit/Apple Fruit/Banana" },
        { " \"\" (% %)", false, "INBOX Fruit/+ Tofu Vegetable/+" },
        { " (SUBSCRIBED) \"\" *", false, "INBOX Fruit/Banana ?Fruit/Peach Vegetable/+ Vegetable/Broccoli ?Gone/Far/Away" },
        { " (SUBSCRIBED REMOTE) \"\" %", false, "INBOX Vegetable/+" },
        { " (SUBSCRIBED RECURSIVEMATCH) \"\" %", false, "INBOX ~Fruit/+ Vegetable/+ ?~Gone+" },
        { " (SUBSCRIBED RECURSIVEMATCH) \"\" *", false, "INBOX Fruit/Banana ?Fruit/Peach Vegetable/+ Vegetable/Broccoli ?Gone/Far/Away" },
        { " (SUBSCRIBED RECURSIVEMATCH) \"\" %/%", false, "Fruit/Banana ?Fruit/Peach Vegetable/Broccoli ?~Gone/Far+" },
        { " (SUBSCRIBED RECURSIVEMATCH) \"\" (Fruit Fruit/Banana)", false, "~Fruit/+ Fruit/Banana" },
        { " (SUBSCRIBED RECURSIVEMATCH) \"\" (Fruit Fruit/Banana Fruit/P*)", false, "Fruit/Banana ?Fruit/Peach" },
        { " (SPECIAL-USE) \"\" *", false, "" },
        { " (SPECIAL-USE RECURSIVEMATCH) \"\" *", false, "" },
        { " \"\" *", true, "INBOX Fruit/Banana ?Fruit/Peach Vegetable/+ Vegetable/Broccoli ?Gone/Far/Away" },
        { " \"\" %", true, "INBOX ~Fruit/+ Vegetable/+ ?~Gone+" },
        { " Fruit/ %", true, "Fruit/Banana ?Fruit/Peach" },
        { " \"\" %/%", true, "Fruit/Banana ?Fruit/Peach Vegetable/Broccoli ?~Gone/Far+" },
        { " \"\" inbox", false, "INBOX" },
        { " \"\" fruit", false, "" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        static struct imap_list_names n;
        struct imap_reader            r;
        struct imap_list              l;
        struct buf                    got;

        n = (struct imap_list_names){ .count = 0 };
        buf_init(&got, 1000);
        assert_true(imap_reader_init(&r, slice_of(rows[i].in)));
        assert_true(imap_list_read(&l, &r, rows[i].lsub));
        assert_true(imap_end(&r));
        add_names(&n, fruit);
        choose_all(&l, &n);
        put_chosen(&got, &n);
        assert_slice(rows[i].in, buf_slice(&got), rows[i].want);
        imap_list_fini(&l);
        imap_reader_fini(&r);
        buf_fini(&got);
    }
}

static void
the_special_use_is_chosen(void **state)
{
    static struct imap_list_names n;
    struct imap_reader            r;
    struct imap_list              l;

    (void)state;
    imap_list_add(&n, slice_of("INBOX"), FOLDER_INBOX, true);
    imap_list_add(&n, slice_of("Unmatched"), FOLDER_UNMATCHED, false);
    assert_true(imap_reader_init(&r, slice_of(" (SPECIAL-USE) \"\" *")));
    assert_true(imap_list_read(&l, &r, false));
    choose_all(&l, &n);
    assert_false(n.names[0].shown);
    assert_true(n.names[1].shown);
    imap_list_fini(&l);
    imap_reader_fini(&r);
}

/* As many names as there can be, each of 127 levels: no more than there is room for. */
static void
the_names_have_a_bound(void **state)
{
    static struct imap_list_names n;
    struct imap_reader            r;
    struct imap_list              l;
    char                          name[FOLDER_NAME_BYTES + 1];

    (void)state;
    n = (struct imap_list_names){ .count = 0 };
    for (unsigned i = 0; i < DB_FOLDERS_MAX + DB_SUBSCRIPTIONS_MAX + 5; i++) {
        for (unsigned at = 0; at < FOLDER_NAME_BYTES; at++)
            name[at] = at % 2 == 1 ? '/' : (char)('!' + i % 94);
        name[1] = (char)('a' + i / 94);
        imap_list_add(&n, slice_make(name, FOLDER_NAME_BYTES), 0, true);
    }
    assert_int_equal(n.count, DB_FOLDERS_MAX + DB_SUBSCRIPTIONS_MAX);
    imap_list_add(&n, slice_of(""), 1, true);
    assert_int_equal(n.count, DB_FOLDERS_MAX + DB_SUBSCRIPTIONS_MAX);
    assert_true(imap_reader_init(&r, slice_of(" \"\" *")));
    assert_true(imap_list_read(&l, &r, true));
    choose_all(&l, &n);
    assert_int_equal(n.count, IMAP_LIST_NAMES_MAX);
    imap_list_fini(&l);
    imap_reader_fini(&r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_are_read),
        cmocka_unit_test(only_the_basic_form_asks_for_the_delimiter),
        cmocka_unit_test(names_are_chosen),
        cmocka_unit_test(the_special_use_is_chosen),
        cmocka_unit_test(the_names_have_a_bound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
