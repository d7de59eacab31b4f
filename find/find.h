#ifndef FIND_FIND_H
#define FIND_FIND_H
/*
 * find - the program mailtest-find: for each mail on disk, where a token stands in it, what kind of mail it is and why, how it was
 * forwarded, and by which way it came. It asks no service and writes nothing; whether a token is genuine it can tell with the
 * mailbox's address and key.
 *
 * Exit codes (sysexits.h): EX_OK: a token, a genuine one where there is a key, was found in every mail; EX_DATAERR: one has none;
 * EX_NOINPUT: a file cannot be read; EX_USAGE; EX_OSERR: out of memory. Of several the gravest.
 */

int find_main(int argc, char **argv);

#endif
