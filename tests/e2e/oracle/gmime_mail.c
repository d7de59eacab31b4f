/*
 * gmime_mail FILE... - what GMime makes of each mail, as one line of JSON: its ENVELOPE and its parts. For tests/e2e/test_imap_oracle.py,
 * which compiles it. Texts are raw, without folds, but for what GMime only gives decoded: names of addresses and parameters.
 */

#include <gmime/gmime.h>
#include <jansson.h>
#include <stdio.h>

static json_t *
text(const char *value)
{
    char   *valid;
    json_t *j;

    if (value == NULL)
        return json_null();
    valid = g_utf8_make_valid(value, -1);
    j = json_string(valid);
    g_free(valid);
    return j;
}

/* The first field of that name. */
static const char *
raw_field(GMimeObject *o, const char *name)
{
    GMimeHeaderList *list = g_mime_object_get_header_list(o);

    for (int i = 0; i < g_mime_header_list_get_count(list); i++) {
        GMimeHeader *header = g_mime_header_list_get_header_at(list, i);

        if (g_ascii_strcasecmp(g_mime_header_get_name(header), name) == 0)
            return g_mime_header_get_raw_value(header);
    }
    return NULL;
}

static json_t *
addresses(InternetAddressList *list)
{
    json_t *all = json_array();

    for (int i = 0; list != NULL && i < internet_address_list_length(list); i++) {
        InternetAddress *a = internet_address_list_get_address(list, i);
        json_t          *one = json_object();

        json_object_set_new(one, "name", text(internet_address_get_name(a)));
        if (INTERNET_ADDRESS_IS_GROUP(a))
            json_object_set_new(one, "members", addresses(internet_address_group_get_members(INTERNET_ADDRESS_GROUP(a))));
        else
            json_object_set_new(one, "address", text(internet_address_mailbox_get_addr(INTERNET_ADDRESS_MAILBOX(a))));
        json_array_append_new(all, one);
    }
    return all;
}

static json_t *
envelope(GMimeObject *o)
{
    static const char *const texts[] = { "Date", "Subject", "In-Reply-To", "Message-ID" };
    static const char *const lists[] = { "From", "Sender", "Reply-To", "To", "Cc", "Bcc" };
    json_t *j = json_object();

    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
        json_object_set_new(j, texts[i], text(raw_field(o, texts[i])));
    for (size_t i = 0; i < G_N_ELEMENTS(lists); i++) {
        const char          *value = raw_field(o, lists[i]);
        InternetAddressList *list = value == NULL ? NULL : internet_address_list_parse(NULL, value);

        json_object_set_new(j, lists[i], addresses(list));
        if (list != NULL)
            g_object_unref(list);
    }
    return j;
}

static json_t *
parameters(GMimeParamList *list)
{
    json_t *j = json_object();

    for (int i = 0; list != NULL && i < g_mime_param_list_length(list); i++) {
        GMimeParam *p = g_mime_param_list_get_parameter_at(list, i);

        json_object_set_new(j, g_mime_param_get_name(p), text(g_mime_param_get_value(p)));
    }
    return j;
}

/* Octets as they stand in the mail, and decoded. */
static void
measure(json_t *j, GMimePart *part)
{
    GMimeDataWrapper *content = g_mime_part_get_content(part);
    GMimeStream      *stream = content == NULL ? NULL : g_mime_data_wrapper_get_stream(content);
    GMimeStream      *null = g_mime_stream_null_new();

    json_object_set_new(j, "size", json_integer(stream == NULL ? 0 : g_mime_stream_length(stream)));
    if (content != NULL)
        g_mime_data_wrapper_write_to_stream(content, null);
    json_object_set_new(j, "decoded", json_integer((json_int_t)GMIME_STREAM_NULL(null)->written));
    g_object_unref(null);
}

static json_t *
part(GMimeObject *o)
{
    static const char *const texts[] = { "Content-ID", "Content-Description", "Content-Transfer-Encoding" };
    GMimeContentType        *type = g_mime_object_get_content_type(o);
    GMimeContentDisposition *disposition = g_mime_object_get_content_disposition(o);
    json_t                  *j = json_object();

    json_object_set_new(j, "type", text(g_mime_content_type_get_media_type(type)));
    json_object_set_new(j, "subtype", text(g_mime_content_type_get_media_subtype(type)));
    json_object_set_new(j, "parameters", parameters(g_mime_content_type_get_parameters(type)));
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
        json_object_set_new(j, texts[i], text(raw_field(o, texts[i])));
    if (disposition != NULL) {
        json_object_set_new(j, "disposition", text(g_mime_content_disposition_get_disposition(disposition)));
        json_object_set_new(j, "disposition parameters", parameters(g_mime_content_disposition_get_parameters(disposition)));
    }
    if (GMIME_IS_MULTIPART(o)) {
        json_t *parts = json_array();

        for (int i = 0; i < g_mime_multipart_get_count(GMIME_MULTIPART(o)); i++)
            json_array_append_new(parts, part(g_mime_multipart_get_part(GMIME_MULTIPART(o), i)));
        json_object_set_new(j, "parts", parts);
    } else if (GMIME_IS_MESSAGE_PART(o)) {
        GMimeMessage *message = g_mime_message_part_get_message(GMIME_MESSAGE_PART(o));

        if (message != NULL) {
            json_object_set_new(j, "envelope", envelope(GMIME_OBJECT(message)));
            json_object_set_new(j, "message", part(g_mime_message_get_mime_part(message)));
        }
    } else if (GMIME_IS_PART(o)) {
        measure(j, GMIME_PART(o));
    }
    return j;
}

static json_t *
mail(const char *file)
{
    GMimeStream  *stream = g_mime_stream_file_open(file, "r", NULL);
    GMimeParser  *parser = g_mime_parser_new_with_stream(stream);
    GMimeMessage *message = g_mime_parser_construct_message(parser, NULL);
    json_t       *j = json_object();

    if (message != NULL) {
        json_object_set_new(j, "envelope", envelope(GMIME_OBJECT(message)));
        json_object_set_new(j, "body", part(g_mime_message_get_mime_part(message)));
        g_object_unref(message);
    }
    g_object_unref(parser);
    g_object_unref(stream);
    return j;
}

int
main(int argc, char **argv)
{
    g_mime_init();
    for (int i = 1; i < argc; i++) {
        json_t *j = mail(argv[i]);

        json_dumpf(j, stdout, JSON_COMPACT);
        putchar('\n');
        json_decref(j);
    }
    g_mime_shutdown();
    return 0;
}
