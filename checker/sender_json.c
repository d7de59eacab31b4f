#include "checker/sender_json.h"

#include "checker/json_put.h"

json_t *
step_json(enum step_kind kind, uint64_t at_us, uint64_t took_us, bool done, unsigned code, struct slice reply)
{
    json_t *j = json_object();

    PUT(j, "name", json_string(step_name(kind)));
    PUT(j, "at_s", json_seconds(at_us));
    PUT(j, "took_s", json_seconds(took_us));
    PUT(j, "done", json_boolean(done));
    PUT(j, "code", json_code_or_null(code));
    PUT(j, "reply", json_slice_or_null(reply));
    return j;
}

json_t *
tls_json(const struct sender_result *r)
{
    json_t *j;

    if (r->tls_version[0] == '\0')
        return json_null();
    j = json_object();
    PUT(j, "version", json_text_or_null(r->tls_version));
    PUT(j, "cipher", json_text_or_null(r->tls_cipher));
    PUT(j, "verify", json_text_or_null(r->tls_verify));
    return j;
}
