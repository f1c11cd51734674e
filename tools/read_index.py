#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reads an index file by docs/format/index-v1.md alone and checks it: footer, descriptor, checksums, directory, coverage, rows and vectors.

Usage: read_index.py FILE.puffin          prints a JSON summary; exit status 1 with a sentence when something is wrong.
Independent of the C code; standard library only.
"""
import json
import math
import struct
import sys

TABLE = []
for byte in range(256):
    for _ in range(8):
        byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
    TABLE.append(byte)


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = TABLE[(crc ^ byte) & 255] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def need(condition, message):
    if not condition:
        raise ValueError(message)


def align64(x):
    return (x + 63) // 64 * 64


def read_footer(data):
    need(data[:4] == b"PFA1" and data[-4:] == b"PFA1", "magic of the Puffin file")
    size, flags = struct.unpack("<iI", data[-12:-4])
    need(flags == 0, "footer is compressed")
    start = len(data) - 12 - size
    need(data[start - 4 : start] == b"PFA1", "magic of the footer")
    return json.loads(data[start : start + size])


def read_descriptor(data, footer):
    found = [blob for blob in footer["blobs"] if blob["type"] == "vecstore-descriptor-v1"]
    need(len(found) == 1, "one descriptor")
    text = data[found[0]["offset"] : found[0]["offset"] + found[0]["length"]]
    need(int(found[0]["properties"]["crc32c"], 16) == crc32c(text), "checksum of the descriptor")
    descriptor = json.loads(text)
    need(descriptor["format"] == "vecstore-index" and descriptor["version"] in (1, 2), "format and version")
    need(descriptor["required-features"] == [], "required features")
    need(found[0]["snapshot-id"] == descriptor["snapshot-id"], "snapshot id")
    return descriptor


class Blobs:
    def __init__(self, data, footer, descriptor):
        in_footer = {(b["type"], b["offset"], b["length"]) for b in footer["blobs"]}
        self.parts = {}
        for blob in descriptor["blobs"]:
            need((blob["type"], blob["offset"], blob["length"]) in in_footer, f"{blob['type']} is in the footer")
            need(blob["offset"] % 64 == 0, f"{blob['type']} is aligned")
            part = data[blob["offset"] : blob["offset"] + blob["length"]]
            need(crc32c(part) == blob["crc32c"], f"checksum of {blob['type']}")
            self.parts[blob["type"], blob["segment"], blob["field-id"]] = part

    def get(self, name, segment, field):
        return self.parts[f"vecstore-{name}-v1", segment, field]


def section(part, magic, count):
    need(part[:8] == magic.ljust(8, b"\0"), f"magic {magic}")
    version, header, length = struct.unpack_from("<IIQ", part, 8)
    need((version, header, length) == (1, 64, len(part)), f"header of {magic}")
    need(crc32c(part[:60]) == struct.unpack_from("<I", part, 60)[0], f"checksum of the header {magic}")
    return struct.unpack_from(f"<{count}I", part, 24)


def codes_of(codes, m, entry):
    """The m codes of one entry: block entry // 32, low nibbles are entries 0..15, high ones 16..31."""
    block, lane = divmod(entry, 32)
    shift = 0 if lane < 16 else 4
    return [codes[block * 16 * m + 16 * s + lane % 16] >> shift & 15 for s in range(m)]


