#include "tests/unit/store_service.h"

#include "lib/db_verify.h"
#include "store/snapshot.h"

enum { OF_DATABASE, OF_KEYS };

static void
say(void *arg, const char *text)
{
    (void)arg;
    print_message("%s\n", text);
}

/* A folder as mailtestctl makes one for a backup, and the open file in it. */
static int
make_copy(const struct store_service *sv, char dir[96])
{
    char path[128];
    int  fd;

    snprintf(dir, 96, "%s/copy", sv->dir);
    mkdir(dir, 0700);
    snprintf(path, sizeof(path), "%s/%s", dir, DB_FILE);
    fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    assert_true(fd != -1);
    return fd;
}

static int
ask_for_backup(struct store_service *sv, int what, int fd, uint64_t *bytes)
{
    const unsigned char field[1] = { (unsigned char)what };
    struct reader       r;
    int                 rc = service_ask(sv, MSG_BACKUP, slice_make(field, 1), fd);

    r = service_answer(sv);
    if (rc == MT_OK)
        read_u64(&r, bytes);
    return rc;
}

static struct db_verify_counts
verify(const struct store_service *sv, const char *dir)
{
    struct db_verify_counts counts;

    assert_rc("verify",
              db_verify(&(struct db_options){ .dir = dir, .map_bytes = sv->config.store.map_bytes, .readers_max = 8 }, say, NULL, &counts), MT_OK);
    assert_int_equal(counts.problems, 0);
    return counts;
}

static void
fill(struct store_service *sv, unsigned count)
{
    char body[6000] = "";

    for (unsigned i = 0; i < count; i++)
        assert_rc("deliver", service_deliver(sv, "abuse", NULL, slice_make(body, sizeof(body)), NULL), MT_OK);
}

static void
a_backup_is_a_whole_database(void **state)
{
    struct store_service *sv = *state;
    char                  dir[96], path[128];
    struct stat           st;
    uint64_t              bytes = 0;

    fill(sv, 50);
    assert_rc("backup", ask_for_backup(sv, OF_DATABASE, make_copy(sv, dir), &bytes), MT_OK);
    snprintf(path, sizeof(path), "%s/%s", dir, DB_FILE);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, bytes);
    assert_int_equal(verify(sv, dir).messages, 50);
    assert_int_equal(verify(sv, dir).free_pages, 0);
}

static void
mail_goes_on_during_a_backup(void **state)
{
    const unsigned char   field[1] = { OF_DATABASE };
    struct store_service *sv = *state;
    struct channel       *smtpd;
    struct service_mail   mail;
    struct buf            fields;
    char                  dir[96];
    int                   fds[2];

    fill(sv, 50);
    assert_int_equal(channel_pair(fds), 0);
    assert_int_equal(peers_add(sv->store.peers, ROLE_SMTPD, 0, fds[0]), MT_OK);
    smtpd = channel_new(sv->base, fds[1], 1 << 20, service_hear, service_closed, sv);
    buf_init(&fields, MSG_MAX_BYTES);
    service_mail_init(&mail, "abuse", NULL, slice_of("body"));
    delivery_write(&fields, &mail.d);
    buf_clear(&sv->answer);
    sv->answered = false;
    service_send(sv, MSG_BACKUP, slice_make(field, 1), make_copy(sv, dir));
    for (unsigned i = 0; i < 20; i++)
        channel_send(smtpd, MSG_DELIVER, 1000 + i, buf_slice(&fields), -1);
    while (!sv->answered || snapshot_is_running(sv->store.snapshots))
        event_base_loop(sv->base, EVLOOP_ONCE);
    service_settle(sv);
    assert_int_equal(sv->store.message_count, 70);
    assert_in_range(verify(sv, dir).messages, 50, 70);
    channel_free(smtpd);
    buf_fini(&fields);
}

/* When the file has failed, the database must be opened anew, and not after an hour of copying. */
static void
a_backup_is_given_up_for_a_failed_database(void **state)
{
    const unsigned char   field[1] = { OF_DATABASE };
    struct store_service *sv = *state;
    char                  dir[96];

    fill(sv, 50);
    service_send(sv, MSG_BACKUP, slice_make(field, 1), make_copy(sv, dir));
    while (!snapshot_is_running(sv->store.snapshots) && !sv->answered)
        event_base_loop(sv->base, EVLOOP_ONCE);
    snapshot_give_up(sv->store.snapshots);
    while (!sv->answered)
        event_base_loop(sv->base, EVLOOP_ONCE);
    assert_false(snapshot_is_running(sv->store.snapshots));
    snapshot_give_up(sv->store.snapshots);
    assert_rc("the service goes on", service_deliver(sv, "abuse", NULL, slice_of("body"), NULL), MT_OK);
}

static void
one_backup_at_a_time(void **state)
{
    const unsigned char   field[1] = { OF_DATABASE };
    struct store_service *sv = *state;
    uint64_t              bytes;
    char                  dir[96];
    int                   fd = make_copy(sv, dir);

    service_send(sv, MSG_BACKUP, slice_make(field, 1), dup(fd));
    assert_rc("another", ask_for_backup(sv, OF_DATABASE, dup(fd), &bytes), MT_EBUSY);
    while (snapshot_is_running(sv->store.snapshots))
        event_base_loop(sv->base, EVLOOP_ONCE);
    assert_rc("after it", ask_for_backup(sv, OF_DATABASE, fd, &bytes), MT_OK);
}

