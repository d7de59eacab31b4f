#ifndef CHECKER_RUN_H
#define CHECKER_RUN_H
/*
 * run - the scheduler as a program: reads the checks, keeps the state, starts what is due, takes what each run came to, and hands it on: to the
 * service, as JSON lines, as metrics, and to people. One event loop, no threads; ends by SIGTERM or SIGINT, reads its file anew by SIGHUP.
 */

/* Runs until it is told to end. Exit code: 0; of sysexits.h where it could not start (78: the file is wrong). What is wrong is logged. */
int run_main(const char *file);

#endif
