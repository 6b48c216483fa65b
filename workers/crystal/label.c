/* Formulas, prototypes and labels of protostructures, printed and parsed: see label.h. */
#include "workers/crystal/label.h"

#include "common/mem.h"
#include "workers/crystal/elements.h"
#include "workers/crystal/normalizer.h"
#include "workers/crystal/structure.h"
#include "workers/crystal/words.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

/* ---- printing ---- */

/* Elements present, in some order, with how many atoms (conventional cell) each has. */
struct composition {
    int n;
    uint8_t elements[ELEMENT_MAX];
    uint32_t atoms[ELEMENT_MAX + 1]; /* by atomic number */
    uint32_t divisor;                /* greatest common divisor of the counts */
};

static int compare_symbols(const void *a, const void *b)
{
    return strcmp(element_get(*(const uint8_t *)a)->symbol,
                  element_get(*(const uint8_t *)b)->symbol);
}

/* Elements without a value (noble gases) come last. */
static int compare_electronegativities(const void *a, const void *b)
{
    double x = element_get(*(const uint8_t *)a)->electronegativity;
    double y = element_get(*(const uint8_t *)b)->electronegativity;
    if ((x > 0) != (y > 0))
        return x > 0 ? -1 : 1;
    return x < y ? -1 : x > y ? 1 : compare_symbols(a, b);
}

static int compare_numbers(const void *a, const void *b)
{
    return (int)*(const uint8_t *)a - *(const uint8_t *)b;
}

static struct composition composition_of(const struct protostructure *proto,
                                         int (*order)(const void *, const void *))
{
    struct composition all = {0};
    const struct spacegroup *group = spacegroup_get(proto->spacegroup);
    for (uint32_t i = 0; i < proto->n_sites; i++)
        all.atoms[proto->sites[i].element] +=
            group->positions[proto->sites[i].letter].multiplicity;
    for (int z = 1; z <= ELEMENT_MAX; z++) {
        if (all.atoms[z] == 0)
            continue;
        all.elements[all.n++] = (uint8_t)z;
        for (uint32_t a = all.atoms[z]; a != 0;) { /* Euclid */
            uint32_t rest = all.divisor % a;
            all.divisor = a;
            a = rest;
        }
    }
    qsort(all.elements, (size_t)all.n, sizeof all.elements[0], order);
    return all;
}

static void print_amount(struct buf *out, const struct composition *all, int element)
{
    uint32_t amount = all->atoms[element] / all->divisor;
    if (amount > 1)
        buf_print(out, "%u", amount);
}

/* A, B, ... Z, then AA, AB, ... */
static void print_anonymous(struct buf *out, int index)
{
    if (index >= 26)
        buf_print(out, "%c", 'A' + index / 26 - 1);
    buf_print(out, "%c", 'A' + index % 26);
}

/* Letters of one element in order, repeated ones counted: "a2ef". */
static void print_letters(struct buf *out, const struct protostructure *proto, uint8_t element)
{
    uint32_t counts[LETTER_MAX] = {0};
    for (uint32_t i = 0; i < proto->n_sites; i++)
        counts[proto->sites[i].letter] += proto->sites[i].element == element;
    for (uint8_t letter = 0; letter < LETTER_MAX; letter++) {
        if (counts[letter] > 1)
            buf_print(out, "%u", counts[letter]);
        if (counts[letter] > 0)
            buf_print(out, "%c", wyckoff_letter_char(letter));
    }
}

/* System, centring (one-face centrings are all C), atoms; hR in the primitive cell. */
static void print_pearson(struct buf *out, const struct protostructure *proto)
{
    const struct spacegroup *group = spacegroup_get(proto->spacegroup);
    char centring = group->centring == 'A' || group->centring == 'B' ? 'C' : group->centring;
    uint32_t atoms = protostructure_atoms(proto);
    buf_print(out, "%c%c%u", group->crystal_system, centring,
              centring == 'R' ? atoms / 3 : atoms);
}

static void print_anonymous_formula(struct buf *out, const struct composition *all)
{
    for (int i = 0; i < all->n; i++) {
        print_anonymous(out, i);
        print_amount(out, all, all->elements[i]);
    }
}

