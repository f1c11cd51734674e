// SPDX-License-Identifier: Apache-2.0
#include "api/http/watchdog.h"

#include <pthread.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define TICK_MS 50
#define LINGER_TICK_MS 2
#define LINGER_MAX 64
#define LINGER_NS 2000000000LL
#define LINGER_READS 64 // of LINGER_READ_BYTES each, per tick and socket
#define LINGER_READ_BYTES 65536

// `due` is the deadline in nanoseconds with its lowest bit set when the peer is to be told; 0 for
// none; FIRED once it has passed.
#define FIRED INT64_C(-1)

struct lingering {
    int fd;
    int64_t until_ns;
};

struct vs_watchdog {
    const struct vs_env *env;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    bool stopping;
    struct vs_watched head; // of a ring
    struct lingering lingering[LINGER_MAX];
    size_t lingering_count;
    char scratch[LINGER_READ_BYTES];
};

static const char too_slow[] =
    "HTTP/1.1 408 Request Timeout\r\nContent-Type: application/json\r\nConnection: "
    "close\r\nCache-Control: no-store\r\n"
    "Content-Length: 128\r\n\r\n"
    "{\"error\":{\"code\":\"request_timeout\",\"message\":\"the request did not arrive in "
    "time\",\"reason\":\"TIMEOUT\",\"request_id\":"
    "\"unassigned\"}}";

static int64_t encode(int64_t due_ns, bool tell)
{
    return due_ns == 0 ? 0 : ((due_ns & ~INT64_C(1)) | tell);
}

static void fire(struct vs_watched *entry, int64_t due)
{
    if (!atomic_compare_exchange_strong(&entry->due, &due, FIRED)) {
        return; // the phase ended just now
    }
    if ((due & 1) != 0) {
        ssize_t sent = send(entry->fd, too_slow, sizeof too_slow - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
        (void)sent; // a peer that is gone is what we want
    }
    shutdown(entry->fd, SHUT_RDWR);
}

static void check_deadlines(struct vs_watchdog *watchdog, int64_t now)
{
    for (struct vs_watched *entry = watchdog->head.next; entry != &watchdog->head;
         entry = entry->next) {
        int64_t due = atomic_load(&entry->due);
        if (due > 0 && due <= now) {
            fire(entry, due);
        }
    }
}

// True when the socket is done with.
static bool drain(struct vs_watchdog *watchdog, const struct lingering *one, int64_t now)
{
    for (int i = 0; i < LINGER_READS; i++) {
        ssize_t n = recv(one->fd, watchdog->scratch, sizeof watchdog->scratch, MSG_DONTWAIT);
        if (n == 0) {
            return true;
        }
        if (n < 0) {
            break;
        }
    }
    return now >= one->until_ns;
}

static void drain_all(struct vs_watchdog *watchdog, int64_t now)
{
    size_t kept = 0;
    for (size_t i = 0; i < watchdog->lingering_count; i++) {
        struct lingering one = watchdog->lingering[i];
        if (drain(watchdog, &one, now)) {
            close(one.fd);
        } else {
            watchdog->lingering[kept++] = one;
        }
    }
    watchdog->lingering_count = kept;
}

static void wait_tick(struct vs_watchdog *watchdog)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += (watchdog->lingering_count > 0 ? LINGER_TICK_MS : TICK_MS) * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_nsec -= 1000000000L;
        until.tv_sec++;
    }
    pthread_cond_timedwait(&watchdog->wake, &watchdog->mutex, &until);
}

static void *watch(void *ctx)
{
    struct vs_watchdog *watchdog = ctx;
    pthread_mutex_lock(&watchdog->mutex);
    while (!watchdog->stopping) {
        wait_tick(watchdog);
        int64_t now = vs_monotonic_ns(watchdog->env);
        check_deadlines(watchdog, now);
        drain_all(watchdog, now);
    }
    pthread_mutex_unlock(&watchdog->mutex);
    return NULL;
}

enum vs_status vs_watchdog_start(const struct vs_env *env,
                                 struct vs_watchdog **watchdog_out,
                                 struct vs_error *err)
{
    struct vs_watchdog *watchdog = vs_alloc_zeroed(env, 1, sizeof *watchdog);
    pthread_condattr_t attributes;
    if (watchdog == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for the server's deadlines");
    }
    watchdog->env = env;
    watchdog->head.next = watchdog->head.previous = &watchdog->head;
    pthread_mutex_init(&watchdog->mutex, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&watchdog->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    int error = pthread_create(&watchdog->thread, NULL, watch, watchdog);
    if (error != 0) {
        pthread_cond_destroy(&watchdog->wake);
        pthread_mutex_destroy(&watchdog->mutex);
        vs_free(env, watchdog);
        return vs_fail_errno(err, error, "no thread for the server's deadlines");
    }
    *watchdog_out = watchdog;
    return VS_OK;
}

void vs_watchdog_stop(struct vs_watchdog *watchdog)
{
    if (watchdog == NULL) {
        return;
    }
    pthread_mutex_lock(&watchdog->mutex);
    watchdog->stopping = true;
    pthread_cond_signal(&watchdog->wake);
    pthread_mutex_unlock(&watchdog->mutex);
    pthread_join(watchdog->thread, NULL);
    for (size_t i = 0; i < watchdog->lingering_count; i++) {
        close(watchdog->lingering[i].fd);
    }
    pthread_cond_destroy(&watchdog->wake);
    pthread_mutex_destroy(&watchdog->mutex);
    vs_free(watchdog->env, watchdog);
}

void vs_watchdog_add(
    struct vs_watchdog *watchdog, struct vs_watched *entry, int fd, int64_t due_ns, bool tell)
{
    entry->fd = fd;
    atomic_store(&entry->due, encode(due_ns, tell));
    pthread_mutex_lock(&watchdog->mutex);
    entry->next = &watchdog->head;
    entry->previous = watchdog->head.previous;
    entry->previous->next = entry;
    watchdog->head.previous = entry;
    pthread_mutex_unlock(&watchdog->mutex);
}

bool vs_watchdog_arm(struct vs_watched *entry, int64_t due_ns, bool tell)
{
    int64_t now = atomic_load(&entry->due), next = encode(due_ns, tell);
    while (now != FIRED) {
        if (atomic_compare_exchange_weak(&entry->due, &now, next)) {
            return true;
        }
    }
    return false;
}

void vs_watchdog_remove(struct vs_watchdog *watchdog, struct vs_watched *entry)
{
    pthread_mutex_lock(&watchdog->mutex);
    entry->previous->next = entry->next;
    entry->next->previous = entry->previous;
    pthread_mutex_unlock(&watchdog->mutex);
}

void vs_watchdog_linger(struct vs_watchdog *watchdog, int fd)
{
    shutdown(fd, SHUT_WR);
    pthread_mutex_lock(&watchdog->mutex);
    bool room = watchdog->lingering_count < LINGER_MAX;
    if (room) {
        watchdog->lingering[watchdog->lingering_count++] =
            (struct lingering){fd, vs_monotonic_ns(watchdog->env) + LINGER_NS};
        pthread_cond_signal(&watchdog->wake);
    }
    pthread_mutex_unlock(&watchdog->mutex);
    if (!room) {
        close(fd);
    }
}
