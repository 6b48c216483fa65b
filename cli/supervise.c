/* The children of `wyckmill run`: see supervise.h. */
#include "cli/supervise.h"

#include "cli/cli.h"
#include "common/cleanup.h"
#include "common/file.h"
#include "common/hash.h"
#include "common/mem.h"
#include "workers/runtime/machine.h"
#include "workers/runtime/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

enum {
    ARGUMENTS_MAX = 12,
    PATH_BYTES_MAX = 4096,
    QUICK_MS = 3000,     /* a life shorter than this is a failure to start */
    QUICK_LIVES_MAX = 6, /* so many in a row: give up */
    PAUSE_MS = 100,      /* before the first restart; doubles */
    LOG_TAIL_BYTES = 400,
    BROKER_END_MS = 10000, /* for its last commit */
};

struct child {
    char name[24], log[PATH_BYTES_MAX];
    const char *arguments[ARGUMENTS_MAX];
    pid_t pid; /* 0: not running */
    int64_t begin_ms, restart_ms;
    int quick_lives;
};

struct supervisor {
    int lock; /* on STORE/run.lock, as long as we live */
    char *store, *address, *keys;
    char memory[32]; /* of each worker: its part of the machine's */
    uint32_t n;      /* children; [0] is the broker */
    struct child *children;
};

static int64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int start(struct child *child, struct err *err)
{
    int log = open(child->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (log < 0)
        return err_errno(err, errno, "open '%s'", child->log);
    /* Neither broker nor worker computes (slots do): no thread pool for them. Keys come as
     * an argument, or not at all. */
    static const char *const environment[] = {"OPENBLAS_NUM_THREADS=1", KEYS_ENVIRONMENT "=",
                                              NULL};
    const struct spawn spawn = {.program = SPAWN_SELF,
                                .argv = (char *const *)child->arguments,
                                .environment = environment,
                                .fd3 = -1,
                                .log = log};
    int rc = spawn_start(&spawn, &child->pid, err);
    (void)close(log);
    child->begin_ms = now_ms();
    return rc;
}

/* The last whole lines of its log, as many as fit. */
static void log_tail(const struct child *child, char *ret, size_t size)
{
    cleanup(fclose_ptr) FILE *file = fopen(child->log, "rb");
    ret[0] = '\0';
    if (!file)
        return;
    bool cut = fseek(file, -(long)(size - 1), SEEK_END) == 0;
    if (!cut)
        rewind(file);
    size_t n = fread(ret, 1, size - 1, file);
    while (n && ret[n - 1] == '\n')
        n--;
    ret[n] = '\0';
    const char *line = cut ? strchr(ret, '\n') : NULL;
    if (line)
        memmove(ret, line + 1, strlen(line));
}

/* A child has ended: plan its restart, or give up. */
static int ended(struct child *child, int status, struct err *err)
{
    char how[80], tail[LOG_TAIL_BYTES];
    int64_t now = now_ms();
    bool quick = now - child->begin_ms < QUICK_MS;
    child->pid = 0;
    child->quick_lives = quick ? child->quick_lives + 1 : 0;
    spawn_status_text(status, how, sizeof how);
    if (child->quick_lives >= QUICK_LIVES_MAX) {
        bool busy = WIFEXITED(status) && WEXITSTATUS(status) == EXIT_TRY_AGAIN;
        log_tail(child, tail, sizeof tail);
        (void)err_set(err, busy ? ERR_BUSY : ERR_IO, "the %s ended %d times at once (%s): %s",
                      child->name, child->quick_lives, how, tail);
        return err_hint(err, "its log: %s", child->log);
    }
    child->restart_ms = now + (PAUSE_MS << child->quick_lives);
    /* The first quick end may be a predecessor that is just dying: no reason for words. */
    if (!quick || child->quick_lives > 2)
        (void)fprintf(stderr, "\n%s ended (%s): started again\n", child->name, how);
    return 0;
}

int supervisor_step(struct supervisor *supervisor, struct err *err)
{
    for (uint32_t i = 0; i < supervisor->n; i++) {
        struct child *child = &supervisor->children[i];
        int status, rc = 0;
        if (child->pid && waitpid(child->pid, &status, WNOHANG) == child->pid)
            rc = ended(child, status, err);
        else if (!child->pid && now_ms() >= child->restart_ms)
            rc = start(child, err);
        if (rc)
            return rc;
    }
    return 0;
}

static void set_child(struct supervisor *supervisor, uint32_t i, const char *folder,
                      bool insecure)
{
    struct child *child = &supervisor->children[i];
    const char *broker[] = {
        "wyckmill",          "broker", "--store", supervisor->store, "--listen",
        supervisor->address, NULL};
    const char *worker[] = {"wyckmill",          "worker",           "--connect",
                            supervisor->address, "--slots",          "1",
                            "--memory",          supervisor->memory, NULL};
    size_t n = i == 0 ? sizeof broker / sizeof *broker : sizeof worker / sizeof *worker;
    if (i == 0)
        (void)snprintf(child->name, sizeof child->name, "broker");
    else
        (void)snprintf(child->name, sizeof child->name, "worker-%u", i);
    (void)snprintf(child->log, sizeof child->log, "%s/%s.log", folder, child->name);
    memcpy(child->arguments, i == 0 ? broker : worker, n * sizeof *broker);
    n--; /* over the NULL; those behind are NULL from the beginning */
    if (supervisor->keys[0]) {
        child->arguments[n++] = "--keys";
        child->arguments[n++] = supervisor->keys;
    }
    if (i == 0 && insecure)
        child->arguments[n++] = "--insecure";
}

/* One supervisor per store: two would start a broker each, of which one cannot work. */
static int take_lock(const char *store, int *ret_lock, struct err *err)
{
    char path[PATH_BYTES_MAX];
    (void)snprintf(path, sizeof path, "%s/run.lock", store);
    cleanup(close_fd) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0)
        return err_errno(err, errno, "open '%s'", path);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        (void)err_set(err, ERR_BUSY, "another `wyckmill run` is at work on the store '%s'",
                      store);
        return err_hint(err, "watch it: wyckmill status --store %s", store);
    }
    *ret_lock = fd;
    fd = -1;
    return 0;
}

