/* What hwnas derives from a board's file, for the host. Nothing is ever read at these addresses. */
#ifndef HWNAS_BOARD_FACTS_H
#define HWNAS_BOARD_FACTS_H

#define HWNAS_BOARD_NAME "host"
#define HWNAS_CLOCK_HZ 1000000u
#define HWNAS_FLASH_BASE 0x08000000u
#define HWNAS_FLASH_BYTES 0x100000u
#define HWNAS_RAM_BASE 0x20000000u
#define HWNAS_RAM_BYTES 0x50000u

#endif
