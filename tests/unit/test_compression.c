#include "imapd/compression.h"
#include "tests/unit/unit.h"

#include "lib/error.h"

#include <stdlib.h>

#define ZLIB_CONST
#include <zlib.h>

/* A client: both its streams, which go on from one call to the next. */
struct client {
    z_stream in, out;
};

static void
client_init(struct client *k)
{
    *k = (struct client){ 0 };
    assert_int_equal(inflateInit2(&k->in, -MAX_WBITS), Z_OK);
    assert_int_equal(deflateInit2(&k->out, 9, Z_DEFLATED, -MAX_WBITS, 9, Z_DEFAULT_STRATEGY), Z_OK);
}

static void
client_fini(struct client *k)
{
    inflateEnd(&k->in);
    deflateEnd(&k->out);
}

static void
client_says(struct client *k, struct slice plain, int flush, struct buf *packed)
{
    char  *to = buf_reserve(packed, plain.len + 1000);
    int    rc;

    assert_non_null(to);
    k->out.next_in = (const Bytef *)plain.data;
    k->out.avail_in = (uInt)plain.len;
    k->out.next_out = (Bytef *)to;
    k->out.avail_out = (uInt)(plain.len + 1000);
    rc = deflate(&k->out, flush);
    assert_int_equal(rc, flush == Z_FINISH ? Z_STREAM_END : Z_OK);
    buf_added(packed, plain.len + 1000 - k->out.avail_out);
}

static void
client_reads(struct client *k, struct slice packed, struct buf *plain)
{
    k->in.next_in = (const Bytef *)packed.data;
    k->in.avail_in = (uInt)packed.len;
    while (k->in.avail_in > 0) {
        char *to = buf_reserve(plain, 10000);
        int   rc;

        assert_non_null(to);
        k->in.next_out = (Bytef *)to;
        k->in.avail_out = 10000;
        rc = inflate(&k->in, Z_SYNC_FLUSH);
        assert_true(rc == Z_OK || rc == Z_BUF_ERROR);
        buf_added(plain, 10000 - k->in.avail_out);
    }
}

static void
what_a_client_compresses_is_read_in_pieces_of_any_size(void **state)
{
    static char text[200000];

    (void)state;
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (char)("abcdefgh \r\n"[(i * i / 7) % 11]);
    for (size_t room = 1; room <= 65536; room = room * 3 + 1)
        for (size_t piece = 1; piece <= 65536; piece = piece * 5 + 1) {
            size_t              size = room < 10 || piece < 10 ? 3000 : sizeof(text);
            struct client       k;
            struct compression *z = compression_new();
            struct buf          packed, plain;

            client_init(&k);
            buf_init(&packed, 1000000);
            buf_init(&plain, 1000000);
            assert_non_null(z);
            client_says(&k, slice_make(text, size / 2), Z_SYNC_FLUSH, &packed);
            client_says(&k, slice_make(text + size / 2, size - size / 2), Z_SYNC_FLUSH, &packed);
            for (size_t at = 0; at < packed.len; at += piece) {
                assert_int_equal(compression_receive(z, slice_sub(buf_slice(&packed), at, piece)), MT_OK);
                while (!compression_is_drained(z)) {
                    size_t before = plain.len;

                    assert_int_equal(compression_inflate(z, &plain, room), MT_OK);
                    assert_true(plain.len <= before + room);
                }
            }
            assert_true(slice_equal(buf_slice(&plain), slice_make(text, size)));
            compression_free(z);
            client_fini(&k);
            buf_fini(&packed);
            buf_fini(&plain);
        }
}

static void
each_answer_can_be_read_when_it_has_come(void **state)
{
    static const char *const answers[] = { "a OK\r\n", "", "* 1 EXISTS\r\n", "* 2 EXISTS\r\n", "x" };
    struct compression      *z = compression_new();
    struct client            k;
    struct buf               said, plain;
    struct buf              *sent = compression_to_send(z);

    (void)state;
    client_init(&k);
    buf_init(&said, 1000);
    buf_init(&plain, 20000);
    for (size_t i = 0; i < 1000; i++) {
        buf_append_string(&said, answers[i % COUNT(answers)]);
        assert_int_equal(compression_deflate(z, &said), MT_OK);
        assert_int_equal(said.len, 0);
        client_reads(&k, buf_slice(sent), &plain);
        assert_slice("the answer", buf_slice(&plain), answers[i % COUNT(answers)]);
        buf_clear(&plain);
        buf_clear(sent);
        if (i % 3 == 0)
            compression_rest(z);        /* the next one begins anew, and the client notices nothing */
    }
    compression_free(z);
    client_fini(&k);
    buf_fini(&said);
    buf_fini(&plain);
}

static void
long_answers_go_in_steps_and_what_cannot_be_compressed_goes_too(void **state)
{
    enum { BYTES = 3 * COMPRESSION_STEP_BYTES + 17 };
    struct compression *z = compression_new();
    struct client       k;
    struct buf          said, plain;
    struct buf         *sent = compression_to_send(z);
    char               *random = malloc(BYTES);
    uint32_t            r = 1;

    (void)state;
    assert_non_null(random);
    for (size_t i = 0; i < BYTES; i++) {
        r = r * 1664525u + 1013904223u;
        random[i] = (char)(r >> 24);
    }
    client_init(&k);
    buf_init(&said, BYTES);
    buf_init(&plain, BYTES + 10000);
    buf_append(&said, random, BYTES);
    for (unsigned steps = 4; steps > 0; steps--) {
        assert_int_equal(compression_deflate(z, &said), MT_OK);
        assert_true((said.len == 0) == (steps == 1));
        assert_true(sent->len < COMPRESSION_STEP_BYTES + COMPRESSION_STEP_BYTES / 16);
        client_reads(&k, buf_slice(sent), &plain);
        buf_clear(sent);
    }
    assert_true(slice_equal(buf_slice(&plain), slice_make(random, BYTES)));
    compression_free(z);
    client_fini(&k);
    buf_fini(&said);
    buf_fini(&plain);
    free(random);
}

