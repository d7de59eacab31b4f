#include "tests/unit/unit.h"

#include "checker/state.h"

#include <fcntl.h>
#include <lmdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct folder {
    char dir[64];
};

static int
make_folder(void **state)
{
    struct folder *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    slice_copy(f->dir, sizeof(f->dir), slice_of("/tmp/mailtest-state.XXXXXX"));
    assert_non_null(mkdtemp(f->dir));
    *state = f;
    return 0;
}

static int
remove_folder(void **state)
{
    static const char *const files[] = { "data.mdb", "lock.mdb", "lock", "data.mdb.damaged" };
    struct folder           *f = *state;
    char                     path[128];

    for (size_t i = 0; i < COUNT(files); i++) {
        snprintf(path, sizeof(path), "%s/%s", f->dir, files[i]);
        unlink(path);
    }
    rmdir(f->dir);
    free(f);
    return 0;
}

static struct state_file *
open_state(const struct folder *f)
{
    struct state_file *s = NULL;

    assert_rc("open", state_file_open(NULL, f->dir, &s), MT_OK);
    return s;
}

static void
assert_value(struct state_file *s, const char *key, const char *want)
{
    struct slice value = slice_make(NULL, 0);
    int          rc = state_file_get(s, STATE_TABLE_CHECK, slice_of(key), &value);

    assert_rc(key, rc, want == NULL ? MT_ENOTFOUND : MT_OK);
    if (want != NULL)
        assert_slice(key, value, want);
}

static void
put(struct state_file *s, const char *key, const char *value)
{
    assert_rc(key, state_file_put(s, STATE_TABLE_CHECK, slice_of(key), slice_of(value)), MT_OK);
}

static void
what_is_written_is_read_before_and_after_the_commit(void **state)
{
    struct state_file *s = open_state(*state);
    struct slice       value;

    put(s, "a", "one");
    put(s, "b", "two");
    assert_value(s, "a", "one");
    assert_rc("other table", state_file_get(s, STATE_TABLE_RUN, slice_of("a"), &value), MT_ENOTFOUND);
    assert_rc("flush", state_file_flush(s), MT_OK);
    assert_value(s, "a", "one");
    put(s, "a", "three");
    assert_rc("delete", state_file_delete(s, STATE_TABLE_CHECK, slice_of("b")), MT_OK);
    assert_value(s, "a", "three");
    assert_value(s, "b", NULL);
    state_file_close(s);

    s = open_state(*state);
    assert_value(s, "a", "three");
    assert_value(s, "b", NULL);
    put(s, "empty", "");
    assert_rc("flush", state_file_flush(s), MT_OK);
    assert_value(s, "empty", "");
    state_file_close(s);
}

static bool
add_pair(void *arg, struct slice key, struct slice value)
{
    char *text = arg;

    snprintf(text + strlen(text), 200 - strlen(text), "%.*s=%.*s ", (int)key.len, key.data, (int)value.len, value.data);
    return strstr(text, "stop") == NULL;
}

static void
a_walk_merges_what_is_on_disk_with_what_waits(void **state)
{
    static const struct { const char *label, *from, *want; } cases[] = {
        { "all", "", "a=1 b=new bb=4 c=stop " },
        { "from a key that is there", "b", "b=new bb=4 c=stop " },
        { "from between", "ba", "bb=4 c=stop " },
        { "from a deleted one", "aa", "b=new bb=4 c=stop " },
        { "from behind", "e", "" },
    };
    struct state_file *s = open_state(*state);

    put(s, "a", "1");
    put(s, "aa", "deleted");
    put(s, "b", "old");
    put(s, "d", "never reached");
    assert_rc("flush", state_file_flush(s), MT_OK);
    put(s, "b", "new");
    put(s, "bb", "4");
    put(s, "c", "stop");
    assert_rc("delete", state_file_delete(s, STATE_TABLE_CHECK, slice_of("aa")), MT_OK);
    assert_rc("delete of nothing", state_file_delete(s, STATE_TABLE_CHECK, slice_of("dd")), MT_OK);
    assert_rc("another table", state_file_put(s, STATE_TABLE_RUN, slice_of("bc"), slice_of("x")), MT_OK);
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[200] = "";

        if (strcmp(cases[i].label, "from behind") == 0)
            assert_rc("delete", state_file_delete(s, STATE_TABLE_CHECK, slice_of("d")), MT_OK);
        assert_rc(cases[i].label, state_file_each(s, STATE_TABLE_CHECK, slice_of(cases[i].from), add_pair, text), MT_OK);
        assert_string_equal(text, cases[i].want);
    }
    state_file_close(s);
}

