#include "tests/unit/store_service.h"

#include "store/keys.h"

enum { NOW = 1795233000 };

struct folder {
    char         dir[64];
    struct keys *keys;
};

static int
setup(void **state)
{
    struct folder *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    assert_true(sodium_init() >= 0);
    service_make_folder(f->dir);
    assert_rc("make", keys_open(f->dir, true, NOW, &f->keys), MT_OK);
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    struct folder *f = *state;

    keys_close(f->keys);
    service_remove_folder(f->dir);
    free(f);
    return 0;
}

static void
reopen(struct folder *f)
{
    keys_close(f->keys);
    f->keys = NULL;
    assert_rc("open again", keys_open(f->dir, false, NOW, &f->keys), MT_OK);
}

static struct token
mint(struct folder *f, const char *address)
{
    struct token t;

    keys_select(f->keys, slice_of(address));
    keys_mint(f->keys, NOW, &t);
    return t;
}

static bool
is_genuine(struct folder *f, const char *address, const struct token *t)
{
    keys_select(f->keys, slice_of(address));
    return keys_is_genuine(f->keys, t);
}

static size_t
read_text(const struct folder *f, char *out, size_t size)
{
    char    path[128];
    ssize_t len;
    int     fd;

    snprintf(path, sizeof(path), "%s/%s", f->dir, KEYS_FILE);
    fd = open(path, O_RDONLY);
    assert_true(fd != -1);
    len = read(fd, out, size - 1);
    assert_true(len >= 0);
    out[len] = '\0';
    close(fd);
    return (size_t)len;
}

static void
write_text(const struct folder *f, const char *text, size_t len)
{
    char path[128];
    int  fd;

    snprintf(path, sizeof(path), "%s/%s", f->dir, KEYS_FILE);
    fd = open(path, O_WRONLY | O_TRUNC | O_CREAT, 0600);
    assert_true(fd != -1);
    assert_int_equal(write(fd, text, len), (ssize_t)len);
    close(fd);
}

static void
a_token_is_genuine_for_its_mailbox_alone(void **state)
{
    struct folder *f = *state;
    struct token   t = mint(f, "acme@mailtest1.test"), other;

    assert_true(is_genuine(f, "acme@mailtest1.test", &t));
    assert_false(is_genuine(f, "other@mailtest1.test", &t));
    other = t;
    other.raw[TOKEN_RAW_BYTES - 1] ^= 1;
    assert_false(is_genuine(f, "acme@mailtest1.test", &other));
}

static void
keys_are_the_same_after_a_restart(void **state)
{
    struct folder *f = *state;
    struct token   t = mint(f, "acme@mailtest1.test");

    reopen(f);
    assert_true(is_genuine(f, "acme@mailtest1.test", &t));
    assert_int_equal(keys_count(f->keys), 1);
}

static void
an_old_key_verifies_until_it_is_retired(void **state)
{
    struct folder  *f = *state;
    struct token    old = mint(f, "acme@mailtest1.test"), new;
    struct key_info info;
    uint32_t        id;

    assert_rc("rotate", keys_rotate(f->keys, NOW + 1, &id), MT_OK);
    assert_int_equal(id, 2);
    new = mint(f, "acme@mailtest1.test");
    reopen(f);
    assert_true(is_genuine(f, "acme@mailtest1.test", &old));
    assert_true(is_genuine(f, "acme@mailtest1.test", &new));
    keys_info(f->keys, 0, &info);
    assert_false(info.active);
    keys_info(f->keys, 1, &info);
    assert_true(info.active);
    assert_int_equal(info.created_unix, NOW + 1);
    assert_rc("the active one", keys_retire(f->keys, 2), MT_EDENIED);
    assert_rc("none", keys_retire(f->keys, 3), MT_ENOTFOUND);
    assert_rc("the old one", keys_retire(f->keys, 1), MT_OK);
    assert_false(is_genuine(f, "acme@mailtest1.test", &old));
    assert_true(is_genuine(f, "acme@mailtest1.test", &new));
    reopen(f);
    assert_false(is_genuine(f, "acme@mailtest1.test", &old));
    assert_true(is_genuine(f, "acme@mailtest1.test", &new));
}

static void
ids_are_never_used_twice(void **state)
{
    struct folder *f = *state;
    uint32_t       id;

    assert_rc("rotate", keys_rotate(f->keys, NOW, &id), MT_OK);
    assert_rc("retire", keys_retire(f->keys, 1), MT_OK);
    reopen(f);
    assert_rc("rotate", keys_rotate(f->keys, NOW, &id), MT_OK);
    assert_int_equal(id, 3);
}