static void
keys_are_copied_too(void **state)
{
    struct store_service *sv = *state;
    char                  dir[96], a[9000], b[9000], path[128];
    uint64_t              bytes = 0;
    ssize_t               len;
    int                   fd = make_copy(sv, dir), keys;

    assert_rc("keys", ask_for_backup(sv, OF_KEYS, dup(fd), &bytes), MT_OK);
    snprintf(path, sizeof(path), "%s/%s", sv->dir, KEYS_FILE);
    keys = open(path, O_RDONLY);
    len = read(keys, a, sizeof(a));
    assert_int_equal(len, bytes);
    assert_int_equal(pread(fd, b, sizeof(b), 0), len);
    assert_memory_equal(a, b, (size_t)len);
    close(keys);
    close(fd);
}

static void
only_files_are_written_to(void **state)
{
    struct store_service *sv = *state;
    uint64_t              bytes;
    int                   fds[2];

    assert_int_equal(pipe(fds), 0);
    assert_rc("a pipe", ask_for_backup(sv, OF_DATABASE, fds[1], &bytes), MT_EINVALID);
    assert_rc("none", ask_for_backup(sv, OF_DATABASE, -1, &bytes), MT_EPROTO);
    service_connect(sv, ROLE_CTL);
    assert_rc("something else", ask_for_backup(sv, 2, -1, &bytes), MT_EPROTO);
    service_connect(sv, ROLE_CTL);
    close(fds[0]);
}

static void
a_full_target_is_told(void **state)
{
    struct store_service *sv = *state;
    uint64_t              bytes;
    int                   fd = memfd_create("small", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    fill(sv, 10);
    assert_int_equal(ftruncate(fd, 8192), 0);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW), 0);
    assert_int_not_equal(ask_for_backup(sv, OF_DATABASE, fd, &bytes), MT_OK);
    assert_false(snapshot_is_running(sv->store.snapshots));
}

/* What mailtestctl restore does, and what store makes of it. */
static void
a_restored_store_gives_out_nothing_twice(void **state)
{
    struct store_service *sv = *state;
    struct folder_record  before, after;
    struct event_record   e;
    struct token          t;
    struct db_view        v;
    char                  dir[96], from[128], to[160], mark[160];
    uint64_t              bytes, id;
    int                   fd;

    fill(sv, 5);
    assert_rc("backup", ask_for_backup(sv, OF_DATABASE, make_copy(sv, dir), &bytes), MT_OK);
    fill(sv, 5);
    assert_int_equal(store_view(&sv->store, &v), MT_OK);
    assert_int_equal(db_folder(&v, 2, FOLDER_UNMATCHED, &before), MT_OK);
    db_view_end(&v);
    snprintf(from, sizeof(from), "%s/%s", dir, DB_FILE);
    snprintf(to, sizeof(to), "%s/%s", sv->store.db_dir, DB_FILE);
    snprintf(mark, sizeof(mark), "%s/%s", sv->store.db_dir, DB_RESTORED_FILE);
    service_stop(sv);
    assert_int_equal(rename(from, to), 0);
    fd = open(mark, O_WRONLY | O_CREAT, 0600);
    close(fd);
    assert_rc("start", service_start(sv), MT_OK);
    assert_int_equal(access(mark, F_OK), -1);
    assert_int_equal(sv->store.message_count, 5);
    assert_int_equal(store_view(&sv->store, &v), MT_OK);
    assert_int_equal(db_folder(&v, 2, FOLDER_UNMATCHED, &after), MT_OK);
    assert_true(after.uidvalidity > before.uidvalidity);
    assert_int_equal(after.messages, 5);
    db_view_end(&v);
    assert_rc("deliver", service_deliver(sv, "abuse", NULL, slice_of("body"), &id), MT_OK);
    assert_int_equal(id, UINT64_C(1) << 32);
    t = service_mint(sv, "abuse");
    assert_rc("deliver with a token", service_deliver(sv, "abuse", &t, slice_of("body"), NULL), MT_OK);
    assert_int_equal(store_view(&sv->store, &v), MT_OK);
    assert_rc("an event id that was never used", db_event(&v, UINT64_C(1) << 32, &e), MT_OK);
    db_view_end(&v);
    service_stop(sv);
    assert_rc("start", service_start(sv), MT_OK);
    assert_rc("deliver", service_deliver(sv, "abuse", NULL, slice_of("body"), &id), MT_OK);
    assert_int_equal(id, (UINT64_C(1) << 32) + 2);
}

int
main(void)
{
#define SNAPSHOT_TEST(f) cmocka_unit_test_setup_teardown(f, service_setup, service_teardown)
    const struct CMUnitTest tests[] = {
        SNAPSHOT_TEST(a_backup_is_a_whole_database),
        SNAPSHOT_TEST(mail_goes_on_during_a_backup),
        SNAPSHOT_TEST(a_backup_is_given_up_for_a_failed_database),
        SNAPSHOT_TEST(one_backup_at_a_time),
        SNAPSHOT_TEST(keys_are_copied_too),
        SNAPSHOT_TEST(only_files_are_written_to),
        SNAPSHOT_TEST(a_full_target_is_told),
        SNAPSHOT_TEST(a_restored_store_gives_out_nothing_twice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
