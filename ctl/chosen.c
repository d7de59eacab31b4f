#include "ctl/chosen.h"

#include "lib/error.h"
#include "lib/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

/* One more than may be, and a line end of two octets. */
enum { READ_BYTES = SECRET_CHOSEN_BYTES + 3 };

const char chosen_note[] = "SCRAM does not work with it: a client that takes SCRAM is to use PLAIN or LOGIN (mbsync: AuthMechs LOGIN; mpop: auth plain).\n"
                           "Each login costs some 55 ms of a processor: for monitors let a secret be made.\n";

bool
chosen_is_wanted(const struct ctl *ctl)
{
    return options_has(&ctl->options, "stdin") || options_has(&ctl->options, "file");
}

/* Up to READ_BYTES, or to the end of a terminal's line. Their number, or -1 and errno. */
static ssize_t
read_octets(int fd, bool line, char *to)
{
    size_t have = 0;

    while (have < READ_BYTES && !(line && have > 0 && to[have - 1] == '\n')) {
        ssize_t got = read(fd, to + have, READ_BYTES - have);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        have += (size_t)got;
    }
    return (ssize_t)have;
}

/* What is typed is not shown. */
static ssize_t
ask(char *to)
{
    struct termios before, silent;
    ssize_t        len;

    if (tcgetattr(STDIN_FILENO, &before) != 0)
        return -1;
    silent = before;
    silent.c_lflag &= ~(tcflag_t)ECHO;
    fputs("Secret: ", stderr);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
    len = read_octets(STDIN_FILENO, true, to);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    fputc('\n', stderr);
    return len;
}

static ssize_t
read_source(const struct ctl *ctl, char *to)
{
    const char *file = options_value(&ctl->options, "file");
    ssize_t     len;
    int         fd;

    if (file == NULL)
        return isatty(STDIN_FILENO) ? ask(to) : read_octets(STDIN_FILENO, false, to);
    fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    len = read_octets(fd, false, to);
    close(fd);
    return len;
}

static struct slice
without_line_end(struct slice s)
{
    if (s.len > 0 && s.data[s.len - 1] == '\n')
        s.len--;
    if (s.len > 0 && s.data[s.len - 1] == '\r')
        s.len--;
    return s;
}

static int
choose(struct slice typed, struct credentials *out)
{
    struct buf  prepared;
    const char *fault;
    int         code = EX_OK;

    buf_init(&prepared, SECRET_CHOSEN_BYTES);
    fault = secret_choose(typed, &prepared);
    if (fault != NULL)
        code = ctl_fail(EX_DATAERR, "the secret %s", fault);
    else if (secret_hash_chosen(buf_slice(&prepared), out) != MT_OK)
        code = ctl_fail(EX_OSERR, "no memory to hash the secret: that takes %u MiB", SECRET_ARGON2_BYTES / 1024 / 1024);
    buf_wipe(&prepared);
    return code;
}

int
chosen_read(const struct ctl *ctl, struct credentials *out)
{
    char    typed[READ_BYTES];
    ssize_t len;
    int     code;

    if (options_has(&ctl->options, "stdin") && options_has(&ctl->options, "file"))
        return ctl_fail(EX_USAGE, "--stdin and --file together: one of them");
    len = read_source(ctl, typed);
    if (len < 0)
        code = ctl_fail(EX_NOINPUT, "the secret cannot be read: %s", strerror(errno));
    else
        code = choose(without_line_end(slice_make(typed, (size_t)len)), out);
    sodium_memzero(typed, sizeof(typed));
    return code;
}

void
chosen_write(struct buf *fields, const struct credentials *c)
{
    write_bytes(fields, slice_make((const char *)c->salt, sizeof(c->salt)));
    write_bytes(fields, slice_make((const char *)c->secret_hash, sizeof(c->secret_hash)));
}
