#include "protocol.h"

#include <string.h>

#include "board.h"
#include "board_facts.h"
#include "cobs.h"
#include "cortex_m.h"
#include "crc32.h"
#include "executor.h"
#include "identity.h"
#include "inputs.h"
#include "model.h"
#include "plan_check.h"
#include "status.h"
#include "timer.h"

#define PROTOCOL_VERSION 1u
#define HEAD_BYTES 4u
#define CRC_BYTES 4u
#define STATUS_BYTES 8u
#define MAX_BODY 2048u
#define MAX_PAYLOAD (MAX_BODY - STATUS_BYTES)
#define MAX_FRAME (HEAD_BYTES + MAX_BODY + CRC_BYTES)
#define MAX_CODED (MAX_FRAME + (MAX_FRAME + 253u) / 254u)
#define RESPONSE 0x80u
#define BANNER_TYPE 0u /* with RESPONSE: 0x80 */
#define BANNER_ID 0u
#define RESULT_CAPACITY 640u
_Static_assert(1u + PLAN_MAX_STEPS <= RESULT_CAPACITY, "room for one run of any plan");

enum message {
    MESSAGE_HELLO = 0x01,
    MESSAGE_ECHO = 0x02,
    MESSAGE_PLAN_WRITE = 0x03,
    MESSAGE_PLAN_COMMIT = 0x04,
    MESSAGE_TENSOR_WRITE = 0x05,
    MESSAGE_TENSOR_READ = 0x06,
    MESSAGE_RUN = 0x07,
    MESSAGE_RESULTS_READ = 0x08,
    MESSAGE_RESET = 0x09,
    MESSAGE_CYCLES = 0x0A,
    MESSAGE_MODEL_LOAD = 0x0B
};

enum run_flag { RUN_PER_LAYER = 1, RUN_MARKERS = 2, RUN_FILL_INPUTS = 4 };

struct hello {
    uint16_t protocol_version, plan_version;
    uint32_t clock_hz;
    uint32_t flash_base, flash_bytes;
    uint32_t ram_base, ram_bytes;
    uint32_t workspace_base, workspace_bytes;
    uint32_t parameters_base, parameters_bytes;
    uint32_t max_body_bytes;
    uint32_t result_capacity;
    uint32_t features;
    uint32_t reset_cause;
    uint8_t measured_code_sha256[32];
    uint8_t image_sha256[32];
    uint8_t contents_sha256[32]; /* of the parameter region: the pool's or a model's */
    char board[28];
};

_Static_assert(sizeof(struct hello) == 180, "hello");
_Static_assert(sizeof HWNAS_BOARD_NAME <= sizeof((struct hello *)0)->board, "board name");

static const struct protocol_facts *facts;

/* The frame that comes in: coded while it grows, decoded in place when it is complete. */
static uint8_t received[MAX_CODED];
static uint32_t received_bytes;
static bool overlong;

/* The last response, kept for a request that is sent again. */
static uint8_t response[MAX_FRAME];
static uint32_t response_bytes;
static uint16_t answered_id;
static uint32_t answered_crc;

/* The plan that is being written, or was committed. */
static uint8_t *plan_bytes;
static uint32_t plan_total, plan_received;
static struct plan plan;
static bool plan_is_loaded;

static uint64_t results[RESULT_CAPACITY];
static uint32_t result_count;

struct request {
    uint8_t type;
    uint16_t id;
    const uint8_t *body;
    uint32_t size;
};

struct reply {
    struct status status;
    uint32_t payload_bytes;
};

static uint8_t *payload(void) {
    return response + HEAD_BYTES + STATUS_BYTES;
}

static uint32_t word(const struct request *request, uint32_t index) {
    uint32_t value;
    memcpy(&value, request->body + 4u * index, sizeof value);
    return value;
}

static struct reply refuse(enum status_code code, uint32_t reason, uint32_t detail) {
    return (struct reply){status(code, reason, detail), 0};
}

static struct reply bad_argument(uint32_t number, uint32_t value) {
    return refuse(STATUS_BAD_ARGUMENT, number, value);
}

static struct reply done(uint32_t payload_bytes) {
    return (struct reply){status_ok(), payload_bytes};
}

