/*
 * Templates of alerts, and notices as JSON: a template that passed the check is written out within the bound and shows no control character of
 * a peer's; a notice that was read comes back from its own JSON.
 */

#include "checker/alert_letter.h"
#include "checker/alert_text.h"
#include "checker/notice_json.h"
#include "lib/error.h"

#include <assert.h>
#include <stdlib.h>

static void
check_letter(const char *template, const struct notice *n)
{
    struct buf out;
    size_t     column = 0;

    buf_init(&out, ALERT_LETTER_MAX_BYTES);
    alert_letter_write(&out, &(struct alert_letter){ .from = "a@b.test", .to = "c@d.test", .subject = template, .text = template, .notice = n });
    for (size_t i = 0; i < out.len && out.fault == MT_OK; i++) {
        assert((unsigned char)out.data[i] < 0x7f);
        column = out.data[i] == '\n' ? 0 : column + 1;
        assert(column <= 79);       /* with its CR */
    }
    buf_fini(&out);
}

static void
check_notice(const struct notice *n)
{
    static struct notice_read again;
    json_t                   *json = notice_to_json(n);

    assert(json != NULL && notice_from_json(json, &again) == MT_OK);
    assert(again.notice.kind == n->kind && again.notice.checks_told == n->checks_told && again.notice.id == n->id);
    json_decref(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A template, a line feed, a notice. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct notice_read read;
    struct slice              all = slice_make(data, size), line = slice_sub(all, 0, slice_find(all, '\n'));
    struct slice              rest = slice_sub(all, line.len + 1, all.len);
    char                     *template = strndup(line.data == NULL ? "" : line.data, line.len), error[400];
    json_t                   *json = json_loadb(rest.data == NULL ? "" : rest.data, rest.len, 0, NULL);

    assert(template != NULL);
    if (json != NULL && notice_from_json(json, &read) == MT_OK) {
        check_notice(&read.notice);
        if (alert_template_check(template, error, sizeof(error)) == MT_OK)
            check_letter(template, &read.notice);
    }
    json_decref(json);
    free(template);
    return 0;
}
