/* What the image is. hwnas writes the hashes into the linked image; see hwnas/firmware. */
#ifndef HWNAS_IDENTITY_H
#define HWNAS_IDENTITY_H

#include <stdint.h>

struct image_identity {
    uint8_t measured_code_sha256[32];
    uint8_t image_sha256[32];
};

extern const volatile struct image_identity image_identity;

/* Stands right before the parameter region, written together with the pool. */
struct pool_header {
    uint32_t magic;
    uint32_t version;
    uint32_t bytes;
    uint32_t seed;
    uint8_t sha256[32];
    uint32_t reserved[4];
};

#define POOL_MAGIC 0x4C505748u /* the bytes HWPL */
#define POOL_VERSION 2u

_Static_assert(sizeof(struct pool_header) == 64, "pool header");

#endif
