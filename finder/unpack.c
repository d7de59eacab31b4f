#include "finder/unpack.h"

enum { DECODED_BYTES = 4096 };

bool
unpack_is_for(enum content_form form)
{
    return form >= FORM_GZIP;
}

void
unpack_init(struct unpack *u, enum content_form form, const struct container_events *events, void *arg, uint64_t *budget)
{
    u->events = events;
    u->arg = arg;
    u->form = form;
    switch (form) {
    case FORM_GZIP:
        gzip_init(&u->as.gzip, events, arg, budget);
        break;
    case FORM_ZIP:
        zip_init(&u->as.zip, events, arg, budget);
        break;
    case FORM_TNEF:
        tnef_init(&u->as.tnef, events, arg);
        break;
    case FORM_PKCS7:
        pkcs7_init(&u->as.pkcs7, events, arg, budget);
        break;
    case FORM_COMPOUND_FILE:
        compound_file_init(&u->as.compound_file, events, arg);
        break;
    default:
        base64_init(&u->as.base64);
        break;
    }
}

static void
feed_base64(struct unpack *u, struct slice octets)
{
    char out[BASE64_ROOM(DECODED_BYTES)];

    for (size_t at = 0; at < octets.len; at += DECODED_BYTES) {
        size_t len = base64_decode(&u->as.base64, slice_sub(octets, at, DECODED_BYTES), out);

        if (len > 0)
            u->events->octets(u->arg, slice_make(out, len));
    }
}

void
unpack_feed(struct unpack *u, struct slice octets)
{
    switch (u->form) {
    case FORM_GZIP:
        gzip_feed(&u->as.gzip, octets);
        break;
    case FORM_ZIP:
        zip_feed(&u->as.zip, octets);
        break;
    case FORM_TNEF:
        tnef_feed(&u->as.tnef, octets);
        break;
    case FORM_PKCS7:
        pkcs7_feed(&u->as.pkcs7, octets);
        break;
    case FORM_COMPOUND_FILE:
        compound_file_feed(&u->as.compound_file, octets);
        break;
    default:
        feed_base64(u, octets);
        break;
    }
}

static void
finish_base64(struct unpack *u)
{
    char   out[2];
    size_t len = base64_finish(&u->as.base64, out);

    if (len > 0)
        u->events->octets(u->arg, slice_make(out, len));
    u->events->end(u->arg);
}

bool
unpack_finish(struct unpack *u)
{
    switch (u->form) {
    case FORM_GZIP:
        gzip_finish(&u->as.gzip);
        return !u->as.gzip.cut;
    case FORM_ZIP:
        zip_finish(&u->as.zip);
        return !u->as.zip.cut;
    case FORM_TNEF:
        tnef_finish(&u->as.tnef);
        return true;
    case FORM_PKCS7:
        pkcs7_finish(&u->as.pkcs7);
        return !u->as.pkcs7.cut;
    case FORM_COMPOUND_FILE:
        compound_file_finish(&u->as.compound_file);
        return !u->as.compound_file.cut;
    default:
        finish_base64(u);
        return true;
    }
}

void
unpack_drop(struct unpack *u)
{
    if (u->form == FORM_GZIP)
        gzip_fini(&u->as.gzip);
    else if (u->form == FORM_ZIP)
        zip_fini(&u->as.zip);
    else if (u->form == FORM_PKCS7)
        pkcs7_fini(&u->as.pkcs7);
    else if (u->form == FORM_COMPOUND_FILE)
        compound_file_fini(&u->as.compound_file);
}
