#include "ctl/ctl.h"

#include "ctl/command.h"
#include "lib/display.h"
#include "lib/duration.h"
#include "lib/error.h"
#include "lib/log.h"

#include <sodium.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { TEXT_MAX = 1500 };

/* ---- How it ends ------------------------------------------------------------------------------------------------ */

static const struct {
    int         exit_code;
    const char *advice;     /* what the operator can do; NULL: the words of mt_strerror say it all */
} endings[MT_ERROR_COUNT] = {
    [MT_OK]        = { EX_OK, NULL },
    [MT_ENOMEM]    = { EX_OSERR, NULL },
    [MT_ESYNTAX]   = { EX_USAGE, "check how it is written" },
    [MT_EPROTO]    = { EX_PROTOCOL, "mailtestctl and the running service may be of different versions: restart the service" },
    [MT_ESIZE]     = { EX_USAGE, NULL },
    [MT_EFULL]     = { EX_TEMPFAIL, "make room on the disk or raise store.map_bytes, then try again" },
    [MT_EQUOTA]    = { EX_TEMPFAIL, NULL },
    [MT_ENOTFOUND] = { EX_NOINPUT, NULL },
    [MT_EEXIST]    = { EX_CANTCREAT, NULL },
    [MT_EDISABLED] = { EX_NOPERM, "\"mailtestctl mailbox enable\" enables it" },
    [MT_EDENIED]   = { EX_NOPERM, NULL },
    [MT_EIO]       = { EX_IOERR, "the service's log may tell more" },
    [MT_EDAMAGED]  = { EX_DATAERR, "\"mailtestctl verify\" and the service's log tell more" },
    [MT_EVERSION]  = { EX_DATAERR, "use that version's program" },
    [MT_EBUSY]     = { EX_TEMPFAIL, NULL },
    [MT_ESHUTDOWN] = { EX_UNAVAILABLE, "the service is not running or is just stopping" },
    [MT_EINVALID]  = { EX_USAGE, NULL },
    [MT_EAGAIN]    = { EX_TEMPFAIL, "the service did not answer in time: look at its log, or give it longer with --timeout" },
};

int
ctl_exit_code(int rc)
{
    return rc >= 0 && rc < MT_ERROR_COUNT ? endings[rc].exit_code : EX_SOFTWARE;
}

int
ctl_fail(int exit_code, const char *format, ...)
{
    struct buf text, safe;
    va_list    args;

    buf_init(&text, TEXT_MAX);
    buf_init(&safe, (size_t)TEXT_MAX * 4);
    va_start(args, format);
    buf_vprintf(&text, format, args);
    va_end(args);
    display_text(&safe, buf_slice(&text), TEXT_MAX);
    fprintf(stderr, "mailtestctl: %.*s\n", (int)safe.len, safe.len > 0 ? safe.data : "");
    buf_fini(&text);
    buf_fini(&safe);
    return exit_code;
}

int
ctl_end(const struct ctl *ctl, int rc, const char *what_format, ...)
{
    char        what[512];
    const char *advice;
    va_list     args;

    (void)ctl;
    if (rc == MT_OK)
        return EX_OK;
    va_start(args, what_format);
    vsnprintf(what, sizeof(what), what_format, args);
    va_end(args);
    advice = rc > 0 && rc < MT_ERROR_COUNT ? endings[rc].advice : NULL;
    return ctl_fail(ctl_exit_code(rc), "%s: %s%s%s", what, mt_strerror(rc), advice != NULL ? "; " : "", advice != NULL ? advice : "");
}

int
ctl_print(const struct ctl *ctl, json_t *document, ctl_show_fn *show)
{
    if (document == NULL)
        return ctl_fail(EX_OSERR, "%s", mt_strerror(MT_ENOMEM));
    if (ctl->json)
        output_json(ctl->out, document);
    else
        show(ctl, document);
    json_decref(document);
    return EX_OK;
}

int
ctl_print_list(const struct ctl *ctl, int rc, const char *key, json_t *rows, ctl_show_fn *show, const char *what)
{
    int code;

    if (rc != MT_OK && rc != MT_EDAMAGED) {
        json_decref(rows);
        return ctl_end(ctl, rc, "%s", what);
    }
    code = ctl_print(ctl, json_pack("{so}", key, rows), show);
    return code == EX_OK ? ctl_end(ctl, rc, "%s: something is left out", what) : code;
}

/* ---- Arguments -------------------------------------------------------------------------------------------------- */

