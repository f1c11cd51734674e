// SPDX-License-Identifier: Apache-2.0
/*
 * An HTTP server on loopback that does what a list of steps says and records what it was asked.
 *
 * A request takes the first step that matches it and is not used up; without one it is answered
 * with status 599. Steps are borrowed until stop. One thread per connection; every function may be
 * called from any thread. Recorded requests live until stop.
 */
#ifndef VS_TESTS_SCRIPTED_SERVER_H
#define VS_TESTS_SCRIPTED_SERVER_H

#include <stdbool.h>
#include <stddef.h>

enum scripted_act {
    SCRIPTED_ANSWER,       // status, headers, body
    SCRIPTED_ANSWER_CLOSE, // the same, then the connection ends
    SCRIPTED_CLOSE,        // reads the request, answers nothing, ends the connection
    SCRIPTED_CUT,   // announces the whole body, sends cut_at bytes of it, ends the connection
    SCRIPTED_STALL, // reads the request, says nothing until the other side or the test ends
    SCRIPTED_RAW,   // sends the body as it is, head and all, and ends the connection
};

struct scripted_step {
    const char *match; // part of "METHOD target"; NULL: every request
    enum scripted_act act;
    int status;          // 0: 200
    const char *headers; // "Name: value\r\n…"; NULL: none
    const char *body;    // NULL: empty
    size_t body_len;     // 0: up to the NUL
    size_t cut_at;
    int delay_ms;     // before the answer
    bool repeat;      // is never used up
    bool same_socket; // only for a second or later request of a connection
};

struct scripted_request {
    const char *method;
    const char *target; // path and query
    const char *head;   // the header lines, "Name: value\r\n…"
    const char *body;
    size_t body_len;
    int connection; // number of the connection, from 0
};

struct scripted_server;

// NULL when no socket can be had.
struct scripted_server *scripted_start(const struct scripted_step *steps, size_t count);
void scripted_stop(struct scripted_server *server); // accepts NULL
int scripted_port(const struct scripted_server *server);
// "http://127.0.0.1:PORT" + path, in text.
void scripted_url(const struct scripted_server *server, const char *path, char *text, size_t size);
size_t scripted_request_count(struct scripted_server *server);
// The n-th request in the order of arrival; NULL when there were fewer.
const struct scripted_request *scripted_request_at(struct scripted_server *server, size_t n);
// The value of a header (any case) copied to text; false when absent.
bool scripted_header(const struct scripted_request *request,
                     const char *name,
                     char *text,
                     size_t size);
int scripted_connection_count(struct scripted_server *server);
int scripted_parallel_peak(struct scripted_server *server); // requests being handled at one time

#endif
