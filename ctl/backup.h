#ifndef CTL_BACKUP_H
#define CTL_BACKUP_H
/*
 * backup - a folder with a backup: the database (db/data.mdb), the token keys (token.keys), and manifest.json, which is written
 * last and names the files with their sizes and hashes (BLAKE2b, 256 bits). A folder without a fitting manifest is no backup.
 */

#include <stdint.h>

#define BACKUP_MANIFEST "manifest.json"
#define BACKUP_KEYS     "token.keys"

/* What went wrong, for the user: "FILE: reason". */
struct backup_error {
    char text[512];
};

/* The files in a backup, in the order in which they are taken: keys last, so that they are never older than the database. */
enum backup_file { BACKUP_DATABASE, BACKUP_TOKEN_KEYS, BACKUP_FILE_COUNT };

/* "db/data.mdb" and so on. */
const char *backup_file_name(enum backup_file file);

/*
 * Makes the folder with mode 0700 and the folder db in it; a folder that is there must be empty.
 * MT_EEXIST: it is not empty; MT_EDENIED MT_ENOTFOUND MT_EFULL MT_EIO; *error set.
 */
int backup_make(const char *dir, struct backup_error *error);

/* A new file of the backup, mode 0600, open for reading and writing. As above. */
int backup_create(const char *dir, enum backup_file file, int *fd, struct backup_error *error);

/* Hashes the files, writes the manifest, and syncs it and the folders. As above. */
int backup_finish(const char *dir, struct backup_error *error);

/* Whether the manifest is there and the files fit it. *bytes: of all files. MT_EDAMAGED, MT_ENOTFOUND, MT_EVERSION, …; *error set. */
int backup_check(const char *dir, uint64_t *bytes, struct backup_error *error);

/* dir and "/" and name, malloc'ed. NULL: out of memory. */
char *backup_path(const char *dir, const char *name);

/* Sets *error to "path: reason" and returns rc. */
int backup_fail(struct backup_error *error, int rc, const char *path, const char *reason);

#endif
