/* Whom a broker talks to: the folder allowed/ with one public key per file, NAME.key, where
 * NAME is what the peer is called in status and log. Read again when something in it changes. A
 * file that is no key is named in a warning and lets nobody in. Thread: one. */
#ifndef WYCKMILL_KEYS_ALLOWED_H
#define WYCKMILL_KEYS_ALLOWED_H

#include "keys/keys.h"

#include <stdint.h>

enum {
    ALLOWED_NAME_SIZE = 64,
    ALLOWED_MAX = 4096, /* keys; those behind, by name, are left out with a warning */
};

#define ALLOWED_SELF "self" /* the broker's own key is always in the list, under this name */

struct allowed;

/* Nobody but `own` (a public key) so far. Copies `folder`, the one above allowed/. */
struct allowed *allowed_new(const char *folder, const char *own);
void allowed_free(struct allowed *allowed);

/* Look at the folder and read it again when it is not as it was (or `always`). One that is not
 * there is empty. While the process has no files left to open (a flood of connections may do
 * that) the list stays as it is, and the next look tries again. `warn` gets a sentence for each
 * thing that is wrong, NULL: nobody is told. Returns whether it was read. */
bool allowed_refresh(struct allowed *allowed, bool always,
                     void (*warn)(void *context, const char *sentence), void *context);

/* The name of the peer with this public key (text, 40 characters); NULL: not in the list. Valid
 * until the next allowed_refresh. */
const char *allowed_name(const struct allowed *allowed, const char *key);
/* Keys in it, without our own. */
uint32_t allowed_count(const struct allowed *allowed);

#endif
