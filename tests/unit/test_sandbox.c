/* Giving up rights cannot be undone, so each case runs in a child, and what /proc says of that is read here. */
#include "tests/unit/unit.h"

#include "lib/sandbox.h"
#include "lib/system_calls.h"

#include <ctype.h>
#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct config *
config_for(const char *user, const char *state_dir)
{
    struct config_error error = { .text = "" };
    struct config      *c = NULL;
    char                text[256];

    snprintf(text, sizeof(text), "domains: [a.test]\nprocesses: {user: \"%s\"}\nstate_dir: %s\nlog: {level: error}\n", user, state_dir);
    if (config_parse(slice_of(text), "f.yaml", &c, &error) != MT_OK)
        fail_msg("%s", error.text);
    return c;
}

/*
 * A process that gave its rights up, waiting: /proc tells of it here, since it could not look itself any more. It says "y" when it has them
 * given up, and ends when it is let go.
 */
struct confined {
    pid_t pid;
    int   said, go;
};

static struct confined
confine(enum role role, const struct config *c, void (*before)(void))
{
    struct confined p;
    int             said[2], go[2];
    char            answer = 0;

    assert_int_equal(pipe(said), 0);
    assert_int_equal(pipe(go), 0);
    p = (struct confined){ .pid = fork(), .said = said[0], .go = go[1] };
    if (p.pid == 0) {
        close(go[1]);
        if (before != NULL)
            before();
        answer = sandbox_enter(role, c) == MT_OK && (role != ROLE_IMAPD || sandbox_end_threads() == 0) ? 'y' : 'n';
        if (write(said[1], &answer, 1) == 1)
            (void)!read(go[0], &answer, 1);
        _exit(0);
    }
    close(said[1]);
    close(go[0]);
    if (read(p.said, &answer, 1) != 1 || answer != 'y')
        fail_msg("%s did not give its rights up", role_name(role));
    return p;
}

