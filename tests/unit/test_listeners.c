#include "tests/unit/unit.h"

#include "mailtestd/listeners.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

static char folder[64];

static int
make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/mailtest-listen-XXXXXX");
    return mkdtemp(folder) == NULL ? -1 : 0;
}

static int
remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

/* A configuration that listens by LMTP on these files in the folder, and on the control socket there; "" none. */
static struct config *
config_for(const char *first, const char *second)
{
    struct config_error error = { .text = "" };
    struct config      *c = NULL;
    struct buf          text;

    buf_init(&text, 2048);
    buf_printf(&text, "domains: [a.test]\nstate_dir: %s\nlisten:\n  lmtp:\n", folder);
    buf_printf(&text, "    - unix:%s/%s\n", folder, first);
    if (second[0] != '\0')
        buf_printf(&text, "    - unix:%s/%s\n", folder, second);
    if (config_parse(buf_slice(&text), "f.yaml", &c, &error) != MT_OK)
        fail_msg("%s", error.text);
    buf_fini(&text);
    return c;
}

static const char *
path_of(const char *name)
{
    static char path[128];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static bool
answers(const char *name)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    int                fd = socket(AF_UNIX, SOCK_STREAM, 0);
    bool               ok;

    snprintf(un.sun_path, sizeof(un.sun_path), "%s/%s", folder, name);
    ok = connect(fd, (struct sockaddr *)&un, sizeof(un)) == 0;
    close(fd);
    return ok;
}

static mode_t
mode_of(const char *name)
{
    struct stat st;

    return stat(path_of(name), &st) == 0 ? st.st_mode & 07777 : 0;
}

static void
plan(struct listeners *l, const struct config *c)
{
    struct listen_error error;

    if (listeners_plan(l, c, -1, &error) != MT_OK)
        fail_msg("%s", error.text);
}

static void
sockets_are_made_and_removed(void **state)
{
    struct listeners l = { 0 };
    struct config   *c = config_for("a.sock", "b.sock");

    (void)state;
    plan(&l, c);
    listeners_commit(&l);
    assert_int_equal(l.count, 3);       /* the control socket, too */
    assert_true(answers("a.sock") && answers("b.sock") && answers("control.sock"));
    assert_int_equal(mode_of("a.sock"), 0666);
    assert_int_equal(mode_of("control.sock"), 0660);
    listeners_close(&l);
    assert_int_equal(mode_of("a.sock"), 0);
    assert_int_equal(mode_of("control.sock"), 0);
    config_free(c);
}

static void
a_plan_keeps_what_stays(void **state)
{
    struct listeners l = { 0 };
    struct config   *old = config_for("a.sock", "b.sock"), *new = config_for("b.sock", "c.sock");
    int              kept = -1;

    (void)state;
    plan(&l, old);
    listeners_commit(&l);
    for (unsigned i = 0; i < l.count; i++)
        if (strstr(l.items[i].address, "b.sock") != NULL)
            kept = l.items[i].fd;
    plan(&l, new);
    assert_true(answers("a.sock") && answers("b.sock") && answers("c.sock"));     /* nothing is closed before the commit */
    listeners_commit(&l);
    assert_false(answers("a.sock"));
    assert_true(answers("b.sock") && answers("c.sock"));
    for (unsigned i = 0; i < l.count; i++) {
        assert_true(l.items[i].planned && !l.items[i].fresh);
        if (strstr(l.items[i].address, "b.sock") != NULL)
            assert_int_equal(l.items[i].fd, kept);
    }
    listeners_close(&l);
    config_free(old);
    config_free(new);
}

static void
a_dropped_plan_leaves_all_as_it_was(void **state)
{
    struct listeners l = { 0 };
    struct config   *old = config_for("a.sock", "b.sock"), *new = config_for("b.sock", "c.sock");

    (void)state;
    plan(&l, old);
    listeners_commit(&l);
    plan(&l, new);
    listeners_drop(&l);
    assert_true(answers("a.sock") && answers("b.sock"));
    assert_int_equal(mode_of("c.sock"), 0);
    for (unsigned i = 0; i < l.count; i++)
        assert_true(l.items[i].planned);
    listeners_close(&l);
    config_free(old);
    config_free(new);
}

