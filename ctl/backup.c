#include "ctl/backup.h"

#include "lib/db.h"
#include "lib/error.h"
#include "lib/rfc3339.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { MANIFEST_VERSION = 1, HASH_BYTES = 32, HASH_HEX = 2 * HASH_BYTES, COPY_BYTES = 1024 * 1024 };
#define MANIFEST_MAX_BYTES (64u * 1024)

static const char *const file_names[BACKUP_FILE_COUNT] = {
    [BACKUP_DATABASE] = DB_DIR "/" DB_FILE,
    [BACKUP_TOKEN_KEYS] = BACKUP_KEYS,
};

const char *
backup_file_name(enum backup_file file)
{
    return file_names[file];
}

int
backup_fail(struct backup_error *error, int rc, const char *path, const char *reason)
{
    snprintf(error->text, sizeof(error->text), "%.300s: %s", path, reason);
    return rc;
}

static int
fail_errno(struct backup_error *error, const char *path)
{
    int err = errno;

    return backup_fail(error, mt_from_errno(err), path, strerror(err));
}

char *
backup_path(const char *dir, const char *name)
{
    char *path;

    return asprintf(&path, "%s/%s", dir, name) == -1 ? NULL : path;
}

/* ---- Making ----------------------------------------------------------------------------------------------------- */

static int
check_empty(const char *dir, struct backup_error *error)
{
    DIR           *d = opendir(dir);
    struct dirent *entry;
    int            rc = MT_OK;

    if (d == NULL)
        return fail_errno(error, dir);
    while (rc == MT_OK && (entry = readdir(d)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            rc = backup_fail(error, MT_EEXIST, dir, "the folder is not empty; give one that is empty or not there yet");
    closedir(d);
    return rc;
}

int
backup_make(const char *dir, struct backup_error *error)
{
    char *sub;
    int   rc = MT_OK;

    if (mkdir(dir, 0700) != 0)
        rc = errno == EEXIST ? check_empty(dir, error) : fail_errno(error, dir);
    if (rc != MT_OK)
        return rc;
    sub = backup_path(dir, DB_DIR);
    if (sub == NULL)
        return backup_fail(error, MT_ENOMEM, dir, mt_strerror(MT_ENOMEM));
    if (mkdir(sub, 0700) != 0)
        rc = fail_errno(error, sub);
    free(sub);
    return rc;
}

int
backup_create(const char *dir, enum backup_file file, int *fd, struct backup_error *error)
{
    char *path = backup_path(dir, file_names[file]);
    int   rc = MT_OK;

    if (path == NULL)
        return backup_fail(error, MT_ENOMEM, dir, mt_strerror(MT_ENOMEM));
    *fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (*fd == -1)
        rc = fail_errno(error, path);
    free(path);
    return rc;
}

/* ---- Hashing ---------------------------------------------------------------------------------------------------- */

struct file_facts {
    uint64_t bytes;
    char     hash[HASH_HEX + 1];
};

static int
hash_fd(int fd, const char *path, struct file_facts *out, struct backup_error *error)
{
    crypto_generichash_state state;
    unsigned char            hash[HASH_BYTES], *block = malloc(COPY_BYTES);
    ssize_t                  got = -1;

    if (block == NULL)
        return backup_fail(error, MT_ENOMEM, path, mt_strerror(MT_ENOMEM));
    out->bytes = 0;
    crypto_generichash_init(&state, NULL, 0, sizeof(hash));
    while ((got = read(fd, block, COPY_BYTES)) > 0 || (got < 0 && errno == EINTR)) {
        if (got < 0)
            continue;
        crypto_generichash_update(&state, block, (unsigned long long)got);
        out->bytes += (uint64_t)got;
    }
    sodium_memzero(block, COPY_BYTES);
    free(block);
    if (got < 0)
        return fail_errno(error, path);
    crypto_generichash_final(&state, hash, sizeof(hash));
    sodium_bin2hex(out->hash, sizeof(out->hash), hash, sizeof(hash));
    return MT_OK;
}

static int
hash_file(const char *dir, enum backup_file file, struct file_facts *out, struct backup_error *error)
{
    char *path = backup_path(dir, file_names[file]);
    int   fd, rc;

    if (path == NULL)
        return backup_fail(error, MT_ENOMEM, dir, mt_strerror(MT_ENOMEM));
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd == -1) {
        rc = fail_errno(error, path);
    } else {
        rc = hash_fd(fd, path, out, error);
        close(fd);
    }
    free(path);
    return rc;
}

/* ---- The manifest ----------------------------------------------------------------------------------------------- */

static int
sync_dir(const char *path, struct backup_error *error)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = MT_OK;

    if (fd == -1 || fsync(fd) != 0)
        rc = fail_errno(error, path);
    if (fd != -1)
        close(fd);
    return rc;
}

static int
write_text(const char *path, const char *text, struct backup_error *error)
{
    int   fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600), rc = MT_OK;
    FILE *f = fd == -1 ? NULL : fdopen(fd, "w");

    if (f == NULL) {
        rc = fail_errno(error, path);
        if (fd != -1)
            close(fd);
        return rc;
    }
    if (fputs(text, f) == EOF || fputc('\n', f) == EOF || fflush(f) != 0 || fsync(fd) != 0)
        rc = fail_errno(error, path);
    if (fclose(f) != 0 && rc == MT_OK)
        rc = fail_errno(error, path);
    return rc;
}

