#include "ctl/verify.h"

#include "ctl/backup.h"
#include "lib/db_verify.h"
#include "lib/display.h"
#include "lib/error.h"

#include <stdlib.h>
#include <unistd.h>

enum { PROBLEM_CHARS = 500 };

/* Each on a line of its own: names in it may come from damaged data. */
static void
say_problem(void *arg, const char *text)
{
    struct buf safe;

    (void)arg;
    buf_init(&safe, (size_t)PROBLEM_CHARS * 4 + 8);
    display_text(&safe, slice_of(text), PROBLEM_CHARS);
    fprintf(stderr, "%.*s\n", (int)safe.len, safe.len > 0 ? safe.data : "");
    buf_fini(&safe);
}

int
verify_database(const struct ctl *ctl, const char *dir, struct verify_sum *sum)
{
    char                   *path = backup_path(dir, DB_DIR);
    struct db_options       options = {
        .dir = path, .map_bytes = ctl->config->store.map_bytes, .readers_max = ctl->config->store.readers_max, .read_only = true,
    };
    struct db_verify_counts counts = { .problems = 0 };
    int                     rc = path == NULL ? MT_ENOMEM : db_verify(&options, say_problem, NULL, &counts);

    free(path);
    *sum = (struct verify_sum){ .problems = counts.problems + (rc != MT_OK), .walked = rc == MT_OK,
                                .mailboxes = counts.mailboxes, .messages = counts.messages, .tokens = counts.tokens, .bytes = counts.bytes };
    if (rc == MT_OK && counts.problems > 0)
        return EX_DATAERR;
    return ctl_end(ctl, rc, "the database in %s", dir);
}

int
verify_backup(const struct ctl *ctl, const char *dir, struct verify_sum *sum)
{
    struct backup_error error;
    uint64_t            bytes;
    char               *lock;
    int                 code, rc = backup_check(dir, &bytes, &error);

    if (rc != MT_OK) {
        *sum = (struct verify_sum){ .problems = 1 };
        return ctl_fail(ctl_exit_code(rc), "%s", error.text);
    }
    code = verify_database(ctl, dir, sum);
    /* LMDB's table of readers, of which a backup has none but us. */
    lock = backup_path(dir, DB_DIR "/lock.mdb");
    if (lock != NULL)
        unlink(lock);
    free(lock);
    return code;
}