int
ctl_confirm(const struct ctl *ctl, const char *question_format, ...)
{
    char    answer[16] = "";
    va_list args;

    if (options_has(&ctl->options, "yes"))
        return EX_OK;
    if (!isatty(STDIN_FILENO))
        return ctl_fail(EX_USAGE, "nothing was done: there is no terminal to ask on; add -y (--yes) to do it without being asked");
    va_start(args, question_format);
    vfprintf(stderr, question_format, args);
    va_end(args);
    fputs(" [y/N] ", stderr);
    if (fgets(answer, sizeof(answer), stdin) != NULL && (answer[0] == 'y' || answer[0] == 'Y'))
        return EX_OK;
    return ctl_fail(EX_TEMPFAIL, "nothing was done");
}

int
ctl_mailbox_operand(const struct ctl *ctl, unsigned i, char name[MAILBOX_NAME_MAX + 1])
{
    const char *text = ctl->options.operands[i];

    if (mailbox_name_parse(slice_of(text), name) == MT_OK)
        return EX_OK;
    return ctl_fail(EX_USAGE, "\"%.100s\" is no name of a mailbox: 1 to %u letters, digits, '.', '-' and '_', beginning and ending "
                    "with a letter or digit, without \"..\" and without a domain", text, MAILBOX_NAME_MAX);
}

int
ctl_number_operand(const struct ctl *ctl, unsigned i, const char *what, uint64_t max, uint64_t *out)
{
    const char *text = ctl->options.operands[i];

    if (slice_to_u64(slice_of(text), max, out) == MT_OK)
        return EX_OK;
    return ctl_fail(EX_USAGE, "\"%.100s\" is not a %s: a number up to %llu", text, what, (unsigned long long)max);
}

int
ctl_duration_option(const struct ctl *ctl, const char *name, uint64_t fallback_ms, uint64_t *out)
{
    static const uint64_t year_ms = 366ull * 86400 * 1000;
    const char           *text = options_value(&ctl->options, name);

    *out = fallback_ms;
    if (text == NULL || duration_parse(slice_of(text), year_ms, out) == MT_OK)
        return EX_OK;
    return ctl_fail(EX_USAGE, "--%s \"%.100s\" is no time span: a number with ms, s, m, h or d, such as 10m or 1.5h, of at most 366d",
                    name, text);
}

int
ctl_number_option(const struct ctl *ctl, const char *name, uint64_t max, uint64_t fallback, uint64_t *out)
{
    const char *text = options_value(&ctl->options, name);

    *out = fallback;
    if (text == NULL || slice_to_u64(slice_of(text), max, out) == MT_OK)
        return EX_OK;
    return ctl_fail(EX_USAGE, "--%s \"%.100s\" is no number up to %llu", name, text, (unsigned long long)max);
}

/* ---- Running a command ------------------------------------------------------------------------------------------ */

static int
open_config(struct ctl *ctl)
{
    const char         *file = options_value(&ctl->options, "config");
    struct config_error error = { .text = "" };
    int                 rc = config_read_file(file != NULL ? file : config_default_file, &ctl->config, &error);

    if (rc == MT_OK)
        return EX_OK;
    return ctl_fail(rc == MT_EDENIED ? EX_NOPERM : rc == MT_ENOTFOUND ? EX_NOINPUT : EX_CONFIG, "%s%s",
                    error.text[0] != '\0' ? error.text : mt_strerror(rc), file == NULL ? "; -c FILE names another configuration" : "");
}

static int
open_client(struct ctl *ctl)
{
    const char *path = ctl->config->control_socket;

    switch (client_connect(path, &ctl->client)) {
    case MT_OK:
        return EX_OK;
    case MT_ESHUTDOWN:
        return ctl_fail(EX_UNAVAILABLE, "the service is not running: nobody listens at %s; start mailtestd, or name its configuration "
                        "with -c FILE", path);
    case MT_EDENIED:
        return ctl_fail(EX_NOPERM, "not allowed to use the control socket %s: run as root, or as the service's user", path);
    case MT_EINVALID:
        return ctl_fail(EX_CONFIG, "the path of the control socket is too long (107 octets at most): %s; set control_socket to a "
                        "shorter one", path);
    default:
        return ctl_fail(EX_OSERR, "cannot connect to the control socket %s", path);
    }
}

/* How long each request may take; a command that waits for something else by --timeout leaves this to be generous enough. */
static int
set_patience(struct ctl *ctl)
{
    uint64_t ms;
    int      code = ctl_duration_option(ctl, "timeout", CLIENT_PATIENCE_MS, &ms);

    if (code == EX_OK && ctl->client != NULL)
        client_set_patience(ctl->client, ms);
    return code;
}