static void
what_does_not_fit_is_refused(void **state)
{
    static char        large[STATE_VALUE_MAX + 1], key[STATE_KEY_MAX + 1];
    struct state_file *s = open_state(*state);

    memset(key, 'k', sizeof(key));
    assert_rc("no key", state_file_put(s, STATE_TABLE_CHECK, slice_of(""), slice_of("x")), MT_EINVALID);
    assert_rc("long key", state_file_put(s, STATE_TABLE_CHECK, slice_make(key, sizeof(key)), slice_of("x")), MT_EINVALID);
    assert_rc("longest key", state_file_put(s, STATE_TABLE_CHECK, slice_make(key, sizeof(key) - 1), slice_of("x")), MT_OK);
    assert_rc("large value", state_file_put(s, STATE_TABLE_CHECK, slice_of("k"), slice_make(large, sizeof(large))), MT_EINVALID);
    assert_rc("largest value", state_file_put(s, STATE_TABLE_CHECK, slice_of("k"), slice_make(large, sizeof(large) - 1)), MT_OK);
    assert_rc("flush", state_file_flush(s), MT_OK);
    state_file_close(s);
}

/* More than the first map takes, in one transaction and in many. */
static void
the_file_grows_by_itself(void **state)
{
    static char        large[1 << 20];
    struct state_file *s = open_state(*state);
    struct slice       value;
    struct state_stats stats;

    memset(large, 'x', sizeof(large));
    for (unsigned i = 0; i < 40; i++) {
        char key[16];

        snprintf(key, sizeof(key), "%u", i);
        assert_rc(key, state_file_put(s, STATE_TABLE_RESULT, slice_of(key), slice_make(large, sizeof(large))), MT_OK);
        if (i > 30)
            assert_rc(key, state_file_flush(s), MT_OK);
    }
    state_file_stats(s, &stats);
    assert_int_equal(stats.commit_failures, 0);
    assert_int_equal(stats.commits, 9);
    state_file_close(s);
    s = open_state(*state);
    assert_rc("last", state_file_get(s, STATE_TABLE_RESULT, slice_of("39"), &value), MT_OK);
    assert_int_equal(value.len, sizeof(large));
    assert_rc("first", state_file_get(s, STATE_TABLE_RESULT, slice_of("0"), &value), MT_OK);
    state_file_close(s);
}

static void
a_second_process_is_kept_out(void **state)
{
    struct folder     *f = *state;
    struct state_file *s = open_state(f), *other = NULL;
    char               path[128], pid[32] = "", want[32];
    FILE              *file;

    /* flock belongs to the open file, so that a second one in this process is as foreign as another process. */
    assert_rc("second", state_file_open(NULL, f->dir, &other), MT_EBUSY);
    snprintf(path, sizeof(path), "%s/lock", f->dir);
    file = fopen(path, "r");
    assert_non_null(file);
    assert_non_null(fgets(pid, sizeof(pid), file));
    fclose(file);
    snprintf(want, sizeof(want), "%ld\n", (long)getpid());
    assert_string_equal(pid, want);
    state_file_close(s);
    s = open_state(f);
    state_file_close(s);
}