static struct reply on_hello(const struct request *request) {
    (void)request;
    struct hello hello = {
        .protocol_version = PROTOCOL_VERSION,
        .plan_version = PLAN_VERSION,
        .clock_hz = HWNAS_CLOCK_HZ,
        .flash_base = HWNAS_FLASH_BASE,
        .flash_bytes = HWNAS_FLASH_BYTES,
        .ram_base = HWNAS_RAM_BASE,
        .ram_bytes = HWNAS_RAM_BYTES,
        .workspace_base = (uint32_t)(uintptr_t)facts->memory.arena,
        .workspace_bytes = facts->memory.workspace_bytes,
        .parameters_base = (uint32_t)(uintptr_t)facts->memory.parameters,
        .parameters_bytes = facts->memory.parameter_bytes,
        .max_body_bytes = MAX_BODY,
        .result_capacity = RESULT_CAPACITY,
        .features = facts->features,
        .reset_cause = facts->reset_cause,
        .board = HWNAS_BOARD_NAME,
    };
    for (uint32_t i = 0; i < sizeof hello.image_sha256; i++) {
        hello.measured_code_sha256[i] = image_identity.measured_code_sha256[i];
        hello.image_sha256[i] = image_identity.image_sha256[i];
    }
    const struct pool_header *pool = (const struct pool_header *)facts->memory.parameters - 1;
    if (pool->magic == POOL_MAGIC && pool->version == POOL_VERSION &&
        pool->bytes == facts->memory.parameter_bytes) {
        memcpy(hello.contents_sha256, pool->sha256, sizeof hello.contents_sha256);
    }
    const struct model_header *model = model_header(&facts->memory);
    if (model->magic == MODEL_MAGIC && model->version == MODEL_VERSION) {
        memcpy(hello.contents_sha256, model->sha256, sizeof hello.contents_sha256);
    }
    memcpy(payload(), &hello, sizeof hello);
    return done(sizeof hello);
}

static struct reply on_echo(const struct request *request) {
    if (request->size > MAX_PAYLOAD) {
        return refuse(STATUS_BAD_LENGTH, 0, request->size);
    }
    memcpy(payload(), request->body, request->size);
    return done(request->size);
}

static struct reply on_plan_write(const struct request *request) {
    const uint32_t offset = word(request, 0), total = word(request, 1);
    const uint32_t size = request->size - 8u;
    const struct plan_memory *memory = &facts->memory;
    if (offset == 0) {
        plan_is_loaded = false;
        plan_total = 0;
        plan_received = 0;
        if (total > memory->workspace_bytes) {
            return refuse(STATUS_PLAN_TOO_LARGE, 0, memory->workspace_bytes);
        }
        const uintptr_t end = (uintptr_t)memory->arena + memory->workspace_bytes;
        plan_bytes = (uint8_t *)((end - total) & ~(uintptr_t)7);
        plan_total = total;
    }
    if (offset != plan_received) {
        return bad_argument(0, offset);
    }
    if (total != plan_total || size > total - offset) {
        return bad_argument(1, total);
    }
    memcpy(plan_bytes + offset, request->body + 8, size);
    plan_received += size;
    return done(0);
}

static struct reply on_plan_commit(const struct request *request) {
    (void)request;
    if (plan_total == 0) {
        return refuse(STATUS_NO_PLAN, 0, 0);
    }
    struct plan_memory memory = facts->memory;
    memory.arena_bytes = (uint32_t)(plan_bytes - memory.arena);
    const struct status found = plan_check(plan_bytes, plan_received, &memory, &plan);
    plan_is_loaded = found.code == STATUS_OK;
    result_count = 0;
    return (struct reply){found, 0};
}

/* Takes the deployed model's plan, which lies in flash and leaves all of the workspace to the arena. */
static struct reply on_model_load(const struct request *request) {
    (void)request;
    const struct model_header *model = NULL;
    struct plan_memory memory = facts->memory;
    memory.arena_bytes = memory.workspace_bytes;
    plan_total = 0;
    plan_received = 0;
    result_count = 0;
    struct status found = model_find(&memory, &model);
    if (found.code == STATUS_OK) {
        found = plan_check(memory.parameters + model->plan_offset, model->plan_bytes, &memory, &plan);
    }
    plan_is_loaded = found.code == STATUS_OK;
    if (!plan_is_loaded) {
        return (struct reply){found, 0};
    }
    memcpy(payload(), model->sha256, sizeof model->sha256);
    return done(sizeof model->sha256);
}

