/*
 * probe - preloaded into mailtestd (LD_PRELOAD), so that a test has an intruder in each role: a signal that carries a number makes the
 * process that gets it try one thing that it must not do, from inside and with the rights that it has left. What came of it is one line on
 * standard error, "probe: process=PID try=NAME result=done" or "... result=NAME OF THE ERROR"; a process that is killed for it says nothing.
 *
 * The signal is SIGRTMIN + 5, its value TRY + 256 * ARGUMENT (a process, an address, a descriptor or a port, as the try says).
 * PROBE_FILE names a file that anyone may read, PROBE_DATABASE the database's, PROBE_FOLDER a folder that anyone may write,
 * PROBE_SOCKET a Unix socket that anyone may connect to; PROBE_NO_LANDLOCK makes it a kernel without Landlock. There are users "probe-ROLE" with
 * the numbers from PROBE_FIRST_USER on, in the order of role_users. tests/e2e/test_rights.py has the numbers from PROBE_NAMES here.
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <pwd.h>
#include <sched.h>
#include <stddef.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#define PROBE_SIGNAL (SIGRTMIN + 5)

enum { TRY_BITS = 8, TRY_MASK = 0xff, PAGE_BYTES = 4096, PATH_BYTES = 256 };

/* Filled before any right is given up. */
struct targets {
    char file[PATH_BYTES], database[PATH_BYTES], folder[PATH_BYTES], new_file[PATH_BYTES], socket[PATH_BYTES];
};
static struct targets targets;

/* 0 (done) or errno. */
typedef int try_fn(uintptr_t argument);

static int
result(long rc)
{
    return rc == -1 ? errno : 0;
}

/* ---- Files ---------------------------------------------------------------------------------------------------------- */

static int
open_file(uintptr_t argument)
{
    (void)argument;
    return result(open(targets.file, O_RDONLY));
}

static int
open_file_the_old_way(uintptr_t argument)
{
    (void)argument;
    return result(syscall(SYS_open, targets.file, O_RDONLY));
}

static int
open_database(uintptr_t argument)
{
    (void)argument;
    return result(open(targets.database, O_RDWR));
}

static int
create_file(uintptr_t argument)
{
    (void)argument;
    return result(open(targets.new_file, O_WRONLY | O_CREAT, 0600));
}

static int
remove_file(uintptr_t argument)
{
    (void)argument;
    return result(unlink(targets.file));
}

static int
make_link(uintptr_t argument)
{
    (void)argument;
    return result(symlink(targets.file, targets.new_file));
}

static int
change_mode(uintptr_t argument)
{
    (void)argument;
    return result(chmod(targets.database, 0666));
}

static int
write_map(uintptr_t address)
{
    *(volatile char *)address = 1;
    return 0;
}

static int
make_map_writable(uintptr_t address)
{
    return result(mprotect((void *)address, PAGE_BYTES, PROT_READ | PROT_WRITE));
}

static int
write_descriptor(uintptr_t fd)
{
    return result(write((int)fd, "", 1));
}

static int
cut_descriptor(uintptr_t fd)
{
    return result(ftruncate((int)fd, 0));
}

/* ---- Network --------------------------------------------------------------------------------------------------------- */

static int
connect_tcp(uintptr_t port)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = { htonl(INADDR_LOOPBACK) } };
    int                fd = socket(AF_INET, SOCK_STREAM, 0);

    return fd == -1 ? errno : result(connect(fd, (struct sockaddr *)&to, sizeof(to)));
}

static int
connect_unix(uintptr_t argument)
{
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    int                fd = socket(AF_UNIX, SOCK_STREAM, 0);

    (void)argument;
    if (fd == -1)
        return errno;
    memcpy(to.sun_path, targets.socket, strlen(targets.socket) + 1);
    return result(connect(fd, (struct sockaddr *)&to, sizeof(to)));
}

static int
listen_tcp(uintptr_t argument)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    int                fd = socket(AF_INET, SOCK_STREAM, 0);

    (void)argument;
    if (fd == -1)
        return errno;
    return bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0 ? errno : result(listen(fd, 1));
}

static int
open_netlink(uintptr_t argument)
{
    (void)argument;
    return result(socket(AF_NETLINK, SOCK_RAW, 0));
}

