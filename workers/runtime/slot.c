/* The worker's side of a slot: see slot.h. */
#define _GNU_SOURCE /* pipe2, wait4 */
#include "workers/runtime/slot.h"

#include "common/cleanup.h"
#include "common/mem.h"
#include "proto/needs.h"
#include "proto/value.h"
#include "workers/runtime/frame.h"
#include "workers/runtime/machine.h"
#include "workers/runtime/profile.h"
#include "workers/runtime/slot_wire.h"
#include "workers/runtime/spawn.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct slot {
    const char *folder;
    uint32_t number;
    enum slot_state state;
    pid_t pid;
    int fd, fd_log;
    struct buf pending; /* part of a frame */
    struct buf log;     /* at most 2 x SLOT_LOG_BYTES_MAX; its end is what counts */
    uint64_t begin_ms, deadline_ms;
    struct slot_limits limits;
    bool kills_counted; /* the kernel's, for want of memory, when the task began */
    uint64_t kills;
    uint32_t fragile; /* deaths in a row before it was ready */
};

void slot_end_done(struct slot_end *end)
{
    result_done(&end->result);
    buf_done(&end->log);
}

void slot_output_name(uint32_t number, uint32_t index, char *ret, size_t size)
{
    (void)snprintf(ret, size, "output-%u-%u", number, index);
}

struct slot *slot_new(const char *folder, uint32_t number)
{
    struct slot *slot = mem_new(1, sizeof *slot);
    *slot = (struct slot){
        .folder = folder, .number = number, .fd = -1, .fd_log = -1, .deadline_ms = UINT64_MAX};
    return slot;
}

void slot_free(struct slot *slot)
{
    if (!slot)
        return;
    slot_kill(slot);
    buf_done(&slot->pending);
    buf_done(&slot->log);
    free(slot);
}

enum slot_state slot_state(const struct slot *slot)
{
    return slot->state;
}

int slot_fd(const struct slot *slot)
{
    return slot->fd;
}

int slot_fd_log(const struct slot *slot)
{
    return slot->fd_log;
}

uint64_t slot_deadline_ms(const struct slot *slot)
{
    return slot->deadline_ms;
}

/* ---- the child process ---- */

static int start_with(struct slot *slot, int fd, int log, struct err *err)
{
    /* What decides the bits of a float is said here, not inherited. */
    static const char *const environment[] = {"OPENBLAS_NUM_THREADS=1", "OMP_NUM_THREADS=1",
                                              "OPENBLAS_CORETYPE=" PROFILE_OPENBLAS_CORE,
                                              "LC_ALL=C", NULL};
    char number[16], name[] = "wyckmill", command[] = "slot";
    (void)snprintf(number, sizeof number, "%u", slot->number);
    cleanup(free_ptr) char *folder = mem_text(slot->folder);
    char *const argv[] = {name, command, folder, number, NULL};
    const struct spawn spawn = {
        .program = SPAWN_SELF, .argv = argv, .environment = environment, .fd3 = fd, .log = log};
    return spawn_start(&spawn, &slot->pid, err);
}

