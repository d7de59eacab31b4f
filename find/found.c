#include "find/found.h"

#include "lib/answer.h"
#include "lib/answer_event.h"
#include "lib/answer_hops.h"
#include "lib/display.h"
#include "lib/duration.h"
#include "lib/error.h"
#include "lib/rfc3339.h"
#include "meaning/meaning.h"

enum { LOOK_ALIKES_SHOWN = 20, TEXT_CHARS_MAX = 400, TITLE_CHARS = 12, WORD_CHARS_MAX = 60, LINE_CHARS = 80 };

#define TIME_US   1000000
#define WHY_BYTES (ANSWER_WHY_BYTES + 256u)

static const char *const genuine_words[] = {
    [GENUINE_UNKNOWN] = "not checked", [GENUINE_NO] = "not genuine for this mailbox", [GENUINE_YES] = "genuine",
};

/* ---- For a person ----------------------------------------------------------------------------------------------- */

/* Characters, each taken as one column wide. */
static size_t
width_of(struct slice s)
{
    size_t width = 0;

    for (size_t i = 0; i < s.len; i++)
        width += (s.data[i] & 0xc0) != 0x80;
    return width;
}

/* A text from outside behind indent columns, in lines of LINE_CHARS broken at blanks, each but the first with as many blanks before it. */
static void
put_text(struct buf *out, struct slice text, size_t indent)
{
    size_t       column = indent;
    struct slice rest;
    struct buf   shown;

    buf_init(&shown, (size_t)TEXT_CHARS_MAX * 16);
    display_text(&shown, text, TEXT_CHARS_MAX);
    rest = buf_slice(&shown);
    while (rest.len > 0) {
        struct slice word = slice_sub(rest, 0, slice_find(rest, ' '));

        if (column > indent && column + 1 + width_of(word) > LINE_CHARS) {
            buf_printf(out, "\n%*s", (int)indent, "");
            column = indent;
        } else if (column > indent) {
            buf_append_byte(out, ' ');
            column++;
        }
        buf_append_slice(out, word);
        column += width_of(word);
        rest = slice_sub(rest, word.len + 1, rest.len);
    }
    if (shown.fault != MT_OK)
        out->fault = shown.fault;
    buf_fini(&shown);
    buf_append_byte(out, '\n');
}

static void
put_line(struct buf *out, const char *title, struct slice text)
{
    if (text.len == 0)
        return;
    buf_printf(out, "%-*s  ", (int)TITLE_CHARS, title);
    put_text(out, text, TITLE_CHARS + 2);
}

static void
put_fact(struct buf *out, const char *title, const struct found *f, enum fact_kind kind)
{
    put_line(out, title, fact_find(f->message.parsed.facts, kind));
}

/* All facts of a kind, one a line under a title. */
static void
put_facts(struct buf *out, const char *title, const struct found *f, enum fact_kind kind)
{
    struct reader r;
    struct fact   fact;
    bool          begun = false;

    reader_init(&r, f->message.parsed.facts);
    while (fact_next(&r, &fact)) {
        if (fact.kind != kind)
            continue;
        if (!begun)
            buf_printf(out, "%s\n", title);
        begun = true;
        buf_append_string(out, "  ");
        put_text(out, fact.text, 2);
    }
}

static void
put_names(struct buf *out, const char *title, uint32_t bits, unsigned count, const char *(*name)(unsigned))
{
    const char *joint = "";

    if (bits == 0)
        return;
    buf_printf(out, "%-*s  ", (int)TITLE_CHARS, title);
    for (unsigned i = 0; i < count; i++) {
        if ((bits & 1u << i) == 0)
            continue;
        buf_printf(out, "%s%s", joint, name(i));
        joint = ", ";
    }
    buf_append_byte(out, '\n');
}

/* Places in an attached message are told apart from the recipient, which is never one of these. */
static void
put_places(struct buf *out, const char *title, uint32_t places, bool attached)
{
    uint32_t     inside = places & ~(uint32_t)(PLACE_ATTACHED | PLACE_RECIPIENT);
    struct buf   text;
    const char  *joint = "";

    if (places == 0)
        return;
    buf_init(&text, TEXT_CHARS_MAX);
    if (attached && (places & PLACE_RECIPIENT) != 0)
        buf_append_string(&text, "recipient; ");
    if (attached)
        buf_append_string(&text, "in the attached message: ");
    for (unsigned i = 0; i < PLACE_COUNT; i++) {
        if (((attached ? inside : places) & 1u << i) == 0)
            continue;
        buf_printf(&text, "%s%s", joint, place_name(i));
        joint = ", ";
    }
    put_line(out, title, buf_slice(&text));
    buf_fini(&text);
}

static const char *
trait_name(unsigned i)
{
    return trait_names[i];
}

