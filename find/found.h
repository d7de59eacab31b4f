#ifndef FIND_FOUND_H
#define FIND_FOUND_H
/* found - what was found in one mail, for a person and for programs. */

#include "lib/hop_delay.h"
#include "lib/record.h"

#define FOUND_BYTES_MAX (512u * 1024)   /* of what is told of one mail */

enum genuine { GENUINE_UNKNOWN, GENUINE_NO, GENUINE_YES };

struct found {
    const char            *file;
    struct message_record  message;         /* its parsed, kind, size and lost places; the rest is empty */
    enum genuine          *genuine;         /* of each candidate of message.parsed */
    bool                   unsure;          /* its kind would be another if its token were not genuine, which is not known */
    uint32_t               token_count;     /* the genuine ones, or, where that is not known, all */
    struct message_hop     hops[HOP_DELAY_MAX];     /* newest first */
    unsigned               hop_count;
};

/* Each appends; faults are kept by out, whose limit is FOUND_BYTES_MAX. */
void found_show(struct buf *out, const struct found *f);
void found_write_json(struct buf *out, const struct found *f);

#endif
