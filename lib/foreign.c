#include "lib/foreign.h"

#include "lib/error.h"

static const char *const words[] = {
    "GET", "POST", "PUT", "HEAD", "OPTIONS", "CONNECT", "DELETE", "PATCH", "TRACE", "PRI", "HOST:",
};

/* " HTTP/1.1": how a request line ends. */
#define VERSION_START " HTTP/"

enum { VERSION_BYTES = sizeof(VERSION_START) - 1 + 3 };

bool
foreign_word(struct slice word)
{
    for (size_t i = 0; i < COUNT(words); i++)
        if (slice_equal_nocase(word, slice_of(words[i])))
            return true;
    return false;
}

bool
foreign_line(struct slice line)
{
    struct slice word = slice_sub(line, 0, slice_find(line, ' '));

    if (!foreign_word(word))
        return slice_starts_nocase(line, "HOST:");
    return word.data[word.len - 1] == ':' ||
           (line.len > VERSION_BYTES && slice_starts_nocase(slice_sub(line, line.len - VERSION_BYTES, line.len), VERSION_START));
}