static void print_prototype(struct buf *out, const struct protostructure *proto,
                            const struct composition *all)
{
    print_anonymous_formula(out, all);
    buf_print(out, "_");
    print_pearson(out, proto);
    buf_print(out, "_%u", proto->spacegroup);
    for (int i = 0; i < all->n; i++) {
        buf_print(out, "_");
        print_letters(out, proto, all->elements[i]);
    }
}

static char *text_of(struct buf *out)
{
    (void)buf_text(out);
    return (char *)out->data;
}

char *protostructure_prototype(const struct protostructure *proto)
{
    struct buf out = {0};
    struct composition all = composition_of(proto, compare_symbols);
    print_prototype(&out, proto, &all);
    return text_of(&out);
}

char *protostructure_label(const struct protostructure *proto)
{
    struct buf out = {0};
    struct composition all = composition_of(proto, compare_symbols);
    print_prototype(&out, proto, &all);
    for (int i = 0; i < all.n; i++)
        buf_print(&out, "%s%s", i == 0 ? ":" : "-", element_get(all.elements[i])->symbol);
    return text_of(&out);
}

char *record_label(const struct record *record)
{
    struct protostructure canonical = protostructure_canonical(&record->proto);
    char *label = protostructure_label(&canonical);
    protostructure_done(&canonical);
    return label;
}

void protostructure_formula(const struct protostructure *proto, char *ret, size_t size)
{
    struct buf out = {0};
    struct composition all = composition_of(proto, compare_electronegativities);
    for (int i = 0; i < all.n; i++) {
        buf_print(&out, "%s", element_get(all.elements[i])->symbol);
        print_amount(&out, &all, all.elements[i]);
    }
    size_t length = strlen(buf_text(&out));
    if (length >= size)
        length = size - 1;
    memcpy(ret, out.data, length);
    ret[length] = '\0';
    buf_done(&out);
}

/* ---- parsing ---- */

enum { AMOUNT_MAX = 1000000, EXAMPLE_SIZE = 64 };

struct parser {
    const char *text, *at;
    struct err *err;
    int n;                               /* elements in the formula */
    const char *formula_at[ELEMENT_MAX]; /* where each one stands there */
    uint32_t amounts[ELEMENT_MAX];
    const char *pearson_at;
    size_t pearson_size;
    char system, centring;
    uint32_t pearson_atoms;
    const struct spacegroup *group;
    struct protostructure *proto; /* its elements: 1 for A, 2 for B, ... until `elements` */
    uint32_t atoms;               /* of the letters so far */
    int first_on[POSITIONS_MAX];  /* 1 + element that was first on each position, 0: none */
    uint8_t elements[ELEMENT_MAX];
};

static int wrong(const struct parser *parser, const char *at, size_t size, const char *format,
                 ...) __attribute__((format(printf, 4, 5)));

/* "character 5, 'cQ5': why". Size 0: the end of the label, or just a place. */
static int wrong(const struct parser *parser, const char *at, size_t size, const char *format,
                 ...)
{
    char why[240];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(why, sizeof why, format, args);
    va_end(args);
    unsigned place = (unsigned)(at - parser->text) + 1;
    if (size == 0)
        return err_set(parser->err, ERR_INVALID, "character %u%s: %s", place,
                       *at ? "" : ", the end of the label", why);
    return err_set(parser->err, ERR_INVALID, "character %u, '%s': %s", place,
                   text_quote((struct text){at, size}).text, why);
}

/* What stands at `at` up to the next separator: for sentences. */
static size_t word_size(const char *at)
{
    return strcspn(at, "_:-");
}

/* "A", "B", ... as print_anonymous. */
static void anonymous_name(int index, char ret[3])
{
    int n = 0;
    if (index >= 26)
        ret[n++] = (char)('A' + index / 26 - 1);
    ret[n++] = (char)('A' + index % 26);
    ret[n] = '\0';
}

/* Digits at `at`, if any; `absent` when there are none. */
static int read_amount(struct parser *parser, uint32_t absent, uint32_t *ret)
{
    const char *begin = parser->at;
    uint32_t value = 0;
    for (; isdigit((unsigned char)*parser->at); parser->at++)
        value = value < AMOUNT_MAX ? value * 10 + (uint32_t)(*parser->at - '0') : AMOUNT_MAX;
    size_t size = (size_t)(parser->at - begin);
    if (size > 0 && *begin == '0')
        return wrong(parser, begin, size, "a number begins with 1 to 9");
    if (value >= AMOUNT_MAX)
        return wrong(parser, begin, size, "a number below %d should stand here", AMOUNT_MAX);
    *ret = size > 0 ? value : absent;
    return 0;
}

