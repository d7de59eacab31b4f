#ifndef CTL_RESTORE_H
#define CTL_RESTORE_H
/*
 * restore - puts the files of a backup in the place of those in the state folder. Done so that a crash at any moment leaves
 * either the old database or the new one in place, whole, and the old files findable.
 */

#include "ctl/backup.h"

#include <stddef.h>

/*
 * Copies the backup's files into state_dir beside the present ones, syncs them, gives them the owners of those (or of the
 * folder), links the present ones into a new folder state_dir/before-restore-TIME, and renames the new ones into place. kept:
 * the path of that folder, empty where there was nothing to keep. The caller holds db_lock and has verified the backup.
 * MT_EFULL MT_EDENIED MT_EIO MT_ENOMEM; *error set.
 */
int restore_files(const char *backup_dir, const char *state_dir, char *kept, size_t kept_size, struct backup_error *error);

#endif
