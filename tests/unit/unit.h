#ifndef TESTS_UNIT_UNIT_H
#define TESTS_UNIT_UNIT_H
/* unit - what every unit test includes: cmocka with the headers it needs before it. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/error.h"
#include "lib/slice.h"

/* Compares bytes with a C string; a failure shows both and the row's label. */
#define assert_slice(label, got, want) \
    do { \
        struct slice got_ = (got); \
        if (!slice_equal(got_, slice_of(want))) \
            fail_msg("%s: got \"%.*s\", want \"%s\"", (label), (int)got_.len, got_.data == NULL ? "" : got_.data, (want)); \
    } while (0)

#define assert_rc(label, got, want) \
    do { \
        int got_ = (got), want_ = (want); \
        if (got_ != want_) \
            fail_msg("%s: got \"%s\", want \"%s\"", (label), mt_strerror(got_), mt_strerror(want_)); \
    } while (0)

#endif
