// SPDX-License-Identifier: Apache-2.0
// CPUID says what the processor can do, XCR0 which registers the operating system saves; both must
// agree.
#include "simd/cpu.h"

#include <pthread.h>
#include <stdint.h>
#include <string.h>

static struct vs_cpu cpu;
static pthread_once_t cpu_once = PTHREAD_ONCE_INIT;

#if defined(__x86_64__) || defined(__i386__)
#    include <cpuid.h>

static uint64_t read_xcr0(void)
{
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

static void read_brand(void)
{
    uint32_t regs[12];
    if ((uint32_t)__get_cpuid_max(0x80000000u, NULL) < 0x80000004u) {
        return;
    }
    for (uint32_t i = 0; i < 3; i++) {
        uint32_t *part = regs + (size_t)4 * i;
        __get_cpuid(0x80000002u + i, &part[0], &part[1], &part[2], &part[3]);
    }
    char text[sizeof regs + 1];
    memcpy(text, regs, sizeof regs);
    text[sizeof regs] = '\0';
    size_t start = strspn(text, " "), len = strlen(text + start);
    while (len > 0 && text[start + len - 1] == ' ') {
        len--;
    }
    memcpy(cpu.brand, text + start, len);
}

static void read_cpu(void)
{
    uint32_t a = 0, b = 0, c = 0, d = 0;
    if (__get_cpuid(1, &a, &b, &c, &d) == 0) {
        return;
    }
    uint32_t family = a >> 8 & 15, model = a >> 4 & 15;
    if (family == 15 || family == 6) {
        model |= (a >> 16 & 15) << 4;
    }
    if (family == 15) {
        family += a >> 20 & 255;
    }
    cpu.family = (int)family;
    cpu.model = (int)model;
    read_brand();
    bool has_osxsave = (c >> 27 & 1) != 0, has_avx = (c >> 28 & 1) != 0;
    bool has_f16c = (c >> 29 & 1) != 0, has_popcnt = (c >> 23 & 1) != 0;
    if (!has_osxsave || !has_avx || __get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) {
        return;
    }
    uint64_t xcr0 = read_xcr0();
    bool saves_ymm = (xcr0 & 0x06) == 0x06; // SSE and AVX state
    bool saves_zmm = (xcr0 & 0xe6) == 0xe6; // and opmask, ZMM_Hi256, Hi16_ZMM
    cpu.avx2 = saves_ymm && has_f16c && has_popcnt && (b >> 5 & 1) != 0;
    bool avx512f = saves_zmm && (b >> 16 & 1) != 0;
    cpu.avx512bw = avx512f && (b >> 30 & 1) != 0 && (b >> 31 & 1) != 0; // BW and VL
    cpu.avx512vbmi = cpu.avx512bw && (c >> 1 & 1) != 0;
    cpu.avx512vnni = cpu.avx512bw && (c >> 11 & 1) != 0;
}

#else

static void read_cpu(void)
{
#    if defined(__aarch64__)
    cpu.neon = true; // part of the base architecture
    memcpy(cpu.brand, "aarch64", sizeof "aarch64");
#    endif
}

#endif

const struct vs_cpu *vs_cpu_get(void)
{
    pthread_once(&cpu_once, read_cpu);
    return &cpu;
}
