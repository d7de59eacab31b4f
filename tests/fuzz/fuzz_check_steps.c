/* fuzz_check_steps - the dialogue with a hostile SMTP server: lines that begin with '>' are commands, all others are what it says. */
#include "checker/steps.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is promised of the list at any time. */
static void
check_steps(const struct steps *s)
{
    const struct step *failed = steps_failed(s);

    assert(s->count <= STEPS_MAX && (!s->open || s->count > 0));
    for (unsigned i = 0; i < s->count; i++) {
        const struct step *step = &s->list[i];

        assert(step->kind < STEP_KIND_COUNT && step_name(step->kind) != NULL);
        assert(memchr(step->reply, '\0', sizeof(step->reply)) != NULL);
        assert(step->code < 1000);
        assert(step->done || i + 1 == s->count || s->list[i + 1].kind == STEP_QUIT);
    }
    assert(failed == NULL || !steps_accepted(s));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = slice_make(data, size);
    struct steps s;
    uint64_t     now = 1;

    steps_init(&s);
    steps_begin(&s, STEP_CONNECT, now);
    steps_connected(&s, ++now);
    while (rest.len > 0) {
        struct slice line = slice_sub(rest, 0, slice_find(rest, '\n') + 1);

        rest = slice_sub(rest, line.len, rest.len);
        if (slice_starts(line, ">"))
            steps_command(&s, ++now, slice_sub(line, 1, line.len));
        else
            steps_reply(&s, ++now, line);
        check_steps(&s);
    }
    steps_stop(&s, ++now);
    check_steps(&s);
    assert(!s.open);
    return 0;
}
