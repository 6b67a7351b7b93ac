#include "record_mutate.h"

#include <string.h>

#include "noise.h"
#include "plan.h"
#include "plan_repair.h"

#define MOST_RECORDS 32u
#define MOST_BYTES 16384u

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most);

/* A record as it lies in the input, with its head. */
struct record {
    const uint8_t *bytes;
    size_t size;
};

static size_t split(const uint8_t *data, size_t size, struct record *records) {
    size_t count = 0;
    while (size >= RECORD_HEAD_BYTES && count < MOST_RECORDS) {
        const size_t body = data[1] | (size_t)data[2] << 8, left = size - RECORD_HEAD_BYTES;
        const size_t taken = RECORD_HEAD_BYTES + (body < left ? body : left);
        records[count++] = (struct record){data, taken};
        data += taken;
        size -= taken;
    }
    return count;
}

static size_t mutate_plan(uint8_t *body, size_t size, size_t most, uint32_t *noise) {
    if (size < sizeof(struct plan_header) || noise_below(noise, 4u) == 0) {
        size = LLVMFuzzerMutate(body, size, most);
    } else {
        plan_change_field(body, size, noise);
    }
    if (size >= sizeof(struct plan_header) && noise_below(noise, 4u) != 0) {
        size = plan_repair(body, size, noise);
    }
    return size;
}

/* A request's type and id, and its arguments, which are 32-bit words. */
static size_t mutate_frame(uint8_t *body, size_t size, size_t most, uint32_t *noise) {
    static const uint32_t edges[] = {0, 1, 2, 63, 64, 255, 256, 640, 2040, 2041, 0xFFFF, 0xFFFFFFFF};
    const uint32_t head = 3u, words = size < head + 4u ? 0 : (uint32_t)(size - head) / 4u;
    if (words == 0 || noise_below(noise, 3u) == 0) {
        return LLVMFuzzerMutate(body, size, most);
    }
    uint8_t *at = body + head + 4u * noise_below(noise, words < 3u ? words : 3u);
    uint32_t value;
    memcpy(&value, at, sizeof value);
    switch (noise_below(noise, 3u)) {
    case 0:
        value = edges[noise_below(noise, sizeof edges / sizeof edges[0])];
        break;
    case 1:
        value += noise_below(noise, 129u) - 64u;
        break;
    default:
        value = noise_below(noise, 2100u);
    }
    memcpy(at, &value, sizeof value);
    return size;
}

static size_t mutate_record(const struct record *record, uint8_t *out, size_t most,
                            uint32_t *noise) {
    memcpy(out, record->bytes, record->size);
    uint8_t *body = out + RECORD_HEAD_BYTES;
    size_t size = record->size - RECORD_HEAD_BYTES;
    most -= RECORD_HEAD_BYTES;
    if (most == 0 || noise_below(noise, 16u) == 0) {
        out[0] = (uint8_t)noise_below(noise, RECORD_KINDS);
    } else if (out[0] % RECORD_KINDS == RECORD_PLAN) {
        size = mutate_plan(body, size, most, noise);
    } else if (out[0] % RECORD_KINDS == RECORD_RAW) {
        size = LLVMFuzzerMutate(body, size, most);
    } else {
        size = mutate_frame(body, size, most, noise);
    }
    out[1] = (uint8_t)size;
    out[2] = (uint8_t)(size >> 8);
    return RECORD_HEAD_BYTES + size;
}

size_t record_mutate(uint8_t *data, size_t size, size_t most, uint32_t *noise) {
    static uint8_t changed[MOST_BYTES], joined[MOST_BYTES];
    struct record records[MOST_RECORDS + 1u];
    size_t count = split(data, size, records);
    if (count == 0 || most > MOST_BYTES || size > most) {
        return LLVMFuzzerMutate(data, size, most);
    }
    const size_t room = most - size;
    struct record *chosen = &records[noise_below(noise, (uint32_t)count)];
    const size_t other = noise_below(noise, (uint32_t)count);
    switch (noise_below(noise, 8u)) {
    case 0: /* once more, at the end */
        if (chosen->size <= room) {
            records[count++] = *chosen;
        }
        break;
    case 1:
        *chosen = records[--count];
        break;
    case 2: {
        const struct record moved = *chosen;
        *chosen = records[other];
        records[other] = moved;
        break;
    }
    default:
        chosen->size = mutate_record(chosen, changed, chosen->size + room, noise);
        chosen->bytes = changed;
    }
    size_t end = 0;
    for (size_t i = 0; i < count; i++) {
        memcpy(joined + end, records[i].bytes, records[i].size);
        end += records[i].size;
    }
    memcpy(data, joined, end);
    return end;
}
