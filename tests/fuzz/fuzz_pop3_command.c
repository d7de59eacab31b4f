/* Lines of a POP3 client, cut anywhere, and the commands in them. */

#include "imapd/pop3_command.h"
#include "lib/error.h"

#include <assert.h>
#include <stdlib.h>

static void
look_at(struct slice line)
{
    struct pop3_command command;
    uint32_t            number;

    assert(line.len <= POP3_LINE_BYTES && slice_find(line, '\n') == line.len);
    if (!pop3_command_parse(line, &command))
        return;
    assert(command.keyword.len > 0 && command.count <= POP3_ARGUMENTS + 1);
    for (unsigned i = 0; i < POP3_ARGUMENTS; i++) {
        assert(i < command.count || command.arguments[i].len == 0);
        assert(slice_find(command.arguments[i], ' ') == command.arguments[i].len);
        if (pop3_number(command.arguments[i], &number))
            assert(number > 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = slice_make(data, size), line;

    for (;;) {
        size_t before = in.len;
        int    rc = pop3_line(&in, &line);

        if (rc != MT_OK) {
            assert(in.len == before);
            return 0;
        }
        assert(in.len < before);
        look_at(line);
    }
}
