#include "checker/json_put.h"

#include "lib/display.h"
#include "lib/error.h"
#include "lib/rfc3339.h"

json_t *
json_slice_or_null(struct slice text)
{
    struct buf valid;
    json_t    *string = NULL;

    if (text.len == 0)
        return json_null();
    buf_init(&valid, text.len * 3 + 1);
    display_utf8(&valid, text);
    if (valid.fault == MT_OK)
        string = json_stringn(valid.data, valid.len);
    buf_fini(&valid);
    return string;
}

json_t *
json_text_or_null(const char *text)
{
    return text == NULL ? json_null() : json_slice_or_null(slice_of(text));
}

json_t *
json_code_or_null(unsigned code)
{
    return code != 0 ? json_integer(code) : json_null();
}

json_t *
json_seconds(uint64_t us)
{
    return json_real((double)us / 1e6);
}

json_t *
json_time_us(uint64_t us)
{
    char   text[RFC3339_TEXT_BYTES];
    size_t len = rfc3339_text_us(us, text);

    return json_stringn(text, len);
}
