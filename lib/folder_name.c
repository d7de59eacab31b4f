#include "lib/folder_name.h"

#include "lib/utf8.h"

/* NULL: no octet of it is forbidden. */
static const char *
octets_fault(struct slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.data[i];

        if (c == '*' || c == '%')
            return "it has a wildcard, * or %";
        if (c < ' ' || c == 0x7f)
            return "it has a control character";
        /* U+0080 to U+009F */
        if (c == 0xC2 && i + 1 < name.len && (unsigned char)name.data[i + 1] < 0xA0)
            return "it has a control character";
        /* U+2028, U+2029 */
        if (slice_starts(slice_sub(name, i, name.len), "\xE2\x80\xA8") || slice_starts(slice_sub(name, i, name.len), "\xE2\x80\xA9"))
            return "it has a line separator";
    }
    return NULL;
}

const char *
folder_name_fault(struct slice name)
{
    const char *fault;

    if (name.len == 0)
        return "it is empty";
    if (name.len > FOLDER_NAME_BYTES)
        return "it has more than 255 octets";
    if (!utf8_is_valid(name))
        return "it is not UTF-8";
    if ((fault = octets_fault(name)) != NULL)
        return fault;
    for (;;) {
        struct slice level = slice_sub(name, 0, slice_find(name, '/'));

        if (level.len == 0)
            return "a level of it, between two \"/\", is empty";
        if (slice_equal(level, slice_of(".")) || slice_equal(level, slice_of("..")))
            return "a level of it, between two \"/\", is \".\" or \"..\"";
        if (level.len == name.len)
            return NULL;
        name = slice_sub(name, level.len + 1, name.len);
    }
}

bool
folder_name_is_fine(struct slice name)
{
    return folder_name_fault(name) == NULL;
}

bool
folder_name_copy(char to[FOLDER_NAME_BYTES + 1], struct slice name)
{
    static const char inbox[] = "INBOX";
    const size_t      len = sizeof(inbox) - 1;

    if (!slice_copy(to, FOLDER_NAME_BYTES + 1, name))
        return false;
    if (name.len >= len && slice_equal_nocase(slice_sub(name, 0, len), slice_of(inbox)) && (name.len == len || name.data[len] == '/'))
        memcpy(to, inbox, len);
    return true;
}

struct slice
folder_name_parent(struct slice name)
{
    const char *slash = name.len == 0 ? NULL : memrchr(name.data, '/', name.len);

    return slash == NULL ? slice_make("", 0) : slice_make(name.data, (size_t)(slash - name.data));
}

bool
folder_name_is_below(struct slice name, struct slice parent)
{
    return name.len > parent.len && name.data[parent.len] == '/' && slice_equal(slice_sub(name, 0, parent.len), parent);
}
