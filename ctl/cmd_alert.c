/* The commands for alerts of mailtest-check. */

#include "checker/alert_test.h"
#include "checker/checks.h"
#include "ctl/command.h"

#include <ares.h>
#include <curl/curl.h>
#include <signal.h>

static int
run_test(struct ctl *ctl)
{
    const char *file = options_value(&ctl->options, "checks");
    char        error[ALERT_TEST_ERROR_BYTES];
    json_t     *rows;
    int         failed;

    if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0 || ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS)
        return ctl_fail(EX_OSERR, "a library could not be set up");
    rows = ctl->json ? json_array() : NULL;
    signal(SIGPIPE, SIG_IGN);       /* libraries write to sockets that peers may have closed */
    failed = alert_test(file != NULL ? file : CHECKS_DEFAULT_FILE, options_value(&ctl->options, "way"), ctl->out, rows, error, sizeof(error));
    if (failed == -1) {
        json_decref(rows);
        return ctl_fail(EX_CONFIG, "%s", error);
    }
    if (rows != NULL)
        ctl_print(ctl, json_pack("{so}", "ways", rows), NULL);
    return failed == 0 ? EX_OK : ctl_fail(EX_UNAVAILABLE, "%d of the ways did not work", failed);
}

static const struct option_spec test_options[] = {
    { 0, "checks", "FILE", "the configuration of mailtest-check; /etc/mailtest/checks.yaml without it" },
    { 0, "way",    "NAME", "this way alone" },
    { 0, NULL, NULL, NULL },
};

const struct command alert_commands[] = {
    { "test", "", 0, 0, NEED_NOTHING, "try each way by which mailtest-check alerts people",
      "Sends a test notice by each way of the checks.yaml, or by one, and tells for each whether it was taken. Run it as the user that runs\n"
      "mailtest-check, on its machine: the ways' files, programs and servers are those that it sees.\n",
      test_options, run_test, NULL },
    { NULL, NULL, 0, 0, NEED_NOTHING, NULL, NULL, NULL, NULL, NULL },
};
