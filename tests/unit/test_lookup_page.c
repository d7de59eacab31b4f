#include "tests/unit/unit.h"

#include "lookup/page.h"

#include "lib/error.h"

#include <stdio.h>
#include <stdlib.h>

static struct page_process processes[] = {
    { .role = ROLE_SMTPD, .index = 0 }, { .role = ROLE_SMTPD, .index = 1 }, { .role = ROLE_STORE, .index = 0 }, { .role = ROLE_LOOKUP, .index = 0 },
};

static bool
has(const struct buf *b, const char *text)
{
    return slice_find_nocase(buf_slice(b), slice_of(text)) < b->len;
}

static void
each_process_shows_what_it_counts(void **state)
{
    struct buf b;

    (void)state;
    processes[0].values[METRIC_SMTP_MESSAGES_TOTAL] = 12;
    processes[2].values[METRIC_STORE_COMMIT_US_TOTAL] = 12000345;
    processes[3].values[METRIC_TLS_CERT_EXPIRES_UNIX] = 1795231800;
    buf_init(&b, 1000000);
    metrics_page(&b, processes, COUNT(processes));
    assert_rc("made", b.fault, MT_OK);
    assert_true(has(&b, "# HELP mailtest_smtp_messages_accepted_total messages answered 250\n"
                        "# TYPE mailtest_smtp_messages_accepted_total counter\n"
                        "mailtest_smtp_messages_accepted_total{role=\"smtpd\",index=\"0\"} 12\n"
                        "mailtest_smtp_messages_accepted_total{role=\"smtpd\",index=\"1\"} 0\n#"));
    assert_true(has(&b, "mailtest_tls_certificate_expiry_seconds{role=\"lookup\",index=\"0\"} 1795231800\n"));
    assert_false(has(&b, "mailtest_tls_certificate_expiry_seconds{role=\"smtpd\""));       /* unset: 1970 would alarm */
    assert_true(has(&b, "mailtest_store_commit_seconds_total{role=\"store\",index=\"0\"} 12.000345\n"));
    assert_true(has(&b, "mailtest_store_messages_total{role=\"store\",index=\"0\"} 0\n"));
    assert_false(has(&b, "mailtest_store_messages_total{role=\"smtpd\""));
    assert_true(has(&b, "mailtest_verdicts_not_arrived_total{role=\"store\",index=\"0\"} 0\n"));     /* an alert needs it before the first one */
    assert_true(has(&b, "mailtest_tokens_expected{role=\"store\",index=\"0\"} 0\n"));
    assert_true(has(&b, "mailtest_build_info{version=\""));
    buf_fini(&b);
}

/* Prometheus' rules: every sample belongs to the last # TYPE, counters end in _total, names are of [a-z_]. */
static void
the_page_is_well_formed(void **state)
{
    struct buf b;
    char       name[100] = "", kind[20] = "";
    char      *text, *line, *rest;

    (void)state;
    buf_init(&b, 1000000);
    metrics_page(&b, processes, COUNT(processes));
    text = strndup(b.data, b.len);
    assert_non_null(text);
    for (line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
        if (strncmp(line, "# TYPE ", 7) == 0) {
            assert_int_equal(sscanf(line, "# TYPE %99s %19s", name, kind), 2);
            if ((strcmp(kind, "counter") == 0) != (strstr(name, "_total") != NULL))
                fail_msg("%s is a %s", name, kind);
        } else if (line[0] != '#' && (strncmp(line, name, strlen(name)) != 0 || line[strlen(name)] != '{')) {
            fail_msg("%s stands below %s", line, name);
        }
    }
    free(text);
    buf_fini(&b);
}

static void
the_status_page_escapes_and_sums(void **state)
{
    struct status_facts facts = { .hostname = "mx<script>&\"'", .ready = true, .store_connected = true, .started_us = 1000000,
                                  .now_us = 1795231800000000, .processes = processes, .count = COUNT(processes) };
    struct buf          b;

    (void)state;
    processes[0].values[METRIC_SMTP_SESSIONS] = 40;
    processes[1].values[METRIC_SMTP_SESSIONS] = 2;
    processes[2].values[METRIC_STORE_USED_BYTES] = 65536;
    processes[2].values[METRIC_TOKENS_MISSED_TOTAL] = 3;
    processes[3].values[METRIC_SERVICE_STARTED_UNIX] = 1795231800 - 7200;
    buf_init(&b, 1000000);
    status_page(&b, &facts);
    assert_rc("made", b.fault, MT_OK);
    assert_true(has(&b, "<td>Room in use</td><td>64 KiB</td>"));
    assert_true(has(&b, "<td>Deadlines missed</td><td>3</td>"));
    assert_true(has(&b, ", up for 2 h"));
    assert_false(has(&b, "<script"));
    assert_true(has(&b, "mx&lt;script&gt;&amp;&quot;&#39;"));
    assert_true(has(&b, "<td>SMTP sessions open</td><td>42</td>"));
    assert_true(has(&b, "serving") && !has(&b, "the store is away"));
    buf_clear(&b);
    facts.ready = facts.store_connected = false;
    status_page(&b, &facts);
    assert_true(has(&b, "not ready") && has(&b, "the store is away"));
    buf_fini(&b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_process_shows_what_it_counts),
        cmocka_unit_test(the_page_is_well_formed),
        cmocka_unit_test(the_status_page_escapes_and_sums),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
