/* What a session is told of its folder, over a real store: changes come by the queue, or are found by comparing. */

#include "imapd/imap_view.h"
#include "tests/unit/store_service.h"

#define BODY "Subject: x\r\n\r\ny\r\n"

struct heard {
    struct buf text;
};

static void
hear_expunged(void *arg, uint32_t number, uint32_t uid)
{
    buf_printf(&((struct heard *)arg)->text, "-%u(%u) ", number, uid);
}

static void
hear_changed(void *arg, uint32_t number, uint32_t uid, const struct entry *e)
{
    buf_printf(&((struct heard *)arg)->text, "=%u(%u)%u ", number, uid, e->flags);
}

static void
hear_exists(void *arg, uint32_t count, const struct folder_record *f)
{
    buf_printf(&((struct heard *)arg)->text, "+%u%s ", count, count < f->messages ? " of more" : "");
}

static void
hear_keywords(void *arg, struct slice keywords)
{
    buf_printf(&((struct heard *)arg)->text, "(%.*s) ", (int)keywords.len, keywords.len > 0 ? keywords.data : "");
}

static const struct imap_view_events events = { hear_expunged, hear_changed, hear_exists, hear_keywords };

static uint32_t
mailbox_id(struct store_service *sv)
{
    struct mailbox_record record;
    struct db_view        view;

    assert_int_equal(db_view_begin(sv->store.db, &view), MT_OK);
    assert_int_equal(db_mailbox_by_name(&view, slice_of("acme"), &record), MT_OK);
    db_view_end(&view);
    return record.id;
}

/* A folder with messages 1 to count, selected. */
static void
select_folder(struct store_service *sv, struct imap_view *v, unsigned count)
{
    struct folder_record folder;
    struct db_view       view;

    service_add_mailbox(sv, "acme");
    for (unsigned i = 0; i < count; i++)
        assert_rc("deliver", service_deliver(sv, "acme", NULL, slice_of(BODY), NULL), MT_OK);
    service_connect(sv, ROLE_IMAPD);
    assert_int_equal(db_view_begin(sv->store.db, &view), MT_OK);
    assert_int_equal(db_folder(&view, mailbox_id(sv), FOLDER_UNMATCHED, &folder), MT_OK);
    *v = (struct imap_view){ 0 };
    assert_int_equal(imap_view_open(v, &view, &folder), MT_OK);
    db_view_end(&view);
    assert_int_equal(v->count, count);
}

static struct change
flag(struct store_service *sv, const struct imap_view *v, uint32_t uid, uint32_t flags)
{
    struct change c = { .kind = CHANGE_FLAGS, .uid = uid };
    struct reader r;

    assert_rc("flag", service_call(sv, MSG_FLAGS, "uubusUuu", v->mailbox_id, v->folder_id, MSG_FLAGS_SET, flags, "", UINT64_MAX, 1u, uid), MT_OK);
    r = service_answer(sv);
    read_u64(&r, &c.modseq);
    return c;
}

static struct change
add_keyword(struct store_service *sv, const struct imap_view *v, uint32_t uid, const char *keyword)
{
    struct change c = { .kind = CHANGE_FLAGS, .uid = uid };
    struct reader r;

    assert_rc("keyword", service_call(sv, MSG_FLAGS, "uubusUuu", v->mailbox_id, v->folder_id, MSG_FLAGS_ADD, 0u, keyword, UINT64_MAX, 1u, uid), MT_OK);
    r = service_answer(sv);
    read_u64(&r, &c.modseq);
    return c;
}

static struct change
expunge(struct store_service *sv, const struct imap_view *v, uint32_t uid)
{
    struct change        c = { .kind = CHANGE_DELETED, .uid = uid };
    struct folder_record folder;
    struct db_view       view;
    struct entry         e;

    assert_int_equal(db_view_begin(sv->store.db, &view), MT_OK);
    assert_int_equal(db_entry(&view, v->mailbox_id, v->folder_id, uid, &e), MT_OK);
    db_view_end(&view);
    assert_rc("expunge", service_call(sv, MSG_MESSAGES_DELETE, "uuU", v->mailbox_id, 1u, e.message_id), MT_OK);
    assert_int_equal(db_view_begin(sv->store.db, &view), MT_OK);
    assert_int_equal(db_folder(&view, v->mailbox_id, v->folder_id, &folder), MT_OK);
    db_view_end(&view);
    c.modseq = folder.modseq;
    return c;
}

static struct change
arrive(struct store_service *sv, uint32_t uid)
{
    assert_rc("deliver", service_deliver(sv, "acme", NULL, slice_of(BODY), NULL), MT_OK);
    service_connect(sv, ROLE_IMAPD);
    return (struct change){ .kind = CHANGE_ARRIVED, .uid = uid };
}

