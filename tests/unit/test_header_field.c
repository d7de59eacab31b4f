#include "tests/unit/unit.h"

#include "lib/header_field.h"

#include <stdlib.h>

/* Each piece as "<name|value>", with "+" in front where it goes on, and behind where it is not the last. */
static void
on_field(void *arg, const struct header_field *f)
{
    struct buf *out = arg;

    buf_printf(out, "%s<%.*s|", f->first ? "" : "+", (int)f->name.len, f->name.data);
    buf_append_slice(out, f->value);
    buf_append_string(out, f->last ? ">" : ">+");
}

static const struct {
    const char *label, *field, *told;
} cases[] = {
    { "ordinary",          "Subject: a\r\n",        "<Subject| a>"          },
    { "folded",            "Subject: a\r\n\tb\r\n", "<Subject| a\r\n\tb>"   },
    { "LF alone",          "Subject: a\n b\n",      "<Subject| a\n b>"      },
    { "no value",          "Subject:\r\n",          "<Subject|>"            },
    { "blank before colon", "Subject \t: a\r\n",    "<Subject| a>"          },
    { "no line end",       "Subject: a",            "<Subject| a>"          },
    { "no colon",          "Hello there\r\n",       "<|Hello there>"        },
    { "space in the name", "Hello there: a\r\n",    "<|Hello there: a>"     },
    { "no name",           ": a\r\n",               "<|: a>"                },
    { "continues nothing", " : a\r\n",              "<| : a>"               },
    { "octets in the name", "S\xc3\xa4: a\r\n",     "<|S\xc3\xa4: a>"       },
    { "nothing",           "",                      ""                      },
};

static void
a_field_is_told_with_name_and_value(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct header_fields h;
        struct buf           out;

        buf_init(&out, 1000);
        assert_int_equal(header_fields_init(&h, on_field, &out), MT_OK);
        header_fields_add(&h, slice_of(cases[i].field));
        header_fields_end(&h);
        header_fields_end(&h);
        assert_slice(cases[i].label, buf_slice(&out), cases[i].told);
        buf_fini(&out);
        header_fields_fini(&h);
    }
}

struct pieces {
    unsigned count;
    size_t   octets;
    bool     line_end_last;
};

static void
on_piece(void *arg, const struct header_field *f)
{
    struct pieces *p = arg;

    assert_int_equal(f->first, p->count == 0);
    assert_slice("name", f->name, "Long");
    assert_true(f->value.len <= HEADER_FIELD_BYTES);
    if (f->last && f->value.len > 0)
        p->line_end_last = f->value.data[f->value.len - 1] == '\n';
    p->count++;
    p->octets += f->value.len;
}

static void
a_long_field_is_told_in_pieces_of_bounded_size(void **state)
{
    enum { LINES = 1000, LINE = 77 };
    struct header_fields h;

    (void)state;
    for (size_t extra = 0; extra < 2 * LINE; extra++) {     /* so that every octet of a line once is where the piece ends */
        struct pieces p = { .count = 0 };

        assert_int_equal(header_fields_init(&h, on_piece, &p), MT_OK);
        header_fields_add(&h, slice_of("Long:"));
        for (size_t i = 0; i < extra; i++)
            header_fields_add(&h, slice_of("x"));
        for (size_t i = 0; i < LINES; i++)
            header_fields_add(&h, slice_of("\r\n abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuv"));
        header_fields_add(&h, slice_of("\r\n"));
        header_fields_end(&h);
        assert_int_equal(p.octets, extra + LINES * LINE);
        assert_true(p.count > LINES * LINE / HEADER_FIELD_BYTES);
        assert_false(p.line_end_last);
        header_fields_fini(&h);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_field_is_told_with_name_and_value),
        cmocka_unit_test(a_long_field_is_told_in_pieces_of_bounded_size),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
