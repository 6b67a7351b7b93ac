/* Bytes to the serial protocol, as they come over the line or as frames with a right CRC.
 *
 * An input is u8 size of the workspace, then a list of records, u8 kind | u16 size | bytes:
 *   kind % 4 = 0  the bytes go onto the line as they are
 *              1  head (type, id) and body of a frame, to which version, CRC and coding are added
 *              2  the same frame twice, as the host sends it when no answer comes
 *              3  a plan, whose CRC is mended, written and committed
 */
#include <setjmp.h>
#include <stdlib.h>

#include "fence.h"
#include "noise.h"
#include "record_mutate.h"

/* The firmware keeps its state in static variables, which the start-up code clears. To clear them,
 * this file must see them. */
#include "protocol.c"

/* Small, so that plans come close to its end; a multiple of 16, as a board's is. */
#define WORKSPACE_BYTES(choice) (512u + 64u * (choice))
#define PARAMETER_BYTES 8192u
#define MOST_WORK 60000u
/* Times that the watchdog is fed without a byte that comes in. A long warm-up is cut short by this,
 * but two results of each repetition may still reach the end of their buffer. */
#define MOST_FEEDS 330u
#define CHUNK (MAX_PAYLOAD)

const volatile struct image_identity image_identity = {{1}, {2}};

enum leave { LEAVE_RESET = 1, LEAVE_END = 2 };
static jmp_buf outside;

/* The line to the board: what is left of the input, and of the record that is being sent. */
static const uint8_t *input;
static size_t input_bytes;
static uint8_t wire[8u * MAX_CODED];
static size_t wire_bytes, wire_sent;
static uint32_t feeds;
static uint16_t next_id;

static void wire_byte(uint8_t byte) {
    if (wire_bytes == sizeof wire) {
        abort(); /* this harness asks for too much */
    }
    wire[wire_bytes++] = byte;
}

static void wire_frame(uint8_t type, uint16_t id, const uint8_t *body, size_t size) {
    uint8_t frame[MAX_FRAME] = {PROTOCOL_VERSION, type, (uint8_t)id, (uint8_t)(id >> 8)};
    if (size != 0) {
        memcpy(frame + HEAD_BYTES, body, size);
    }
    const uint32_t crc = crc32(frame, HEAD_BYTES + size);
    memcpy(frame + HEAD_BYTES + size, &crc, sizeof crc);
    wire_byte(0);
    cobs_send(frame, HEAD_BYTES + size + CRC_BYTES, wire_byte);
    wire_byte(0);
}

static void wire_head_and_body(const uint8_t *bytes, size_t size) {
    if (size >= 3u && size - 3u <= MAX_BODY) {
        wire_frame(bytes[0], (uint16_t)(bytes[1] | bytes[2] << 8), bytes + 3, size - 3u);
    }
}

static void wire_plan(const uint8_t *bytes, size_t size) {
    static uint8_t copy[4u * CHUNK];
    if (size < sizeof(struct plan_header) || size > sizeof copy) {
        return;
    }
    memcpy(copy, bytes, size);
    const uint32_t crc = crc32(copy + sizeof(struct plan_header),
                               size - sizeof(struct plan_header));
    memcpy(copy + offsetof(struct plan_header, crc32), &crc, sizeof crc);
    for (size_t at = 0; at < size; at += CHUNK) {
        const size_t part = size - at < CHUNK ? size - at : CHUNK;
        uint8_t body[MAX_BODY];
        const uint32_t head[] = {(uint32_t)at, (uint32_t)size};
        memcpy(body, head, sizeof head);
        memcpy(body + sizeof head, copy + at, part);
        wire_frame(MESSAGE_PLAN_WRITE, ++next_id, body, sizeof head + part);
    }
    wire_frame(MESSAGE_PLAN_COMMIT, ++next_id, NULL, 0);
}

