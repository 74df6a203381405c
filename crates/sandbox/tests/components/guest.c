// A command that uses `doer:platform`. What a generator of bindings would write stands here by hand: the canonical ABI
// is what the interfaces in `crates/sandbox/wit` come to in C.

typedef unsigned char u8;
typedef unsigned int u32;
typedef struct { const char *text; u32 length; } string;

#define IMPORT(module, name) __attribute__((import_module(module), import_name(name)))
#define EXPORT(name) __attribute__((export_name(name)))

// upsert: func(ns: string, id: string, data: json, options: option<upsert-options>) -> result<thing, error>
IMPORT("doer:platform/db@0.1.0", "upsert")
void upsert(const char *ns, u32 ns_length, const char *id, u32 id_length, const char *data, u32 data_length,
            u32 has_options, u32 has_type, const char *type, u32 type_length, u32 has_visibility, u32 visibility,
            void *result);
// get: func(ns: string, id: string) -> result<option<thing>, error>
IMPORT("doer:platform/db@0.1.0", "get")
void get(const char *ns, u32 ns_length, const char *id, u32 id_length, void *result);
// query: func(sql: string, params: option<list<json>>) -> result<rows, error>
IMPORT("doer:platform/db@0.1.0", "query")
void query(const char *sql, u32 sql_length, u32 has_params, const string *params, u32 length, void *result);
IMPORT("wasi:cli/stdout@0.2.10", "get-stdout") u32 get_stdout(void);
IMPORT("wasi:io/streams@0.2.10", "[method]output-stream.blocking-write-and-flush")
void blocking_write(u32 stream, const char *text, u32 length, void *result);

static u8 heap[65536];
static u32 used;

EXPORT("cabi_realloc") void *cabi_realloc(void *old, u32 old_size, u32 align, u32 size) {
    u32 start = (used + align - 1) & -align;
    if (start + size > sizeof heap) __builtin_trap();
    used = start + size;
    for (u32 i = 0; i < old_size && i < size; i++) heap[start + i] = ((u8 *)old)[i];
    return heap + start;
}

static void print(const char *text, u32 length) {
    u32 result[4];
    blocking_write(get_stdout(), text, length, result);
}

static string text(const char *text) {
    u32 length = 0;
    while (text[length]) length++;
    return (string){text, length};
}

static void say(const char *words) {
    string said = text(words);
    print(said.text, said.length);
}

// thing, as it lies in memory: ns, id, option<type>, data, visibility, created-at, updated-at.
typedef struct {
    string ns, id;
    u32 has_type;
    string type;
    string data;
    u8 visibility;
    unsigned long long created_at, updated_at;
} thing;
typedef struct { string name, message, code; u32 has_wait; unsigned long long wait; } error;
typedef struct { u8 failed; union { thing value; error error; } as; } upserted;
typedef struct { u8 failed; union { struct { u8 some; thing value; } option; error error; } as; } got;
typedef struct { string *rows; u32 row_count; string *columns; u32 column_count; unsigned long long changes; } rows;
typedef struct { u8 failed; union { rows value; error error; } as; } queried;

EXPORT("wasi:cli/run@0.2.10#run") u32 run(void) {
    upserted first;
    string data = text("{\"a\": [1]}");
    upsert("notes", 5, "n1", 2, data.text, data.length, 1, 0, 0, 0, 1, 2, &first);
    if (first.failed) return 1;
    say("{\"data\":");
    print(first.as.value.data.text, first.as.value.data.length);
    say(",\"visibility\":");
    char digit = '0' + first.as.value.visibility;
    print(&digit, 1);

    got second;
    get("none", 4, "n1", 2, &second);
    if (second.failed) return 1;
    say(second.as.option.some ? ",\"none\":false" : ",\"none\":true");

    queried third;
    string one = text("1");
    query("SELECT ? AS n", 13, 1, &one, 1, &third);
    if (third.failed || third.as.value.row_count != 1) return 1;
    say(",\"rows\":");
    print(third.as.value.rows[0].text, third.as.value.rows[0].length);

    get("fail", 4, "n1", 2, &second);
    if (!second.failed || second.as.error.wait != 1500) return 1;
    say(",\"error\":\"");
    print(second.as.error.code.text, second.as.error.code.length);
    say("\"}");
    return 0;
}
