/*
 * forward - how the mail was forwarded, from the traces that forwarders leave: fields that they add, the reverse-path that
 * they rewrite, and where the token still stands. A redirect keeps the header of the test mail, and so its Message-ID; a forward
 * is a new mail with the test mail in its text, or attached.
 */
#include "lib/error.h"
#include "meaning/kinds.h"
#include "meaning/subject.h"
#include "meaning/words.h"

enum { EVIDENCE_MAX = 16, EVIDENCE_BYTES = 200 };

/* What a trace speaks for. A weak one counts where nothing else does. */
enum vote { VOTE_NONE, VOTE_REDIRECT_WEAK, VOTE_REDIRECT, VOTE_FORWARD };

struct findings {
    struct buf *facts;
    unsigned    evidence;
    unsigned    votes;          /* bits 1 << enum vote */
};

static const struct trace {
    enum kept_name name;
    enum vote      vote;
} traces[] = {
    { KEPT_RESENT_FROM,             VOTE_REDIRECT      },
    { KEPT_RESENT_SENDER,           VOTE_REDIRECT      },
    { KEPT_RESENT_TO,               VOTE_REDIRECT      },
    { KEPT_RESENT_MESSAGE_ID,       VOTE_REDIRECT      },
    { KEPT_X_FORWARDED_TO,          VOTE_REDIRECT      },
    { KEPT_X_FORWARDED_FOR,         VOTE_REDIRECT      },
    { KEPT_X_FORWARDED_ENCRYPTED,   VOTE_REDIRECT      },
    { KEPT_X_FORWARDED_MESSAGE_ID,  VOTE_FORWARD       },
    { KEPT_X_YAHOO_FORWARDED,       VOTE_REDIRECT      },
    { KEPT_FORWARDING_LOOP,         VOTE_REDIRECT      },
    { KEPT_TRANSPORT_RULES_LOOP,    VOTE_REDIRECT      },
    { KEPT_INBOX_RULES_LOOP,        VOTE_REDIRECT_WEAK },   /* on what inbox rules forward, too */
    { KEPT_GENERATED_SOURCE,        VOTE_REDIRECT_WEAK },
    { KEPT_AUTO_FORWARDED,          VOTE_REDIRECT_WEAK },
    { KEPT_PARENT_MESSAGE_ID,       VOTE_NONE          },
    { KEPT_ORGANIZATION_AUTH_AS,    VOTE_NONE          },   /* Exchange had it; no more is said */
    { KEPT_CROSS_TENANT_AUTH_AS,    VOTE_NONE          },
    { KEPT_X_SIEVE_REDIRECTED_FROM, VOTE_REDIRECT      },
    { KEPT_X_SIEVE,                 VOTE_REDIRECT_WEAK },
    { KEPT_X_ORIGINAL_TO,           VOTE_REDIRECT_WEAK },
    { KEPT_X_GM_ORIGINAL_TO,        VOTE_REDIRECT_WEAK },
    { KEPT_DELIVERED_TO,            VOTE_REDIRECT_WEAK },   /* it was in a mailbox before it came here */
    { KEPT_X_DELIVERED_TO,          VOTE_REDIRECT_WEAK },
    { KEPT_ENVELOPE_TO,             VOTE_REDIRECT_WEAK },
    { KEPT_X_LOOP,                  VOTE_REDIRECT_WEAK },
    { KEPT_X_ORIGINAL_SENDER,       VOTE_REDIRECT      },   /* lists that rewrite the From field */
    { KEPT_X_ORIGINAL_FROM,         VOTE_REDIRECT      },
    { KEPT_X_GOOGLE_ORIGINAL_FROM,  VOTE_REDIRECT      },
    { KEPT_X_GOOGLE_GROUP_ID,       VOTE_REDIRECT      },
    { KEPT_LIST_ID,                 VOTE_REDIRECT      },
    { KEPT_LIST_POST,               VOTE_REDIRECT_WEAK },
    { KEPT_MAILING_LIST,            VOTE_REDIRECT      },
    { KEPT_X_BEEN_THERE,            VOTE_REDIRECT      },
};

static void
add_evidence(struct findings *f, enum vote vote, const char *name, struct slice value)
{
    struct buf text;

    f->votes |= 1u << vote;
    if (f->evidence == EVIDENCE_MAX)
        return;
    buf_init(&text, EVIDENCE_BYTES);
    buf_append_string(&text, name);
    if (value.len > 0)
        buf_append_string(&text, ": ");
    buf_append_slice(&text, slice_sub(value, 0, EVIDENCE_BYTES - text.len));
    f->evidence += fact_add(f->facts, FACT_FORWARD_EVIDENCE, buf_slice(&text));
    buf_fini(&text);
}

static void
add_traces(const struct kept *header, struct findings *f)
{
    for (size_t i = 0; i < COUNT(traces); i++) {
        struct slice value;
        unsigned     at = 0;

        while (kept_next(header, traces[i].name, &at, &value))
            add_evidence(f, traces[i].vote, kept_name_text(traces[i].name), value);
    }
}

