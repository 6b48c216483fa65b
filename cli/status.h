/* The status document (docs: wyckmill(1), status) and its forms: `status` and `top` show it. */
#ifndef WYCKMILL_CLI_STATUS_H
#define WYCKMILL_CLI_STATUS_H

#include "common/err.h"

#include <jansson.h>
#include <stdio.h>

/* From the broker at `connect`, with the keys of the folder `keys` (NULL: those of
 * $WYCKMILL_KEYS, if any); with NULL from the broker of the store, or from the store
 * itself when none runs ("broker" is null then). Caller owns *ret. Errors: ERR_NETWORK, those
 * of opening the store. */
int status_fetch(const char *connect, const char *keys, const char *store, json_t **ret, struct err *err);

void status_show(const json_t *root, FILE *out);
/* Prometheus' text format, version 0.0.4. */
void status_show_prometheus(const json_t *root, FILE *out);

#endif