/* What one octet can become costs no memory before there is room for it. */
static void
a_bomb_is_inflated_only_as_far_as_there_is_room(void **state)
{
    enum { ROOM = 1000 };
    static char         zeros[8 * 1024 * 1024];
    struct compression *z = compression_new();
    struct client       k;
    struct buf          packed, plain;
    size_t              total = 0;

    (void)state;
    client_init(&k);
    buf_init(&packed, 10 * 1024 * 1024);
    buf_init(&plain, ROOM);
    client_says(&k, slice_make(zeros, sizeof(zeros)), Z_SYNC_FLUSH, &packed);
    assert_true(packed.len < COMPRESSION_IN_BYTES_MAX);
    assert_int_equal(compression_receive(z, buf_slice(&packed)), MT_OK);
    while (!compression_is_drained(z)) {
        assert_int_equal(compression_inflate(z, &plain, ROOM), MT_OK);
        assert_true(plain.len <= ROOM);
        assert_int_equal(compression_inflate(z, &plain, 0), MT_OK);
        total += plain.len;
        buf_clear(&plain);
    }
    assert_int_equal(total, sizeof(zeros));
    compression_free(z);
    client_fini(&k);
    buf_fini(&packed);
    buf_fini(&plain);
}

static void
what_is_no_deflate_is_said_to_be_none(void **state)
{
    static const struct {
        const char *label, *octets;
        size_t      len;
    } rows[] = {
        { "a command in plain",            "a NOOP\r\n", 8                  },
        { "a block type that there is not", "\x07", 1                       },
        { "behind the end",                "\x03\x00 more", 7               },
        { "a stored block of other length", "\x00\x05\x00\x05\x00xxxxx", 10  },
        { "a distance that is too far",    "\x4b\x04\x12\x00\xff\xff", 6     },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct compression *z = compression_new();
        struct buf          plain;
        int                 rc = MT_OK;

        buf_init(&plain, 1000);
        assert_int_equal(compression_receive(z, slice_make(rows[i].octets, rows[i].len)), MT_OK);
        for (unsigned n = 0; n < 10 && rc == MT_OK; n++)
            rc = compression_inflate(z, &plain, 100);
        if (rc != MT_EPROTO)
            fail_msg("%s: %s", rows[i].label, mt_strerror(rc));
        compression_free(z);
        buf_fini(&plain);
    }
}

static void
a_client_that_ends_its_stream_was_heard(void **state)
{
    struct compression *z = compression_new();
    struct client       k;
    struct buf          packed, plain;

    (void)state;
    client_init(&k);
    buf_init(&packed, 10000);
    buf_init(&plain, 1000);
    client_says(&k, slice_of("a LOGOUT\r\n"), Z_FINISH, &packed);
    assert_int_equal(compression_receive(z, buf_slice(&packed)), MT_OK);
    assert_int_equal(compression_inflate(z, &plain, 1000), MT_OK);
    assert_slice("it", buf_slice(&plain), "a LOGOUT\r\n");
    assert_true(compression_is_drained(z));
    assert_int_equal(compression_inflate(z, &plain, 100), MT_OK);
    assert_int_equal(compression_receive(z, slice_of("x")), MT_OK);
    assert_int_equal(compression_inflate(z, &plain, 100), MT_EPROTO);
    compression_free(z);
    client_fini(&k);
    buf_fini(&packed);
    buf_fini(&plain);
}

/* All input is used, and there is output still: nothing more comes in that would bring it out. An octet over 127 takes nine bits. */
static void
what_zlib_holds_back_comes_out(void **state)
{
    static char text[600];

    (void)state;
    for (size_t before = 0; before < 8; before++) {
        struct compression *z = compression_new();
        struct client       k;
        struct buf          packed, plain;

        memset(text, 'x', sizeof(text));
        for (size_t i = 0; i < before; i++)
            text[i] = (char)(200 + i);
        client_init(&k);
        buf_init(&packed, 10000);
        buf_init(&plain, sizeof(text) + 10);
        client_says(&k, slice_make(text, sizeof(text)), Z_FINISH, &packed);
        assert_int_equal(compression_receive(z, buf_slice(&packed)), MT_OK);
        while (!compression_is_drained(z))
            assert_int_equal(compression_inflate(z, &plain, 7), MT_OK);
        assert_true(slice_equal(buf_slice(&plain), slice_make(text, sizeof(text))));
        compression_free(z);
        client_fini(&k);
        buf_fini(&packed);
        buf_fini(&plain);
    }
}

static void
no_more_is_received_than_there_is_room_for(void **state)
{
    static char         octets[COMPRESSION_IN_BYTES_MAX + 1];
    struct compression *z = compression_new();

    (void)state;
    assert_int_equal(compression_receive(z, slice_make(octets, sizeof(octets))), MT_ESIZE);
    compression_free(z);
    compression_free(NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_client_compresses_is_read_in_pieces_of_any_size),
        cmocka_unit_test(each_answer_can_be_read_when_it_has_come),
        cmocka_unit_test(long_answers_go_in_steps_and_what_cannot_be_compressed_goes_too),
        cmocka_unit_test(a_bomb_is_inflated_only_as_far_as_there_is_room),
        cmocka_unit_test(what_is_no_deflate_is_said_to_be_none),
        cmocka_unit_test(a_client_that_ends_its_stream_was_heard),
        cmocka_unit_test(what_zlib_holds_back_comes_out),
        cmocka_unit_test(no_more_is_received_than_there_is_room_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
