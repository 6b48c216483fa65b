/* What an operator can ask of a running broker. The numbers are on the wire: append only. */
#ifndef WYCKMILL_PROTO_ORDER_H
#define WYCKMILL_PROTO_ORDER_H

enum order_verb {
    ORDER_CANCEL, /* campaign: nothing of it is wanted any more; task: it goes into quarantine
                   */
    ORDER_PAUSE,  /* campaign: what runs goes on, nothing is begun */
    ORDER_RESUME, /* campaign */
    ORDER_DRAIN,  /* worker: finish what runs, then leave */
    ORDER_RETRY,  /* task: out of quarantine; "": all of them */
    ORDER_AUDIT,  /* task: compute it again, and compare */
    ORDER_VERB_COUNT
};

static inline const char *order_verb_text(enum order_verb verb)
{
    static const char *const texts[] = {"cancel", "pause", "resume", "drain", "retry", "audit"};
    return (unsigned)verb < ORDER_VERB_COUNT ? texts[verb] : "?";
}

#endif
