// SPDX-License-Identifier: Apache-2.0
/*
 * Replays a fuzz target without a fuzzer: `replay_X [-n MUTATIONS] FILE…`.
 *
 * Every input is run as it is, cut short at a spread of lengths, and in MUTATIONS versions damaged
 * by a generator that is seeded from the input's own bytes, so that a failure repeats on every
 * machine. Folders are searched with their subfolders; with -s only names that end in SUFFIX are
 * taken. Besides the given inputs, a few that need no file are run: nothing, zeros, 0xff and noise.
 *
 * Each input lies in a heap block of exactly its length, so that AddressSanitizer sees a read of
 * one byte too many. On a crash the name of the input and the number of the mutation have been
 * printed: the target runs after the line "running …" went out, when REPLAY_VERBOSE is set.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    MAX_INPUT_BYTES = 1 << 20, // larger golden files are for other tests
    TRUNCATIONS = 64,
    NOISE_BYTES = 4096,
};

struct replay {
    uint64_t mutation_count;
    uint64_t file_count;
    uint64_t run_count;
    bool verbose;
};

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static size_t random_below(uint64_t *state, size_t bound)
{
    return bound == 0 ? 0 : (size_t)(next_random(state) % bound);
}

static uint64_t hash_bytes(const uint8_t *data, size_t size)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < size; i++) {
        hash = (hash ^ data[i]) * 0x100000001b3u;
    }
    return hash == 0 ? 1 : hash;
}

static void run_bytes(struct replay *replay, const uint8_t *data, size_t size)
{
    uint8_t *exact = malloc(size == 0 ? 1 : size);
    if (exact == NULL) {
        fprintf(stderr, "replay: out of memory for an input of %zu bytes\n", size);
        exit(1);
    }
    if (size > 0) {
        memcpy(exact, data, size);
    }
    (void)LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    replay->run_count++;
}

/* Numbers that upset length and offset arithmetic, written over 1, 2, 4 or 8 bytes. */
static void put_extreme(uint8_t *bytes, size_t size, uint64_t *state)
{
    static const uint64_t extremes[] = {
        0,          1,         0x7f,       0x80,       0xff,
        0x7fff,     0xffff,    0x7fffffff, 0x80000000, 0xffffffff,
        UINT64_MAX, INT64_MAX, 1u << 20,   1u << 30,   (uint64_t)INT64_MAX + 1,
    };
    uint64_t value = extremes[random_below(state, sizeof extremes / sizeof extremes[0])];
    size_t width = (size_t)1 << random_below(state, 4);
    size_t at = random_below(state, size);
    for (size_t i = 0; i < width && at + i < size; i++) {
        bytes[at + i] = (uint8_t)(value >> (8 * i));
    }
}

/* One damage; returns the new size. The block has room for twice the original. */
static size_t damage(uint8_t *bytes, size_t size, size_t room, uint64_t *state)
{
    if (size == 0) {
        bytes[0] = (uint8_t)next_random(state);
        return 1;
    }
    size_t at = random_below(state, size);
    size_t count = 1 + random_below(state, size - at < 64 ? size - at : 64);
    switch (next_random(state) % 7) {
    case 0: // flip a bit
        bytes[at] ^= (uint8_t)(1u << random_below(state, 8));
        return size;
    case 1: // any byte
        bytes[at] = (uint8_t)next_random(state);
        return size;
    case 2: // an extreme number
        put_extreme(bytes, size, state);
        return size;
    case 3: // cut the end off
        return at;
    case 4: // take a piece out
        memmove(bytes + at, bytes + at + count, size - at - count);
        return size - count;
    case 5: // repeat a piece
        if (size + count > room) {
            return size;
        }
        memmove(bytes + at + count, bytes + at, size - at);
        return size + count;
    default: // copy a piece over another place
        memmove(bytes + random_below(state, size - count + 1), bytes + at, count);
        return size;
    }
}

static void run_mutations(struct replay *replay, const uint8_t *data, size_t size)
{
    size_t room = size * 2 + 64;
    uint8_t *bytes = malloc(room);
    if (bytes == NULL) {
        fprintf(stderr, "replay: out of memory for an input of %zu bytes\n", room);
        exit(1);
    }
    for (uint64_t i = 0; i < replay->mutation_count; i++) {
        uint64_t state = hash_bytes(data, size) + i * 0x9e3779b97f4a7c15u;
        state = state == 0 ? 1 : state;
        if (size > 0) {
            memcpy(bytes, data, size);
        }
        size_t length = size;
        for (size_t rounds = 1 + random_below(&state, 4); rounds > 0; rounds--) {
            length = damage(bytes, length, room, &state);
        }
        if (replay->verbose) {
            printf("mutation %llu, %zu bytes\n", (unsigned long long)i, length);
            (void)fflush(stdout);
        }
        run_bytes(replay, bytes, length);
    }
    free(bytes);
}

static void run_input(struct replay *replay, const char *name, const uint8_t *data, size_t size)
{
    if (replay->verbose) {
        printf("running %s, %zu bytes\n", name, size);
        (void)fflush(stdout);
    }
    run_bytes(replay, data, size);
    for (size_t i = 0; i < TRUNCATIONS && i < size; i++) {
        run_bytes(replay, data, size * i / TRUNCATIONS);
    }
    run_mutations(replay, data, size);
}

static bool replay_file(struct replay *replay, const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        fprintf(stderr, "replay: cannot open %s: %s\n", path, strerror(errno));
        return false;
    }
    bool read_all = false;
    uint8_t *data = malloc(MAX_INPUT_BYTES + 1);
    if (data != NULL) {
        size_t size = fread(data, 1, MAX_INPUT_BYTES + 1, file);
        read_all = ferror(file) == 0;
        if (read_all && size <= MAX_INPUT_BYTES) {
            run_input(replay, path, data, size);
            replay->file_count++;
        }
    }
    free(data);
    if (fclose(file) != 0 || !read_all) {
        fprintf(stderr, "replay: cannot read %s\n", path);
        return false;
    }
    return true;
}

static void replay_built_in(struct replay *replay)
{
    uint8_t bytes[NOISE_BYTES] = {0};
    run_input(replay, "(nothing)", bytes, 0);
    run_input(replay, "(zeros)", bytes, 256);
    memset(bytes, 0xff, sizeof bytes);
    run_input(replay, "(ones)", bytes, 256);
    uint64_t state = 42;
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)(next_random(&state) >> 32);
    }
    run_input(replay, "(noise)", bytes, sizeof bytes);
}

int main(int argc, char **argv)
{
    struct replay replay = {.mutation_count = 100};
    replay.verbose = getenv("REPLAY_VERBOSE") != NULL; // NOLINT(concurrency-mt-unsafe): one thread
    bool good = true;
    replay_built_in(&replay);
    for (int i = 1; i < argc && good; i++) {
        if (strcmp(argv[i], "-n") == 0 && i + 1 < argc) {
            replay.mutation_count = strtoull(argv[++i], NULL, 10);
        } else {
            good = replay_file(&replay, argv[i]);
        }
    }
    printf("%llu files, %llu inputs run\n", (unsigned long long)replay.file_count,
           (unsigned long long)replay.run_count);
    return good ? 0 : 1;
}
