/* STORE/broker.json: where the broker of a store listens, so that `status` and others find it
 * by the store alone. Written to a file beside and renamed, so it is whole or not there. */
#include "broker/shell.h"

#include "common/cleanup.h"
#include "common/mem.h"

#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *address_path(const char *store, const char *suffix)
{
    struct buf path = {0};
    buf_print(&path, "%s/broker.json%s", store, suffix);
    char *text = mem_text(buf_text(&path));
    buf_done(&path);
    return text;
}

int address_write(const struct shell *shell, struct err *err)
{
    cleanup(free_ptr) char *path = address_path(shell->options->store, "");
    cleanup(free_ptr) char *beside = address_path(shell->options->store, ".new");
    char epoch[20];
    (void)snprintf(epoch, sizeof epoch, "%016llx", (unsigned long long)shell->epoch);
    json_t *root = json_pack("{s:s,s:s,s:I,s:s,s:b}", "endpoint", shell->address.endpoint,
                             "bulk", shell->address.bulk, "pid", (json_int_t)getpid(), "epoch",
                             epoch, "keys", shell->options->keys != NULL);
    int failed = json_dump_file(root, beside, JSON_INDENT(2)) || rename(beside, path);
    json_decref(root);
    return failed ? err_errno(err, errno, "write '%s'", path) : 0;
}

void address_remove(const struct shell *shell)
{
    cleanup(free_ptr) char *path = address_path(shell->options->store, "");
    (void)unlink(path);
}

int broker_find(const char *store, struct broker_address *ret, struct err *err)
{
    cleanup(free_ptr) char *path = address_path(store, "");
    if (access(path, R_OK))
        return err_set(err, ERR_NOT_FOUND, "no broker runs on store '%s'", store);
    json_t *root = json_load_file(path, 0, NULL);
    const char *endpoint = json_string_value(json_object_get(root, "endpoint"));
    json_int_t pid = json_integer_value(json_object_get(root, "pid"));
    int rc = 0;
    if (!endpoint || strlen(endpoint) >= ENDPOINT_SIZE || pid <= 0) {
        rc = err_set(err, ERR_CORRUPT, "'%s' is not what a broker writes", path);
    } else if (kill((pid_t)pid, 0) && errno == ESRCH) {
        rc = err_set(err, ERR_NOT_FOUND, "the broker of store '%s' (pid %lld) has ended", store,
                     (long long)pid);
    } else {
        (void)snprintf(ret->endpoint, sizeof ret->endpoint, "%s", endpoint);
        ret->pid = (pid_t)pid;
        ret->keys = json_is_true(json_object_get(root, "keys"));
    }
    json_decref(root);
    return rc;
}
