/*
 * checks_route - how a check sends and where it looks for the arrival: the scenarios and strategies as presets, and the settings that go with
 * each way. A setting that has no meaning with the others is an error, so that nobody believes that it does something.
 */
#include "checker/checks_load.h"

#include "lib/error.h"
#include "lib/token.h"

#include <stdio.h>

#define SENDS(way)    (1u << (way))
#define RECEIVES(way) (1u << (way))
#define ANY_SEND      (SENDS(SEND_MX) | SENDS(SEND_HOST) | SENDS(SEND_RELAY) | SENDS(SEND_SENDMAIL) | SENDS(SEND_NONE))
#define ANY_RECEIVE   (RECEIVES(RECEIVE_HOSTED) | RECEIVES(RECEIVE_IMAP) | RECEIVES(RECEIVE_POP3) | RECEIVES(RECEIVE_NONE))
#define ACCOUNT       (RECEIVES(RECEIVE_IMAP) | RECEIVES(RECEIVE_POP3))
#define HOSTED        RECEIVES(RECEIVE_HOSTED)
#define OWN_RELAY     (SENDS(SEND_RELAY) | SENDS(SEND_SENDMAIL))
#define INSIDE        (SENDS(SEND_HOST) | SENDS(SEND_RELAY) | SENDS(SEND_SENDMAIL))
#define OUTSIDE       (SENDS(SEND_MX) | INSIDE)

static const char *const send_words[] = { "mx", "host", "relay", "sendmail", "none", NULL };
static const char *const receive_words[] = { "hosted", "imap", "pop3", "none", NULL };

/* What a preset allows; docs/checker.md has a drawing of each. */
struct preset {
    const char *setting, *name;
    unsigned    sends, receives;
    bool        login;              /* the server wants one */
};

static const struct preset any = { .sends = ANY_SEND, .receives = ANY_RECEIVE };

static const struct preset presets[] = {
    { "scenario", "1", SENDS(SEND_MX) | SENDS(SEND_HOST), ACCOUNT, false },
    { "scenario", "2", SENDS(SEND_MX) | SENDS(SEND_HOST), HOSTED,  false },
    { "scenario", "3", SENDS(SEND_HOST),                  ACCOUNT, true  },
    { "scenario", "4", OWN_RELAY,                         ACCOUNT, false },
    { "scenario", "5", OWN_RELAY,                         HOSTED,  false },

    /* The sending server, the recipient, the receiving server; "internal" is what belongs to the organisation that is monitored. */
    { "strategy", "internal-to-internal",   INSIDE,  ACCOUNT,          false },     /* internal, internal, internal */
    { "strategy", "internal-to-external",   INSIDE,  ACCOUNT | HOSTED, false },     /* internal, external, external */
    { "strategy", "external-to-internal",   OUTSIDE, ACCOUNT,          false },     /* external, internal, internal */
    { "strategy", "internal-out-and-back",  INSIDE,  ACCOUNT,          false },     /* internal, external, internal */
    { "strategy", "internal-forwarded-out", INSIDE,  ACCOUNT | HOSTED, false },     /* internal, internal, external */
    { "strategy", "external-in-and-out",    OUTSIDE, ACCOUNT | HOSTED, false },     /* external, internal, external */
};

static const struct preset *
find_preset(struct loader *l, const char *section, const struct raw_check *raw)
{
    struct given g = raw->strategy != NULL ? GIVEN(section, raw, strategy) : GIVEN(section, raw, scenario);
    char         allowed[300] = "";

    if (g.text == NULL)
        return &any;
    if (raw->scenario != NULL && raw->strategy != NULL)
        load_refuse(l, g, "scenario or strategy, not both");
    for (size_t i = 0; i < COUNT(presets); i++) {
        size_t used = strlen(allowed);
        if (strcmp(presets[i].setting, g.name) != 0)
            continue;
        if (strcmp(presets[i].name, g.text) == 0)
            return &presets[i];
        snprintf(allowed + used, sizeof(allowed) - used, "%s%s", used == 0 ? "" : ", ", presets[i].name);
    }
    load_refuse(l, g, "%s", allowed);
    return &any;
}

