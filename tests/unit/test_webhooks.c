#include "tests/unit/store_events.h"

#include "store/post.h"
#include "store/posting.h"

#include <limits.h>

#define MINUTE_US UINT64_C(60000000)

struct fixture {
    struct store_service sv;
    struct channel      *role;      /* the webhook role's end */
};

static int
setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    service_init(&f->sv);
    assert_rc("start", service_start(&f->sv), MT_OK);
    service_add_mailbox(&f->sv, "acme");
    service_add_mailbox(&f->sv, "other");
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;

    channel_free(f->role);
    service_stop(&f->sv);
    service_fini(&f->sv);
    free(f);
    return 0;
}

static uint32_t
add_with(struct store_service *sv, const char *mailbox, uint32_t kinds, const char *url, char secret[WEBHOOK_SECRET_CHARS + 1])
{
    struct reader r;
    uint32_t      id;

    assert_rc("add", service_call(sv, MSG_WEBHOOK_ADD, "sus", mailbox, kinds, url), MT_OK);
    r = service_answer(sv);
    read_u32(&r, &id);
    read_string(&r, secret, WEBHOOK_SECRET_CHARS + 1);
    assert_true(read_end(&r));
    return id;
}

static uint32_t
add(struct store_service *sv, const char *mailbox, uint32_t kinds)
{
    char secret[WEBHOOK_SECRET_CHARS + 1];

    return add_with(sv, mailbox, kinds, "https://hooks.example.net/in", secret);
}

/* The webhook role comes, and can take so many. */
static void
role_ready(struct fixture *f, uint32_t count)
{
    struct buf *b;
    int         fds[2];

    channel_free(f->role);
    service_settle(&f->sv);
    assert_int_equal(channel_pair(fds), 0);
    assert_int_equal(peers_add(f->sv.store.peers, ROLE_WEBHOOK, 0, fds[0]), MT_OK);
    f->role = channel_new(f->sv.base, fds[1], 1 << 20, service_hear, service_closed, &f->sv);
    assert_non_null(f->role);
    b = channel_begin(f->role, MSG_POST_READY, 0);
    write_u32(b, count);
    assert_int_equal(channel_end(f->role, -1), MT_OK);
    service_settle(&f->sv);
}

static void
role_done_with(struct fixture *f, const struct post_heard *p, uint16_t http_status, const char *error)
{
    struct buf *b = channel_begin(f->role, MSG_POST_DONE, 0);

    write_u32(b, p->webhook_id);
    write_u64(b, p->event_id);
    write_u16(b, http_status);
    write_string(b, error);
    assert_int_equal(channel_end(f->role, -1), MT_OK);
    service_settle(&f->sv);
}

static void
wait_s(struct fixture *f, int64_t s)
{
    f->sv.store.clock_ahead_us += s * 1000000;
    posting_look(f->sv.store.posting);
    service_settle(&f->sv);
}

static struct post_record
post_of(struct store_service *sv, uint32_t webhook_id, uint64_t event_id)
{
    static char        error[WEBHOOK_ERROR_BYTES + 1];
    struct post_record p;
    struct db_view     v;

    assert_int_equal(store_view(&sv->store, &v), MT_OK);
    assert_rc("post", db_post(&v, webhook_id, event_id, &p), MT_OK);
    slice_copy(error, sizeof(error), p.error);
    p.error = slice_of(error);
    db_view_end(&v);
    return p;
}

static void
one_arrival(struct store_service *sv, const char *mailbox)
{
    struct token t = service_mint(sv, mailbox);

    deliver_kind(sv, mailbox, &t, 0, slice_of(NULL));
}

/* ---- Adding and showing ---- */

