/* The commands restore and verify: both work on files, without store. */

#include "ctl/command.h"
#include "ctl/restore.h"
#include "ctl/verify.h"
#include "lib/db.h"
#include "lib/error.h"

#include <errno.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

const struct option_spec restore_options[] = {
    { 'y', "yes", NULL, "do not ask; needed where there is no terminal" },
    { 0, NULL, NULL, NULL },
};

/* ---- verify ----------------------------------------------------------------------------------------------------- */

static void
show_verified(const struct ctl *ctl, const json_t *d)
{
    static const struct column columns[] = {
        { "verified",  "directory", AS_TEXT  },
        { "mailboxes", "mailboxes", AS_TEXT  },
        { "messages",  "messages",  AS_TEXT  },
        { "tokens",    "tokens",    AS_TEXT  },
        { "size",      "bytes",     AS_BYTES },
        { "problems",  "problems",  AS_TEXT  },
    };

    output_fields(ctl->out, d, columns, COUNT(columns));
}

/* A number that only the walk through the database can tell. */
static json_t *
walked_json(const struct verify_sum *sum, uint64_t number)
{
    return sum->walked ? json_integer((json_int_t)number) : json_null();
}

int
run_verify(struct ctl *ctl)
{
    bool              of_backup = ctl->options.operand_count > 0;
    const char       *dir = of_backup ? ctl->options.operands[0] : ctl->config->state_dir;
    struct verify_sum sum = { .problems = 0 };
    int               shown, code = of_backup ? verify_backup(ctl, dir, &sum) : verify_database(ctl, dir, &sum);

    if (code != EX_OK && code != EX_DATAERR)
        return code;
    shown = ctl_print(ctl, json_pack("{ss so so so so sI}", "directory", dir, "mailboxes", walked_json(&sum, sum.mailboxes),
                                     "messages", walked_json(&sum, sum.messages), "tokens", walked_json(&sum, sum.tokens),
                                     "bytes", walked_json(&sum, sum.bytes), "problems", (json_int_t)sum.problems), show_verified);
    return shown == EX_OK ? code : shown;
}

/* ---- restore ---------------------------------------------------------------------------------------------------- */

static void
show_restored(const struct ctl *ctl, const json_t *d)
{
    static const struct column columns[] = {
        { "restored", "directory",       AS_TEXT },
        { "from",     "backup",          AS_TEXT },
        { "messages", "messages",        AS_TEXT },
        { "kept",     "kept",            AS_TEXT },
    };

    output_fields(ctl->out, d, columns, COUNT(columns));
    fputs("\nStart the service again. What was there before can be removed when it is no longer wanted.\n", ctl->out);
}

/* The service must not run: takes the lock that it holds while it does. */
static int
lock_state(const struct ctl *ctl, int *fd)
{
    const char    *dir = ctl->config->state_dir;
    struct client *running;
    int            rc = client_connect(ctl->config->control_socket, &running);

    if (rc == MT_OK) {
        client_close(running);
        return ctl_fail(EX_TEMPFAIL, "the service is running on %s: stop it first, then restore", dir);
    }
    if (mkdir(dir, 0700) != 0 && errno != EEXIST)
        return ctl_fail(ctl_exit_code(mt_from_errno(errno)), "%s: %s", dir, strerror(errno));
    rc = db_lock(dir, fd);
    return ctl_end(ctl, rc, "%s", dir);
}

static int
restore_locked(struct ctl *ctl, const char *dir)
{
    struct backup_error error;
    struct verify_sum   sum = { .problems = 0 };
    char                kept[PATH_MAX] = "";
    int                 rc, code = verify_backup(ctl, dir, &sum);

    if (code != EX_OK)
        return ctl_fail(code, "nothing was restored: the backup in %s cannot be used", dir);
    rc = restore_files(dir, ctl->config->state_dir, kept, sizeof(kept), &error);
    if (rc != MT_OK)
        return ctl_fail(ctl_exit_code(rc), "%s", error.text);
    return ctl_print(ctl, json_pack("{ss ss sI ss?}", "directory", ctl->config->state_dir, "backup", dir,
                                    "messages", (json_int_t)sum.messages, "kept", kept[0] != '\0' ? kept : NULL), show_restored);
}

int
run_restore(struct ctl *ctl)
{
    const char *dir = ctl->options.operands[0];
    int         fd = -1, code;

    code = ctl_confirm(ctl, "Replace the database and the token keys in %s by those of %s?", ctl->config->state_dir, dir);
    if (code == EX_OK)
        code = lock_state(ctl, &fd);
    if (code == EX_OK)
        code = restore_locked(ctl, dir);
    if (fd != -1)
        close(fd);
    return code;
}