static void
a_stale_socket_is_replaced_and_a_live_one_is_not(void **state)
{
    struct listeners    l = { 0 }, second = { 0 };
    struct config      *c = config_for("a.sock", "");
    struct listen_error error;

    (void)state;
    plan(&l, c);
    assert_int_equal(listeners_plan(&second, c, -1, &error), MT_EIO);
    assert_int_equal(error.exit_code, EX_UNAVAILABLE);
    assert_non_null(strstr(error.text, "a.sock: cannot listen: Address already in use: another program"));
    assert_int_equal(second.count, 0);
    assert_true(answers("a.sock"));
    for (unsigned i = 0; i < l.count; i++)
        close(l.items[i].fd);           /* as after a SIGKILL: the files stay */
    free(l.items);
    plan(&second, c);
    assert_true(answers("a.sock"));
    listeners_close(&second);
    config_free(c);
}

static void
a_file_in_the_way_is_not_removed(void **state)
{
    struct listeners    l = { 0 };
    struct config      *c = config_for("file", "");
    struct listen_error error;
    FILE               *f = fopen(path_of("file"), "w");

    (void)state;
    assert_non_null(f);
    fclose(f);
    assert_int_equal(listeners_plan(&l, c, -1, &error), MT_EIO);
    assert_int_equal(error.exit_code, EX_CANTCREAT);
    assert_non_null(strstr(error.text, "a file that is no socket is in the way"));
    assert_int_equal(unlink(path_of("file")), 0);
    listeners_close(&l);
    config_free(c);
}

/* A port of each family that is free at the moment; 0 where the machine has no such family. */
static uint16_t
free_port(int family)
{
    struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
    struct sockaddr_in  in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct sockaddr    *address = family == AF_INET ? (struct sockaddr *)&in : (struct sockaddr *)&in6;
    socklen_t           len = family == AF_INET ? sizeof(in) : sizeof(in6);
    int                 fd = socket(family, SOCK_STREAM, 0);
    uint16_t            port = 0;

    if (fd >= 0 && bind(fd, address, len) == 0 && getsockname(fd, address, &len) == 0)
        port = ntohs(family == AF_INET ? in.sin_port : in6.sin6_port);
    if (fd >= 0)
        close(fd);
    return port;
}

static void
both_families_take_the_same_port(void **state)
{
    struct listeners    l = { 0 }, second = { 0 };
    struct listen_error listen_error;
    struct config_error error = { .text = "" };
    struct config      *c = NULL;
    char                text[256], v6[32];
    uint16_t            port = free_port(AF_INET);
    bool                has_v6 = free_port(AF_INET6) != 0;

    (void)state;
    snprintf(v6, sizeof(v6), ", \"[::]:%u\"", port);
    snprintf(text, sizeof(text), "domains: [a.test]\nstate_dir: %s\nlisten: {smtp: [\"0.0.0.0:%u\"%s]}\n", folder, port, has_v6 ? v6 : "");
    assert_int_equal(config_parse(slice_of(text), "f.yaml", &c, &error), MT_OK);
    plan(&l, c);
    assert_int_equal(l.count, has_v6 ? 3 : 2);
    assert_int_equal(listeners_plan(&second, c, -1, &listen_error), MT_EIO);
    assert_int_equal(listen_error.exit_code, EX_UNAVAILABLE);
    listeners_close(&l);
    config_free(c);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sockets_are_made_and_removed),
        cmocka_unit_test(a_plan_keeps_what_stays),
        cmocka_unit_test(a_dropped_plan_leaves_all_as_it_was),
        cmocka_unit_test(a_stale_socket_is_replaced_and_a_live_one_is_not),
        cmocka_unit_test(a_file_in_the_way_is_not_removed),
        cmocka_unit_test(both_families_take_the_same_port),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
