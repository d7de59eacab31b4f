#include "tests/unit/unit.h"

#include "checker/clock.h"
#include "checker/watch.h"
#include "lib/token.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { MAILS_MAX = 16, WATCHES = 8, LIMIT_S = 30 };

/* A small IMAP server on the same loop, with one account. */
struct imap_server {
    struct event_base     *base;
    struct evconnlistener *listener;
    uint16_t               port;
    unsigned               sessions, sessions_most, logins;
    bool                   refuses;                     /* the login */
    char                   mails[MAILS_MAX][512];       /* empty: expunged. The UID is the place plus one */
};

static void
say(struct bufferevent *bev, const char *tag, const char *text)
{
    evbuffer_add_printf(bufferevent_get_output(bev), "%s%s\r\n", tag, text);
}

static void
answer_search(struct imap_server *s, struct bufferevent *bev, const char *command)
{
    const char *token = strstr(command, "mt1");

    say(bev, "", "* SEARCH");
    /* The last one is found whatever is looked for: not every server's search is exact. */
    for (unsigned i = 0; token != NULL && i < MAILS_MAX; i++)
        if (slice_find_nocase(slice_of(s->mails[i]), slice_make(token, TOKEN_CHARS)) < strlen(s->mails[i]) || (i == MAILS_MAX - 1 && s->mails[i][0] != '\0'))
            evbuffer_add_printf(bufferevent_get_output(bev), "* SEARCH %u\r\n", i + 1);
}

/* The UID behind a command's name; 0: it is another command, or there is no such mail. */
static unsigned long
uid_behind(const char *command, const char *name)
{
    unsigned long uid = strncmp(command, name, strlen(name)) == 0 ? strtoul(command + strlen(name), NULL, 10) : 0;

    return uid <= MAILS_MAX ? uid : 0;
}

/* "1,16" */
static void
expunge(struct imap_server *s, char *uids)
{
    for (char *end; *uids != '\0'; uids = *end == ',' ? end + 1 : end) {
        unsigned long uid = strtoul(uids, &end, 10);

        if (uid < 1 || uid > MAILS_MAX)
            return;
        s->mails[uid - 1][0] = '\0';
    }
}

static void
answer(struct imap_server *s, struct bufferevent *bev, char *line)
{
    char         *command = strchr(line, ' ');
    unsigned long uid;

    if (command == NULL)
        return;
    *command++ = '\0';
    if (strcmp(command, "CAPABILITY") == 0)
        say(bev, "", "* CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN UIDPLUS");
    else if (strncmp(command, "AUTHENTICATE", 12) == 0)
        s->logins++;
    else if (strncmp(command, "SELECT", 6) == 0)
        say(bev, "", "* 16 EXISTS\r\n* OK [UIDVALIDITY 1] x\r\n* OK [UIDNEXT 17] x");
    else if (strncmp(command, "UID SEARCH", 10) == 0)
        answer_search(s, bev, command);
    else if ((uid = uid_behind(command, "UID FETCH ")) != 0)
        evbuffer_add_printf(bufferevent_get_output(bev), "* %lu FETCH (UID %lu BODY[]<0> {%zu}\r\n%s)\r\n", uid, uid, strlen(s->mails[uid - 1]), s->mails[uid - 1]);
    else if (strncmp(command, "UID EXPUNGE ", 12) == 0)
        expunge(s, command + 12);
    say(bev, line, strncmp(command, "AUTHENTICATE", 12) == 0 && s->refuses ? " NO [AUTHENTICATIONFAILED] wrong" : " OK");
}

static void
on_read(struct bufferevent *bev, void *arg)
{
    struct imap_server *s = arg;
    char          *line;

    while ((line = evbuffer_readln(bufferevent_get_input(bev), NULL, EVBUFFER_EOL_CRLF)) != NULL) {
        answer(s, bev, line);
        free(line);
    }
}

static void
on_end(struct bufferevent *bev, short what, void *arg)
{
    struct imap_server *s = arg;

    (void)what;
    s->sessions--;
    bufferevent_free(bev);
}

