/* fuzz_check_saved - what the checker kept of a run under way, as its state file has it. What is read must come out again as it went in. */
#include "checker/trip_record.h"

#include "lib/error.h"
#include "lib/wire.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice       in = slice_make(data, size);
    struct trip_record r;
    struct buf         out;

    if (trip_record_read(in, &r) != MT_OK)
        return 0;
    assert(r.started_us <= TIME_US_MAX && r.sent_us <= TIME_US_MAX && r.send_at_us <= TIME_US_MAX);
    buf_init(&out, TRIP_RECORD_MAX_BYTES);
    trip_record_write(&out, &r);
    assert(out.fault == MT_OK && slice_equal(in, buf_slice(&out)));
    buf_fini(&out);
    return 0;
}
