/* Who may talk to the broker: the answer to one ZAP request (ZeroMQ RFC 27), in which libzmq
 * asks about a peer that has proven, by CURVE, that it has the secret of its key. Pure: frames
 * and list in, answer out. Whatever is not exactly a listed key is denied. */
#ifndef WYCKMILL_BROKER_ZAP_H
#define WYCKMILL_BROKER_ZAP_H

#include "common/span.h"
#include "keys/allowed.h"

/* The domain of our sockets; a request of another is none of ours. */
#define ZAP_DOMAIN "wyckmill"
/* The message property that carries the peer's public key (text) beside "User-Id", its name
 * when the connection was made: names change with the files, the key does not. */
#define ZAP_KEY_PROPERTY "X-Key"

enum { ZAP_METADATA_SIZE = 64 };

struct zap_answer {
    const char *code; /* "200", "400" (denied), "500" (not understood) */
    const char *text;
    char user[ALLOWED_NAME_SIZE]; /* name in the list; "" when denied */
    char key[KEY_TEXT_SIZE];      /* as shown by the peer; "" when there is none */
    uint8_t metadata[ZAP_METADATA_SIZE];
    size_t metadata_size;
};

/* `frames` of a request, its delimiter left out: version, request id, domain, address, routing
 * id, mechanism, credentials. */
void zap_decide(const struct span *frames, size_t n, const struct allowed *allowed,
                struct zap_answer *ret);

#endif