static void
a_secret_is_told_once(void **state)
{
    struct store_service *sv = &((struct fixture *)*state)->sv;
    char                  secret[WEBHOOK_SECRET_CHARS + 1], second[WEBHOOK_SECRET_CHARS + 1], name[MAILBOX_NAME_MAX + 1];
    uint32_t              id = add_with(sv, "acme", 1u << EVENT_MISSED, "https://hooks.example.net/in?x=1", secret), got;
    struct webhook_record w;
    struct reader         r, row;
    struct slice          bytes, record;
    uint64_t              waiting, dead;

    assert_int_equal(strlen(secret), WEBHOOK_SECRET_CHARS);
    add_with(sv, "", 0, "http://127.0.0.1:9/", second);
    assert_string_not_equal(secret, second);
    assert_rc("list", service_call(sv, MSG_WEBHOOK_LIST, ""), MT_OK);
    assert_int_equal(sv->row_count, 2);
    assert_null(memmem(sv->rows.data, sv->rows.len, secret, strlen(secret)));
    reader_init(&r, buf_slice(&sv->rows));
    read_bytes(&r, &bytes, MSG_MAX_BYTES);
    reader_init(&row, bytes);
    read_u32(&row, &got);
    read_string(&row, name, sizeof(name));
    read_bytes(&row, &record, MSG_MAX_BYTES);
    read_u64(&row, &waiting);
    read_u64(&row, &dead);
    assert_true(read_end(&row));
    assert_int_equal(got, id);
    assert_string_equal(name, "acme");
    assert_rc("record", webhook_record_read(record, &w), MT_OK);
    assert_slice("url", w.url, "https://hooks.example.net/in?x=1");
    assert_int_equal(w.kinds, 1u << EVENT_MISSED);
    assert_string_equal(w.secret, "");
    assert_true(w.created_unix > 0 && waiting == 0 && dead == 0);
}

/* ---- Its secret ---- */

/* Whether the database's file has these octets anywhere, in pages that are free, too. */
static bool
file_has(const struct store_service *sv, const char *text)
{
    char        path[PATH_MAX];
    struct stat st;
    char       *bytes;
    bool        has;
    int         fd;

    snprintf(path, sizeof(path), "%s/%s/%s", sv->dir, DB_DIR, DB_FILE);
    fd = open(path, O_RDONLY);
    assert_true(fd != -1 && fstat(fd, &st) == 0);
    bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    assert_ptr_not_equal(bytes, MAP_FAILED);
    has = memmem(bytes, (size_t)st.st_size, text, strlen(text)) != NULL;
    munmap(bytes, (size_t)st.st_size);
    close(fd);
    return has;
}

static void
the_secret_is_nowhere_in_the_file(void **state)
{
    struct fixture       *f = *state;
    struct store_service *sv = &f->sv;
    char                  secret[WEBHOOK_SECRET_CHARS + 1];

    add_with(sv, "acme", 0, "https://hooks.example.net/sealed", secret);
    assert_true(file_has(sv, "hooks.example.net/sealed"));
    assert_false(file_has(sv, secret));
    role_ready(f, 1);
    one_arrival(sv, "acme");
    assert_string_equal(sv->posts[0].secret, secret);
}

/* As a version without seals wrote it. */
static void
unseal_in_place(struct store_service *sv, uint32_t id, const char *secret)
{
    unsigned char         key[DB_KEY_MAX];
    struct webhook_record w;
    struct db_view        v;
    struct buf            b;
    struct tx            *tx;
    bool                  file_failed;

    buf_init(&b, RECORD_BYTES_MAX);
    assert_int_equal(store_view(&sv->store, &v), MT_OK);
    assert_rc("webhook", db_webhook(&v, id, &w), MT_OK);
    snprintf(w.secret, sizeof(w.secret), "%s", secret);
    webhook_record_write(&b, &w);
    db_view_end(&v);
    assert_rc("begin", tx_begin(sv->store.db, 1, &tx), MT_OK);
    tx_put(tx, TABLE_WEBHOOK, db_key_u32(key, id), buf_slice(&b), 0);
    assert_rc("commit", tx_commit(tx, &file_failed), MT_OK);
    tx_free(tx);
    buf_fini(&b);
}

