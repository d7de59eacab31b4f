/*
 * confirmation - the mails in which a provider asks whether mail may be forwarded to this address. Gmail's are told by their
 * sender or by their link, since a customer's brand may stand in the place of the name; those of others by a service
 * address of the provider and by words for forwarding and confirming in many languages. What has both words in the subject and comes
 * from elsewhere only pretends to be one, for all that can be known: its provider is "not recognised". A link counts when it stands on one of the provider's own hosts; it is passed on exactly as it stands.
 */
#include "lib/error.h"
#include "meaning/kinds.h"
#include "meaning/link.h"
#include "meaning/words.h"

enum { DOMAINS = 8, ADDRESS_BYTES = 254, PROVIDER_BYTES = 2 * FACT_TEXT_BYTES, CODE_MIN = 4, CODE_MAX = 16, CODE_WITHIN = 64, CODE_TRIES = 8, WORDED_BYTES = 4096 };

static const struct provider {
    const char *name;
    const char *domains[DOMAINS];       /* of its service addresses and of its links */
} providers[] = {
    { "Outlook.com",      { "outlook.com", "microsoft.com", "live.com", "hotmail.com", "office.com", "office365.com" } },
    { "Yahoo",            { "yahoo.com", "yahoo-inc.com", "yahooinc.com" } },
    { "AOL",              { "aol.com" } },
    { "Zoho",             { "zoho.com", "zohomail.com", "zohocorp.com", "zoho.eu", "zohomail.eu", "zoho.in", "zohomail.in",
                            "zoho.com.au" } },
    { "Fastmail",         { "fastmail.com", "fastmail.fm", "fastmailteam.com", "messagingengine.com" } },
    { "iCloud",           { "icloud.com", "apple.com", "me.com" } },
    { "Yandex",           { "yandex.ru", "yandex.com", "yandex.net", "yandex-team.ru", "ya.ru" } },
    { "Mail.ru",          { "mail.ru", "vk.com" } },
    { "GMX",              { "gmx.net", "gmx.de", "gmx.com", "gmx.at", "gmx.ch" } },
    { "WEB.DE",           { "web.de" } },
    { "Proton",           { "proton.me", "protonmail.com", "protonmail.ch" } },
    { "mailbox.org",      { "mailbox.org" } },
    { "T-Online",         { "t-online.de", "telekom.de" } },
    { "Cloudflare",       { "cloudflare.com" } },
    { "ImprovMX",         { "improvmx.com" } },
    { "Forward Email",    { "forwardemail.net" } },
    { "SimpleLogin",      { "simplelogin.io", "simplelogin.co" } },
    { "addy.io",          { "addy.io", "anonaddy.com" } },
};

/* Begins of words, since languages bend them. */
static const char *const forwarding_words[] = {
    "forward", "email routing", "redirect", "redirec", "weiterleit", "umleit", "transfert", "réexpédi", "reenv", "encaminha",
    "inoltr",
    "doorstur", "doorgestuur", "przekaz", "przekierow", "přepos", "přesměr", "vidarebefordr", "videresend", "edelleenläh",
    "yönlendir", "továbbít", "пересыл", "Пересыл", "переадрес", "Переадрес", "転送", "转发", "轉寄", "전달",
};

static const char *const confirming_words[] = {
    "confirm", "verif", "vérif", "approve", "accept", "authoriz", "autoris", "bestätig", "zustimm", "conferm", "bevestig",
    "potwierd", "potvr", "ověř", "bekräft", "bekræft", "bekreft", "vahvist", "onay", "doğrula", "megerős", "подтвер", "Подтвер",
    "確認", "确认", "验证", "驗證", "확인",
};

struct findings {
    struct buf   provider;
    struct slice code, link, for_;
    struct slice strange_host;      /* of a link that looks like the one, on a host that is not the provider's */
};

static bool
has_any(struct slice text, const char *const words[], size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (words_has(text, words[i]))
            return true;
    return false;
}

static bool
is_about(struct slice text)
{
    return has_any(text, forwarding_words, COUNT(forwarding_words)) && has_any(text, confirming_words, COUNT(confirming_words));
}

/* One of the two. */
static bool
is_half_about(struct slice text)
{
    return has_any(text, forwarding_words, COUNT(forwarding_words)) || has_any(text, confirming_words, COUNT(confirming_words));
}

/* ---- Codes ------------------------------------------------------------------------------------------------------ */

static bool
is_code_char(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
}

/* The first word with a digit in it, of a code's length, close to the beginning of text and not in a link. */
static struct slice
code_near(struct slice text)
{
    size_t len;

    text = slice_sub(text, 0, CODE_WITHIN + CODE_MAX);
    for (size_t at = 0; at < text.len && at < CODE_WITHIN; at += len > 0 ? len : 1) {
        bool digit = false;

        if (slice_starts(slice_sub(text, at, text.len), "://"))
            break;
        for (len = 0; at + len < text.len && is_code_char(text.data[at + len]); len++)
            digit = digit || (text.data[at + len] >= '0' && text.data[at + len] <= '9');
        if (digit && len >= CODE_MIN && len <= CODE_MAX)
            return slice_sub(text, at, len);
    }
    return slice_make("", 0);
}

