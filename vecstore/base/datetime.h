// SPDX-License-Identifier: Apache-2.0
/*
 * Dates and timestamps as Iceberg stores them (proleptic Gregorian calendar, UTC): days and
 * microseconds since 1970-01-01.
 */
#ifndef VS_BASE_DATETIME_H
#define VS_BASE_DATETIME_H

#include "vecstore/base/str.h"

// "2025-01-31" -> days.
enum vs_status vs_date_parse(struct vs_str text, int32_t *days_out, struct vs_error *err);
// "2025-01-31", "2025-01-31T10:20:30", "… 10:20:30.123456", with "Z" or "+02:00" -> microseconds
// UTC. has_zone_out (may be NULL) tells whether a zone was given; without one the text is taken as
// UTC.
enum vs_status vs_timestamp_parse(struct vs_str text,
                                  int64_t *micros_out,
                                  bool *has_zone_out,
                                  struct vs_error *err);
// The same to nanoseconds; INVALID outside of the years 1677 to 2262 that int64 holds.
enum vs_status vs_timestamp_ns_parse(struct vs_str text,
                                     int64_t *nanos_out,
                                     bool *has_zone_out,
                                     struct vs_error *err);
// "10:20:30", "10:20:30.123456" -> microseconds since midnight.
enum vs_status vs_time_parse(struct vs_str text, int64_t *micros_out, struct vs_error *err);
#define VS_DATETIME_TEXT_SIZE 40
void vs_date_format(int32_t days, char text_out[VS_DATETIME_TEXT_SIZE]); // 2025-01-31
// 2025-01-31T10:20:30.123456, fraction only when not zero; with_zone appends "Z" … "+00:00" is
// written as "Z".
void vs_timestamp_format(int64_t micros, bool with_zone, char text_out[VS_DATETIME_TEXT_SIZE]);
// The same with nine digits of a fraction that is not zero.
void vs_timestamp_ns_format(int64_t nanos, bool with_zone, char text_out[VS_DATETIME_TEXT_SIZE]);
// 10:20:30.123456, fraction only when not zero. Values that are no time of a day are written as
// they count (25:00:00, -00:00:01).
void vs_time_format(int64_t micros, char text_out[VS_DATETIME_TEXT_SIZE]);

#endif
