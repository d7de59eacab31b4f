/* quiet - see quiet.h. */

#include "checker/quiet.h"

#include "lib/error.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define ZONES_DIR "/usr/share/zoneinfo"

int
quiet_use_zone(const char *zone)
{
    char path[PATH_MAX];

    if (zone == NULL)
        return MT_OK;
    if (zone[0] == '\0' || zone[0] == '/' || strstr(zone, "..") != NULL ||
        (size_t)snprintf(path, sizeof(path), "%s/%s", ZONES_DIR, zone) >= sizeof(path) || access(path, R_OK) != 0)
        return MT_ENOTFOUND;
    if (setenv("TZ", zone, 1) != 0)
        return MT_ENOMEM;
    tzset();
    return MT_OK;
}

uint32_t
quiet_minute(uint64_t wall_us)
{
    time_t    at = (time_t)(wall_us / 1000000);
    struct tm tm;

    if (localtime_r(&at, &tm) == NULL)
        return 0;
    return (uint32_t)((tm.tm_wday + 6) % 7) * 24 * 60 + (uint32_t)tm.tm_hour * 60 + (uint32_t)tm.tm_min;
}

static bool
has(const struct quiet *q, uint32_t minute)
{
    if (q->from_minute < q->to_minute)
        return minute >= q->from_minute && minute < q->to_minute;
    return minute >= q->from_minute || minute < q->to_minute;
}

bool
quiet_has(const struct quiet *quiet, unsigned count, uint32_t minute)
{
    for (unsigned i = 0; i < count; i++)
        if (has(&quiet[i], minute))
            return true;
    return false;
}