int slot_start(struct slot *slot, struct err *err)
{
    int ends[2], log[2];
    assert(slot->state == SLOT_DOWN);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return err_errno(err, errno, "make a socket for a slot");
    slot->fd = ends[0];
    cleanup(close_fd) int fd = ends[1];
    if (pipe2(log, O_CLOEXEC) != 0) {
        int rc = err_errno(err, errno, "make a pipe for a slot");
        slot_kill(slot);
        return rc;
    }
    slot->fd_log = log[0];
    cleanup(close_fd) int fd_log = log[1];
    (void)fcntl(slot->fd_log, F_SETFL, O_NONBLOCK);
    /* A stopped child must not stop us: a frame that it does not take in this time is lost. */
    const struct timeval patience = {.tv_sec = 5};
    (void)setsockopt(slot->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    int rc = start_with(slot, fd, fd_log, err);
    if (rc != 0) {
        slot_kill(slot);
        return rc;
    }
    slot->state = SLOT_STARTING;
    return 0;
}

static void read_log(struct slot *slot)
{
    uint8_t piece[4096];
    for (;;) {
        ssize_t n = read(slot->fd_log, piece, sizeof piece);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        buf_append(&slot->log, piece, (size_t)n);
        if (slot->log.size > 2 * SLOT_LOG_BYTES_MAX) {
            memmove(slot->log.data, slot->log.data + slot->log.size - SLOT_LOG_BYTES_MAX,
                    SLOT_LOG_BYTES_MAX);
            slot->log.size = SLOT_LOG_BYTES_MAX;
        }
    }
}

static void take_log(struct slot *slot, struct buf *ret)
{
    size_t size = slot->log.size;
    size_t skip = size > SLOT_LOG_BYTES_MAX ? size - SLOT_LOG_BYTES_MAX : 0;
    if (size) /* no log, no address to add to */
        buf_append(ret, slot->log.data + skip, size - skip);
    slot->log.size = 0;
}

/* How the child ended, which is gone afterwards. A child on its way out has closed its socket
 * but may not have ended: the signal cannot change the status it ends with. */
struct death {
    int status;
    uint64_t peak_bytes;
};

static struct death bury(struct slot *slot)
{
    struct death death = {0};
    struct rusage usage = {0};
    if (slot->pid > 0) {
        (void)kill(slot->pid, SIGKILL);
        while (wait4(slot->pid, &death.status, 0, &usage) < 0 && errno == EINTR)
            ;
    }
    slot->pid = 0;
    death.peak_bytes = (uint64_t)usage.ru_maxrss * 1024;
    if (slot->fd_log >= 0)
        read_log(slot);
    return death;
}

static void shut(struct slot *slot)
{
    if (slot->fd >= 0)
        (void)close(slot->fd);
    if (slot->fd_log >= 0)
        (void)close(slot->fd_log);
    slot->fd = slot->fd_log = -1;
    slot->pending.size = 0;
    slot->state = SLOT_DOWN;
    slot->deadline_ms = UINT64_MAX;
}

void slot_kill(struct slot *slot)
{
    (void)bury(slot);
    shut(slot);
    slot->log.size = 0;
}

void slot_run(struct slot *slot, struct span action, const struct slot_limits *limits,
              uint64_t now_ms)
{
    struct buf frame = {0};
    assert(slot->state == SLOT_IDLE);
    slot->state = SLOT_BUSY;
    slot->log.size = 0;
    slot->begin_ms = now_ms;
    slot->limits = *limits;
    slot->deadline_ms = limits->time_ms ? now_ms + limits->time_ms : UINT64_MAX;
    slot->kills_counted = machine_oom_kills(&slot->kills) == 0;
    slot_wire_run_encode(action, limits, &frame);
    if (frame_send(slot->fd, buf_span(&frame), NULL) != 0)
        (void)kill(slot->pid, SIGKILL); /* read as its death by the next slot_event */
    buf_done(&frame);
}

/* ---- what the child says ---- */

static int child_ready(struct slot *slot, struct span frame, struct err *err)
{
    char sentence[SLOT_SENTENCE_SIZE];
    int rc = slot_wire_ready_decode(frame, sentence, err);
    if (rc == 0 && sentence[0])
        rc = err_set(err, ERR_UNSUPPORTED, "%s", sentence);
    if (rc != 0) {
        slot_kill(slot);
        return rc;
    }
    slot->state = SLOT_IDLE;
    slot->fragile = 0;
    return 0;
}

/* A SIGKILL that we did not send: the kernel's, for want of memory, when it has counted one. */
static enum attempt_end killed(const struct slot *slot, char *ret_how, size_t size)
{
    uint64_t kills;
    if (!slot->kills_counted || machine_oom_kills(&kills) != 0) {
        (void)snprintf(ret_how, size, "killed (out of memory?)");
        return ATTEMPT_CRASH;
    }
    if (kills == slot->kills)
        return ATTEMPT_CRASH;
    (void)snprintf(ret_how, size, "killed by the kernel: the machine is out of memory");
    return ATTEMPT_MEMORY;
}

/* What the death of a busy child means. */
static void explain(const struct slot *slot, struct death death, struct slot_end *ret)
{
    char how[80], status[80], limit[40], peak[40];
    int status_number = death.status;
    bool killed_by = WIFSIGNALED(status_number);
    spawn_status_text(status_number, status, sizeof status);
    (void)snprintf(how, sizeof how, "the slot died: %.60s", status);
    ret->end = ATTEMPT_CRASH;
    ret->peak_bytes = death.peak_bytes;
    if (WIFEXITED(status_number) && WEXITSTATUS(status_number) == MEM_EXIT_STATUS) {
        (void)snprintf(how, sizeof how, "out of memory");
        ret->end = ATTEMPT_MEMORY;
    } else if (killed_by && WTERMSIG(status_number) == SIGXCPU) {
        (void)snprintf(how, sizeof how, "over its time limit of %g s, on the processor",
                       (double)slot->limits.time_ms / 1000);
        ret->end = ATTEMPT_TIME;
    } else if (killed_by && WTERMSIG(status_number) == SIGKILL) {
        ret->end = killed(slot, how, sizeof how);
    }
    (void)snprintf(ret->sentence, sizeof ret->sentence, "%s", how);
    if (slot->limits.memory_bytes || ret->end == ATTEMPT_MEMORY)
        (void)snprintf(ret->sentence, sizeof ret->sentence, "%s, %s%s, %s resident at most",
                       how, slot->limits.memory_bytes ? "with a limit of " : "without a limit",
                       slot->limits.memory_bytes
                           ? bytes_text(slot->limits.memory_bytes, limit, sizeof limit)
                           : "",
                       bytes_text(death.peak_bytes, peak, sizeof peak));
}

static int child_dead(struct slot *slot, uint64_t now_ms, struct slot_end *ret, struct err *err)
{
    bool busy = slot->state == SLOT_BUSY;
    struct death death = bury(slot);
    shut(slot);
    if (busy) {
        *ret = (struct slot_end){.wall_us = 1000 * (now_ms - slot->begin_ms)};
        explain(slot, death, ret);
        take_log(slot, &ret->log);
        return 1;
    }
    char how[80];
    spawn_status_text(death.status, how, sizeof how);
    struct buf log = {0};
    take_log(slot, &log);
    int rc = 0;
    if (++slot->fragile >= SLOT_FRAGILE_MAX)
        rc = err_set(err, ERR_IO, "slots die before their first task: %s; %s", how,
                     log.size ? buf_text(&log) : "they said nothing");
    buf_done(&log);
    return rc;
}

static int time_over(struct slot *slot, uint64_t now_ms, struct slot_end *ret)
{
    struct death death = bury(slot);
    *ret = (struct slot_end){.end = ATTEMPT_TIME,
                             .wall_us = 1000 * (now_ms - slot->begin_ms),
                             .peak_bytes = death.peak_bytes};
    (void)snprintf(ret->sentence, sizeof ret->sentence, "over its time limit of %g s",
                   (double)slot->limits.time_ms / 1000);
    take_log(slot, &ret->log);
    shut(slot);
    return 1;
}

static int child_done(struct slot *slot, struct span frame, struct slot_end *ret)
{
    struct err err;
    *ret = (struct slot_end){0};
    if (slot_wire_end_decode(frame, ret, &err) != 0) {
        slot_end_done(ret);
        *ret = (struct slot_end){.end = ATTEMPT_CRASH};
        (void)snprintf(ret->sentence, sizeof ret->sentence, "the slot speaks nonsense: %s",
                       err.text);
        (void)bury(slot);
        take_log(slot, &ret->log);
        shut(slot);
        return 1;
    }
    take_log(slot, &ret->log);
    slot->state = SLOT_IDLE;
    slot->deadline_ms = UINT64_MAX;
    return 1;
}

int slot_event(struct slot *slot, uint64_t now_ms, struct slot_end *ret, struct err *err)
{
    if (slot->state == SLOT_DOWN)
        return 0;
    read_log(slot);
    struct span frame;
    int rc = frame_poll(slot->fd, &slot->pending, &frame, NULL);
    if (rc == 0)
        return now_ms >= slot->deadline_ms ? time_over(slot, now_ms, ret) : 0;
    if (rc < 0)
        return child_dead(slot, now_ms, ret, err);
    if (slot->state == SLOT_STARTING)
        return child_ready(slot, frame, err);
    if (slot->state == SLOT_BUSY)
        return child_done(slot, frame, ret);
    return child_dead(slot, now_ms, ret, err); /* speaks when not asked */
}
