/* Key pairs and their files: see keys.h. */
#include "keys/keys.h"

#include "common/cleanup.h"
#include "common/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

enum { KEY_CHARACTERS = KEY_TEXT_SIZE - 1, KEY_BYTES = 32 };

void key_pair_done(struct key_pair *pair)
{
    explicit_bzero(pair, sizeof *pair);
}

void keys_done(struct keys *keys)
{
    explicit_bzero(keys, sizeof *keys);
}

/* ---- text ---- */

/* Exactly 32 bytes in Z85? */
static bool is_key(const char text[KEY_TEXT_SIZE])
{
    uint8_t bytes[KEY_BYTES];
    for (const char *at = text; *at; at++)
        if (*at <= ' ' || *at > '~') /* libzmq's table begins behind the blank */
            return false;
    bool good = strlen(text) == KEY_CHARACTERS && zmq_z85_decode(bytes, text);
    explicit_bzero(bytes, sizeof bytes);
    return good;
}

/* "NAME KEY" with blanks between and behind. */
static bool parse_field(struct span line, const char *name, char ret[KEY_TEXT_SIZE])
{
    size_t at = strlen(name), blanks = 0;
    if (line.size <= at || memcmp(line.data, name, at) != 0)
        return false;
    while (at + blanks < line.size && line.data[at + blanks] == ' ')
        blanks++;
    if (blanks == 0 || line.size - at - blanks != KEY_CHARACTERS)
        return false;
    memcpy(ret, line.data + at + blanks, KEY_CHARACTERS);
    ret[KEY_CHARACTERS] = '\0';
    return is_key(ret);
}

static struct span trim(struct span line)
{
    while (line.size && strchr(" \t\r", line.data[line.size - 1]) && line.data[line.size - 1])
        line.size--;
    return line;
}

/* One line into the pair. Its text is not repeated in the error: it may be a secret. */
static int parse_line(struct span line, unsigned number, struct key_pair *pair, struct err *err)
{
    char key[KEY_TEXT_SIZE];
    int rc = 0;
    if (line.size == 0 || line.data[0] == '#')
        return 0;
    if (parse_field(line, "public", key) && !pair->public[0])
        memcpy(pair->public, key, sizeof key);
    else if (parse_field(line, "secret", key) && !pair->secret[0])
        memcpy(pair->secret, key, sizeof key);
    else
        rc = err_set(
            err, ERR_CORRUPT,
            "line %u is neither a comment nor, once, 'public' or 'secret' with a key of "
            "%d characters",
            number, KEY_CHARACTERS);
    explicit_bzero(key, sizeof key);
    return rc;
}

int key_parse(struct span text, struct key_pair *ret, struct err *err)
{
    struct key_pair pair = {.public = ""};
    int rc = text.size <= KEY_FILE_BYTES_MAX
                 ? 0
                 : err_set(err, ERR_CORRUPT, "longer than %d bytes: no key file",
                           KEY_FILE_BYTES_MAX);
    unsigned number = 0;
    while (rc == 0 && text.size) {
        const uint8_t *end = memchr(text.data, '\n', text.size);
        size_t size = end ? (size_t)(end - text.data) : text.size;
        rc = parse_line(trim((struct span){text.data, size}), ++number, &pair, err);
        size += end != NULL;
        text = (struct span){text.data + size, text.size - size};
    }
    if (rc == 0 && !pair.public[0])
        rc = err_set(err, ERR_CORRUPT, "no line 'public KEY'");
    if (rc == 0)
        *ret = pair;
    key_pair_done(&pair);
    return rc;
}

void key_print(const struct key_pair *pair, bool secret, struct buf *out)
{
    if (secret)
        buf_print(out,
                  "# Wyckmill key pair. SECRET: never leaves this machine, read by its owner "
                  "alone.\n");
    else
        buf_print(out,
                  "# Wyckmill public key: may be shown to anybody. Of a worker or client: "
                  "goes into the\n# folder allowed/ on the broker's machine, as NAME.key. Of "
                  "a broker: becomes broker.key there.\n");
    buf_print(out, "public %s\n", pair->public);
    if (secret)
        buf_print(out, "secret %s\n", pair->secret);
}

/* ---- files ---- */

