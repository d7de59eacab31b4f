#include "lib/session_id.h"

enum { DIGIT_BITS = 5, PROCESS_BITS = 8 };

static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";

void
session_id_make(char out[SESSION_ID_CHARS + 1], uint64_t time_us, unsigned process)
{
    uint64_t value = time_us << PROCESS_BITS | (process & ((1u << PROCESS_BITS) - 1));

    for (int i = SESSION_ID_CHARS - 1; i >= 0; i--, value >>= DIGIT_BITS)
        out[i] = digits[value & ((1u << DIGIT_BITS) - 1)];
    out[SESSION_ID_CHARS] = '\0';
}

uint64_t
session_id_time_us(struct slice id)
{
    uint64_t value = 0;

    if (id.len != SESSION_ID_CHARS)
        return 0;
    for (size_t i = 0; i < id.len; i++) {
        const char *digit = id.data[i] == '\0' ? NULL : strchr(digits, id.data[i]);

        if (digit == NULL)
            return 0;
        value = value << DIGIT_BITS | (uint64_t)(digit - digits);
    }
    return value >> PROCESS_BITS;
}
