#include "lib/scram.h"

bool
scram_attribute(struct slice *s, char name, struct slice *value)
{
    size_t end = slice_find(*s, ',');

    if (s->len < 2 || s->data[0] != name || s->data[1] != '=')
        return false;
    *value = slice_sub(*s, 2, end - 2);
    *s = slice_sub(*s, end + 1, s->len);
    return true;
}
