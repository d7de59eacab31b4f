/* Requests about agents: who they are, what they may read, and what a mailbox's end takes from them. */

#include "tests/unit/store_service.h"

#include "lib/db_verify.h"
#include "lib/secret.h"

static struct store_service *
service(void **state)
{
    static const char *const mailboxes[] = { "acme", "beta", "gamma" };
    struct store_service    *sv = *state;

    for (size_t i = 0; i < COUNT(mailboxes); i++)
        service_add_mailbox(sv, mailboxes[i]);
    return sv;
}

/* record's name borrows from the service's answer. */
static void
show(struct store_service *sv, const char *name, struct agent_record *out)
{
    struct reader r;
    struct slice  bytes;

    assert_rc("show", service_call(sv, MSG_AGENT_SHOW, "s", name), MT_OK);
    r = service_answer(sv);
    read_bytes(&r, &bytes, RECORD_BYTES_MAX);
    assert_true(read_end(&r));
    assert_rc("record", agent_record_read(bytes, out), MT_OK);
}

static void
assert_reads(struct store_service *sv, const char *name, bool all, unsigned count)
{
    struct agent_record a;

    show(sv, name, &a);
    assert_int_equal(a.all, all);
    assert_int_equal(a.mailbox_count, count);
    for (uint32_t i = 1; i < a.mailbox_count; i++)
        assert_true(a.mailboxes[i] > a.mailboxes[i - 1]);
}

static void
say(void *arg, const char *text)
{
    (void)arg;
    print_message("%s\n", text);
}

/* Stops the service, looks at the database, and starts it again. */
static void
assert_sound(struct store_service *sv)
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

static void
an_agent_is_made_once(void **state)
{
    struct store_service *sv = service(state);
    char                  name[MAILBOX_NAME_MAX + 1], secret[SECRET_CHARS + 1];
    struct agent_record   a;
    struct reader         r;

    assert_rc("add", service_call(sv, MSG_AGENT_ADD, "sbuss", "Checker", 0, 2, "beta", "acme"), MT_OK);
    r = service_answer(sv);
    read_string(&r, name, sizeof(name));
    read_string(&r, secret, sizeof(secret));
    assert_true(read_end(&r));
    assert_string_equal(name, "checker");
    show(sv, "CHECKER", &a);
    assert_slice("name", a.name, "checker");
    assert_true(a.enabled);
    assert_true(secret_matches(slice_of(secret), &a.credentials));
    assert_reads(sv, "checker", false, 2);
    assert_rc("again", service_call(sv, MSG_AGENT_ADD, "sbu", "checker", 1, 0), MT_EEXIST);
    assert_rc("no name", service_call(sv, MSG_AGENT_ADD, "sbu", "a*b", 1, 0), MT_EINVALID);
    assert_rc("no such mailbox", service_call(sv, MSG_AGENT_ADD, "sbus", "other", 0, 1, "nobody"), MT_ENOTFOUND);
    assert_rc("none was made", service_call(sv, MSG_AGENT_SHOW, "s", "other"), MT_ENOTFOUND);
    assert_rc("a mailbox is no agent", service_call(sv, MSG_AGENT_SHOW, "s", "acme"), MT_ENOTFOUND);
    assert_rc("another", service_call(sv, MSG_AGENT_ADD, "sbu", "acme", 1, 0), MT_OK);
    assert_rc("list", service_call(sv, MSG_AGENT_LIST, ""), MT_OK);
    assert_int_equal(sv->row_count, 2);
    assert_sound(sv);
    assert_rc("remove", service_call(sv, MSG_AGENT_REMOVE, "s", "checker"), MT_OK);
    assert_rc("removed", service_call(sv, MSG_AGENT_SHOW, "s", "checker"), MT_ENOTFOUND);
    assert_rc("remove again", service_call(sv, MSG_AGENT_REMOVE, "s", "checker"), MT_ENOTFOUND);
    assert_sound(sv);
}

