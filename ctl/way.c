#include "ctl/way.h"

#include "ctl/output.h"
#include "lib/buf.h"
#include "lib/error.h"

enum { TEXT_BYTES_MAX = 1024 };

static void
put_seconds(struct buf *out, const json_t *seconds)
{
    output_value(out, seconds, AS_SECONDS);
}

/* Known, bounded, or not to be known: then nothing. */
static void
put_span(struct buf *out, const json_t *known, const json_t *at_most, const char *sign)
{
    if (json_is_number(known)) {
        buf_append_string(out, sign);
        put_seconds(out, known);
    } else if (json_is_number(at_most)) {
        buf_append_string(out, "at most ");
        put_seconds(out, at_most);
    }
}

/* "clock 1 h ahead, perhaps its time zone". */
static void
put_skew(struct buf *out, const json_t *hop)
{
    const json_t *skew = json_object_get(hop, "skew_s");
    double        s = json_number_value(skew);
    json_t       *size = json_real(s < 0 ? -s : s);

    buf_append_string(out, out->len > 0 ? ", clock " : "clock ");
    if (json_is_number(skew)) {
        put_seconds(out, size);
        buf_append_string(out, s < 0 ? " behind" : " ahead");
    } else {
        buf_append_string(out, "is wrong");
    }
    if (json_is_true(json_object_get(hop, "wrong_zone")))
        buf_append_string(out, ", perhaps its time zone");
    json_decref(size);
}

static void
put_delay(struct buf *out, const json_t *hop)
{
    put_span(out, json_object_get(hop, "delay_s"), json_object_get(hop, "delay_at_most_s"), "+");
    if (json_is_true(json_object_get(hop, "skewed")))
        put_skew(out, hop);
}

static void
show_hops(FILE *to, const json_t *hops)
{
    static const struct column columns[] = {
        { "HOP BY", "by",    AS_TEXT },
        { "TIME",   "time",  AS_TIME },
        { "DELAY",  "delay", AS_TEXT },
        { "WITH",   "with",  AS_TEXT },
        { "TLS",    "tls",   AS_TEXT },
        { "FROM",   "from",  AS_TEXT },
    };
    json_t    *rows = json_array();
    struct buf delay;

    buf_init(&delay, TEXT_BYTES_MAX);
    for (size_t i = json_array_size(hops); i > 0; i--) {
        json_t *row = json_copy(json_array_get(hops, i - 1));

        buf_clear(&delay);
        put_delay(&delay, row);
        json_object_set_new(row, "delay", output_string(buf_slice(&delay)));
        json_array_append_new(rows, row);
    }
    output_list(to, rows, columns, COUNT(columns), "");
    buf_fini(&delay);
    json_decref(rows);
}

static void
show_slowest(FILE *to, const json_t *slowest)
{
    struct buf out;

    if (!json_is_object(slowest))
        return;
    buf_init(&out, TEXT_BYTES_MAX);
    buf_append_string(&out, json_is_true(json_object_get(slowest, "certain")) ? "slowest hop  " : "slowest hop  perhaps ");
    output_value(&out, json_object_get(slowest, "by"), AS_TEXT);
    buf_append_string(&out, ", ");
    put_span(&out, json_object_get(slowest, "delay_s"), json_object_get(slowest, "delay_at_most_s"), "+");
    if (json_is_true(json_object_get(slowest, "since_minting")))
        buf_append_string(&out, " since the minting, the sender's own time included");
    buf_append_byte(&out, '\n');
    output_slice(to, buf_slice(&out));
    buf_fini(&out);
}

static void
put_share(struct buf *out, const char *name, const json_t *known, const json_t *at_most)
{
    if (!json_is_number(known) && !json_is_number(at_most))
        return;
    buf_printf(out, "%s%s ", out->len > 0 ? ", " : "", name);
    put_span(out, known, at_most, "");
}

static void
show_shares(FILE *to, const json_t *shares)
{
    struct buf out;

    if (!json_is_object(shares))
        return;
    buf_init(&out, TEXT_BYTES_MAX);
    put_share(&out, "customer", json_object_get(shares, "customer_s"), json_object_get(shares, "customer_at_most_s"));
    put_share(&out, "forwarding", json_object_get(shares, "forwarding_s"), json_object_get(shares, "forwarding_at_most_s"));
    put_share(&out, "receiver", json_object_get(shares, "receiver_s"), NULL);
    put_share(&out, "unknown", json_object_get(shares, "unknown_s"), NULL);
    put_share(&out, "in all", json_object_get(shares, "total_s"), NULL);
    fputs("time         ", to);
    output_slice(to, buf_slice(&out));
    fputc('\n', to);
    buf_fini(&out);
}

void
way_show(FILE *to, const json_t *d)
{
    const json_t *hops = json_object_get(d, "hops");

    if (json_array_size(hops) == 0)
        return;
    fputc('\n', to);
    show_hops(to, hops);
    show_slowest(to, json_object_get(d, "slowest_hop"));
    show_shares(to, json_object_get(d, "time_shares"));
}