static struct slice
code_in(struct slice text)
{
    static const char *const words[] = { "code", "código", "codice", "kod", "kód", "код", "Код", "コード", "代码", "验证码", "코드" };

    for (size_t i = 0; i < COUNT(words); i++) {
        struct slice rest = words_after(text, words[i]);

        for (unsigned tries = 0; tries < CODE_TRIES && rest.data != NULL; tries++) {
            struct slice code = code_near(rest);

            if (code.len > 0)
                return code;
            rest = words_after(rest, words[i]);
        }
    }
    return slice_make("", 0);
}

/* "(#123456789) Gmail Forwarding Confirmation": Gmail, whatever its name there. */
static struct slice
subject_code(struct slice subject)
{
    size_t len = 0;

    if (!slice_starts(subject, "(#"))
        return slice_make("", 0);
    subject = slice_sub(subject, 2, subject.len);
    while (len < subject.len && subject.data[len] >= '0' && subject.data[len] <= '9')
        len++;
    if (len < CODE_MIN || len > CODE_MAX || len == subject.len || subject.data[len] != ')')
        len = 0;
    return slice_sub(subject, 0, len);
}

/* ---- Links ------------------------------------------------------------------------------------------------------ */

static bool
is_confirming(const struct link *l)
{
    static const char *const no[] = { "/uf-", "cancel", "reject", "deny", "decline", "unsubscribe", "help", "support", "privacy",
                                      "terms" };
    static const char *const yes[] = { "confirm", "verif", "valid", "forward", "fwd", "activ", "accept", "approv", "consent",
                                       "redirect", "weiterleit", "token=", "code=", "key=" };

    return !has_any(l->whole, no, COUNT(no)) && has_any(l->path, yes, COUNT(yes));
}

/* It leads where it says: out of no folder again, and not on to somewhere else, as a redirector would. */
static bool
is_straight(const struct link *l)
{
    static const char *const crooked[] = { "..", "//", "\\", "%2e", "%2f", "%5c", "%25", "http:", "https:", "%3a" };

    return !has_any(l->path, crooked, COUNT(crooked));
}

static bool
is_gmail_link(const struct link *l)
{
    struct slice rest = slice_sub(l->path, strlen("/mail/vf-"), l->path.len);

    return slice_starts(l->path, "/mail/vf-") && is_straight(l) && slice_find(rest, '/') == rest.len && (slice_equal_nocase(l->host, slice_of("mail-settings.google.com")) ||
                                                  slice_equal_nocase(l->host, slice_of("mail.google.com")));
}

/* domains NULL: Gmail's link. The first that fits; one that would be cut is left out, since it has to be exact. */
static void
find_link(struct slice text, const char *const domains[], size_t count, struct findings *f)
{
    struct link l;

    while (f->link.len == 0 && link_next(&text, &l)) {
        bool own = domains == NULL && is_gmail_link(&l);

        for (size_t i = 0; domains != NULL && i < count && domains[i] != NULL; i++)
            own = own || (link_is_at(&l, domains[i]) && is_confirming(&l) && is_straight(&l));
        if (own && l.whole.len <= FACT_TEXT_BYTES)
            f->link = l.whole;
        else if (!own && f->strange_host.len == 0 && (slice_starts(l.path, "/mail/vf-") || is_confirming(&l)))
            f->strange_host = l.host;
    }
}

static void
find_links(const struct seen *s, const char *const domains[], size_t count, struct findings *f)
{
    find_link(buf_slice(&s->text.plain), domains, count, f);
    find_link(buf_slice(&s->text.html), domains, count, f);
}

/* ---- Providers -------------------------------------------------------------------------------------------------- */

static bool
is_service_address(struct slice address)
{
    static const char *const locals[] = { "noreply", "no-reply", "no_reply", "donotreply", "do-not-reply", "postmaster",
                                          "mailer-daemon", "system", "notif", "service", "support", "security", "account",
                                          "forward", "weiterleitung", "verif", "confirm", "hello", "devnull" };

    return has_any(slice_sub(address, 0, slice_find(address, '@')), locals, COUNT(locals));
}

/* The address that wants to forward: the subject's, or the first in the text that is neither the sender's nor ours. */
static struct slice
find_for(const struct seen *s)
{
    struct slice found = words_address(kept_find(&s->header, KEPT_SUBJECT), NULL), rest = own_text_said(&s->text);
    struct slice from = words_address_of(kept_find(&s->header, KEPT_FROM)), to = words_address_of(kept_find(&s->header, KEPT_TO));

    while (found.len == 0 || slice_equal_nocase(found, to) || slice_equal_nocase(found, from)) {
        found = words_address(rest, &rest);
        if (found.len == 0)
            break;
    }
    return found;
}

