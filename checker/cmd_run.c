/* cmd_run - the scheduler. */
#include "checker/checks.h"
#include "checker/commands.h"
#include "checker/run.h"

const struct option_spec run_options[] = {
    { 'c', "config", "FILE", "the checks; " CHECKS_DEFAULT_FILE " without it" },
    { 0, NULL, NULL, NULL },
};

int
cmd_run(const struct options *options)
{
    const char *file = options_value(options, "config");

    return run_main(file != NULL ? file : CHECKS_DEFAULT_FILE);
}