static void
a_secret_of_an_older_version_is_sealed_at_the_start(void **state)
{
    struct fixture       *f = *state;
    struct store_service *sv = &f->sv;
    char                  secret[WEBHOOK_SECRET_CHARS + 1];
    uint32_t              id = add_with(sv, "acme", 0, "https://hooks.example.net/", secret);
    struct webhook_record w;
    struct db_view        v;

    unseal_in_place(sv, id, secret);
    service_stop(sv);
    assert_rc("start", service_start(sv), MT_OK);
    assert_int_equal(store_view(&sv->store, &v), MT_OK);
    assert_rc("webhook", db_webhook(&v, id, &w), MT_OK);
    assert_true(keys_is_sealed(w.secret));
    assert_slice("url", w.url, "https://hooks.example.net/");
    db_view_end(&v);
    role_ready(f, 1);
    one_arrival(sv, "acme");
    assert_string_equal(sv->posts[0].secret, secret);
}

/* The file of the keys was made anew. */
static void
a_post_that_cannot_be_signed_is_dead_and_says_why(void **state)
{
    struct fixture       *f = *state;
    struct store_service *sv = &f->sv;
    uint32_t              id = add(sv, "acme", 0);
    char                  path[PATH_MAX];
    struct events_seen    seen;
    struct post_record    p;

    service_stop(sv);
    snprintf(path, sizeof(path), "%s/%s", sv->dir, KEYS_FILE);
    assert_int_equal(truncate(path, 0), 0);
    assert_rc("start", service_start(sv), MT_OK);
    role_ready(f, 1);
    one_arrival(sv, "acme");
    service_settle(sv);
    events_read(sv, &seen);
    assert_int_equal(sv->post_count, 0);
    p = post_of(sv, id, seen.ids[0]);
    assert_int_equal(p.due_us, 0);
    assert_slice("error", p.error, "its secret was sealed with another key: remove the webhook, and add it anew");
}

static void
what_is_no_webhook_is_refused(void **state)
{
    static const struct {
        const char *label, *mailbox;
        uint32_t    kinds;
        const char *url;
        int         rc;
    } cases[] = {
        { "plain", "", 0, "http://a", MT_OK },
        { "scheme in capitals", "", 0, "HTTPS://a/", MT_OK },
        { "no such mailbox", "nobody", 0, "http://a", MT_ENOTFOUND },
        { "another scheme", "", 0, "ftp://a/", MT_EINVALID },
        { "a file", "", 0, "file:///etc/passwd", MT_EINVALID },
        { "no host", "", 0, "https://", MT_EINVALID },
        { "no host, but a path", "", 0, "https:///x", MT_EINVALID },
        { "a space", "", 0, "https://a/b c", MT_EINVALID },
        { "a line end", "", 0, "https://a/\r\nX: y", MT_EINVALID },
        { "not ASCII", "", 0, "https://\xc3\xa4/", MT_EINVALID },
        { "empty", "", 0, "", MT_EINVALID },
        { "kind 0", "", 1, "http://a", MT_EINVALID },
        { "a kind that there is not", "", 1u << EVENT_KIND_LIMIT, "http://a", MT_EINVALID },
    };
    struct store_service *sv = &((struct fixture *)*state)->sv;
    char                  url[WEBHOOK_URL_BYTES + 2];

    for (size_t i = 0; i < COUNT(cases); i++)
        assert_rc(cases[i].label, service_call(sv, MSG_WEBHOOK_ADD, "sus", cases[i].mailbox, cases[i].kinds, cases[i].url), cases[i].rc);
    memset(url, 'x', sizeof(url));
    memcpy(url, "http://", 7);
    url[WEBHOOK_URL_BYTES + 1] = '\0';
    assert_rc("too long", service_call(sv, MSG_WEBHOOK_ADD, "sus", "", 0, url), MT_EINVALID);
    url[WEBHOOK_URL_BYTES] = '\0';
    assert_rc("as long as may be", service_call(sv, MSG_WEBHOOK_ADD, "sus", "", 0, url), MT_OK);
    for (uint64_t i = rows_in(sv, TABLE_WEBHOOK); i < WEBHOOKS_MAX; i++)
        add(sv, "", 0);
    assert_rc("too many", service_call(sv, MSG_WEBHOOK_ADD, "sus", "", 0, "http://a"), MT_EFULL);
}