static void
there_is_room_for_so_many_keys(void **state)
{
    struct folder *f = *state;
    uint32_t       id;

    while (keys_count(f->keys) < KEYS_MAX)
        assert_rc("rotate", keys_rotate(f->keys, NOW, &id), MT_OK);
    assert_rc("one more", keys_rotate(f->keys, NOW, &id), MT_EFULL);
    assert_rc("retire", keys_retire(f->keys, 5), MT_OK);
    assert_rc("now", keys_rotate(f->keys, NOW, &id), MT_OK);
    reopen(f);
    assert_int_equal(keys_count(f->keys), KEYS_MAX);
}

/* Nothing changes when the file cannot be written: in memory and on disk. */
static void
a_failed_rotation_changes_nothing(void **state)
{
    struct folder *f = *state;
    struct token   t = mint(f, "acme@mailtest1.test");
    char           before[9000], after[9000], path[128];
    uint32_t       id;

    read_text(f, before, sizeof(before));
    /* A folder in the place of the new file. */
    snprintf(path, sizeof(path), "%s/%s.new", f->dir, KEYS_FILE);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_not_equal(keys_rotate(f->keys, NOW, &id), MT_OK);
    assert_int_equal(keys_count(f->keys), 1);
    assert_true(is_genuine(f, "acme@mailtest1.test", &t));
    read_text(f, after, sizeof(after));
    assert_string_equal(before, after);
    rmdir(path);
    assert_rc("now", keys_rotate(f->keys, NOW, &id), MT_OK);
    assert_int_equal(id, 2);
}

static void
every_changed_octet_of_a_key_is_found(void **state)
{
    static const char *const lines[] = { "\nkey ", "\nseal " };
    struct folder *f = *state;
    char           text[9000], *line;
    size_t         len = read_text(f, text, sizeof(text));

    keys_close(f->keys);
    for (size_t i = 0; i < COUNT(lines); i++) {
        line = strstr(text, lines[i]);
        assert_non_null(line);
        for (char *c = line + 1; *c != '\n'; c++) {
            struct keys *k = NULL;
            char         was = *c;

            *c ^= 1;
            write_text(f, text, len);
            if (keys_open(f->dir, false, NOW, &k) != MT_EDAMAGED)
                fail_msg("octet %zu of \"%.5s\" was changed, and not found", (size_t)(c - line - 1), line + 1);
            *c = was;
        }
    }
    write_text(f, text, len);
    f->keys = NULL;
    assert_rc("mended", keys_open(f->dir, false, NOW, &f->keys), MT_OK);
}

/* ---- Webhooks' secrets ---- */

#define SECRET "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNO-_"

static void
a_sealed_secret_is_read_with_its_own_key_alone(void **state)
{
    struct folder *f = *state;
    char           sealed[WEBHOOK_SEALED_CHARS + 1], again[WEBHOOK_SEALED_CHARS + 1], out[WEBHOOK_SECRET_CHARS + 1];
    uint32_t       id;

    keys_seal(f->keys, SECRET, sealed);
    keys_seal(f->keys, SECRET, again);
    assert_int_equal(strlen(sealed), WEBHOOK_SEALED_CHARS);
    assert_string_not_equal(sealed, again);
    assert_true(keys_is_sealed(sealed) && !keys_is_sealed(SECRET));
    assert_rc("rotate", keys_rotate(f->keys, NOW, &id), MT_OK);
    assert_rc("retire", keys_retire(f->keys, 1), MT_OK);
    reopen(f);
    assert_rc("unseal", keys_unseal(f->keys, sealed, out), MT_OK);
    assert_string_equal(out, SECRET);
    for (size_t i = 0; i < WEBHOOK_SEALED_CHARS; i++) {
        memcpy(again, sealed, sizeof(again));
        again[i] = again[i] == 'A' ? 'Q' : 'A';
        if (keys_unseal(f->keys, again, out) != MT_EDENIED)
            fail_msg("character %zu was changed, and it was read", i);
    }
    assert_rc("plain", keys_unseal(f->keys, SECRET, out), MT_EDENIED);
    write_text(f, "", 0);
    reopen(f);
    assert_rc("with a new file's key", keys_unseal(f->keys, sealed, out), MT_EDENIED);
}

