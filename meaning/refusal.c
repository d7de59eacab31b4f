/*
 * refusal - known refusals in words, as a table: the first row that fits counts, so what is special stands before what is common.
 */
#include "lib/error.h"
#include "meaning/meaning.h"
#include "meaning/words.h"

/* What several rows say. */
#define NO_FORWARDING \
    "The organization forbids automatic forwarding to other domains. In Microsoft 365, an administrator must allow it " \
    "for this mailbox in the outbound spam policy."
#define SPF_FAILED \
    "SPF does not pass: the host that sent it last is not in the SPF record of the reverse-path's domain. Forwarding " \
    "without rewriting the reverse-path (SRS) does that."
#define LOOP \
    "The mail went in a loop, or over too many hosts. Look at the hops for the hosts that repeat."
#define FULL \
    "The mailbox is full. Its owner must make room; then test mail gets through again."
#define OVER_QUOTA \
    "The mailbox, or its system, is over its quota. Its owner must make room."
#define NO_MAILBOX \
    "There is no such mailbox. Check the address that the test mail is sent to, and the target of the forwarding."
#define PUT_OFF \
    "The receiver puts off unknown senders (greylisting): the sender must try again after some minutes, and then it " \
    "is accepted."
#define NO_RELAYING \
    "The server does not take mail for this domain from this host: the domain is not set up there, or the sender did " \
    "not log in."
#define LISTED \
    "The sending host's address or domain is on a block list. The diagnostic text names it; mend the cause, and ask " \
    "for removal there."
#define NO_NAME \
    "The receiver wants the sending host's address to have a name in the DNS (PTR) that points back to it."