/* A range of a tensor of the loaded plan, or why it is none. */
static struct reply tensor_range(const struct request *request, uint32_t size, bool write,
                                 uint8_t **start) {
    const uint32_t index = word(request, 0), offset = word(request, 1);
    if (!plan_is_loaded) {
        return refuse(STATUS_NO_PLAN, 0, 0);
    }
    if (index >= plan.header->tensor_count) {
        return bad_argument(0, index);
    }
    const struct plan_tensor *tensor = &plan.tensors[index];
    if (write && tensor->region != REGION_ARENA) {
        return bad_argument(0, index);
    }
    if (offset > tensor->bytes) {
        return bad_argument(1, offset);
    }
    if (size > tensor->bytes - offset || size > MAX_PAYLOAD) {
        return bad_argument(2, size);
    }
    *start = (uint8_t *)plan_data(&plan, index) + offset;
    return done(0);
}

static struct reply on_tensor_write(const struct request *request) {
    uint8_t *start = NULL;
    const uint32_t size = request->size - 8u;
    const struct reply found = tensor_range(request, size, true, &start);
    if (start != NULL) {
        memcpy(start, request->body + 8, size);
    }
    return found;
}

static struct reply on_tensor_read(const struct request *request) {
    uint8_t *start = NULL;
    const uint32_t size = word(request, 2);
    const struct reply found = tensor_range(request, size, false, &start);
    if (start == NULL) {
        return found;
    }
    memcpy(payload(), start, size);
    return done(size);
}

static struct reply on_run(const struct request *request) {
    const uint32_t counts = word(request, 0), flags = word(request, 1);
    const uint32_t warmup = counts & 0xFFFFu, repeats = counts >> 16;
    const struct run_options options = {flags & RUN_PER_LAYER, flags & RUN_MARKERS};
    if (!plan_is_loaded) {
        return refuse(STATUS_NO_PLAN, 0, 0);
    }
    if (flags & ~(uint32_t)(RUN_PER_LAYER | RUN_MARKERS | RUN_FILL_INPUTS)) {
        return bad_argument(2, flags);
    }
    const uint32_t each = executor_results(&plan, options.per_layer);
    if (repeats * each > RESULT_CAPACITY) {
        return refuse(STATUS_TOO_MANY_RESULTS, 0, RESULT_CAPACITY);
    }
    result_count = 0;
    for (uint32_t i = 0; i < warmup + repeats; i++) {
        board_feed_watchdog();
        if (flags & RUN_FILL_INPUTS) {
            inputs_fill(&plan);
        }
        /* Warm-up runs write where the first counted one does. */
        const uint32_t at = i < warmup ? 0 : (i - warmup) * each;
        const struct status ended = executor_run(&plan, options, results + at);
        if (ended.code != STATUS_OK) {
            return (struct reply){ended, 0};
        }
    }
    result_count = repeats * each;
    memcpy(payload(), &result_count, sizeof result_count);
    return done(sizeof result_count);
}

static struct reply on_results_read(const struct request *request) {
    const uint32_t first = word(request, 0), count = word(request, 1);
    if (first > result_count) {
        return bad_argument(0, first);
    }
    if (count > result_count - first || count > MAX_PAYLOAD / sizeof results[0]) {
        return bad_argument(1, count);
    }
    memcpy(payload(), results + first, count * sizeof results[0]);
    return done((uint32_t)(count * sizeof results[0]));
}

static struct reply on_cycles(const struct request *request) {
    (void)request;
    const uint64_t cycles = timer_cycles();
    memcpy(payload(), &cycles, sizeof cycles);
    return done(sizeof cycles);
}

static struct reply on_reset(const struct request *request) {
    (void)request;
    return done(0);
}

struct handler {
    struct reply (*answer)(const struct request *);
    uint16_t least, most; /* bytes of the body */
};

