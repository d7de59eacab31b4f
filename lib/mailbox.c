#include "lib/mailbox.h"

#include "lib/error.h"

static bool
is_name_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

int
mailbox_name_parse(struct slice text, char out[MAILBOX_NAME_MAX + 1])
{
    char last = '.';

    if (text.len == 0 || text.len > MAILBOX_NAME_MAX)
        return MT_ESYNTAX;
    for (size_t i = 0; i < text.len; i++) {
        char c = ascii_lower(text.data[i]);
        bool mark = c == '.' || c == '-' || c == '_';

        if ((!is_name_letter(c) && !mark) || (mark && i == 0) || (c == '.' && last == '.'))
            return MT_ESYNTAX;
        out[i] = last = c;
    }
    if (!is_name_letter(last))
        return MT_ESYNTAX;
    out[text.len] = '\0';
    return MT_OK;
}

void
mailbox_state_write(struct buf *b, const struct mailbox_state *m)
{
    write_string(b, m->name);
    write_u8(b, m->enabled);
    write_u8(b, m->over_quota);
    write_u8(b, m->damaged);
}

void
mailbox_state_read(struct reader *r, struct mailbox_state *out)
{
    read_string(r, out->name, sizeof(out->name));
    read_bool(r, &out->enabled);
    read_bool(r, &out->over_quota);
    read_bool(r, &out->damaged);
}
