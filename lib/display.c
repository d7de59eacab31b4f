#include "lib/display.h"

#include "lib/error.h"
#include "lib/utf8.h"

size_t
display_utf8_char(struct slice s, uint32_t *code)
{
    size_t   len = utf8_char_len(s);
    uint32_t c;

    if (len == 0)
        return 0;
    c = (unsigned char)s.data[0] & (len == 1 ? 0x7fu : 0x7fu >> len);
    for (size_t i = 1; i < len; i++)
        c = c << 6 | (s.data[i] & 0x3fu);
    *code = c;
    return len;
}

/* Characters that do something to the terminal or to the reading of the line rather than being seen. */
static bool
is_unseen(uint32_t c)
{
    static const struct { uint32_t from, to; } ranges[] = {
        { 0x00,    0x1f    },   /* C0 */
        { 0x7f,    0x9f    },   /* DEL, C1 */
        { 0xad,    0xad    },   /* soft hyphen */
        { 0x61c,   0x61c   },   /* Arabic letter mark */
        { 0x200b,  0x200f  },   /* zero width, direction marks */
        { 0x2028,  0x202e  },   /* separators, embeddings, overrides */
        { 0x2060,  0x206f  },   /* word joiner, isolates, deprecated format controls */
        { 0xfeff,  0xfeff  },   /* byte order mark */
        { 0xfff9,  0xfffb  },   /* interlinear annotation */
        { 0xe0000, 0xe007f },   /* tags */
    };

    for (size_t i = 0; i < COUNT(ranges); i++)
        if (c >= ranges[i].from && c <= ranges[i].to)
            return true;
    return false;
}

size_t
display_text(struct buf *out, struct slice s, size_t max)
{
    size_t shown = 0;

    while (s.len > 0) {
        uint32_t code = 0;
        size_t   len = display_utf8_char(s, &code);

        if (shown >= max) {
            buf_append_string(out, "…");
            return shown + 1;
        }
        if (len > 0 && code == '\t') {
            buf_append_byte(out, ' ');
            shown++;
        } else if (len > 0 && !is_unseen(code)) {
            buf_append(out, s.data, len);
            shown++;
        } else {
            len = len > 0 ? len : 1;
            for (size_t i = 0; i < len; i++)
                buf_printf(out, "\\x%02x", (unsigned char)s.data[i]);
            shown += 4 * len;
        }
        s = slice_sub(s, len, s.len);
    }
    return shown;
}

void
display_utf8(struct buf *out, struct slice s)
{
    while (s.len > 0) {
        uint32_t code;
        size_t   len = display_utf8_char(s, &code);

        if (len > 0)
            buf_append(out, s.data, len);
        else
            buf_append_string(out, "\xef\xbf\xbd");
        s = slice_sub(s, len > 0 ? len : 1, s.len);
    }
}