static int
open_raw_socket(uintptr_t argument)
{
    (void)argument;
    return result(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
}

/* ---- Programs and code ------------------------------------------------------------------------------------------------ */

static int
run_program(uintptr_t argument)
{
    char *argv[] = { (char[]){ "/bin/true" }, NULL };

    (void)argument;
    return result(execv(argv[0], argv));
}

static int
make_process(uintptr_t argument)
{
    pid_t pid = fork();

    (void)argument;
    if (pid == 0)
        _exit(0);
    return result(pid);
}

static int
map_executable(uintptr_t argument)
{
    (void)argument;
    return mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? errno : 0;
}

static int
make_executable(uintptr_t argument)
{
    void *page = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    (void)argument;
    return page == MAP_FAILED ? errno : result(mprotect(page, PAGE_BYTES, PROT_READ | PROT_EXEC));
}

static int
change_personality(uintptr_t argument)
{
    (void)argument;
    return result(personality(READ_IMPLIES_EXEC));
}

/* ---- Other processes --------------------------------------------------------------------------------------------------- */

static int
trace_process(uintptr_t pid)
{
    return result(ptrace(PTRACE_SEIZE, (pid_t)pid, NULL, NULL));
}

static int
kill_process(uintptr_t pid)
{
    return result(kill((pid_t)pid, SIGKILL));
}

static int
kill_thread(uintptr_t pid)
{
    return result(syscall(SYS_tgkill, pid, pid, SIGKILL));
}

static int
read_process(uintptr_t pid)
{
    char         byte;
    struct iovec own = { .iov_base = &byte, .iov_len = 1 }, its = { .iov_base = (void *)&targets, .iov_len = 1 };

    return result(process_vm_readv((pid_t)pid, &own, 1, &its, 1, 0));
}

static int
open_process_memory(uintptr_t pid)
{
    char path[32];

    snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
    return result(open(path, O_RDONLY));
}

static int
take_descriptor(uintptr_t pid)
{
    long fd = syscall(SYS_pidfd_open, pid, 0);

    return fd == -1 ? errno : result(syscall(SYS_pidfd_getfd, fd, 0, 0));
}

static int
raise_own_limit(uintptr_t argument)
{
    struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };

    (void)argument;
    return result(setrlimit(RLIMIT_CORE, &all));
}

/* ---- Rights and the kernel ----------------------------------------------------------------------------------------------- */

static int
become_root(uintptr_t argument)
{
    (void)argument;
    return result(setuid(0));
}

static int
make_dumpable(uintptr_t argument)
{
    (void)argument;
    return result(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
}

static int
make_namespace(uintptr_t argument)
{
    (void)argument;
    return result(unshare(CLONE_NEWUSER));
}

static int
mount_files(uintptr_t argument)
{
    (void)argument;
    return result(mount("none", targets.folder, "tmpfs", 0, NULL));
}

static int
change_root(uintptr_t argument)
{
    (void)argument;
    return result(chroot(targets.folder));
}

static int
ask_keyring(uintptr_t argument)
{
    (void)argument;
    return result(syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0));
}

static int
load_bpf(uintptr_t argument)
{
    (void)argument;
    return result(syscall(SYS_bpf, 0, NULL, 0));
}

static int
set_up_io_uring(uintptr_t argument)
{
    (void)argument;
    return result(syscall(SYS_io_uring_setup, 1, NULL));
}

static int
handle_faults(uintptr_t argument)
{
    (void)argument;
    return result(syscall(SYS_userfaultfd, 0));
}

static int
count_events(uintptr_t argument)
{
    (void)argument;
    return result(syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0));
}

static int
call_as_32_bit(uintptr_t argument)
{
    (void)argument;
#ifdef __x86_64__
    long rc;
    __asm__ volatile("int $0x80" : "=a"(rc) : "a"(20L) : "r8", "r9", "r10", "r11", "memory");       /* getpid of i386 */
    return rc < 0 ? (int)-rc : 0;
#else
    return ENOSYS;
#endif
}

/* ---- The table ------------------------------------------------------------------------------------------------------------ */

