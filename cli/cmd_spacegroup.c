/* `wyckmill spacegroup N|SYMBOL`: the Wyckoff positions of a space group. */
#include "cli/cli.h"

#include "workers/crystal/wyckoff.h"

#include <jansson.h>
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

static void print_json(const struct spacegroup *group)
{
    json_t *positions = json_array();
    for (int p = 0; p < group->n_positions; p++)
        (void)json_array_append_new(positions, position_json(&group->positions[p]));
    json_t *root =
        json_pack("{s:i,s:s,s:i,s:o}", "number", (int)group->number, "symbol", group->symbol,
                  "hall_number", (int)group->hall_number, "positions", positions);
    (void)json_dumpf(root, stdout, JSON_COMPACT);
    (void)putchar('\n');
    json_decref(root);
}

static void print_text(const struct spacegroup *group)
{
    char text[WYCKOFF_TEXT_SIZE];
    (void)printf("Space group %u  %s  (%s, Hall number %u, %u operations in the cell)\n\n"
                 "position  site symmetry  free  first coordinates\n",
                 group->number, group->symbol, spacegroup_system_name(group),
                 group->hall_number, group->order);
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
               "axes)."};
    struct options options = {0};
    struct err err = {0};
    const struct spacegroup *group = NULL;
    int rc = cli_parse(&argp, argc, argv, &options);
    if (rc)
        return rc - 1;
    rc = spacegroup_parse(options.group, &group, &err);
    if (rc)
        return cli_fail("spacegroup", &err, options.json);
    if (options.json)
        print_json(group);
    else
        print_text(group);
    return EXIT_DONE;
}
