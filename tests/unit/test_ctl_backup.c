#include "tests/unit/unit.h"

#include "ctl/restore.h"
#include "lib/db.h"

#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* A folder of the test's own; each test takes it anew. */
static char root[64];

static int
make_root(void **state)
{
    (void)state;
    snprintf(root, sizeof(root), "/tmp/mailtest-backup-XXXXXX");
    return mkdtemp(root) == NULL;
}

static int
remove_root(void **state)
{
    char command[128];

    (void)state;
    snprintf(command, sizeof(command), "rm -rf %s", root);
    return system(command);
}

/* A path below root, in a static buffer of its own for each use in one expression. */
static const char *
below(const char *name)
{
    static char     paths[4][256];
    static unsigned next;
    char           *path = paths[next++ % COUNT(paths)];

    snprintf(path, sizeof(paths[0]), "%s/%s", root, name);
    return path;
}

static void
put(const char *name, const char *text)
{
    FILE *f = fopen(below(name), "w");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    fclose(f);
}

static void
assert_content(const char *name, const char *want)
{
    char   text[256] = "";
    FILE  *f = fopen(below(name), "r");
    size_t len;

    if (f == NULL)
        fail_msg("%s is not there", name);
    len = fread(text, 1, sizeof(text) - 1, f);
    fclose(f);
    assert_slice(name, slice_make(text, len), want);
}

/* A whole backup in root/b of a database "new" and keys "keys". */
static void
make_backup(void)
{
    struct backup_error error;
    const char         *texts[] = { "new database", "new keys" };

    assert_rc("make", backup_make(below("b"), &error), MT_OK);
    for (int i = 0; i < BACKUP_FILE_COUNT; i++) {
        int fd;

        assert_rc("create", backup_create(below("b"), (enum backup_file)i, &fd, &error), MT_OK);
        assert_int_equal(write(fd, texts[i], strlen(texts[i])), (ssize_t)strlen(texts[i]));
        close(fd);
    }
    assert_rc("finish", backup_finish(below("b"), &error), MT_OK);
}

