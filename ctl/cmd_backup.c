/* The command backup: copies what store holds into a folder while the service is running. */

#include "ctl/backup.h"
#include "ctl/command.h"
#include "ctl/verify.h"
#include "lib/error.h"

#include <unistd.h>

static int
read_bytes_written(void *arg, struct reader *r)
{
    read_u64(r, arg);
    return MT_OK;
}

/* Has store write one file of the backup. */
static int
take_file(struct ctl *ctl, const char *dir, enum backup_file file, uint64_t *bytes)
{
    struct backup_error error;
    int                 fd, rc = backup_create(dir, file, &fd, &error);

    if (rc != MT_OK)
        return ctl_fail(ctl_exit_code(rc), "%s", error.text);
    write_u8(client_fields(ctl->client), (uint8_t)file);
    rc = client_call(ctl->client, MSG_BACKUP, fd, NULL, read_bytes_written, bytes);
    return ctl_end(ctl, rc, "writing %s/%s", dir, backup_file_name(file));
}

static void
show_backup(const struct ctl *ctl, const json_t *d)
{
    static const struct column columns[] = {
        { "backup",   "directory", AS_TEXT  },
        { "size",     "bytes",     AS_BYTES },
        { "messages", "messages",  AS_TEXT  },
    };

    output_fields(ctl->out, d, columns, COUNT(columns));
    fputs("\nVerified. It holds the token keys: keep it as secret as the service itself.\n", ctl->out);
}

int
run_backup(struct ctl *ctl)
{
    const char         *dir = ctl->options.operands[0];
    struct backup_error error;
    struct verify_sum   sum = { .problems = 0 };
    uint64_t            bytes[BACKUP_FILE_COUNT] = { 0 };
    int                 code, rc = backup_make(dir, &error);

    if (rc != MT_OK)
        return ctl_fail(rc == MT_ENOTFOUND ? EX_CANTCREAT : ctl_exit_code(rc), "%s", error.text);
    client_set_patience(ctl->client, 0);        /* a large database takes its time */
    for (int i = 0; i < BACKUP_FILE_COUNT; i++) {
        code = take_file(ctl, dir, (enum backup_file)i, &bytes[i]);
        if (code != EX_OK)
            return code;
    }
    rc = backup_finish(dir, &error);
    if (rc != MT_OK)
        return ctl_fail(ctl_exit_code(rc), "%s", error.text);
    code = verify_backup(ctl, dir, &sum);
    if (code != EX_OK)
        return ctl_fail(code, "the copy in %s cannot be used", dir);
    return ctl_print(ctl, json_pack("{ss sI sI}", "directory", dir,
                                    "bytes", (json_int_t)(bytes[BACKUP_DATABASE] + bytes[BACKUP_TOKEN_KEYS]),
                                    "messages", (json_int_t)sum.messages), show_backup);
}
