#include "meaning/report_fields.h"

#include "lib/error.h"

void
report_fields_init(struct report_fields *r)
{
    memset(r, 0, sizeof(*r));
}

/* ---- Fields ----------------------------------------------------------------------------------------------------- */

/* Without the "rfc822;", "dns;", "smtp;" in front. */
static struct slice
untyped(struct slice value)
{
    size_t semicolon = slice_find(value, ';'), blank;

    if (semicolon == value.len)
        return slice_trim(value);
    blank = slice_find(slice_trim(slice_sub(value, 0, semicolon)), ' ');
    /* A type is one word; a semicolon further on belongs to the text. */
    if (blank < slice_trim(slice_sub(value, 0, semicolon)).len)
        return slice_trim(value);
    return slice_trim(slice_sub(value, semicolon + 1, value.len));
}

static struct slice
without_brackets(struct slice address)
{
    if (address.len >= 2 && address.data[0] == '<' && address.data[address.len - 1] == '>')
        return slice_sub(address, 1, address.len - 2);
    return address;
}

static void
keep_host(struct report_fields *r, struct slice value)
{
    if (r->host[0] == '\0')
        slice_copy(r->host, sizeof(r->host), untyped(value));
}

static void
keep_user_agent(struct report_fields *r, struct slice value)
{
    if (r->host[0] == '\0')
        slice_copy(r->host, sizeof(r->host), slice_trim(slice_sub(value, 0, slice_find(value, ';'))));
}

static void
keep_action(struct report_fields *r, struct slice value)
{
    static const struct {
        const char        *word;
        enum report_action action;
    } actions[] = {
        { "failed",    ACTION_FAILED    },
        { "delayed",   ACTION_DELAYED   },
        { "delivered", ACTION_PASSED_ON },
        { "relayed",   ACTION_PASSED_ON },
        { "expanded",  ACTION_PASSED_ON },
    };

    for (size_t i = 0; i < COUNT(actions); i++) {
        if (slice_starts_nocase(value, actions[i].word)) {
            r->now.action = actions[i].action;
            slice_copy(r->now.action_word, sizeof(r->now.action_word), slice_of(actions[i].word));
        }
    }
}

static void
keep_status(struct report_fields *r, struct slice value)
{
    size_t len = 0;

    while (len < value.len && ((value.data[len] >= '0' && value.data[len] <= '9') || value.data[len] == '.'))
        len++;
    slice_copy(r->now.status, sizeof(r->now.status), slice_sub(value, 0, len));
}

static void
keep_diagnostic(struct report_fields *r, struct slice value)
{
    if (r->now.diagnostic[0] == '\0')
        slice_copy(r->now.diagnostic, sizeof(r->now.diagnostic), untyped(value));
}

static void
keep_refused_by(struct report_fields *r, struct slice value)
{
    slice_copy(r->now.refused_by, sizeof(r->now.refused_by), untyped(value));
}

static void
keep_original(struct report_fields *r, struct slice value)
{
    slice_copy(r->now.recipient, sizeof(r->now.recipient), without_brackets(untyped(value)));
    r->now.has_original = r->now.recipient[0] != '\0';
}

static void
keep_final(struct report_fields *r, struct slice value)
{
    if (!r->now.has_original)
        slice_copy(r->now.recipient, sizeof(r->now.recipient), without_brackets(untyped(value)));
}

/* "manual-action/MDN-sent-manually; displayed/error" */
static void
keep_disposition(struct report_fields *r, struct slice value)
{
    struct slice type = slice_trim(slice_sub(value, slice_find(value, ';') + 1, value.len));

    if (r->disposition[0] == '\0')
        slice_copy(r->disposition, sizeof(r->disposition), type.len > 0 ? type : value);
}

static const struct report_field {
    const char *name;
    bool        of_recipient;
    void      (*keep)(struct report_fields *r, struct slice value);
} fields[] = {
    { "Reporting-MTA",      false, keep_host        },
    { "Reporting-UA",       false, keep_user_agent  },
    { "Disposition",        false, keep_disposition },
    { "Original-Recipient", true,  keep_original    },
    { "Final-Recipient",    true,  keep_final       },
    { "Action",             true,  keep_action      },
    { "Status",             true,  keep_status      },
    { "Remote-MTA",         true,  keep_refused_by  },
    { "Diagnostic-Code",    true,  keep_diagnostic  },
};

/* The field in line is complete. */
static void
end_field(struct report_fields *r)
{
    struct slice line = slice_make(r->line, r->line_len);
    size_t       colon = slice_find(line, ':');
    struct slice name = slice_trim(slice_sub(line, 0, colon)), value = slice_trim(slice_sub(line, colon + 1, line.len));

    r->line_len = 0;
    for (size_t i = 0; i < COUNT(fields); i++) {
        if (slice_equal_nocase(name, slice_of(fields[i].name))) {
            r->has_now = r->has_now || fields[i].of_recipient;
            fields[i].keep(r, value);
        }
    }
}

/* An empty line ends what is said of one recipient. */
static void
end_group(struct report_fields *r)
{
    if (r->has_now && (!r->has_best || r->now.action > r->best.action)) {
        r->best = r->now;
        r->has_best = true;
    }
    r->has_now = false;
    memset(&r->now, 0, sizeof(r->now));
}

/* ---- Lines ------------------------------------------------------------------------------------------------------ */

static void
add(struct report_fields *r, struct slice octets)
{
    octets = slice_sub(octets, 0, sizeof(r->line) - r->line_len);
    if (octets.len > 0)
        memcpy(r->line + r->line_len, octets.data, octets.len);
    r->line_len += octets.len;
}

/* Takes the first octet of a line, or of an empty line all; returns how many it took. */
static size_t
begin_line(struct report_fields *r, char first)
{
    if (first == '\r' && !r->has_cr) {
        r->has_cr = true;
        return 1;
    }
    if (first == '\n') {
        end_field(r);
        end_group(r);
        r->has_cr = false;
        return 1;
    }
    if (r->has_cr || (first != ' ' && first != '\t'))
        end_field(r);
    r->has_cr = false;
    r->in_line = true;
    return 0;
}

void
report_fields_feed(struct report_fields *r, struct slice octets)
{
    while (octets.len > 0) {
        size_t len = r->in_line ? 0 : begin_line(r, octets.data[0]);

        if (r->in_line) {
            len = slice_find(octets, '\n');
            add(r, slice_sub(octets, 0, len));
            if (len < octets.len) {
                len++;
                r->in_line = false;
                if (r->line_len > 0 && r->line[r->line_len - 1] == '\r')
                    r->line_len--;
            }
        }
        octets = slice_sub(octets, len, octets.len);
    }
}

void
report_fields_end(struct report_fields *r)
{
    end_field(r);
    end_group(r);
    r->in_line = false;
    r->has_cr = false;
}
