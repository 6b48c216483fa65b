/* The report of a data set as a page of text, from its JSON: see report.h. */
#include "workers/assemble/report.h"

#include "workers/crystal/wyckoff.h"

#include <stdlib.h>

enum {
    ROWS_GROUPS = 15,
    ROWS_SHARED = 10,
    ROWS_REASONS = 20,
    ROWS_REMOVED = 5,
    BAR_WIDTH = 40,
    DOF_SINGLE = 10, /* counts of free coordinates up to here have a row each, ... */
    DOF_DECADES = 10,
    DOF_BINS = DOF_SINGLE + DOF_DECADES, /* ... then tens, and the rest in one */
};

static long long number(const json_t *object, const char *key)
{
    return (long long)json_integer_value(json_object_get(object, key));
}

static const char *text(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));
    return value ? value : "";
}

/* "     225  F m -3 m      120  12.5 %  ########": the bar's full width is the largest count.
 */
static void print_bar(struct buf *out, const char *name, int width, long long count,
                      long long total, long long largest)
{
    long long length = largest > 0 ? (count * BAR_WIDTH + largest / 2) / largest : 0;
    char bar[BAR_WIDTH + 1];
    if (length == 0 && count > 0)
        length = 1;
    memset(bar, '#', (size_t)length);
    bar[length] = '\0';
    buf_print(out, "  %-*s %8lld %5.1f %%%s%s\n", width, name, count,
              total > 0 ? 100 * (double)count / (double)total : 0, length ? "  " : "", bar);
}

/* ---- histograms ---- */

struct bar {
    char name[40];
    long long count;
};

static int by_count(const void *a, const void *b)
{
    const struct bar *x = a, *y = b;
    if (x->count != y->count)
        return x->count > y->count ? -1 : 1;
    return strcmp(x->name, y->name);
}

static void print_bars(struct buf *out, const struct bar *bars, size_t n, int width,
                       long long total)
{
    long long largest = 0;
    for (size_t i = 0; i < n; i++)
        largest = bars[i].count > largest ? bars[i].count : largest;
    for (size_t i = 0; i < n; i++)
        print_bar(out, bars[i].name, width, bars[i].count, total, largest);
}

static void print_systems(struct buf *out, const json_t *systems, long long total)
{
    static const char *const names[] = {"triclinic", "monoclinic", "orthorhombic", "tetragonal",
                                        "trigonal",  "hexagonal",  "cubic"};
    enum { SYSTEMS = sizeof names / sizeof names[0] };
    struct bar bars[SYSTEMS];
    for (int i = 0; i < SYSTEMS; i++) {
        (void)snprintf(bars[i].name, sizeof bars[i].name, "%s", names[i]);
        bars[i].count = number(systems, names[i]);
    }
    buf_print(out, "\nCrystal systems\n");
    print_bars(out, bars, SYSTEMS, 16, total);
}

static void print_groups(struct buf *out, const json_t *groups, long long total)
{
    struct bar bars[GROUP_MAX];
    size_t n = 0;
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)groups, key, value)
    {
        const struct spacegroup *group = spacegroup_get(atoi(key));
        if (!group || n == GROUP_MAX)
            continue;
        (void)snprintf(bars[n].name, sizeof bars[n].name, "%3u  %s", group->number,
                       group->symbol);
        bars[n++].count = (long long)json_integer_value(value);
    }
    qsort(bars, n, sizeof *bars, by_count);
    if (n > ROWS_GROUPS)
        buf_print(out, "\nSpace groups (the %d most frequent of %zu)\n", ROWS_GROUPS, n);
    else
        buf_print(out, "\nSpace groups\n");
    print_bars(out, bars, n < ROWS_GROUPS ? n : ROWS_GROUPS, 16, total);
}

static void print_dof(struct buf *out, const json_t *dof, long long total)
{
    struct bar bars[DOF_BINS + 1] = {{.name = ""}};
    size_t used = 0;
    const char *key;
    json_t *value;
    for (size_t b = 0; b < DOF_BINS; b++) {
        size_t low = b < DOF_SINGLE ? b : DOF_SINGLE * (b - DOF_SINGLE + 1);
        if (b < DOF_SINGLE)
            (void)snprintf(bars[b].name, sizeof bars[b].name, "%3zu", low);
        else
            (void)snprintf(bars[b].name, sizeof bars[b].name, "%3zu to %zu", low,
                           low + DOF_SINGLE - 1);
    }
    (void)snprintf(bars[DOF_BINS].name, sizeof bars[0].name, "%3d or more",
                   DOF_SINGLE * (DOF_DECADES + 1));
    json_object_foreach((json_t *)(uintptr_t)dof, key, value)
    {
        size_t free_ = strtoul(key, NULL, 10);
        size_t bin = free_ < DOF_SINGLE ? free_ : DOF_SINGLE + free_ / DOF_SINGLE - 1;
        if (bin > DOF_BINS)
            bin = DOF_BINS;
        bars[bin].count += (long long)json_integer_value(value);
        used = bin + 1 > used ? bin + 1 : used;
    }
    buf_print(out, "\nFree coordinates of a crystal\n");
    print_bars(out, bars, used, 16, total);
}

/* ---- lists ---- */