static const struct handler handlers[] = {
    [MESSAGE_HELLO] = {on_hello, 0, 0},
    [MESSAGE_ECHO] = {on_echo, 0, MAX_BODY},
    [MESSAGE_PLAN_WRITE] = {on_plan_write, 8, MAX_BODY},
    [MESSAGE_PLAN_COMMIT] = {on_plan_commit, 0, 0},
    [MESSAGE_TENSOR_WRITE] = {on_tensor_write, 8, MAX_BODY},
    [MESSAGE_TENSOR_READ] = {on_tensor_read, 12, 12},
    [MESSAGE_RUN] = {on_run, 8, 8},
    [MESSAGE_RESULTS_READ] = {on_results_read, 8, 8},
    [MESSAGE_RESET] = {on_reset, 0, 0},
    [MESSAGE_CYCLES] = {on_cycles, 0, 0},
    [MESSAGE_MODEL_LOAD] = {on_model_load, 0, 0},
};

static struct reply answer(const struct request *request) {
    if (request->type >= sizeof handlers / sizeof handlers[0] ||
        handlers[request->type].answer == NULL) {
        return refuse(STATUS_UNKNOWN_MESSAGE, 0, request->type);
    }
    const struct handler *handler = &handlers[request->type];
    if (request->size < handler->least || request->size > handler->most) {
        return refuse(STATUS_BAD_LENGTH, 0, request->size);
    }
    return handler->answer(request);
}

static void send_response(void) {
    board_send(0);
    cobs_send(response, response_bytes, board_send);
    board_send(0);
}

/* Puts head, status and CRC around the payload that the handler left, and sends it. */
static void respond(uint8_t type, uint16_t id, struct reply reply) {
    const uint8_t head[HEAD_BYTES + STATUS_BYTES] = {
        PROTOCOL_VERSION,
        (uint8_t)(type | RESPONSE),
        (uint8_t)id,
        (uint8_t)(id >> 8),
        reply.status.code,
        0,
        (uint8_t)reply.status.reason,
        (uint8_t)(reply.status.reason >> 8),
        (uint8_t)reply.status.detail,
        (uint8_t)(reply.status.detail >> 8),
        (uint8_t)(reply.status.detail >> 16),
        (uint8_t)(reply.status.detail >> 24),
    };
    memcpy(response, head, sizeof head);
    const uint32_t covered = sizeof head + reply.payload_bytes;
    const uint32_t crc = crc32(response, covered);
    memcpy(response + covered, &crc, sizeof crc);
    response_bytes = covered + CRC_BYTES;
    send_response();
}

/* Answers the frame in `received`, where it is one. */
static void handle_frame(void) {
    const int32_t size = cobs_decode(received, received_bytes);
    if (size < (int32_t)(HEAD_BYTES + CRC_BYTES) || size > (int32_t)MAX_FRAME) {
        return;
    }
    const uint32_t covered = (uint32_t)size - CRC_BYTES;
    uint32_t crc;
    memcpy(&crc, received + covered, sizeof crc);
    if (crc != crc32(received, covered) || received[0] != PROTOCOL_VERSION) {
        return;
    }
    const struct request request = {
        .type = received[1],
        .id = (uint16_t)(received[2] | received[3] << 8),
        .body = received + HEAD_BYTES,
        .size = covered - HEAD_BYTES,
    };
    if (request.id == answered_id && crc == answered_crc && request.id != BANNER_ID) {
        send_response();
        return;
    }
    respond(request.type, request.id, answer(&request));
    answered_id = request.id;
    answered_crc = crc;
    if (request.type == MESSAGE_RESET && request.size == 0) {
        board_flush();
        core_reset();
    }
}

static void take_byte(uint8_t byte) {
    if (byte != 0) {
        if (received_bytes < sizeof received) {
            received[received_bytes++] = byte;
        } else {
            overlong = true;
        }
        return;
    }
    if (received_bytes != 0 && !overlong) {
        handle_frame();
    }
    received_bytes = 0;
    overlong = false;
}

_Noreturn void protocol_serve(const struct protocol_facts *given) {
    facts = given;
    respond(BANNER_TYPE, BANNER_ID, on_hello(NULL));
    for (;;) {
        uint8_t byte;
        board_feed_watchdog();
        if (board_receive(&byte)) {
            take_byte(byte);
        }
    }
}
