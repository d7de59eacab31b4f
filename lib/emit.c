#include "lib/emit.h"

#include "lib/display.h"
#include "lib/error.h"
#include "lib/rfc3339.h"

/* How octets below 0x80 stand in a string: 0 as they are, 'u' as \u00NN, else behind a backslash. */
static const char escapes[0x80] = {
    [0x00] = 'u', [0x01] = 'u', [0x02] = 'u', [0x03] = 'u', [0x04] = 'u', [0x05] = 'u', [0x06] = 'u', [0x07] = 'u',
    [0x08] = 'b', [0x09] = 't', [0x0a] = 'n', [0x0b] = 'u', [0x0c] = 'f', [0x0d] = 'r', [0x0e] = 'u', [0x0f] = 'u',
    [0x10] = 'u', [0x11] = 'u', [0x12] = 'u', [0x13] = 'u', [0x14] = 'u', [0x15] = 'u', [0x16] = 'u', [0x17] = 'u',
    [0x18] = 'u', [0x19] = 'u', [0x1a] = 'u', [0x1b] = 'u', [0x1c] = 'u', [0x1d] = 'u', [0x1e] = 'u', [0x1f] = 'u',
    ['"'] = '"', ['\\'] = '\\', [0x7f] = 'u',
};

void
emit_init(struct emit *j, struct buf *out)
{
    *j = (struct emit){ .out = out, .first = true };
}

/* What stands before a value: the comma, and its name. */
static void
begin_value(struct emit *j, const char *key)
{
    if (!j->first)
        buf_append_byte(j->out, ',');
    j->first = false;
    if (key != NULL) {
        buf_append_byte(j->out, '"');
        buf_append_string(j->out, key);
        buf_append(j->out, "\":", 2);
    }
}

static void
open_group(struct emit *j, const char *key, char bracket)
{
    begin_value(j, key);
    buf_append_byte(j->out, bracket);
    j->first = true;
}

static void
close_group(struct emit *j, char bracket)
{
    buf_append_byte(j->out, bracket);
    j->first = false;
}

void
emit_object(struct emit *j, const char *key)
{
    open_group(j, key, '{');
}

void
emit_object_end(struct emit *j)
{
    close_group(j, '}');
}

void
emit_array(struct emit *j, const char *key)
{
    open_group(j, key, '[');
}

void
emit_array_end(struct emit *j)
{
    close_group(j, ']');
}

static void
append_escaped(struct buf *out, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    char              text[6] = { '\\', escapes[c], '0', '0', hex[c >> 4], hex[c & 15] };

    buf_append(out, text, escapes[c] == 'u' ? 6 : 2);
}

/* Runs of plain characters are copied in one go; they are nearly all there is. */
static void
append_text(struct buf *out, struct slice s)
{
    size_t i = 0;

    while (i < s.len) {
        size_t        run = i;
        unsigned char c;
        uint32_t      code;

        while (i < s.len && (unsigned char)s.data[i] < 0x80 && escapes[(unsigned char)s.data[i]] == 0)
            i++;
        buf_append(out, s.data + run, i - run);
        if (i == s.len)
            return;
        c = (unsigned char)s.data[i];
        if (c < 0x80) {
            append_escaped(out, c);
            i++;
        } else {
            size_t len = display_utf8_char(slice_sub(s, i, 4), &code);

            buf_append(out, len > 0 ? s.data + i : "\xef\xbf\xbd", len > 0 ? len : 3);
            i += len > 0 ? len : 1;
        }
    }
}

void
emit_slice(struct emit *j, const char *key, struct slice value)
{
    begin_value(j, key);
    buf_append_byte(j->out, '"');
    if (value.len > 0)
        append_text(j->out, value);
    buf_append_byte(j->out, '"');
}

void
emit_string(struct emit *j, const char *key, const char *value)
{
    emit_slice(j, key, slice_of(value));
}

void
emit_slice_or_null(struct emit *j, const char *key, struct slice value)
{
    if (value.len > 0)
        emit_slice(j, key, value);
    else
        emit_null(j, key);
}

static void
append_u64(struct buf *out, uint64_t value)
{
    char   digits[20];
    size_t at = sizeof(digits);

    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    buf_append(out, digits + at, sizeof(digits) - at);
}

void
emit_u64(struct emit *j, const char *key, uint64_t value)
{
    begin_value(j, key);
    append_u64(j->out, value);
}

void
emit_bool(struct emit *j, const char *key, bool value)
{
    begin_value(j, key);
    buf_append_string(j->out, value ? "true" : "false");
}

void
emit_null(struct emit *j, const char *key)
{
    begin_value(j, key);
    buf_append(j->out, "null", 4);
}

void
emit_seconds(struct emit *j, const char *key, int64_t us)
{
    uint64_t size = us < 0 ? (uint64_t)0 - (uint64_t)us : (uint64_t)us;
    uint64_t rest = size % 1000000;
    char     decimals[7] = ".000000";
    size_t   len = sizeof(decimals);

    begin_value(j, key);
    if (us < 0)
        buf_append_byte(j->out, '-');
    append_u64(j->out, size / 1000000);
    if (rest == 0)
        return;
    for (size_t i = len; i-- > 1; rest /= 10)
        decimals[i] = (char)('0' + rest % 10);
    while (decimals[len - 1] == '0')
        len--;
    buf_append(j->out, decimals, len);
}

void
emit_repeat(struct emit *j, const char *key, size_t from, size_t to)
{
    char *room;

    begin_value(j, key);
    room = buf_reserve(j->out, to - from);      /* first, since it may move what is copied */
    if (room == NULL)
        return;
    memcpy(room, j->out->data + from, to - from);
    buf_added(j->out, to - from);
}

void
emit_json(struct emit *j, const char *key, struct slice value)
{
    begin_value(j, key);
    buf_append_slice(j->out, value);
}

static void
append_time(struct emit *j, const char *key, const char *text, size_t len)
{
    begin_value(j, key);
    buf_append_byte(j->out, '"');
    buf_append(j->out, text, len);
    buf_append_byte(j->out, '"');
}

void
emit_time_us(struct emit *j, const char *key, uint64_t us)
{
    char text[RFC3339_TEXT_BYTES];

    if (us == 0)
        emit_null(j, key);
    else
        append_time(j, key, text, rfc3339_text_us(us, text));
}

void
emit_time_unix(struct emit *j, const char *key, int64_t seconds)
{
    char text[RFC3339_TEXT_BYTES];

    if (seconds <= 0)
        emit_null(j, key);
    else
        append_time(j, key, text, rfc3339_text((uint64_t)seconds, text));
}