def check_lists(blobs, number, segment, column, part):
    field, dim = column["field-id"], column["dimension"]
    hot, lists, rows = (blobs.get(name, number, field) for name in ("hot", "lists", "rows"))
    list_count, m, entries, slots, flags, directory_crc = section(hot, b"VSHOT", 6)
    need((list_count, m) == (column["lists"], column["m"]), "lists and m of the directory")
    need(crc32c(hot[64:]) == directory_crc and len(hot) == 64 + 64 * list_count, "directory")
    need(section(lists, b"VSLISTS", 2) == (entries, m), "header of lists")
    stride = align64(dim)
    need(section(rows, b"VSROWS", 3) == (slots, dim, stride), "header of rows")
    facts_at = 64 + slots * stride
    need(len(rows) == facts_at + 16 * slots, "length of rows")
    offset, slot, covered, seen_rows = 64, 0, [0] * slots, set()
    for i in range(list_count):
        at, n, list_crc, first, own, rows_crc, facts_crc, radius = struct.unpack_from("<QIIIIIIf", hot, 64 + 64 * i)
        need((at, first) == (offset, slot) and math.isfinite(radius), f"list {i} follows the one before")
        code_bytes = (n + 31) // 32 * 16 * m
        need(crc32c(lists[at : at + code_bytes + 4 * n]) == list_crc, f"checksum of list {i}")
        need(crc32c(rows[64 + first * stride : 64 + (first + own) * stride]) == rows_crc, f"checksum of the rows of list {i}")
        need(crc32c(rows[facts_at + 16 * first : facts_at + 16 * (first + own)]) == facts_crc, f"checksum of the facts of list {i}")
        references = struct.unpack_from(f"<{n}I", lists, at + code_bytes)
        for reference in references:
            covered[reference] += 1
        need(references[:own] == tuple(range(first, first + own)), f"entries of the slots of list {i}")
        need(all(a < b for a, b in zip(references[own:], references[own + 1 :])), f"order of the second entries of list {i}")
        need(all(not first <= r < first + own for r in references[own:]), f"second entries of list {i} are of other lists")
        for entry in range(n, (n + 31) // 32 * 32):
            need(not any(codes_of(lists[at : at + code_bytes], m, entry)), f"padding of list {i}")
        offset, slot = offset + align64(code_bytes + 4 * n), slot + own
    need((offset, slot) == (len(lists), slots), "the lists fill their blob")
    need(all(covered) if flags & 1 else all(c == 1 for c in covered), "every slot is covered")
    for i in range(slots):
        scale, norm, row, reserved = struct.unpack_from("<ffII", rows, facts_at + 16 * i)
        need(scale >= 0 and math.isfinite(scale) and norm >= 0 and math.isfinite(norm) and reserved == 0, f"facts of slot {i}")
        need(row < segment["rows"] and row not in seen_rows, f"row of slot {i}")
        seen_rows.add(row)
    need(len(seen_rows) == part["vectors"], "number of vectors")
    return seen_rows, rows, facts_at, stride


def vector_type(column, part):
    """Blob, magic, struct code and width of the stored vectors."""
    kind = column.get("vector-type", "f32")
    need(kind in ("f32", "f16"), "type of vectors")
    if kind == "f16" and part["organised"] == "lists":
        return "vectors16", b"VSVEC16", "e", 2
    return "vectors", b"VSVECS", "f", 4


def check_vectors(blobs, number, segment, column, part):
    name, magic, code, width = vector_type(column, part)
    vectors, dim, count = blobs.get(name, number, column["field-id"]), column["dimension"], segment["rows"]
    need(section(vectors, magic, 2) == (count, dim), "header of vectors")
    presence = align64(64 + count * dim * width)
    crcs = presence + align64((count + 7) // 8)
    need(len(vectors) == crcs + 4 * count + 4, "length of vectors")
    need(crc32c(vectors[presence:-4]) == struct.unpack("<I", vectors[-4:])[0], "checksum of the vector tables")
    present = {i for i in range(count) if vectors[presence + i // 8] >> (i % 8) & 1}
    need(len(present) == part["vectors"], "presence bits")
    for i in range(count):
        raw = vectors[64 + i * dim * width : 64 + (i + 1) * dim * width]
        need(crc32c(raw) == struct.unpack_from("<I", vectors, crcs + 4 * i)[0], f"checksum of vector {i}")
        values = struct.unpack(f"<{dim}{code}", raw)
        need(all(map(math.isfinite, values)) and (i in present or not any(values)), f"values of vector {i}")
    return present, vectors


def check_quantised(column, part, rows, facts_at, stride, slot_count, vectors):
    """int8 rows are what the stored vectors say, within half a step (plus the rounding of the scale, and of binary16)."""
    dim = column["dimension"]
    _, _, code, width = vector_type(column, part)
    rounding = 2.0**-11 if width == 2 else 0.0
    for slot in range(0, slot_count, max(1, slot_count // 50)):
        scale, _, row, _ = struct.unpack_from("<ffII", rows, facts_at + 16 * slot)
        exact = struct.unpack_from(f"<{dim}{code}", vectors, 64 + row * dim * width)
        length = math.sqrt(sum(x * x for x in exact)) if column["metric"] == "cosine" else 1.0
        for value, x in zip(struct.unpack_from(f"<{dim}b", rows, 64 + slot * stride), exact):
            slack = 0.502 * scale + 1e-6 + 2 * rounding * abs(x) / length
            need(abs(value * scale - x / length) <= slack, f"int8 row of slot {slot}")


def varint(part, at):
    value = shift = 0
    while True:
        byte = part[at]
        value, shift, at = value | (byte & 127) << shift, shift + 7, at + 1
        if byte < 128:
            need(shift <= 35, "length of a number")
            return value, at


def check_moved(blobs, descriptor):
    """Runs of the moved files: (segment, first row, count), in order; returns how many rows have moved."""
    files = descriptor["moved"]
    part = blobs.parts["vecstore-moved-v1", -1, -1]
    need(section(part, b"VSMOVED", 2) == (len(files), sum(file["runs"] for file in files)), "files and runs that moved")
    need(len({file["path"] for file in files}) == len(files) > 0, "paths of moved files")
    at, claimed, total = 64, [set() for _ in descriptor["segments"]], 0
    for file in files:
        end = rows = 0
        for _ in range(file["runs"]):
            segment, at = varint(part, at)
            delta, at = varint(part, at)
            count, at = varint(part, at)
            first = end + (delta // 2 if delta % 2 == 0 else -(delta // 2) - 1)
            end = first + count
            need(count > 0 and 0 <= first and end <= descriptor["segments"][segment]["rows"], f"run of {file['path']}")
            need(claimed[segment].isdisjoint(range(first, end)), f"rows of {file['path']} belong to it alone")
            claimed[segment].update(range(first, end))
            rows += count
        need(rows == file["rows"], f"rows of {file['path']}")
        total += rows
    need(at == len(part), "end of the moved rows")
    return total


def check(data):
    footer = read_footer(data)
    descriptor = read_descriptor(data, footer)
    blobs = Blobs(data, footer, descriptor)
    for number, segment in enumerate(descriptor["segments"]):
        next_row = 0
        for file in segment["files"]:
            need(file["first-row"] == next_row, f"file {file['path']} follows the one before")
            next_row += file["rows"]
        need(next_row == segment["rows"], "files add up to the segment")
        for column, part in zip(descriptor["columns"], segment["columns"]):
            present = None
            if column["exact-rows"] or part["organised"] == "flat":
                present, vectors = check_vectors(blobs, number, segment, column, part)
            if part["organised"] == "lists":
                seen, rows, facts_at, stride = check_lists(blobs, number, segment, column, part)
                need(present is None or present == seen, "lists and vectors hold the same rows")
                if present is not None:
                    check_quantised(column, part, rows, facts_at, stride, len(seen), vectors)
    moved = check_moved(blobs, descriptor) if descriptor["version"] == 2 else 0
    return {
        "moved": moved,
        "index-uuid": descriptor["index-uuid"],
        "rows": sum(segment["rows"] for segment in descriptor["segments"]),
        "vectors": [part["vectors"] for segment in descriptor["segments"] for part in segment["columns"]],
        "organised": [part["organised"] for segment in descriptor["segments"] for part in segment["columns"]],
        "blobs": len(descriptor["blobs"]),
    }


def main():
    with open(sys.argv[1], "rb") as stream:
        data = stream.read()
    try:
        print(json.dumps(check(data)))
    except (ValueError, KeyError, IndexError, struct.error) as problem:
        print(f"{sys.argv[1]}: wrong: {problem!r}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
