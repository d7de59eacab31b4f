#include "tests/unit/store_service.h"

#include "lib/db_verify.h"
#include "lib/pages.h"

#include <errno.h>
#include <sys/uio.h>

/* ---- A disk that fails when a test says so. LMDB calls these, and finds the ones here before those of the C library ---- */

static struct {
    int sync_errno;         /* of fdatasync; 0: works */
    int write_errno;        /* of writes of whole pages */
    int      meta_errno;    /* of the next write of a meta page */
    bool     in_part;       /* writes take only the first part; LMDB makes an input/output error of that */
    unsigned syncs;
} disk;

int     disk_sync(int fd) __asm__("fdatasync");
ssize_t disk_write(int fd, const void *bytes, size_t len, off64_t at) __asm__("pwrite");
ssize_t disk_write_many(int fd, const struct iovec *iov, int count) __asm__("writev");

int
disk_sync(int fd)
{
    disk.syncs++;
    if (disk.sync_errno != 0) {
        errno = disk.sync_errno;
        return -1;
    }
    return fsync(fd);
}

ssize_t
disk_write(int fd, const void *bytes, size_t len, off64_t at)
{
    const struct iovec iov = { (void *)(uintptr_t)bytes, len };

    if (disk.write_errno != 0 && len >= 4096) {
        errno = disk.write_errno;
        return -1;
    }
    if (disk.meta_errno != 0 && len < 4096) {
        errno = disk.meta_errno;
        disk.meta_errno = 0;        /* LMDB writes the old one back, which works */
        return -1;
    }
    if (disk.in_part && len >= 4096)
        return (ssize_t)len - 1;
    return pwritev2(fd, &iov, 1, at, 0);
}

ssize_t
disk_write_many(int fd, const struct iovec *iov, int count)
{
    if (disk.write_errno != 0) {
        errno = disk.write_errno;
        return -1;
    }
    if (disk.in_part)
        return 100;
    return pwritev2(fd, iov, count, -1, 0);
}

/* ---- */

static int
setup_with_map(void **state, uint64_t map_bytes)
{
    struct store_service *sv = calloc(1, sizeof(*sv));

    assert_non_null(sv);
    memset(&disk, 0, sizeof(disk));
    service_init(sv);
    sv->config.store.map_bytes = map_bytes;
    sv->config.retention.unmatched_messages = 1000000;
    assert_rc("start", service_start(sv), MT_OK);
    service_add_mailbox(sv, "acme");
    *state = sv;
    return 0;
}

static int
setup_small(void **state)
{
    return setup_with_map(state, 2 * 1024 * 1024);
}

static int
setup(void **state)
{
    return setup_with_map(state, 64 * 1024 * 1024);
}

static int
deliver(struct store_service *sv, size_t size, uint64_t *id)
{
    struct service_mail mail;
    char               *body = calloc(1, size);
    int                 rc;

    assert_non_null(body);
    service_mail_init(&mail, "acme", NULL, slice_make(body, size));
    rc = service_hand_over(sv, &mail, id);
    free(body);
    return rc;
}

/* As the timer does. */
static void
look_for_a_second(struct store_service *sv)
{
    for (unsigned i = 0; i < 4; i++)
        room_look(sv->store.room);
}

static void
say(void *arg, const char *text)
{
    (void)arg;
    print_message("%s\n", text);
}

static void
verify(struct store_service *sv)
{
    struct db_verify_counts counts;
    char                    dir[100];

    snprintf(dir, sizeof(dir), "%s", sv->store.db_dir);
    service_stop(sv);
    assert_rc("verify",
              db_verify(&(struct db_options){ .dir = dir, .map_bytes = sv->config.store.map_bytes, .readers_max = 8 }, say, NULL, &counts), MT_OK);
    assert_int_equal(counts.problems, 0);
    assert_rc("start again", service_start(sv), MT_OK);
}

/* Until one is refused; returns how many were taken. */
static unsigned
fill(struct store_service *sv)
{
    unsigned count = 0;
    int      rc;

    while ((rc = deliver(sv, 3000, NULL)) == MT_OK)
        count++;
    assert_rc("the refusal", rc, MT_EFULL);
    return count;
}

static void
a_full_map_refuses_mail_and_recovers_by_itself(void **state)
{
    struct store_service *sv = *state;
    unsigned              count;
    uint64_t              id = 0;

    service_connect(sv, ROLE_SMTPD);
    count = fill(sv);
    assert_true(count > 100);
    assert_int_equal(sv->store.message_count, count);
    service_settle(sv);
    assert_true(sv->full);
    /* What is told to a smtpd that connects now. */
    sv->full = false;
    service_connect(sv, ROLE_SMTPD);
    assert_true(sv->full);
    room_look(sv->store.room);
    service_settle(sv);
    assert_true(sv->full);
    assert_rc("still", deliver(sv, 3000, NULL), MT_EFULL);
    /* Deletions go on, and make room. */
    service_connect(sv, ROLE_CTL);
    for (id = 1; id <= count / 2; id++)
        assert_rc("delete", service_call(sv, MSG_MESSAGE_DELETE, "U", id), MT_OK);
    assert_rc("mint", service_call(sv, MSG_MINT, "sU", "acme", UINT64_C(0)), MT_EFULL);
    service_connect(sv, ROLE_SMTPD);
    room_look(sv->store.room);
    service_settle(sv);
    assert_false(sv->full);
    assert_rc("room again", deliver(sv, 3000, &id), MT_OK);
    assert_int_equal(sv->store.message_count, count - count / 2 + 1);
    verify(sv);
    assert_int_equal(sv->store.message_count, count - count / 2 + 1);
}

