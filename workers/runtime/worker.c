/* See worker.h. This is the main thread: it owns the bulk socket, the cache and the slots, and
 * may wait for a file; the link's thread keeps the heartbeat meanwhile. */
#include "workers/runtime/worker.h"

#include "common/cleanup.h"
#include "common/mem.h"
#include "proto/endpoint.h"
#include "workers/runtime/attempts.h"
#include "workers/runtime/clock.h"
#include "workers/runtime/link.h"
#include "workers/runtime/machine.h"
#include "workers/task.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

enum {
    PREFETCH = 2, /* leases held beyond those that run, so that no slot waits */
    STEP_MS_MAX = 1000,
    FAREWELL_MS = 5000, /* leaving while there is no broker to acknowledge */
};

struct worker {
    const struct worker_options *options;
    struct keys keys;
    enum net_refusal refused; /* the last one that was told */
    char endpoint[ENDPOINT_SIZE];
    void *context;
    struct cache *cache;
    struct transfer *transfer;
    struct attempts *attempts;
    struct link *link;
    bool online;
    uint64_t epoch;
    uint64_t offline_ms; /* since when */
    uint32_t stops;      /* how often we were asked to leave */
    char problem[MESSAGE_TEXT_SIZE];
};

__attribute__((format(printf, 2, 3))) static void say(struct worker *worker, const char *format,
                                                      ...)
{
    char sentence[1024];
    va_list arguments;
    if (!worker->options->say)
        return;
    va_start(arguments, format);
    (void)vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    worker->options->say(worker->options->say_context, sentence);
}

/* ---- who we are ---- */

static bool listed(const char *list, const char *name)
{
    size_t size = strlen(name);
    for (const char *at = list; at && *at; at += strcspn(at, ","), at += *at == ',')
        if (strncmp(at, name, size) == 0 && (at[size] == ',' || at[size] == '\0'))
            return true;
    return false;
}

static int check_kinds(const char *list, struct err *err)
{
    for (const char *at = list; at && *at; at += strcspn(at, ","), at += *at == ',') {
        char name[TASK_KIND_SIZE];
        (void)snprintf(name, sizeof name, "%.*s", (int)strcspn(at, ","), at);
        if (task_kind_find(name))
            continue;
        struct buf all = {0};
        for (uint32_t k = 0; k < task_kinds_count; k++)
            buf_print(&all, "%s%s", k ? ", " : "", task_kinds[k].name);
        err_set(err, ERR_INVALID, "no task kind '%s'", name);
        err_hint(err, "kinds are: %s", buf_text(&all));
        buf_done(&all);
        return ERR_INVALID;
    }
    return 0;
}

static uint64_t memory_of(const struct worker_options *options)
{
    return options->memory_bytes ? options->memory_bytes : machine_memory_bytes();
}

static void introduce(const struct worker_options *options, struct message_hello *ret)
{
    char host[64] = "", name[96];
    struct buf kinds = {0};
    *ret = (struct message_hello){.slots = options->slots,
                                  .credit = options->slots + PREFETCH,
                                  .memory = memory_of(options),
                                  .gpus = options->gpus};
    if (getrandom(&ret->boot, sizeof ret->boot, 0) != (ssize_t)sizeof ret->boot)
        ret->boot = (uint64_t)getpid();
    (void)gethostname(host, sizeof host - 1);
    (void)snprintf(name, sizeof name, "%s:%ld", host, (long)getpid());
    for (uint32_t k = 0; k < task_kinds_count; k++)
        if (!options->kinds || listed(options->kinds, task_kinds[k].name))
            buf_print(&kinds, "%s%s@%u", kinds.size ? "," : "", task_kinds[k].name,
                      task_kinds[k].revision);
    message_text_set(&ret->name, name);
    message_text_set(&ret->kinds, buf_text(&kinds));
    message_text_set(&ret->profile, numerics_profile());
    message_text_set(&ret->tags, options->tags);
    buf_done(&kinds);
}

/* ---- transfer's functions: objects are files of the cache ---- */

static int read_object(void *context, const struct hash *id, uint64_t offset, size_t size,
                       struct buf *ret, struct err *err)
{
    struct worker *worker = context;
    return cache_read(worker->cache, id, offset, size, ret, err);
}

static void fetch_name(const struct hash *id, char *ret, size_t size)
{
    char hex[HASH_HEX_SIZE];
    (void)snprintf(ret, size, "fetch-%s", hash_hex(id, hex));
}

