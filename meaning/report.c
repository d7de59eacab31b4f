/*
 * report - delivery status reports: from the fields of RFC 3464 where a mail has them, and else, or where they leave something
 * open, from the text that mail systems write for people.
 */
#include "lib/error.h"
#include "meaning/kinds.h"
#include "meaning/report_text.h"
#include "meaning/words.h"

/* What there is to say, from either source. Slices borrow from the struct seen. */
struct findings {
    const char        *form;
    enum report_action action;
    const char        *action_word;
    struct slice       status, diagnostic, host, refused_by, recipient;
};

/* Subjects of reports whose text is in no known form: it was translated, or written by the administrator. */
static const struct report_subject {
    const char        *begins, *form;
    enum report_action action;
} subjects[] = {
    { "DELIVERY FAILURE:",                                 "domino",   ACTION_FAILED  },
    { "Undelivered Mail Returned to Sender",               "postfix",  ACTION_FAILED  },
    { "Delayed Mail (still being retried)",                "postfix",  ACTION_DELAYED },
    { "Mail delivery failed: returning message to sender", "exim",     ACTION_FAILED  },
    { "Warning: message ",                                 "exim",     ACTION_DELAYED },
    { "failure notice",                                    "qmail",    ACTION_FAILED  },
    { "Returned mail: ",                                   "sendmail", ACTION_FAILED  },
    { "Warning: could not send message for past",          "sendmail", ACTION_DELAYED },
    { "Delivery Status Notification (Failure)",            "gmail",    ACTION_FAILED  },
    { "Delivery Status Notification (Delay)",              "gmail",    ACTION_DELAYED },
    { "Undeliverable:",                                    "exchange", ACTION_FAILED  },
};

static const char *
word_of(enum report_action action)
{
    switch (action) {
    case ACTION_PASSED_ON:
        return "delivered";
    case ACTION_DELAYED:
        return "delayed";
    case ACTION_FAILED:
    case ACTION_NONE:
        break;
    }
    return "failed";
}

/*
 * A report that does not say what happened counts as one of a failure: that is what nearly all of them tell of, and the token
 * in it must not pass for an arrival.
 */
static uint32_t
trait_of(enum report_action action)
{
    switch (action) {
    case ACTION_PASSED_ON:
        return TRAIT_SUCCESS_REPORT;
    case ACTION_DELAYED:
        return TRAIT_DELAY_REPORT;
    case ACTION_FAILED:
    case ACTION_NONE:
        break;
    }
    return TRAIT_DELIVERY_REPORT;
}

static void
take_fields(const struct report_fields *r, struct findings *out)
{
    out->host = slice_of(r->host);
    if (!r->has_best)
        return;
    out->action = r->best.action;
    if (r->best.action != ACTION_NONE)
        out->action_word = r->best.action_word;
    out->status = slice_of(r->best.status);
    out->diagnostic = slice_of(r->best.diagnostic);
    out->refused_by = slice_of(r->best.refused_by);
    out->recipient = slice_of(r->best.recipient);
}

static void
fill(struct slice *to, struct slice from)
{
    if (to->len == 0)
        *to = from;
}

/* The text fills in what the fields leave open. */
static void
take_text(const struct report_text *t, struct findings *out)
{
    if (out->action == ACTION_NONE)
        out->action = t->action;
    fill(&out->diagnostic, t->said);
    fill(&out->host, t->host);
    fill(&out->refused_by, t->refused_by);
    fill(&out->recipient, t->recipient);
}

