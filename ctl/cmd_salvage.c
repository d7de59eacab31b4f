/* The command salvage: makes a backup of what is whole in a database that is not. Works on files, without store. */

#include "ctl/backup.h"
#include "ctl/command.h"
#include "ctl/verify.h"
#include "lib/db.h"
#include "lib/db_salvage.h"
#include "lib/display.h"
#include "lib/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINE_CHARS = 500, KEYS_BYTES_MAX = 8192 };

static void
say_lost(void *arg, const char *text)
{
    struct buf safe;

    (void)arg;
    buf_init(&safe, (size_t)LINE_CHARS * 4 + 8);
    display_text(&safe, slice_of(text), LINE_CHARS);
    fprintf(stderr, "%.*s\n", (int)safe.len, safe.len > 0 ? safe.data : "");
    buf_fini(&safe);
}

/* A service that runs on the folder would write meanwhile. A backup's folder has no such file. */
static int
lock_source(const struct ctl *ctl, const char *dir, int *fd)
{
    char *path = backup_path(dir, DB_LOCK_FILE);
    int   rc = path != NULL && access(path, F_OK) == 0 ? db_lock(dir, fd) : MT_OK;

    free(path);
    return ctl_end(ctl, rc, "%s", dir);
}

/* Where the keys are lost, an empty file asks store for a new one. */
static int
copy_keys(const char *from, const char *to, struct backup_error *error)
{
    char   *path = backup_path(from, backup_file_name(BACKUP_TOKEN_KEYS));
    char    text[KEYS_BYTES_MAX];
    ssize_t len = 0;
    int     in = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC), out, rc;

    if (in == -1)
        say_lost(NULL, "the token keys are lost: the service will make a new one, and knows no token that was made before");
    else if ((len = read(in, text, sizeof(text))) < 0)
        len = 0;
    if (in != -1)
        close(in);
    free(path);
    rc = backup_create(to, BACKUP_TOKEN_KEYS, &out, error);
    if (rc != MT_OK)
        return rc;
    if (write(out, text, (size_t)len) != len || fsync(out) != 0)
        rc = backup_fail(error, mt_from_errno(errno), backup_file_name(BACKUP_TOKEN_KEYS), strerror(errno));
    close(out);
    explicit_bzero(text, sizeof(text));
    return rc;
}

static int
make_database(const struct ctl *ctl, const char *from, const char *to, struct db_salvage_counts *counts)
{
    char             *source = backup_path(from, DB_DIR "/" DB_FILE), *dir = backup_path(to, DB_DIR), *lock = backup_path(to, DB_DIR "/lock.mdb");
    struct db_options options = { .dir = dir, .map_bytes = ctl->config->store.map_bytes, .readers_max = ctl->config->store.readers_max };
    int               fd = source == NULL ? -1 : open(source, O_RDONLY | O_CLOEXEC);
    int               rc = fd == -1 ? mt_from_errno(errno) : MT_OK;

    if (rc == MT_OK)
        rc = dir == NULL || lock == NULL ? MT_ENOMEM : db_salvage(fd, &options, say_lost, NULL, counts);
    if (fd != -1)
        close(fd);
    if (lock != NULL)
        unlink(lock);
    free(source);
    free(dir);
    free(lock);
    return ctl_end(ctl, rc, "the database in %s", from);
}

static void
show_salvaged(const struct ctl *ctl, const json_t *d)
{
    static const struct column columns[] = {
        { "salvaged",      "directory",     AS_TEXT },
        { "from",          "from",          AS_TEXT },
        { "mailboxes",     "mailboxes",     AS_TEXT },
        { "messages",      "messages",      AS_TEXT },
        { "tokens",        "tokens",        AS_TEXT },
        { "made anew",     "made",          AS_TEXT },
        { "messages lost", "messages_lost", AS_TEXT },
        { "records lost",  "records_lost",  AS_TEXT },
        { "places lost",   "places_lost",   AS_TEXT },
    };

    output_fields(ctl->out, d, columns, COUNT(columns));
    fputs("\nVerified. \"mailtestctl restore\" puts it in place.\n", ctl->out);
}

static int
salvage_locked(struct ctl *ctl, const char *from, const char *to)
{
    struct backup_error      error;
    struct db_salvage_counts n = { 0 };
    struct verify_sum        sum = { .problems = 0 };
    int                      code, rc = backup_make(to, &error);

    if (rc != MT_OK)
        return ctl_fail(rc == MT_ENOTFOUND ? EX_CANTCREAT : ctl_exit_code(rc), "%s", error.text);
    code = make_database(ctl, from, to, &n);
    if (code != EX_OK)
        return code;
    if ((rc = copy_keys(from, to, &error)) != MT_OK || (rc = backup_finish(to, &error)) != MT_OK)
        return ctl_fail(ctl_exit_code(rc), "%s", error.text);
    code = verify_backup(ctl, to, &sum);
    if (code != EX_OK)
        return ctl_fail(code, "what was salvaged to %s has problems of its own", to);
    return ctl_print(ctl, json_pack("{ss ss sI sI sI sI sI sI sI}", "directory", to, "from", from, "mailboxes", (json_int_t)n.mailboxes,
                                    "messages", (json_int_t)n.messages, "tokens", (json_int_t)n.tokens, "made", (json_int_t)n.made,
                                    "messages_lost", (json_int_t)n.messages_lost, "records_lost", (json_int_t)n.rows_lost,
                                    "places_lost", (json_int_t)n.places_lost), show_salvaged);
}

int
run_salvage(struct ctl *ctl)
{
    const char *from = ctl->options.operands[0], *to = ctl->options.operands[1];
    int         fd = -1, code = lock_source(ctl, from, &fd);

    if (code == EX_OK)
        code = salvage_locked(ctl, from, to);
    if (fd != -1)
        close(fd);
    return code;
}
