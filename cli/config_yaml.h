/* A YAML file as texts by key. libcyaml reads it under a schema built from the table of keys,
 * so unknown keys, lists where one value belongs and the like never come through; libyaml tells
 * lines and columns, which libcyaml keeps for itself. What the texts mean is config.c's part.
 */
#ifndef WYCKMILL_CLI_CONFIG_YAML_H
#define WYCKMILL_CLI_CONFIG_YAML_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    CONFIG_KEYS_MAX = 64,
    CONFIG_BYTES_MAX = 1 << 20,
    CONFIG_ITEMS_MAX = 4096, /* entries of one list */
    CONFIG_VALUE_MAX = 4096, /* bytes of one text */
};

/* A key as the file has it: "seed" at the top, "denoiser.width" one mapping deeper. */
struct config_name {
    const char *name;
    bool list;
};

struct config_yaml {
    char *path;
    char *text; /* the file */
    size_t size;
    void *schema, *data;            /* libcyaml's; owned */
    char *scalars[CONFIG_KEYS_MAX]; /* by index of the name; NULL = not given. Borrowed. */
    char **lists[CONFIG_KEYS_MAX];
    uint32_t counts[CONFIG_KEYS_MAX];
};

/* Reads the file. `names` must outlive *ret, groups stand together. Caller: config_yaml_done.
 * Errors: ERR_CONFIG with "FILE:LINE:COLUMN: ...", the nearest key in the hint. */
int config_yaml_read(const char *path, const struct config_name *names, uint32_t n_names,
                     struct config_yaml *ret, struct err *err);
void config_yaml_done(struct config_yaml *yaml);

/* Put "FILE:LINE:COLUMN: " of a key's value in front of the sentence in err; `item` >= 0 means
 * that entry of its list. Without line when the file does not have the key. Returns ERR_CONFIG.
 */
int config_yaml_place(const struct config_yaml *yaml, const char *name, int32_t item,
                      struct err *err);

/* The hint for a key that does not exist: the nearest one among those of its mapping, or the
 * place where a key of that last name really is. Returns the code in err. */
int config_name_hint(const char *wrong, const struct config_name *names, uint32_t n_names,
                     struct err *err);

#endif