int supervisor_address(const char *store, char *ret, size_t size, struct err *err)
{
    char folder[160];
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    struct stat info;
    if (runtime && *runtime && strlen(runtime) < 64)
        (void)snprintf(folder, sizeof folder, "%s/wyckmill", runtime);
    else
        (void)snprintf(folder, sizeof folder, "/tmp/wyckmill-%ld", (long)getuid());
    if (mkdir(folder, 0700) && errno != EEXIST)
        return err_errno(err, errno, "make '%s'", folder);
    if (lstat(folder, &info) || !S_ISDIR(info.st_mode) || info.st_uid != getuid() ||
        (info.st_mode & 077))
        return err_set(err, ERR_IO, "'%s' is not a folder of yours alone: remove it", folder);
    int rc = file_make_folder(store, err);
    if (rc)
        return rc;
    cleanup(free_ptr) char *absolute = realpath(store, NULL);
    if (!absolute)
        return err_errno(err, errno, "'%s'", store);
    char hex[HASH_HEX_SIZE];
    struct hash name = hash_bytes(span_text(absolute));
    (void)snprintf(ret, size, "ipc://%s/%.16s", folder, hash_hex(&name, hex));
    return 0;
}

int supervisor_start(const struct supervisor_options *options,
                     struct supervisor **ret_supervisor, struct err *err)
{
    char folder[PATH_BYTES_MAX / 2];
    (void)snprintf(folder, sizeof folder, "%s/log", options->store);
    int lock = -1, rc = file_make_folder(folder, err);
    if (!rc)
        rc = take_lock(options->store, &lock, err);
    if (rc)
        return rc;
    struct supervisor *supervisor = mem_new(1, sizeof *supervisor);
    supervisor->lock = lock;
    supervisor->store = mem_text(options->store);
    supervisor->address = mem_text(options->address);
    supervisor->keys = mem_text(options->keys);
    supervisor->n = options->workers + 1;
    (void)snprintf(supervisor->memory, sizeof supervisor->memory, "%llu bytes",
                   (unsigned long long)(machine_memory_bytes() / options->workers));
    supervisor->children = mem_new(supervisor->n, sizeof *supervisor->children);
    for (uint32_t i = 0; i < supervisor->n; i++)
        set_child(supervisor, i, folder, options->insecure);
    for (uint32_t i = 0; !rc && i < supervisor->n; i++)
        rc = start(&supervisor->children[i], err);
    if (rc) {
        supervisor_free(supervisor);
        return rc;
    }
    *ret_supervisor = supervisor;
    return 0;
}

/* Have children first..last-1 all ended? */
static bool all_ended(struct supervisor *supervisor, uint32_t first, uint32_t last)
{
    bool all = true;
    for (uint32_t i = first; i < last; i++) {
        struct child *child = &supervisor->children[i];
        if (child->pid && waitpid(child->pid, NULL, WNOHANG) == child->pid)
            child->pid = 0;
        all &= !child->pid;
    }
    return all;
}

static void send_signal(const struct supervisor *supervisor, uint32_t first, uint32_t last,
                        int number)
{
    for (uint32_t i = first; i < last; i++)
        if (supervisor->children[i].pid)
            (void)kill(supervisor->children[i].pid, number);
}

static bool wait_for(struct supervisor *supervisor, uint32_t first, uint32_t last, int wait_ms,
                     const volatile int *hurry, int urged)
{
    const struct timespec moment = {.tv_nsec = 20 * 1000000};
    int64_t end = now_ms() + wait_ms;
    bool all;
    while (!(all = all_ended(supervisor, first, last)) && now_ms() < end && *hurry == urged)
        (void)nanosleep(&moment, NULL);
    return all;
}

bool supervisor_end(struct supervisor *supervisor, int wait_ms, const volatile int *hurry)
{
    int urged = *hurry;
    send_signal(supervisor, 1, supervisor->n, SIGTERM);
    bool all = wait_for(supervisor, 1, supervisor->n, wait_ms, hurry, urged);
    send_signal(supervisor, 0, 1, SIGTERM);
    all &= wait_for(supervisor, 0, 1, BROKER_END_MS, hurry, urged);
    send_signal(supervisor, 0, supervisor->n, SIGKILL);
    (void)wait_for(supervisor, 0, supervisor->n, INT32_MAX, hurry, *hurry);
    return all;
}

void supervisor_free(struct supervisor *supervisor)
{
    const int calm = 0;
    if (!supervisor)
        return;
    send_signal(supervisor, 0, supervisor->n, SIGKILL);
    (void)wait_for(supervisor, 0, supervisor->n, INT32_MAX, &calm, calm);
    (void)close(supervisor->lock);
    free(supervisor->store);
    free(supervisor->address);
    free(supervisor->keys);
    free(supervisor->children);
    free(supervisor);
}