static int read_separator(struct parser *parser, const char *what)
{
    if (*parser->at != '_')
        return wrong(parser, parser->at, word_size(parser->at), "'_' and %s should stand here",
                     what);
    parser->at++;
    return 0;
}

static int read_formula(struct parser *parser)
{
    int rc = 0;
    while (rc == 0 && *parser->at && *parser->at != '_') {
        char name[3];
        const char *at = parser->at;
        anonymous_name(parser->n, name);
        if (strncmp(at, name, strlen(name)) != 0) {
            (void)wrong(parser, at, word_size(at),
                        "'%s' should stand here: a formula names its elements A, B, C in order",
                        name);
            return err_hint(parser->err, "a label looks like AB3C_cP5_221_a_c_b:Ba-O-Ti");
        }
        if (parser->n == ELEMENT_MAX)
            return wrong(parser, at, word_size(at), "more than %d elements", ELEMENT_MAX);
        parser->at += strlen(name);
        parser->formula_at[parser->n] = at;
        rc = read_amount(parser, 1, &parser->amounts[parser->n++]);
    }
    if (rc == 0 && parser->n == 0) {
        (void)wrong(parser, parser->at, word_size(parser->at),
                    "the prototype formula should stand here, like AB3C");
        return err_hint(parser->err, "a label looks like AB3C_cP5_221_a_c_b:Ba-O-Ti");
    }
    return rc;
}

static int read_pearson(struct parser *parser)
{
    int rc = read_separator(parser, "the Pearson symbol, like cP5,");
    if (rc)
        return rc;
    const char *at = parser->at;
    size_t size = word_size(at);
    parser->pearson_at = at;
    parser->pearson_size = size;
    if (size < 3 || !strchr("amothc", at[0]) || !strchr("PABCSIFR", at[1]) ||
        !isdigit((unsigned char)at[2])) {
        (void)wrong(parser, at, size, "this is no Pearson symbol");
        return err_hint(parser->err,
                        "crystal system (a m o t h c), centring (P C I F R), atoms in the "
                        "conventional cell: cP5");
    }
    parser->system = at[0];
    parser->centring = at[1];
    parser->at += 2;
    return read_amount(parser, 0, &parser->pearson_atoms);
}

/* One-face centrings are all C in Pearson symbols. */
static bool is_one_face(char centring)
{
    return strchr("ABCS", centring) != NULL;
}

static int read_group(struct parser *parser)
{
    uint32_t number = 0;
    int rc = read_separator(parser, "the number of the space group");
    const char *at = parser->at;
    if (rc == 0)
        rc = read_amount(parser, 0, &number);
    if (rc)
        return rc;
    parser->group = spacegroup_get((int)number);
    if (!parser->group)
        return wrong(parser, at, word_size(at),
                     "a space group number from 1 to %d should stand here", GROUP_MAX);
    const struct spacegroup *group = parser->group;
    bool fits = group->centring == parser->centring ||
                (is_one_face(group->centring) && is_one_face(parser->centring));
    if (group->crystal_system != parser->system || !fits)
        return wrong(parser, parser->pearson_at, parser->pearson_size,
                     "space group %u (%s) has Pearson symbols that begin with %c%c",
                     group->number, group->symbol, group->crystal_system,
                     is_one_face(group->centring) ? 'C' : group->centring);
    parser->proto->spacegroup = group->number;
    return 0;
}

/* Is there room for `count` orbits of element number `element` on position `letter`? */
static int check_position(struct parser *parser, const char *at, int letter, uint32_t count,
                          int element)
{
    const struct spacegroup *group = parser->group;
    size_t size = (size_t)(parser->at - at);
    if (letter < 0 || letter >= group->n_positions)
        return wrong(parser, at, size, "space group %u (%s) has positions a to %c",
                     group->number, group->symbol,
                     wyckoff_letter_char((uint8_t)(group->n_positions - 1)));
    const struct wyckoff_position *position = &group->positions[letter];
    int first = parser->first_on[letter];
    if (position->dof == 0 && (count > 1 || first > 0)) {
        char name[3];
        anonymous_name(first > 0 ? first - 1 : element, name);
        (void)wrong(parser, at, size,
                    "position %u%c of space group %u is occupied twice%s%s, and has no free "
                    "coordinate that could keep two atoms apart",
                    position->multiplicity, wyckoff_letter_char((uint8_t)letter), group->number,
                    first > 0 ? ", first by " : "", first > 0 ? name : "");
        return err_hint(parser->err, "positions with freedom: wyckmill spacegroup %u",
                        group->number);
    }
    if (count > (uint32_t)SITES_MAX - parser->proto->n_sites)
        return wrong(parser, at, size, "more than %d occupied positions", SITES_MAX);
    if (count * position->multiplicity > ATOMS_MAX - parser->atoms)
        return wrong(parser, at, size, "more than %d atoms in the conventional cell",
                     ATOMS_MAX);
    return 0;
}

