#include "checker/trip_record.h"

#include "lib/error.h"
#include "lib/wire.h"

enum { RECORD_VERSION = 1 };

void
trip_record_write(struct buf *out, const struct trip_record *r)
{
    write_u8(out, RECORD_VERSION);
    write_string(out, r->check);
    write_string(out, r->token);
    write_string(out, r->address);
    write_string(out, r->from);
    write_u64(out, r->started_us);
    write_u64(out, r->minted_us);
    write_u64(out, r->mint_took_us);
    write_u64(out, r->send_at_us);
    write_u64(out, r->sent_us);
    write_u64(out, r->lookup_at_us);
    write_u64(out, r->lookup_took_us);
    write_u8(out, r->begun);
    write_u8(out, r->sent);
    write_u8(out, r->maybe_taken);
    write_u8(out, r->deferred);
    write_u8(out, r->looked_up);
    write_u8(out, r->sending);
    write_u32(out, r->attempts_made);
    write_string(out, r->target.host);
    write_string(out, r->target.address);
    write_u16(out, r->target.port);
    write_u16(out, r->target.preference);
    write_u16(out, r->code);
    write_string(out, r->fault);
}

static void
read_times(struct reader *in, struct trip_record *r)
{
    read_time_us(in, &r->started_us);
    read_time_us(in, &r->minted_us);
    read_time_us(in, &r->mint_took_us);
    read_time_us(in, &r->send_at_us);
    read_time_us(in, &r->sent_us);
    read_time_us(in, &r->lookup_at_us);
    read_time_us(in, &r->lookup_took_us);
}

static void
read_flags(struct reader *in, struct trip_record *r)
{
    read_bool(in, &r->begun);
    read_bool(in, &r->sent);
    read_bool(in, &r->maybe_taken);
    read_bool(in, &r->deferred);
    read_bool(in, &r->looked_up);
    read_bool(in, &r->sending);
}

int
trip_record_read(struct slice octets, struct trip_record *out)
{
    struct trip_record r = { .begun = false };
    struct reader      in;
    uint8_t            version;

    reader_init(&in, octets);
    read_u8(&in, &version);
    read_string(&in, r.check, sizeof(r.check));
    read_string(&in, r.token, sizeof(r.token));
    read_string(&in, r.address, sizeof(r.address));
    read_string(&in, r.from, sizeof(r.from));
    read_times(&in, &r);
    read_flags(&in, &r);
    read_u32(&in, &r.attempts_made);
    read_string(&in, r.target.host, sizeof(r.target.host));
    read_string(&in, r.target.address, sizeof(r.target.address));
    read_u16(&in, &r.target.port);
    read_u16(&in, &r.target.preference);
    read_u16(&in, &r.code);
    read_string(&in, r.fault, sizeof(r.fault));
    if (!read_end(&in) || version != RECORD_VERSION)
        return MT_EDAMAGED;
    *out = r;
    return MT_OK;
}
