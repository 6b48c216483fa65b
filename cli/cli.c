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

/* ---- what commands have in common ---- */

enum { KEY_KEYS = 0x1000 /* above all keys of the commands' own */ };

static const struct argp_option store_rows[] = {
    {"store", 's', "DIR", 0, "the store (default: $WYCKMILL_STORE or .wyckmill/store)", 0},
    {0}};
static const struct argp_option broker_rows[] = {
    {"connect", 'c', "ADDR", 0, "the broker at this address (default: that of the store)", 0},
    CLI_KEYS_OPTION(KEY_KEYS),
    {0}};
static const struct argp_option json_rows[] = {{"json", 'j', NULL, 0, "as JSON", 0}, {0}};

struct common {
    const struct cli_usage *usage;
    struct cli_common *ret;
    void *own;
    int n_children;
};

static error_t parse_store(int key, char *arg, struct argp_state *state)
{
    struct cli_common *common = state->input;
    if (key != 's')
        return ARGP_ERR_UNKNOWN;
    common->store = arg;
    return 0;
}

static error_t parse_broker(int key, char *arg, struct argp_state *state)
{
    struct cli_common *common = state->input;
    if (key != 'c' && key != KEY_KEYS)
        return ARGP_ERR_UNKNOWN;
    *(key == 'c' ? &common->connect : &common->keys) = arg;
    return 0;
}

static error_t parse_json(int key, char *arg, struct argp_state *state)
{
    struct cli_common *common = state->input;
    (void)arg;
    if (key != 'j')
        return ARGP_ERR_UNKNOWN;
    common->json = true;
    return 0;
}

/* The children in the order of cli_parse_usage: the command's own, then the common ones. */
static error_t parse_common(int key, char *arg, struct argp_state *state)
{
    const struct common *common = state->input;
    const struct cli_usage *usage = common->usage;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = common->own;
        for (int i = 1; i < common->n_children; i++)
            state->child_inputs[i] = common->ret;
        return 0;
    case ARGP_KEY_ARG:
        if (!usage->word)
            argp_error(state, "'%s' is one word too many", arg);
        if (common->ret->word)
            argp_error(state, "one %s at a time", usage->word);
        common->ret->word = arg;
        return 0;
    case ARGP_KEY_END:
        if (usage->word && usage->word[0] != '[' && !common->ret->word)
            argp_error(state, "which %s?%s%s", usage->word, usage->hint ? " " : "",
                       usage->hint ? usage->hint : "");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int cli_parse_usage(const struct cli_usage *usage, int argc, char **argv,
                    struct cli_common *ret_common, void *own)
{
    static const struct argp common_argps[] = {{.options = store_rows, .parser = parse_store},
                                               {.options = broker_rows, .parser = parse_broker},
                                               {.options = json_rows, .parser = parse_json}};
    const struct argp own_argp = {.options = usage->rows, .parser = usage->parser};
    struct argp_child children[5] = {{.argp = &own_argp}};
    int n = 1;
    for (int i = 0; i < 3; i++)
        if (usage->common >> i & 1)
            children[n++].argp = &common_argps[i];
    const struct argp argp = {.parser = parse_common,
                              .args_doc = usage->word,
                              .doc = usage->doc,
                              .children = children};
    *ret_common = (struct cli_common){0};
    return cli_parse(
        &argp, argc, argv,
        &(struct common){.usage = usage, .ret = ret_common, .own = own, .n_children = n});
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