static bool
judge_gmail(const struct seen *s, struct slice subject, struct slice from, struct findings *f)
{
    find_links(s, NULL, 0, f);
    if (f->link.len == 0 && !slice_equal_nocase(from, slice_of("forwarding-noreply@google.com")) &&
        !slice_equal_nocase(from, slice_of("forwarding-noreply@googlemail.com")))
        return false;
    buf_append_string(&f->provider, "Gmail");
    f->code = subject_code(subject);
    return true;
}

static bool
judge_known(const struct seen *s, struct slice subject, struct slice from, struct findings *f)
{
    const struct provider *p = NULL;
    struct slice           text = slice_sub(own_text_said(&s->text), 0, WORDED_BYTES);

    for (size_t i = 0; i < COUNT(providers) && p == NULL; i++)
        for (size_t k = 0; k < DOMAINS && providers[i].domains[k] != NULL; k++)
            if (words_domain_is(from, providers[i].domains[k]))
                p = &providers[i];
    if (p == NULL || !is_service_address(from) || !(is_about(subject) || (is_half_about(subject) && is_about(text))))
        return false;
    buf_append_string(&f->provider, p->name);
    f->strange_host = slice_make("", 0);
    find_links(s, p->domains, DOMAINS, f);
    return true;
}

/* A system that is not known here asks in its subject. It may not pass for one that is known. */
static bool
judge_unknown(const struct seen *s, struct slice subject, struct slice from, struct findings *f)
{
    const char  *domains[1];
    char         domain[256];
    struct slice sender = kept_find(&s->header, KEPT_FROM);
    const char  *looks_like = NULL;

    if (words_has(subject, "Gmail") || words_has(sender, "Gmail") || words_has(sender, "Google"))
        looks_like = "Gmail";
    if ((s->places & ~(uint32_t)PLACE_RECIPIENT) != 0 || !is_about(subject) || from.len == 0)
        return false;
    for (size_t i = 0; i < COUNT(providers) && looks_like == NULL; i++)
        if (words_has(subject, providers[i].name) || words_has(sender, providers[i].name))
            looks_like = providers[i].name;
    f->strange_host = slice_make("", 0);
    slice_copy(domain, sizeof(domain), slice_sub(from, slice_find(from, '@') + 1, from.len));
    domains[0] = domain;
    if (looks_like != NULL)
        domains[0] = NULL;
    find_links(s, domains, 1, f);
    from = slice_sub(from, 0, ADDRESS_BYTES);
    if (looks_like != NULL)
        buf_printf(&f->provider, FACT_NOT_RECOGNISED "it calls itself %s, but comes from %.*s", looks_like, (int)from.len, from.data);
    else
        buf_printf(&f->provider, FACT_NOT_RECOGNISED "it comes from %.*s", (int)from.len, from.data);
    return f->link.len > 0 || f->strange_host.len > 0 || code_in(own_text_said(&s->text)).len > 0;
}

/* Whoever asks has a link that leads elsewhere: then a known sender, which anybody can write, is not believed either. */
static void
name_strange_host(struct slice from, struct findings *f)
{
    struct slice host = slice_sub(f->strange_host, 0, ADDRESS_BYTES);

    from = slice_sub(from, 0, ADDRESS_BYTES);
    if (!slice_starts(buf_slice(&f->provider), FACT_NOT_RECOGNISED)) {
        buf_clear(&f->provider);
        buf_printf(&f->provider, FACT_NOT_RECOGNISED "it says that it comes from %.*s, but", (int)from.len, from.data);
    } else {
        buf_append_string(&f->provider, ", and");
    }
    buf_printf(&f->provider, " has a link to %.*s", (int)host.len, host.data);
}

uint32_t
confirmation_judge(const struct seen *s, struct buf *facts)
{
    struct slice    subject = kept_find(&s->header, KEPT_SUBJECT), from = words_address_of(kept_find(&s->header, KEPT_FROM));
    struct findings f = { .strange_host = slice_make("", 0) };
    uint32_t        traits = 0;

    buf_init(&f.provider, PROVIDER_BYTES);
    if (judge_gmail(s, subject, from, &f) || judge_known(s, subject, from, &f) || judge_unknown(s, subject, from, &f)) {
        if (f.link.len == 0 && f.strange_host.len > 0)
            name_strange_host(from, &f);
        if (f.code.len == 0)
            f.code = code_in(own_text_said(&s->text));
        fact_add(facts, FACT_CONFIRMATION_PROVIDER, buf_slice(&f.provider));
        fact_add(facts, FACT_CONFIRMATION_CODE, f.code);
        fact_add(facts, FACT_CONFIRMATION_LINK, f.link);
        fact_add(facts, FACT_CONFIRMATION_FOR, find_for(s));
        traits = TRAIT_CONFIRMATION;
    }
    buf_fini(&f.provider);
    return traits;
}
