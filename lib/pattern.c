#include "lib/pattern.h"

#include "lib/error.h"
#include "lib/record.h"

#include <assert.h>
#include <stdio.h>

enum {
    SILENT_GAPS     = 4,
    SILENT_ARRIVALS = 4,        /* fewer say nothing about what is usual */
    GAPS_SMOOTHED   = 8,        /* the gap is the mean of about so many */
    GAP_CUT         = 4,        /* a gap counts as at most so many usual ones, so that one outage does not hide the next */
    RETURNS_MAX     = 2,        /* changes among the last arrivals from which on coming back is no news */
};

#define SILENT_LEAST_US (15 * 60 * UINT64_C(1000000))

static const char *const names[SETUP_STATE_LIMIT] = {
    [SETUP_WAITING] = "waiting",         [SETUP_CONFIRMATION] = "confirmation", [SETUP_REFUSED] = "refused",
    [SETUP_FIRST_PROBE] = "first-probe", [SETUP_HEALTHY] = "healthy",           [SETUP_SILENT] = "silent",
};

const char *
setup_state_name(enum setup_state state)
{
    assert((unsigned)state < SETUP_STATE_LIMIT);
    return names[state];
}

void
pattern_record_write(struct buf *b, const struct pattern_record *p)
{
    size_t at = record_begin(b);

    write_u64(b, p->arrivals);
    write_u64(b, p->last_us);
    write_u64(b, p->usual_gap_us);
    write_u8(b, p->silent);
    write_u64(b, p->confirmation_id);
    write_u64(b, p->confirmation_us);
    write_u64(b, p->pretence_id);
    write_u64(b, p->pretence_us);
    write_u64(b, p->refusal_us);
    write_bytes(b, p->refusal_status);
    write_bytes(b, p->refusal_diagnostic);
    write_u32(b, p->found_in);
    write_u32(b, p->received_count);
    write_u8(b, p->tls);
    write_bytes(b, p->way);
    write_bytes(b, p->claims);
    write_u32(b, p->recent_count);
    for (uint32_t i = 0; i < p->recent_count; i++)
        write_u64(b, p->recent[i]);
    record_end(b, at);
}

int
pattern_record_read(struct slice bytes, struct pattern_record *out)
{
    struct reader r;
    int           rc = record_open(bytes, &r);

    if (rc != MT_OK)
        return rc;
    read_u64(&r, &out->arrivals);
    read_time_us(&r, &out->last_us);
    read_time_us(&r, &out->usual_gap_us);
    read_bool(&r, &out->silent);
    read_u64(&r, &out->confirmation_id);
    read_time_us(&r, &out->confirmation_us);
    read_u64(&r, &out->pretence_id);
    read_time_us(&r, &out->pretence_us);
    read_time_us(&r, &out->refusal_us);
    read_bytes(&r, &out->refusal_status, FACT_TEXT_BYTES);
    read_bytes(&r, &out->refusal_diagnostic, FACT_TEXT_BYTES);
    read_u32(&r, &out->found_in);
    read_u32(&r, &out->received_count);
    read_bool(&r, &out->tls);
    read_bytes(&r, &out->way, PATTERN_WAY_BYTES);
    read_bytes(&r, &out->claims, PATTERN_CLAIMS_BYTES);
    read_count(&r, &out->recent_count, PATTERN_RECENT, sizeof(out->recent[0]));
    for (uint32_t i = 0; i < out->recent_count; i++)
        read_u64(&r, &out->recent[i]);
    return record_close(&r);
}

uint64_t
pattern_silent_from_us(const struct pattern_record *p)
{
    uint64_t silence_us = p->usual_gap_us * SILENT_GAPS;

    if (p->arrivals < SILENT_ARRIVALS || p->usual_gap_us == 0)
        return 0;
    return p->last_us + (silence_us > SILENT_LEAST_US ? silence_us : SILENT_LEAST_US);
}

enum setup_state
pattern_state(const struct pattern_record *p, uint64_t now_us)
{
    uint64_t silent_us = pattern_silent_from_us(p);

    if (p->refusal_us > p->last_us && (p->arrivals > 0 || p->refusal_us > p->confirmation_us))
        return SETUP_REFUSED;
    if (p->arrivals == 0)
        return p->confirmation_us > 0 ? SETUP_CONFIRMATION : SETUP_WAITING;
    if (silent_us != 0 && now_us > silent_us)
        return SETUP_SILENT;
    return p->arrivals == 1 ? SETUP_FIRST_PROBE : SETUP_HEALTHY;
}

