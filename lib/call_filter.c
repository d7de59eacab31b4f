#include "lib/call_filter.h"

#include "lib/error.h"
#include "lib/log.h"
#include "lib/system_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* libseccomp's: the calls in a binary tree instead of a chain of comparisons. */
#define OPTIMIZE_TREE 2

#define NAMESPACES (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)

/* An argument has to be one of these, once the bits of the mask alone are looked at. */
struct values {
    unsigned argument;
    uint64_t mask;
    uint64_t allowed[16];
    unsigned count;
};

#define WHOLE UINT32_MAX        /* ints: what lies above them in a register means nothing */

/* Those of this table are about one argument. */
static const struct values values_of[CALL_CONDITIONS] = {
    [CALL_NOT_EXECUTABLE] = { 2, PROT_EXEC, { 0 }, 1 },
    [CALL_RESIZE]         = { 3, WHOLE, { 0, MREMAP_MAYMOVE }, 2 },
    [CALL_ADVICE]         = { 2, WHOLE, { MADV_NORMAL, MADV_RANDOM, MADV_WILLNEED, MADV_DONTNEED, MADV_FREE, MADV_HUGEPAGE, MADV_DONTDUMP,
                                          MADV_DODUMP, MADV_WIPEONFORK }, 9 },
    [CALL_DESCRIPTOR]     = { 1, WHOLE, { F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_ADD_SEALS, F_GET_SEALS, F_GETLK, F_SETLK,
                                          F_SETLKW }, 10 },
    [CALL_NO_PATH]        = { 3, AT_EMPTY_PATH, { AT_EMPTY_PATH }, 1 },
    [CALL_PAIR]           = { 0, WHOLE, { AF_UNIX }, 1 },
    [CALL_MEMFD]          = { 1, WHOLE & ~(MFD_CLOEXEC | MFD_ALLOW_SEALING), { 0 }, 1 },
    [CALL_THREAD]         = { 0, CLONE_THREAD | CLONE_VM | CLONE_SIGHAND | CLONE_VFORK | CLONE_PTRACE | NAMESPACES,
                              { CLONE_THREAD | CLONE_VM | CLONE_SIGHAND }, 1 },
    [CALL_WAIT]           = { 1, WHOLE & ~(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME),
                              { FUTEX_WAIT, FUTEX_WAKE, FUTEX_REQUEUE, FUTEX_CMP_REQUEUE, FUTEX_WAKE_OP, FUTEX_WAIT_BITSET,
                                FUTEX_WAKE_BITSET }, 7 },
    [CALL_INPUT_SIZE]     = { 1, WHOLE, { FIONREAD, FIONBIO }, 2 },
    [CALL_NAME]           = { 0, WHOLE, { PR_SET_NAME }, 1 },
};

/* What our own code, c-ares and libcurl set. */
static const struct option {
    int level, name;
} options[] = {
    { IPPROTO_TCP,  TCP_NODELAY },       { IPPROTO_TCP,  TCP_QUICKACK },     { IPPROTO_TCP,  TCP_KEEPIDLE },
    { IPPROTO_TCP,  TCP_KEEPINTVL },     { IPPROTO_TCP,  TCP_KEEPCNT },      { IPPROTO_TCP,  TCP_USER_TIMEOUT },
    { IPPROTO_TCP,  TCP_FASTOPEN_CONNECT },
    { SOL_SOCKET,   SO_KEEPALIVE },      { SOL_SOCKET,   SO_LINGER },        { SOL_SOCKET,   SO_RCVBUF },
    { SOL_SOCKET,   SO_SNDBUF },         { SOL_SOCKET,   SO_RCVTIMEO },      { SOL_SOCKET,   SO_SNDTIMEO },
    { IPPROTO_IPV6, IPV6_V6ONLY },       { IPPROTO_IP,   IP_BIND_ADDRESS_NO_PORT },
};

/* Kinds of socket with the protocols that they may name. */
static const struct transport {
    int type, protocol;
} transports[] = {
    { SOCK_STREAM, 0 }, { SOCK_STREAM, IPPROTO_TCP }, { SOCK_DGRAM, 0 }, { SOCK_DGRAM, IPPROTO_UDP },
};

static struct scmp_arg_cmp
equals(unsigned argument, uint64_t mask, uint64_t value)
{
    return (struct scmp_arg_cmp){ .arg = argument, .op = SCMP_CMP_MASKED_EQ, .datum_a = mask, .datum_b = value };
}

/* 0 or -errno, as the ones below. */
static int
allow(scmp_filter_ctx ctx, int call, unsigned count, const struct scmp_arg_cmp *conditions)
{
    return seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, call, count, conditions);
}

