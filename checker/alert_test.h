#ifndef CHECKER_ALERT_TEST_H
#define CHECKER_ALERT_TEST_H
/* alert_test - tells a notice that means nothing by each way of a checks.yaml, and how that went: to try the ways before they are needed. */

#include <jansson.h>
#include <stddef.h>
#include <stdio.h>

#define ALERT_TEST_ERROR_BYTES 1100u

/*
 * Reads the file, posts by each way, or by the one of this name (NULL: all), one attempt each, side by side, and writes a line for each way and
 * recipient to out; with rows it appends an object with way, to, taken and reason to that array instead. Returns how many failed; -1 with a
 * sentence in error: the file cannot be used, or has no such way.
 */
int alert_test(const char *file, const char *way, FILE *out, json_t *rows, char *error, size_t size);

#endif