static void
on_client(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address, int len, void *arg)
{
    struct imap_server *s = arg;
    struct bufferevent *bev = bufferevent_socket_new(s->base, fd, BEV_OPT_CLOSE_ON_FREE);

    (void)listener;
    (void)address;
    (void)len;
    s->sessions++;
    if (s->sessions > s->sessions_most)
        s->sessions_most = s->sessions;
    bufferevent_setcb(bev, on_read, NULL, on_end, s);
    bufferevent_enable(bev, EV_READ | EV_WRITE);
    say(bev, "", "* OK ready");
}

/* ---- What watches tell -------------------------------------------------------------------------------------------- */

struct watcher {
    struct watch       *watch;
    char                token[TOKEN_CHARS + 1];
    unsigned            told;
    struct watch_result last;
    bool                ends_when_found, asks_for_the_last;
    struct world       *world;
};

struct world {
    struct imap_server  server;
    struct event_base  *base;
    struct watch_tools  tools;
    struct plan         plan;
    char                password[64];
    struct watcher      watchers[WATCHES];
    unsigned            over;
};

static void
on_changed(void *arg, const struct watch_result *r)
{
    struct watcher *w = arg;

    w->told++;
    w->last = *r;
    w->last.answer = NULL;
    if (w->ends_when_found && r->copies > 0) {
        watch_free(w->watch);       /* from inside is allowed */
        w->watch = NULL;
        w->world->over++;
    }
    if (w->asks_for_the_last && w->told == 1)
        watch_last_look(w->watch);
}

static void
make_token(char out[TOKEN_CHARS + 1])
{
    static const uint8_t key[TOKEN_KEY_BYTES];
    struct token         t;

    token_mint(key, slice_of("a@b.test"), (uint32_t)(wall_us() / 1000000), &t);
    token_encode(&t, out);
}

static void
put_mail(struct world *w, unsigned place, const char *token)
{
    snprintf(w->server.mails[place], sizeof(w->server.mails[place]), "Subject: Mailtest %s\r\n\r\ntext\r\n", token);
}

static void
start(struct world *w, unsigned i)
{
    struct watcher *o = &w->watchers[i];

    o->world = w;
    make_token(o->token);
    o->watch = watch_start(&w->tools, &w->plan, o->token, on_changed, o);
    assert_non_null(o->watch);
}

/* Runs the loop until the condition holds, or fails. */
#define RUN_UNTIL(w, condition) \
    do { \
        uint64_t end_ = monotonic_us() + LIMIT_S * 1000000ull; \
        while (!(condition)) { \
            assert_true(monotonic_us() < end_); \
            event_base_loop((w)->base, EVLOOP_ONCE); \
        } \
    } while (0)

static int
set_up(void **state)
{
    struct world      *w = calloc(1, sizeof(*w));
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t          len = sizeof(in);
    int                fd;

    if (w == NULL)
        return -1;
    w->base = w->server.base = event_base_new();
    w->server.listener = evconnlistener_new_bind(w->base, on_client, &w->server, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE, 16,
                                                 (struct sockaddr *)&in, sizeof(in));
    getsockname(evconnlistener_get_fd(w->server.listener), (struct sockaddr *)&in, &len);
    snprintf(w->password, sizeof(w->password), "/tmp/mailtest-watch-XXXXXX");
    fd = mkstemp(w->password);
    if (fd == -1 || write(fd, "secret\n", 7) != 7)
        return -1;
    close(fd);
    w->tools = (struct watch_tools){
        .base = w->base, .resolver = resolver_new(w->base, "127.0.0.1:9", FAMILY_ANY), .credentials = credentials_new(w->base), .queue = watch_queue_new(),
    };
    w->plan = (struct plan){
        .receive = RECEIVE_IMAP, .window_ms = 60000, .timeout_ms = 10000, .poll_gap_ms = 1, .junk_folder = "", .label = "acme",
        .account = { .host = "127.0.0.1", .port = ntohs(in.sin_port), .tls = TLS_NONE, .auth = { .user = "user", .password_file = w->password } },
    };
    *state = w;
    return 0;
}

