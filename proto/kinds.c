/* The table of proto/kinds.h. */
#include "proto/kinds.h"

#include <string.h>

const struct kind kinds[KIND_COUNT] = {
#define X(identifier, name, revision, floats) [KIND_##identifier] = {name, revision, floats},
    KIND_LIST(X)
#undef X
};

int kind_find(const char *name)
{
    for (int k = 0; k < KIND_COUNT; k++) {
        if (strcmp(kinds[k].name, name) == 0)
            return k;
    }
    return -1;
}
