#ifndef CHECKER_RANGE_H
#define CHECKER_RANGE_H
/*
 * range - thresholds as monitoring plugins write them ("95", "10:", "~:10", "10:20", "@10:20"), and their states.
 * https://www.monitoring-plugins.org/doc/guidelines.html#THRESHOLDFORMAT
 */

#include "lib/slice.h"

/* Exit codes of monitoring plugins. */
enum state { STATE_OK = 0, STATE_WARNING = 1, STATE_CRITICAL = 2, STATE_UNKNOWN = 3 };

/* "OK", "WARNING", "CRITICAL", "UNKNOWN". */
const char *state_name(enum state state);

struct range {
    double low, high;       /* both belong to it; -INFINITY, INFINITY */
    bool   inside;          /* "@": alerts inside of it instead of outside */
    bool   set;             /* false: never alerts */
    char   text[64];        /* as given, for the performance data */
};

/* The empty text is a range that never alerts. MT_ESYNTAX: none; MT_EINVALID: low is above high. */
int range_parse(struct slice text, struct range *out);

bool range_alerts(const struct range *r, double value);

/* CRITICAL before WARNING before OK. */
enum state range_state(const struct range *warning, const struct range *critical, double value);

#endif