static int read_all(int fd, uint8_t *bytes, size_t capacity, size_t *ret_size)
{
    size_t size = 0;
    while (size < capacity) {
        ssize_t n = read(fd, bytes + size, capacity - size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ERR_IO;
        if (n == 0)
            break;
        size += (size_t)n;
    }
    *ret_size = size;
    return 0;
}

static int check_secrecy(int fd, const char *path, struct err *err)
{
    struct stat info;
    if (fstat(fd, &info) != 0)
        return err_errno(err, errno, "'%s'", path);
    if (!(info.st_mode & 077))
        return 0;
    (void)err_set(err, ERR_INVALID,
                  "'%s' holds a secret, and others than its owner can read it", path);
    return err_hint(err, "chmod 600 '%s', and make new keys if somebody may have", path);
}

int key_read(const char *path, struct key_pair *ret, struct err *err)
{
    uint8_t bytes[KEY_FILE_BYTES_MAX + 1];
    size_t size = 0;
    struct key_pair pair;
    /* O_NONBLOCK: a FIFO with that name shall not stop us. */
    cleanup(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return err_errno(err, errno, "key file '%s'", path);
    if (read_all(fd, bytes, sizeof bytes, &size))
        return err_errno(err, errno, "key file '%s'", path);
    int rc = key_parse((struct span){bytes, size}, &pair, err);
    explicit_bzero(bytes, sizeof bytes);
    if (rc)
        return err_context(err, rc, "key file '%s'", path);
    if (pair.secret[0])
        rc = check_secrecy(fd, path, err);
    if (rc == 0)
        *ret = pair;
    key_pair_done(&pair);
    return rc;
}

static void path_of(const char *folder, const char *name, char ret[KEY_PATH_BYTES_MAX])
{
    (void)snprintf(ret, KEY_PATH_BYTES_MAX, "%s/%s", folder, name);
}

const char *keys_folder(const char *given)
{
    const char *folder = given ? given : getenv(KEYS_ENVIRONMENT);
    return folder && *folder ? folder : NULL;
}

int keys_read_own(const char *folder, struct key_pair *ret, struct err *err)
{
    char path[KEY_PATH_BYTES_MAX], public[KEY_TEXT_SIZE];
    struct key_pair pair;
    path_of(folder, "secret.key", path);
    int rc = key_read(path, &pair, err);
    if (rc == ERR_NOT_FOUND)
        return err_hint(err, "make a pair: wyckmill keygen '%s'", folder);
    if (rc)
        return rc;
    if (!pair.secret[0])
        rc = err_set(err, ERR_CORRUPT, "key file '%s': no line 'secret KEY'", path);
    else if (zmq_curve_public(public, pair.secret) != 0 || strcmp(public, pair.public) != 0)
        rc = err_set(err, ERR_CORRUPT, "key file '%s': the two keys do not belong together",
                     path);
    if (rc == 0)
        *ret = pair;
    key_pair_done(&pair);
    return rc;
}

int keys_read(const char *folder, struct keys *ret, struct err *err)
{
    char path[KEY_PATH_BYTES_MAX];
    struct key_pair broker;
    struct keys keys = {.broker = ""};
    int rc = keys_read_own(folder, &keys.own, err);
    if (rc)
        return rc;
    path_of(folder, "broker.key", path);
    rc = key_read(path, &broker, err);
    if (rc == 0)
        memcpy(keys.broker, broker.public, sizeof keys.broker);
    else if (rc == ERR_NOT_FOUND)
        (void)err_hint(err, "copy public.key of the broker's machine there");
    path_of(folder, "allowed", path);
    if (rc == ERR_NOT_FOUND && access(path, F_OK) == 0) {
        memcpy(keys.broker, keys.own.public, sizeof keys.broker);
        rc = 0;
    }
    if (rc == 0)
        *ret = keys;
    keys_done(&keys);
    return rc;
}

/* A file that was not there before. */
static int write_new(const char *path, const struct key_pair *pair, bool secret,
                     struct err *err)
{
    struct buf text = {0};
    key_print(pair, secret, &text);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, secret ? 0600 : 0644);
    bool good = fd >= 0 && write(fd, text.data, text.size) == (ssize_t)text.size;
    good = good && fsync(fd) == 0;
    int number = errno;
    if (fd >= 0)
        (void)close(fd);
    explicit_bzero(text.data, text.size);
    buf_done(&text);
    if (good)
        return 0;
    if (fd >= 0)
        (void)unlink(path);
    if (number != EEXIST)
        return err_errno(err, number, "write '%s'", path);
    (void)err_set(err, ERR_INVALID, "'%s' is there already", path);
    return err_hint(err,
                    "a pair is never overwritten: give another folder, or remove the old one");
}

int keys_generate(const char *folder, struct key_pair *ret, struct err *err)
{
    char public[KEY_PATH_BYTES_MAX], secret[KEY_PATH_BYTES_MAX];
    struct key_pair pair;
    int rc = keys_check_library(true, err);
    if (rc == 0)
        rc = file_make_folder(folder, err);
    if (rc)
        return rc;
    if (zmq_curve_keypair(pair.public, pair.secret) != 0)
        return err_set(err, ERR_UNSUPPORTED, "make a key pair: %s", zmq_strerror(zmq_errno()));
    path_of(folder, "public.key", public);
    path_of(folder, "secret.key", secret);
    rc = write_new(secret, &pair, true, err);
    if (rc == 0 && (rc = write_new(public, &pair, false, err)) != 0)
        (void)unlink(secret);
    if (rc == 0)
        *ret = pair;
    key_pair_done(&pair);
    return rc;
}

int keys_check_library(bool curve, struct err *err)
{
    int major, minor, patch;
    zmq_version(&major, &minor, &patch);
    if (major * 10000 + minor * 100 + patch < 40303) {
        (void)err_set(err, ERR_UNSUPPORTED,
                      "libzmq is %d.%d.%d; 4.3.3 is the oldest that is safe", major, minor,
                      patch);
        return err_hint(err,
                        "upgrade libzmq: earlier versions have remotely exploitable faults");
    }
    if (!curve || zmq_has("curve"))
        return 0;
    (void)err_set(err, ERR_UNSUPPORTED,
                  "this libzmq was built without CURVE: no keys, no "
                  "encryption");
    return err_hint(err, "Debian's libzmq5 has it");
}