struct pattern_request
pattern_request(const struct pattern_record *p)
{
    if (p->confirmation_id != 0)
        return (struct pattern_request){ .message_id = p->confirmation_id, .at_us = p->confirmation_us, .recognised = true };
    return (struct pattern_request){ .message_id = p->pretence_id, .at_us = p->pretence_us };
}

/* ---- What differs ---- */

/* Places that a mail has or has not, whatever else is in it; text in either form is one. */
static const struct {
    uint32_t    bits;
    const char *name;
} places[] = {
    { PLACE_RECIPIENT, "the recipient's address" },
    { PLACE_SUBJECT, "the Subject" },
    { PLACE_MESSAGE_ID, "the Message-ID" },
    { PLACE_OWN_HEADER, "the X-Mailtest-Token field" },
    { PLACE_TEXT | PLACE_HTML, "the text" },
};

static const char *const methods[] = { "spf", "dkim", "dmarc", "arc" };

static void
compare_places(uint32_t before, uint32_t now, struct buf *changes)
{
    for (size_t i = 0; i < COUNT(places); i++) {
        bool was = (before & places[i].bits) != 0, is = (now & places[i].bits) != 0;

        if (was != is)
            buf_printf(changes, "The token is %s %s.\n", is ? "now in" : "no longer in", places[i].name);
    }
}

/* The result that claims give for a method, or an empty slice. */
static struct slice
claim_find(struct slice claims, const char *method)
{
    size_t len = strlen(method);

    while (claims.len > 0) {
        struct slice word = slice_sub(claims, 0, slice_find(claims, ' '));

        if (word.len > len && slice_starts(word, method) && word.data[len] == '=')
            return slice_sub(word, len + 1, word.len);
        claims = slice_sub(claims, word.len + 1, claims.len);
    }
    return slice_make(NULL, 0);
}

static void
compare_claims(struct slice before, struct slice now, struct buf *changes)
{
    for (size_t i = 0; i < COUNT(methods); i++) {
        struct slice was = claim_find(before, methods[i]), is = claim_find(now, methods[i]);

        if (was.len == 0 || is.len == 0 || slice_equal(was, is))
            continue;
        if (slice_equal(was, slice_of("pass")) || slice_equal(is, slice_of("pass")))
            buf_printf(changes, "The host that received it before states %s=%.*s; it was %s=%.*s.\n", methods[i], (int)is.len, is.data, methods[i],
                       (int)was.len, was.data);
    }
}

static void
compare_ways(struct slice was, struct slice is, struct buf *changes)
{
    if (was.len > 0 && is.len > 0 && !slice_equal(was, is))
        buf_printf(changes, "The way of forwarding is now \"%.*s\"; it was \"%.*s\".\n", (int)is.len, is.data, (int)was.len, was.data);
}

static void
compare(const struct pattern_record *p, const struct pattern_record *now, struct buf *changes)
{
    if (p->received_count != now->received_count)
        buf_printf(changes, "It came by %u %s; before it was %u.\n", now->received_count, now->received_count == 1 ? "hop" : "hops",
                   p->received_count);
    if (p->tls != now->tls)
        buf_printf(changes, "It came to this receiver %s TLS; before it was %s.\n", now->tls ? "with" : "without", now->tls ? "without" : "with");
    compare_claims(p->claims, now->claims, changes);
    compare_places(p->found_in, now->found_in, changes);
    compare_ways(p->way, now->way, changes);
}

/* ---- What is remembered ---- */

static bool
is_method_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/*
 * "mx.example; spf=pass smtp.mailfrom=a.example; dkim=fail" -> "spf=pass dkim=fail": the methods that are compared. Of several signatures one
 * that passes is enough. Of a method that is not named here the result in before stays.
 */