/* ---- What is posted ---- */

static void
an_event_is_posted_to_those_who_want_it(void **state)
{
    struct fixture       *f = *state;
    struct store_service *sv = &f->sv;
    uint32_t              all = add(sv, "", 0), acme = add(sv, "acme", 1u << EVENT_ARRIVED | 1u << EVENT_MISSED);

    add(sv, "other", 0);
    add(sv, "acme", 1u << EVENT_BOUNCED);
    one_arrival(sv, "acme");
    assert_int_equal(rows_in(sv, TABLE_POST), 2);
    role_ready(f, 10);
    assert_int_equal(sv->post_count, 2);
    assert_int_equal(sv->posts[0].webhook_id, all);
    assert_int_equal(sv->posts[1].webhook_id, acme);
    assert_int_equal(sv->posts[0].event_id, sv->posts[1].event_id);
    assert_int_equal(sv->posts[0].attempt, 1);
    assert_string_equal(sv->posts[0].url, "https://hooks.example.net/in");
    assert_int_equal(strlen(sv->posts[0].secret), WEBHOOK_SECRET_CHARS);
    role_done_with(f, &sv->posts[0], 204, "");
    role_done_with(f, &sv->posts[1], 200, "");
    assert_int_equal(rows_in(sv, TABLE_POST), 0);
    assert_int_equal(rows_in(sv, TABLE_POST_DUE), 0);
    assert_int_equal(rows_in(sv, TABLE_EVENT), 1);
    assert_int_equal(sv->post_count, 2);
}

static void
of_each_webhook_one_is_under_way_in_order(void **state)
{
    struct fixture       *f = *state;
    struct store_service *sv = &f->sv;

    add(sv, "acme", 0);
    role_ready(f, 10);
    for (unsigned i = 0; i < 4; i++)
        one_arrival(sv, "acme");
    service_settle(sv);
    assert_int_equal(sv->post_count, 1);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(sv->post_count, i + 1);
        assert_int_equal(sv->posts[i].event_id, sv->posts[0].event_id + i);
        role_done_with(f, &sv->posts[i], 200, "");
    }
    assert_int_equal(rows_in(sv, TABLE_POST), 0);
}

static void
no_more_are_under_way_than_the_role_can_take(void **state)
{
    struct fixture       *f = *state;
    struct store_service *sv = &f->sv;

    for (unsigned i = 0; i < 5; i++)
        add(sv, "", 0);
    one_arrival(sv, "acme");
    role_ready(f, 2);
    assert_int_equal(sv->post_count, 2);
    role_done_with(f, &sv->posts[1], 200, "");
    assert_int_equal(sv->post_count, 3);
    role_done_with(f, &sv->posts[0], 500, "HTTP 500");
    assert_int_equal(sv->post_count, 4);
}

static void
one_that_failed_is_not_waited_for(void **state)
{
    struct fixture       *f = *state;
    struct store_service *sv = &f->sv;
    struct post_record    p;

    add(sv, "", 0);
    one_arrival(sv, "acme");
    one_arrival(sv, "acme");
    role_ready(f, 10);
    role_done_with(f, &sv->posts[0], 503, "HTTP 503");
    assert_int_equal(sv->post_count, 2);
    assert_int_equal(sv->posts[1].event_id, sv->posts[0].event_id + 1);
    role_done_with(f, &sv->posts[1], 200, "");
    assert_int_equal(sv->post_count, 2);
    assert_rc("it is not dead", service_call(sv, MSG_POST_RETRY, "uU", sv->posts[0].webhook_id, UINT64_C(0)), MT_OK);
    service_settle(sv);
    assert_int_equal(sv->post_count, 2);
    p = post_of(sv, sv->posts[0].webhook_id, sv->posts[0].event_id);
    assert_int_equal(p.attempts, 1);
    assert_int_equal(p.http_status, 503);
    assert_slice("error", p.error, "HTTP 503");
    assert_in_range(p.due_us, store_now_us(&sv->store) + MINUTE_US - 5000000, store_now_us(&sv->store) + MINUTE_US + MINUTE_US / 8);
    wait_s(f, 70);
    assert_int_equal(sv->post_count, 3);
    assert_int_equal(sv->posts[2].event_id, sv->posts[0].event_id);
    assert_int_equal(sv->posts[2].attempt, 2);
}

