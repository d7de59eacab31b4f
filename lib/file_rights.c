#include "lib/file_rights.h"

#include "lib/error.h"
#include "lib/log.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What the kernel's header of an older distribution does not have yet: its interface is stable. */
struct ruleset {
    uint64_t files;         /* rights that are taken away unless a rule gives them */
    uint64_t network;       /* from version 4 on */
    uint64_t scoped;        /* from version 6 on */
};

enum {
    VERSION_REFER    = 2,
    VERSION_TRUNCATE = 3,
    VERSION_NETWORK  = 4,
    VERSION_IOCTL    = 5,
    VERSION_SCOPES   = 6,
};

#define FILES_OF_VERSION_1 ((UINT64_C(1) << 13) - 1)
#define FILE_REFER         (UINT64_C(1) << 13)
#define FILE_TRUNCATE      (UINT64_C(1) << 14)
#define FILE_IOCTL         (UINT64_C(1) << 15)
#define BIND_TCP           (UINT64_C(1) << 0)
#define CONNECT_TCP        (UINT64_C(1) << 1)
#define RULE_PORT          2            /* LANDLOCK_RULE_NET_PORT */
#define ABSTRACT_SOCKETS   (UINT64_C(1) << 0)
#define SIGNALS            (UINT64_C(1) << 1)

struct port_rule {
    uint64_t rights;
    uint64_t port;
};

#define DNS_PORT 53     /* of the servers in /etc/resolv.conf */

/* What store does below its state directory: the database, the key file, the control socket's removal. */
#define STORE_FILES                                                                                                              \
    (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |  \
     LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE | FILE_TRUNCATE)

static struct ruleset
ruleset_of(enum role role, int version)
{
    struct ruleset r = { .files = FILES_OF_VERSION_1 };

    if (version >= VERSION_REFER)
        r.files |= FILE_REFER;
    if (version >= VERSION_TRUNCATE)
        r.files |= FILE_TRUNCATE;
    if (version >= VERSION_IOCTL)
        r.files |= FILE_IOCTL;
    /* A webhook may be at any port. */
    if (version >= VERSION_NETWORK)
        r.network = role == ROLE_WEBHOOK ? BIND_TCP : BIND_TCP | CONNECT_TCP;
    if (version >= VERSION_SCOPES)
        r.scoped = ABSTRACT_SOCKETS | SIGNALS;
    return r;
}

static int
fail(const char *step)
{
    log_error("event=sandbox-failed step=%s reason=\"%s\"", step, strerror(errno));
    return MT_EIO;
}

static int
allow_below(int rules, const char *path, uint64_t rights)
{
    struct landlock_path_beneath_attr below = { .allowed_access = rights, .parent_fd = open(path, O_PATH | O_CLOEXEC | O_DIRECTORY) };
    long                              rc;

    if (below.parent_fd == -1)
        return errno == ENOENT ? MT_OK : fail("open-state-directory");
    rc = syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &below, 0);
    close(below.parent_fd);
    return rc == 0 ? MT_OK : fail("landlock-rule");
}

static int
allow_port(int rules, uint64_t port)
{
    struct port_rule rule = { .rights = CONNECT_TCP, .port = port };

    return syscall(SYS_landlock_add_rule, rules, RULE_PORT, &rule, 0) == 0 ? MT_OK : fail("landlock-port");
}

/* smtpd asks DNS over TCP where an answer is long. A resolver always names its port ("192.0.2.1:53", lib/config_check.c). */
static int
allow_resolvers(int rules, const struct config *config)
{
    const struct strings *servers = &config->smtp.resolvers;
    int                   rc = servers->count == 0 ? allow_port(rules, DNS_PORT) : MT_OK;

    for (unsigned i = 0; rc == MT_OK && i < servers->count; i++)
        rc = allow_port(rules, strtoul(strrchr(servers->items[i], ':') + 1, NULL, 10));
    return rc;
}

/* Once for the service, not for each process: by store, which is always there. */
static void
tell_version(enum role role, int version)
{
    if (role != ROLE_STORE || version >= VERSION_NETWORK)
        return;
    if (version < 1)
        log_warning("event=no-landlock reason=\"this kernel has none, or it is turned off: files are kept from the roles by their user and the "
                    "system call filter alone\"");
    else
        log_info("event=old-landlock version=%d reason=\"this kernel's Landlock knows files, but not TCP\"", version);
}

int
file_rights_enter(enum role role, const struct config *config)
{
    int            version = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    struct ruleset wanted;
    int            rules, rc = MT_OK;

    tell_version(role, version);
    if (version < 1)
        return MT_OK;
    wanted = ruleset_of(role, version);
    /* An older kernel takes the longer struct as long as what it does not know is zero. */
    rules = (int)syscall(SYS_landlock_create_ruleset, &wanted, sizeof(wanted), 0);
    if (rules == -1)
        return fail("landlock");
    if (role == ROLE_STORE)
        rc = allow_below(rules, config->state_dir, STORE_FILES & wanted.files);
    if (role == ROLE_SMTPD && (wanted.network & CONNECT_TCP) != 0)
        rc = allow_resolvers(rules, config);
    if (rc == MT_OK && syscall(SYS_landlock_restrict_self, rules, 0) != 0)
        rc = fail("landlock-restrict");
    close(rules);
    return rc;
}
