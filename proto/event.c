/* Events for readers: see event.h. */
#include "proto/event.h"

#include "common/cleanup.h"
#include "proto/needs.h"
#include "proto/value.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { KEY_SIZE = 32, TEXT_SIZE = 600 };

static uint64_t number(struct value map, const char *key)
{
    uint64_t value = 0;
    (void)value_u64(value_get(map, key), key, 0, UINT64_MAX, &value, NULL);
    return value;
}

/* "" when absent. */
static const char *text(struct value map, const char *key, char ret[TEXT_SIZE])
{
    ret[0] = '\0';
    (void)value_text(value_get(map, key), key, ret, TEXT_SIZE, NULL);
    return ret;
}

const char *event_time(uint64_t unix_ms, char ret[EVENT_TIME_SIZE])
{
    char seconds[EVENT_TIME_SIZE - 8];
    struct tm utc;
    time_t at = (time_t)(unix_ms / 1000);
    if (!gmtime_r(&at, &utc) || !strftime(seconds, sizeof seconds, "%Y-%m-%dT%H:%M:%S", &utc))
        (void)snprintf(seconds, sizeof seconds, "?");
    (void)snprintf(ret, EVENT_TIME_SIZE, "%s.%03uZ", seconds, (unsigned)(unix_ms % 1000));
    return ret;
}

static void print_json_value(const char *key, struct value value, struct buf *out)
{
    char time[EVENT_TIME_SIZE];
    uint64_t u64;
    struct span bytes;
    if (!strcmp(key, "time") && !value_u64(value, key, 0, UINT64_MAX, &u64, NULL))
        buf_print(out, "\"%s\"", event_time(u64, time));
    else if (!strcmp(key, "epoch") && !value_u64(value, key, 0, UINT64_MAX, &u64, NULL))
        buf_print(out, "\"%016llx\"", (unsigned long long)u64);
    else if (!strcmp(key, "log") && !value_bytes(value, key, &bytes, NULL))
        value_print_json_text(bytes, out);
    else
        value_print_json(value, out);
}

int event_print_json(uint64_t sequence, struct span event, struct buf *out, struct err *err)
{
    cleanup(document_free_ptr) struct document *document = NULL;
    int rc = document_parse(event, &value_limits_message, &document, err);
    if (rc)
        return rc;
    struct value map = document_root(document);
    buf_print(out, "{\"sequence\":%llu", (unsigned long long)sequence);
    for (uint32_t i = 0; value_is_map(map) && i < value_count(map); i++) {
        char key[KEY_SIZE];
        struct value value = value_pair(map, i, key, sizeof key);
        buf_append(out, ",", 1);
        value_print_json_text(span_text(key), out);
        buf_append(out, ":", 1);
        print_json_value(key, value, out);
    }
    buf_print(out, "}\n");
    return 0;
}

/* Control characters become blanks: a text is part of one line. */
static void print_plain(const char *text, struct buf *out)
{
    for (; *text; text++)
        buf_append(out, (unsigned char)*text < ' ' || *text == 0x7f ? " " : text, 1);
}

static void print_task(struct value map, struct buf *out)
{
    struct hash task;
    char hex[HASH_HEX_SIZE], words[TEXT_SIZE], peak[32];
    if (value_hash(value_get(map, "task"), "task", &task, NULL))
        return;
    buf_print(out, " %.16s", hash_hex(&task, hex));
    if (value_present(value_get(map, "attempt")))
        buf_print(out, " #%llu", (unsigned long long)number(map, "attempt"));
    print_plain(" ", out);
    print_plain(text(map, "end", words), out);
    if (value_present(value_get(map, "raced")))
        buf_print(out, "race");
    if (value_present(value_get(map, "wall_us")))
        buf_print(out, " after %.3f s", (double)number(map, "wall_us") * 1e-6);
    if (number(map, "peak_bytes"))
        buf_print(out, ", %s", bytes_text(number(map, "peak_bytes"), peak, sizeof peak));
}

int event_print_line(struct span event, struct buf *out, struct err *err)
{
    static const char *const words_of[] = {"name", "state", "worker", "message", "note"};
    cleanup(document_free_ptr) struct document *document = NULL;
    char time[EVENT_TIME_SIZE], words[TEXT_SIZE];
    int rc = document_parse(event, &value_limits_message, &document, err);
    if (rc)
        return rc;
    struct value map = document_root(document);
    buf_print(out, "%s  %-11s", event_time(number(map, "time"), time),
              text(map, "event", words));
    print_task(map, out);
    for (size_t i = 0; i < sizeof words_of / sizeof words_of[0]; i++)
        if (text(map, words_of[i], words)[0]) {
            buf_print(out, i < 2 ? " " : i == 2 ? " on " : ": ");
            print_plain(words, out);
        }
    buf_print(out, "\n");
    return 0;
}

bool event_is_of_task(struct span event, const struct hash *task)
{
    cleanup(document_free_ptr) struct document *document = NULL;
    struct hash found;
    if (document_parse(event, &value_limits_message, &document, NULL))
        return false;
    return !value_hash(value_get(document_root(document), "task"), "task", &found, NULL) &&
           hash_equal(&found, task);
}
