#include "mailtestd/listeners.h"

#include "lib/error.h"
#include "lib/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/fsuid.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sysexits.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#define BACKLOG 4096

union address {
    struct sockaddr         any;
    struct sockaddr_in      in;
    struct sockaddr_in6     in6;
    struct sockaddr_un      un;
    struct sockaddr_storage storage;
};

static const char unix_prefix[] = "unix:";

static const char *
unix_path(const char *address)
{
    return strncmp(address, unix_prefix, strlen(unix_prefix)) == 0 ? address + strlen(unix_prefix) : NULL;
}

/* The configuration was checked: the address is well formed. */
static socklen_t
address_parse(const char *text, union address *out)
{
    const char *path = unix_path(text), *colon = strrchr(text, ':');
    char        host[INET6_ADDRSTRLEN + 1];
    uint16_t    port;

    memset(out, 0, sizeof(*out));
    if (path != NULL) {
        out->un.sun_family = AF_UNIX;
        slice_copy(out->un.sun_path, sizeof(out->un.sun_path), slice_of(path));
        return sizeof(out->un);
    }
    port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
    if (text[0] == '[') {
        slice_copy(host, sizeof(host), slice_make(text + 1, (size_t)(colon - text) - 2));
        out->in6.sin6_family = AF_INET6;
        out->in6.sin6_port = port;
        inet_pton(AF_INET6, host, &out->in6.sin6_addr);
        return sizeof(out->in6);
    }
    slice_copy(host, sizeof(host), slice_make(text, (size_t)(colon - text)));
    out->in.sin_family = AF_INET;
    out->in.sin_port = port;
    inet_pton(AF_INET, host, &out->in.sin_addr);
    return sizeof(out->in);
}

static int
fail_bind(struct listen_error *error, enum listener kind, const char *address, int err)
{
    const char *hint = "";

    error->exit_code = EX_OSERR;
    if (err == EADDRINUSE) {
        error->exit_code = EX_UNAVAILABLE;
        hint = ": another program or another instance of this service listens there";
    } else if (err == EADDRNOTAVAIL) {
        error->exit_code = EX_UNAVAILABLE;
        hint = ": this machine has no such address";
    } else if (err == EACCES || err == EPERM) {
        error->exit_code = EX_NOPERM;
        hint = unix_path(address) != NULL ? ": the folder is not writable" : ": ports below 1024 need root or CAP_NET_BIND_SERVICE";
    } else if (err == ENOENT) {
        error->exit_code = EX_CANTCREAT;
        hint = ": there is no such folder";
    } else if (err == ENOTSOCK) {
        error->exit_code = EX_CANTCREAT;
        hint = ": a file that is no socket is in the way";
    }
    snprintf(error->text, sizeof(error->text), "%s %s: cannot listen: %s%s", listener_name(kind), address, strerror(err), hint);
    return MT_EIO;
}

/* ---- Unix sockets --------------------------------------------------------------------------------------------------- */

/* Removes a socket file that nobody listens on. 0, or the errno that says why it has to stay. */
static int
remove_stale(const union address *address)
{
    struct stat st;
    int         fd, err;

    if (lstat(address->un.sun_path, &st) != 0)
        return errno == ENOENT ? 0 : errno;
    if (!S_ISSOCK(st.st_mode))
        return ENOTSOCK;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return errno;
    err = connect(fd, &address->any, sizeof(address->un)) == 0 ? 0 : errno;
    close(fd);
    if (err != ECONNREFUSED)
        return EADDRINUSE;
    return unlink(address->un.sun_path) == 0 ? 0 : errno;
}

/*
 * Mode and group are given as the file is made, never changed by name afterwards: the folder may belong to a role's user, who could
 * put something else in its place meanwhile.
 */
static int
bind_unix(int fd, const union address *address, enum listener kind, int gid)
{
    int    err = remove_stale(address);
    mode_t mask;

    if (err != 0)
        return err;
    mask = umask(kind == LISTEN_CONTROL ? 0117 : 0111);
    if (gid != -1)
        setfsgid((gid_t)gid);
    err = bind(fd, &address->any, sizeof(address->un)) == 0 ? 0 : errno;
    if (gid != -1)
        setfsgid(getegid());
    umask(mask);
    return err;
}

/* ---- Binding ---------------------------------------------------------------------------------------------------------- */

/* Accepted sockets inherit both: replies leave at once, and a peer that vanished is noticed. Unix sockets need neither, and have no first one. */
static void
set_inherited_options(int fd)
{
    const int on = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}

static void
set_tcp_options(int fd, int family)
{
    const int on = 1;

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (family == AF_INET6)     /* "[::]" beside "0.0.0.0" */
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    set_inherited_options(fd);
}

static int
bind_address(const char *text, enum listener kind, int gid, int *out)
{
    union address address;
    socklen_t     len = address_parse(text, &address);
    int           fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), err;

    if (fd < 0)
        return errno;
    if (address.any.sa_family == AF_UNIX) {
        err = bind_unix(fd, &address, kind, gid);
    } else {
        set_tcp_options(fd, address.any.sa_family);
        err = bind(fd, &address.any, len) == 0 ? 0 : errno;
    }
    if (err == 0 && listen(fd, BACKLOG) != 0)
        err = errno;
    if (err != 0)
        close(fd);
    else
        *out = fd;
    return err;
}

static int
add_bound(struct listeners *l, const struct bound *bound)
{
    struct bound *items = reallocarray(l->items, l->count + 1, sizeof(*items));

    if (items == NULL)
        return MT_ENOMEM;
    l->items = items;
    l->items[l->count++] = *bound;
    return MT_OK;
}

