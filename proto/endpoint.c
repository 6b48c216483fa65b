/* See endpoint.h. */
#include "proto/endpoint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { IPC_PATH_MAX = 107 /* sun_path with NUL, unix(7) */ };

static int parse_port(const char *text, int *ret_port)
{
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 5 || text[digits])
        return ERR_INVALID;
    *ret_port = (int)strtol(text, NULL, 10);
    return *ret_port >= 1 && *ret_port <= 65535 ? 0 : ERR_INVALID;
}

static int parse_tcp(const char *text, const char *host, char *ret, struct err *err)
{
    const char *colon = strrchr(host, ':');
    int port;
    if (!colon || colon == host || parse_port(colon + 1, &port) != 0)
        return err_set(err, ERR_INVALID, "address '%s': want HOST:PORT with a port 1..65535",
                       text);
    if (snprintf(ret, ENDPOINT_SIZE, "tcp://%s", host) >= ENDPOINT_SIZE)
        return err_set(err, ERR_INVALID, "address '%.40s...' is too long", text);
    return 0;
}

static int parse_ipc(const char *text, const char *path, char *ret, struct err *err)
{
    if (!*path)
        return err_set(err, ERR_INVALID, "address '%s' has no path", text);
    if (strlen(path) + strlen("-bulk") >= IPC_PATH_MAX)
        return err_set(err, ERR_INVALID, "socket path '%s' is longer than %zu bytes", path,
                       IPC_PATH_MAX - 1 - strlen("-bulk"));
    (void)snprintf(ret, ENDPOINT_SIZE, "ipc://%s", path);
    return 0;
}

int endpoint_parse(const char *text, char ret[ENDPOINT_SIZE], struct err *err)
{
    int rc;
    if (strncmp(text, "tcp://", 6) == 0)
        rc = parse_tcp(text, text + 6, ret, err);
    else if (strncmp(text, "ipc://", 6) == 0)
        rc = parse_ipc(text, text + 6, ret, err);
    else if (!strstr(text, "://"))
        rc = parse_tcp(text, text, ret, err);
    else
        rc = err_set(err, ERR_INVALID, "address '%s': only tcp:// and ipc:// are spoken", text);
    if (rc != 0)
        (void)err_hint(err, "write tcp://HOST:PORT, e.g. tcp://127.0.0.1:7700");
    return rc;
}

int endpoint_bulk(const char *control, char ret[ENDPOINT_SIZE], struct err *err)
{
    const char *colon = strrchr(control, ':');
    int port;
    if (strncmp(control, "ipc://", 6) == 0) {
        if (snprintf(ret, ENDPOINT_SIZE, "%s-bulk", control) >= ENDPOINT_SIZE)
            return err_set(err, ERR_INVALID, "address '%.40s...' is too long", control);
        return 0;
    }
    if (strncmp(control, "tcp://", 6) != 0 || parse_port(colon + 1, &port) != 0)
        return err_set(err, ERR_INVALID, "address '%s': no port to count from", control);
    if (port == 65535)
        return err_set(err, ERR_INVALID,
                       "address '%s': the bulk socket needs the next port, and 65535 is the "
                       "last",
                       control);
    if (snprintf(ret, ENDPOINT_SIZE, "%.*s:%d", (int)(colon - control), control, port + 1) >=
        ENDPOINT_SIZE)
        return err_set(err, ERR_INVALID, "address '%.40s...' is too long", control);
    return 0;
}