static int
allow_values(scmp_filter_ctx ctx, int call, const struct values *v)
{
    int rc = 0;

    for (unsigned i = 0; rc == 0 && i < v->count; i++) {
        struct scmp_arg_cmp condition = equals(v->argument, v->mask, v->allowed[i]);
        rc = allow(ctx, call, 1, &condition);
    }
    return rc;
}

static int
allow_options(scmp_filter_ctx ctx, int call)
{
    const struct scmp_arg_cmp kernel_tls[] = { equals(1, WHOLE, IPPROTO_TCP), equals(2, WHOLE, TCP_ULP) };
    /* A machine's openssl.cnf may ask for TLS in the kernel, which OpenSSL does without where it cannot have it. */
    int rc = seccomp_rule_add_array(ctx, SCMP_ACT_ERRNO(EACCES), call, COUNT(kernel_tls), kernel_tls);

    for (unsigned i = 0; rc == 0 && i < COUNT(options); i++) {
        struct scmp_arg_cmp conditions[] = { equals(1, WHOLE, (uint64_t)options[i].level), equals(2, WHOLE, (uint64_t)options[i].name) };
        rc = allow(ctx, call, COUNT(conditions), conditions);
    }
    return rc;
}

/* Other families fail, since libraries ask by such sockets for what they can do without (interfaces, the log of the system). */
static int
allow_internet(scmp_filter_ctx ctx, int call)
{
    int rc = 0;

    for (unsigned i = 0; rc == 0 && i < 2 * COUNT(transports); i++) {
        const struct transport *t = &transports[i / 2];
        struct scmp_arg_cmp     conditions[] = { equals(0, WHOLE, i % 2 == 0 ? AF_INET : AF_INET6),
                                                 equals(1, WHOLE & ~(uint64_t)(SOCK_CLOEXEC | SOCK_NONBLOCK), (uint64_t)t->type),
                                                 equals(2, WHOLE, (uint64_t)t->protocol) };
        rc = allow(ctx, call, COUNT(conditions), conditions);
    }
    for (uint64_t family = 0; rc == 0 && family < AF_MAX; family++) {
        struct scmp_arg_cmp condition = equals(0, WHOLE, family);
        if (family != AF_INET && family != AF_INET6)
            rc = seccomp_rule_add_array(ctx, SCMP_ACT_ERRNO(EACCES), call, 1, &condition);
    }
    return rc;
}

static int
allow_limit(scmp_filter_ctx ctx, int call)
{
    struct scmp_arg_cmp conditions[] = { equals(0, WHOLE, 0), equals(1, WHOLE, RLIMIT_NPROC) };

    return allow(ctx, call, COUNT(conditions), conditions);
}

static int
add(scmp_filter_ctx ctx, int call, enum call_condition condition)
{
    struct scmp_arg_cmp own = equals(0, WHOLE, (uint64_t)getpid());

    switch (condition) {
    case CALL_ANY:
        return allow(ctx, call, 0, NULL);
    case CALL_OPTION:
        return allow_options(ctx, call);
    case CALL_INTERNET:
        return allow_internet(ctx, call);
    case CALL_OWN_PROCESS:
        return allow(ctx, call, 1, &own);
    case CALL_NO_MORE_THREADS:
        return allow_limit(ctx, call);
    case CALL_REFUSED:
        return seccomp_rule_add_array(ctx, SCMP_ACT_ERRNO(EACCES), call, 0, NULL);
    case CALL_UNKNOWN:
        return seccomp_rule_add_array(ctx, SCMP_ACT_ERRNO(ENOSYS), call, 0, NULL);
    default:
        return allow_values(ctx, call, &values_of[condition]);
    }
}

static int
add_all(scmp_filter_ctx ctx, enum role role)
{
    for (unsigned i = 0; i < system_call_count; i++) {
        const struct system_call *c = &system_calls[i];
        int                       call, rc;

        if ((c->roles & 1u << role) == 0 || (call = seccomp_syscall_resolve_name(c->name)) == __NR_SCMP_ERROR)
            continue;
        rc = add(ctx, call, c->condition);
        /* EDOM, and numbers below 0: a call that this architecture has under another name. */
        if (rc != 0 && rc != -EDOM && call >= 0)
            return rc;
    }
    return 0;
}

int
call_filter_enter(enum role role)
{
    scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
    int             rc = ctx == NULL ? -ENOMEM : 0;

    if (rc == 0)
        rc = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);
    if (rc == 0)
        rc = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, OPTIMIZE_TREE);
    if (rc == 0)
        rc = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);     /* calls as of another architecture */
    if (rc == 0)
        rc = add_all(ctx, role);
    if (rc == 0)
        rc = seccomp_load(ctx);
    if (ctx != NULL)
        seccomp_release(ctx);
    if (rc == 0)
        return MT_OK;
    log_error("event=sandbox-failed step=system-call-filter reason=\"%s\" hint=\"processes.system_call_filter: false goes without\"", strerror(-rc));
    return MT_EIO;
}
