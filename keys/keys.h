/* Key pairs of machines (CURVE, as ZeroMQ has it) and the files they lie in; docs/cluster.md
 * shows them. A key is 32 bytes, written in Z85 (ZeroMQ RFC 32): 40 printable characters.
 *
 * A folder of keys belongs to one machine (or one person) and holds
 *   secret.key   both parts of its own pair; for nobody else's eyes (mode 0600)
 *   public.key   the public part, to be handed over
 *   broker.key   on a worker's or client's machine: the broker's public.key
 *   allowed/     on the broker's machine: public keys of those it talks to (allowed.h)
 *
 * Secrets are wiped from memory with keys_done as soon as a socket has them; libzmq keeps
 * copies of its own as long as the socket lives. */
#ifndef WYCKMILL_KEYS_KEYS_H
#define WYCKMILL_KEYS_KEYS_H

#include "common/err.h"
#include "common/span.h"

#include <stdbool.h>

enum {
    KEY_TEXT_SIZE = 41,        /* 40 characters and NUL */
    KEY_FILE_BYTES_MAX = 4096, /* ours have about 300 */
    KEY_PATH_BYTES_MAX = 4096,
    KEYS_HANDSHAKE_MS = 5000, /* a connection that takes longer to open is closed */
};

#define KEYS_ENVIRONMENT "WYCKMILL_KEYS" /* the folder when no option names one */

struct key_pair {
    char public[KEY_TEXT_SIZE];
    char secret[KEY_TEXT_SIZE]; /* "": only the public part is known */
};

/* What a worker or client needs. */
struct keys {
    struct key_pair own;
    char broker[KEY_TEXT_SIZE]; /* public key of the broker */
};

/* A key file's text: lines "public KEY" and, in secret.key, "secret KEY"; '#' begins a comment
 * line. Errors: ERR_CORRUPT with the line; `*ret` is untouched then. */
int key_parse(struct span text, struct key_pair *ret, struct err *err);
/* The text of public.key, or of secret.key; appended. */
void key_print(const struct key_pair *pair, bool secret, struct buf *out);

/* One file of those above. Errors: those of key_parse, ERR_NOT_FOUND, ERR_IO; ERR_INVALID when
 * it holds a secret and others than its owner can read it. */
int key_read(const char *path, struct key_pair *ret, struct err *err);

/* `given`, or the folder that the environment names, or NULL: no keys are used. An empty name
 * says none whatever the environment has. */
const char *keys_folder(const char *given);

/* DIR/secret.key: both parts, which belong together. Errors: as key_read. */
int keys_read_own(const char *folder, struct key_pair *ret, struct err *err);
/* Own pair and broker's key. Without broker.key, in a folder with allowed/: it is the broker's
 * own, whose processes may talk to it. */
int keys_read(const char *folder, struct keys *ret, struct err *err);
/* A new pair in DIR/secret.key and DIR/public.key; the folder is made. Errors: ERR_INVALID when
 * there is a pair already (it is not touched), ERR_IO, ERR_FULL, ERR_UNSUPPORTED. */
int keys_generate(const char *folder, struct key_pair *ret, struct err *err);

/* Is the libzmq of this machine fit: 4.3.3 or later and, when `curve`, with encryption? Earlier
 * ones can be crashed or taken over before a peer has shown its key (CVE-2020-15166,
 * CVE-2019-13132). Errors: ERR_UNSUPPORTED. */
int keys_check_library(bool curve, struct err *err);

void key_pair_done(struct key_pair *pair);
void keys_done(struct keys *keys);

#endif