static const struct refusal {
    const char *status;     /* enhanced status code; "x" for its class: any; its begin with a dot at the end; NULL: any at all */
    const char *said;       /* stands in the diagnostic text, without case; NULL: anything */
    const char *words;
} refusals[] = {
    /* Microsoft 365 and Exchange. */
    { "5.7.520", NULL,
      "The organization's outbound spam policy forbids automatic forwarding to other domains, which is Microsoft 365's "
      "default. An administrator must allow it for this mailbox: Defender portal, anti-spam policies, outbound policy, "
      "automatic forwarding rules On." },
    { NULL, "does not allow external forwarding", NO_FORWARDING },
    { NULL, "administrator has disabled external forwarding", NO_FORWARDING },
    { "5.7.509", NULL,
      "The sender's domain publishes a DMARC policy of reject, and the mail did not pass it. After forwarding, only a "
      "DKIM signature that survived can pass: send test mail with one, and let nothing on the way change the mail." },
    { "x.7.26", NULL,
      "The receiver (Gmail uses this code) wants SPF or DKIM to pass for the sender's domain. Forwarding breaks SPF: "
      "sign the test mail with DKIM, or have the forwarder rewrite the reverse-path (SRS) or add ARC." },
    { "x.7.27", NULL,
      "The receiver (Gmail) found that SPF does not pass. The host that sent it last is not in the SPF record of the "
      "reverse-path's domain; forwarding without SRS does that." },
    { "x.7.30", NULL,
      "The receiver (Gmail) found that DKIM does not pass: the signature is missing, or something on the way changed "
      "the mail." },
    { "x.7.32", NULL,
      "The receiver (Gmail) found that the domain of the From field is neither the one that SPF passed for nor the DKIM "
      "signer's." },
    { "x.7.40", NULL, "The receiver (Gmail) wants the sender's domain to publish a DMARC record." },
    { "5.7.23", NULL, SPF_FAILED },
    { "5.7.515", NULL,
      "The receiver (Outlook.com) wants SPF, DKIM and DMARC to pass for senders of much mail; they did not." },
    { "5.7.57", NULL,
      "The server wants the sender to log in before it passes mail on: the sender's SMTP settings lack a user and "
      "password." },
    { "5.7.64", NULL,
      "Exchange Online takes the mail for one to be relayed and does not know the host that sends: the inbound "
      "connector's address or certificate does not fit." },
    { "5.7.124", NULL, "The recipient is a group that takes mail of allowed senders only: allow the test mail's sender." },
    { "5.7.133", NULL,
      "The recipient is a group that takes mail from inside its organization only: an administrator must allow outside "
      "senders." },
    { "5.7.134", NULL,
      "The recipient's mailbox takes mail from inside its organization only: an administrator must allow outside "
      "senders." },
    { "5.7.136", NULL,
      "The recipient takes mail of authenticated senders only: an administrator must allow outside senders." },
    { "5.7.128", NULL,
      "A mail flow rule passed the mail on too often, so Exchange takes it for a loop: look for rules that redirect to "
      "each other." },
    { NULL, "TRANSPORT.RULES.RejectMessage",
      "A mail flow rule of Exchange refused the mail. Ask the administrator of the organization for the rule." },
    { "5.7.606", NULL, "Microsoft 365 blocks the sending host's address. It can be delisted at sender.office.com." },
    { "5.7.511", NULL,
      "Microsoft 365 blocks the sender. The diagnostic text names the address to which to write for removal." },
    { "5.7.705", NULL,
      "Microsoft 365 blocks the whole organization for having sent suspicious mail; its administrator must contact "
      "Microsoft." },
    { "5.7.750", NULL, "Microsoft 365 refuses mail from a domain that is not registered in the organization." },
    { "5.1.8", NULL,
      "Microsoft 365 blocked the sending account for having sent spam; an administrator can unblock it as a restricted "
      "user." },
    { "5.4.1", "Recipient address rejected",
      "The recipient's domain knows no such address (Microsoft 365 refuses it at the edge). Check the spelling of the "
      "address that the test mail is sent to." },
    { "5.4.1", "Relay Access Denied",
      "The domain's mail exchanger does not take mail for this domain: its MX record points to the wrong system, or the "
      "domain is not set up there." },
    { NULL, "Hop count exceeded",
      "The mail went in a loop: two forwardings point to each other. Look at the hops for the hosts that repeat." },
    { "5.4.6", NULL,
      "The mail went in a loop: two forwardings or MX records point to each other. Look for a forwarding back to its "
      "origin." },
    { "5.4.14", NULL,
      "The mail went in a loop: two forwardings or connectors point to each other. Look at the hops for the hosts that "
      "repeat." },
    { NULL, "too many hops", LOOP },
    { NULL, "mail forwarding loop",
      "The mail went in a loop: the host saw its own Delivered-To field. Look for a forwarding back to its origin." },
    { NULL, "loops back to myself", "The MX record points to a host that does not know that the domain is its own." },
    { NULL, "maximum hop count", LOOP },
    /* Mailboxes. */
    { "x.2.2", NULL, FULL },
    { NULL, "mailbox full", FULL },
    { NULL, "mailbox is full", FULL },
    { NULL, "over quota", OVER_QUOTA },
    { NULL, "quota exceeded", OVER_QUOTA },
    { NULL, "exceeded storage", FULL },
    { "5.2.1", NULL, "The mailbox exists but is disabled, or takes no mail at present." },
    { "5.2.3", NULL, "The mail is larger than the mailbox takes." },
    { "5.3.4", NULL, "The mail is larger than the system takes: send a smaller test mail, or raise the limit." },
    { "5.1.10", NULL,
      "There is no such recipient in the organization (Exchange). Check the address; a forwarding to an address that "
      "was deleted gives the same." },
    { "5.1.1", NULL, NO_MAILBOX },
    { "5.1.2", NULL, "The recipient's domain does not exist, or takes no mail. Check its spelling and its MX record." },
    { "5.1.3", NULL, "The recipient's address is not well formed." },
    { "5.1.6", NULL, "The mailbox has moved and left no forwarding address." },
    { "5.1.7", NULL, "The sender's address is not well formed, or not accepted." },
    { NULL, "user unknown", NO_MAILBOX },
    { NULL, "unknown user", NO_MAILBOX },
    { NULL, "no such user", NO_MAILBOX },
    { NULL, "not listed in Domino Directory",
      "The Domino directory has no such person. Check the address, and the forwarding address in the person document." },
    { NULL, "mailbox unavailable", "The mailbox does not exist, or takes no mail at present." },
    /* Time. */
    { "x.4.7", NULL,
      "The sending system tried until its time was over: the receiver was out of reach, or put it off each time. See "
      "the diagnostic text for the last try." },
    { NULL, "greylist", PUT_OFF },
    { NULL, "graylist", PUT_OFF },
    { "x.4.316", NULL,
      "The receiving system refused the connection, or did not answer in time. Check its firewall and the connector." },
    { "x.4.300", NULL,
      "The sending system tried until its time was over: the receiver was out of reach, or put it off each time." },
    { "4.4.1", NULL, "The receiving system did not answer. Check that it is up, and reachable on port 25." },
    { "4.4.2", NULL, "The connection to the receiving system broke off during the transfer." },
    { "5.4.4", NULL, "The recipient's domain has no usable MX or address record." },
    { "4.4.3", NULL, "The name service did not answer for the recipient's domain." },
    /* Policy, reputation, relaying. */
    { NULL, "relay access denied",
      "The server does not take mail for this domain from this host: the domain is not set up there, the MX record "
      "points to the wrong system, or the sender did not log in." },
    { NULL, "relaying denied", NO_RELAYING },
    { NULL, "unable to relay", NO_RELAYING },
    { NULL, "relay not permitted", NO_RELAYING },
    { NULL, "not allowed to relay", NO_RELAYING },
    { NULL, "dmarc",
      "The mail did not pass the DMARC policy of the sender's domain. After forwarding, only a DKIM signature that "
      "survived can pass." },
    { NULL, "spamhaus",
      "The sending host's address is on a block list of Spamhaus. Look it up at check.spamhaus.org, mend the cause, and "
      "ask for removal." },
    { NULL, "spamcop",
      "The sending host's address is on SpamCop's block list; entries end by themselves when the reports stop." },
    { NULL, "barracuda",
      "The sending host's address is on Barracuda's reputation list; removal can be asked for at barracudacentral.org." },
    { NULL, "sorbs", "The sending host's address is on a block list." },
    { NULL, "blacklist", LISTED },
    { NULL, "blocklist", LISTED },
    { NULL, "block list", LISTED },
    { NULL, "dnsbl", LISTED },
    { NULL, "poor reputation", "The receiver has seen too much spam from the sending host or domain." },
    { NULL, "spf", SPF_FAILED },
    { NULL, "reverse dns", NO_NAME },
    { NULL, "ptr record", NO_NAME },
    { "x.7.25", NULL, NO_NAME },
    { "4.7.28", NULL, "The receiver (Gmail) slows the sender down for an unusual rate of mail." },
    { "4.7.0", NULL,
      "The receiver puts the mail off for reasons of policy or reputation; the sender tries again by itself." },
    { "5.7.0", NULL, "The receiver refuses the mail for reasons of policy. See its words for what it wants." },
    { NULL, "spam", "The receiver takes the test mail for spam. Have its sender allowed there, or change its text." },
    { NULL, "virus", "The receiver takes the mail for one that carries a virus." },
    { "5.7.10", NULL, "The receiver wants an encrypted connection (TLS), and the sender did not use one." },
    { "5.7.1", NULL,
      "The receiver refuses the mail for reasons of policy: its sender, its host or its content is not allowed there, "
      "or relaying is not. See its words for what it wants." },
    { "5.6.", NULL,
      "The receiver cannot take the mail in the form in which it came, after something on the way changed it." },
    { "5.3.2", NULL, "The receiving system takes no mail at present." },
    { "4.3.2", NULL, "The receiving system takes no mail at present; the sender tries again by itself." },
    { "4.3.1", NULL, "The receiving system is short of disk or memory." },
};

static bool
fits_status(struct slice status, const char *wanted)
{
    size_t len = wanted == NULL ? 0 : strlen(wanted);

    if (len == 0)
        return true;
    if (wanted[0] == 'x')
        return slice_equal(slice_sub(status, 1, status.len), slice_make(&wanted[1], len - 1));
    return wanted[len - 1] == '.' ? slice_starts(status, wanted) : slice_equal(status, slice_make(wanted, len));
}

const char *
meaning_of_refusal(struct slice status, struct slice diagnostic)
{
    struct slice said = words_status(diagnostic);

    /* "5.0.0" and a reply code alone say less than the words do. */
    if (said.len > 0 && (slice_ends_nocase(status, ".0.0") || words_status(status).len == 0))
        status = said;
    for (size_t i = 0; i < COUNT(refusals); i++)
        if (fits_status(status, refusals[i].status) && (refusals[i].said == NULL || words_has(diagnostic, refusals[i].said)))
            return refusals[i].words;
    return NULL;
}