/* Changes one octet of the file where text stands. */
static void
damage_file(const struct folder *f, const char *text, bool all)
{
    char   path[128];
    char  *bytes;
    FILE  *file;
    size_t len;

    snprintf(path, sizeof(path), "%s/data.mdb", f->dir);
    file = fopen(path, "r+");
    assert_non_null(file);
    bytes = malloc(1 << 20);
    assert_non_null(bytes);
    len = fread(bytes, 1, 1 << 20, file);
    for (size_t i = 0; i + strlen(text) <= len; i++)
        if (memcmp(bytes + i, text, strlen(text)) == 0)
            bytes[i] ^= 1;
    if (all)
        memset(bytes, 0x5a, len);
    rewind(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    fclose(file);
    free(bytes);
}

static void
one_damaged_value_is_left_out(void **state)
{
    struct state_file *s = open_state(*state);
    struct slice       value;
    struct state_stats stats;
    char               text[200] = "";

    put(s, "a", "first value");
    put(s, "b", "second value");
    put(s, "c", "third value");
    state_file_close(s);
    damage_file(*state, "second value", false);

    s = open_state(*state);
    assert_rc("damaged", state_file_get(s, STATE_TABLE_CHECK, slice_of("b"), &value), MT_EDAMAGED);
    assert_rc("walk", state_file_each(s, STATE_TABLE_CHECK, slice_of(""), add_pair, text), MT_OK);
    assert_string_equal(text, "a=first value c=third value ");
    state_file_stats(s, &stats);
    assert_int_equal(stats.damaged, 2);
    assert_false(stats.begun_anew);
    put(s, "b", "another");
    assert_rc("flush", state_file_flush(s), MT_OK);
    assert_value(s, "b", "another");
    state_file_close(s);
}

static void
a_value_under_another_key_counts_as_damaged(void **state)
{
    struct state_file *s = open_state(*state);
    struct slice       value;

    put(s, "right key", "value");
    state_file_close(s);
    damage_file(*state, "right key", false);
    s = open_state(*state);
    assert_rc("renamed", state_file_get(s, STATE_TABLE_CHECK, slice_of("sight key"), &value), MT_EDAMAGED);
    state_file_close(s);
}

static void
a_ruined_file_is_put_aside(void **state)
{
    struct folder     *f = *state;
    struct state_file *s = open_state(f);
    struct state_stats stats;
    char               path[128];

    put(s, "a", "lost");
    state_file_close(s);
    damage_file(f, "a", true);
    s = open_state(f);
    state_file_stats(s, &stats);
    assert_true(stats.begun_anew);
    assert_value(s, "a", NULL);
    put(s, "a", "new");
    state_file_close(s);
    snprintf(path, sizeof(path), "%s/data.mdb.damaged", f->dir);
    assert_int_equal(access(path, R_OK), 0);
    s = open_state(f);
    assert_value(s, "a", "new");
    state_file_close(s);
}

static void
a_newer_version_is_left_alone(void **state)
{
    struct folder     *f = *state;
    struct state_file *s = open_state(f);
    MDB_env           *env;
    MDB_txn           *txn;
    MDB_dbi            dbi;
    unsigned char      newer[4] = { 0, 0, 0, STATE_VERSION + 1 };
    MDB_val            key = { 7, (void *)(uintptr_t)"version" }, value = { sizeof(newer), newer };

    state_file_close(s);
    assert_int_equal(mdb_env_create(&env), 0);
    assert_int_equal(mdb_env_set_maxdbs(env, 10), 0);
    assert_int_equal(mdb_env_open(env, f->dir, 0, 0600), 0);
    assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
    assert_int_equal(mdb_dbi_open(txn, "state", 0, &dbi), 0);
    assert_int_equal(mdb_put(txn, dbi, &key, &value, 0), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
    s = NULL;
    assert_rc("newer", state_file_open(NULL, f->dir, &s), MT_EVERSION);
}

/* A disk that takes nothing more: the largest size of a file stands for it. */
static void
what_the_disk_does_not_take_waits_in_memory(void **state)
{
    static char        large[1 << 20];
    struct state_file *s = open_state(*state);
    struct rlimit      usual, small = { .rlim_cur = 200 * 1024 };
    struct state_stats stats;
    char               text[200] = "";

    put(s, "a", "before");
    assert_rc("flush", state_file_flush(s), MT_OK);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &usual), 0);
    signal(SIGXFSZ, SIG_IGN);
    small.rlim_max = usual.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    assert_rc("large", state_file_put(s, STATE_TABLE_RESULT, slice_of("large"), slice_make(large, sizeof(large))), MT_OK);
    put(s, "b", "while full");
    assert_int_not_equal(state_file_flush(s), MT_OK);
    put(s, "c", "later");
    assert_int_not_equal(state_file_flush(s), MT_OK);
    assert_value(s, "a", "before");
    assert_value(s, "b", "while full");
    assert_rc("walk", state_file_each(s, STATE_TABLE_CHECK, slice_of(""), add_pair, text), MT_OK);
    assert_string_equal(text, "a=before b=while full c=later ");
    state_file_stats(s, &stats);
    assert_true(stats.failing);
    assert_int_equal(stats.commit_failures, 2);
    assert_int_equal(stats.pending, 3);

    assert_int_equal(setrlimit(RLIMIT_FSIZE, &usual), 0);
    assert_rc("flush", state_file_flush(s), MT_OK);
    state_file_stats(s, &stats);
    assert_false(stats.failing);
    assert_int_equal(stats.pending, 0);
    state_file_close(s);
    s = open_state(*state);
    assert_value(s, "b", "while full");
    assert_value(s, "c", "later");
    state_file_close(s);
}

