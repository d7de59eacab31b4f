/* mailtest-check alert-test: tries the ways by which people are told. */

#include "checker/alert_test.h"
#include "checker/checks.h"
#include "checker/commands.h"

const struct option_spec alert_test_options[] = {
    { 'c', "config", "FILE", "the checks and ways; /etc/mailtest/checks.yaml without it" },
    { 0,   "way",    "NAME", "this way alone" },
    { 0, NULL, NULL, NULL },
};

int
cmd_alert_test(const struct options *options)
{
    const char *file = options_value(options, "config");
    char        error[ALERT_TEST_ERROR_BYTES];
    int         failed = alert_test(file != NULL ? file : CHECKS_DEFAULT_FILE, options_value(options, "way"), stdout, NULL, error, sizeof(error));

    if (failed == -1)
        return command_fail(error);
    return failed == 0 ? STATE_OK : STATE_CRITICAL;
}