/* The letters of element number `element`: "a2ef". */
static int read_letters(struct parser *parser, int element)
{
    const char *begin = parser->at;
    struct protostructure *proto = parser->proto;
    while (*parser->at && *parser->at != '_' && *parser->at != ':') {
        const char *at = parser->at;
        uint32_t count;
        int rc = read_amount(parser, 1, &count);
        if (rc)
            return rc;
        int letter = *parser->at ? wyckoff_letter_index(*parser->at++) : -1;
        rc = check_position(parser, at, letter, count, element);
        if (rc)
            return rc;
        for (uint32_t i = 0; i < count; i++)
            proto->sites[proto->n_sites++] =
                (struct site){(uint8_t)letter, (uint8_t)(element + 1)};
        parser->atoms += count * parser->group->positions[letter].multiplicity;
        if (parser->first_on[letter] == 0)
            parser->first_on[letter] = element + 1;
    }
    char name[3];
    anonymous_name(element, name);
    return parser->at > begin ? 0
                              : wrong(parser, begin, word_size(begin),
                                      "the Wyckoff letters of %s should stand here", name);
}

static int read_all_letters(struct parser *parser)
{
    int rc = 0;
    for (int i = 0; rc == 0 && i < parser->n; i++) {
        char name[3], what[40];
        anonymous_name(i, name);
        (void)snprintf(what, sizeof what, "the Wyckoff letters of %s", name);
        rc = read_separator(parser, what);
        if (rc == 0)
            rc = read_letters(parser, i);
    }
    if (rc == 0 && *parser->at && *parser->at != ':')
        rc = wrong(parser, parser->at, strcspn(parser->at, ":"),
                   "the formula has %d element%s: no further letters fit", parser->n,
                   parser->n > 1 ? "s" : "");
    return rc;
}

/* Formula and Pearson symbol against the letters. */
static int check_amounts(struct parser *parser)
{
    struct composition all = composition_of(parser->proto, compare_numbers);
    struct buf formula = {0}, pearson = {0};
    int rc = 0;
    print_anonymous_formula(&formula, &all);
    print_pearson(&pearson, parser->proto);
    for (int i = 0; rc == 0 && i < parser->n; i++) {
        char name[3];
        anonymous_name(i, name);
        if (parser->amounts[i] == all.atoms[i + 1] / all.divisor)
            continue;
        const char *at = parser->formula_at[i];
        const char *end =
            i + 1 < parser->n ? parser->formula_at[i + 1] : parser->pearson_at - 1;
        (void)wrong(parser, at, (size_t)(end - at), "the letters put %s on %u of %u atoms",
                    name, all.atoms[i + 1], parser->atoms);
        rc =
            err_hint(parser->err, "the formula of these letters is %.150s", buf_text(&formula));
    }
    bool agrees =
        parser->pearson_atoms == parser->atoms ||
        (parser->group->centring == 'R' && parser->pearson_atoms == parser->atoms / 3);
    if (rc == 0 && !agrees)
        rc = wrong(parser, parser->pearson_at, parser->pearson_size,
                   "the letters give %u atoms in the conventional cell: %s should stand here",
                   parser->atoms, buf_text(&pearson));
    buf_done(&formula);
    buf_done(&pearson);
    return rc;
}

/* What could have been meant: "ba" and "BA" are Ba. */
static int unknown_element(const struct parser *parser, const char *at, size_t size)
{
    (void)wrong(parser, at, size, size ? "unknown element" : "an element should stand here");
    for (int z = 1; z <= ELEMENT_MAX; z++)
        if (size == strlen(element_get(z)->symbol) &&
            strncasecmp(at, element_get(z)->symbol, size) == 0)
            return err_hint(parser->err, "did you mean %s?", element_get(z)->symbol);
    return err_hint(parser->err, "symbols of elements are H to Lr, like Ba");
}