/* The forms in which forwarders write the former sender, or the forwarding itself, into the reverse-path. */
static void
add_reverse_path(const struct seen *s, struct findings *f)
{
    static const struct {
        const char *name, *begins, *within;
    } forms[] = {
        { "reverse-path of a Gmail forwarding (caf_)",      NULL,     "+caf_=" },
        { "reverse-path rewritten by SRS",                  "SRS0=",  NULL     },
        { "reverse-path rewritten by SRS",                  "SRS0+",  NULL     },
        { "reverse-path rewritten by SRS",                  "SRS0-",  NULL     },
        { "reverse-path rewritten by SRS, again",           "SRS1=",  NULL     },
        { "reverse-path rewritten by SRS, again",           "SRS1+",  NULL     },
        { "reverse-path rewritten by SRS, again",           "SRS1-",  NULL     },
        { "reverse-path rewritten by SRS (Exchange Online)", NULL,    "+SRS="  },
    };
    struct slice path = buf_slice(&s->reverse_path);

    if (!s->has_reverse_path)
        path = words_address_of(kept_find(&s->header, KEPT_RETURN_PATH));
    for (size_t i = 0; i < COUNT(forms); i++) {
        if ((forms[i].begins != NULL && slice_starts_nocase(path, forms[i].begins)) ||
            (forms[i].within != NULL && words_has(path, forms[i].within))) {
            add_evidence(f, VOTE_REDIRECT, forms[i].name, path);
            return;
        }
    }
}

/* The recipients that the hosts on the way noted, and ours, where there was more than one: oldest first, as the mail went. */
static void
add_recipients(const struct seen *s, struct findings *f)
{
    struct slice seen[4], value;
    struct buf   text;
    unsigned     at = 0;
    size_t       count = 0;

    if (s->recipient.len > 0)
        seen[count++] = buf_slice(&s->recipient);
    while (count < COUNT(seen) && kept_next(&s->header, KEPT_RECEIVED_FOR, &at, &value))
        if (count == 0 || !slice_equal_nocase(value, seen[count - 1]))
            seen[count++] = value;
    if (count < 2)
        return;
    buf_init(&text, EVIDENCE_BYTES);
    for (size_t i = count; i-- > 0;) {
        buf_append_slice(&text, seen[i]);
        if (i > 0)
            buf_append_string(&text, ", then ");
    }
    add_evidence(f, VOTE_REDIRECT_WEAK, "Received for", buf_slice(&text));
    buf_fini(&text);
}

/* What mail programs write in front of a mail that they forward in the text. */
static void
add_wording(const struct seen *s, struct findings *f)
{
    static const char *const wordings[] = { "Forwarded message", "Begin forwarded message", "Weitergeleitete Nachricht",
                                            "Message transf\xc3\xa9r\xc3\xa9", "Mensaje reenviado", "Messaggio inoltrato",
                                            "Doorgestuurd bericht", "Mensagem encaminhada" };
    struct slice text = own_text_said(&s->text);

    /* Only where it can matter: nearly every test mail is redirected, and is not read for it. */
    if (s->places == 0 || (s->places & (PLACE_MESSAGE_ID | PLACE_OWN_HEADER)) != 0)
        return;
    for (size_t i = 0; i < COUNT(wordings); i++) {
        if (words_has(text, wordings[i])) {
            add_evidence(f, VOTE_FORWARD, "in the text", slice_of(wordings[i]));
            return;
        }
    }
}

static void
add_arc(const struct claims *c, struct findings *f)
{
    struct buf text;

    if (c->arc_count == 0)
        return;
    buf_init(&text, EVIDENCE_BYTES);
    buf_printf(&text, "%u set%s", c->arc_count, c->arc_count == 1 ? "" : "s");
    if (c->arc[0].sealer[0] != '\0')
        buf_printf(&text, ", sealed by %s", c->arc[0].sealer);
    add_evidence(f, VOTE_NONE, "ARC", buf_slice(&text));
    buf_fini(&text);
}

/* NULL: not known. */
static const char *
way_of(const struct seen *s, bool forward_subject, unsigned votes)
{
    bool redirected = (votes & (1u << VOTE_REDIRECT | 1u << VOTE_REDIRECT_WEAK)) != 0;

    if ((s->places & (PLACE_MESSAGE_ID | PLACE_OWN_HEADER)) != 0)
        return redirected ? "redirect" : "direct";
    if ((s->places & PLACE_ATTACHED) != 0)
        return "attachment";
    if ((s->places & (PLACE_TEXT | PLACE_HTML | PLACE_SUBJECT)) != 0 && (forward_subject || (votes & 1u << VOTE_FORWARD) != 0))
        return "inline";
    return (votes & 1u << VOTE_REDIRECT) != 0 && s->places != 0 ? "redirect" : NULL;
}

void
forward_judge(const struct seen *s, bool is_arrival, struct buf *facts)
{
    struct findings     f = { .facts = facts };
    struct slice        prefix;
    enum subject_prefix kind = subject_prefix_of(kept_find(&s->header, KEPT_SUBJECT), &prefix);
    const char         *way;

    if ((s->places & PLACE_ATTACHED) != 0)
        add_evidence(&f, VOTE_NONE, "the token stands in an attached message", slice_make("", 0));
    if (kind == SUBJECT_FORWARD || kind == SUBJECT_EITHER)
        add_evidence(&f, VOTE_NONE, "Subject", prefix);
    add_reverse_path(s, &f);
    add_traces(&s->header, &f);
    add_recipients(s, &f);
    add_wording(s, &f);
    add_arc(&s->claims, &f);
    way = is_arrival ? way_of(s, kind == SUBJECT_FORWARD || kind == SUBJECT_EITHER, f.votes) : NULL;
    if (way != NULL)
        fact_add(facts, FACT_FORWARD_WAY, slice_of(way));
}