/* A word that the preset does not allow. */
static void
refuse_way(struct loader *l, struct given g, const struct preset *preset, const char *const *words, unsigned ways)
{
    char allowed[100] = "";

    for (unsigned i = 0; words[i] != NULL; i++) {
        size_t used = strlen(allowed);
        if (ways & (1u << i))
            snprintf(allowed + used, sizeof(allowed) - used, "%s%s", used == 0 ? "" : " or ", words[i]);
    }
    load_refuse(l, g, "%s with %s: %s", allowed, preset->setting, preset->name);
}

/* What is not said follows from the server: one with a host is sent to, without one it is the MX. */
static enum send_way
usual_send(const struct preset *preset, bool has_host)
{
    if (!has_host && (preset->sends & SENDS(SEND_MX)))
        return SEND_MX;
    return preset->sends & SENDS(SEND_HOST) ? SEND_HOST : SEND_RELAY;
}

/* POP3 by its port; the service's mailbox where no account is named. */
static enum receive_way
usual_receive(const struct preset *preset, const struct raw_check *raw, uint16_t account_port)
{
    if (raw->account == NULL && (preset->receives & HOSTED))
        return RECEIVE_HOSTED;
    if (!(preset->receives & ACCOUNT))
        return RECEIVE_HOSTED;
    return account_port == 110 || account_port == 995 ? RECEIVE_POP3 : RECEIVE_IMAP;
}

/* Settings that go with some ways alone. */
static void
refuse_without(struct loader *l, struct given g, bool goes, const char *with)
{
    if (g.text != NULL && !goes)
        load_refuse(l, g, "with %s", with);
}

static void
load_send(struct loader *l, const char *section, const struct raw_check *raw, const struct preset *preset, struct plan *p)
{
    const struct server_entry *entry = NULL;
    struct token               token;
    unsigned                   way;

    if (raw->server != NULL) {
        entry = load_server(l, GIVEN(section, raw, server), USE_SMTP, &p->server);
        if (entry == NULL)
            return;
    } else {
        p->server.port = 25;
    }
    load_word(l, GIVEN(section, raw, send), send_words, usual_send(preset, p->server.host != NULL), &way);
    p->send = (enum send_way)way;
    if (!(preset->sends & SENDS(way)))
        refuse_way(l, GIVEN(section, raw, send), preset, send_words, preset->sends);
    if (p->send == SEND_MX && p->server.host != NULL)
        load_refuse(l, GIVEN(section, raw, server), "a server without host (its port and TLS) with send: mx, or send: host");
    if ((p->send == SEND_HOST || p->send == SEND_RELAY) && p->server.host == NULL)
        load_fail(l, GIVEN_NONE(section, raw->server != NULL ? "server" : ""), "found without %s, allowed: a server with host for send: %s",
                  raw->server != NULL ? "host" : "server", send_words[p->send]);
    if (preset->login && p->server.auth.mechanism == AUTH_NONE)
        load_fail(l, GIVEN_NONE(section, "server"), "found without auth, allowed: a server with auth for scenario: %s", preset->name);
    refuse_without(l, GIVEN(section, raw, server), p->send <= SEND_RELAY, "send: mx, host or relay");
    refuse_without(l, GIVEN(section, raw, sendmail), p->send == SEND_SENDMAIL, "send: sendmail");
    refuse_without(l, GIVEN(section, raw, each_mx), p->send == SEND_MX, "send: mx");
    refuse_without(l, GIVEN(section, raw, expect), p->send == SEND_NONE, "send: none");
    refuse_without(l, GIVEN(section, raw, to), p->send != SEND_NONE, "send: mx, host, relay or sendmail");
    load_bool(l, GIVEN(section, raw, each_mx), false, &p->each_mx);
    load_text(l, GIVEN(section, raw, sendmail), TEXT_FILE, "/usr/sbin/sendmail", &p->sendmail);
    load_text(l, GIVEN(section, raw, expect), TEXT_LINE, NULL, &p->expect);
    if (p->expect != NULL && token_decode(slice_of(p->expect), &token) != MT_OK)
        load_refuse(l, GIVEN(section, raw, expect), "a token; without expect any genuine one counts");
    load_text(l, GIVEN(section, raw, to), TEXT_ADDRESS, NULL, &p->to);
    if (p->send != SEND_NONE && p->to == NULL)
        load_fail(l, GIVEN_NONE(section, ""), "found without to, allowed: the address that the test mail goes to");
}