static void
expiry_empties_a_full_store(void **state)
{
    struct store_service *sv = *state;

    service_connect(sv, ROLE_SMTPD);
    fill(sv);
    sv->store.clock_ahead_us = 8 * (int64_t)DAY_US;
    for (unsigned i = 0; i < 100; i++) {
        expire_look(sv->store.expire);
        service_settle(sv);
    }
    assert_int_equal(sv->store.message_count, 0);
    room_look(sv->store.room);
    assert_rc("room again", deliver(sv, 3000, NULL), MT_OK);
}

/* One that does not fit must not take those with it that came in the same turn and do not grow. */
static void
a_message_over_the_map_is_refused_alone(void **state)
{
    struct store_service *sv = *state;
    uint64_t              id;

    service_connect(sv, ROLE_SMTPD);
    assert_rc("small", deliver(sv, 3000, &id), MT_OK);
    assert_rc("larger than the map", deliver(sv, 3000000, NULL), MT_EFULL);
    assert_int_equal(sv->store.message_count, 1);
    room_look(sv->store.room);
    assert_rc("small", deliver(sv, 3000, &id), MT_OK);
    assert_int_equal(id, 2);
    verify(sv);
}

static void
a_failed_sync_refuses_all_and_opens_anew(void **state)
{
    struct store_service *sv = *state;
    struct db            *before;
    uint64_t              id;

    service_connect(sv, ROLE_SMTPD);
    assert_rc("works", deliver(sv, 3000, NULL), MT_OK);
    before = sv->store.db;
    disk.sync_errno = EIO;
    assert_rc("fails", deliver(sv, 3000, NULL), MT_EIO);
    assert_null(sv->store.db);
    disk.sync_errno = 0;
    look_for_a_second(sv);
    assert_non_null(sv->store.db);
    assert_int_equal(sv->store.message_count, 1);
    assert_rc("works again", deliver(sv, 3000, &id), MT_OK);
    assert_int_equal(id, 2);
    assert_int_equal(sv->store.message_count, 2);
    assert_non_null(before);
    verify(sv);
    assert_int_equal(sv->store.message_count, 2);
}

static uint64_t
newest_txn(const struct store_service *sv)
{
    struct pages_head head = { 0 };
    const char       *reason;
    char              path[128];
    int               fd;

    snprintf(path, sizeof(path), "%s/%s", sv->store.db_dir, DB_FILE);
    fd = open(path, O_RDONLY);
    assert_int_not_equal(fd, -1);
    assert_rc("head", pages_head_read(fd, &head, &reason), MT_OK);
    close(fd);
    return head.txn_id;
}

/*
 * Where the last write of a commit fails, it may be on the disk all the same. The place is overwritten before anything else is promised, or
 * what was refused would come back with a power failure.
 */
static void
a_refused_commit_is_overwritten_at_once(void **state)
{
    struct store_service *sv = *state;
    uint64_t              before;

    service_connect(sv, ROLE_SMTPD);
    assert_rc("works", deliver(sv, 3000, NULL), MT_OK);
    before = newest_txn(sv);
    disk.meta_errno = EIO;
    assert_rc("fails", deliver(sv, 3000, NULL), MT_EIO);
    assert_non_null(sv->store.db);
    assert_int_equal(newest_txn(sv), before + 1);
    assert_int_equal(sv->store.message_count, 1);
    verify(sv);
    assert_int_equal(sv->store.message_count, 1);
}

/* No 250, and no database, as long as the disk takes nothing: not even an opening that works tells anybody that all is well. */
static void
a_disk_that_takes_nothing_stays_refused(void **state)
{
    struct store_service *sv = *state;

    service_connect(sv, ROLE_SMTPD);
    assert_rc("works", deliver(sv, 3000, NULL), MT_OK);
    disk.sync_errno = EIO;
    for (unsigned i = 0; i < 5; i++) {
        assert_rc("fails", deliver(sv, 3000, NULL), MT_EIO);
        assert_null(sv->store.db);
        look_for_a_second(sv);
        assert_null(sv->store.db);
    }
    disk.sync_errno = 0;
    look_for_a_second(sv);
    assert_non_null(sv->store.db);
    assert_rc("works again", deliver(sv, 3000, NULL), MT_OK);
    verify(sv);
    assert_int_equal(sv->store.message_count, 2);
}