static void
the_gaps_grow_for_a_day(void **state)
{
    static const struct {
        const char *label;
        uint32_t    attempts;
        uint64_t    gap_us;
    } cases[] = {
        { "first", 1, MINUTE_US }, { "second", 2, 2 * MINUTE_US }, { "third", 3, 4 * MINUTE_US }, { "seventh", 7, 64 * MINUTE_US },
        { "eighth", 8, 120 * MINUTE_US }, { "many", 4000000000u, 120 * MINUTE_US },
    };
    const uint64_t day_us = 86400 * UINT64_C(1000000), first_us = 1000 * day_us;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint64_t next_us = post_next_us(first_us, first_us + 1, cases[i].attempts);

        if (next_us < first_us + 1 + cases[i].gap_us || next_us > first_us + 1 + cases[i].gap_us + cases[i].gap_us / POST_GAP_JITTER)
            fail_msg("%s: %llu", cases[i].label, (unsigned long long)(next_us - first_us));
    }
    assert_int_equal(post_next_us(first_us, first_us + day_us - MINUTE_US, 20), first_us + day_us);
    assert_int_equal(post_next_us(first_us, first_us + day_us, 21), 0);
}

static void
after_a_day_a_post_is_dead_until_it_is_tried_by_hand(void **state)
{
    struct fixture       *f = *state;
    struct store_service *sv = &f->sv;
    uint32_t              id = add(sv, "", 0), posts;
    struct post_record    p;
    struct reader         r;
    unsigned              i;

    one_arrival(sv, "acme");
    role_ready(f, 10);
    for (i = 0; i < 60 && rows_in(sv, TABLE_POST_DUE) > 0; i++) {
        assert_int_equal(sv->post_count, i + 1);
        assert_int_equal(sv->posts[i].attempt, i + 1);
        role_done_with(f, &sv->posts[i], 0, "connection refused");
        wait_s(f, 7200 + 900);
    }
    assert_in_range(i, 10, 13);
    p = post_of(sv, id, sv->posts[0].event_id);
    assert_int_equal(p.due_us, 0);
    assert_int_equal(p.attempts, i);
    assert_int_equal(sv->post_count, i);
    assert_rc("list", service_call(sv, MSG_POST_LIST, "ub", 0, 1), MT_OK);
    assert_int_equal(sv->row_count, 1);
    assert_rc("retry", service_call(sv, MSG_POST_RETRY, "uU", id, UINT64_C(0)), MT_OK);
    r = service_answer(sv);
    read_u32(&r, &posts);
    assert_int_equal(posts, 1);
    service_settle(sv);
    assert_int_equal(sv->post_count, i + 1);
    assert_rc("list", service_call(sv, MSG_POST_LIST, "ub", 0, 1), MT_OK);
    assert_int_equal(sv->row_count, 0);
    role_done_with(f, &sv->posts[i], 0, "connection refused");
    assert_int_equal(post_of(sv, id, sv->posts[0].event_id).due_us, 0);
    assert_rc("no such post", service_call(sv, MSG_POST_RETRY, "uU", id, UINT64_C(4711)), MT_ENOTFOUND);
    assert_rc("no such webhook", service_call(sv, MSG_POST_RETRY, "uU", 99, UINT64_C(0)), MT_ENOTFOUND);
    verify_all(sv);
}

