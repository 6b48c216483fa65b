/* Names and values of a CIF by libcif and by our lexer: see cif_content.h. */
#include "tests/unit/crystal/cif_content.h"

#include "common/mem.h"
#include "workers/crystal/cif_lexer.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* libcif has names that are ours as well: an enum, and the functions cif_parse and cif_write.
 * So its header's enum is renamed, and the library is not linked but loaded. */
#define cif_kind libcif_kind
#include <cif.h>
#undef cif_kind
#include <dlfcn.h>

void content_done(struct content *content)
{
    for (uint32_t i = 0; i < content->n; i++)
        free(content->entries[i].text);
    free(content->entries);
}

static void set_name(char ret[ENTRY_NAME_SIZE], struct text name)
{
    size_t n = 0;
    for (; n < name.size && n < ENTRY_NAME_SIZE - 1; n++)
        ret[n] = name.data[n] == '.' ? '_' : (char)tolower((unsigned char)name.data[n]);
    ret[n] = '\0';
}

/* CR LF and CR as LF, which is what they mean. libcif 0.4.2 knows that, too, but at the end of
 * some files with CR LF it gives the last letters once more. */
static char *plain_lines(struct text bytes, size_t *ret_size)
{
    char *copy = mem_new(bytes.size + 1, 1);
    size_t n = 0;
    for (size_t i = 0; i < bytes.size; i++)
        if (bytes.data[i] != '\r')
            copy[n++] = bytes.data[i];
        else if (i + 1 == bytes.size || bytes.data[i + 1] != '\n')
            copy[n++] = '\n';
    *ret_size = n;
    return copy;
}

static void add_block(struct content *content, struct text name)
{
    if (content->n_blocks < BLOCKS_MAX)
        set_name(content->blocks[content->n_blocks++], name);
}

static struct entry *add_entry(struct content *content, struct text name, struct text value,
                               bool quoted)
{
    if (quoted)
        value = text_trim(value);
    mem_reserve(content->entries, content->capacity, content->n + 1u);
    struct entry *entry = &content->entries[content->n++];
    *entry = (struct entry){.block = content->n_blocks - 1,
                            .loop = content->row ? content->n_loops : 0,
                            .row = content->row,
                            .quoted = quoted};
    set_name(entry->name, name);
    size_t size;
    entry->text = plain_lines(value, &size);
    return entry;
}

/* ---- libcif ---- */

#define FUNCTIONS(X)                                                                           \
    X(cif_destroy)                                                                             \
    X(cif_parse)                                                                               \
    X(cif_parse_options_create)                                                                \
    X(cif_container_get_code)                                                                  \
    X(cif_value_kind)                                                                          \
    X(cif_value_is_quoted)                                                                     \
    X(cif_value_get_number)                                                                    \
    X(cif_value_get_text)

#define MEMBER(name) __typeof__(name) *name;
static struct {
    FUNCTIONS(MEMBER)
} libcif;

