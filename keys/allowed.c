/* The list of allowed keys: see allowed.h. */
#include "keys/allowed.h"

#include "common/cleanup.h"
#include "common/mem.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct row {
    char key[KEY_TEXT_SIZE];
    char name[ALLOWED_NAME_SIZE];
};

struct allowed {
    char *path;
    char own[KEY_TEXT_SIZE];
    struct row *rows; /* ascending by key */
    uint32_t n;
    size_t capacity;
    uint64_t print; /* of names, times and sizes when it was read */
};

struct allowed *allowed_new(const char *folder, const char *own)
{
    struct allowed *allowed = mem_new(1, sizeof *allowed);
    struct buf path = {0};
    buf_print(&path, "%s/allowed", folder);
    allowed->path = mem_text(buf_text(&path));
    buf_done(&path);
    (void)snprintf(allowed->own, sizeof allowed->own, "%s", own);
    return allowed;
}

void allowed_free(struct allowed *allowed)
{
    if (!allowed)
        return;
    free(allowed->path);
    free(allowed->rows);
    free(allowed);
}

/* ---- reading ---- */

struct warner {
    void (*warn)(void *context, const char *sentence);
    void *context;
};

__attribute__((format(printf, 2, 3))) static void warn(const struct warner *warner,
                                                       const char *format, ...)
{
    char sentence[512];
    va_list arguments;
    if (!warner->warn)
        return;
    va_start(arguments, format);
    (void)vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    warner->warn(warner->context, sentence);
}

static int is_key_file(const struct dirent *entry)
{
    size_t size = strlen(entry->d_name);
    return size > 4 && entry->d_name[0] != '.' && !strcmp(entry->d_name + size - 4, ".key");
}

/* FNV-1a (Fowler, Noll, Vo): a change shall be noticed; nobody is kept out by it. */
static uint64_t mix(uint64_t print, const void *data, size_t size)
{
    const uint8_t *bytes = data;
    for (size_t i = 0; i < size; i++)
        print = (print ^ bytes[i]) * UINT64_C(1099511628211);
    return print;
}

static void path_of(const struct allowed *allowed, const char *file,
                    char ret[KEY_PATH_BYTES_MAX])
{
    (void)snprintf(ret, KEY_PATH_BYTES_MAX, "%s/%s", allowed->path, file);
}

static uint64_t fingerprint(const struct allowed *allowed, struct dirent **files, int n)
{
    uint64_t print = UINT64_C(14695981039346656037);
    for (int i = 0; i < n; i++) {
        char path[KEY_PATH_BYTES_MAX];
        struct stat info = {0};
        path_of(allowed, files[i]->d_name, path);
        (void)stat(path, &info); /* one that vanished meanwhile: zeros */
        print = mix(print, files[i]->d_name, strlen(files[i]->d_name) + 1);
        print = mix(print, &info.st_ino, sizeof info.st_ino);
        print = mix(print, &info.st_size, sizeof info.st_size);
        print = mix(print, &info.st_mtim, sizeof info.st_mtim);
        print = mix(print, &info.st_mode, sizeof info.st_mode);
    }
    return print;
}

