/* Whole files: written under a temporary name beside the target and renamed, so that a reader
 * sees the old bytes or the new ones, never half of them. */
#ifndef WYCKMILL_COMMON_FILE_H
#define WYCKMILL_COMMON_FILE_H

#include "common/err.h"
#include "common/span.h"

/* Replace `path` by `bytes`. On failure `path` is as it was and no temporary file is left.
 * Errors: ERR_NOT_FOUND (no such folder), ERR_FULL, ERR_IO. */
int file_write(const char *path, struct span bytes, struct err *err);

/* Create the folder and the folders above it; one that exists is a success. Errors: ERR_IO
 * (also when a file has that name), ERR_FULL. */
int file_make_folder(const char *path, struct err *err);

#endif