static int
wait_for(pid_t pid)
{
    int status;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void
let_go(struct confined p)
{
    close(p.go);
    close(p.said);
    assert_int_equal(wait_for(p.pid), 0);
}

/* Whether /proc/PID/FILE has the line; blanks of any number count as one. */
static void
assert_line(struct confined p, const char *file, const char *want)
{
    char  path[64], line[256], squeezed[256];
    bool  found = false;
    FILE *f;

    snprintf(path, sizeof(path), "/proc/%d/%s", (int)p.pid, file);
    assert_non_null(f = fopen(path, "r"));
    while (fgets(line, sizeof(line), f) != NULL) {
        size_t used = 0;
        for (const char *c = line; *c != '\0' && *c != '\n'; c++)
            if (!isspace((unsigned char)*c) || (used > 0 && squeezed[used - 1] != ' '))
                squeezed[used++] = isspace((unsigned char)*c) ? ' ' : *c;
        squeezed[used - (used > 0 && squeezed[used - 1] == ' ')] = '\0';
        found = found || strcmp(squeezed, want) == 0;
    }
    fclose(f);
    if (!found)
        fail_msg("process %d: no \"%s\" in %s", (int)p.pid, want, file);
}

static void
assert_no_capabilities(struct confined p)
{
    assert_line(p, "status", "CapInh: 0000000000000000");
    assert_line(p, "status", "CapPrm: 0000000000000000");
    assert_line(p, "status", "CapEff: 0000000000000000");
    assert_line(p, "status", "CapAmb: 0000000000000000");
    if (geteuid() == 0)
        assert_line(p, "status", "CapBnd: 0000000000000000");
}

/* A root that has no other user to become keeps its name, and nothing else of root. */
static void
root_that_stays_root_has_no_capabilities(void **state)
{
    struct config  *c = config_for("", "/proc/1");
    struct confined p = confine(ROLE_SMTPD, c, NULL);

    (void)state;
    assert_no_capabilities(p);
    let_go(p);
    config_free(c);
}

static void
join_a_group(void)
{
    gid_t group = 1;

    if (geteuid() == 0)
        setgroups(1, &group);
}

static void
every_role_gives_up_its_rights(void **state)
{
    static const enum role roles[] = { ROLE_SMTPD, ROLE_IMAPD, ROLE_LOOKUP, ROLE_STORE, ROLE_WEBHOOK, ROLE_SIGNER };
    bool                   is_root = geteuid() == 0;
    struct config         *c = config_for(is_root ? "nobody" : "", "/tmp");
    const struct passwd   *nobody = getpwnam("nobody");
    char                   ids[64];

    (void)state;
    assert_non_null(nobody);
    snprintf(ids, sizeof(ids), "Uid: %u %u %u %u", nobody->pw_uid, nobody->pw_uid, nobody->pw_uid, nobody->pw_uid);
    for (size_t i = 0; i < COUNT(roles); i++) {
        struct confined p = confine(roles[i], c, join_a_group);
        assert_no_capabilities(p);
        assert_line(p, "status", "NoNewPrivs: 1");
        assert_line(p, "status", "Umask: 0077");
        assert_line(p, "limits", "Max core file size 0 0 bytes");
        if (is_root) {
            assert_line(p, "status", ids);
            assert_line(p, "status", "Groups:");
        }
#ifndef __SANITIZE_ADDRESS__    /* there these are left, see lib/sandbox.c */
        assert_line(p, "status", "Seccomp: 2");
        if (roles[i] != ROLE_STORE)
            assert_line(p, "limits", "Max processes 0 0 processes");
#endif
        let_go(p);
    }
    config_free(c);
}

/* What the kernel calls the network that a process is in. */
static void
network_of(pid_t pid, char *out, size_t size)
{
    char    path[64];
    ssize_t len;

    snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
    len = readlink(path, out, size - 1);
    assert_true(len > 0);
    out[len] = '\0';
}

/* Only root may make one, and only root may look at it. In a container that has not the right nobody can: then it is ours still. */
static void
store_of_root_is_alone_in_its_network(void **state)
{
    struct config  *c = config_for(geteuid() == 0 ? "nobody" : "", "/tmp");
    char            ours[64], its[64];
    bool            allowed;
    pid_t           pid = fork();

    (void)state;
    if (pid == 0)
        _exit(unshare(CLONE_NEWNET) == 0 ? 0 : 1);
    allowed = wait_for(pid) == 0;
    struct confined p = confine(ROLE_STORE, c, NULL);
    if (geteuid() == 0) {
        network_of(getpid(), ours, sizeof(ours));
        network_of(p.pid, its, sizeof(its));
        assert_int_equal(strcmp(ours, its) != 0, allowed);
    }
    let_go(p);
    config_free(c);
}

static void
user_is_found_by_role_then_by_name_then_by_state(void **state)
{
    struct config *c;
    unsigned       uid, gid;
    struct stat    st;

    (void)state;
    c = config_for("nobody", "/tmp");
    assert_int_equal(sandbox_user(ROLE_SMTPD, c, &uid, &gid), MT_OK);
    assert_int_equal(uid, getpwnam("nobody")->pw_uid);
    assert_int_equal(gid, getpwnam("nobody")->pw_gid);
    config_free(c);

    c = config_for("no-such-user", "/tmp");
    assert_int_equal(sandbox_user(ROLE_SMTPD, c, &uid, &gid), MT_ENOTFOUND);
    config_free(c);

    c = config_for("", "/proc/1");
    assert_int_equal(stat("/proc/1", &st), 0);
    assert_int_equal(sandbox_user(ROLE_SMTPD, c, &uid, &gid), MT_OK);
    assert_int_equal(uid, st.st_uid);
    config_free(c);

    c = config_for("", "/nonexistent");
    assert_int_equal(sandbox_user(ROLE_SMTPD, c, &uid, &gid), MT_OK);
    assert_int_equal(uid, geteuid());
    config_free(c);
}

static void
unknown_user_ends_the_start(void **state)
{
    struct config *c = config_for("no-such-user", "/tmp");
    int            expected = geteuid() == 0 ? MT_ENOTFOUND : MT_OK;
    pid_t          pid = fork();

    (void)state;
    if (pid == 0)
        _exit(sandbox_enter(ROLE_SMTPD, c) == expected ? 0 : 1);
    assert_int_equal(wait_for(pid), 0);
    config_free(c);
}

static void
lower_the_limit_of_files(void)
{
    struct rlimit low = { .rlim_cur = 300, .rlim_max = 800 };

    setrlimit(RLIMIT_NOFILE, &low);
}

static void
limit_of_files_grows_to_what_is_allowed(void **state)
{
    struct config  *c = config_for("", "/tmp");
    struct confined p = confine(ROLE_IMAPD, c, lower_the_limit_of_files);
    struct rlimit   now;

    (void)state;
    assert_int_equal(prlimit(p.pid, RLIMIT_NOFILE, NULL, &now), 0);
    assert_int_equal(now.rlim_cur, now.rlim_max);
    assert_true(now.rlim_cur >= 800);
    let_go(p);
    config_free(c);
}

/* Who is not in the list of its calls is killed: it may not even ask for the name of its parent. */
static void
a_call_that_is_not_in_the_list_kills(void **state)
{
    struct config *c = config_for("", "/tmp");
    int            status;
    pid_t          pid = fork();

    (void)state;
    if (pid == 0)
        _exit(sandbox_enter(ROLE_SMTPD, c) == MT_OK && getppid() > 0 ? 0 : 1);
    assert_int_equal(waitpid(pid, &status, 0), pid);
#ifndef __SANITIZE_ADDRESS__
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSYS);
#else
    assert_int_equal(status, 0);
#endif
    config_free(c);
}

/* One that is misspelt would be passed over in silence, as one that this machine's kernel has not. */
static void
every_call_of_the_list_exists_and_is_there_once_for_a_role(void **state)
{
    (void)state;
    for (unsigned i = 0; i < system_call_count; i++) {
        const struct system_call *c = &system_calls[i];
        if (seccomp_syscall_resolve_name(c->name) == __NR_SCMP_ERROR)
            fail_msg("%s is no system call", c->name);
        for (unsigned k = 0; k < i; k++)
            if (strcmp(system_calls[k].name, c->name) == 0 && (system_calls[k].roles & c->roles) != 0)
                fail_msg("%s is there twice", c->name);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_role_gives_up_its_rights),
        cmocka_unit_test(root_that_stays_root_has_no_capabilities),
        cmocka_unit_test(user_is_found_by_role_then_by_name_then_by_state),
        cmocka_unit_test(unknown_user_ends_the_start),
        cmocka_unit_test(limit_of_files_grows_to_what_is_allowed),
        cmocka_unit_test(store_of_root_is_alone_in_its_network),
        cmocka_unit_test(a_call_that_is_not_in_the_list_kills),
        cmocka_unit_test(every_call_of_the_list_exists_and_is_there_once_for_a_role),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
