#include "imapd/imap_frame.h"
#include "tests/unit/unit.h"

#include "lib/buf.h"

/* What the frame says of the octets, a letter for each result, with the lengths: "C7" a command, "G" go ahead, "L" too long, "M12/5" a message. */
static void
tell(struct slice all, size_t piece, struct buf *out)
{
    struct imap_frame f = { 0 };
    size_t            begin = 0, end = 0;

    for (unsigned steps = 0; steps < 100000; steps++) {
        struct slice in = slice_sub(all, begin, end - begin);
        size_t       len = 0;
        uint64_t     literal = 0;
        bool         waits = false, skipped = imap_frame_skip(&f, &in);

        begin = end - in.len;
        switch (!skipped ? IMAP_FRAME_MORE : imap_frame(&f, in, &len, &literal, &waits)) {
        case IMAP_FRAME_MORE:
            if (end == all.len)
                return;
            end = all.len - end < piece ? all.len : end + piece;
            break;
        case IMAP_FRAME_COMPLETE:
            buf_printf(out, "C%zu ", len);
            break;
        case IMAP_FRAME_GO_AHEAD:
            buf_printf(out, "G ");
            break;
        case IMAP_FRAME_TOO_LONG:
            buf_printf(out, "L%zu ", len);
            break;
        case IMAP_FRAME_ENDLESS:
            buf_printf(out, "E ");
            return;
        case IMAP_FRAME_MESSAGE:
            buf_printf(out, "M%zu/%llu%s ", len, (unsigned long long)literal, waits ? "" : "+");
            f.skip = literal;
            break;
        }
        begin += len;
    }
    fail_msg("never ends");
}

static void
commands_end_where_they_end_however_they_are_cut(void **state)
{
    static const struct {
        const char *in, *want;
    } rows[] = {
        { "a NOOP\r\n",                                             "C8 "         },
        { "a NOOP\nb NOOP\r\n",                                     "C7 C8 "      },
        { "\r\n",                                                   "C2 "         },
        { "a NOOP",                                                 ""            },
        { "a LOGIN {4}\r\nacme {1}\r\nx\r\nb NOOP\r\n",             "G G C26 C8 " },
        { "a LOGIN {4+}\r\nacme {0+}\r\n\r\n",                      "C27 "        },
        { "a LOGIN {4}\r\n{9}\r {1}\r\nx\r\n",                      "G G C26 "    },
        { "a X {2+}\r\n\r\n\r\n",                                   "C14 "        },
        { "a X ~{2+}\r\nab\r\n",                                    "C15 "        },
        { "a X {4097+}\r\n",                                        "L13 "        },
        { "a X {4096+}\r\n",                                        ""            },
        { "a X {61440}\r\n",                                        "L13 "        },
        { "a X {9223372036854775807}\r\n",                          "L27 "        },
        { "a X {9223372036854775808}\r\n",                          "L27 "        },
        { "a X {18446744073709551616}\r\n",                         "L28 "        },
        { "a X {18446744073709551616+}\r\nb NOOP\r\n",              "L29 "        },
        { "a X {99999999999999999999999999999}\r\nb NOOP\r\n",      "L37 C8 "     },
        { "a X {0000000000000000000000003}\r\nabc\r\n",             "G C38 "      },
        { "a X {18446744073709551616x}\r\n", "C29 " }, { "a X {1 2}\r\n", "C11 " }, { "a X {+1}\r\n", "C10 " }, { "a X {++}\r\n", "C10 " },
        { "a APPEND INBOX ~{3}\r\na\nc\r\n",                       "M21/3 C2 "   },
        { "a APPEND INBOX ~{3+}\r\na\nc {4+}\r\nabcd\r\n",         "M22/3+ C13 " },
        { "a APPEND INBOX {99999999999999999999+}\r\nabc\r\n",     "M40/9223372036854775807+ " },
        { "a X {9223372036854775807+}\r\n",                         "L28 "        },
        { "a X {-1}\r\n", "C10 " }, { "a X {}\r\n", "C8 " }, { "a X {+}\r\n", "C9 " }, { "a X 5}\r\n", "C8 " }, { "}\r\n", "C3 " },
        { "a APPEND INBOX (\\Seen) {3}\r\nabc\r\nb NOOP\r\n",       "M28/3 C2 C8 " },
        { "a append INBOX {3+}\r\nabc\r\n",                         "M21/3+ C2 "  },
        { "a APPEND {5}\r\nINBOX {3}\r\nabc\r\n",                   "G M25/3 C2 " },
        { "a APPEND {5+}\r\nINBOX {99999999999+}\r\n",              "M37/99999999999+ " },
        { "a APPEND INBOX UTF8 (~{3}\r\nabc)\r\n",                  "M27/3 C3 "   },
        { "a APPENDIX {3}\r\nabc\r\n",                              "G C21 "      },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        for (size_t piece = 1; piece <= strlen(rows[i].in) + 1; piece++) {
            struct buf out;

            buf_init(&out, 1000);
            tell(slice_of(rows[i].in), piece, &out);
            assert_slice(rows[i].in, buf_slice(&out), rows[i].want);
            buf_fini(&out);
        }
}

static void
the_rest_of_a_refused_command_is_no_command(void **state)
{
    static const struct {
        const char *rest, *want;
    } rows[] = {
        { "\r\nb NOOP\r\n",                                 "L13 C8 "   },
        { " b NOOP\r\nc NOOP\r\n",                          "L13 C8 "   },
        { " {3+}\r\nabc x {2+}\r\nde\r\nc NOOP\r\n",    "L13 C8 "   },
        { " {3}\r\nc NOOP\r\n",                             "L13 C8 "   },
        { " {3+}",                                              "L13 "      },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        for (size_t piece = 1; piece < 40; piece++) {
            struct buf in, out;

            buf_init(&in, 10000);
            buf_init(&out, 1000);
            buf_append_string(&in, "a X {5000+}\r\n");
            for (unsigned n = 0; n < 5000; n++)
                buf_append_byte(&in, 'x');
            buf_append_string(&in, rows[i].rest);
            tell(buf_slice(&in), piece, &out);
            assert_slice(rows[i].rest, buf_slice(&out), rows[i].want);
            buf_fini(&in);
            buf_fini(&out);
        }
}

static void
what_is_too_long_is_refused_in_bounded_space(void **state)
{
    static char  line[IMAP_COMMAND_BYTES + 10];
    struct buf   out;
    struct slice all = slice_make(line, sizeof(line));

    (void)state;
    memset(line, 'x', sizeof(line));
    buf_init(&out, 100);
    tell(all, 1000, &out);
    assert_slice("no end", buf_slice(&out), "E ");
    buf_clear(&out);
    line[IMAP_COMMAND_BYTES - 1] = '\n';
    tell(slice_sub(all, 0, IMAP_COMMAND_BYTES), 1000, &out);
    assert_slice("the longest", buf_slice(&out), "C61440 ");
    buf_fini(&out);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_end_where_they_end_however_they_are_cut),
        cmocka_unit_test(the_rest_of_a_refused_command_is_no_command),
        cmocka_unit_test(what_is_too_long_is_refused_in_bounded_space),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
