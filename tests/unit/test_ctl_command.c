#include "tests/unit/unit.h"

#include "ctl/command.h"

#include <stdlib.h>

/* Words of the arguments' text: all, and those without brackets. */
static void
count_arguments(const char *text, unsigned *least, unsigned *most)
{
    char copy[128], *at = NULL;

    *least = *most = 0;
    assert_true(slice_copy(copy, sizeof(copy), slice_of(text)));
    for (char *w = strtok_r(copy, " ", &at); w != NULL; w = strtok_r(NULL, " ", &at)) {
        ++*most;
        *least += w[0] != '[';
    }
}

static void
check_table(const struct command *table)
{
    for (const struct command *c = table; c->name != NULL; c++) {
        unsigned least, most;

        assert_ptr_equal(command_find(table, c->name), c);      /* no name twice */
        assert_non_null(c->help);
        if ((c->group == NULL) == (c->run == NULL))
            fail_msg("%s: has to be either a group or a command", c->name);
        count_arguments(c->arguments, &least, &most);
        if (c->least != least || c->most != most)
            fail_msg("%s %s: says %u to %u arguments", c->name, c->arguments, c->least, c->most);
        for (const struct option_spec *o = c->options; o != NULL && o->name != NULL; o++)
            for (const struct option_spec *g = global_options; g->name != NULL; g++)
                if (strcmp(o->name, g->name) == 0 || (o->letter != 0 && o->letter == g->letter))
                    fail_msg("%s: --%s is an option of every command", c->name, o->name);
        if (c->group != NULL)
            for (const struct command *s = c->group; s->name != NULL; s++)
                assert_null(s->group);                          /* two levels, no more */
    }
}

static void
tables_are_consistent(void **state)
{
    (void)state;
    check_table(top_commands);
    for (const struct command *c = top_commands; c->name != NULL; c++)
        if (c->group != NULL)
            check_table(c->group);
}

static void
all_commands_that_users_were_promised_are_there(void **state)
{
    static const struct { const char *group, *name; } promised[] = {
        { "mailbox", "add" },  { "mailbox", "list" },    { "mailbox", "show" },   { "mailbox", "disable" }, { "mailbox", "enable" },
        { "mailbox", "delete" }, { "mailbox", "secret" }, { "token", "mint" },    { "token", "show" },      { "token", "wait" },
        { "key", "rotate" },   { "key", "list" },        { "key", "retire" },     { "api-key", "add" },     { "api-key", "list" },
        { "api-key", "revoke" }, { "message", "list" },  { "message", "show" },   { "message", "raw" },     { "message", "delete" },
        { NULL, "status" },    { NULL, "backup" },       { NULL, "restore" },     { NULL, "verify" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(promised); i++) {
        const struct command *table = top_commands;

        if (promised[i].group != NULL) {
            assert_non_null(command_find(table, promised[i].group));
            table = command_find(table, promised[i].group)->group;
        }
        if (command_find(table, promised[i].name) == NULL)
            fail_msg("%s %s", promised[i].group != NULL ? promised[i].group : "", promised[i].name);
    }
}

static void
help_of_all_names_every_command(void **state)
{
    char  *text = NULL;
    size_t size;
    FILE  *f = open_memstream(&text, &size);

    (void)state;
    command_help(f, NULL, NULL);
    fclose(f);
    assert_non_null(strstr(text, "mailbox add NAME "));
    assert_non_null(strstr(text, "token show MAILBOX TOKEN "));
    assert_non_null(strstr(text, "verify [DIR] "));
    assert_non_null(strstr(text, "-c, --config FILE"));
    free(text);
}

static void
every_error_has_an_exit_code_of_sysexits(void **state)
{
    (void)state;
    assert_int_equal(ctl_exit_code(MT_OK), EX_OK);
    assert_int_equal(ctl_exit_code(MT_ENOTFOUND), EX_NOINPUT);
    assert_int_equal(ctl_exit_code(MT_EEXIST), EX_CANTCREAT);
    assert_int_equal(ctl_exit_code(MT_EDENIED), EX_NOPERM);
    assert_int_equal(ctl_exit_code(MT_EDAMAGED), EX_DATAERR);
    assert_int_equal(ctl_exit_code(MT_ESHUTDOWN), EX_UNAVAILABLE);
    assert_int_equal(ctl_exit_code(MT_EFULL), EX_TEMPFAIL);
    for (int rc = MT_OK + 1; rc < MT_ERROR_COUNT; rc++)
        if (ctl_exit_code(rc) < EX__BASE || ctl_exit_code(rc) > EX__MAX)
            fail_msg("%s: %d", mt_strerror(rc), ctl_exit_code(rc));
    assert_int_equal(ctl_exit_code(MT_ERROR_COUNT), EX_SOFTWARE);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_are_consistent),
        cmocka_unit_test(all_commands_that_users_were_promised_are_there),
        cmocka_unit_test(help_of_all_names_every_command),
        cmocka_unit_test(every_error_has_an_exit_code_of_sysexits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