static void
what_is_gone_is_dead_at_once(void **state)
{
    static const struct {
        const char *label;
        uint16_t    http_status;
        const char *error;
        unsigned    posts, due;
    } cases[] = {
        { "created", 201, "", 0, 0 },         { "gone", 410, "HTTP 410", 1, 0 },     { "moved", 302, "HTTP 302", 1, 1 },
        { "not found", 404, "HTTP 404", 1, 1 }, { "no answer", 0, "timed out", 1, 1 }, { "no status, no error", 0, "", 1, 1 },
        { "cut short", 200, "transfer closed", 1, 1 },
    };
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct fixture *f;
        void           *own;

        setup(&own);
        f = own;
        add(&f->sv, "", 0);
        one_arrival(&f->sv, "acme");
        role_ready(f, 1);
        role_done_with(f, &f->sv.posts[0], cases[i].http_status, cases[i].error);
        if (rows_in(&f->sv, TABLE_POST) != cases[i].posts || rows_in(&f->sv, TABLE_POST_DUE) != cases[i].due)
            fail_msg("%s: %llu posts, %llu due", cases[i].label, (unsigned long long)rows_in(&f->sv, TABLE_POST),
                     (unsigned long long)rows_in(&f->sv, TABLE_POST_DUE));
        teardown(&own);
    }
}

static void
what_was_under_way_when_the_role_went_is_posted_again(void **state)
{
    struct fixture       *f = *state;
    struct store_service *sv = &f->sv;

    add(sv, "", 0);
    one_arrival(sv, "acme");
    role_ready(f, 4);
    assert_int_equal(sv->post_count, 1);
    role_ready(f, 4);
    assert_int_equal(sv->post_count, 2);
    assert_int_equal(sv->posts[1].event_id, sv->posts[0].event_id);
    assert_int_equal(sv->posts[1].attempt, 1);
    role_done_with(f, &sv->posts[1], 200, "");
    role_done_with(f, &sv->posts[1], 200, "");      /* twice: passed over */
    assert_int_equal(rows_in(sv, TABLE_POST), 0);
    channel_free(f->role);
    f->role = NULL;
    service_settle(sv);
    one_arrival(sv, "acme");
    wait_s(f, 100);
    assert_int_equal(sv->post_count, 2);
    assert_false(sv->closed);
}

static void
a_test_is_for_one_webhook_alone(void **state)
{
    struct fixture       *f = *state;
    struct store_service *sv = &f->sv;
    uint32_t              id = add(sv, "acme", 1u << EVENT_BOUNCED);
    struct events_seen    seen;
    struct reader         r;
    uint64_t              event_id;

    add(sv, "", 0);
    role_ready(f, 4);
    assert_rc("test", service_call(sv, MSG_WEBHOOK_TEST, "u", id), MT_OK);
    r = service_answer(sv);
    read_u64(&r, &event_id);
    service_settle(sv);
    assert_int_equal(sv->post_count, 1);
    assert_int_equal(sv->posts[0].webhook_id, id);
    assert_int_equal(sv->posts[0].event_id, event_id);
    events_read(sv, &seen);
    assert_int_equal(seen.list[0].kind, EVENT_TEST);
    assert_int_equal(seen.list[0].mailbox_id, 0);
    assert_rc("no such webhook", service_call(sv, MSG_WEBHOOK_TEST, "u", 99), MT_ENOTFOUND);
}

/* ---- What goes ---- */

static void
look(struct store_service *sv)
{
    expire_look(sv->store.expire);
    for (unsigned i = 0; i < 50; i++)
        service_settle(sv);
}