static void
put_time(struct buf *out, int64_t time_unix)
{
    char text[RFC3339_TEXT_BYTES];

    buf_append(out, text, rfc3339_text((uint64_t)time_unix, text));
}

static void
show_tokens(struct buf *out, const struct found *f)
{
    const struct parsed *p = &f->message.parsed;
    uint32_t             left_out = 0, shown = 0;
    bool                 attached = false, counted = false;     /* of the first that counts, whose lost places are told */

    buf_append_string(out, "\nTokens\n");
    if (p->candidate_count == 0)
        buf_append_string(out, "none\n");
    for (uint32_t i = 0; i < p->candidate_count; i++) {
        char text[TOKEN_CHARS + 1];

        if (f->genuine[i] != GENUINE_YES && shown == LOOK_ALIKES_SHOWN) {
            left_out++;
            continue;
        }
        shown += f->genuine[i] != GENUINE_YES;
        token_encode(&p->candidates[i].token, text);
        buf_printf(out, "%s  %s, issued ", text, genuine_words[f->genuine[i]]);
        put_time(out, token_issued_unix(&p->candidates[i].token));
        buf_append_byte(out, '\n');
        put_places(out, "  found in", p->candidates[i].found_in, (p->candidates[i].found_in & PLACE_ATTACHED) != 0);
        attached = attached || (f->genuine[i] != GENUINE_NO && !counted && (p->candidates[i].found_in & PLACE_ATTACHED) != 0);
        counted = counted || f->genuine[i] != GENUINE_NO;
    }
    if (left_out > 0)
        buf_printf(out, "and %u more\n", left_out);
    put_places(out, "  lost in", f->message.lost, attached);
    if (attached && f->message.lost == 0 && f->message.kind == KIND_ARRIVED)
        put_line(out, "  lost in", slice_of("nothing of the attached message"));
}

static void
show_report(struct buf *out, const struct found *f)
{
    struct slice facts = f->message.parsed.facts;
    struct slice status = fact_find(facts, FACT_REPORT_STATUS), words = fact_find(facts, FACT_REPORT_DIAGNOSTIC);

    if (fact_find(facts, FACT_REPORT_ACTION).len == 0 && status.len == 0 && words.len == 0)
        return;
    buf_append_string(out, "\nReport\n");
    put_fact(out, "action", f, FACT_REPORT_ACTION);
    put_line(out, "status", status);
    put_line(out, "words", words);
    put_line(out, "meaning", slice_of(meaning_of_refusal(status, words)));
    put_fact(out, "recipient", f, FACT_REPORT_RECIPIENT);
    put_fact(out, "refused by", f, FACT_REPORT_REFUSED_BY);
    put_fact(out, "reported by", f, FACT_REPORT_HOST);
    put_fact(out, "read as", f, FACT_REPORT_FORM);
}

/* The reason of the kind; where it hangs on what is not known, that first. */
static void
put_why(struct buf *out, const struct found *f)
{
    if (f->unsure)
        buf_append_string(out, "whether its token is genuine is not known without the mailbox's key; if it is: ");
    answer_why(out, &f->message);
}

static void
show_kind(struct buf *out, const struct found *f)
{
    struct buf why;

    buf_printf(out, "%-*s  %s%s\n", (int)TITLE_CHARS, "kind", message_kind_name(f->message.kind),
               f->unsure ? ", if a token is genuine" : "");
    buf_init(&why, WHY_BYTES);
    put_why(&why, f);
    put_line(out, "because", buf_slice(&why));
    buf_fini(&why);
    put_names(out, "traits", f->message.parsed.traits, TRAIT_COUNT, trait_name);
    if (fact_find(f->message.parsed.facts, FACT_CONFIRMATION_PROVIDER).len > 0) {
        buf_append_string(out, fact_is_recognised(f->message.parsed.facts)
                                   ? "\nForwarding to be confirmed (the link was not followed)\n"
                                   : "\nA mail that pretends to be a provider's request to confirm a forwarding: do not act on it\n");
        put_fact(out, "provider", f, FACT_CONFIRMATION_PROVIDER);
        put_fact(out, "code", f, FACT_CONFIRMATION_CODE);
        put_fact(out, "link", f, FACT_CONFIRMATION_LINK);
        put_fact(out, "for", f, FACT_CONFIRMATION_FOR);
    }
}

static void
put_delay(struct buf *out, const struct hop_delay *d)
{
    char text[DURATION_TEXT_BYTES];

    if (d->known)
        buf_printf(out, ", after %s", duration_text((uint64_t)d->delay_us, text));
    else if (d->bounded)
        buf_printf(out, ", after at most %s", duration_text((uint64_t)d->at_most_us, text));
    if (d->skewed && d->skew_us != 0)
        buf_printf(out, ", its clock %s %s", duration_text((uint64_t)(d->skew_us < 0 ? -d->skew_us : d->skew_us), text),
                   d->skew_us < 0 ? "behind" : "ahead");
    else if (d->skewed)
        buf_append_string(out, ", its clock is wrong");
}

