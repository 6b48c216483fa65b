/* Talking to the broker that a command means. */
#ifndef WYCKMILL_CLI_CONNECT_H
#define WYCKMILL_CLI_CONNECT_H

#include "cli/cli.h"
#include "workers/runtime/client.h"

/* The broker of --connect, else the one that runs on the store of --store. Errors: ERR_NETWORK
 * (none runs, or none answers), and those of client_open_keys. */
int connect_broker(const struct cli_common *common, struct client **ret_client,
                   struct err *err);

#endif
