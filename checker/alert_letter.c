#include "checker/alert_letter.h"

#include "checker/alert_text.h"
#include "checker/compose.h"
#include "lib/display.h"
#include "lib/error.h"

#include <sodium.h>

enum {
    LINE_MAX_OCTETS = 78,
    BASE64_LINE = 57,           /* octets that give a line of 76 */
    WORD_OCTETS = 42,           /* of UTF-8 in one encoded word: 56 characters of base64 and 12 around them, under RFC 2047's 75 */
    SUBJECT_MAX = 400,          /* octets: longer ones are cut */
    RECIPIENT_HASH_BYTES = 16,
};

static void
put_base64(struct buf *out, struct slice octets)
{
    char text[sodium_base64_ENCODED_LEN(BASE64_LINE, sodium_base64_VARIANT_ORIGINAL)];

    sodium_bin2base64(text, sizeof(text), (const unsigned char *)octets.data, octets.len, sodium_base64_VARIANT_ORIGINAL);
    buf_append_string(out, text);
}

static bool
is_ascii(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.data[i] >= 0x7f || ((unsigned char)text.data[i] < ' ' && text.data[i] != '\n'))
            return false;
    return true;
}

static bool
has_long_line(struct slice text)
{
    size_t column = 0;

    for (size_t i = 0; i < text.len; i++) {
        column = text.data[i] == '\n' ? 0 : column + 1;
        if (column > LINE_MAX_OCTETS)
            return true;
    }
    return false;
}

/* ---- The header -------------------------------------------------------------------------------------------------- */

/* As many whole characters as fit into an encoded word. */
static size_t
word_octets(struct slice text)
{
    size_t len = 0, next;

    while (len < text.len) {
        uint32_t code;

        next = display_utf8_char(slice_sub(text, len, text.len), &code);
        next = next == 0 ? 1 : next;
        if (len + next > WORD_OCTETS)
            break;
        len += next;
    }
    return len;
}

static void
put_subject(struct buf *out, struct slice text)
{
    bool first = true;

    buf_append_string(out, "Subject: ");
    if (is_ascii(text) && text.len <= LINE_MAX_OCTETS - strlen("Subject: ")) {
        buf_append_slice(out, text);
        buf_append_string(out, "\r\n");
        return;
    }
    while (text.len > 0) {
        size_t len = word_octets(text);

        buf_append_string(out, first ? "=?UTF-8?B?" : "\r\n =?UTF-8?B?");
        put_base64(out, slice_sub(text, 0, len));
        buf_append_string(out, "?=");
        text = slice_sub(text, len, text.len);
        first = false;
    }
    buf_append_string(out, "\r\n");
}

/* One line, valid UTF-8, cut. */
static void
write_subject(struct buf *out, const struct alert_letter *letter)
{
    struct buf raw, valid;

    buf_init(&raw, ALERT_TEXT_MAX_BYTES);
    buf_init(&valid, (size_t)ALERT_TEXT_MAX_BYTES * 4);
    alert_template_write(&raw, letter->subject, letter->notice);
    for (size_t i = 0; i < raw.len; i++)
        if ((unsigned char)raw.data[i] < ' ' || raw.data[i] == 0x7f)
            raw.data[i] = ' ';
    display_utf8(&valid, buf_slice(&raw));
    put_subject(out, slice_sub(buf_slice(&valid), 0, SUBJECT_MAX));
    buf_fini(&raw);
    buf_fini(&valid);
}

static void
put_message_id(struct buf *out, const struct alert_letter *letter)
{
    struct slice  domain = compose_domain(slice_of(letter->from));
    unsigned char hash[RECIPIENT_HASH_BYTES];
    char          text[RECIPIENT_HASH_BYTES * 2 + 1];

    crypto_generichash(hash, sizeof(hash), (const unsigned char *)letter->to, strlen(letter->to), NULL, 0);
    sodium_bin2hex(text, sizeof(text), hash, sizeof(hash));
    buf_printf(out, "Message-ID: <alert.%llu.%s@%.*s>\r\n", (unsigned long long)letter->notice->id, text, (int)domain.len, domain.data);
    buf_printf(out, "References: <incident.%llu@%.*s>\r\n", (unsigned long long)letter->notice->incident, (int)domain.len, domain.data);
}

/* ---- The text ---------------------------------------------------------------------------------------------------- */

static void
put_lines(struct buf *out, struct slice text)
{
    buf_append_string(out, "Content-Transfer-Encoding: 7bit\r\n\r\n");
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '\n')
            buf_append_byte(out, '\r');
        buf_append_byte(out, text.data[i]);
    }
    if (text.len == 0 || text.data[text.len - 1] != '\n')
        buf_append_string(out, "\r\n");
}

static void
put_encoded(struct buf *out, struct slice text)
{
    buf_append_string(out, "Content-Transfer-Encoding: base64\r\n\r\n");
    while (text.len > 0) {
        put_base64(out, slice_sub(text, 0, BASE64_LINE));
        buf_append_string(out, "\r\n");
        text = slice_sub(text, BASE64_LINE, text.len);
    }
}

void
alert_letter_write(struct buf *out, const struct alert_letter *letter)
{
    struct buf raw, text;

    buf_init(&raw, ALERT_TEXT_MAX_BYTES);
    buf_init(&text, (size_t)ALERT_TEXT_MAX_BYTES * 4);
    alert_template_write(&raw, letter->text, letter->notice);
    display_utf8(&text, buf_slice(&raw));
    compose_date(out, letter->now_unix);
    buf_printf(out, "From: Mailtest <%s>\r\nTo: <%s>\r\n", letter->from, letter->to);
    write_subject(out, letter);
    put_message_id(out, letter);
    buf_append_string(out, "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n");
    if (is_ascii(buf_slice(&text)) && !has_long_line(buf_slice(&text)))
        put_lines(out, buf_slice(&text));
    else
        put_encoded(out, buf_slice(&text));
    if (raw.fault != MT_OK && out->fault == MT_OK)
        out->fault = raw.fault;
    buf_fini(&raw);
    buf_fini(&text);
}