static int
tear_down(void **state)
{
    struct world *w = *state;

    for (unsigned i = 0; i < WATCHES; i++)
        watch_free(w->watchers[i].watch);
    RUN_UNTIL(w, w->server.sessions == 0);      /* the server sees that its clients are gone */
    evconnlistener_free(w->server.listener);
    watch_queue_free(w->tools.queue);
    credentials_free(w->tools.credentials);
    resolver_free(w->tools.resolver);
    event_base_free(w->base);
    unlink(w->password);
    free(w);
    return 0;
}

/* ---- Tests -------------------------------------------------------------------------------------------------------- */

static void
checks_that_share_an_account_look_one_after_the_other_and_find_their_own(void **state)
{
    struct world *w = *state;
    char          other[TOKEN_CHARS + 1];

    make_token(other);
    put_mail(w, 15, other);
    for (unsigned i = 0; i < WATCHES; i++) {
        start(w, i);
        w->watchers[i].ends_when_found = true;
        put_mail(w, i, w->watchers[i].token);
    }
    put_mail(w, WATCHES, w->watchers[0].token);     /* delivered twice */
    RUN_UNTIL(w, w->over == WATCHES);
    assert_int_equal(w->server.sessions_most, 1);
    for (unsigned i = 0; i < WATCHES; i++) {
        assert_true(w->watchers[i].last.found);
        assert_int_equal(w->watchers[i].last.copies, i == 0 ? 2 : 1);
    }
    assert_string_not_equal(w->server.mails[15], "");
}

static void
a_mail_that_comes_later_is_found_between_two_looks(void **state)
{
    struct world   *w = *state;
    struct watcher *o = &w->watchers[0];

    start(w, 0);
    RUN_UNTIL(w, o->told == 2);
    assert_false(o->last.found);
    assert_string_equal(o->last.step, "");
    put_mail(w, 3, o->token);
    RUN_UNTIL(w, o->last.found);
    assert_true(o->last.seen_before_us > 0 && o->last.seen_before_us < o->last.found_us);
    assert_int_equal(o->last.deleted, 1);
    assert_string_equal(w->server.mails[3], "");
}

static void
a_wrong_password_is_said_once(void **state)
{
    struct world   *w = *state;
    struct watcher *o = &w->watchers[0];

    w->server.refuses = true;
    start(w, 0);
    RUN_UNTIL(w, o->told == 1);
    assert_true(o->last.hopeless);
    assert_string_equal(o->last.step, "login");
    assert_string_equal(o->last.reason, "login refused: wrong");
    /* None follows by itself, however often others look. */
    w->server.refuses = false;
    start(w, 1);
    RUN_UNTIL(w, w->watchers[1].told == 4);
    assert_int_equal(o->told, 1);
}

static void
the_last_look_is_one_more(void **state)
{
    struct world   *w = *state;
    struct watcher *o = &w->watchers[0];

    w->plan.poll_gap_ms = 60000;
    o->asks_for_the_last = true;
    start(w, 0);
    RUN_UNTIL(w, o->told == 2);
    assert_true(o->last.last);
    assert_int_equal(o->last.looks, 2);
}

static void
a_watch_can_be_freed_at_any_time(void **state)
{
    struct world *w = *state;

    for (unsigned turns = 0; turns < 60; turns++) {
        start(w, 0);
        for (unsigned i = 0; i < turns; i++)
            event_base_loop(w->base, EVLOOP_NONBLOCK);
        watch_free(w->watchers[0].watch);
        w->watchers[0].watch = NULL;
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(checks_that_share_an_account_look_one_after_the_other_and_find_their_own, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_mail_that_comes_later_is_found_between_two_looks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_wrong_password_is_said_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_last_look_is_one_more, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_watch_can_be_freed_at_any_time, set_up, tear_down),
    };

    signal(SIGPIPE, SIG_IGN);
    if (sodium_init() < 0 || curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