/* Names go into logs and status: letters, digits and "._-" alone. */
static bool file_to_name(const char *file, char ret[ALLOWED_NAME_SIZE])
{
    static const char good[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t size = strlen(file) - strlen(".key");
    if (size >= ALLOWED_NAME_SIZE || strspn(file, good) < size)
        return false;
    memcpy(ret, file, size);
    ret[size] = '\0';
    return true;
}

/* No sign of anything being wrong with the folder. */
static bool out_of_files(int errno_value)
{
    return errno_value == EMFILE || errno_value == ENFILE;
}

/* False: the process has no files left. */
static bool add_file(struct allowed *allowed, const char *file, const struct warner *warner)
{
    char path[KEY_PATH_BYTES_MAX];
    struct key_pair pair;
    struct err err;
    struct row row;
    path_of(allowed, file, path);
    if (!file_to_name(file, row.name)) {
        warn(warner, "%s: a name has at most %d letters, digits and ._- before .key: left out",
             path, ALLOWED_NAME_SIZE - 1);
        return true;
    }
    errno = 0;
    if (key_read(path, &pair, &err)) {
        if (out_of_files(errno))
            return false;
        warn(warner, "%s: left out", err.text);
        return true;
    }
    if (pair.secret[0])
        warn(warner, "%s holds a secret: a secret key belongs on the machine it is of", path);
    memcpy(row.key, pair.public, sizeof row.key);
    key_pair_done(&pair);
    mem_reserve(allowed->rows, allowed->capacity, (size_t)allowed->n + 1);
    allowed->rows[allowed->n++] = row;
    return true;
}

static int by_key(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    int order = strcmp(x->key, y->key);
    return order ? order : strcmp(x->name, y->name);
}

/* One name per key, the first in the alphabet. */
static void sort_rows(struct allowed *allowed, const struct warner *warner)
{
    uint32_t kept = 0;
    if (allowed->n)
        qsort(allowed->rows, allowed->n, sizeof *allowed->rows, by_key);
    for (uint32_t i = 0; i < allowed->n; i++) {
        if (kept && !strcmp(allowed->rows[kept - 1].key, allowed->rows[i].key))
            warn(warner, "%s/%s.key is the same key as %s.key: left out", allowed->path,
                 allowed->rows[i].name, allowed->rows[kept - 1].name);
        else
            allowed->rows[kept++] = allowed->rows[i];
    }
    allowed->n = kept;
}

/* All files into an empty list; false: the process has no files left. */
static bool read_files(struct allowed *allowed, struct dirent **files, int n,
                       const struct warner *warner)
{
    if (n > ALLOWED_MAX)
        warn(warner, "%s: %d keys, only the first %d are taken", allowed->path, n, ALLOWED_MAX);
    for (int i = 0; i < n && i < ALLOWED_MAX; i++)
        if (!add_file(allowed, files[i]->d_name, warner))
            return false;
    sort_rows(allowed, warner);
    return true;
}

static bool replace(struct allowed *allowed, struct dirent **files, int n, uint64_t print,
                    const struct warner *warner)
{
    struct allowed fresh = {.path = allowed->path, .print = print};
    if (!read_files(&fresh, files, n, warner)) {
        free(fresh.rows);
        return false;
    }
    free(allowed->rows);
    allowed->rows = fresh.rows;
    allowed->n = fresh.n;
    allowed->capacity = fresh.capacity;
    allowed->print = print;
    return true;
}

bool allowed_refresh(struct allowed *allowed, bool always,
                     void (*warn_to)(void *context, const char *sentence), void *context)
{
    const struct warner warner = {warn_to, context};
    struct dirent **files = NULL;
    int n = scandir(allowed->path, &files, is_key_file, alphasort);
    if (n < 0 && out_of_files(errno))
        return false;
    /* What cannot be listed for another reason lets nobody in. */
    bool trouble = n < 0 && errno != ENOENT;
    const char *why = trouble ? strerror(errno) : "";
    uint64_t print = n < 0 ? trouble : fingerprint(allowed, files, n);
    bool changed = always || print != allowed->print;
    if (changed && trouble)
        warn(&warner, "'%s': %s: nobody is allowed", allowed->path, why);
    if (changed)
        changed = replace(allowed, files, n, print, &warner);
    for (int i = 0; i < n; i++)
        free(files[i]);
    free(files);
    return changed;
}

const char *allowed_name(const struct allowed *allowed, const char *key)
{
    if (!strcmp(key, allowed->own))
        return ALLOWED_SELF;
    for (uint32_t low = 0, high = allowed->n; low < high;) {
        uint32_t middle = low + (high - low) / 2;
        int order = strcmp(key, allowed->rows[middle].key);
        if (order == 0)
            return allowed->rows[middle].name;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

uint32_t allowed_count(const struct allowed *allowed)
{
    return allowed->n;
}
