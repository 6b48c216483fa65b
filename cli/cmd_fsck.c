/* `wyckmill fsck`: is everything in the store what its name says? The check runs in a child
 * process: damage in the database's own pages can make LMDB crash, and that is a finding too.
 */
#include "cli/cli.h"

#include "cli/find.h"
#include "common/cleanup.h"
#include "common/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct options {
    struct cli_common common;
    bool repair;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct options *options = state->input;
    (void)arg;
    switch (key) {
    case 'r':
        options->repair = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

struct findings {
    const struct options *options;
    json_t *rows;
};

static void note(void *context, const char *sentence)
{
    struct findings *findings = context;
    if (findings->options->common.json)
        (void)json_array_append_new(findings->rows, json_string(sentence));
    else
        (void)printf("%s\n", sentence);
}

static void print_json(const struct store_check *check, json_t *findings, uint64_t dropped)
{
    bool clean = check->damaged + check->dangling == 0;
    json_t *root = json_pack(
        "{s:b,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:O}", "clean", clean, "objects",
        (json_int_t)check->objects, "bytes", (json_int_t)check->bytes, "results",
        (json_int_t)check->results, "refs", (json_int_t)check->refs, "events",
        (json_int_t)check->events, "damaged", (json_int_t)check->damaged, "dangling",
        (json_int_t)check->dangling, "dropped", (json_int_t)dropped, "findings", findings);
    (void)json_dumpf(root, stdout, JSON_INDENT(1));
    (void)putchar('\n');
    json_decref(root);
}

static void print_text(const struct store_check *check, const struct options *options,
                       uint64_t dropped)
{
    (void)printf("%llu objects (%llu bytes), %llu results, %llu refs, %llu events: ",
                 (unsigned long long)check->objects, (unsigned long long)check->bytes,
                 (unsigned long long)check->results, (unsigned long long)check->refs,
                 (unsigned long long)check->events);
    if (check->damaged + check->dangling == 0)
        (void)printf("clean\n");
    else
        (void)printf("%llu damaged, %llu dangling\n", (unsigned long long)check->damaged,
                     (unsigned long long)check->dangling);
    if (options->repair)
        (void)printf(
            "repaired: %llu rows and refs were given up; what they held can be computed "
            "again\n",
            (unsigned long long)dropped);
    (void)fflush(stdout);
    if (!options->repair && check->damaged + check->dangling > 0)
        (void)fprintf(stderr, "next: wyckmill fsck --repair (with no broker running)\n");
}

static int check_store(const struct options *options)
{
    struct findings findings = {.options = options, .rows = json_array()};
    struct store_check check = {0};
    struct err err = {0};
    uint64_t dropped = 0;
    cleanup(store_close_ptr) struct store *store = NULL;
    int rc = find_store_open(options->common.store, &store, &err);
    if (rc == 0 && options->repair) { /* it is there; now for writing */
        store_close(store);
        store = NULL;
        rc = store_open(find_store_path(options->common.store), STORE_WRITE, &store, &err);
    }
    if (rc == 0)
        rc = store_fsck(store, note, &findings, &check, &err);
    if (options->repair && (rc == 0 || rc == ERR_CORRUPT))
        rc = store_rebuild(store, &dropped, &err);
    if (rc == 0 && options->common.json)
        print_json(&check, findings.rows, dropped);
    else if (rc == 0)
        print_text(&check, options, dropped);
    json_decref(findings.rows);
    if (rc != 0)
        return cli_fail("fsck", &err, options->common.json);
    return options->repair || check.damaged + check.dangling == 0 ? EXIT_DONE : EXIT_FAILED;
}

/* Read the database as a file: what a map turns into a signal has a reason here. Errors:
 * ERR_IO, with the place. */
static int check_disk(const struct options *options, struct err *err)
{
    enum { PART_BYTES = 1 << 20 };
    struct buf path = {0};
    cleanup(free_ptr) uint8_t *part = mem_new(PART_BYTES, 1);
    unsigned long long at = 0;
    buf_print(&path, "%s/data.mdb", find_store_path(options->common.store));
    cleanup(close_fd) int fd = open(buf_text(&path), O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : 1;
    while (n > 0) {
        n = read(fd, part, PART_BYTES);
        at += n > 0 ? (unsigned long long)n : 0;
    }
    int rc = n < 0 ? err_errno(err, errno, "read '%s' at byte %llu", buf_text(&path), at) : 0;
    buf_done(&path);
    return rc;
}

static int report_crash(const struct options *options, int signal_number)
{
    struct err err = {0};
    if (check_disk(options, &err) != 0)
        return cli_fail("fsck", &err, options->common.json);
    (void)err_set(&err, ERR_CORRUPT, "the database's own pages are damaged (%s)",
                  strsignal(signal_number));
    (void)err_hint(&err, "take the store's folder away and run the campaign again; the folder "
                         "may still hold objects that other tools can find");
    return cli_fail("fsck", &err, options->common.json);
}

int cmd_fsck(int argc, char **argv)
{
    static const struct argp_option rows[] = {
        {"repair", 'r', NULL, 0,
         "make the index again and give up what is damaged, so that it is computed again", 0},
        {0}};
    static const struct cli_usage usage = {
        .common = CLI_STORE | CLI_JSON,
        .doc =
            "Hash every object of a store again, and check every result and ref. One line per "
            "finding; exit code 0 when clean, 1 when damaged.",
        .rows = rows,
        .parser = parse};
    struct options options = {0};
    int status = 0;
    int rc = cli_parse_usage(&usage, argc, argv, &options.common, &options);
    if (rc)
        return rc - 1;
    (void)fflush(NULL);
    pid_t pid = fork();
    if (pid < 0) {
        struct err err = {0};
        (void)err_errno(&err, errno, "start the check");
        return cli_fail("fsck", &err, options.common.json);
    }
    if (pid == 0) {
        rc = check_store(&options);
        (void)fflush(NULL);
        _exit(rc);
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    return WIFSIGNALED(status) ? report_crash(&options, WTERMSIG(status)) : WEXITSTATUS(status);
}
