/* What compilers call for copies and fills, where no C library brings it: the names of the C
 * standard and those of Arm's run-time ABI (RTABI32, section 4.3.4). Words may be unaligned: the
 * cores that hwnas knows read and write them so (Armv7-M manual, A3.2.1). Compiled without
 * built-ins, or these loops would become calls of themselves. */
#define HWNAS_SHIM_MEMORY
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef uint32_t __attribute__((aligned(1), may_alias)) any_word;

void *memcpy(void *restrict destination, const void *restrict source, size_t size) {
    uint8_t *to = destination;
    const uint8_t *from = source;
    for (; size >= 16u; size -= 16u, to += 16, from += 16) {
        const uint32_t a = ((const any_word *)from)[0], b = ((const any_word *)from)[1];
        const uint32_t c = ((const any_word *)from)[2], d = ((const any_word *)from)[3];
        ((any_word *)to)[0] = a;
        ((any_word *)to)[1] = b;
        ((any_word *)to)[2] = c;
        ((any_word *)to)[3] = d;
    }
    for (; size >= 4u; size -= 4u, to += 4, from += 4) {
        *(any_word *)to = *(const any_word *)from;
    }
    for (; size != 0; size--) {
        *to++ = *from++;
    }
    return destination;
}

void *memset(void *destination, int value, size_t size) {
    uint8_t *to = destination;
    const uint32_t word = (uint8_t)value * 0x01010101u;
    for (; size >= 4u; size -= 4u, to += 4) {
        *(any_word *)to = word;
    }
    for (; size != 0; size--) {
        *to++ = (uint8_t)value;
    }
    return destination;
}

void __aeabi_memcpy(void *restrict to, const void *restrict from, size_t size) {
    memcpy(to, from, size);
}

void __aeabi_memset(void *to, size_t size, int value) {
    memset(to, value, size);
}

void __aeabi_memclr(void *to, size_t size) {
    memset(to, 0, size);
}

/* The same for pointers that are known to be aligned. */
void __aeabi_memcpy4(void *restrict to, const void *restrict from, size_t size)
    __attribute__((alias("__aeabi_memcpy")));
void __aeabi_memcpy8(void *restrict to, const void *restrict from, size_t size)
    __attribute__((alias("__aeabi_memcpy")));
void __aeabi_memset4(void *to, size_t size, int value) __attribute__((alias("__aeabi_memset")));
void __aeabi_memset8(void *to, size_t size, int value) __attribute__((alias("__aeabi_memset")));
void __aeabi_memclr4(void *to, size_t size) __attribute__((alias("__aeabi_memclr")));
void __aeabi_memclr8(void *to, size_t size) __attribute__((alias("__aeabi_memclr")));