static void
a_finished_backup_is_private_and_whole(void **state)
{
    struct backup_error error;
    struct stat         st;
    uint64_t            bytes = 0;

    (void)state;
    make_backup();
    assert_rc(error.text, backup_check(below("b"), &bytes, &error), MT_OK);
    assert_int_equal(bytes, strlen("new database") + strlen("new keys"));
    assert_int_equal(stat(below("b"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(stat(below("b/token.keys"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void
any_change_to_a_backup_is_found(void **state)
{
    static const struct { const char *file, *text; int rc; } cases[] = {
        { "b/db/data.mdb",   "new databasE",                     MT_EDAMAGED },
        { "b/db/data.mdb",   "new database ",                    MT_EDAMAGED },
        { "b/token.keys",    "",                                 MT_EDAMAGED },
        { "b/manifest.json", "{",                                MT_EDAMAGED },
        { "b/manifest.json", "{}",                               MT_EVERSION },
        { "b/manifest.json", "{\"mailtest_backup\":1}",          MT_EDAMAGED },
        { "b/manifest.json", "{\"mailtest_backup\":2,\"files\":[]}", MT_EVERSION },
    };
    struct backup_error error;
    uint64_t            bytes;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        make_backup();
        put(cases[i].file, cases[i].text);
        assert_rc(cases[i].file, backup_check(below("b"), &bytes, &error), cases[i].rc);
        assert_non_null(strstr(error.text, root));
        remove_root(NULL);
        assert_int_equal(mkdir(root, 0700), 0);
    }
    make_backup();
    assert_int_equal(unlink(below("b/token.keys")), 0);
    assert_rc("a file is missing", backup_check(below("b"), &bytes, &error), MT_ENOTFOUND);
    assert_int_equal(unlink(below("b/manifest.json")), 0);
    assert_rc("cut short", backup_check(below("b"), &bytes, &error), MT_ENOTFOUND);
}

static void
nothing_is_written_into_a_folder_in_use(void **state)
{
    struct backup_error error;

    (void)state;
    assert_int_equal(mkdir(below("b"), 0755), 0);
    assert_rc("empty", backup_make(below("b"), &error), MT_OK);
    assert_rc("with a folder in it", backup_make(below("b"), &error), MT_EEXIST);
    assert_rc("below nothing", backup_make(below("no/b"), &error), MT_ENOTFOUND);
}

static void
restoring_replaces_and_keeps_the_old(void **state)
{
    struct backup_error error;
    struct stat         st;
    char                kept[256], name[300];

    (void)state;
    make_backup();
    assert_int_equal(mkdir(below("s"), 0750), 0);
    assert_int_equal(mkdir(below("s/db"), 0700), 0);
    put("s/db/data.mdb", "old database");
    put("s/db/lock.mdb", "readers");
    put("s/token.keys", "old keys");
    assert_int_equal(chmod(below("s/token.keys"), 0640), 0);
    assert_rc(error.text, restore_files(below("b"), below("s"), kept, sizeof(kept), &error), MT_OK);
    assert_content("s/db/data.mdb", "new database");
    assert_content("s/token.keys", "new keys");
    assert_content("s/db/" DB_RESTORED_FILE, "");
    assert_int_equal(stat(below("s/token.keys"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    assert_int_equal(access(below("s/db/lock.mdb"), F_OK), -1);
    assert_int_equal(access(below("s/db/data.mdb.restoring"), F_OK), -1);
    assert_true(slice_starts(slice_of(kept), below("s/before-restore-")));
    snprintf(name, sizeof(name), "%s/data.mdb", kept + strlen(root) + 1);
    assert_content(name, "old database");
    snprintf(name, sizeof(name), "%s/token.keys", kept + strlen(root) + 1);
    assert_content(name, "old keys");
}

static void
restoring_into_an_empty_state_keeps_nothing(void **state)
{
    struct backup_error error;
    char                kept[256];

    (void)state;
    make_backup();
    assert_int_equal(mkdir(below("s"), 0750), 0);
    put("s/token.keys.restoring", "left by a restore that was cut short");
    assert_rc(error.text, restore_files(below("b"), below("s"), kept, sizeof(kept), &error), MT_OK);
    assert_string_equal(kept, "");
    assert_content("s/db/data.mdb", "new database");
    assert_content("s/token.keys", "new keys");
}

static void
a_restore_that_fails_leaves_the_old_in_place(void **state)
{
    struct backup_error error;
    char                kept[256];

    (void)state;
    make_backup();
    assert_int_equal(unlink(below("b/token.keys")), 0);
    assert_int_equal(mkdir(below("s"), 0750), 0);
    assert_int_equal(mkdir(below("s/db"), 0700), 0);
    put("s/db/data.mdb", "old database");
    put("s/token.keys", "old keys");
    assert_rc("no keys", restore_files(below("b"), below("s"), kept, sizeof(kept), &error), MT_ENOTFOUND);
    assert_content("s/db/data.mdb", "old database");
    assert_content("s/token.keys", "old keys");
    assert_int_equal(access(below("s/db/data.mdb.restoring"), F_OK), -1);
    assert_int_equal(access(below("s/db/" DB_RESTORED_FILE), F_OK), -1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_finished_backup_is_private_and_whole, make_root, remove_root),
        cmocka_unit_test_setup_teardown(any_change_to_a_backup_is_found, make_root, remove_root),
        cmocka_unit_test_setup_teardown(nothing_is_written_into_a_folder_in_use, make_root, remove_root),
        cmocka_unit_test_setup_teardown(restoring_replaces_and_keeps_the_old, make_root, remove_root),
        cmocka_unit_test_setup_teardown(restoring_into_an_empty_state_keeps_nothing, make_root, remove_root),
        cmocka_unit_test_setup_teardown(a_restore_that_fails_leaves_the_old_in_place, make_root, remove_root),
    };

    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