static int
run_command(struct ctl *ctl)
{
    const struct command *command = ctl->command;
    int                   code = EX_OK;

    if (command->need != NEED_NOTHING)
        code = open_config(ctl);
    if (code == EX_OK && command->need == NEED_STORE)
        code = open_client(ctl);
    if (code == EX_OK)
        code = set_patience(ctl);
    if (code == EX_OK)
        code = command->run(ctl);
    client_close(ctl->client);
    config_free(ctl->config);
    if ((fflush(ctl->out) != 0 || ferror(ctl->out)) && code == EX_OK)
        code = ctl_fail(EX_IOERR, "writing the output failed");
    return code;
}

static int
usage_error(const struct command *group, const struct command *command, const char *text)
{
    const char *words[] = { group != NULL ? group->name : "", command != NULL ? command->name : "" };

    return ctl_fail(EX_USAGE, "%s; see \"mailtestctl%s%s%s%s --help\"", text, words[0][0] != '\0' ? " " : "", words[0],
                    words[1][0] != '\0' ? " " : "", words[1]);
}

/* A word that should be a command: finds it, or says what there is. */
static const struct command *
find_word(const struct command *group, const struct command *table, const char *word)
{
    const struct command *found = command_find(table, word);
    struct buf            text;

    if (found != NULL)
        return found;
    buf_init(&text, TEXT_MAX);
    buf_printf(&text, "there is no command \"%.100s\"; there are", word);
    for (const struct command *c = table; c->name != NULL; c++)
        buf_printf(&text, "%s %s", c == table ? "" : ",", c->name);
    buf_append(&text, "", 1);
    usage_error(group, NULL, text.data);
    buf_fini(&text);
    return NULL;
}

static int
show_version(void)
{
    printf("mailtestctl %s\n", MAILTEST_VERSION);
    return -1;
}

/* The command's own options and arguments, behind its name. EX_OK, an exit code (said), or -1: help or version was shown. */
static int
read_arguments(struct ctl *ctl, const struct command *group, int argc, char **argv)
{
    const struct command *command = ctl->command;
    struct options        before = ctl->options;

    options_init(&ctl->options, global_options, command->options);
    for (size_t i = 0; global_options[i].name != NULL; i++) {
        ctl->options.values[i] = before.values[i];
        ctl->options.times[i] = before.times[i];
    }
    if (options_read(&ctl->options, argc, argv, false) == -1)
        return usage_error(group, command, ctl->options.error);
    if (options_has(&ctl->options, "help")) {
        command_help(stdout, group, command);
        return -1;
    }
    if (options_has(&ctl->options, "version"))
        return show_version();
    if (ctl->options.operand_count < command->least || ctl->options.operand_count > command->most) {
        char text[256];

        if (command->most == 0)
            snprintf(text, sizeof(text), "%s takes no argument, and was given \"%.100s\"", command->name, ctl->options.operands[0]);
        else
            snprintf(text, sizeof(text), "%s arguments: expected \"%s %s\"",
                     ctl->options.operand_count < command->least ? "too few" : "too many", command->name, command->arguments);
        return usage_error(group, command, text);
    }
    ctl->json = options_has(&ctl->options, "json");
    return EX_OK;
}

/* Options in front of the next word. Returns how many words were read; -1 for an error (said), -2 when help or version was shown. */
static int
read_front(struct ctl *ctl, const struct command *group, int argc, char **argv)
{
    int read = options_read(&ctl->options, argc, argv, true);

    if (read == -1) {
        usage_error(group, NULL, ctl->options.error);
    } else if (options_has(&ctl->options, "help")) {
        command_help(stdout, group, NULL);
        read = -2;
    } else if (options_has(&ctl->options, "version")) {
        show_version();
        read = -2;
    } else if (read == argc) {
        command_help(stderr, group, NULL);
        read = -1;
    }
    return read;
}

uint64_t
ctl_now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

int
ctl_main(int argc, char **argv)
{
    struct ctl            ctl = { .out = stdout };
    const struct command *group = NULL, *table = top_commands;
    int                   at = argc > 0 ? 1 : 0, code;

    if (sodium_init() < 0)
        return ctl_fail(EX_OSERR, "the cryptographic library could not be set up");
    log_open("mailtestctl", LOG_LEVEL_WARNING);
    options_init(&ctl.options, global_options, NULL);
    for (;;) {
        const struct command *found;
        int                   read = read_front(&ctl, group, argc - at, argv + at);

        if (read < 0)
            return read == -2 ? EX_OK : EX_USAGE;
        at += read;
        if (strcmp(argv[at], "help") == 0) {
            command_help(stdout, group, NULL);
            return EX_OK;
        }
        found = find_word(group, table, argv[at++]);
        if (found == NULL)
            return EX_USAGE;
        if (found->group == NULL) {
            ctl.command = found;
            break;
        }
        group = found;
        table = found->group;
    }
    code = read_arguments(&ctl, group, argc - at, argv + at);
    if (code != EX_OK)
        return code == -1 ? EX_OK : code;
    return run_command(&ctl);
}
