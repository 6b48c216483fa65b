/* Talking to the broker that a command means: see connect.h. */
#include "cli/connect.h"

#include "broker/broker.h"
#include "cli/find.h"

int connect_broker(const struct cli_common *common, struct client **ret_client, struct err *err)
{
    struct broker_address address;
    const char *path = find_store_path(common->store);
    if (common->connect)
        return client_open_keys(common->connect, common->keys, CLIENT_TIMEOUT_MS, ret_client,
                                err);
    if (broker_find(path, &address, NULL)) {
        (void)err_set(err, ERR_NETWORK, "no broker runs on the store '%s'", path);
        return err_hint(err, "name its store with --store DIR or its address with --connect");
    }
    return client_open_keys(address.endpoint, address.keys ? common->keys : "",
                            CLIENT_TIMEOUT_MS, ret_client, err);
}
