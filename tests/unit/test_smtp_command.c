#include "tests/unit/unit.h"

#include "smtpd/command.h"

static const struct { const char *label, *in, *verb, *args; bool ok; } lines[] = {
    { "verb",                 "QUIT",                "QUIT", "",             true },
    { "argument",             "EHLO a.example",      "EHLO", "a.example",    true },
    { "blanks between",       "EHLO \t  a.example",  "EHLO", "a.example",    true },
    { "blanks at the end",    "EHLO a.example \t ",  "EHLO", "a.example",    true },
    { "blanks within",        "MAIL FROM:<a> X",     "MAIL", "FROM:<a> X",   true },
    { "blank first",          " QUIT",               "",     "QUIT",         true },
    { "empty",                "",                    "",     "",             true },
    { "only blanks",          "   ",                 "",     "",             true },
    { "UTF-8",                "VRFY \xc3\xa4",       "VRFY", "\xc3\xa4",     true },
    { "CR",                   "NO\rOP",              "",     "",             false },
    { "escape",               "NOOP \x1b[2J",        "",     "",             false },
    { "DEL",                  "NOOP \x7f",           "",     "",             false },
};

static void
lines_are_split_into_verb_and_arguments(void **state)
{
    struct slice verb, args;

    (void)state;
    for (size_t i = 0; i < COUNT(lines); i++) {
        if (command_split(slice_of(lines[i].in), &verb, &args) != lines[i].ok)
            fail_msg("%s: control characters", lines[i].label);
        if (!lines[i].ok)
            continue;
        assert_slice(lines[i].label, verb, lines[i].verb);
        assert_slice(lines[i].label, args, lines[i].args);
    }
    assert_false(command_split(slice_make("NO\0OP", 5), &verb, &args));
}

static const struct {
    const char *label, *in;
    enum reply  reply;
    const char *path;       /* or the detail of a refusal */
    uint64_t    size_bytes;
    bool        eight_bit, utf8;
} mails[] = {
    { "null sender",          "FROM:<>",                              REPLY_NONE, "", 0, false, false },
    { "plain",                "FROM:<a@b>",                           REPLY_NONE, "a@b", 0, false, false },
    { "case",                 "from:<a@B>",                           REPLY_NONE, "a@B", 0, false, false },
    { "blanks behind colon",  "FROM: \t<a@b>",                        REPLY_NONE, "a@b", 0, false, false },
    { "all parameters",       "FROM:<a@b> SIZE=12 BODY=8BITMIME SMTPUTF8", REPLY_NONE, "a@b", 12, true, true },
    { "parameters' case",     "FROM:<a@b> size=12 body=8bitmime smtputf8", REPLY_NONE, "a@b", 12, true, true },
    { "more blanks",          "FROM:<a@b>   SIZE=12 \t BODY=7BIT",    REPLY_NONE, "a@b", 12, false, false },
    { "size 0",               "FROM:<a@b> SIZE=0",                    REPLY_NONE, "a@b", 0, false, false },
    { "size of 64 bits",      "FROM:<a@b> SIZE=18446744073709551615", REPLY_NONE, "a@b", UINT64_MAX, false, false },
    { "size over 64 bits",    "FROM:<a@b> SIZE=99999999999999999999", REPLY_NONE, "a@b", UINT64_MAX, false, false },
    { "UTF-8, stated",        "FROM:<\xc3\xa4@b> SMTPUTF8",           REPLY_NONE, "\xc3\xa4@b", 0, false, true },
    { "UTF-8, not stated",    "FROM:<\xc3\xa4@b>",                    REPLY_NEEDS_SMTPUTF8, "", 0, false, false },
    { "no UTF-8, stated",     "FROM:<\xe4@b> SMTPUTF8",               REPLY_NEEDS_SMTPUTF8, "SMTPUTF8", 0, false, false },
    { "nothing",              "",                                     REPLY_BAD_SENDER, "", 0, false, false },
    { "no colon",             "FROM <a@b>",                           REPLY_BAD_SENDER, "", 0, false, false },
    { "TO",                   "TO:<a@b>",                             REPLY_BAD_SENDER, "", 0, false, false },
    { "no brackets",          "FROM:a@b",                             REPLY_BAD_SENDER, "", 0, false, false },
    { "parameter set on",     "FROM:<a@b>SIZE=1",                     REPLY_BAD_SENDER, "", 0, false, false },
    { "size of 21 digits",    "FROM:<a@b> SIZE=000000000000000000001", REPLY_BAD_PARAMETER, "SIZE", 0, false, false },
    { "size without value",   "FROM:<a@b> SIZE",                      REPLY_BAD_PARAMETER, "SIZE", 0, false, false },
    { "empty size",           "FROM:<a@b> SIZE=",                     REPLY_BAD_PARAMETER, "SIZE", 0, false, false },
    { "negative size",        "FROM:<a@b> SIZE=-1",                   REPLY_BAD_PARAMETER, "SIZE", 0, false, false },
    { "size twice",           "FROM:<a@b> SIZE=1 SIZE=1",             REPLY_BAD_PARAMETER, "SIZE", 0, false, false },
    { "unknown body",         "FROM:<a@b> BODY=9BIT",                 REPLY_BAD_PARAMETER, "BODY", 0, false, false },
    { "body twice",           "FROM:<a@b> BODY=7BIT BODY=7BIT",       REPLY_BAD_PARAMETER, "BODY", 0, false, false },
    { "SMTPUTF8 with value",  "FROM:<a@b> SMTPUTF8=1",                REPLY_BAD_PARAMETER, "SMTPUTF8", 0, false, false },
    { "SMTPUTF8 twice",       "FROM:<a@b> SMTPUTF8 SMTPUTF8",         REPLY_BAD_PARAMETER, "SMTPUTF8", 0, false, false },
    { "BINARYMIME",           "FROM:<a@b> BODY=BINARYMIME",           REPLY_UNKNOWN_PARAMETER, "BODY", 0, false, false },
    { "AUTH",                 "FROM:<a@b> AUTH=<>",                   REPLY_UNKNOWN_PARAMETER, "AUTH", 0, false, false },
    { "DSN",                  "FROM:<a@b> RET=HDRS ENVID=x",          REPLY_UNKNOWN_PARAMETER, "RET", 0, false, false },
    { "only an equals sign",  "FROM:<a@b> =",                         REPLY_UNKNOWN_PARAMETER, "", 0, false, false },
    { "half of a name",       "FROM:<a@b> SIZ=1",                     REPLY_UNKNOWN_PARAMETER, "SIZ", 0, false, false },
};

