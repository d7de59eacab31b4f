/* What a POP3 server says to a client: status lines, lists of UIDs, lines of mails. */

#include "checker/pop3_response.h"
#include "lib/error.h"

#include <assert.h>
#include <stdlib.h>

static void
look_at(struct slice line)
{
    struct pop3_status s;
    struct slice       content, uid;
    uint32_t           n;

    assert(slice_find(line, '\n') == line.len);
    if (pop3_status_parse(line, &s) == MT_OK) {
        assert(s.code.len + s.text.len <= line.len);
        pop3_is_for_now(&s);
        pop3_stat_parse(s.text, &n);
    }
    if (pop3_content(line, &content))
        assert(content.len + 1 >= line.len);
    if (pop3_uid_parse(line, &n, &uid))
        assert(n > 0 && uid.len > 0 && uid.len < POP3_UID_BYTES);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = slice_make(data, size), line;
    size_t       len = 0;

    while (pop3_line_find(in, &line, &len) == MT_OK) {
        assert(len > 0 && len <= in.len && line.len < len);
        look_at(line);
        in = slice_sub(in, len, in.len);
    }
    return 0;
}