/* The place of a try is its number, from 0. */
#define TRIES(TRY)                                                                                                              \
    TRY(open_file) TRY(open_file_the_old_way) TRY(open_database) TRY(create_file) TRY(remove_file) TRY(make_link) TRY(change_mode) \
    TRY(write_map) TRY(make_map_writable) TRY(write_descriptor) TRY(cut_descriptor)                                             \
    TRY(connect_tcp) TRY(connect_unix) TRY(listen_tcp) TRY(open_netlink) TRY(open_raw_socket)                                   \
    TRY(run_program) TRY(make_process) TRY(map_executable) TRY(make_executable) TRY(change_personality)                         \
    TRY(trace_process) TRY(kill_process) TRY(kill_thread) TRY(read_process) TRY(open_process_memory) TRY(take_descriptor)       \
    TRY(raise_own_limit) TRY(become_root) TRY(make_dumpable) TRY(make_namespace) TRY(mount_files) TRY(change_root)              \
    TRY(ask_keyring) TRY(load_bpf) TRY(set_up_io_uring) TRY(handle_faults) TRY(count_events) TRY(call_as_32_bit)

static const struct probe {
    const char *name;
    try_fn     *run;
} probes[] = {
#define ROW(name) { #name, name },
    TRIES(ROW)
#undef ROW
};

enum { PROBE_COUNT = sizeof(probes) / sizeof(probes[0]) };

/* The names, each with a NUL, and an empty one behind the last: what the test reads by ctypes to know the numbers. */
extern const char PROBE_NAMES[];
const char        PROBE_NAMES[] =
#define NAME(name) #name "\0"
    TRIES(NAME);
#undef NAME

/* Not all of this is safe in a signal handler; the loop sleeps in epoll_wait when it comes, and the line is written with one call. */
static void
on_signal(int number, siginfo_t *info, void *context)
{
    uintptr_t value = (uintptr_t)info->si_value.sival_ptr;
    unsigned  which = value & TRY_MASK;
    int       saved = errno, failed, len;
    char      line[160];

    (void)number;
    (void)context;
    if (which >= PROBE_COUNT)
        return;
    failed = probes[which].run(value >> TRY_BITS);
    len = snprintf(line, sizeof(line), "probe: process=%d try=%s result=%s\n", (int)getpid(), probes[which].name,
                   failed == 0 ? "done" : strerrorname_np(failed));
    if (len > 0 && write(STDERR_FILENO, line, (size_t)len) < 0)
        abort();
    errno = saved;
}

/* ---- Another machine -------------------------------------------------------------------------------------------------------- */

/* As of a kernel that does not know the call. */
static void
hide_landlock(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_landlock_create_ruleset, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { .len = sizeof(code) / sizeof(code[0]), .filter = code };

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        abort();
}

#define USER_PREFIX "probe-"
enum { PROBE_FIRST_USER = 64101 };

static const char *const role_users[] = { "smtpd", "imapd", "lookup", "webhook", "store", "signer" };

/* Instead of the C library's: no test has to change the machine's users. */
struct passwd *
getpwnam(const char *name)
{
    static struct passwd user;
    struct passwd     *(*real)(const char *);

    for (size_t i = 0; i < sizeof(role_users) / sizeof(role_users[0]); i++)
        if (strncmp(name, USER_PREFIX, sizeof(USER_PREFIX) - 1) == 0 && strcmp(name + sizeof(USER_PREFIX) - 1, role_users[i]) == 0) {
            user = (struct passwd){ .pw_uid = PROBE_FIRST_USER + (uid_t)i, .pw_gid = PROBE_FIRST_USER + (gid_t)i };
            return &user;
        }
    *(void **)&real = dlsym(RTLD_NEXT, "getpwnam");
    return real(name);
}

static void
copy_target(const char *name, const char *end, char *out, size_t size)
{
    const char *value = getenv(name);

    snprintf(out, size, "%s%s", value == NULL ? "/nonexistent" : value, end);
}

__attribute__((constructor)) static void
probe_start(void)
{
    struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART };

    copy_target("PROBE_FILE", "", targets.file, sizeof(targets.file));
    copy_target("PROBE_DATABASE", "", targets.database, sizeof(targets.database));
    copy_target("PROBE_FOLDER", "", targets.folder, sizeof(targets.folder));
    copy_target("PROBE_FOLDER", "/new", targets.new_file, sizeof(targets.new_file));
    copy_target("PROBE_SOCKET", "", targets.socket, sizeof(targets.socket));
    sigaction(PROBE_SIGNAL, &action, NULL);
    if (getenv("PROBE_NO_LANDLOCK") != NULL)
        hide_landlock();
}
