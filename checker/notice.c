#include "checker/notice.h"

const char *
notice_kind_name(enum notice_kind kind)
{
    static const char *const names[] = {
        [NOTICE_PROBLEM] = "problem", [NOTICE_REMINDER] = "reminder", [NOTICE_ESCALATION] = "escalation", [NOTICE_RECOVERY] = "recovery",
        [NOTICE_TEST] = "test",
    };

    return names[kind];
}
