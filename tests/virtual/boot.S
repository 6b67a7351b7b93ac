@ Brings an STM32L496 up the way firmware does: 80 MHz through the PLL, LPUART1 at 921,600 baud on
@ PG7 and PG8, the cycle counter on. Then runs main, and answers each byte b with b + 1.
    .syntax unified
    .thumb

    .macro  set address, value
    ldr     r0, =\address
    ldr     r1, =\value
    str     r1, [r0]
    .endm

    .section .vectors, "a"
    .word   0x20050000
    .word   boot + 1

    .text
    .global boot
    .type   boot, %function
    .thumb_func
boot:
    set     0xE000ED88, 0x00F00000      @ CPACR: FPU on
    set     0x40021058, 0x10000000      @ RCC_APB1ENR1: PWR
    set     0x40007004, 0x00000200      @ PWR_CR2: IOSV
    set     0x40022000, FLASH_ACR       @ 4 wait states, caches on
1:  ldr     r2, [r0]
    cmp     r1, r2
    bne     1b
    set     0x4002100C, PLLCFGR
    set     0x40021000, 0x01000063      @ RCC_CR: PLL on
2:  ldr     r1, [r0]
    tst     r1, #0x02000000
    beq     2b
    set     0x40021008, 3               @ RCC_CFGR: SYSCLK from the PLL
3:  ldr     r1, [r0]
    and     r1, #0xC
    cmp     r1, #0xC
    bne     3b
    set     0x4002104C, 0x68            @ RCC_AHB2ENR: ports D, F, G
    set     0x4002105C, 1               @ RCC_APB1ENR2: LPUART1
    set     0x48001800, MODER_G         @ PG7 and PG8: alternate function
    set     0x48001820, 0x80000000      @ PG7: LPUART1_TX
    set     0x48001824, 0x00000008      @ PG8: LPUART1_RX
    set     0x48000C00, 0xFFF5FFFF      @ PD8 and PD9: outputs
    set     0x4000800C, BRR
    set     0x40008000, 0x0000000D      @ LPUART_CR1: UE, RE, TE
    set     0xE000EDFC, 0x01000000      @ DEMCR: TRCENA
    set     0xE0001000, 0x00000001      @ DWT_CTRL: CYCCNTENA
    bl      main
    ldr     r4, =0x40008000
serve:
    ldr     r0, [r4, #0x1C]
    tst     r0, #0x20
    beq     serve
    ldr     r1, [r4, #0x24]
    adds    r1, #1
    strb    r1, [r4, #0x28]
    b       serve
    .size   boot, . - boot
    .pool
