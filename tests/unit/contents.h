#ifndef TESTS_UNIT_CONTENTS_H
#define TESTS_UNIT_CONTENTS_H
/*
 * contents - what a decoder of a container told, as text: for each content "kind(name)=octets|", with octets that are no
 * printable ASCII as \xNN. And a check that the cuts between the pieces a file is fed in change nothing.
 */

#include "tests/unit/unit.h"

#include "finder/container.h"
#include "lib/buf.h"

#define CONTENTS_BYTES_MAX (4u << 20)

struct contents {
    struct buf text;
    bool       open;
};

static inline void
contents_put(struct contents *c, struct slice octets)
{
    for (size_t i = 0; i < octets.len; i++) {
        unsigned char octet = (unsigned char)octets.data[i];

        if (octet >= ' ' && octet <= '~')
            buf_append_byte(&c->text, (char)octet);
        else
            buf_printf(&c->text, "\\x%02x", octet);
    }
    assert_int_equal(c->text.fault, MT_OK);
}

static inline void
contents_begin(void *arg, enum content_kind kind, struct slice name)
{
    static const char *const kinds[] = {
        [CONTENT_UNKNOWN] = "unknown", [CONTENT_TEXT] = "text", [CONTENT_HTML] = "html", [CONTENT_RTF] = "rtf",
        [CONTENT_MESSAGE] = "message", [CONTENT_FIELD] = "field", [CONTENT_TNEF] = "tnef",
    };
    struct contents *c = arg;

    assert_false(c->open);
    c->open = true;
    buf_printf(&c->text, "%s(", kinds[kind]);
    contents_put(c, name);
    buf_append_string(&c->text, ")=");
}

static inline void
contents_octets(void *arg, struct slice octets)
{
    struct contents *c = arg;

    assert_true(c->open);
    assert_true(octets.len > 0);
    contents_put(c, octets);
}

static inline void
contents_end(void *arg)
{
    struct contents *c = arg;

    assert_true(c->open);
    c->open = false;
    buf_append_byte(&c->text, '|');
}

static const struct container_events contents_events = { contents_begin, contents_octets, contents_end };

/* Runs a decoder over a file, in pieces of so many octets. */
typedef void contents_run(struct contents *c, struct slice file, size_t piece);

/* What the decoder tells, owned by the caller (buf_fini). */
static inline struct buf
contents_of(contents_run *run, struct slice file, size_t piece)
{
    struct contents c = { .open = false };

    buf_init(&c.text, CONTENTS_BYTES_MAX);
    run(&c, file, piece);
    assert_false(c.open);
    return c.text;
}

/* Fails unless the decoder tells just this, whatever the pieces. */
static inline void
assert_contents(const char *label, contents_run *run, struct slice file, const char *want)
{
    static const size_t pieces[] = { 1, 2, 3, 5, 8, 31, 64, 513, SIZE_MAX };

    for (size_t i = 0; i < COUNT(pieces); i++) {
        struct buf got = contents_of(run, file, pieces[i]);

        if (!slice_equal(buf_slice(&got), slice_of(want)))
            fail_msg("%s, in pieces of %zu: got \"%.*s\", want \"%s\"", label, pieces[i], (int)got.len,
                     got.data == NULL ? "" : got.data, want);
        buf_fini(&got);
    }
}

/* The loop that each contents_run has: feed is called with the pieces one by one. */
#define CONTENTS_FEED(file, piece, feed) \
    for (size_t at_ = 0; at_ < (file).len; at_ += (piece) < (file).len - at_ ? (piece) : (file).len - at_) \
        feed(slice_sub((file), at_, (piece)))

#endif