static int write_object(void *context, const struct hash *id, uint64_t total, uint64_t offset,
                        struct span part, struct err *err)
{
    struct worker *worker = context;
    char name[96];
    (void)total;
    fetch_name(id, name, sizeof name);
    int flags = O_WRONLY | O_CREAT | O_CLOEXEC | (offset == 0 ? O_TRUNC : 0);
    cleanup(close_fd) int fd = openat(cache_folder_fd(worker->cache), name, flags, 0600);
    if (fd < 0)
        return err_errno(err, errno, "write '%s'", name);
    for (size_t done = 0; done < part.size;) {
        ssize_t n = pwrite(fd, part.data + done, part.size - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_errno(err, errno, "write '%s'", name);
        done += (size_t)n;
    }
    return 0;
}

static void transferred(void *context, bool put, const struct hash *id, int rc,
                        const struct err *err)
{
    struct worker *worker = context;
    struct err own;
    char hex[HASH_HEX_SIZE];
    if (rc == 0 && !put) { /* a file becomes an object only with the right bytes in it */
        char name[96];
        fetch_name(id, name, sizeof name);
        rc = cache_adopt_checked(worker->cache, name, id, &own);
        err = &own;
    }
    if (rc != 0)
        say(worker, "%s of object %.16s failed: %s", put ? "upload" : "download",
            hash_hex(id, hex), err->text);
    attempts_transferred(worker->attempts, put, id, rc, err);
}

/* ---- the broker ---- */

static void send_to_broker(void *context, const struct message *message)
{
    struct worker *worker = context;
    link_send(worker->link, message);
}

static void on_welcome(struct worker *worker, const struct message_welcome *welcome)
{
    struct err err;
    char bulk[ENDPOINT_SIZE];
    bool renewed = welcome->epoch != worker->epoch;
    int rc = 0;
    (void)snprintf(bulk, sizeof bulk, "%s", welcome->bulk.text);
    if (!bulk[0])
        rc = endpoint_bulk(worker->endpoint, bulk, &err);
    if (rc == 0)
        rc = transfer_connect(worker->transfer, bulk, welcome->epoch, &err);
    if (rc != 0) {
        say(worker, "cannot reach the broker's bulk socket: %s", err.text);
        return;
    }
    if (!worker->online)
        say(worker, "connected to %s", worker->endpoint);
    worker->online = true;
    worker->refused = NET_NOT_REFUSED;
    worker->epoch = welcome->epoch;
    if (renewed)
        attempts_renew(worker->attempts);
}

/* Told once per reason: it is asked again and again. */
static void tell_refusal(struct worker *worker)
{
    struct err err;
    enum net_refusal refusal = link_refusal(worker->link);
    if (refusal == NET_NOT_REFUSED || refusal == worker->refused)
        return;
    worker->refused = refusal;
    (void)net_refusal_err(refusal, worker->endpoint, worker->options->keys, &err);
    say(worker, "%s: %s; asking again until it does", err.text, err.hint);
}

static void on_lost(struct worker *worker)
{
    if (worker->online) {
        say(worker, "lost the broker at %s; trying to reach it again", worker->endpoint);
        worker->offline_ms = clock_ms();
    }
    worker->online = false;
    tell_refusal(worker);
}

static void on_problem(struct worker *worker, const char *sentence)
{
    if (strcmp(worker->problem, sentence) == 0)
        return; /* said already */
    (void)snprintf(worker->problem, sizeof worker->problem, "%s", sentence);
    say(worker, "the broker has a problem with us: %s", sentence);
}

static void ask_to_leave(struct worker *worker)
{
    if (worker->stops++ > 0)
        return;
    say(worker, "leaving when what runs is done");
    attempts_refuse(worker->attempts);
}

static void on_frame(struct worker *worker, struct span frame)
{
    struct message message;
    struct err err;
    if (frame.size == 0) {
        on_lost(worker);
        return;
    }
    if (message_decode(frame, &message, &err) != 0) {
        on_problem(worker, err.text); /* a broker of another version, most likely */
        return;
    }
    switch ((int)message.type) { /* the others are not for workers */
    case MESSAGE_TYPE_welcome:
        on_welcome(worker, &message.welcome);
        break;
    case MESSAGE_TYPE_lease:
        attempts_lease(worker->attempts, &message.lease);
        break;
    case MESSAGE_TYPE_revoke:
        attempts_revoke(worker->attempts, &message.revoke);
        break;
    case MESSAGE_TYPE_ack:
        attempts_ack(worker->attempts, &message.ack);
        break;
    case MESSAGE_TYPE_shutdown:
        if (worker->stops == 0)
            ask_to_leave(worker);
        break;
    case MESSAGE_TYPE_problem:
        on_problem(worker, message.problem.sentence.text);
        break;
    default:
        break;
    }
}

/* ---- the loop ---- */

static void read_stops(struct worker *worker)
{
    uint8_t bytes[16];
    struct pollfd item = {worker->options->stop_fd, POLLIN, 0};
    if (worker->options->stop_fd < 0 || poll(&item, 1, 0) <= 0 || !(item.revents & POLLIN))
        return;
    ssize_t n = read(worker->options->stop_fd, bytes, sizeof bytes);
    for (ssize_t i = 0; i < n; i++)
        ask_to_leave(worker);
}

static bool may_leave(const struct worker *worker)
{
    struct attempts_counts counts;
    attempts_counts(worker->attempts, &counts);
    if (worker->stops >= 2)
        return true;
    if (worker->stops == 0 || counts.running > 0)
        return false;
    bool alone = !worker->online && clock_ms() - worker->offline_ms >= FAREWELL_MS;
    return counts.waiting + counts.ended == 0 || alone;
}

static long timeout_ms(const struct worker *worker)
{
    uint64_t now_ms = clock_ms(), deadline_ms = now_ms + STEP_MS_MAX;
    uint64_t attempts_ms = attempts_deadline_ms(worker->attempts, worker->online);
    uint64_t transfer_ms = transfer_deadline_ms(worker->transfer);
    if (attempts_ms < deadline_ms)
        deadline_ms = attempts_ms;
    if (transfer_ms < deadline_ms)
        deadline_ms = transfer_ms;
    return deadline_ms > now_ms ? (long)(deadline_ms - now_ms) : 0;
}

static void wait(const struct worker *worker)
{
    zmq_pollitem_t items[3 + 2 * ATTEMPTS_SLOTS_MAX];
    int n = 0;
    items[n++] = (zmq_pollitem_t){.socket = link_socket(worker->link), .events = ZMQ_POLLIN};
    if (transfer_socket(worker->transfer))
        items[n++] =
            (zmq_pollitem_t){.socket = transfer_socket(worker->transfer), .events = ZMQ_POLLIN};
    if (worker->options->stop_fd >= 0)
        items[n++] = (zmq_pollitem_t){.fd = worker->options->stop_fd, .events = ZMQ_POLLIN};
    n += attempts_poll_items(worker->attempts, items + n);
    (void)zmq_poll(items, n, timeout_ms(worker)); /* EINTR: look at everything, wait again */
}

static int serve(struct worker *worker, struct err *err)
{
    while (!may_leave(worker)) {
        zmq_msg_t frame;
        wait(worker);
        link_step(worker->link);
        read_stops(worker);
        while (net_receive(link_socket(worker->link), &frame)) {
            on_frame(worker, net_span(&frame));
            (void)zmq_msg_close(&frame);
        }
        transfer_step(worker->transfer, clock_ms());
        int rc = attempts_step(worker->attempts, worker->online, clock_ms(), err);
        if (rc != 0)
            return rc;
        transfer_step(worker->transfer, clock_ms()); /* what the step wants to send */
    }
    return 0;
}

/* ---- beginning and end ---- */

static int check_options(const struct worker_options *options, struct err *err)
{
    if (options->slots < 1 || options->slots > ATTEMPTS_SLOTS_MAX)
        return err_set(err, ERR_INVALID, "%u slots; want 1..%d", options->slots,
                       ATTEMPTS_SLOTS_MAX);
    return check_kinds(options->kinds, err);
}

static int begin(struct worker *worker, struct err *err)
{
    const struct worker_options *options = worker->options;
    struct message_hello hello;
    uint64_t bytes_max = options->cache_bytes_max > WORKER_CACHE_BYTES_MIN
                             ? options->cache_bytes_max
                             : WORKER_CACHE_BYTES_MIN;
    const struct keys *keys = options->keys ? &worker->keys : NULL;
    int rc = endpoint_parse(options->connect, worker->endpoint, err);
    if (rc == 0)
        rc = keys_check_library(keys, err);
    if (rc == 0 && keys)
        rc = keys_read(options->keys, &worker->keys, err);
    if (rc == 0)
        rc = cache_open(options->cache, bytes_max, &worker->cache, err);
    if (rc != 0)
        return rc;
    worker->context = zmq_ctx_new();
    worker->transfer = transfer_new(
        worker->context,
        &(struct transfer_owner){worker, read_object, write_object, transferred, keys});
    const struct attempts_owner owner = {.cache = worker->cache,
                                         .transfer = worker->transfer,
                                         .context = worker,
                                         .send = send_to_broker,
                                         .slots = options->slots,
                                         .memory_bytes = memory_of(options),
                                         .time_ms = options->time_ms};
    rc = attempts_new(&owner, &worker->attempts, err);
    introduce(options, &hello);
    if (rc == 0)
        rc = link_open(worker->context, worker->endpoint, keys, &hello, &worker->link, err);
    return rc;
}

static void end(struct worker *worker)
{
    struct message goodbye = {.type = MESSAGE_TYPE_goodbye,
                              .goodbye = {.epoch = worker->epoch}};
    if (worker->link && worker->online)
        link_send(worker->link, &goodbye);
    link_close(worker->link);
    attempts_free(worker->attempts);
    transfer_free(worker->transfer);
    cache_close(worker->cache);
    if (worker->context)
        (void)zmq_ctx_term(worker->context);
    keys_done(&worker->keys);
}

int worker_run(const struct worker_options *options, struct err *err)
{
    struct worker worker = {.options = options, .offline_ms = clock_ms()};
    int rc = check_options(options, err);
    if (rc == 0)
        rc = begin(&worker, err);
    if (rc == 0)
        rc = serve(&worker, err);
    end(&worker);
    return rc;
}