static void
put_word(struct buf *out, const char *before, struct slice text)
{
    if (text.len == 0)
        return;
    buf_append_string(out, before);
    display_text(out, text, WORD_CHARS_MAX);
}

/* The way in the order in which the mail took it. */
static void
show_hops(struct buf *out, const struct found *f)
{
    if (f->hop_count > 0)
        buf_append_string(out, "\nHops, oldest first; the last clock is taken for right\n");
    for (unsigned i = f->hop_count; i > 0; i--) {
        const struct message_hop *h = &f->hops[i - 1];

        if (h->time_us > 0)
            put_time(out, h->time_us / TIME_US);
        else
            buf_append_string(out, "no readable time    ");
        put_word(out, "  by ", h->hop.by);
        put_word(out, " from ", h->hop.from);
        put_word(out, " with ", h->hop.with);
        put_word(out, " ", h->hop.tls);
        put_word(out, " for ", h->hop.for_);
        put_delay(out, &h->delay);
        buf_append_byte(out, '\n');
    }
}

void
found_show(struct buf *out, const struct found *f)
{
    const struct parsed *p = &f->message.parsed;

    put_line(out, "file", slice_of(f->file));
    put_line(out, "subject", p->subject);
    put_line(out, "from", p->from);
    put_line(out, "message-id", p->message_id);
    show_kind(out, f);
    show_tokens(out, f);
    show_report(out, f);
    buf_append_string(out, "\nForward\n");
    put_line(out, "way", p->facts.len == 0 || fact_find(p->facts, FACT_FORWARD_WAY).len == 0
                             ? slice_of("not known") : fact_find(p->facts, FACT_FORWARD_WAY));
    put_facts(out, "by this evidence:", f, FACT_FORWARD_EVIDENCE);
    show_hops(out, f);
    put_facts(out, "\nClaimed by Authentication-Results", f, FACT_AUTHENTICATION);
    put_facts(out, "\nClaimed by ARC, newest first", f, FACT_ARC);
    put_facts(out, "\nClaimed by Received-SPF", f, FACT_SPF);
}

/* ---- For programs ----------------------------------------------------------------------------------------------- */

static void
write_tokens(struct emit *j, const struct found *f)
{
    emit_array(j, "tokens");
    for (uint32_t i = 0; i < f->message.parsed.candidate_count; i++) {
        const struct candidate *c = &f->message.parsed.candidates[i];
        char                    text[TOKEN_CHARS + 1];

        token_encode(&c->token, text);
        emit_object(j, NULL);
        emit_string(j, "token", text);
        if (f->genuine[i] == GENUINE_UNKNOWN)
            emit_null(j, "genuine");
        else
            emit_bool(j, "genuine", f->genuine[i] == GENUINE_YES);
        emit_time_unix(j, "issued_at", token_issued_unix(&c->token));
        answer_places(j, "found_in", c->found_in);
        emit_object_end(j);
    }
    emit_array_end(j);
}

void
found_write_json(struct buf *out, const struct found *f)
{
    const struct parsed *p = &f->message.parsed;
    struct emit          j;
    struct buf           why;

    buf_init(&why, WHY_BYTES);
    put_why(&why, f);
    emit_init(&j, out);
    emit_object(&j, NULL);
    emit_string(&j, "file", f->file);
    emit_u64(&j, "size", f->message.body_bytes);
    emit_slice_or_null(&j, "subject", p->subject);
    emit_slice_or_null(&j, "from", p->from);
    emit_slice_or_null(&j, "message_id", p->message_id);
    emit_time_unix(&j, "date", p->date_unix);
    emit_slice_or_null(&j, "kind", slice_of(f->unsure ? NULL : message_kind_name(f->message.kind)));
    emit_slice_or_null(&j, "kind_if_genuine", slice_of(f->unsure ? message_kind_name(f->message.kind) : NULL));
    emit_slice(&j, "why", buf_slice(&why));
    buf_fini(&why);
    emit_array(&j, "traits");
    for (unsigned i = 0; i < TRAIT_COUNT; i++)
        if ((p->traits & 1u << i) != 0)
            emit_string(&j, NULL, trait_names[i]);
    emit_array_end(&j);
    write_tokens(&j, f);
    answer_facts_found(&j, &f->message);
    emit_u64(&j, "received_count", p->received_count);
    answer_slowest_hop(&j, f->hops, f->hop_count);
    answer_hops(&j, f->hops, f->hop_count);
    emit_object_end(&j);
    buf_append_byte(out, '\n');
}