static void
a_removed_webhook_takes_its_posts_along(void **state)
{
    struct fixture       *f = *state;
    struct store_service *sv = &f->sv;
    uint32_t              id = add(sv, "acme", 0), kept = add(sv, "", 0);

    for (unsigned i = 0; i < 5; i++)
        one_arrival(sv, "acme");
    role_ready(f, 1);
    assert_int_equal(rows_in(sv, TABLE_POST), 10);
    assert_rc("remove", service_call(sv, MSG_WEBHOOK_REMOVE, "u", id), MT_OK);
    assert_rc("again", service_call(sv, MSG_WEBHOOK_REMOVE, "u", id), MT_ENOTFOUND);
    look(sv);
    assert_int_equal(rows_in(sv, TABLE_POST), 5);
    assert_int_equal(rows_in(sv, TABLE_POST_DUE), 5);
    /* Its post that was under way ends without harm, and the other's turn comes. */
    assert_int_equal(sv->posts[0].webhook_id, id);
    role_done_with(f, &sv->posts[0], 500, "HTTP 500");
    assert_int_equal(sv->posts[1].webhook_id, kept);
    assert_int_equal(rows_in(sv, TABLE_POST), 5);
    assert_true(add(sv, "", 0) > kept);
    verify_all(sv);
}

static void
a_deleted_mailbox_takes_its_webhooks_along(void **state)
{
    struct fixture       *f = *state;
    struct store_service *sv = &f->sv;

    add(sv, "acme", 0);
    add(sv, "other", 0);
    one_arrival(sv, "acme");
    assert_rc("delete", service_call(sv, MSG_MAILBOX_DELETE, "s", "acme"), MT_OK);
    look(sv);
    assert_int_equal(rows_in(sv, TABLE_WEBHOOK), 1);
    assert_int_equal(rows_in(sv, TABLE_POST), 0);
    verify_all(sv);
}

static void
events_expire_with_their_posts(void **state)
{
    struct fixture       *f = *state;
    struct store_service *sv = &f->sv;
    struct events_seen    seen;
    uint64_t              last;

    add(sv, "", 0);
    one_arrival(sv, "acme");
    one_arrival(sv, "acme");
    sv->store.clock_ahead_us += 29 * (int64_t)DAY_US;
    one_arrival(sv, "acme");
    look(sv);
    assert_int_equal(rows_in(sv, TABLE_EVENT), 3);
    sv->store.clock_ahead_us += 2 * (int64_t)DAY_US;
    look(sv);
    events_read(sv, &seen);
    last = seen.ids[0];
    assert_int_equal(seen.count, 1);
    assert_int_equal(rows_in(sv, TABLE_POST), 1);
    assert_int_equal(rows_in(sv, TABLE_POST_DUE), 1);
    sv->store.clock_ahead_us += 40 * (int64_t)DAY_US;
    look(sv);
    assert_int_equal(rows_in(sv, TABLE_EVENT), 0);
    one_arrival(sv, "acme");
    events_read(sv, &seen);
    assert_true(seen.ids[0] > last);
    verify_all(sv);
}

int
main(void)
{
#define WEBHOOK_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        WEBHOOK_TEST(a_secret_is_told_once),
        WEBHOOK_TEST(the_secret_is_nowhere_in_the_file),
        WEBHOOK_TEST(a_secret_of_an_older_version_is_sealed_at_the_start),
        WEBHOOK_TEST(a_post_that_cannot_be_signed_is_dead_and_says_why),
        WEBHOOK_TEST(what_is_no_webhook_is_refused),
        WEBHOOK_TEST(an_event_is_posted_to_those_who_want_it),
        WEBHOOK_TEST(of_each_webhook_one_is_under_way_in_order),
        WEBHOOK_TEST(no_more_are_under_way_than_the_role_can_take),
        WEBHOOK_TEST(one_that_failed_is_not_waited_for),
        cmocka_unit_test(the_gaps_grow_for_a_day),
        WEBHOOK_TEST(after_a_day_a_post_is_dead_until_it_is_tried_by_hand),
        cmocka_unit_test(what_is_gone_is_dead_at_once),
        WEBHOOK_TEST(what_was_under_way_when_the_role_went_is_posted_again),
        WEBHOOK_TEST(a_test_is_for_one_webhook_alone),
        WEBHOOK_TEST(a_removed_webhook_takes_its_posts_along),
        WEBHOOK_TEST(a_deleted_mailbox_takes_its_webhooks_along),
        WEBHOOK_TEST(events_expire_with_their_posts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
