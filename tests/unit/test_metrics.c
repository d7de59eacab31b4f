#include "tests/unit/unit.h"

#include "lib/metrics.h"

#include <ctype.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

static struct metrics *
map_new(int *fd)
{
    struct metrics *m;

    *fd = metrics_create();
    assert_true(*fd >= 0);
    m = metrics_map(*fd);
    assert_non_null(m);
    return m;
}

static void
names_follow_prometheus(void **state)
{
    (void)state;
    for (unsigned i = 0; i < METRIC_COUNT; i++) {
        const struct metric_info *info = metric_info(i);
        bool                      is_counter = strcmp(info->kind, "counter") == 0;
        if (!is_counter && strcmp(info->kind, "gauge") != 0)
            fail_msg("%s: kind %s", info->name, info->kind);
        if (is_counter != slice_ends_nocase(slice_of(info->name), "_total"))
            fail_msg("%s: a counter, and only a counter, ends in _total", info->name);
        for (const char *c = info->name; *c != '\0'; c++)
            if (!islower((unsigned char)*c) && !isdigit((unsigned char)*c) && *c != '_')
                fail_msg("%s: character '%c'", info->name, *c);
        if (info->help[0] == '\0')
            fail_msg("%s: no help", info->name);
    }
}

static void
counts_are_seen_through_another_mapping(void **state)
{
    int             fd;
    struct metrics *mine = map_new(&fd), *other = metrics_map(fd);

    (void)state;
    metrics_use(mine);
    metric_add(METRIC_SMTP_SESSIONS_TOTAL, 2);
    metric_add(METRIC_SMTP_SESSIONS_TOTAL, 3);
    metric_add(METRIC_SMTP_SESSIONS, 7);
    metric_sub(METRIC_SMTP_SESSIONS, 3);
    metric_set(METRIC_STORE_MAP_BYTES, 1ull << 40);
    assert_int_equal(metrics_value(other, METRIC_SMTP_SESSIONS_TOTAL), 5);
    assert_int_equal(metrics_value(other, METRIC_SMTP_SESSIONS), 4);
    assert_int_equal(metrics_value(other, METRIC_STORE_MAP_BYTES), 1ull << 40);
    assert_int_equal(metrics_value(other, METRIC_STORE_MESSAGES), 0);
    metrics_unmap(other);
    metrics_unmap(mine);
    close(fd);
}

static void
counting_without_a_page_does_nothing(void **state)
{
    int             fd;
    struct metrics *m = map_new(&fd);

    (void)state;
    metrics_use(m);
    metrics_unmap(m);       /* also takes it out of use */
    metric_add(METRIC_SMTP_SESSIONS_TOTAL, 1);
    metric_sub(METRIC_SMTP_SESSIONS, 1);
    metric_set(METRIC_SMTP_SESSIONS, 1);
    metrics_unmap(NULL);
    close(fd);
}

static void
death_clears_gauges_and_keeps_counters(void **state)
{
    int             fd;
    struct metrics *m = map_new(&fd);

    (void)state;
    metrics_use(m);
    for (unsigned i = 0; i < METRIC_COUNT; i++)
        metric_set(i, i + 1);
    metrics_clear_gauges(m);
    for (unsigned i = 0; i < METRIC_COUNT; i++) {
        uint64_t want = strcmp(metric_info(i)->kind, "gauge") == 0 ? 0 : i + 1;
        if (metrics_value(m, i) != want)
            fail_msg("%s: got %llu", metric_info(i)->name, (unsigned long long)metrics_value(m, i));
    }
    metrics_unmap(m);
    close(fd);
}

static void
page_cannot_be_cut(void **state)
{
    int fd = metrics_create();

    (void)state;
    assert_int_equal(ftruncate(fd, 0), -1);
    assert_int_equal(ftruncate(fd, 1 << 20), -1);
    close(fd);
}

static void
other_descriptors_are_no_pages(void **state)
{
    int fd, fds[2];

    (void)state;
    assert_null(metrics_map(-1));
    assert_int_equal(pipe(fds), 0);
    assert_null(metrics_map(fds[0]));
    close(fds[0]);
    close(fds[1]);
    fd = memfd_create("empty", MFD_ALLOW_SEALING);
    assert_null(metrics_map(fd));
    assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
    assert_null(metrics_map(fd));
    assert_int_equal(ftruncate(fd, 16 + 8 * METRIC_COUNT), 0);
    assert_null(metrics_map(fd));       /* the right size, and not our mark */
    close(fd);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_follow_prometheus),
        cmocka_unit_test(counts_are_seen_through_another_mapping),
        cmocka_unit_test(counting_without_a_page_does_nothing),
        cmocka_unit_test(death_clears_gauges_and_keeps_counters),
        cmocka_unit_test(page_cannot_be_cut),
        cmocka_unit_test(other_descriptors_are_no_pages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
