/* Files, folders, archives and standard input to source items. Archives are ustar, with the
 * long names of GNU and POSIX (IEEE Std 1003.1-2008, pax); compression is zstd. */
#include "workers/crystal/reader.h"

#include "common/cleanup.h"
#include "common/mem.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <zstd.h>

enum { FOLDER_DEPTH_MAX = 32, READ_BYTES = 1 << 18, TAR_BLOCK = 512 };

/* ---- bytes ---- */

static void over_limit(char reason[REASON_SIZE])
{
    (void)snprintf(reason, REASON_SIZE, "more than %d MiB", FORMAT_FILE_BYTES_MAX >> 20);
}

static bool is_zstd(const uint8_t *data, size_t size)
{
    static const uint8_t magic[] = {0x28, 0xb5, 0x2f, 0xfd};
    return size >= sizeof magic && !memcmp(data, magic, sizeof magic);
}

/* Unpack `size` bytes behind those in `out`. False with a reason when damaged, cut off or too
 * large; what was unpacked stays. */
static bool unpack(ZSTD_DStream *stream, const uint8_t *data, size_t size, struct buf *out,
                   size_t *ret_state, char reason[REASON_SIZE])
{
    cleanup(free_ptr) uint8_t *chunk = mem_new(READ_BYTES, 1);
    ZSTD_inBuffer input = {data, size, 0};
    for (bool full = true; input.pos < input.size || full;) {
        ZSTD_outBuffer output = {chunk, READ_BYTES, 0};
        *ret_state = ZSTD_decompressStream(stream, &output, &input);
        if (ZSTD_isError(*ret_state)) {
            (void)snprintf(reason, REASON_SIZE, "damaged zstd data behind %zu good bytes: %s",
                           out->size, ZSTD_getErrorName(*ret_state));
            return false;
        }
        if (out->size + output.pos > FORMAT_FILE_BYTES_MAX) {
            over_limit(reason);
            return false;
        }
        buf_append(out, chunk, output.pos);
        full = output.pos == output.size;
    }
    return true;
}

/* All bytes of `file`, unpacked when they begin as zstd. False with a reason; what could be
 * read before that is in `out`. */
static bool read_all(FILE *file, struct buf *out, char reason[REASON_SIZE])
{
    cleanup(free_ptr) uint8_t *chunk = mem_new(READ_BYTES, 1);
    ZSTD_DStream *stream = NULL;
    size_t n, state = 0;
    bool good = true;
    for (bool first = true; good && (n = fread(chunk, 1, READ_BYTES, file)) > 0;
         first = false) {
        if (first && is_zstd(chunk, n))
            stream = ZSTD_createDStream();
        if (stream) {
            good = unpack(stream, chunk, n, out, &state, reason);
        } else if (out->size + n > FORMAT_FILE_BYTES_MAX) {
            over_limit(reason);
            good = false;
        } else {
            buf_append(out, chunk, n);
        }
    }
    (void)ZSTD_freeDStream(stream);
    if (good && ferror(file)) {
        (void)snprintf(reason, REASON_SIZE, "cannot be read: %s", strerror(errno));
        good = false;
    }
    if (good && state != 0) {
        (void)snprintf(reason, REASON_SIZE, "the zstd data are cut off");
        good = false;
    }
    return good;
}

/* ---- tar ---- */

struct tar {
    const char *file; /* the archive, as items name it */
    const uint8_t *data;
    size_t size, at;
    char name[PATH_SIZE]; /* of the next member when a long name came before it */
};

/* An octal number, or base 256 when the first bit is set (GNU, for sizes over 8 GiB). */
static bool tar_number(const uint8_t *field, size_t size, uint64_t *ret)
{
    uint64_t value = 0;
    size_t i = 0;
    if (field[0] & 0x80)
        return false; /* larger than any file read here */
    while (i < size && field[i] == ' ')
        i++;
    for (; i < size && field[i] >= '0' && field[i] <= '7'; i++)
        value = value * 8 + (uint64_t)(field[i] - '0');
    *ret = value;
    return i == size || field[i] == ' ' || field[i] == '\0';
}

static bool tar_checksum_holds(const uint8_t *header)
{
    uint64_t stored, sum = 0;
    for (size_t i = 0; i < TAR_BLOCK; i++)
        sum += i >= 148 && i < 156 ? ' ' : header[i];
    return tar_number(header + 148, 8, &stored) && stored == sum;
}

static size_t field_size(const uint8_t *field, size_t size)
{
    const uint8_t *end = memchr(field, 0, size);
    return end ? (size_t)(end - field) : size;
}

/* "17 path=name\n" records: takes the path. */
static void tar_pax(struct tar *tar, struct text records)
{
    struct text_reader reader = {records.data, records.data + records.size, 1};
    struct text line;
    while (text_line(&reader, &line)) {
        (void)text_word(&line);
        line = text_trim(line);
        if (text_begins_nocase(line, "path="))
            text_copy(tar->name, sizeof tar->name, (struct text){line.data + 5, line.size - 5});
    }
}

static void tar_name(struct tar *tar, const uint8_t *header)
{
    if (tar->name[0])
        return;
    size_t prefix = memcmp(header + 257, "ustar", 5) == 0 ? field_size(header + 345, 155) : 0;
    char full[PATH_SIZE + 1];
    int n = snprintf(full, sizeof full, "%.*s%s%.*s", (int)prefix, (const char *)header + 345,
                     prefix ? "/" : "", (int)field_size(header, 100), (const char *)header);
    text_copy(tar->name, sizeof tar->name,
              (struct text){full, n < PATH_SIZE ? (size_t)n : PATH_SIZE});
}

