/*
 * finder_gmime - finder_speed's job done with GMime: parses the mail, decodes each text part to UTF-8, searches it for the token. It
 * is a program of its own, since nothing else of the project needs GMime.
 */

#include <err.h>
#include <gmime/gmime.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct search {
    const char *token;
    int         found;
};

static double
cpu_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
on_part(GMimeObject *parent, GMimeObject *part, void *arg)
{
    struct search *s = arg;
    char          *text;

    (void)parent;
    if (!GMIME_IS_TEXT_PART(part) || (text = g_mime_text_part_get_text((GMimeTextPart *)part)) == NULL)
        return;
    s->found |= strstr(text, s->token) != NULL;
    g_free(text);
}

static int
find(const char *mail, size_t len, const char *token)
{
    GMimeStream   *stream = g_mime_stream_mem_new_with_buffer(mail, len);
    GMimeParser   *parser = g_mime_parser_new_with_stream(stream);
    GMimeMessage  *message = g_mime_parser_construct_message(parser, NULL);
    struct search  s = { token, 0 };

    g_mime_message_foreach(message, on_part, &s);
    g_object_unref(message);
    g_object_unref(parser);
    g_object_unref(stream);
    return s.found;
}

int
main(int argc, char **argv)
{
    char         *mail;
    gsize         len;
    double        seconds, begun;
    unsigned long rounds = 0;

    if (argc != 4)
        errx(2, "usage: finder_gmime MAIL SECONDS TOKEN");
    if (!g_file_get_contents(argv[1], &mail, &len, NULL))
        errx(2, "%s cannot be read", argv[1]);
    g_mime_init();
    seconds = strtod(argv[2], NULL);
    find(mail, len, argv[3]);
    begun = cpu_seconds();
    do {
        if (!find(mail, len, argv[3]))
            errx(1, "the token was not found");
        rounds++;
    } while (cpu_seconds() - begun < seconds);
    seconds = cpu_seconds() - begun;
    printf("{\"bytes_per_second\": %.0f, \"us_per_mail\": %.2f}\n", (double)len * (double)rounds / seconds, seconds / (double)rounds * 1e6);
    g_free(mail);
    g_mime_shutdown();
    return 0;
}