static void
a_file_of_an_older_version_gets_a_seal_once(void **state)
{
    struct folder *f = *state;
    char           text[9000], *line, sealed[WEBHOOK_SEALED_CHARS + 1], out[WEBHOOK_SECRET_CHARS + 1];
    struct token   t = mint(f, "acme@mailtest1.test");

    read_text(f, text, sizeof(text));
    line = strstr(text, "seal ");
    assert_non_null(line);
    memmove(line, strchr(line, '\n') + 1, strlen(strchr(line, '\n')));
    write_text(f, text, strlen(text));
    reopen(f);
    assert_true(is_genuine(f, "acme@mailtest1.test", &t));
    keys_seal(f->keys, SECRET, sealed);
    reopen(f);
    assert_rc("unseal", keys_unseal(f->keys, sealed, out), MT_OK);
}

static void
what_is_no_key_file_is_refused(void **state)
{
    static const struct {
        const char *label, *text;
    } cases[] = {
        { "no key", "next 1\n" },
        { "another line", "kex 1 2\n" },
        { "no number", "next x\n" },
        { "only a comment", "# nothing\n" },
        { "half a line", "next 2\nkey 1 1795233000 00" },
        { "half a seal", "next 2\nseal 00" },
    };
    struct folder *f = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct keys *k;

        write_text(f, cases[i].text, strlen(cases[i].text));
        assert_rc(cases[i].label, keys_open(f->dir, true, NOW, &k), MT_EDAMAGED);
    }
}

static void
missing_keys_are_made_only_where_that_is_said(void **state)
{
    struct folder *f = *state;
    char           path[128];

    snprintf(path, sizeof(path), "%s/%s", f->dir, KEYS_FILE);
    keys_close(f->keys);
    f->keys = NULL;
    assert_int_equal(unlink(path), 0);
    assert_rc("missing", keys_open(f->dir, false, NOW, &f->keys), MT_ENOTFOUND);
    write_text(f, "", 0);
    assert_rc("empty", keys_open(f->dir, false, NOW, &f->keys), MT_OK);
    assert_int_equal(keys_count(f->keys), 1);
}

static void
keys_that_others_can_read_are_refused(void **state)
{
    struct folder *f = *state;
    char           path[128];

    snprintf(path, sizeof(path), "%s/%s", f->dir, KEYS_FILE);
    keys_close(f->keys);
    f->keys = NULL;
    assert_int_equal(chmod(path, 0644), 0);
    assert_rc("0644", keys_open(f->dir, true, NOW, &f->keys), MT_EDENIED);
    assert_int_equal(chmod(path, 0600), 0);
    assert_rc("0600", keys_open(f->dir, true, NOW, &f->keys), MT_OK);
}

static void
a_copy_is_the_file(void **state)
{
    struct folder *f = *state;
    char           text[9000], path[128], copy[9000];
    uint64_t       bytes;
    size_t         len = read_text(f, text, sizeof(text));
    int            fd;

    snprintf(path, sizeof(path), "%s/copy", f->dir);
    fd = open(path, O_RDWR | O_CREAT, 0600);
    assert_rc("copy", keys_copy(f->keys, fd, &bytes), MT_OK);
    assert_int_equal(bytes, len);
    assert_int_equal(pread(fd, copy, sizeof(copy), 0), (ssize_t)len);
    assert_memory_equal(text, copy, len);
    close(fd);
}

int
main(void)
{
#define KEYS_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        KEYS_TEST(a_token_is_genuine_for_its_mailbox_alone),
        KEYS_TEST(keys_are_the_same_after_a_restart),
        KEYS_TEST(an_old_key_verifies_until_it_is_retired),
        KEYS_TEST(ids_are_never_used_twice),
        KEYS_TEST(there_is_room_for_so_many_keys),
        KEYS_TEST(a_failed_rotation_changes_nothing),
        KEYS_TEST(every_changed_octet_of_a_key_is_found),
        KEYS_TEST(a_sealed_secret_is_read_with_its_own_key_alone),
        KEYS_TEST(a_file_of_an_older_version_gets_a_seal_once),
        KEYS_TEST(what_is_no_key_file_is_refused),
        KEYS_TEST(missing_keys_are_made_only_where_that_is_said),
        KEYS_TEST(keys_that_others_can_read_are_refused),
        KEYS_TEST(a_copy_is_the_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