static void
secrets_and_state_change(void **state)
{
    static const char     octets[32] = "0123456789abcdef";
    struct store_service *sv = service(state);
    struct agent_record   before, a;

    assert_rc("add", service_call(sv, MSG_AGENT_ADD, "sbu", "checker", 1, 0), MT_OK);
    show(sv, "checker", &before);
    assert_rc("secret", service_call(sv, MSG_AGENT_SECRET, "s", "checker"), MT_OK);
    show(sv, "checker", &a);
    assert_memory_not_equal(a.credentials.secret_hash, before.credentials.secret_hash, sizeof(a.credentials.secret_hash));
    assert_false(a.credentials.chosen);
    assert_rc("chosen", service_call(sv, MSG_AGENT_CHOSEN, "sxx", "checker", slice_make(octets, 16), slice_make(octets, 32)), MT_OK);
    show(sv, "checker", &a);
    assert_true(a.credentials.chosen);
    assert_memory_equal(a.credentials.secret_hash, octets, 32);
    assert_rc("disable", service_call(sv, MSG_AGENT_ENABLE, "sb", "checker", 0), MT_OK);
    show(sv, "checker", &a);
    assert_false(a.enabled);
    assert_rc("enable", service_call(sv, MSG_AGENT_ENABLE, "sb", "checker", 1), MT_OK);
    show(sv, "checker", &a);
    assert_true(a.enabled);
    assert_rc("nobody", service_call(sv, MSG_AGENT_SECRET, "s", "nobody"), MT_ENOTFOUND);
    assert_rc("nobody", service_call(sv, MSG_AGENT_ENABLE, "sb", "nobody", 1), MT_ENOTFOUND);
    assert_rc("nobody", service_call(sv, MSG_AGENT_CHOSEN, "sxx", "nobody", slice_make(octets, 16), slice_make(octets, 32)), MT_ENOTFOUND);
}

static void
a_hash_of_another_length_ends_the_channel(void **state)
{
    static const char octets[32] = "";

    assert_rc("short", service_call(service(state), MSG_AGENT_CHOSEN, "sxx", "checker", slice_make(octets, 16), slice_make(octets, 31)), MT_EPROTO);
}

static void
rights_are_granted_and_taken(void **state)
{
    struct store_service *sv = service(state);

    assert_rc("add", service_call(sv, MSG_AGENT_ADD, "sbus", "checker", 0, 1, "gamma"), MT_OK);
    assert_rc("grant", service_call(sv, MSG_AGENT_GRANT, "sbuss", "checker", 0, 2, "acme", "gamma"), MT_OK);
    assert_reads(sv, "checker", false, 2);
    assert_rc("revoke", service_call(sv, MSG_AGENT_REVOKE, "sbuss", "checker", 0, 2, "gamma", "beta"), MT_OK);
    assert_reads(sv, "checker", false, 1);
    assert_rc("no such mailbox", service_call(sv, MSG_AGENT_GRANT, "sbuss", "checker", 0, 2, "beta", "nobody"), MT_ENOTFOUND);
    assert_reads(sv, "checker", false, 1);
    assert_rc("all", service_call(sv, MSG_AGENT_GRANT, "sbu", "checker", 1, 0), MT_OK);
    assert_reads(sv, "checker", true, 0);
    assert_rc("one of all", service_call(sv, MSG_AGENT_REVOKE, "sbus", "checker", 0, 1, "acme"), MT_EINVALID);
    assert_rc("all of all", service_call(sv, MSG_AGENT_REVOKE, "sbu", "checker", 1, 0), MT_OK);
    assert_reads(sv, "checker", false, 0);
    assert_sound(sv);
}

static void
a_deleted_mailbox_leaves_its_agents(void **state)
{
    struct store_service *sv = service(state);

    assert_rc("one", service_call(sv, MSG_AGENT_ADD, "sbuss", "one", 0, 2, "acme", "beta"), MT_OK);
    assert_rc("two", service_call(sv, MSG_AGENT_ADD, "sbus", "two", 0, 1, "acme"), MT_OK);
    assert_rc("all", service_call(sv, MSG_AGENT_ADD, "sbu", "three", 1, 0), MT_OK);
    assert_rc("delete", service_call(sv, MSG_MAILBOX_DELETE, "s", "acme"), MT_OK);
    assert_reads(sv, "one", false, 1);
    assert_reads(sv, "two", false, 0);
    assert_reads(sv, "three", true, 0);
    service_add_mailbox(sv, "acme");        /* another one, which nobody was let into */
    assert_reads(sv, "two", false, 0);
    assert_sound(sv);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_agent_is_made_once, service_setup, service_teardown),
        cmocka_unit_test_setup_teardown(secrets_and_state_change, service_setup, service_teardown),
        cmocka_unit_test_setup_teardown(a_hash_of_another_length_ends_the_channel, service_setup, service_teardown),
        cmocka_unit_test_setup_teardown(rights_are_granted_and_taken, service_setup, service_teardown),
        cmocka_unit_test_setup_teardown(a_deleted_mailbox_leaves_its_agents, service_setup, service_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
