#ifndef CHECKER_SETTINGS_VALUE_H
#define CHECKER_SETTINGS_VALUE_H
/*
 * settings_value - single options of the command line as values of a plan. Of settings alone. Each returns MT_OK, or MT_EINVALID with the sentence in
 * s->error; name is that of the option, without its "--".
 */

#include "checker/settings.h"

/* Writes the sentence. Returns MT_EINVALID. */
int settings_refuse(struct settings *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* 1 to 65535; MT_ESYNTAX. */
int settings_port(struct slice text, uint16_t *port);

/* The place of a word in a list; -1: it is not among them. */
int settings_word(const char *text, const char *const words[], size_t count);

/* Each gives the fallback where the option is absent; an address is NULL then. */
int settings_span(struct settings *s, const struct options *o, const char *name, uint32_t fallback_ms, uint32_t least_ms, uint32_t *out);
int settings_range(struct settings *s, const struct options *o, const char *name, const char *fallback, struct range *out);
int settings_address(struct settings *s, const struct options *o, const char *name, const char **out);

/* "host:port" of an address family that was asked for. *port is left as it is where none is given. */
int settings_server(struct settings *s, const char *option, const char *text, char host[ROUTE_HOST_BYTES], uint16_t *port);

/* implicit_port: where TLS from the first octet on is what one means; 0: nowhere. server->port is set. */
int settings_tls(struct settings *s, const struct options *o, const char *name, enum tls_mode fallback, uint16_t implicit_port, struct server *server);

/* --ca-file: for the sending server and the account. */
int settings_ca_file(struct settings *s, const struct options *o);

/* --helo, or this machine's name. */
int settings_helo(struct settings *s, const struct options *o);

/* Names of the options of one login. */
struct auth_options {
    const char *user, *password_file, *token_command, *mechanism;
};

/* memory: for the words of the token command. Without a user AUTH_NONE. */
int settings_auth(struct settings *s, const struct options *o, const struct auth_options *names, char memory[SETTINGS_COMMAND_BYTES], struct auth *out);

/* A password is shown only to who proves its name, unless the user says otherwise (option, of TLS) or the server is this machine. */
void settings_demand_trust(const struct options *o, const char *option, struct server *server);

#endif
