#ifndef SMTPD_COMMANDS_H
#define SMTPD_COMMANDS_H
/*
 * commands - what the handlers of the commands have in common: each gets the arguments behind the verb, changes the session and
 * its transaction, and replies. dispatch.c has checked that the command makes sense in the session's state.
 */

#include "smtpd/session.h"

/* cmd_session.c */
void cmd_ehlo(struct session *s, struct slice args);
void cmd_helo(struct session *s, struct slice args);
void cmd_starttls(struct session *s, struct slice args);
void cmd_rset(struct session *s, struct slice args);
void cmd_noop(struct session *s, struct slice args);
void cmd_quit(struct session *s, struct slice args);
void cmd_vrfy(struct session *s, struct slice args);
void cmd_help(struct session *s, struct slice args);

/* cmd_mail.c */
void cmd_mail(struct session *s, struct slice args);
void cmd_rcpt(struct session *s, struct slice args);

/* cmd_data.c */
void cmd_data(struct session *s, struct slice args);
void cmd_bdat(struct session *s, struct slice args);

/* Take octets of a message from *in: in ST_BODY, in ST_CHUNK. */
void data_take_body(struct session *s, struct slice *in);
void data_take_chunk(struct session *s, struct slice *in);

/* The session no longer waits: replies to the message as store decided (0 or MT_E…) and ends the transaction. */
void data_delivered(struct session *s, int rc);

#endif
