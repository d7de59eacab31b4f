#include "tests/unit/unit.h"

#include "meaning/meaning.h"

static const struct {
    const char *status, *said, *wanted;     /* wanted stands in the words; NULL: nothing is known */
} cases[] = {
    { "5.7.520", "550 5.7.520 Access denied, Your organization does not allow external forwarding. AS(7555)", "outbound spam policy" },
    { "5.7.1", "Your administrator has disabled external forwarding", "outbound spam policy" },
    { "5.7.26", "550-5.7.26 This mail has been blocked because the sender is unauthenticated.", "SRS" },
    { "5.7.509", "Access denied, sending domain checker.example does not pass DMARC verification", "DMARC policy of reject" },
    { "5.7.23", "The message was rejected because of Sender Policy Framework violation", "SPF does not pass" },
    { "5.2.2", "552 5.2.2 Over quota", "mailbox is full" },
    { "", "552 Mailbox full", "mailbox is full" },
    { "550", "552 user is over quota", "over its quota" },
    { "5.1.1", "User unknown", "no such mailbox" },
    { "5.1.10", "RESOLVER.ADR.RecipientNotFound", "no such recipient in the organization" },
    { "550", "550 No such user here", "no such mailbox" },
    { "5.4.6", "Routing loop detected", "loop" },
    { "5.4.14", "Hop count exceeded - possible mail loop ATTR34", "loop" },
    { "5.4.0", "Error: too many hops", "loop" },
    { "5.4.6", "mail forwarding loop for info@customer.test", "loop" },
    { "4.4.7", "Message expired", "until its time was over" },
    { "5.3.4", "552 5.3.4 Message size exceeds fixed limit", "larger than the system takes" },
    { "5.2.3", "Message too large", "larger than the mailbox takes" },
    { "4.7.1", "450 4.7.1 Greylisted, please try again", "greylisting" },
    { "5.7.1", "554 5.7.1 Service unavailable; client [192.0.2.1] blocked using zen.spamhaus.org", "Spamhaus" },
    { "5.7.1", "550 5.7.1 your IP is on our blacklist", "block list" },
    { "5.7.1", "554 5.7.1 <a@b.example>: Relay access denied", "does not take mail for this domain" },
    { "5.7.1", "550 5.7.1 Unable to relay", "does not take mail for this domain" },
    { "5.7.1", "550 5.7.1 TRANSPORT.RULES.RejectMessage; the message was rejected by organization policy", "mail flow rule" },
    { "5.7.1", "550 5.7.1 Message rejected due to policy", "reasons of policy" },
    { "5.4.1", "550 5.4.1 Recipient address rejected: Access denied. AS(201806281)", "knows no such address" },
    { "", "User info (info@customer.test) not listed in Domino Directory", "Domino directory" },
    { "5.0.0", "550 5.7.520 Access denied", "outbound spam policy" },
    { "550", "550 5.2.2 x", "mailbox is full" },
    { "", "", NULL },
    { "5.9.9", "something else", NULL },
    { "5.1.11", "x", NULL },
    { "15.1.1", "x", NULL },
};

static void
known_refusals_are_explained(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *got = meaning_of_refusal(slice_of(cases[i].status), slice_of(cases[i].said));

        if (cases[i].wanted == NULL ? got != NULL : got == NULL || strstr(got, cases[i].wanted) == NULL)
            fail_msg("%s %s: got \"%s\", want \"%s\"", cases[i].status, cases[i].said, got == NULL ? "" : got,
                     cases[i].wanted == NULL ? "" : cases[i].wanted);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_refusals_are_explained),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