static void
mail_is_read_with_its_parameters(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(mails); i++) {
        struct mail_args args = { .size_bytes = 0 };
        struct slice     detail = slice_make(NULL, 0);
        enum reply       reply = command_mail(slice_of(mails[i].in), &args, &detail);

        if (reply != mails[i].reply)
            fail_msg("%s: got %d, want %d", mails[i].label, (int)reply, (int)mails[i].reply);
        assert_slice(mails[i].label, reply == REPLY_NONE ? args.path.text : detail, mails[i].path);
        if (args.size_bytes != mails[i].size_bytes || args.eight_bit != mails[i].eight_bit || args.utf8 != mails[i].utf8)
            fail_msg("%s: a parameter is wrong", mails[i].label);
    }
}

static const struct { const char *label, *in; bool utf8; enum reply reply; const char *path; } rcpts[] = {
    { "plain",                "TO:<a@b>",                false, REPLY_NONE, "a@b" },
    { "blank behind colon",   "to: <a@b>",               false, REPLY_NONE, "a@b" },
    { "postmaster",           "TO:<postmaster>",         false, REPLY_NONE, "postmaster" },
    { "UTF-8, stated",        "TO:<a+\xc3\xa4@b>",       true,  REPLY_NONE, "a+\xc3\xa4@b" },
    { "UTF-8, not stated",    "TO:<a+\xc3\xa4@b>",       false, REPLY_NEEDS_SMTPUTF8, "" },
    { "null",                 "TO:<>",                   false, REPLY_BAD_RECIPIENT, "" },
    { "no domain",            "TO:<a>",                  false, REPLY_BAD_RECIPIENT, "" },
    { "FROM",                 "FROM:<a@b>",              false, REPLY_BAD_RECIPIENT, "" },
    { "two",                  "TO:<a@b>,<c@d>",          false, REPLY_BAD_RECIPIENT, "" },
    { "two with a blank",     "TO:<a@b> <c@d>",          false, REPLY_UNKNOWN_PARAMETER, "<c@d>" },
    { "NOTIFY",               "TO:<a@b> NOTIFY=NEVER",   false, REPLY_UNKNOWN_PARAMETER, "NOTIFY" },
};

static void
rcpt_is_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rcpts); i++) {
        struct path  path = { .quoted = false };
        struct slice detail = slice_make(NULL, 0);
        enum reply   reply = command_rcpt(slice_of(rcpts[i].in), rcpts[i].utf8, &path, &detail);

        if (reply != rcpts[i].reply)
            fail_msg("%s: got %d, want %d", rcpts[i].label, (int)reply, (int)rcpts[i].reply);
        assert_slice(rcpts[i].label, reply == REPLY_NONE ? path.text : detail, rcpts[i].path);
    }
}

static const struct { const char *label, *in; bool ok; uint64_t size_bytes; bool last; } bdats[] = {
    { "size",                 "100",                     true,  100, false },
    { "last",                 "100 LAST",                true,  100, true },
    { "last's case, blanks",  "100  last",               true,  100, true },
    { "nothing",              "0 LAST",                  true,  0,   true },
    { "largest",              "9223372036854775807",     true,  INT64_MAX, false },
    { "over the largest",     "9223372036854775808",     false, 0, false },
    { "over 64 bits",         "18446744073709551616",    false, 0, false },
    { "many digits",          "99999999999999999999999999999999999999", false, 0, false },
    { "empty",                "",                        false, 0, false },
    { "LAST alone",           "LAST",                    false, 0, false },
    { "negative",             "-1",                      false, 0, false },
    { "signed",               "+1",                      false, 0, false },
    { "hexadecimal",          "0x10",                    false, 0, false },
    { "another word",         "10 FIRST",                false, 0, false },
    { "more words",           "10 LAST LAST",            false, 0, false },
};

static void
bdat_is_read_or_its_size_is_unknown(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(bdats); i++) {
        struct bdat_args args = { .size_bytes = 0 };

        if (command_bdat(slice_of(bdats[i].in), &args) != bdats[i].ok || args.size_bytes != bdats[i].size_bytes ||
            args.last != bdats[i].last)
            fail_msg("%s", bdats[i].label);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_split_into_verb_and_arguments),
        cmocka_unit_test(mail_is_read_with_its_parameters),
        cmocka_unit_test(rcpt_is_read),
        cmocka_unit_test(bdat_is_read_or_its_size_is_unknown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
