/* What subcommands share: see cli.h. */
#include "cli/cli.h"

#include "common/cleanup.h"

#include <jansson.h>
#include <math.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const struct {
    int code;
    int exit;
    const char *name;
} exits[] = {
    {ERR_INVALID, EXIT_USAGE, "invalid"},
    {ERR_CONFIG, EXIT_USAGE, "config"},
    {ERR_NOT_FOUND, EXIT_FAILED, "not-found"},
    {ERR_CORRUPT, EXIT_FAILED, "corrupt"},
    {ERR_FULL, EXIT_TRY_AGAIN, "no-space"},
    {ERR_IO, EXIT_FAILED, "io"},
    {ERR_NUMERIC, EXIT_FAILED, "numeric"},
    {ERR_UNSUPPORTED, EXIT_FAILED, "unsupported"},
    {ERR_NETWORK, EXIT_UNREACHABLE, "unreachable"},
    {ERR_BUSY, EXIT_TRY_AGAIN, "busy"},
    {ERR_LIMIT, EXIT_FAILED, "limit"},
    {ERR_SYMMETRY, EXIT_FAILED, "symmetry"},
    {ERR_INTERRUPTED, EXIT_STOPPED, "interrupted"},
};

static void print_json(const struct err *err, const char *name)
{
    json_t *root = json_pack("{s:{s:s,s:s,s:s}}", "error", "code", name, "message", err->text,
                             "hint", err->hint);
    /* A message with bytes that are no UTF-8 (a file name, say) makes no JSON string. */
    if (!root)
        root = json_pack("{s:{s:s,s:s,s:s}}", "error", "code", name, "message",
                         err_code_text(err->code), "hint", "");
    (void)json_dumpf(root, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
    (void)putchar('\n');
    json_decref(root);
}

int cli_fail(const char *command, const struct err *err, bool json)
{
    size_t row = 0;
    while (row < sizeof exits / sizeof exits[0] && exits[row].code != err->code)
        row++;
    bool known = row < sizeof exits / sizeof exits[0];
    if (json)
        print_json(err, known ? exits[row].name : "failed");
    (void)fprintf(stderr, "wyckmill %s: %s\n", command, err->text);
    if (err->hint[0])
        (void)fprintf(stderr, "  hint: %s\n", err->hint);
    return known ? exits[row].exit : EXIT_FAILED;
}

int cli_parse(const struct argp *argp, int argc, char **argv, void *input)
{
    argp_err_exit_status = EXIT_USAGE;
    /* argp prints and exits by itself for --help, --usage and unknown options. */
    error_t rc = argp_parse(argp, argc, argv, 0, NULL, input);
    return rc ? EXIT_USAGE + 1 : 0;
}

double cli_symprec(struct argp_state *state, const char *text)
{
    char *end;
    double symprec = strtod(text, &end);
    if (end == text || *end || !(symprec > 0 && symprec <= 1))
        argp_error(state, "--symprec: '%s' is not a length above 0 and up to 1 Angstrom", text);
    return symprec;
}

static double now_s(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void cli_progress_begin(struct cli_progress *progress)
{
    *progress = (struct cli_progress){
        .terminal = isatty(STDERR_FILENO) == 1, .begin_s = now_s(), .last_s = -1e9};
}

enum { BAR_WIDTH = 28 };

void cli_progress(struct cli_progress *progress, double fraction, const char *text)
{
    double now = now_s(), wait = progress->terminal ? 0.1 : 10.0;
    if (now - progress->last_s < wait)
        return;
    progress->last_s = now;
    int seconds = (int)(now - progress->begin_s);
    if (!progress->terminal) {
        if (fraction >= 0)
            (void)fprintf(stderr, "[%d:%02d] %3.0f %% %s\n", seconds / 60, seconds % 60,
                          100 * fraction, text);
        else
            (void)fprintf(stderr, "[%d:%02d] %s\n", seconds / 60, seconds % 60, text);
        return;
    }
    char bar[BAR_WIDTH + 1];
    int full = fraction < 0 ? 0 : (int)lround(fmin(fraction, 1) * BAR_WIDTH);
    memset(bar, '.', BAR_WIDTH);
    memset(bar, '#', (size_t)full);
    bar[BAR_WIDTH] = '\0';
    (void)fprintf(stderr, "\r\033[K[%s] %d:%02d %.90s", bar, seconds / 60, seconds % 60, text);
    (void)fflush(stderr);
}

void cli_progress_end(struct cli_progress *progress)
{
    if (progress->terminal && progress->last_s > 0)
        (void)fprintf(stderr, "\r\033[K");
}
