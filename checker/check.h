#ifndef CHECKER_CHECK_H
#define CHECKER_CHECK_H
/* check - the command line of mailtest-check: which command it names (commands.h), and the options that it is given. */

/* Runs a command line. Returns the exit code of a monitoring plugin, 0 to 3. */
int check_main(int argc, char **argv);

#endif