static void
close_bound(struct bound *b)
{
    const char *path = unix_path(b->address);

    close(b->fd);
    if (path != NULL && !b->inherited)
        unlink(path);
}

/* Keeps those that keep is true for: they are the plan from now on. */
static void
sweep(struct listeners *l, bool (*keep)(const struct bound *b))
{
    unsigned kept = 0;

    for (unsigned i = 0; i < l->count; i++) {
        if (keep(&l->items[i]))
            l->items[kept++] = l->items[i];
        else
            close_bound(&l->items[i]);
    }
    l->count = kept;
    for (unsigned i = 0; i < l->count; i++) {
        l->items[i].planned = true;
        l->items[i].fresh = false;
    }
}

static bool
is_planned(const struct bound *b)
{
    return b->planned;
}

static bool
is_not_fresh(const struct bound *b)
{
    return !b->fresh;
}

static bool
is_none(const struct bound *b)
{
    (void)b;
    return false;
}

static bool
is_inherited_kind(const struct listeners *l, enum listener kind)
{
    for (unsigned i = 0; i < l->count; i++)
        if (l->items[i].inherited && l->items[i].kind == kind)
            return true;
    return false;
}

static int
plan_one(struct listeners *l, enum listener kind, const char *address, int gid, struct listen_error *error)
{
    struct bound bound = { .kind = kind, .fd = -1, .fresh = true, .planned = true };
    int          err, rc;

    for (unsigned i = 0; i < l->count; i++) {
        if (l->items[i].kind == kind && strcmp(l->items[i].address, address) == 0) {
            l->items[i].planned = true;
            return MT_OK;
        }
    }
    slice_copy(bound.address, sizeof(bound.address), slice_of(address));
    if ((err = bind_address(address, kind, gid, &bound.fd)) != 0)
        return fail_bind(error, kind, address, err);
    if ((rc = add_bound(l, &bound)) != MT_OK) {
        close_bound(&bound);
        snprintf(error->text, sizeof(error->text), "%s", mt_strerror(rc));
        error->exit_code = EX_OSERR;
    }
    return rc;
}

int
listeners_plan(struct listeners *l, const struct config *config, int gid, struct listen_error *error)
{
    int rc = MT_OK;

    for (unsigned i = 0; i < l->count; i++) {
        l->items[i].planned = l->items[i].inherited;
        l->items[i].fresh = false;
    }
    for (unsigned kind = 0; rc == MT_OK && kind < LISTEN_COUNT; kind++) {
        struct strings addresses = config_listen(config, kind);
        if (is_inherited_kind(l, kind))
            continue;
        for (unsigned i = 0; rc == MT_OK && i < addresses.count; i++)
            rc = plan_one(l, kind, addresses.items[i], gid, error);
    }
    if (rc != MT_OK)
        listeners_drop(l);
    return rc;
}

void
listeners_commit(struct listeners *l)
{
    sweep(l, is_planned);
}

void
listeners_drop(struct listeners *l)
{
    sweep(l, is_not_fresh);
}

void
listeners_close(struct listeners *l)
{
    sweep(l, is_none);
    free(l->items);
    *l = (struct listeners){ 0 };
}

/* ---- From systemd ------------------------------------------------------------------------------------------------------ */

static bool
kind_parse(const char *name, enum listener *out)
{
    for (unsigned kind = 0; kind < LISTEN_COUNT; kind++) {
        if (strcmp(name, listener_name(kind)) == 0) {
            *out = kind;
            return true;
        }
    }
    return false;
}

static void
describe_socket(int fd, char *out, size_t size)
{
    union address address = { .storage = { 0 } };
    socklen_t     len = sizeof(address);
    char          host[INET6_ADDRSTRLEN] = "";

    if (getsockname(fd, &address.any, &len) != 0)
        snprintf(out, size, "unknown");
    else if (address.any.sa_family == AF_INET)
        snprintf(out, size, "%s:%u", inet_ntop(AF_INET, &address.in.sin_addr, host, sizeof(host)), ntohs(address.in.sin_port));
    else if (address.any.sa_family == AF_INET6)
        snprintf(out, size, "[%s]:%u", inet_ntop(AF_INET6, &address.in6.sin6_addr, host, sizeof(host)), ntohs(address.in6.sin6_port));
    else
        snprintf(out, size, "%s%.100s", unix_prefix, address.un.sun_path);
}

static int
inherit_one(struct listeners *l, int fd, const char *name, struct listen_error *error)
{
    struct bound bound = { .fd = fd, .inherited = true, .planned = true };

    error->exit_code = EX_CONFIG;
    describe_socket(fd, bound.address, sizeof(bound.address));
    if (!kind_parse(name, &bound.kind)) {
        snprintf(error->text, sizeof(error->text), "systemd hands over %s as \"%s\": FileDescriptorName= of its .socket unit has to be smtp, "
                 "lmtp, imap, imaps, pop3, pop3s, http or control", bound.address, name);
        return MT_EINVALID;
    }
    if (sd_is_socket(fd, AF_UNSPEC, SOCK_STREAM, 1) <= 0) {
        snprintf(error->text, sizeof(error->text), "systemd hands over %s for %s, which is no listening stream socket", bound.address, name);
        return MT_EINVALID;
    }
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    set_inherited_options(fd);
    return add_bound(l, &bound);
}

int
listeners_inherit(struct listeners *l, struct listen_error *error)
{
    char **names = NULL;
    int    count = sd_listen_fds_with_names(1, &names), rc = MT_OK;

    for (int i = 0; i < count; i++) {
        if (rc == MT_OK)
            rc = inherit_one(l, SD_LISTEN_FDS_START + i, names[i], error);
        free(names[i]);
    }
    free(names);
    return rc;
}
