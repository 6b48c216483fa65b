/* Wire messages, all derived from proto/messages/NAME.def: struct, encoder, decoder, printer.
 */
#ifndef WYCKMILL_PROTO_MESSAGES_H
#define WYCKMILL_PROTO_MESSAGES_H

#include "common/err.h"
#include "common/hash.h"
#include "common/span.h"

#include <stdint.h>

enum {
    MESSAGE_TEXT_SIZE = 512,           /* with NUL */
    MESSAGE_FRAME_BYTES_MAX = 4 << 20, /* LEASE carries an action: ACTION_BYTES_MAX */
    MESSAGE_CHUNK_BYTES_MAX = 1 << 20, /* of a blob */
    MESSAGE_LOG_BYTES_MAX = 8 << 10,
};

enum message_type {
    MESSAGE_NONE,
#define MESSAGE(name, version) MESSAGE_TYPE_##name,
#define FIELD(type, name)
#define END(name)
#include "proto/messages/all.def"
#undef MESSAGE
#undef FIELD
#undef END
    MESSAGE_TYPE_COUNT
};

typedef uint32_t message_u32;
typedef uint64_t message_u64;
typedef int32_t message_i32;
typedef struct hash message_hash;
typedef struct span message_bytes;    /* borrowed: from the frame when decoded */
typedef struct span message_chunk;    /* bytes, at most MESSAGE_CHUNK_BYTES_MAX */
typedef uint32_t message_chunk_size;  /* 1..MESSAGE_CHUNK_BYTES_MAX */
typedef struct span message_log_tail; /* bytes; the encoder keeps the last
                                         MESSAGE_LOG_BYTES_MAX */
typedef struct {
    char text[MESSAGE_TEXT_SIZE];
} message_text;

#define MESSAGE(name, version) struct message_##name {
#define FIELD(type, name) message_##type name;
#define END(name)                                                                              \
    }                                                                                          \
    ;
#include "proto/messages/all.def"
#undef MESSAGE
#undef FIELD
#undef END

struct message {
    enum message_type type;
    union {
#define MESSAGE(name, version) struct message_##name name;
#define FIELD(type, name)
#define END(name)
#include "proto/messages/all.def"
#undef MESSAGE
#undef FIELD
#undef END
    };
};

/* Append the frame of `message` to `out`. Cannot fail (texts are cut to their size); a type or
 * chunk out of range is our own bug, and asserted. */
void message_encode(const struct message *message, struct buf *out);
/* Well formed, in range, right version, and all bytes used. `bytes` fields borrow from `frame`.
 * Errors: ERR_CORRUPT, ERR_LIMIT, ERR_UNSUPPORTED (another schema version). */
int message_decode(struct span frame, struct message *ret, struct err *err);
/* One line for logs: "lease epoch=1 task=ab12cd34.. attempt=2 action=<120 bytes>". Texts from
 * outside cannot break the line. */
void message_print(const struct message *message, struct buf *out);
const char *message_type_text(enum message_type type); /* "lease"; "none" when out of range */

/* Copy text into a message field, cut to its size at a whole character. */
void message_text_set(message_text *to, const char *text);

#endif