bool content_load_libcif(void)
{
    void *library = dlopen("libcif.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return false;
#define LOAD(name) *(void **)&libcif.name = dlsym(library, #name);
    FUNCTIONS(LOAD)
#define MISSING(name) || !libcif.name
    return !(0 FUNCTIONS(MISSING));
}

static void add_error(struct content *content, int code)
{
    content->n_errors++;
    if (content->n_blocks > 0) /* else it stands in front of all blocks */
        content->codes[content->n_blocks - 1][code > 0 && code < CODES_MAX ? code : 0] = true;
}

/* UTF-16 to UTF-8. */
static char *plain_text(const UChar *text)
{
    struct buf out = {0};
    for (; text && *text; text++) {
        uint32_t c = *text;
        if (c >= 0xd800 && c < 0xdc00 && text[1] >= 0xdc00 && text[1] < 0xe000)
            c = 0x10000 + ((c - 0xd800) << 10) + (uint32_t)(*++text - 0xdc00);
        uint32_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
        static const uint32_t first[] = {0, 0, 0xc0, 0xe0, 0xf0};
        uint8_t bytes[4];
        for (uint32_t i = n; i-- > 1; c >>= 6)
            bytes[i] = (uint8_t)(0x80 | (c & 63));
        bytes[0] = (uint8_t)(first[n] | c);
        buf_append(&out, bytes, n);
    }
    (void)buf_text(&out);
    return (char *)out.data;
}

static int on_error(int code, size_t line, size_t column, const UChar *text, size_t length,
                    void *data)
{
    (void)line, (void)column, (void)text, (void)length;
    add_error(data, code);
    return 0;
}

static int on_block(cif_container_tp *block, void *data)
{
    struct content *content = data;
    UChar *code = NULL;
    if (content->n_blocks == BLOCKS_MAX)
        return CIF_TRAVERSE_END;
    if (libcif.cif_container_get_code(block, &code) != CIF_OK)
        abort();
    char *name = plain_text(code);
    add_block(content, (struct text){name, strlen(name)});
    free(name);
    free(code);
    return CIF_TRAVERSE_CONTINUE;
}

static int on_frame(cif_container_tp *frame, void *data)
{
    (void)frame;
    ((struct content *)data)->frames = true;
    return CIF_TRAVERSE_CONTINUE;
}

static int on_loop(cif_loop_tp *loop, void *data)
{
    (void)loop;
    ((struct content *)data)->n_loops++;
    return CIF_TRAVERSE_CONTINUE;
}

static int on_loop_end(cif_loop_tp *loop, void *data)
{
    (void)loop;
    ((struct content *)data)->row = 0;
    return CIF_TRAVERSE_CONTINUE;
}

static int on_packet(cif_packet_tp *packet, void *data)
{
    (void)packet;
    ((struct content *)data)->row++;
    return CIF_TRAVERSE_CONTINUE;
}

/* The text of a value as the file has it. */
static char *value_text(cif_value_tp *value)
{
    UChar *characters = NULL;
    if (libcif.cif_value_kind(value) == CIF_UNK_KIND)
        return mem_text("?");
    if (libcif.cif_value_kind(value) == CIF_NA_KIND)
        return mem_text(".");
    if (libcif.cif_value_get_text(value, &characters) != CIF_OK || !characters)
        return mem_text("");
    char *text = plain_text(characters);
    free(characters);
    return text;
}

/* libcif's number; where the exponent is beyond all bounds it may be anything. */
static bool value_number(cif_value_tp *value, const char *text, double *ret)
{
    return libcif.cif_value_get_number(value, ret) == CIF_OK && isfinite(*ret) &&
           isfinite(strtod(text, NULL));
}

static int on_item(UChar *name, cif_value_tp *value, void *data)
{
    if (!name)
        return CIF_TRAVERSE_CONTINUE;
    char *plain = plain_text(name), *text = value_text(value);
    bool word = libcif.cif_value_kind(value) == CIF_CHAR_KIND ||
                libcif.cif_value_kind(value) == CIF_NUMB_KIND;
    bool quoted = word && libcif.cif_value_is_quoted(value) == CIF_QUOTED;
    struct entry *entry = add_entry(data, (struct text){plain, strlen(plain)},
                                    (struct text){text, strlen(text)}, quoted);
    entry->numeric = word && value_number(value, text, &entry->number);
    free(plain);
    free(text);
    return CIF_TRAVERSE_CONTINUE;
}

void content_read_libcif(struct text bytes, struct content *ret)
{
    cif_handler_tp handler = {.handle_block_start = on_block,
                              .handle_frame_start = on_frame,
                              .handle_loop_start = on_loop,
                              .handle_loop_end = on_loop_end,
                              .handle_packet_start = on_packet,
                              .handle_item = on_item};
    struct cif_parse_opts_s *options = NULL;
    *ret = (struct content){0};
    size_t size;
    char *copy = plain_lines(bytes, &size);
    FILE *file = fmemopen(copy, size, "rb");
    if (!file || libcif.cif_parse_options_create(&options) != CIF_OK)
        abort();
    options->default_encoding_name = "UTF-8";
    options->handler = &handler;
    options->error_callback = on_error;
    options->user_data = ret;
    cif_tp *cif = NULL;
    int rc = libcif.cif_parse(file, options, &cif);
    if (rc != CIF_OK)
        add_error(ret, rc);
    if (cif && libcif.cif_destroy(cif) != CIF_OK)
        abort();
    free(options);
    (void)fclose(file);
    free(copy);
}

/* ---- ours ---- */

enum { COLUMNS_MAX = 256 };

static bool read_loop(struct cif_lexer *lexer, struct cif_token *token, struct content *content)
{
    struct text columns[COLUMNS_MAX];
    uint32_t n = 0, k = 0;
    content->n_loops++;
    for (; token->kind == CIF_TAG && n < COLUMNS_MAX; n++) {
        columns[n] = token->text;
        if (cif_next(lexer, token, NULL))
            return false;
    }
    for (; n > 0 && token->kind == CIF_VALUE; k = (k + 1) % n) {
        content->row += k == 0;
        (void)add_entry(content, columns[k], token->text, token->quoted);
        if (cif_next(lexer, token, NULL))
            return false;
    }
    content->row = 0;
    return n > 0 && k == 0;
}

bool content_read_ours(struct text bytes, struct content *ret)
{
    struct cif_lexer lexer = {bytes.data, bytes.data, bytes.data + bytes.size, 1};
    struct cif_token token;
    *ret = (struct content){0};
    bool good = cif_next(&lexer, &token, NULL) == 0;
    while (good && token.kind != CIF_END) {
        struct text name = token.text;
        enum cif_kind kind = token.kind;
        good = cif_next(&lexer, &token, NULL) == 0;
        if (kind == CIF_DATA) {
            add_block(ret, name);
        } else if (kind == CIF_LOOP) {
            good = good && read_loop(&lexer, &token, ret);
        } else if (kind == CIF_TAG && good && token.kind == CIF_VALUE) {
            (void)add_entry(ret, name, token.text, token.quoted);
            good = cif_next(&lexer, &token, NULL) == 0;
        } else {
            return false;
        }
    }
    return good;
}

bool content_is_tolerated(const struct content *content, uint32_t block, int code)
{
    /* data_ without a name */
    if (content->blocks[block][0] == '\0' &&
        (code == CIF_NO_BLOCK_HEADER || code == CIF_RESERVED_WORD))
        return true;
    static const int codes[] = {
        CIF_OVERLENGTH_LINE,    /* ours is 1 MiB, not 2048 characters */
        CIF_EMPTY_LOOP,         /* a loop without rows */
        CIF_INVALID_CHAR,       /* bytes that are no characters of CIF ... */
        CIF_DISALLOWED_CHAR,    /* ... in values and comments, */
        CIF_INVALID_ITEMNAME,   /* ... in names, */
        CIF_INVALID_BLOCKCODE,  /* ... of blocks, too; */
        CIF_INVALID_BARE_VALUE, /* brackets and $ in words without quotes */
        CIF_DUP_ITEMNAME,       /* a name given twice: the first counts */
        CIF_DUP_BLOCKCODE,      /* two blocks of one name */
        CIF_INTERNAL_ERROR, /* what libcif 0.4.2 says of a loop with a name it does not allow */
    };
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        if (codes[i] == code)
            return true;
    return false;
}
