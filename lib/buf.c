#include "lib/buf.h"

#include "lib/error.h"

#include <assert.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

enum { BUF_FIRST_BYTES = 128, SHORT_TEXT_BYTES = 512 };

void
buf_init(struct buf *b, size_t limit)
{
    *b = (struct buf){ .limit = limit };
}

void
buf_fini(struct buf *b)
{
    if (b->secret && b->data != NULL)
        sodium_memzero(b->data, b->cap);
    free(b->data);
    *b = (struct buf){ .limit = b->limit, .secret = b->secret };
}

void
buf_wipe(struct buf *b)
{
    bool was_secret = b->secret;

    b->secret = true;
    buf_fini(b);
    b->secret = was_secret;
}

void
buf_clear(struct buf *b)
{
    if (b->secret && b->len > 0)
        sodium_memzero(b->data, b->len);
    b->len = 0;
    b->fault = MT_OK;
}

/* realloc() would leave a copy behind. */
static char *
move(struct buf *b, size_t cap)
{
    char *data;

    if (!b->secret)
        return realloc(b->data, cap);
    if ((data = malloc(cap)) == NULL || b->data == NULL)
        return data;
    memcpy(data, b->data, b->len);
    sodium_memzero(b->data, b->cap);
    free(b->data);
    return data;
}

static int
grow(struct buf *b, size_t more)
{
    size_t cap = b->cap == 0 ? BUF_FIRST_BYTES : b->cap;
    char  *data;

    if (b->fault != MT_OK)
        return b->fault;
    if (more > b->limit - b->len)
        return b->fault = MT_ESIZE;
    if (b->len + more <= b->cap)
        return MT_OK;
    while (cap < b->len + more)
        cap *= 2;
    if (cap > b->limit)
        cap = b->limit;
    data = move(b, cap);
    if (data == NULL)
        return b->fault = MT_ENOMEM;
    b->data = data;
    b->cap = cap;
    return MT_OK;
}

char *
buf_reserve(struct buf *b, size_t len)
{
    if (grow(b, len > 0 ? len : 1) != MT_OK)
        return NULL;
    return b->data + b->len;
}

void
buf_added(struct buf *b, size_t len)
{
    assert(len <= b->cap - b->len);
    b->len += len;
}

int
buf_append(struct buf *b, const void *data, size_t len)
{
    int rc = grow(b, len);

    if (rc == MT_OK && len > 0) {
        memcpy(b->data + b->len, data, len);
        b->len += len;
    }
    return rc;
}

int
buf_append_slice(struct buf *b, struct slice s)
{
    return buf_append(b, s.data, s.len);
}

int
buf_append_byte(struct buf *b, char c)
{
    return buf_append(b, &c, 1);
}

int
buf_append_string(struct buf *b, const char *string)
{
    return buf_append(b, string, strlen(string));
}

static void append_long_text(struct buf *b, size_t len, const char *format, va_list args) __attribute__((format(printf, 3, 0)));

static void
append_long_text(struct buf *b, size_t len, const char *format, va_list args)
{
    char *text = malloc(len + 1);

    if (text == NULL) {
        b->fault = b->fault != MT_OK ? b->fault : MT_ENOMEM;
        return;
    }
    vsnprintf(text, len + 1, format, args);
    buf_append(b, text, len);
    if (b->secret)
        sodium_memzero(text, len);
    free(text);
}

/* Most texts are short: they are formatted once, without memory of their own. */
int
buf_vprintf(struct buf *b, const char *format, va_list args)
{
    char    text[SHORT_TEXT_BYTES];
    va_list again;
    int     len;

    va_copy(again, args);
    len = vsnprintf(text, sizeof(text), format, args);
    assert(len >= 0);
    if ((size_t)len < sizeof(text))
        buf_append(b, text, (size_t)len);
    else
        append_long_text(b, (size_t)len, format, again);
    va_end(again);
    if (b->secret)
        sodium_memzero(text, sizeof(text));
    return b->fault;
}

int
buf_printf(struct buf *b, const char *format, ...)
{
    va_list args;
    int     rc;

    va_start(args, format);
    rc = buf_vprintf(b, format, args);
    va_end(args);
    return rc;
}

void
buf_consume(struct buf *b, size_t len)
{
    if (len > b->len)
        len = b->len;
    if (len > 0)
        memmove(b->data, b->data + len, b->len - len);
    b->len -= len;
    if (b->secret && len > 0)
        sodium_memzero(b->data + b->len, len);
}
