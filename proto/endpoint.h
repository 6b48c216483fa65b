/* Addresses as people type them. A broker listens on two sockets: control on the address given,
 * bulk data on the one derived from it here, so that one address names both. */
#ifndef WYCKMILL_PROTO_ENDPOINT_H
#define WYCKMILL_PROTO_ENDPOINT_H

#include "common/err.h"

enum { ENDPOINT_SIZE = 256 /* with NUL */ };

/* "tcp://HOST:PORT", "ipc://PATH", or "HOST:PORT" for the first; a missing host is an error.
 * Errors: ERR_INVALID with a hint. */
int endpoint_parse(const char *text, char ret[ENDPOINT_SIZE], struct err *err);

/* The bulk socket beside a parsed control endpoint: same host and port + 1, or the same path
 * with "-bulk" behind it. Errors: ERR_INVALID. */
int endpoint_bulk(const char *control, char ret[ENDPOINT_SIZE], struct err *err);

#endif
