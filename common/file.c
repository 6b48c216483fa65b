/* Whole files, written aside and renamed. */
#include "common/file.h"

#include "common/cleanup.h"
#include "common/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>

static bool write_all(int fd, struct span bytes)
{
    while (bytes.size > 0) {
        ssize_t n = write(fd, bytes.data, bytes.size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        bytes.data += n;
        bytes.size -= (size_t)n;
    }
    return true;
}

/* Create, fill and rename; errno and false on failure. */
static bool replace(const char *part, const char *path, struct span bytes)
{
    int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        return false;
    bool good = write_all(fd, bytes);
    int why = errno;
    if (close(fd) != 0 && good) {
        good = false;
        why = errno;
    }
    errno = why;
    return good && rename(part, path) == 0;
}

int file_write(const char *path, struct span bytes, struct err *err)
{
    struct buf part = {0};
    int rc = 0;
    buf_print(&part, "%s.%ld.part", path, (long)getpid());
    if (!replace(buf_text(&part), path, bytes)) {
        rc = err_errno(err, errno, "write '%s'", path);
        (void)unlink(buf_text(&part));
    }
    buf_done(&part);
    return rc;
}

int file_make_folder(const char *path, struct err *err)
{
    cleanup(free_ptr) char *part = mem_text(path);
    struct stat info;
    for (char *slash = part + (*part == '/');; slash++) {
        if (*slash != '/' && *slash != '\0')
            continue;
        char kept = *slash;
        *slash = '\0';
        if (mkdir(part, 0777) != 0 && errno != EEXIST)
            return err_errno(err, errno, "create folder '%s'", part);
        *slash = kept;
        if (kept == '\0')
            break;
    }
    if (stat(path, &info) != 0)
        return err_errno(err, errno, "folder '%s'", path);
    return S_ISDIR(info.st_mode) ? 0 : err_set(err, ERR_IO, "'%s' is not a folder", path);
}