static void
a_file_that_cannot_be_opened_anew_is_tried_again(void **state)
{
    struct store_service *sv = *state;
    char                  path[128], aside[128];

    service_connect(sv, ROLE_SMTPD);
    assert_rc("works", deliver(sv, 3000, NULL), MT_OK);
    snprintf(path, sizeof(path), "%s/%s", sv->store.db_dir, DB_FILE);
    snprintf(aside, sizeof(aside), "%s/aside", sv->dir);
    assert_int_equal(rename(path, aside), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    disk.sync_errno = EIO;
    assert_rc("fails", deliver(sv, 3000, NULL), MT_EIO);
    disk.sync_errno = 0;
    assert_null(sv->store.db);
    assert_rc("no database", deliver(sv, 3000, NULL), MT_EIO);
    service_connect(sv, ROLE_CTL);
    assert_rc("reading", service_call(sv, MSG_MESSAGE_SHOW, "U", UINT64_C(1)), MT_EIO);
    assert_rc("status", service_call(sv, MSG_STATUS, ""), MT_OK);
    room_look(sv->store.room);
    assert_null(sv->store.db);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(rename(aside, path), 0);
    look_for_a_second(sv);
    assert_non_null(sv->store.db);
    assert_rc("reading", service_call(sv, MSG_MESSAGE_SHOW, "U", UINT64_C(1)), MT_OK);
    service_connect(sv, ROLE_SMTPD);
    assert_rc("works again", deliver(sv, 3000, NULL), MT_OK);
}

static void
a_full_disk_refuses_mail_and_recovers_by_itself(void **state)
{
    static const int errors[] = { ENOSPC, EDQUOT };
    struct store_service *sv = *state;
    uint64_t              expected = 0;

    service_connect(sv, ROLE_SMTPD);
    for (size_t i = 0; i < COUNT(errors); i++) {
        assert_rc("works", deliver(sv, 3000, NULL), MT_OK);
        disk.write_errno = errors[i];
        assert_rc("full", deliver(sv, 3000, NULL), MT_EFULL);
        service_settle(sv);
        assert_true(sv->full);
        disk.write_errno = 0;
        room_look(sv->store.room);
        service_settle(sv);
        assert_false(sv->full);
        assert_rc("room again", deliver(sv, 3000, NULL), MT_OK);
        expected += 2;
        assert_int_equal(sv->store.message_count, expected);
    }
    verify(sv);
}

/* The disk has room, so what it did is no sign that it is full. */
static void
a_write_that_is_taken_in_part_is_an_error(void **state)
{
    struct store_service *sv = *state;

    service_connect(sv, ROLE_SMTPD);
    disk.in_part = true;
    assert_rc("fails", deliver(sv, 3000, NULL), MT_EIO);
    disk.in_part = false;
    look_for_a_second(sv);
    assert_rc("works", deliver(sv, 3000, NULL), MT_OK);
    verify(sv);
    assert_int_equal(sv->store.message_count, 1);
}

/* Mail is answered only after it was synced, many at once by the same sync. */
static void
each_commit_is_synced_once(void **state)
{
    struct store_service *sv = *state;
    struct service_mail   mail;
    struct buf            fields;
    unsigned              before;

    service_connect(sv, ROLE_SMTPD);
    service_mail_init(&mail, "acme", NULL, slice_of("body"));
    buf_init(&fields, MSG_MAX_BYTES);
    delivery_write(&fields, &mail.d);
    before = disk.syncs;
    for (unsigned i = 0; i < 20; i++)
        service_send(sv, MSG_DELIVER, buf_slice(&fields), -1);
    sv->answered = false;
    service_settle(sv);
    assert_true(sv->answered);
    assert_int_equal(sv->store.message_count, 20);
    assert_int_equal(disk.syncs, before + 1);
    buf_fini(&fields);
}

int
main(void)
{
#define ROOM_TEST(f) cmocka_unit_test_setup_teardown(f, setup, service_teardown)
#define SMALL_TEST(f) cmocka_unit_test_setup_teardown(f, setup_small, service_teardown)
    const struct CMUnitTest tests[] = {
        SMALL_TEST(a_full_map_refuses_mail_and_recovers_by_itself),
        SMALL_TEST(expiry_empties_a_full_store),
        SMALL_TEST(a_message_over_the_map_is_refused_alone),
        ROOM_TEST(a_failed_sync_refuses_all_and_opens_anew),
        ROOM_TEST(a_refused_commit_is_overwritten_at_once),
        ROOM_TEST(a_disk_that_takes_nothing_stays_refused),
        ROOM_TEST(a_file_that_cannot_be_opened_anew_is_tried_again),
        ROOM_TEST(a_full_disk_refuses_mail_and_recovers_by_itself),
        ROOM_TEST(a_write_that_is_taken_in_part_is_an_error),
        ROOM_TEST(each_commit_is_synced_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