/* Puts the next record onto the line; false at the input's end. */
static bool next_record(void) {
    if (input_bytes < RECORD_HEAD_BYTES) {
        return false;
    }
    const uint8_t kind = input[0] % RECORD_KINDS;
    size_t size = input[1] | (size_t)input[2] << 8;
    input += RECORD_HEAD_BYTES;
    input_bytes -= RECORD_HEAD_BYTES;
    size = size < input_bytes ? size : input_bytes;
    size = size < 4u * CHUNK ? size : 4u * CHUNK;
    wire_bytes = wire_sent = 0;
    switch (kind) {
    case RECORD_RAW:
        memcpy(wire, input, size);
        wire_bytes = size;
        break;
    case RECORD_FRAME:
        wire_head_and_body(input, size);
        break;
    case RECORD_FRAME_TWICE:
        wire_head_and_body(input, size);
        wire_head_and_body(input, size);
        break;
    default:
        wire_plan(input, size);
    }
    input += size;
    input_bytes -= size;
    return true;
}

bool board_receive(uint8_t *byte) {
    feeds = 0;
    while (wire_sent == wire_bytes) {
        if (!next_record()) {
            longjmp(outside, LEAVE_END);
        }
    }
    *byte = wire[wire_sent++];
    return true;
}

/* Checks that no frame is longer than a host takes. */
void board_send(uint8_t byte) {
    static uint32_t run;
    run = byte == 0 ? 0 : run + 1u;
    if (run > MAX_CODED) {
        abort();
    }
}

void board_flush(void) {
}

void board_feed_watchdog(void) {
    if (++feeds > MOST_FEEDS) {
        longjmp(outside, LEAVE_RESET);
    }
}

_Noreturn void core_reset(void) {
    longjmp(outside, LEAVE_RESET);
}

uint64_t timer_cycles(void) {
    static uint64_t cycles;
    return cycles += 1000u;
}

/* As the start-up code does. Buffers keep what they hold: all of it has a length beside it. */
static void clear_state(void) {
    received_bytes = response_bytes = answered_crc = plan_total = plan_received = result_count = 0;
    overlong = plan_is_loaded = false;
    answered_id = 0;
    plan_bytes = NULL;
    plan = (struct plan){0};
}

static uint8_t *workspace, *pool;

/* Memories of exactly their size, with noise in them and a valid pool's header. */
static struct protocol_facts take_memories(uint32_t workspace_bytes) {
    const struct pool_header header = {POOL_MAGIC, POOL_VERSION, PARAMETER_BYTES, 1, {3}, {0}};
    const uint32_t pool_bytes = sizeof header + PARAMETER_BYTES;
    uint32_t noise = workspace_bytes;
    workspace = malloc(workspace_bytes);
    pool = malloc(pool_bytes);
    noise_fill(workspace, workspace_bytes, &noise);
    noise_fill(pool, pool_bytes, &noise);
    memcpy(pool, &header, sizeof header);
    return (struct protocol_facts){
        .memory = {.arena = workspace,
                   .workspace_bytes = workspace_bytes,
                   .parameters = pool + sizeof header,
                   .parameter_bytes = PARAMETER_BYTES},
        .features = FEATURE_CYCLE_COUNTER,
    };
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct protocol_facts given;
    if (size == 0) {
        return 0;
    }
    given = take_memories(WORKSPACE_BYTES(data[0]));
    input = data + 1;
    input_bytes = size - 1u;
    wire_bytes = wire_sent = 0;
    next_id = 0;
    fence_allow(MOST_WORK);
    if (setjmp(outside) == LEAVE_END) {
        free(workspace);
        free(pool);
        return 0;
    }
    /* Now, and again after each reset. */
    clear_state();
    feeds = 0;
    protocol_serve(&given);
}

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed);

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed) {
    uint32_t noise = seed | 1u;
    if (size < 2u || noise_below(&noise, 8u) == 0) {
        return LLVMFuzzerMutate(data, size, most);
    }
    if (noise_below(&noise, 16u) == 0) {
        data[0] = (uint8_t)noise_next(&noise);
    }
    return 1u + record_mutate(data + 1, size - 1u, most - 1u, &noise);
}