static void
memory_that_waits_is_bounded(void **state)
{
    static char        large[STATE_VALUE_MAX];
    struct state_file *s = open_state(*state);
    struct state_stats stats;
    unsigned           taken = 0;
    char               key[16];
    int                rc = MT_OK;

    while (rc == MT_OK && taken <= STATE_PENDING_MAX / STATE_VALUE_MAX) {
        snprintf(key, sizeof(key), "%u", taken);
        rc = state_file_put(s, STATE_TABLE_RESULT, slice_of(key), slice_make(large, sizeof(large)));
        taken += rc == MT_OK;
    }
    assert_rc("one too many", rc, MT_EFULL);
    assert_int_equal(taken, STATE_PENDING_MAX / STATE_VALUE_MAX - 1);
    assert_rc("in place of another", state_file_put(s, STATE_TABLE_RESULT, slice_of("0"), slice_of("small")), MT_OK);
    state_file_stats(s, &stats);
    assert_int_equal(stats.refused, 1);
    for (unsigned i = 0; i < taken; i++) {
        snprintf(key, sizeof(key), "%u", i);
        assert_rc(key, state_file_delete(s, STATE_TABLE_RESULT, slice_of(key)), MT_OK);
    }
    state_file_close(s);
}

static void
many_writes_become_one_commit_of_the_loop(void **state)
{
    struct folder     *f = *state;
    struct event_base *base = event_base_new();
    struct state_file *s = NULL;
    struct state_stats stats;
    char               key[16];

    assert_rc("open", state_file_open(base, f->dir, &s), MT_OK);
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(key, sizeof(key), "%u", i);
        put(s, key, "value");
    }
    state_file_stats(s, &stats);
    assert_int_equal(stats.commits, 0);
    assert_int_equal(stats.pending, 1000);
    /* Nothing else is in the loop: it ends when the commit is done. */
    assert_int_equal(event_base_dispatch(base), 1);
    state_file_stats(s, &stats);
    assert_int_equal(stats.commits, 1);
    assert_int_equal(stats.pending, 0);
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(key, sizeof(key), "%u", i);
        assert_value(s, key, "value");
    }
    state_file_close(s);
    event_base_free(base);
}

/* A process that is killed leaves what it had committed, and no lock. */
static void
a_killed_process_leaves_what_was_committed(void **state)
{
    struct folder     *f = *state;
    struct state_file *s;
    int                status;
    pid_t              child = fork();

    if (child == 0) {
        s = NULL;
        if (state_file_open(NULL, f->dir, &s) != MT_OK || state_file_put(s, STATE_TABLE_CHECK, slice_of("a"), slice_of("kept")) != MT_OK ||
            state_file_flush(s) != MT_OK || state_file_put(s, STATE_TABLE_CHECK, slice_of("b"), slice_of("not yet")) != MT_OK)
            _exit(1);
        kill(getpid(), SIGKILL);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    s = open_state(f);
    assert_value(s, "a", "kept");
    assert_value(s, "b", NULL);
    state_file_close(s);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(what_is_written_is_read_before_and_after_the_commit),
        IN_FOLDER(a_walk_merges_what_is_on_disk_with_what_waits),
        IN_FOLDER(what_does_not_fit_is_refused),
        IN_FOLDER(the_file_grows_by_itself),
        IN_FOLDER(a_second_process_is_kept_out),
        IN_FOLDER(one_damaged_value_is_left_out),
        IN_FOLDER(a_value_under_another_key_counts_as_damaged),
        IN_FOLDER(a_ruined_file_is_put_aside),
        IN_FOLDER(a_newer_version_is_left_alone),
        IN_FOLDER(what_the_disk_does_not_take_waits_in_memory),
        IN_FOLDER(memory_that_waits_is_bounded),
        IN_FOLDER(many_writes_become_one_commit_of_the_loop),
        IN_FOLDER(a_killed_process_leaves_what_was_committed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
