#include "lookup/auth.h"

#include "lib/error.h"

#include <sodium.h>

int
bearer_parse(struct slice authorization, struct slice *key, uint32_t *id)
{
    struct slice text, number;
    uint64_t     value;

    if (!slice_starts_nocase(authorization, "Bearer "))
        return MT_ESYNTAX;
    text = slice_trim(slice_sub(authorization, 7, authorization.len));
    if (!slice_starts(text, "mtk_"))
        return MT_ESYNTAX;
    number = slice_sub(text, 4, text.len);
    number = slice_sub(number, 0, slice_find(number, '_'));
    if (4 + number.len + 1 >= text.len || slice_to_u64(number, UINT32_MAX, &value) != MT_OK)
        return MT_ESYNTAX;
    *key = text;
    *id = (uint32_t)value;
    return MT_OK;
}

bool
key_fits(struct slice key, const struct api_key_record *record)
{
    uint8_t hash[sizeof(record->hash)];

    crypto_generichash(hash, sizeof(hash), (const uint8_t *)key.data, key.len, NULL, 0);
    return sodium_memcmp(hash, record->hash, sizeof(hash)) == 0;
}

int
caller_check(const struct db_view *v, struct slice authorization, struct caller *out)
{
    struct api_key_record record;
    struct slice          key;
    uint32_t              id;
    int                   rc;

    if (bearer_parse(authorization, &key, &id) != MT_OK)
        return MT_EDENIED;
    rc = db_api_key(v, id, &record);
    if (rc == MT_ENOTFOUND || (rc == MT_OK && !key_fits(key, &record)))
        return MT_EDENIED;
    if (rc == MT_OK)
        *out = (struct caller){ .key_id = id, .mailbox_id = record.mailbox_id };
    return rc;
}