static void
load_receive(struct loader *l, const char *section, const struct raw_check *raw, const struct preset *preset, struct plan *p)
{
    unsigned way;
    bool     has_account;

    if (raw->account != NULL && load_server(l, GIVEN(section, raw, account), USE_IMAP, &p->account) == NULL)
        return;
    load_word(l, GIVEN(section, raw, receive), receive_words, usual_receive(preset, raw, p->account.port), &way);
    p->receive = (enum receive_way)way;
    if (!(preset->receives & RECEIVES(way)))
        refuse_way(l, GIVEN(section, raw, receive), preset, receive_words, preset->receives);
    has_account = p->receive == RECEIVE_IMAP || p->receive == RECEIVE_POP3;
    if (p->receive == RECEIVE_POP3 && raw->account != NULL)
        load_server(l, GIVEN(section, raw, account), USE_POP3, &p->account);
    refuse_without(l, GIVEN(section, raw, account), has_account, "receive: imap or pop3");
    if (has_account && raw->account == NULL)
        load_fail(l, GIVEN_NONE(section, ""), "found without account, allowed: the name of a server with auth for receive: %s",
                  receive_words[p->receive]);
    else if (has_account && (p->account.host == NULL || p->account.auth.mechanism == AUTH_NONE))
        load_fail(l, GIVEN_NONE(section, "account"), "found without %s, allowed: the name of a server with host and auth",
                  p->account.host == NULL ? "host" : "auth");
    refuse_without(l, GIVEN(section, raw, folder), p->receive == RECEIVE_IMAP, "receive: imap");
    refuse_without(l, GIVEN(section, raw, junk_folder), p->receive == RECEIVE_IMAP, "receive: imap");
    refuse_without(l, GIVEN(section, raw, poll_gap), has_account, "receive: imap or pop3");
    load_text(l, GIVEN(section, raw, folder), TEXT_LINE, "INBOX", &p->folder);
    load_text(l, GIVEN(section, raw, junk_folder), TEXT_LINE_OR_NONE, NULL, &p->junk_folder);
    load_text(l, GIVEN(section, raw, mailbox), TEXT_MAILBOX, NULL, &p->mailbox);
    if (p->receive == RECEIVE_HOSTED && p->mailbox == NULL)
        load_fail(l, GIVEN_NONE(section, ""), "found without mailbox, allowed: the service's mailbox for receive: hosted, or an account");
    if (p->mailbox != NULL && l->out->api_url == NULL)
        load_refuse(l, GIVEN(section, raw, mailbox), "with api.url, the address of the service");
}

void
load_route(struct loader *l, const char *section, struct raw_check *raw, struct check *check)
{
    struct plan         *p = &check->plan;
    const struct preset *preset = find_preset(l, section, raw);

    check->strategy = raw->strategy;
    if (raw->scenario != NULL)
        p->scenario = (unsigned)(raw->scenario[0] - '0');
    load_send(l, section, raw, preset, p);
    load_receive(l, section, raw, preset, p);
    if (p->send == SEND_NONE && p->receive != RECEIVE_HOSTED)
        load_refuse(l, GIVEN(section, raw, send), "mx, host, relay or sendmail with receive: %s", receive_words[p->receive]);
}
