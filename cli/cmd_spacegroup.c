/* `wyckmill spacegroup N|SYMBOL`: a space group, by any name of any of its settings, and its
 * Wyckoff positions. */
#include "cli/cli.h"

#include "common/cleanup.h"
#include "common/mem.h"
#include "workers/crystal/settings.h"

#include <ctype.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

struct options {
    char group[64]; /* words of the command line joined by blanks */
    bool json;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct options *options = state->input;
    size_t used = strlen(options->group);
    switch (key) {
    case 'j':
        options->json = true;
        return 0;
    case ARGP_KEY_ARG:
        (void)snprintf(options->group + used, sizeof options->group - used, "%s%s",
                       used > 0 ? " " : "", arg);
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "which group? A number 1..230 or a symbol like Fm-3m");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* The options, "--", and the words of the group: a Hall symbol may begin with '-' and a capital
 * letter ("-P 2ybc"), which no option does. *ret_n: how many words now. Caller frees. */
static char **order_words(int argc, char **argv, int *ret_n)
{
    char **ordered = mem_new((size_t)argc + 2, sizeof *ordered);
    int n = 0;
    for (int group = 0; group < 2; group++) {
        bool rest = false;
        for (int i = 0; i < argc; i++) {
            bool option = i == 0 || (argv[i][0] == '-' && !isupper((unsigned char)argv[i][1]));
            if (!rest && i > 0 && !strcmp(argv[i], "--"))
                rest = true;
            else if ((option && !rest) == (group == 0))
                ordered[n++] = argv[i];
        }
        if (group == 0)
            ordered[n++] = (char *)(uintptr_t) "--";
    }
    *ret_n = n;
    return ordered;
}

/* ---- which group, which setting ---- */

struct found {
    const struct spacegroup *group;
    int n; /* settings that the name can mean, the usual one first */
    int settings[SETTINGS_MAX];
    struct setting setting; /* the first */
    struct basis basis;     /* from it to the standard one */
};

static struct text text_of(const char *text)
{
    return text_trim((struct text){text, strlen(text)});
}

/* "hall:82", "hall:-P 2yn". */
static int find_hall(const char *name, struct found *ret, struct err *err)
{
    struct text text = text_of(name);
    uint32_t number;
    if (!text_count(text, &number))
        ret->settings[0] = settings_hall(text);
    else
        ret->settings[0] = number >= 1 && number <= HALL_MAX ? (int)number : 0;
    ret->n = 1;
    if (ret->settings[0] > 0)
        return 0;
    (void)err_set(err, ERR_INVALID, "no setting has the Hall number or symbol '%s'",
                  text_quote(text).text);
    return err_hint(err, "Hall numbers are 1..%d; Hall symbols look like -P 2ybc", HALL_MAX);
}

static int find_setting(const char *name, struct found *ret, struct err *err)
{
    struct text text = text_of(name);
    uint32_t number;
    if (text_begins_nocase(text, "hall:"))
        return find_hall(text.data + 5, ret, err);
    if (!text_count(text, &number)) {
        ret->n = settings_named(text, ret->settings);
        if (ret->n == 0 && (ret->settings[0] = settings_hall(text)) > 0)
            ret->n = 1;
        if (ret->n > 0)
            return 0;
    }
    const struct spacegroup *group = NULL;
    int rc = spacegroup_parse(name, &group, err); /* a number, or the nearest symbols */
    if (rc)
        return rc;
    ret->n = 1;
    ret->settings[0] = group->hall_number;
    return 0;
}

static int find(const char *name, struct found *ret, struct err *err)
{
    int rc = find_setting(name, ret, err);
    if (rc)
        return rc;
    ret->setting = setting_get(ret->settings[0]);
    ret->group = spacegroup_get(ret->setting.number);
    return setting_to_standard(ret->settings[0], &ret->basis, err);
}

/* ---- texts ---- */

enum { AXIS_SIZE = 16, ORIGIN_SIZE = 24 };

/* Column `k` of the basis: "a-c". */
static void axis_text(const struct basis *basis, int k, char ret[AXIS_SIZE])
{
    size_t n = 0;
    for (int i = 0; i < 3; i++) {
        int coefficient = basis->axes[i][k];
        if (coefficient < 0)
            ret[n++] = '-';
        else if (coefficient > 0 && n > 0)
            ret[n++] = '+';
        if (coefficient != 0)
            ret[n++] = (char)('a' + i);
    }
    ret[n] = '\0';
}

static void origin_text(const struct basis *basis, char ret[ORIGIN_SIZE])
{
    static const char *const eighths[] = {"0", "1/8", "1/4", "3/8", "1/2", "5/8", "3/4", "7/8"};
    (void)snprintf(ret, ORIGIN_SIZE, "%s,%s,%s", eighths[basis->origin[0]],
                   eighths[basis->origin[1]], eighths[basis->origin[2]]);
}

/* ---- JSON ---- */

static json_t *position_json(const struct wyckoff_position *position)
{
    json_t *coordinates = json_array();
    char text[WYCKOFF_TEXT_SIZE];
    for (int k = 0; k < position->multiplicity; k++) {
        wyckoff_text(&position->coordinates[k], text, sizeof text);
        (void)json_array_append_new(coordinates, json_string(text));
    }
    const char letter[2] = {wyckoff_letter_char(position->letter), '\0'};
    return json_pack("{s:s,s:i,s:s,s:i,s:o}", "letter", letter, "multiplicity",
                     (int)position->multiplicity, "site_symmetry", position->site_symmetry,
                     "dof", (int)position->dof, "coordinates", coordinates);
}

static json_t *setting_json(int hall_number)
{
    struct setting setting = setting_get(hall_number);
    return json_pack("{s:i,s:s,s:s,s:s,s:b}", "hall_number", hall_number, "hall_symbol",
                     setting.hall_symbol, "symbol", setting.symbol, "choice", setting.choice,
                     "standard", (int)setting.standard);
}

static json_t *basis_json(const struct basis *basis)
{
    char axes[3][AXIS_SIZE], origin[ORIGIN_SIZE];
    for (int k = 0; k < 3; k++)
        axis_text(basis, k, axes[k]);
    origin_text(basis, origin);
    return json_pack("{s:[s,s,s],s:s}", "axes", axes[0], axes[1], axes[2], "origin", origin);
}

static void print_json(const struct found *found)
{
    const struct spacegroup *group = found->group;
    json_t *positions = json_array(), *others = json_array();
    json_t *setting = setting_json(found->settings[0]);
    (void)json_object_set_new(setting, "to_standard", basis_json(&found->basis));
    for (int i = 1; i < found->n; i++)
        (void)json_array_append_new(others, setting_json(found->settings[i]));
    for (int p = 0; p < group->n_positions; p++)
        (void)json_array_append_new(positions, position_json(&group->positions[p]));
    json_t *root =
        json_pack("{s:i,s:s,s:i,s:s,s:s,s:s,s:i,s:o,s:o,s:o}", "number", (int)group->number,
                  "symbol", group->symbol, "hall_number", (int)group->hall_number, "system",
                  spacegroup_system_name(group), "schoenflies", found->setting.schoenflies,
                  "point_group", found->setting.point_group, "operations", (int)group->order,
                  "setting", setting, "other_settings", others, "positions", positions);
    (void)json_dumpf(root, stdout, JSON_COMPACT);
    (void)putchar('\n');
    json_decref(root);
}

/* ---- text ---- */

static void print_setting(const struct found *found, const char *name)
{
    const struct setting *setting = &found->setting;
    char axes[3][AXIS_SIZE], origin[ORIGIN_SIZE];
    for (int k = 0; k < 3; k++)
        axis_text(&found->basis, k, axes[k]);
    origin_text(&found->basis, origin);
    if (!setting->standard)
        (void)printf("\n'%s' is the setting %s (%s, Hall number %d, Hall symbol %s).\n"
                     "The standard setting, used below, has in its coordinates\n"
                     "  axes    %s, %s, %s\n"
                     "  origin  %s\n",
                     name, setting->symbol, setting->choice, setting->hall_number,
                     setting->hall_symbol, axes[0], axes[1], axes[2], origin);
    for (int i = 1; i < found->n; i++) {
        struct setting other = setting_get(found->settings[i]);
        (void)printf("%s %s (%s, Hall number %d)%s", i == 1 ? "\nThe name can also mean" : ",",
                     other.symbol, other.choice, other.hall_number,
                     i + 1 == found->n ? ".\n" : "");
    }
}

static void print_text(const struct found *found, const char *name)
{
    const struct spacegroup *group = found->group;
    char text[WYCKOFF_TEXT_SIZE];
    (void)printf("Space group %u  %s  (%s, Hall number %u, %u operations in the cell)\n"
                 "Schoenflies %s, point group %s\n",
                 group->number, group->symbol, spacegroup_system_name(group),
                 group->hall_number, group->order, found->setting.schoenflies,
                 found->setting.point_group);
    print_setting(found, name);
    (void)printf("\nposition  site symmetry  free  first coordinates\n");
    for (int p = group->n_positions - 1; p >= 0; p--) {
        const struct wyckoff_position *position = &group->positions[p];
        wyckoff_text(&position->coordinates[0], text, sizeof text);
        (void)printf("%7u%c  %-13s  %4u  %s\n", position->multiplicity,
                     wyckoff_letter_char(position->letter), position->site_symmetry,
                     position->dof, text);
    }
    (void)printf("\nAll coordinates of every position: --json\n");
}

int cmd_spacegroup(int argc, char **argv)
{
    static const struct argp_option rows[] = {
        {"json", 'j', NULL, 0, "one JSON object with all coordinates", 0}, {0}};
    const struct argp argp = {
        .options = rows,
        .parser = parse,
        .args_doc = "NUMBER|SYMBOL",
        .doc = "Print the Wyckoff positions of a space group in the standard setting of "
               "International Tables (unique axis b, cell choice 1; origin choice 2; hexagonal "
               "axes).\vSYMBOL is a Hermann-Mauguin symbol in any of the 530 settings, short, "
               "full or of before 1992, also with its choice (P21/n, Pbnm, Bmab, Fd-3m:1, "
               "R-3m:R), or a Hall symbol (-P 2ybc; hall:P 2 where both read alike), or "
               "hall:N for a Hall number. Of another setting than the standard one, it is said "
               "how the standard one lies in it."};
    struct options options = {0};
    struct found found = {0};
    struct err err = {0};
    int n_words;
    cleanup(free_ptr) char **words = order_words(argc, argv, &n_words);
    int rc = cli_parse(&argp, n_words, words, &options);
    if (rc)
        return rc - 1;
    rc = find(options.group, &found, &err);
    if (rc)
        return cli_fail("spacegroup", &err, options.json);
    if (options.json)
        print_json(&found);
    else
        print_text(&found, options.group);
    return EXIT_DONE;
}
