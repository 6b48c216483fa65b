/* See slot_wire.h. */
#include "workers/runtime/slot_wire.h"

#include "common/cleanup.h"
#include "proto/value.h"

void slot_wire_ready_encode(const char *sentence, struct buf *out)
{
    struct pack pack;
    pack_init(&pack, out);
    pack_map(&pack, 1);
    pack_key(&pack, "ready");
    pack_text(&pack, sentence);
}

int slot_wire_ready_decode(struct span frame, char ret_sentence[SLOT_SENTENCE_SIZE],
                           struct err *err)
{
    cleanup(document_free_ptr) struct document *document = NULL;
    int rc = document_parse(frame, &value_limits_message, &document, err);
    if (rc != 0)
        return rc;
    return value_text(value_get(document_root(document), "ready"), "ready", ret_sentence,
                      SLOT_SENTENCE_SIZE, err);
}

void slot_wire_run_encode(struct span action, const struct slot_limits *limits, struct buf *out)
{
    struct pack pack;
    pack_init(&pack, out);
    pack_map(&pack, 3);
    pack_key(&pack, "action");
    pack_bytes(&pack, action);
    pack_key(&pack, "memory");
    pack_u64(&pack, limits->memory_bytes);
    pack_key(&pack, "time_ms");
    pack_u64(&pack, limits->time_ms);
}

int slot_wire_run_decode(struct span frame, struct span *ret_action, struct slot_limits *ret,
                         struct err *err)
{
    cleanup(document_free_ptr) struct document *document = NULL;
    int rc = document_parse(frame, &value_limits_object, &document, err);
    if (rc != 0)
        return rc;
    struct value root = document_root(document);
    rc = value_bytes(value_get(root, "action"), "action", ret_action, err);
    if (rc == 0)
        rc = value_u64(value_get(root, "memory"), "memory", 0, UINT64_MAX, &ret->memory_bytes,
                       err);
    if (rc == 0)
        rc =
            value_u64(value_get(root, "time_ms"), "time_ms", 0, UINT64_MAX, &ret->time_ms, err);
    return rc;
}

void slot_wire_end_encode(const struct slot_end *end, struct buf *out)
{
    struct pack pack;
    struct buf result = {0};
    if (end->end == ATTEMPT_OK)
        result_encode(&end->result, &result);
    pack_init(&pack, out);
    pack_map(&pack, 7);
    pack_key(&pack, "cpu_us");
    pack_u64(&pack, end->cpu_us);
    pack_key(&pack, "end");
    pack_u64(&pack, end->end);
    pack_key(&pack, "input");
    if (end->input_bad)
        pack_hash(&pack, &end->input);
    else
        pack_nil(&pack);
    pack_key(&pack, "peak_bytes");
    pack_u64(&pack, end->peak_bytes);
    pack_key(&pack, "result");
    pack_bytes(&pack, buf_span(&result));
    pack_key(&pack, "sentence");
    pack_text(&pack, end->sentence);
    pack_key(&pack, "wall_us");
    pack_u64(&pack, end->wall_us);
    buf_done(&result);
}

int slot_wire_end_decode(struct span frame, struct slot_end *ret, struct err *err)
{
    cleanup(document_free_ptr) struct document *document = NULL;
    int rc = document_parse(frame, &value_limits_message, &document, err);
    if (rc != 0)
        return rc;
    struct value root = document_root(document), input = value_get(root, "input");
    struct span result = {0};
    uint64_t end = 0;
    rc = value_u64(value_get(root, "end"), "end", 0, ATTEMPT_END_COUNT - 1, &end, err);
    if (rc == 0)
        rc = value_u64(value_get(root, "cpu_us"), "cpu_us", 0, UINT64_MAX, &ret->cpu_us, err);
    if (rc == 0)
        rc =
            value_u64(value_get(root, "wall_us"), "wall_us", 0, UINT64_MAX, &ret->wall_us, err);
    if (rc == 0)
        rc = value_u64(value_get(root, "peak_bytes"), "peak_bytes", 0, UINT64_MAX,
                       &ret->peak_bytes, err);
    if (rc == 0)
        rc = value_text(value_get(root, "sentence"), "sentence", ret->sentence,
                        sizeof ret->sentence, err);
    if (rc == 0)
        rc = value_bytes(value_get(root, "result"), "result", &result, err);
    if (rc == 0 && value_present(input))
        rc = value_hash(input, "input", &ret->input, err);
    if (rc == 0 && end == ATTEMPT_OK)
        rc = result_decode(result, &ret->result, err);
    ret->end = (enum attempt_end)end;
    ret->input_bad = value_present(input);
    return rc;
}
