#include "checker/imap_command.h"

#include "lib/display.h"
#include "lib/error.h"

#include <time.h>

#define REPLACEMENT 0xfffdu

bool
imap_put_quoted(struct buf *out, struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] == '\0' || text.data[i] == '\r' || text.data[i] == '\n' || (text.data[i] & 0x80) != 0)
            return false;
    buf_append_byte(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '"' || text.data[i] == '\\')
            buf_append_byte(out, '\\');
        buf_append_byte(out, text.data[i]);
    }
    buf_append_byte(out, '"');
    return true;
}

/* ---- Modified UTF-7 ----------------------------------------------------------------------------------------------- */

/* Bits of UTF-16 on their way into base64. */
struct shift {
    bool     open;      /* within "&…-" */
    uint32_t bits;
    unsigned count;
};

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

static void
put_bits(struct buf *out, struct shift *s, uint32_t unit)
{
    s->bits = s->bits << 16 | unit;
    s->count += 16;
    while (s->count >= 6) {
        s->count -= 6;
        buf_append_byte(out, alphabet[s->bits >> s->count & 63]);
    }
}

static void
close_shift(struct buf *out, struct shift *s)
{
    if (!s->open)
        return;
    if (s->count > 0)
        buf_append_byte(out, alphabet[s->bits << (6 - s->count) & 63]);
    buf_append_byte(out, '-');
    *s = (struct shift){ .open = false };
}

static void
put_encoded(struct buf *out, struct shift *s, uint32_t code)
{
    if (!s->open) {
        buf_append_byte(out, '&');
        s->open = true;
    }
    if (code >= 0x10000) {
        code -= 0x10000;
        put_bits(out, s, 0xd800 | code >> 10);
        put_bits(out, s, 0xdc00 | (code & 0x3ff));
    } else {
        put_bits(out, s, code);
    }
}

void
imap_put_folder(struct buf *out, struct slice name)
{
    struct shift s = { .open = false };

    buf_append_byte(out, '"');
    while (name.len > 0) {
        uint32_t code = 0;
        size_t   len = display_utf8_char(name, &code);

        if (len == 0) {
            len = 1;
            code = REPLACEMENT;
        }
        name = slice_sub(name, len, name.len);
        if (code < ' ' || code > '~') {
            put_encoded(out, &s, code);
            continue;
        }
        close_shift(out, &s);
        if (code == '"' || code == '\\')
            buf_append_byte(out, '\\');
        buf_append_byte(out, (char)code);
        if (code == '&')
            buf_append_byte(out, '-');
    }
    close_shift(out, &s);
    buf_append_byte(out, '"');
}

/* ---- Others ------------------------------------------------------------------------------------------------------- */

void
imap_put_uids(struct buf *out, const uint32_t *uids, size_t count)
{
    for (size_t i = 0; i < count; i++)
        buf_printf(out, "%s%u", i > 0 ? "," : "", uids[i]);
}

void
imap_put_day(struct buf *out, int64_t time_unix)
{
    static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    time_t                   t = (time_t)time_unix;
    struct tm                tm;

    if (gmtime_r(&t, &tm) != NULL)
        buf_printf(out, "%d-%s-%d", tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900);
}

bool
imap_is_junk_name(struct slice name, char delimiter)
{
    /* What servers and programs call it where they do not mark it; of the last ones in modified UTF-7. */
    static const char *const names[] = {
        "Junk",      "Spam", "Junk E-mail", "Junk Email", "Junk Mail",  "Junkmail",          "Bulk Mail", "Bulk",
        "Spamverdacht", "Unerw&APw-nscht",  "Courrier ind&AOk-sirable", "Correo no deseado", "Posta indesiderata",
    };
    size_t at = name.len;

    while (delimiter != 0 && at > 0 && name.data[at - 1] != delimiter)
        at--;
    if (delimiter != 0)
        name = slice_sub(name, at, name.len);
    for (size_t i = 0; i < COUNT(names); i++)
        if (slice_equal_nocase(name, slice_of(names[i])))
            return true;
    return false;
}
