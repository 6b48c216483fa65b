/* The gate: see gate.h. */
#include "broker/gate.h"

#include "broker/zap.h"
#include "common/mem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    PER_STEP = 64,     /* handshakes answered before the broker's other work has its turn */
    FRAMES_MAX = 8,    /* a request has 7 */
    LOOK_MS = 1000,    /* between looks at the folder, and between lines about the refused */
    ADDRESS_SIZE = 64, /* of a peer, for people */
};

struct gate {
    void *socket; /* REP: libzmq asks, one at a time */
    struct allowed *allowed;
    struct key_pair own; /* wiped by gate_forget */
    gate_log *log;
    void *context;
    uint64_t look_ms;
    uint64_t now_ms, told_ms, untold; /* refusals since a line about them was logged */
};

static void say(const struct gate *gate, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void say(const struct gate *gate, const char *format, ...)
{
    char line[640];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    gate->log(gate->context, line);
}

static void warn(void *context, const char *sentence)
{
    const struct gate *gate = context;
    say(gate, "%s", sentence);
}

static int err_from_zmq(struct err *err, const char *what)
{
    return err_set(err, ERR_NETWORK, "%s: %s", what, zmq_strerror(zmq_errno()));
}

int gate_open(void *zmq, const char *folder, gate_log *log, void *context,
              struct gate **ret_gate, struct err *err)
{
    char path[KEY_PATH_BYTES_MAX];
    struct gate *gate = mem_new(1, sizeof *gate);
    gate->log = log;
    gate->context = context;
    int rc = keys_check_library(true, err);
    if (rc == 0)
        rc = keys_read_own(folder, &gate->own, err);
    if (rc == 0) {
        (void)snprintf(path, sizeof path, "%s/allowed", folder);
        (void)mkdir(path, 0755); /* it may lie where we may not write: then it is empty */
        gate->allowed = allowed_new(folder, gate->own.public);
        (void)allowed_refresh(gate->allowed, true, warn, gate);
        say(gate, "%u keys are allowed by %s", allowed_count(gate->allowed), path);
        gate->socket = zmq_socket(zmq, ZMQ_REP);
        if (!gate->socket || zmq_bind(gate->socket, "inproc://zeromq.zap.01") != 0)
            rc = err_from_zmq(err, "answer questions about keys");
    }
    if (rc) {
        gate_close(gate);
        return rc;
    }
    *ret_gate = gate;
    return 0;
}

void gate_close(struct gate *gate)
{
    if (!gate)
        return;
    if (gate->socket) {
        (void)zmq_setsockopt(gate->socket, ZMQ_LINGER, &(int){0}, sizeof(int));
        (void)zmq_close(gate->socket);
    }
    allowed_free(gate->allowed);
    key_pair_done(&gate->own);
    free(gate);
}

int gate_guard(struct gate *gate, void *socket, struct err *err)
{
    const int yes = 1;
    if (zmq_setsockopt(socket, ZMQ_ZAP_DOMAIN, ZAP_DOMAIN, strlen(ZAP_DOMAIN)) ||
        zmq_setsockopt(socket, ZMQ_CURVE_SERVER, &yes, sizeof yes) ||
        zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, gate->own.secret, KEY_TEXT_SIZE))
        return err_from_zmq(err, "use keys");
    return 0;
}

void gate_forget(struct gate *gate)
{
    key_pair_done(&gate->own);
}

void *gate_socket(const struct gate *gate)
{
    return gate->socket;
}

/* ---- who knocks ---- */

/* The last line about a flood says how many there were. */
static void tell_refused(struct gate *gate, const struct zap_answer *answer,
                         const struct span *frames, size_t n)
{
    char address[ADDRESS_SIZE] = "?";
    gate->untold++;
    if (gate->now_ms < gate->told_ms)
        return;
    if (n > 3)
        (void)snprintf(address, sizeof address, "%.*s", (int)frames[3].size,
                       (const char *)frames[3].data);
    if (gate->untold > 1)
        say(gate, "refused %llu connections, the last with the unknown key %s from %s",
            (unsigned long long)gate->untold, answer->key, address);
    else
        say(gate, "refused the unknown key %s from %s", answer->key, address);
    gate->untold = 0;
    gate->told_ms = gate->now_ms + LOOK_MS;
}

static void send_part(void *socket, const void *data, size_t size, bool more)
{
    /* To libzmq itself, which waits for it: there is always room. */
    (void)zmq_send(socket, data, size, ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0));
}

static void reply(struct gate *gate, const struct span *frames, size_t n)
{
    struct zap_answer answer;
    zap_decide(frames, n, gate->allowed, &answer);
    send_part(gate->socket, "1.0", 3, true);
    send_part(gate->socket, n > 1 ? frames[1].data : NULL, n > 1 ? frames[1].size : 0, true);
    send_part(gate->socket, answer.code, strlen(answer.code), true);
    send_part(gate->socket, answer.text, strlen(answer.text), true);
    send_part(gate->socket, answer.user, strlen(answer.user), true);
    send_part(gate->socket, answer.metadata, answer.metadata_size, false);
    if (!answer.user[0])
        tell_refused(gate, &answer, frames, n);
}

/* One question, if there is one, and its answer. */
static bool answer_one(struct gate *gate)
{
    zmq_msg_t parts[FRAMES_MAX], part;
    struct span frames[FRAMES_MAX];
    size_t n = 0;
    bool more = true;
    while (more) {
        (void)zmq_msg_init(&part);
        if (zmq_msg_recv(&part, gate->socket, ZMQ_DONTWAIT) < 0) {
            (void)zmq_msg_close(&part);
            break;
        }
        more = zmq_msg_more(&part);
        if (n < FRAMES_MAX) {
            parts[n] = part;
            frames[n] = (struct span){zmq_msg_data(&parts[n]), zmq_msg_size(&parts[n])};
            n++;
        } else {
            (void)zmq_msg_close(&part);
        }
    }
    bool whole = !more;
    if (whole)
        reply(gate, frames, n);
    for (size_t i = 0; i < n; i++)
        (void)zmq_msg_close(&parts[i]);
    return whole;
}

void gate_step(struct gate *gate, uint64_t now_ms, bool reread)
{
    gate->now_ms = now_ms;
    if (reread || now_ms >= gate->look_ms) {
        gate->look_ms = now_ms + LOOK_MS;
        if (allowed_refresh(gate->allowed, reread, warn, gate))
            say(gate, "%u keys are allowed now", allowed_count(gate->allowed));
    }
    for (int i = 0; i < PER_STEP && answer_one(gate); i++)
        ;
}

const char *gate_user(const struct gate *gate, zmq_msg_t *frame)
{
    /* libzmq lets everybody in while nobody answers its questions; such a peer has no key here.
     */
    const char *key = zmq_msg_gets(frame, ZAP_KEY_PROPERTY);
    return key ? allowed_name(gate->allowed, key) : NULL;
}
