#include "checker/fetch_imap.h"
#include "checker/imap_command.h"
#include "lib/error.h"

#include <stdio.h>

void
imap_take_capabilities(struct imap_dialogue *d, struct slice text)
{
    struct buf offered;

    buf_init(&offered, sizeof(d->mechanisms) - 1);
    d->initial = imap_has_word(text, "SASL-IR");
    d->no_login = imap_has_word(text, "LOGINDISABLED");
    d->uidplus = imap_has_word(text, "UIDPLUS") || imap_has_word(text, "IMAP4rev2");
    d->special_use = imap_has_word(text, "SPECIAL-USE") && (imap_has_word(text, "LIST-EXTENDED") || imap_has_word(text, "IMAP4rev2"));
    while (text.len > 0) {
        size_t       end = slice_find(text, ' ');
        struct slice word = slice_sub(text, 0, end);

        text = slice_sub(text, end + 1, text.len);
        if (slice_starts_nocase(word, "AUTH=")) {
            buf_append_slice(&offered, slice_sub(word, strlen("AUTH="), word.len));
            buf_append_byte(&offered, ' ');
        }
    }
    slice_copy(d->mechanisms, sizeof(d->mechanisms), buf_slice(&offered));
    buf_fini(&offered);
}

/* By the command LOGIN (RFC 9051 section 6.2.3); user and password as quoted strings, or not at all. */
static void
login_plainly(struct imap_dialogue *d)
{
    struct buf out;
    bool       fits;

    d->step = LOGIN;
    d->tag++;
    buf_init(&out, COMMAND_BYTES);
    out.secret = true;
    buf_printf(&out, "m%u LOGIN ", d->tag);
    fits = imap_put_quoted(&out, slice_of(d->f->task.auth->user)) && buf_append_byte(&out, ' ') == MT_OK &&
           imap_put_quoted(&out, slice_of(d->f->secret));
    buf_append_string(&out, "\r\n");
    if (fits && out.fault == MT_OK)
        mail_link_send(d->f->link, buf_slice(&out));
    else
        fetch_fail(d->f, "login", "the server offers LOGIN alone, which cannot say this user and password", slice_of(NULL));
    buf_wipe(&out);
}

void
imap_log_in(struct imap_dialogue *d)
{
    enum fetch_login way = fetch_login_choose(d->f, slice_of(d->mechanisms), !d->no_login);
    char             verb[48];

    if (way == FETCH_LOGIN_PLAIN)
        login_plainly(d);
    if (way != FETCH_LOGIN_SASL)
        return;
    d->step = LOGIN;
    d->tag++;
    snprintf(verb, sizeof(verb), "m%u AUTHENTICATE", d->tag);
    fetch_login_begin(d->f, verb, d->initial);
}

/* RFC 5530 section 3: what time may heal. Servers without these codes are taken at their words. */
bool
imap_login_may_heal(const struct imap_response *r)
{
    static const char *const codes[] = { "UNAVAILABLE", "INUSE", "SERVERBUG", "LIMIT", "CONTACTADMIN", "THROTTLED" };
    static const char *const words[] = { "temporar", "try again", "too many", "later" };

    for (size_t i = 0; i < COUNT(codes); i++)
        if (imap_code_is(r->code, codes[i]))
            return true;
    for (size_t i = 0; r->code.len == 0 && i < COUNT(words); i++)
        if (slice_find_nocase(r->text, slice_of(words[i])) < r->text.len)
            return true;
    return false;
}
