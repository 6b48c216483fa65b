/* Numbers of attempts. They grow while the broker has the task in its queue. The upper bits say
 * why it is there: 0 to get its result, else to compute again what is known (an audit, each
 * with a number of its own), where a result that was computed before proves nothing. So a
 * worker that holds an attempt with other upper bits begins anew, and a broker with an audit
 * under way takes no result of an attempt from before. */
#ifndef WYCKMILL_PROTO_ATTEMPT_H
#define WYCKMILL_PROTO_ATTEMPT_H

#include <stdbool.h>
#include <stdint.h>

enum {
    ATTEMPT_BITS = 8, /* of the attempts for one reason; more than these are harmless */
    ATTEMPT_AUDITS_MAX = (1 << 24) - 1, /* per broker run */
};

/* The attempts of the audit with this number (1..) come after it. */
static inline uint32_t attempt_of_audit(uint32_t audit)
{
    return audit << ATTEMPT_BITS;
}

static inline bool attempt_same_reason(uint32_t a, uint32_t b)
{
    return a >> ATTEMPT_BITS == b >> ATTEMPT_BITS;
}

#endif