static void split_member(const struct tar *tar, struct text content, struct source *source)
{
    char name[PATH_SIZE];
    const char *slash = strrchr(tar->name, '/');
    (void)snprintf(name, sizeof name, "%s/%s", tar->file, tar->name);
    if ((slash ? slash[1] : tar->name[0]) == '.')
        return; /* hidden, as in folders */
    source_split(name, content, source);
}

/* The member at `tar->at`; false at the end or when the archive is damaged. */
static bool tar_member(struct tar *tar, struct source *source)
{
    const uint8_t *header = tar->data + tar->at;
    uint64_t size;
    size_t left = tar->size - tar->at;
    if (left < TAR_BLOCK || header[0] == 0)
        return false;
    if (!tar_checksum_holds(header) || !tar_number(header + 124, 12, &size)) {
        source_add_reject(source, tar->file, 0, "damaged tar header at byte %zu", tar->at);
        return false;
    }
    bool whole = size <= left - TAR_BLOCK;
    struct text content = {(const char *)header + TAR_BLOCK,
                           whole ? (size_t)size : left - TAR_BLOCK};
    uint8_t type = header[156];
    if (type == 'L') {
        text_copy(tar->name, sizeof tar->name,
                  (struct text){content.data, strnlen(content.data, content.size)});
    } else if (type == 'x') {
        tar_pax(tar, content);
    } else {
        tar_name(tar, header);
        if (!whole)
            source_add_reject(source, tar->file, 0, "the tar is cut off inside '%s'",
                              tar->name);
        else if (type == '0' || type == 0 || type == '7')
            split_member(tar, content, source);
        tar->name[0] = '\0';
    }
    tar->at =
        whole ? tar->at + TAR_BLOCK + (size_t)((size + TAR_BLOCK - 1) / TAR_BLOCK) * TAR_BLOCK
              : tar->size;
    return tar->at < tar->size;
}

/* ---- one file ---- */

static bool is_tar(const char *name)
{
    struct text text = {name, strlen(name)};
    return text_ends_nocase(text, ".tar") || text_ends_nocase(text, ".tar.zst");
}

/* `name` is what items call the file. */
static void ingest_stream(FILE *file, const char *name, bool tar_file, struct source *source)
{
    struct buf bytes = {0};
    char reason[REASON_SIZE] = "";
    bool good = read_all(file, &bytes, reason);
    if (tar_file) {
        struct tar tar = {.file = name, .data = bytes.data, .size = bytes.size};
        if (good && bytes.size < TAR_BLOCK)
            source_add_reject(source, name, 0, "not a tar: %zu bytes", bytes.size);
        while (bytes.size > 0 && tar_member(&tar, source))
            ;
    } else if (good || bytes.size > 0) {
        source_split(name, (struct text){(const char *)bytes.data, bytes.size}, source);
    }
    if (!good)
        source_add_reject(source, name, 0, "%s", reason);
    buf_done(&bytes);
}

static void ingest_file(const char *path, const char *name, struct source *source)
{
    cleanup(fclose_ptr) FILE *file = fopen(path, "rb");
    if (file)
        ingest_stream(file, name, is_tar(name), source);
    else
        source_add_reject(source, name, 0, "cannot be opened: %s", strerror(errno));
}

/* ---- folders ---- */

static int visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* Names sorted by bytes, whatever the locale. Linked files are read, linked folders are not
 * entered: they may lead back. */
static void ingest_folder(const char *path, const char *name, int depth, struct source *source)
{
    struct dirent **entries = NULL;
    int n = scandir(path, &entries, visible, by_bytes);
    if (n < 0)
        source_add_reject(source, name, 0, "cannot be opened: %s", strerror(errno));
    for (int i = 0; i < n; i++) {
        cleanup(free_ptr) char *below =
            mem_new(strlen(path) + strlen(entries[i]->d_name) + 2, 1);
        cleanup(free_ptr) char *item =
            mem_new(strlen(name) + strlen(entries[i]->d_name) + 2, 1);
        (void)strcat(strcat(strcpy(below, path), "/"), entries[i]->d_name);
        (void)strcat(strcat(strcpy(item, name), name[0] ? "/" : ""), entries[i]->d_name);
        struct stat link, target;
        bool there = lstat(below, &link) == 0 && stat(below, &target) == 0;
        if (!there)
            source_add_reject(source, item, 0, "cannot be opened: %s", strerror(errno));
        else if (S_ISREG(target.st_mode))
            ingest_file(below, item, source);
        else if (S_ISDIR(link.st_mode) && depth < FOLDER_DEPTH_MAX)
            ingest_folder(below, item, depth + 1, source);
        else
            source_add_reject(source, item, 0,
                              "not read: neither a file nor a folder at most %d deep",
                              FOLDER_DEPTH_MAX);
        free(entries[i]);
    }
    free(entries);
}

int format_ingest(const char *path, struct source *source, struct err *err)
{
    struct source items = {0};
    struct stat info;
    const char *slash = strrchr(path, '/');
    if (!strcmp(path, "-")) {
        ingest_stream(stdin, "stdin.extxyz", false, &items);
    } else if (stat(path, &info) != 0) {
        if (errno == ENOENT || errno == ENOTDIR)
            return err_set(err, ERR_NOT_FOUND, "no file or folder '%s'", path);
        source_add_reject(&items, slash ? slash + 1 : path, 0, "cannot be opened: %s",
                          strerror(errno));
    } else if (S_ISDIR(info.st_mode)) {
        ingest_folder(path, "", 0, &items);
    } else {
        ingest_file(path, slash ? slash + 1 : path, &items);
    }
    source_append(source, &items);
    return 0;
}
