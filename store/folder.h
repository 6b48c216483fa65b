/* The folder of a store: made, checked for a local file system, and locked. Inside store/ only.
 */
#ifndef WYCKMILL_STORE_FOLDER_H
#define WYCKMILL_STORE_FOLDER_H

#include "store/store.h"

struct folder {
    int lock_fd;  /* -1: no lock taken (STORE_READ) */
    bool claimed; /* entered in the list of this process */
    uint64_t dev, inode;
    int64_t pid; /* of the process that opened it: a forked child leaves the lock alone */
};

/* STORE_WRITE makes the folder (and those above it). Two open environments of one store in one
 * process would lose LMDB's own locks, so the second is ERR_BUSY, whatever the mode. The lock
 * on FOLDER/lock belongs to the process: it ends with it, also by kill -9, and children of a
 * fork do not keep it alive. Errors: ERR_NOT_FOUND, ERR_IO, ERR_FULL, ERR_BUSY,
 * ERR_UNSUPPORTED. */
int folder_open(const char *path, enum store_mode mode, struct folder *ret, struct err *err);
void folder_close(struct folder *folder);
/* Names in the folder are durable. */
int folder_sync(const char *path, struct err *err);

/* Name of a file system whose locks and shared maps cannot be trusted between machines, by its
 * magic number (statfs(2)); NULL for the others. */
const char *folder_remote_name(unsigned long type);

#endif