static void
claims_read(struct slice facts, struct slice before, struct buf *out)
{
    struct slice text = fact_find(facts, FACT_AUTHENTICATION);
    struct slice found[COUNT(methods)] = { { 0 } };

    while (text.len > 0) {
        struct slice item = slice_sub(text, 0, slice_find(text, ';'));
        struct slice word = slice_trim(item);

        text = slice_sub(text, item.len + 1, text.len);
        for (size_t i = 0; i < COUNT(methods); i++) {
            size_t       len = strlen(methods[i]), end = len + 1;
            struct slice result;

            if (word.len <= end || !slice_starts_nocase(word, methods[i]) || word.data[len] != '=')
                continue;
            while (end < word.len && is_method_char(ascii_lower(word.data[end])))
                end++;
            result = slice_sub(word, len + 1, end - len - 1);
            if (result.len > 0 && (found[i].len == 0 || slice_equal_nocase(result, slice_of("pass"))))
                found[i] = result;
        }
    }
    for (size_t i = 0; i < COUNT(methods); i++) {
        if (found[i].len == 0)
            found[i] = claim_find(before, methods[i]);
        if (found[i].len == 0)
            continue;
        buf_printf(out, "%s%s=", out->len > 0 ? " " : "", methods[i]);
        for (size_t k = 0; k < found[i].len; k++)
            buf_append_byte(out, ascii_lower(found[i].data[k]));
    }
}

/* Of all that is compared, for finding an arrival of the same kind again. */
static uint64_t
shape_of(const struct pattern_record *p)
{
    char       text[PATTERN_CLAIMS_BYTES + PATTERN_WAY_BYTES + 64];
    uint32_t   seen = 0;
    int        len;

    for (size_t i = 0; i < COUNT(places); i++)
        if ((p->found_in & places[i].bits) != 0)
            seen |= 1u << i;
    len = snprintf(text, sizeof(text), "%x %u %d %.*s %.*s", seen, p->received_count, p->tls, (int)p->way.len, p->way.data, (int)p->claims.len,
                   p->claims.data);
    return checksum(slice_make(text, (size_t)len));
}

/* Whether a difference is news: not when such arrivals came and went by turns of late. */
static bool
shape_is_news(const struct pattern_record *p, uint64_t shape)
{
    unsigned turns = 0;
    bool     known = false;

    for (uint32_t i = 0; i < p->recent_count; i++) {
        known = known || p->recent[i] == shape;
        turns += i > 0 && p->recent[i] != p->recent[i - 1];
    }
    return !known || turns < RETURNS_MAX;
}

static void
shape_keep(struct pattern_record *p, uint64_t shape)
{
    if (p->recent_count == PATTERN_RECENT) {
        memmove(p->recent, p->recent + 1, (PATTERN_RECENT - 1) * sizeof(p->recent[0]));
        p->recent_count--;
    }
    p->recent[p->recent_count++] = shape;
}

/* The mean of the first ones, then smoothed. */
static void
gap_add(struct pattern_record *p, uint64_t at_us)
{
    uint64_t gap_us = at_us > p->last_us ? at_us - p->last_us : 0;
    uint64_t count = p->arrivals - 1 < GAPS_SMOOTHED ? p->arrivals - 1 : GAPS_SMOOTHED;

    if (p->usual_gap_us != 0 && count == GAPS_SMOOTHED && gap_us > p->usual_gap_us * GAP_CUT)
        gap_us = p->usual_gap_us * GAP_CUT;
    p->usual_gap_us = count <= 1 ? gap_us : (p->usual_gap_us * (count - 1) + gap_us) / count;
}

void
pattern_add(struct pattern_record *p, const struct pattern_arrival *a, struct buf *scratch, struct buf *changes, bool *is_news)
{
    struct pattern_record now = *p;
    struct slice          way = fact_find(a->facts, FACT_FORWARD_WAY);
    uint64_t              shape;

    now.found_in = a->found_in;
    now.received_count = a->received_count;
    now.tls = a->tls;
    if (way.len > 0)
        now.way = slice_sub(way, 0, PATTERN_WAY_BYTES);
    buf_clear(scratch);
    claims_read(a->facts, p->claims, scratch);
    now.claims = slice_sub(buf_slice(scratch), 0, PATTERN_CLAIMS_BYTES);
    if (p->arrivals > 0)
        compare(p, &now, changes);
    shape = shape_of(&now);
    *is_news = changes->len > 0 && shape_is_news(p, shape);
    shape_keep(&now, shape);
    now.arrivals++;
    if (now.arrivals > 1)
        gap_add(&now, a->received_us);
    if (a->received_us > now.last_us)
        now.last_us = a->received_us;
    now.silent = false;
    *p = now;
}
