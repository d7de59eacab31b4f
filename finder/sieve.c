#include "finder/sieve.h"

#define LETTERS(a) ['A' ... 'Z'] = (a), ['a' ... 'z'] = (a)

/* What ends a gap: the letters that are no digits of a token. */
static const bool ends_gap[256] = {
    ['i'] = true, ['l'] = true, ['o'] = true, ['u'] = true, ['I'] = true, ['L'] = true, ['O'] = true, ['U'] = true,
};

/* What base64 text consists of, in either alphabet and in links. */
static const bool in_word[256] = {
    LETTERS(true), ['0' ... '9'] = true, ['+'] = true, ['/'] = true, ['-'] = true, ['_'] = true, ['='] = true, ['%'] = true,
};

void
sieve_init(struct sieve *s, const struct sieve_events *events, void *arg)
{
    s->events = events;
    s->arg = arg;
    s->open = s->pass_all = s->pass_next = s->has_before = false;
    s->gap = s->word = 0;
    s->len = 0;
}

/*
 * Whether a run of least octets ends in the block; an octet ends it where the table has ends. *run: octets of it before the block,
 * and then at the block's end, up to least. It looks where a run would end that begins behind the last end, and goes back from
 * there, as token_scan does.
 */
static bool
has_run(const bool *table, bool ends, unsigned least, unsigned *run, struct slice block)
{
    const unsigned char *at = (const unsigned char *)block.data;
    long                 len = (long)block.len, begin = -(long)*run, checked = 0, i;

    while (begin + (long)least <= len) {
        long end = begin + (long)least;

        for (i = end; i > checked && table[at[i - 1]] != ends; i--)
            ;
        if (i <= checked)
            break;
        begin = i;
        checked = end;
    }
    for (i = len; i > 0 && len - i < (long)least && table[at[i - 1]] != ends; i--)
        ;
    if (i == 0)
        *run = (unsigned)(*run + len < least ? *run + len : least);
    else
        *run = (unsigned)(len - i);
    return begin + (long)least <= len;
}

static bool
may_hide_token(struct sieve *s, struct slice block)
{
    static const char marks[] = "+>\\";
    bool              passes = has_run(ends_gap, true, SIEVE_GAP, &s->gap, block);

    passes = has_run(in_word, false, SIEVE_WORD, &s->word, block) || passes;
    if (memchr(block.data, '\0', block.len) != NULL || memchr(block.data, '\033', block.len) != NULL)
        s->pass_all = true;
    for (const char *mark = marks; *mark != '\0' && !passes; mark++)
        passes = memchr(block.data, *mark, block.len) != NULL;
    return passes || s->pass_all;
}

static void
pass(struct sieve *s, struct slice block)
{
    s->open = true;
    s->events->pass(s->arg, block);
}

static void
take_block(struct sieve *s, struct slice block)
{
    if (may_hide_token(s, block)) {
        if (s->has_before)
            pass(s, slice_make(s->before, SIEVE_BLOCK));
        s->has_before = false;
        s->pass_next = true;
        pass(s, block);
    } else if (s->pass_next) {
        s->pass_next = false;
        pass(s, block);
    } else {
        if (s->open)
            s->events->skip(s->arg);
        s->open = false;
        s->has_before = true;
        memcpy(s->before, block.data, block.len);
    }
}

void
sieve_feed(struct sieve *s, struct slice text)
{
    while (text.len > 0) {
        size_t room = SIEVE_BLOCK - s->len;
        size_t take = text.len < room ? text.len : room;

        if (s->pass_all && s->len == 0) {
            pass(s, text);
            return;
        }
        if (take == SIEVE_BLOCK) {
            take_block(s, slice_sub(text, 0, take));
        } else {
            memcpy(s->block + s->len, text.data, take);
            s->len += take;
            if (s->len == SIEVE_BLOCK) {
                s->len = 0;
                take_block(s, slice_make(s->block, SIEVE_BLOCK));
            }
        }
        text = slice_sub(text, take, text.len);
    }
}

void
sieve_finish(struct sieve *s)
{
    if (s->len > 0)
        take_block(s, slice_make(s->block, s->len));
    if (s->open)
        s->events->skip(s->arg);
    sieve_init(s, s->events, s->arg);
}