static void print_properties(struct buf *out, const json_t *list)
{
    size_t i;
    const json_t *row;
    int width = 8;
    json_array_foreach(list, i, row)
    {
        int size = (int)strlen(text(row, "name"));
        width = size > width ? size : width;
    }
    if (json_array_size(list) == 0)
        return;
    buf_print(out, "\nProperties\n  %-*s %8s %12s %12s %12s  unit\n", width, "", "values",
              "smallest", "mean", "largest");
    json_array_foreach(list, i, row)
    {
        buf_print(out, "  %-*s %8lld", width, text(row, "name"), number(row, "count"));
        if (number(row, "count") > 0)
            buf_print(out, " %12.5g %12.5g %12.5g%s%s",
                      json_number_value(json_object_get(row, "min")),
                      json_number_value(json_object_get(row, "mean")),
                      json_number_value(json_object_get(row, "max")),
                      text(row, "unit")[0] ? "  " : "", text(row, "unit"));
        buf_print(out, "\n");
    }
}

/* "a, b, c, ..." to fill a line. */
static void print_ids(struct buf *out, const json_t *ids, long long count)
{
    enum { WIDTH = 88 };
    size_t i, begin = out->size;
    const json_t *id;
    json_array_foreach(ids, i, id)
    {
        const char *name = json_string_value(id);
        if (!name || (i > 0 && out->size - begin + strlen(name) > WIDTH))
            break;
        buf_print(out, "%s%s", i > 0 ? ", " : "", name);
    }
    if ((long long)i < count)
        buf_print(out, "%s...", i > 0 ? ", " : "");
}

static void print_shared(struct buf *out, const json_t *protostructures)
{
    const json_t *largest = json_object_get(protostructures, "largest"), *row;
    size_t i;
    if (json_array_size(largest) == 0)
        return;
    buf_print(out, "\nProtostructures that several structures share");
    if (number(protostructures, "shared") > ROWS_SHARED)
        buf_print(out, " (the %d most frequent of %lld)", ROWS_SHARED,
                  number(protostructures, "shared"));
    buf_print(out, "\n");
    json_array_foreach(largest, i, row)
    {
        if (i == ROWS_SHARED)
            break;
        buf_print(out, "  %6lld  %s\n          ", number(row, "count"), text(row, "label"));
        print_ids(out, json_object_get(row, "ids"), number(row, "count"));
        buf_print(out, "\n");
    }
}

/* "FILE:LINE", or the file alone when the whole of it is meant. */
static void print_place(struct buf *out, const json_t *row)
{
    buf_print(out, "%s", text(row, "file"));
    if (number(row, "line") > 0)
        buf_print(out, ":%lld", number(row, "line"));
}

static void print_removed(struct buf *out, const json_t *root)
{
    const json_t *list = json_object_get(root, "removed"), *row;
    size_t i;
    if (json_array_size(list) == 0)
        return;
    buf_print(out, "\nDuplicates, taken out");
    if (number(root, "duplicates") > ROWS_REMOVED)
        buf_print(out, " (the first %d of %lld)", ROWS_REMOVED, number(root, "duplicates"));
    buf_print(out, "\n");
    json_array_foreach(list, i, row)
    {
        if (i == ROWS_REMOVED)
            break;
        buf_print(out, "  %s (", text(row, "id"));
        print_place(out, row);
        buf_print(out, ") is %s\n", text(row, "same_as"));
    }
}

static void print_reasons(struct buf *out, const json_t *list)
{
    size_t i, n = json_array_size(list);
    const json_t *row;
    if (n == 0)
        return;
    buf_print(out, "\nLeft out, by reason");
    if (n > ROWS_REASONS)
        buf_print(out, " (the %d most frequent of %zu)", ROWS_REASONS, n);
    buf_print(out, "\n");
    json_array_foreach(list, i, row)
    {
        if (i == ROWS_REASONS)
            break;
        buf_print(out, "  %6lld  %.90s\n          first: ", number(row, "count"),
                  text(row, "reason"));
        print_place(out, row);
        buf_print(out, "\n");
    }
}

void report_text(const json_t *report, struct buf *out)
{
    const json_t *protostructures = json_object_get(report, "protostructures");
    long long accepted = number(report, "accepted");
    buf_print(out, "Data set\n");
    buf_print(out, "  accepted         %8lld  %lld for training, %lld for validation\n",
              accepted, number(report, "train"), number(report, "validation"));
    buf_print(out, "  duplicates       %8lld  the same structure as an accepted one\n",
              number(report, "duplicates"));
    buf_print(out, "  left out         %8zu  unreadable or impossible\n",
              json_array_size(json_object_get(report, "rejected")));
    buf_print(out,
              "  protostructures  %8lld  distinct; %lld of them shared by %lld structures\n",
              number(protostructures, "distinct"), number(protostructures, "shared"),
              number(protostructures, "sharing"));
    buf_print(out, "  prototypes       %8lld  protostructures without their elements\n",
              number(report, "prototypes"));
    if (accepted > 0) {
        print_systems(out, json_object_get(report, "systems"), accepted);
        print_groups(out, json_object_get(report, "spacegroups"), accepted);
        print_dof(out, json_object_get(report, "dof"), accepted);
    }
    print_properties(out, json_object_get(report, "properties"));
    print_shared(out, protostructures);
    print_removed(out, report);
    print_reasons(out, json_object_get(report, "reasons"));
}