/* A mail system's mail in no known form: told by its subject, or by the field that Exim and Gmail add to reports of failures. */
static bool
take_subject(const struct seen *s, struct findings *out)
{
    struct slice subject = kept_find(&s->header, KEPT_SUBJECT);

    out->form = NULL;
    for (size_t i = 0; i < COUNT(subjects) && out->form == NULL; i++) {
        if (slice_starts_nocase(subject, subjects[i].begins)) {
            out->form = subjects[i].form;
            out->action = subjects[i].action;
        }
    }
    if (out->form == NULL && kept_has(&s->header, KEPT_X_FAILED_RECIPIENTS))
        out->form = "exim";
    if (out->form == NULL)
        return false;
    fill(&out->diagnostic, report_text_refusal(own_text_said(&s->text)));
    if (slice_starts_nocase(subject, "DELIVERY FAILURE:"))
        fill(&out->diagnostic, slice_trim(slice_sub(subject, strlen("DELIVERY FAILURE:"), subject.len)));
    return true;
}

/*
 * A mail system's mail in words that nobody knows here, but with the test mail in it, or with the status code of a refusal: whatever
 * it says, it is not the test mail itself, and must not pass for its arrival.
 */
static bool
take_unknown(const struct seen *s, struct findings *out)
{
    struct slice refusal = report_text_refusal(own_text_said(&s->text)), status = words_status(refusal);

    if (!seen_from_mail_system_surely(s) || (s->places & (PLACE_MESSAGE_ID | PLACE_OWN_HEADER)) != 0 ||
        ((s->places & PLACE_ATTACHED) == 0 && refusal.len == 0))
        return false;
    out->form = "unknown";
    fill(&out->diagnostic, refusal);
    if (status.len > 0 && status.data[0] != '5')
        out->action = status.data[0] == '4' ? ACTION_DELAYED : ACTION_PASSED_ON;
    return true;
}

static struct slice
status_of(const struct findings *f)
{
    struct slice said = words_status(f->diagnostic);

    /* A gateway that knows no better writes 5.0.0 where the words of the refusal hold the real code. */
    if (f->status.len > 0 && !(slice_ends_nocase(f->status, ".0.0") && said.len > 0))
        return f->status;
    return said.len > 0 ? said : words_reply_code(f->diagnostic);
}

static void
add_facts(const struct findings *f, struct buf *facts)
{
    struct buf diagnostic;

    buf_init(&diagnostic, FACT_TEXT_BYTES);
    words_squeeze(&diagnostic, f->diagnostic);
    fact_add(facts, FACT_REPORT_FORM, slice_of(f->form));
    fact_add(facts, FACT_REPORT_ACTION, slice_of(f->action_word != NULL ? f->action_word : word_of(f->action)));
    fact_add(facts, FACT_REPORT_STATUS, status_of(f));
    fact_add(facts, FACT_REPORT_DIAGNOSTIC, buf_slice(&diagnostic));
    fact_add(facts, FACT_REPORT_HOST, f->host);
    if (!slice_equal_nocase(f->refused_by, f->host))
        fact_add(facts, FACT_REPORT_REFUSED_BY, f->refused_by);
    fact_add(facts, FACT_REPORT_RECIPIENT, f->recipient);
    buf_fini(&diagnostic);
}

uint32_t
report_judge(const struct seen *s, struct buf *facts)
{
    bool               from_system = seen_from_mail_system(s);
    bool               by_fields = s->stated == STATED_DELIVERY ||
                                   (s->has_status_part && (s->stated == STATED_UNTYPED || from_system));
    struct findings    f = { .form = "rfc3464" };
    struct report_text text;
    struct slice       from;

    if (!by_fields && !from_system)
        return 0;
    if (s->has_status_part)
        take_fields(&s->report, &f);
    if (report_text_read(own_text_said(&s->text), &text)) {
        if (!s->has_status_part)
            f.form = text.form;
        take_text(&text, &f);
    } else if (!by_fields && !take_subject(s, &f) && !take_unknown(s, &f)) {
        return 0;
    }
    fill(&f.recipient, words_address(kept_find(&s->header, KEPT_X_FAILED_RECIPIENTS), NULL));
    from = words_address_of(kept_find(&s->header, KEPT_FROM));
    fill(&f.host, slice_sub(from, slice_find(from, '@') + 1, from.len));
    add_facts(&f, facts);
    return trait_of(f.action);
}
