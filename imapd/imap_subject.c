#include "imapd/imap_subject.h"

#include "lib/casemap.h"
#include "lib/charset.h"

/* Step 1: tabs, line ends and runs of spaces become one space. */
static void
squeeze_spaces(struct buf *b)
{
    size_t kept = 0;

    for (size_t i = 0; i < b->len; i++) {
        char c = b->data[i];

        if (c == '\t' || c == '\r' || c == '\n' || c == '\0')
            c = ' ';
        if (c != ' ' || kept == 0 || b->data[kept - 1] != ' ')
            b->data[kept++] = c;
    }
    b->len = kept;
}

static struct slice
skip_spaces(struct slice s)
{
    while (s.len > 0 && s.data[0] == ' ')
        s = slice_sub(s, 1, s.len);
    return s;
}

/* Step 2: subj-trailer. */
static struct slice
without_trailers(struct slice s, bool *reply)
{
    for (;;) {
        if (s.len > 0 && s.data[s.len - 1] == ' ') {
            s.len--;
        } else if (slice_ends_nocase(s, "(fwd)")) {
            s.len -= strlen("(fwd)");
            *reply = true;
        } else {
            return s;
        }
    }
}

/* subj-blob: "[…]" and spaces. False: none begins here. */
static bool
take_blob(struct slice *s)
{
    size_t len = 1;

    if (s->len == 0 || s->data[0] != '[')
        return false;
    while (len < s->len && s->data[len] != '[' && s->data[len] != ']')
        len++;
    if (len == s->len || s->data[len] == '[')
        return false;
    *s = skip_spaces(slice_sub(*s, len + 1, s->len));
    return true;
}

/* subj-refwd: "re", "fw" or "fwd", perhaps a blob, and a colon. */
static bool
take_refwd(struct slice *s)
{
    static const char *const words[] = { "re", "fwd", "fw" };

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        struct slice rest;

        if (!slice_starts_nocase(*s, words[i]))
            continue;
        rest = skip_spaces(slice_sub(*s, strlen(words[i]), s->len));
        take_blob(&rest);
        if (rest.len > 0 && rest.data[0] == ':') {
            *s = slice_sub(rest, 1, rest.len);
            return true;
        }
    }
    return false;
}

/*
 * Steps 3 to 5. Of the blobs in front either all belong to a "re:" behind them, or each of them goes unless nothing would be left: they are
 * gone through once for both.
 */
static struct slice
without_leaders(struct slice s, bool *reply)
{
    for (;;) {
        struct slice rest, last;

        last = rest = skip_spaces(s);
        while (take_blob(&rest))
            if (rest.len > 0)
                last = rest;
        if (!take_refwd(&rest))
            return last;
        s = rest;
        *reply = true;
    }
}

bool
imap_base_subject(struct slice value, struct buf *out)
{
    struct buf   text;
    struct slice s;
    bool         reply = false;

    buf_init(&text, IMAP_SUBJECT_BYTES);
    charset_convert_words(value, &text);
    squeeze_spaces(&text);
    s = buf_slice(&text);
    for (;;) {
        s = without_leaders(without_trailers(s, &reply), &reply);
        /* Step 6. */
        if (!slice_starts_nocase(s, "[fwd:") || s.data[s.len - 1] != ']')
            break;
        s = slice_sub(s, strlen("[fwd:"), s.len - strlen("[fwd:") - 1);
        reply = true;
    }
    casemap_put(out, s);
    buf_fini(&text);
    return reply;
}
