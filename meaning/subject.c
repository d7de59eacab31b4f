#include "meaning/subject.h"

#include "lib/error.h"

enum { TAGS_MAX = 4, PREFIXES_MAX = 4 };

#define WIDE_COLON "："     /* U+FF1A, as Chinese and Japanese mail programs write it */

/* Letters beyond ASCII stand in both cases where programs write both. */
static const char *const reply_prefixes[] = {
    "Re", "AW", "Antwort", "Antw", "Antwoord", "SV", "Svar", "RIF", "R", "RES", "Resp", "Respuesta", "Ré", "RÉ", "Réf", "Rép",
    "Odp", "Odpověď", "YNT", "Yan", "ATB", "ATS", "BLS", "Vá", "VÁ", "Válasz", "На", "НА", "на", "Ответ", "Отв", "ΑΠ", "ΣΧΕΤ",
    "回复", "答复", "回覆", "答覆", "返信", "회신", "השב",
};

static const char *const forward_prefixes[] = {
    "Fwd", "FW", "WG", "Weitergeleitet", "WtrLt", "TR", "RV", "RVD", "Reenv", "I", "Inoltro", "ENC", "RES-ENC", "Doorst", "VB",
    "VL", "PD", "ILT", "İlt", "İLT", "TRS", "Továbbítás", "ΠΡΘ", "转发", "轉寄", "転送", "전달", "הועבר",
};

/* Finnish: a reply; Danish and Norwegian: a forward. */
static const char *const either_prefixes[] = { "VS" };

static const char *const automatic[] = {
    "Automatic reply", "Automatic response", "Auto reply", "Auto-reply", "Autoreply", "Auto response", "Auto-response", "Auto:",
    "Automated reply", "Automated response", "Autoresponder", "Auto-Responder", "Out of Office", "Out-of-Office", "Out of the Office",
    "OOO:", "OOF:", "Vacation", "On vacation", "Away from my mail", "I am out of the office", "I'm out of the office",
    /* German, French, Italian */
    "Automatische Antwort", "Automatische Abwesenheit", "Abwesenheitsnotiz", "Abwesenheit", "Abwesend", "AutoAntwort",
    "Réponse automatique", "Réponse d'absence", "Absence du bureau", "Absent du bureau", "Message d'absence",
    "Risposta automatica", "Fuori sede", "Fuori ufficio",
    /* Spanish, Portuguese, Dutch */
    "Respuesta automática", "Fuera de la oficina", "Fuera de oficina", "Ausencia",
    "Resposta automática", "Resposta Automática", "Fora do escritório", "Ausente do escritório",
    "Automatisch antwoord", "Afwezigheidsbericht", "Afwezig", "Niet aanwezig",
    /* Czech, Slovak, Polish */
    "Automatická odpověď", "Automatické odpovědi", "Automatická odpoveď", "Mimo kancelář",
    "Odpowiedź automatyczna", "Automatyczna odpowiedź", "Autoodpowiedź", "Poza biurem",
    /* Danish, Norwegian, Swedish, Finnish, Estonian */
    "Autosvar", "Automatisk svar", "Automatiskt svar", "Frånvaro", "Fravær", "Ikke til stede", "Automaattinen vastaus", "Poissa",
    "Automaatvastus",
    /* Hungarian, Turkish, Romanian, Slovene, Croatian */
    "Automatikus válasz", "Otomatik yanıt", "Ofis dışında", "Răspuns automat", "Samodejni odgovor", "Automatski odgovor",
    /* Russian, Ukrainian, Greek */
    "Автоматический ответ", "Автоответ", "Автоматична відповідь", "Αυτόματη απάντηση",
    /* Japanese, Chinese, Korean */
    "自動応答", "自動返信", "不在", "自动答复", "自动回复", "自動回覆", "자동 회신",
};

/* Without tags such as "[EXTERNAL]" or "{Spam?}" in front. */
static struct slice
without_tags(struct slice s)
{
    s = slice_trim(s);
    for (unsigned i = 0; i < TAGS_MAX && s.len > 0 && (s.data[0] == '[' || s.data[0] == '{'); i++) {
        size_t end = slice_find(s, s.data[0] == '[' ? ']' : '}');

        if (end == s.len)
            break;
        s = slice_trim(slice_sub(s, end + 1, s.len));
    }
    return s;
}

/* The length of what may stand between the word and its end: a count as in "Re[2]", "Re(2)", "Re^2", blanks, a colon; 0: no colon. */
static size_t
colon_len(struct slice s)
{
    size_t at = 0;

    if (at < s.len && strchr("[(^*", s.data[at]) != NULL && s.data[at] != '\0') {
        at++;
        while (at < s.len && s.data[at] >= '0' && s.data[at] <= '9')
            at++;
        if (at < s.len && (s.data[at] == ']' || s.data[at] == ')'))
            at++;
    }
    while (at < s.len && (s.data[at] == ' ' || s.data[at] == '.'))
        at++;
    if (slice_starts(slice_sub(s, at, 2), "\xc2\xa0"))
        at += 2;                            /* French programs put a hard space there */
    if (at < s.len && s.data[at] == ':')
        return at + 1;
    return slice_starts(slice_sub(s, at, s.len), WIDE_COLON) ? at + strlen(WIDE_COLON) : 0;
}

/* Whether s begins with one of the words and a colon. */
static bool
has_prefix(struct slice s, const char *const words[], size_t count, struct slice *prefix)
{
    for (size_t i = 0; i < count; i++) {
        size_t len = strlen(words[i]), colon;

        if (!slice_starts_nocase(s, words[i]))
            continue;
        colon = colon_len(slice_sub(s, len, s.len));
        if (colon == 0)
            continue;
        *prefix = slice_sub(s, 0, len + colon);
        return true;
    }
    return false;
}

enum subject_prefix
subject_prefix_of(struct slice subject, struct slice *prefix)
{
    struct slice s = without_tags(subject);

    *prefix = slice_make("", 0);
    if (has_prefix(s, reply_prefixes, COUNT(reply_prefixes), prefix))
        return SUBJECT_REPLY;
    if (has_prefix(s, forward_prefixes, COUNT(forward_prefixes), prefix))
        return SUBJECT_FORWARD;
    return has_prefix(s, either_prefixes, COUNT(either_prefixes), prefix) ? SUBJECT_EITHER : SUBJECT_PLAIN;
}

bool
subject_is_automatic(struct slice subject, struct slice *wording)
{
    struct slice s = without_tags(subject), prefix;

    for (unsigned i = 0; i < PREFIXES_MAX; i++) {
        for (size_t k = 0; k < COUNT(automatic); k++) {
            if (slice_starts_nocase(s, automatic[k])) {
                *wording = slice_sub(s, 0, strlen(automatic[k]));
                return true;
            }
        }
        if (subject_prefix_of(s, &prefix) != SUBJECT_REPLY)
            return false;
        s = without_tags(slice_sub(s, (size_t)(prefix.data - s.data) + prefix.len, s.len));
    }
    return false;
}