static void
assert_told(const char *label, struct store_service *sv, struct imap_view *v, bool expunges, const char *want)
{
    struct heard heard;

    buf_init(&heard.text, 100000);
    assert_rc(label, imap_view_tell(v, sv->store.db, expunges, &events, &heard), MT_OK);
    assert_slice(label, buf_slice(&heard.text), want);
    buf_fini(&heard.text);
}

/* Each step: f flags, e expunges, a arrives; the UID behind it. "queue": the session hears of each change; else it finds them. */
static void
changes_are_told_in_order_and_once(void **state)
{
    static const struct {
        const char *steps, *queued, *compared;
    } rows[] = {
        { "",           "",                          ""                          },
        { "a5",         "+5 ",                       "+5 "                       },
        { "f2",         "=2(2)1 ",                   "=2(2)1 "                   },
        { "e2",         "-2(2) ",                    "-2(2) "                    },
        { "e1e3",       "-1(1) -2(3) ",              "-1(1) -2(3) "              },
        { "e3e1",       "-3(3) -1(1) ",              "-1(1) -2(3) "              },
        { "f2f2f2",     "=2(2)1 ",                   "=2(2)1 "                   },
        { "f2e2",       "-2(2) ",                    "-2(2) "                    },
        { "f4e2",       "-2(2) =3(4)1 ",             "-2(2) =3(4)1 "             },
        { "e4a5",       "-4(4) +4 ",                 "-4(4) +4 "                 },
        { "a5e5",       "",                          ""                          },
        { "a5e5a6",     "+5 ",                       "+5 "                       },
        { "e1e2e3e4",   "-1(1) -1(2) -1(3) -1(4) ",  "-1(1) -1(2) -1(3) -1(4) "  },
        { "e2f3a5",     "-2(2) =2(3)1 +4 ",          "-2(2) =2(3)1 +4 "          },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        for (int queue = 0; queue < 2; queue++) {
            void                 *made;
            struct store_service *sv;
            struct imap_view      v;

            service_setup(&made);
            sv = made;
            select_folder(sv, &v, 4);
            for (const char *s = rows[i].steps; *s != '\0'; s += 2) {
                uint32_t      uid = (uint32_t)(s[1] - '0');
                struct change c = *s == 'f' ? flag(sv, &v, uid, ENTRY_SEEN) : *s == 'e' ? expunge(sv, &v, uid) : arrive(sv, uid);

                if (queue)
                    imap_view_change(&v, &c);
            }
            assert_told(rows[i].steps, sv, &v, true, queue ? rows[i].queued : rows[i].compared);
            assert_told(rows[i].steps, sv, &v, true, "");
            imap_view_close(&v);
            service_teardown(&made);
        }
}

static void
numbers_do_not_move_before_they_may(void **state)
{
    struct store_service *sv = *state;
    struct imap_view      v;
    struct change         gone, flagged;

    select_folder(sv, &v, 4);
    gone = expunge(sv, &v, 2);
    flagged = flag(sv, &v, 3, ENTRY_FLAGGED);
    imap_view_change(&v, &gone);
    imap_view_change(&v, &flagged);
    assert_told("not yet", sv, &v, false, "=3(3)4 ");
    assert_told("now", sv, &v, true, "-2(2) ");
    expunge(sv, &v, 1);
    assert_told("found, but not yet", sv, &v, false, "");
    assert_told("found, with flags that were told before, which does no harm", sv, &v, true, "-1(1) =1(3)4 ");
    imap_view_close(&v);
}

static void
own_changes_are_not_told_again(void **state)
{
    struct store_service *sv = *state;
    struct imap_view      v;
    struct change         own, other;

    select_folder(sv, &v, 3);
    own = flag(sv, &v, 1, ENTRY_SEEN);
    imap_view_change(&v, &own);                     /* before the answer */
    imap_view_forget_flags(&v, own.modseq);
    assert_told("own", sv, &v, true, "");
    own = flag(sv, &v, 1, ENTRY_DELETED);
    imap_view_forget_flags(&v, own.modseq);
    imap_view_change(&v, &own);                     /* behind it */
    assert_told("own, late", sv, &v, true, "");
    own = flag(sv, &v, 1, ENTRY_SEEN);
    other = flag(sv, &v, 2, ENTRY_SEEN);
    imap_view_change(&v, &own);
    imap_view_forget_flags(&v, own.modseq);
    imap_view_change(&v, &other);
    assert_told("another's", sv, &v, true, "=2(2)1 ");
    imap_view_close(&v);
}

/* The database is ahead of what is told: a change that comes by the queue behind the moment when its snapshot was told is not lost. */
static void
a_change_that_is_told_late_is_not_lost(void **state)
{
    struct store_service *sv = *state;
    struct imap_view      v;
    struct change         first, second;

    select_folder(sv, &v, 3);
    first = flag(sv, &v, 1, ENTRY_SEEN);
    second = flag(sv, &v, 2, ENTRY_SEEN);
    imap_view_change(&v, &first);
    assert_told("first", sv, &v, true, "=1(1)1 ");
    imap_view_change(&v, &second);
    assert_told("second", sv, &v, true, "=2(2)1 ");
    imap_view_close(&v);
}

static void
too_many_changes_are_found_by_comparing(void **state)
{
    struct store_service *sv = *state;
    struct imap_view      v;

    select_folder(sv, &v, 3);
    for (unsigned i = 0; i < 2 * IMAP_VIEW_QUEUE; i++) {
        struct change c = flag(sv, &v, 1 + i % 2, i % 4 < 2 ? ENTRY_SEEN : 0);

        imap_view_change(&v, &c);
    }
    assert_true(v.compare);
    expunge(sv, &v, 3);
    assert_told("all", sv, &v, true, "-3(3) =1(1)0 =2(2)0 ");
    assert_told("no more", sv, &v, true, "");
    imap_view_close(&v);
}

static void
keywords_are_told_before_the_flags_that_have_them(void **state)
{
    struct store_service *sv = *state;
    struct imap_view      v;
    struct change         one, two;

    select_folder(sv, &v, 3);
    one = add_keyword(sv, &v, 1, "$One");
    two = add_keyword(sv, &v, 2, "$one $Two");
    imap_view_change(&v, &one);
    imap_view_change(&v, &two);
    assert_told("both, and one of them once", sv, &v, true, "($One $Two) =1(1)0 =2(2)0 ");
    one = add_keyword(sv, &v, 3, "$Two");
    imap_view_change(&v, &one);
    assert_told("a known one", sv, &v, true, "=3(3)0 ");
    imap_view_close(&v);
}

/* What it was told of by the queue is not told again when it has to compare. */
static void
comparing_tells_flags_once(void **state)
{
    struct store_service *sv = *state;
    struct imap_view      v;
    struct change         c;

    select_folder(sv, &v, 4);
    for (uint32_t uid = 1; uid <= 3; uid++) {
        c = flag(sv, &v, uid, ENTRY_SEEN);
        imap_view_change(&v, &c);
    }
    assert_told("the queue", sv, &v, true, "=1(1)1 =2(2)1 =3(3)1 ");
    expunge(sv, &v, 4);
    imap_view_compare(&v);
    assert_told("all but those before the last, which may have had company", sv, &v, true, "-4(4) =3(3)1 ");
    assert_int_equal(imap_view_told_modseq(&v), v.modseq);
    imap_view_close(&v);
}

static void
what_is_recent_is_a_range_that_may_grow(void **state)
{
    struct store_service *sv = *state;
    struct imap_view      v;
    struct change         c;

    select_folder(sv, &v, 5);
    assert_int_equal(imap_view_count_recent(&v), 0);
    imap_view_add_recent(&v, 2, 2);
    assert_int_equal(imap_view_count_recent(&v), 0);
    imap_view_add_recent(&v, 2, 4);
    imap_view_add_recent(&v, 5, 100);
    assert_int_equal(imap_view_count_recent(&v), 3);
    assert_false(imap_view_is_recent(&v, 1));
    assert_true(imap_view_is_recent(&v, 2));
    assert_true(imap_view_is_recent(&v, 3));
    assert_false(imap_view_is_recent(&v, 4));
    assert_true(imap_view_is_recent(&v, 99));
    c = expunge(sv, &v, 3);
    imap_view_change(&v, &c);
    assert_told("one goes", sv, &v, true, "-3(3) ");
    assert_int_equal(imap_view_count_recent(&v), 2);
    for (uint32_t uid = 200; uid < 200 + 4 * IMAP_VIEW_RECENT_RANGES; uid += 2)
        imap_view_add_recent(&v, uid, uid + 1);
    assert_true(v.recent.count <= IMAP_VIEW_RECENT_RANGES);
    assert_true(imap_view_is_recent(&v, 200 + 4 * IMAP_VIEW_RECENT_RANGES - 2));
    imap_view_close(&v);
}

/* The last message goes before the session hears of the next one: that is neither taken for known, nor passed over. */
static void
uidnext_follows_what_was_told(void **state)
{
    struct store_service *sv = *state;
    struct imap_view      v;

    select_folder(sv, &v, 3);
    assert_int_equal(v.uidnext, 4);
    expunge(sv, &v, 3);
    arrive(sv, 4);
    assert_int_equal(v.uidnext, 4);
    assert_told("both", sv, &v, true, "-3(3) +3 ");
    assert_int_equal(v.uidnext, 5);
    imap_view_close(&v);
}

/* Selects it once more, by the lists that are kept. */
static void
select_again(struct store_service *sv, struct imap_view *v, struct imap_uids_kept *kept)
{
    struct folder_record folder;
    struct db_view       view;

    *v = (struct imap_view){ .kept = kept };
    assert_int_equal(db_view_begin(sv->store.db, &view), MT_OK);
    assert_int_equal(db_folder(&view, mailbox_id(sv), FOLDER_UNMATCHED, &folder), MT_OK);
    assert_int_equal(imap_view_open(v, &view, &folder), MT_OK);
    db_view_end(&view);
}

static void
assert_uids(const char *label, const struct imap_view *v, const char *want)
{
    struct buf text;

    buf_init(&text, 1000);
    for (uint32_t i = 0; i < v->count; i++)
        buf_printf(&text, "%u ", v->uids[i]);
    assert_slice(label, buf_slice(&text), want);
    buf_fini(&text);
}

/* Sessions share a list for as long as they were told the same; a deletion that one of them was told of is none for the others. */
static void
sessions_that_were_told_the_same_share_a_list(void **state)
{
    struct store_service *sv = *state;
    struct imap_uids_kept kept = { 0 };
    struct imap_view      v, a, b, c, d;
    struct change         gone;

    select_folder(sv, &v, 3);
    select_again(sv, &a, &kept);
    select_again(sv, &b, &kept);
    assert_ptr_equal(a.uids, b.uids);
    arrive(sv, 4);
    assert_told("arrival", sv, &a, true, "+4 ");
    assert_uids("b was not told", &b, "1 2 3 ");
    select_again(sv, &c, &kept);
    assert_uids("with the arrival", &c, "1 2 3 4 ");
    assert_ptr_equal(a.uids, c.uids);
    gone = expunge(sv, &v, 2);
    imap_uids_gone(&kept, v.mailbox_id, v.folder_id, 2);
    imap_view_change(&a, &gone);
    assert_told("deletion", sv, &a, true, "-2(2) ");
    assert_uids("a", &a, "1 3 4 ");
    assert_uids("c was not told", &c, "1 2 3 4 ");
    select_again(sv, &d, &kept);
    assert_uids("without it", &d, "1 3 4 ");
    assert_told("found by comparing", sv, &b, true, "-2(2) +3 ");
    assert_uids("b", &b, "1 3 4 ");
    expunge(sv, &v, 1);             /* and nobody says so */
    imap_view_close(&d);
    select_again(sv, &d, &kept);
    assert_uids("read anew", &d, "3 4 ");
    assert_uids("c still", &c, "1 2 3 4 ");
    imap_view_close(&a);
    imap_view_close(&b);
    imap_view_close(&c);
    imap_view_close(&d);
    imap_view_close(&v);
    imap_uids_fini(&kept);
}

static void
a_folder_that_has_gone_ends_it(void **state)
{
    struct store_service *sv = *state;
    struct imap_view      v;
    struct heard          heard;

    select_folder(sv, &v, 1);
    v.folder_id = 4711;
    buf_init(&heard.text, 100);
    assert_rc("gone", imap_view_tell(&v, sv->store.db, true, &events, &heard), MT_ENOTFOUND);
    imap_view_close(&v);
}

/* Whether its UIDs lie side by side or not, which is not looked at where the folder's count tells. */
static void
a_folder_is_listed_whatever_has_gone(void **state)
{
    static const struct {
        const char *gone, *want;
    } rows[] = {
        { "",      "1 2 3 4 5 " }, { "1",     "2 3 4 5 " }, { "5", "1 2 3 4 " }, { "15", "2 3 4 " }, { "3", "1 2 4 5 " },
        { "24",    "1 3 5 "     }, { "234",   "1 5 "     }, { "1234", "5 "    }, { "12345", ""     },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        void                 *made;
        struct store_service *sv;
        struct imap_view      told, opened;
        struct heard          heard;

        service_setup(&made);
        sv = made;
        select_folder(sv, &told, 5);
        for (const char *uid = rows[i].gone; *uid != '\0'; uid++)
            expunge(sv, &told, (uint32_t)(*uid - '0'));
        select_again(sv, &opened, NULL);
        assert_uids(rows[i].gone, &opened, rows[i].want);
        buf_init(&heard.text, 1000);
        assert_rc(rows[i].gone, imap_view_tell(&told, sv->store.db, true, &events, &heard), MT_OK);
        buf_fini(&heard.text);
        assert_uids(rows[i].gone, &told, rows[i].want);
        imap_view_close(&opened);
        imap_view_close(&told);
        service_teardown(&made);
    }
}

static void
damage_entry(struct store_service *sv, const struct imap_view *v, uint32_t uid)
{
    unsigned char key[DB_KEY_MAX];
    struct slice  at = db_key_entry(key, v->mailbox_id, v->folder_id, uid);
    MDB_val       row = { at.len, key }, value = { 3, (void *)(uintptr_t)"bad" };
    MDB_txn      *txn;

    assert_int_equal(mdb_txn_begin(db_env(sv->store.db), NULL, 0, &txn), 0);
    assert_int_equal(mdb_put(txn, db_table(sv->store.db, TABLE_ENTRY), &row, &value, 0), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
}

/* It is not taken for a message that has gone, and the numbers behind it stay what they are. */
static void
a_damaged_entry_keeps_its_number(void **state)
{
    struct store_service *sv = *state;
    struct imap_uids_kept kept = { 0 };
    struct imap_view      v, again;

    select_folder(sv, &v, 4);
    damage_entry(sv, &v, 2);
    flag(sv, &v, 1, ENTRY_SEEN);
    assert_told("found by comparing", sv, &v, true, "=1(1)1 ");
    select_again(sv, &again, &kept);
    assert_uids("selected anew", &again, "1 2 3 4 ");
    assert_int_equal(again.first_unseen, 3);
    imap_view_close(&again);
    expunge(sv, &v, 3);
    select_again(sv, &again, &kept);
    assert_uids("with a gap", &again, "1 2 4 ");
    assert_told("what went, and no more", sv, &v, true, "-3(3) ");
    imap_view_close(&again);
    imap_view_close(&v);
    imap_uids_fini(&kept);
}

static void
a_damaged_entry_keeps_no_others_from_their_flags(void **state)
{
    struct store_service *sv = *state;
    struct imap_view      v;
    struct reader         r;
    uint64_t              modseq;
    uint32_t              count, uid;

    select_folder(sv, &v, 3);
    damage_entry(sv, &v, 1);
    assert_rc("flags", service_call(sv, MSG_FLAGS, "uubusUuuuu", v.mailbox_id, v.folder_id, MSG_FLAGS_ADD, ENTRY_SEEN, "", UINT64_MAX, 3u, 1u, 2u, 3u),
              MT_OK);
    r = service_answer(sv);
    read_u64(&r, &modseq);
    read_u32(&r, &count);
    read_u32(&r, &uid);
    assert_true(read_end(&r));
    assert_int_equal(count, 1);
    assert_int_equal(uid, 1);
    assert_told("the others", sv, &v, true, "=2(2)1 =3(3)1 ");
    imap_view_close(&v);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changes_are_told_in_order_and_once),
        cmocka_unit_test_setup_teardown(numbers_do_not_move_before_they_may, service_setup, service_teardown),
        cmocka_unit_test_setup_teardown(own_changes_are_not_told_again, service_setup, service_teardown),
        cmocka_unit_test_setup_teardown(a_change_that_is_told_late_is_not_lost, service_setup, service_teardown),
        cmocka_unit_test_setup_teardown(too_many_changes_are_found_by_comparing, service_setup, service_teardown),
        cmocka_unit_test_setup_teardown(keywords_are_told_before_the_flags_that_have_them, service_setup, service_teardown),
        cmocka_unit_test_setup_teardown(comparing_tells_flags_once, service_setup, service_teardown),
        cmocka_unit_test_setup_teardown(what_is_recent_is_a_range_that_may_grow, service_setup, service_teardown),
        cmocka_unit_test_setup_teardown(uidnext_follows_what_was_told, service_setup, service_teardown),
        cmocka_unit_test_setup_teardown(a_folder_that_has_gone_ends_it, service_setup, service_teardown),
        cmocka_unit_test_setup_teardown(sessions_that_were_told_the_same_share_a_list, service_setup, service_teardown),
        cmocka_unit_test(a_folder_is_listed_whatever_has_gone),
        cmocka_unit_test_setup_teardown(a_damaged_entry_keeps_its_number, service_setup, service_teardown),
        cmocka_unit_test_setup_teardown(a_damaged_entry_keeps_no_others_from_their_flags, service_setup, service_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