static int read_elements(struct parser *parser)
{
    bool taken[ELEMENT_MAX + 1] = {false};
    parser->at++; /* the colon */
    for (int i = 0; i < parser->n; i++) {
        const char *at = parser->at;
        size_t size = word_size(at);
        int element = size <= 2 ? element_parse(at, (int)size) : 0;
        if (element == 0)
            return unknown_element(parser, at, size);
        if (taken[element])
            return wrong(parser, at, size, "this element was named before");
        taken[element] = true;
        parser->elements[i] = (uint8_t)element;
        parser->at += size;
        if (i + 1 < parser->n && *parser->at != '-')
            return wrong(parser, parser->at, strlen(parser->at),
                         "the formula has %d elements, and only %d %s named, with '-' between",
                         parser->n, i + 1, i > 0 ? "are" : "is");
        if (i + 1 < parser->n)
            parser->at++;
    }
    if (*parser->at)
        return wrong(parser, parser->at, strlen(parser->at),
                     "the label should end here: the formula has %d element%s", parser->n,
                     parser->n > 1 ? "s" : "");
    return 0;
}

static void stand_ins(uint8_t ret[ELEMENT_MAX])
{
    for (int z = 1; z <= ELEMENT_MAX; z++)
        ret[z - 1] = (uint8_t)z;
    qsort(ret, ELEMENT_MAX, sizeof ret[0], compare_symbols);
}

void protostructure_stand_in_name(uint8_t element, char ret[4])
{
    uint8_t elements[ELEMENT_MAX];
    int index = 0;
    stand_ins(elements);
    while (elements[index] != element)
        index++;
    anonymous_name(index, ret);
}

static int parse(struct parser *parser, bool *ret_anonymous)
{
    int rc = read_formula(parser);
    if (rc == 0)
        rc = read_pearson(parser);
    if (rc == 0)
        rc = read_group(parser);
    if (rc == 0)
        rc = read_all_letters(parser);
    if (rc == 0)
        rc = check_amounts(parser);
    bool anonymous = rc == 0 && *parser->at == '\0';
    if (anonymous && !ret_anonymous)
        rc = wrong(parser, parser->at, 0,
                   "':' and the elements should stand here, like :Ba-O-Ti");
    else if (anonymous)
        stand_ins(parser->elements);
    else if (rc == 0)
        rc = read_elements(parser);
    if (rc == 0 && ret_anonymous)
        *ret_anonymous = anonymous;
    return rc;
}

int protostructure_parse(const char *text, struct protostructure *ret, bool *ret_anonymous,
                         struct err *err)
{
    struct protostructure proto = {.sites = mem_new(SITES_MAX, sizeof *proto.sites)};
    struct parser parser = {.text = text, .at = text, .err = err, .proto = &proto};
    int rc = parse(&parser, ret_anonymous);
    if (rc) {
        protostructure_done(&proto);
        return rc;
    }
    for (uint32_t i = 0; i < proto.n_sites; i++)
        proto.sites[i].element = parser.elements[proto.sites[i].element - 1];
    protostructure_sort(&proto);
    *ret = proto;
    return 0;
}

/* ---- equivalent descriptions ---- */

static int compare_descriptions(const void *a, const void *b)
{
    return protostructure_compare_descriptions(a, b);
}

uint32_t protostructure_equivalents(const struct protostructure *proto,
                                    struct protostructure **ret)
{
    const struct normalizer *normalizer = normalizer_get(spacegroup_get(proto->spacegroup));
    struct protostructure *all = mem_new(normalizer->n_relabellings, sizeof *all);
    uint32_t n = 0;
    for (uint32_t r = 0; r < normalizer->n_relabellings; r++) {
        struct protostructure *other = &all[n];
        protostructure_copy(other, proto);
        for (uint32_t i = 0; i < other->n_sites; i++)
            other->sites[i].letter =
                normalizer->relabellings[r].letters[proto->sites[i].letter];
        protostructure_sort(other);
        uint32_t known = 0;
        while (known < n && !protostructure_equal(&all[known], other))
            known++;
        if (known < n)
            protostructure_done(other);
        else
            n++;
    }
    qsort(all, n, sizeof *all, compare_descriptions);
    *ret = all;
    return n;
}
