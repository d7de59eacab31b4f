#include "tests/unit/unit.h"

#include "finder/views.h"
#include "lib/buf.h"

#include <sodium.h>

#define TOKEN "mt1d5avj000041061050r3k1qahdnkeg4mywkzf11b7"

static void
on_found(void *arg, const struct token *t)
{
    char text[TOKEN_CHARS + 1];

    token_encode(t, text);
    if (strcmp(text, TOKEN) == 0)
        ++*(unsigned *)arg;
}

/* Whether TOKEN is found in text, fed in pieces of each size. */
static bool
is_found(const char *label, struct views *v, unsigned *found, struct slice text)
{
    unsigned times = 0, pieces = 0;

    for (size_t piece = 1; piece <= text.len; piece += 1 + piece / 4, pieces++) {
        *found = 0;
        for (size_t at = 0; at < text.len; at += piece)
            views_feed(v, slice_sub(text, at, piece));
        views_finish(v);
        times += *found > 0;
    }
    if (times != 0 && times != pieces)
        fail_msg("%s: found in %u of %u ways to cut it", label, times, pieces);
    return times > 0;
}

/* The token with something at each place within it, one after the other. */
static void
what_is_put_into_a_token_is_seen_through(void **state)
{
    static const struct {
        const char *label, *before, *put;
    } rows[] = {
        { "nothing",                 "",           ""                  },
        { "line end",                "Hello ",     "\r\n"              },
        { "line end and quote mark", "> Hello ",   "\r\n> > "          },
        { "line end and initials",   "LU> Hello ", "\r\nLU> "         },
        { "line end and initials of several", "LU> Hello ", "\n AB> Olli> >" },
        { "JSON's escape",           "{\"a\":\"",  "\\u00ad"          },
        { "JavaScript's escape",     "",           "\\xAD"            },
        { "hyphen and line end",     "",           "-\r\n"             },
        { "soft hyphen",             "",           "\xc2\xad"          },
        { "zero-width space",        "",           "\xe2\x80\x8b"      },
        { "soft line break",         "",           "=\r\n"             },
        { "percent-encoded space",   "",           "%20"               },
        { "twice",                   "",           "%2520"             },
        { "urldefense v2",           "",           "-20"               },
        { "urldefense v2 behind more than is kept", "0123456789012345678901234567890123456789012345678901234567890123456789 ", "-20" },
        { "UTF-7 soft hyphen",       "",           "+AK0-"             },
        { "UTF-7 behind others",     "+AOQ- 1+1 ", "+IAs-"             },
    };
    static struct views v;
    unsigned            found = 0;

    (void)state;
    views_init(&v, on_found, &found);
    for (size_t i = 0; i < COUNT(rows); i++) {
        for (int at = 1; at < (int)TOKEN_CHARS; at++) {
            struct buf text;

            buf_init(&text, 1000);
            buf_printf(&text, "%s%.*s%s%s x", rows[i].before, at, TOKEN, rows[i].put, &TOKEN[at]);
            if (!is_found(rows[i].label, &v, &found, buf_slice(&text)))
                fail_msg("%s at %d: not found", rows[i].label, at);
            buf_fini(&text);
        }
    }
}

static void
encoded_text_is_read(void **state)
{
    static struct views v;
    unsigned            found = 0;

    (void)state;
    views_init(&v, on_found, &found);
    for (size_t before = 0; before < 6; before++) {
        char       plain[80], encoded[160];
        struct buf text;

        snprintf(plain, sizeof(plain), "%.*s" TOKEN "xyz", (int)before, "0123456");
        sodium_bin2base64(encoded, sizeof(encoded), (unsigned char *)plain, strlen(plain), sodium_base64_VARIANT_URLSAFE_NO_PADDING);
        buf_init(&text, 1000);
        buf_printf(&text, "https://gate.example/?u=%%61%s&x", encoded);
        assert_true(is_found("base64url in a link", &v, &found, buf_slice(&text)));
        buf_clear(&text);
        for (size_t at = 0; at < strlen(encoded); at += 20)
            buf_printf(&text, "> %.20s\r\n", encoded + at);
        assert_true(is_found("quoted lines of base64", &v, &found, buf_slice(&text)));
        buf_fini(&text);
    }
}

static void
a_text_ends_at_its_end(void **state)
{
    static struct views v;
    unsigned            found = 0;

    (void)state;
    views_init(&v, on_found, &found);
    for (size_t at = 1; at < TOKEN_CHARS; at++) {
        views_feed(&v, slice_sub(slice_of("%2D+AK0-" TOKEN), 0, 8 + at));
        views_finish(&v);
        views_feed(&v, slice_sub(slice_of(TOKEN "+AK0-%2D"), at, 100));
        views_finish(&v);
        assert_int_equal(found, 0);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_put_into_a_token_is_seen_through),
        cmocka_unit_test(encoded_text_is_read),
        cmocka_unit_test(a_text_ends_at_its_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
