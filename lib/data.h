#ifndef LIB_DATA_H
#define LIB_DATA_H
/*
 * data - reads the octets of a message as the client sends them, in pieces of any size, and gives back those that are stored:
 * dot-stuffing undone, a bare LF made CRLF, a bare CR kept, both noted. Pure: no I/O, no allocation, constant memory.
 *
 * After DATA, only CRLF "." CRLF ends the message (RFC 5321 section 4.1.1.4): neither LF "." LF nor any other mixture does,
 * since a server before or behind us may read it otherwise (SMTP smuggling). After BDAT the count of octets ends it, and dots
 * mean nothing. A message that is binary (RFC 3516) is given back as it is, its line ends too.
 */

#include "lib/delivery.h"

enum data_mode { DATA_DOTTED, DATA_CHUNKED, DATA_BINARY };

enum data_state {
    DATA_LINE_START,    /* at the start, or behind a CRLF */
    DATA_INSIDE,        /* within a line */
    DATA_CR,            /* behind a CR, which was given back already */
    DATA_DOT,           /* behind a "." at the start of a line, which was not given back */
    DATA_DOT_CR,        /* behind that and a CR, which was not given back either */
    DATA_ENDED,         /* the end was read */
};

struct data_reader {
    enum data_mode  mode;
    enum data_state state;
    uint64_t        size_bytes;         /* octets given back so far */
    uint64_t        line_bytes;         /* of these, in the line that is not complete yet */
    uint64_t        line_bytes_max;     /* the longest line that was seen so far, without its CRLF */
    uint32_t        flags;              /* DELIVERY_BARE_LF, _BARE_CR, _8BIT_DATA, _NUL */
};

/* Gets the octets to store, in order, in pieces that are borrowed for the call. */
typedef void data_sink_fn(void *arg, struct slice bytes);

void data_reader_init(struct data_reader *r, enum data_mode mode);

/* Reads until the input or the message ends; returns the octets used: what follows is the next command. */
size_t data_reader_feed(struct data_reader *r, struct slice in, data_sink_fn *sink, void *arg);

/* Behind the last chunk of BDAT: what is left open is closed. */
void data_reader_finish(struct data_reader *r);

static inline bool
data_reader_ended(const struct data_reader *r)
{
    return r->state == DATA_ENDED;
}

#endif
