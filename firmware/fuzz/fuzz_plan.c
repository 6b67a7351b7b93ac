/* Plans to plan_check, and those that pass to the kernels.
 *
 * An input is u8 flags | u8 seed | plan. Flag 1 leaves the CRC in the header as it is; else it is
 * mended, since no fuzzer guesses it. Flag 2 gives the memories of a board, where the limits of 16
 * bits are reached; else they are small, which is faster. Arena, parameters, plan and results lie in
 * heap blocks of exactly their size, filled with noise from the seed, or with extreme values. */
#include <stddef.h>
#include <stdlib.h>

#include "crc32.h"
#include "executor.h"
#include "fence.h"
#include "inputs.h"
#include "noise.h"
#include "plan_check.h"
#include "plan_repair.h"

#define HEAD_BYTES 2u
#define FLAG_KEEP_CRC 1u
#define FLAG_LARGE 2u
#define FIRST_EXTREME 240u
#define SMALL_BYTES (16u * 1024u)
#define LARGE_BYTES (384u * 1024u)
#define MOST_WORK 200000u

uint64_t timer_cycles(void) {
    static uint64_t cycles;
    return cycles += 1000u;
}

static void seal(uint8_t *plan, size_t size) {
    if (size >= sizeof(struct plan_header)) {
        const uint32_t crc = crc32(plan + sizeof(struct plan_header),
                                   size - sizeof(struct plan_header));
        memcpy(plan + offsetof(struct plan_header, crc32), &crc, sizeof crc);
    }
}

/* The last few seeds stand for extreme values instead of noise. */
static uint8_t *block(uint32_t bytes, uint8_t seed) {
    static const uint8_t extremes[] = {0x00, 0x7F, 0x80, 0xFF};
    uint8_t *start = malloc(bytes);
    if (seed >= FIRST_EXTREME) {
        memset(start, extremes[seed % sizeof extremes], bytes);
    } else {
        uint32_t noise = 1u + seed;
        noise_fill(start, bytes, &noise);
    }
    return start;
}

static void run(struct plan *plan, uint8_t seed) {
    uint8_t *parameters = block(plan->header->parameter_bytes, seed);
    plan->arena = block(plan->header->arena_bytes, seed);
    plan->parameters = parameters;
    const struct run_options options = {.per_layer = seed & 1u, .markers = true};
    uint64_t *results = malloc(executor_results(plan, options.per_layer) * sizeof *results);
    if (seed < FIRST_EXTREME) {
        inputs_fill(plan);
    }
    fence_allow(MOST_WORK);
    executor_run(plan, options, results);
    free(results);
    free(plan->arena);
    free(parameters);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < HEAD_BYTES) {
        return 0;
    }
    const uint8_t flags = data[0];
    const uint8_t seed = data[1];
    const uint32_t bytes = (uint32_t)(size - HEAD_BYTES);
    uint8_t *copy = malloc(bytes);
    memcpy(copy, data + HEAD_BYTES, bytes);
    if (!(flags & FLAG_KEEP_CRC)) {
        seal(copy, bytes);
    }
    const uint32_t most = flags & FLAG_LARGE ? LARGE_BYTES : SMALL_BYTES;
    const struct plan_memory memory = {
        .arena_bytes = most, .workspace_bytes = most, .parameter_bytes = most};
    struct plan plan;
    if (plan_check(copy, bytes, &memory, &plan).code == STATUS_OK) {
        run(&plan, seed);
    }
    free(copy);
    return 0;
}

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed);

/* Half of the mutants are what libFuzzer makes of the bytes, half have a few fields changed. Most
 * of all get their sizes and offsets mended, so that they are plans that run. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed) {
    uint32_t noise = seed | 1u;
    if (noise_below(&noise, 2u) == 0 || size < HEAD_BYTES + sizeof(struct plan_header)) {
        size = LLVMFuzzerMutate(data, size, most);
    } else {
        for (uint32_t i = 0; i <= noise_below(&noise, 3u); i++) {
            plan_change_field(data + HEAD_BYTES, size - HEAD_BYTES, &noise);
        }
    }
    if (size >= HEAD_BYTES + sizeof(struct plan_header) && noise_below(&noise, 4u) != 0) {
        data[0] &= FLAG_LARGE;
        if (noise_below(&noise, 8u) == 0) {
            data[1] = (uint8_t)noise_next(&noise);
        }
        if (noise_below(&noise, 16u) == 0) {
            data[0] ^= FLAG_LARGE;
        }
        size = HEAD_BYTES + plan_repair(data + HEAD_BYTES, size - HEAD_BYTES, &noise);
    }
    return size;
}