static json_t *
manifest_json(const struct file_facts facts[BACKUP_FILE_COUNT])
{
    char    created[RFC3339_TEXT_BYTES];
    json_t *files = json_array();

    rfc3339_text((uint64_t)time(NULL), created);
    for (int i = 0; i < BACKUP_FILE_COUNT; i++)
        json_array_append_new(files, json_pack("{ss sI ss}", "name", file_names[i], "bytes", (json_int_t)facts[i].bytes,
                                               "blake2b", facts[i].hash));
    return json_pack("{si ss ss so}", "mailtest_backup", MANIFEST_VERSION, "created_at", created, "version", MAILTEST_VERSION,
                     "files", files);
}

int
backup_finish(const char *dir, struct backup_error *error)
{
    struct file_facts facts[BACKUP_FILE_COUNT];
    char             *path = backup_path(dir, BACKUP_MANIFEST), *sub = backup_path(dir, DB_DIR), *text = NULL;
    json_t           *manifest = NULL;
    int               rc = MT_OK;

    for (int i = 0; rc == MT_OK && i < BACKUP_FILE_COUNT; i++)
        rc = hash_file(dir, (enum backup_file)i, &facts[i], error);
    if (rc == MT_OK) {
        manifest = manifest_json(facts);
        text = manifest == NULL ? NULL : json_dumps(manifest, JSON_INDENT(2));
        if (text == NULL || path == NULL || sub == NULL)
            rc = backup_fail(error, MT_ENOMEM, dir, mt_strerror(MT_ENOMEM));
    }
    if (rc == MT_OK)
        rc = sync_dir(sub, error);
    if (rc == MT_OK)
        rc = write_text(path, text, error);
    if (rc == MT_OK)
        rc = sync_dir(dir, error);
    json_decref(manifest);
    free(text);
    free(path);
    free(sub);
    return rc;
}

/* What the manifest says of one file; NULL: nothing. */
static json_t *
manifest_file(const json_t *manifest, const char *name)
{
    size_t  i;
    json_t *file;

    json_array_foreach (json_object_get(manifest, "files"), i, file) {
        const char *found = json_string_value(json_object_get(file, "name"));

        if (found != NULL && strcmp(found, name) == 0)
            return file;
    }
    return NULL;
}

static int
check_file(const char *dir, enum backup_file file, const json_t *manifest, uint64_t *bytes, struct backup_error *error)
{
    const json_t     *stated = manifest_file(manifest, file_names[file]);
    const char       *hash = json_string_value(json_object_get(stated, "blake2b"));
    json_int_t        bytes_stated = json_integer_value(json_object_get(stated, "bytes"));
    struct file_facts found;
    char              reason[200];
    int               rc;

    if (hash == NULL)
        return backup_fail(error, MT_EDAMAGED, dir, "the manifest does not name all files of a backup");
    rc = hash_file(dir, file, &found, error);
    if (rc != MT_OK)
        return rc;
    if (bytes_stated != (json_int_t)found.bytes)
        snprintf(reason, sizeof(reason), "%s differs in size from what the manifest says: %llu octets instead of %lld",
                 file_names[file], (unsigned long long)found.bytes, (long long)bytes_stated);
    else if (strcmp(hash, found.hash) != 0)
        snprintf(reason, sizeof(reason), "%s differs in content from what the manifest says: same size, another hash", file_names[file]);
    else
        reason[0] = '\0';
    if (reason[0] != '\0')
        return backup_fail(error, MT_EDAMAGED, dir, reason);
    *bytes += found.bytes;
    return MT_OK;
}

static int
load_manifest(const char *dir, json_t **out, struct backup_error *error)
{
    char        *path = backup_path(dir, BACKUP_MANIFEST);
    json_error_t where;
    struct stat  st;
    int          rc = MT_OK;

    if (path == NULL)
        return backup_fail(error, MT_ENOMEM, dir, mt_strerror(MT_ENOMEM));
    if (stat(path, &st) != 0)
        rc = errno == ENOENT ? backup_fail(error, MT_ENOTFOUND, path, "missing: this is no complete backup") : fail_errno(error, path);
    else if (st.st_size > (off_t)MANIFEST_MAX_BYTES)
        rc = backup_fail(error, MT_EDAMAGED, path, "too long for a manifest");
    else if ((*out = json_load_file(path, 0, &where)) == NULL)
        rc = backup_fail(error, MT_EDAMAGED, path, where.text);
    else if (json_integer_value(json_object_get(*out, "mailtest_backup")) != MANIFEST_VERSION) {
        rc = backup_fail(error, MT_EVERSION, path, "not a manifest that this version knows");
        json_decref(*out);
    }
    free(path);
    return rc;
}

int
backup_check(const char *dir, uint64_t *bytes, struct backup_error *error)
{
    json_t *manifest;
    int     rc = load_manifest(dir, &manifest, error);

    if (rc != MT_OK)
        return rc;
    *bytes = 0;
    for (int i = 0; rc == MT_OK && i < BACKUP_FILE_COUNT; i++)
        rc = check_file(dir, (enum backup_file)i, manifest, bytes, error);
    json_decref(manifest);
    return rc;
}
