/* What this build is made of. */
#ifndef WYCKMILL_CLI_VERSION_H
#define WYCKMILL_CLI_VERSION_H

#include <stdio.h>

/* Version, commit, compiler, store format and the libraries' versions, one per line. */
void version_print(FILE *out);

#endif
