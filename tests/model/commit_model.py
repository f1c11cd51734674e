#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A model of the commit protocol, searched state by state.

Writers append one file per operation to one table. A commit is one conditional request, which the
network may deliver, lose, deliver without its answer, or deliver at any later time; a writer may
crash at any point. Meanwhile two cleaners run: one removes old metadata versions, one removes data
files that no metadata names. The search visits every reachable state (breadth first, so that a
violation comes with a shortest trace) and checks in each:

  I1  every acknowledged operation is in the newest state of the table, exactly once
  I2  no operation is in it twice
  I3  no operation that was reported as failed is in it
  I4  every data file that the newest state names exists

Two ways to publish are modelled, after vecstore/catalog:
  versions  filesystem catalog: create "v<N+1>.metadata.json" if it is absent
  pointer   SQL and REST catalogs: move the pointer from the base to new metadata if it still
            points at the base

The protocol (rules R1-R5 in docs/internals/commits.md) must have no violation; each mutant, which
breaks one rule, must have one. A search that finds no violation has to be exhaustive.

usage: commit_model.py [--full]     exits 1 when a rule does not hold or a mutant survives
"""

import sys
import time
from collections import deque
from typing import NamedTuple

MUTANTS = ("delete-on-unknown", "no-self-check", "fence-forgotten", "eager-orphan-removal")

# What a writer does next.
IDLE, READ, SEND, READ_BACK, VERIFY, CRASHED = range(6)


class Writer(NamedTuple):
    step: int
    op: int  # number of the operation it works on, or will begin next
    base: int  # version that it read
    base_ops: tuple  # what that version holds
    wire: tuple  # requests that may still arrive: (base, content), sorted
    sends: int  # of this base: bounded, so that the search ends


class State(NamedTuple):
    versions: tuple  # per version: the operations it holds, or None when its file was removed
    files: frozenset  # data files that exist
    writers: tuple
    acked: frozenset
    failed: frozenset


class Model:
    def __init__(self, kind, writers, ops, mutant=None, sends=2):
        self.kind, self.mutant, self.max_sends = kind, mutant, sends
        self.writer_count, self.ops = writers, ops

    def initial(self):
        idle = Writer(IDLE, 0, 0, (), (), 0)
        return State(((),), frozenset(), (idle,) * self.writer_count, frozenset(), frozenset())

    @staticmethod
    def newest(state):
        return len(state.versions) - 1

    def op_name(self, w, writer):
        return w * self.ops + writer.op

    # ---- the table ----

    def apply(self, state, base, content):
        """The conditional request as the store or the catalog sees it: (state, took effect)."""
        target = base + 1
        if target == len(state.versions):
            return state._replace(versions=state.versions + (content,)), True
        if self.kind == "versions" and state.versions[target] is None:
            # The name is free again, because a cleaner removed the file.
            versions = state.versions[:target] + (content,) + state.versions[target + 1 :]
            return state._replace(versions=versions), True
        return state, False

    # ---- writers ----

    def put(self, state, w, writer):
        return state._replace(writers=state.writers[:w] + (writer,) + state.writers[w + 1 :])

    def finish(self, state, w, writer, acked=False, failed=False):
        name = self.op_name(w, writer)
        if acked:
            state = state._replace(acked=state.acked | {name})
        if failed:
            state = state._replace(failed=state.failed | {name}, files=state.files - {name})
        rest = writer._replace(step=IDLE, op=writer.op + 1, base=0, base_ops=(), sends=0)
        return self.put(state, w, rest)

    def read(self, state, w, writer):
        """Loads the newest state; our own operation in it means that it has landed (R3)."""
        base = self.newest(state)
        content = state.versions[base]
        if self.mutant != "no-self-check" and self.op_name(w, writer) in content:
            return self.finish(state, w, writer, acked=True)
        return self.put(state, w, writer._replace(step=SEND, base=base, base_ops=content, sends=0))

    def answered(self, state, w, writer):
        """The request took effect and the writer knows. With versions it still looks whether its
        base is there: if a cleaner has passed it, the name may have been free for that reason."""
        if self.kind == "versions" and self.mutant != "fence-forgotten":
            return self.put(state, w, writer._replace(step=VERIFY))
        return self.finish(state, w, writer, acked=True)

    def send(self, state, w, writer):
        """Every fate of one conditional request."""
        content = writer.base_ops + (self.op_name(w, writer),)
        after, took = self.apply(state, writer.base, content)
        if took:
            yield "applied and answered", self.answered(after, w, writer)
        else:
            yield "refused", self.put(state, w, writer._replace(step=READ))
        unknown = writer._replace(step=READ_BACK, sends=writer.sends + 1)
        yield "answer lost", self.put(after, w, unknown)
        if took:  # (a request that would be refused has no effect to lose or to delay)
            yield "request lost", self.put(state, w, unknown)
            late = tuple(sorted(writer.wire + ((writer.base, content),)))
            yield "delayed", self.put(state, w, unknown._replace(wire=late))
            yield "delayed, crash", self.put(state, w, writer._replace(step=CRASHED, wire=late))

    def read_back(self, state, w, writer):
        """R3 and R4: found means done; nobody went past us means the same request again; else the
        request can no longer land and we rebase."""
        name = self.op_name(w, writer)
        newest = self.newest(state)
        found = name in state.versions[newest]
        if self.mutant == "no-self-check":
            found = False
        if found:
            yield "found", self.finish(state, w, writer, acked=True)
        elif newest > writer.base:
            yield "superseded", self.put(state, w, writer._replace(step=READ))
        elif writer.sends < self.max_sends:
            yield "again", self.put(state, w, writer._replace(step=SEND))
        # The check itself may fail: the outcome stays unknown, and no file is removed (R5).
        gone = self.finish(state, w, writer)
        if self.mutant == "delete-on-unknown":
            gone = gone._replace(files=gone.files - {name})
        yield "unknown", gone

    def verify(self, state, w, writer):
        if state.versions[writer.base] is not None:
            return self.finish(state, w, writer, acked=True)
        # Created below the cleaner's boundary: not in the lineage. Its own file goes, then rebase.
        target = writer.base + 1
        if target < self.newest(state):
            versions = state.versions[:target] + (None,) + state.versions[target + 1 :]
            state = state._replace(versions=versions)
        return self.put(state, w, writer._replace(step=READ))

    def writer_steps(self, state, w):
        writer = state.writers[w]
        name = self.op_name(w, writer)
        if writer.step == IDLE and writer.op < self.ops:
            begun = state._replace(files=state.files | {name})
            yield "writes its file", self.put(begun, w, writer._replace(step=READ))
        elif writer.step == READ:
            yield "reads the table", self.read(state, w, writer)
            if not writer.wire:  # gives up: certain, since nothing of it is on the way
                if not any(v is not None and name in v for v in state.versions):
                    yield "gives up", self.finish(state, w, writer, failed=True)
        elif writer.step == SEND:
            yield from self.send(state, w, writer)
            yield "crash", self.put(state, w, writer._replace(step=CRASHED))
        elif writer.step == READ_BACK:
            yield from self.read_back(state, w, writer)
        elif writer.step == VERIFY:
            yield "looks at its base", self.verify(state, w, writer)

    # ---- the network and the cleaners ----

    def late_arrivals(self, state, w):
        writer = state.writers[w]
        for i, (base, content) in enumerate(writer.wire):
            rest = writer._replace(wire=writer.wire[:i] + writer.wire[i + 1 :])
            after, _ = self.apply(state, base, content)
            yield "a late request arrives", self.put(after, w, rest)

    def remove_metadata(self, state):
        """Removes the oldest version file. Only requests on the way hold it back (their age is
        bounded); a stalled writer does not, it checks its base afterwards."""
        if self.kind != "versions":
            return
        newest = self.newest(state)
        oldest = next(i for i, v in enumerate(state.versions) if v is not None)
        if oldest >= newest:
            return
        on_the_way = any(base <= oldest for wr in state.writers for base, _ in wr.wire)
        if on_the_way and self.mutant != "fence-forgotten":
            return
        versions = state.versions[:oldest] + (None,) + state.versions[oldest + 1 :]
        yield "a cleaner removes old metadata", state._replace(versions=versions)

    def remove_orphans(self, state):
        named = {op for v in state.versions if v is not None for op in v}
        for file in state.files - named:
            w = file // self.ops
            writer = state.writers[w]
            young = writer.step != CRASHED and writer.op == file % self.ops and writer.step != IDLE
            on_the_way = any(file in content for _, content in writer.wire)
            if (young or on_the_way) and self.mutant != "eager-orphan-removal":
                continue  # younger than the age gate
            yield "a cleaner removes an orphan", state._replace(files=state.files - {file})

    def successors(self, state):
        for w in range(self.writer_count):
            for what, after in self.writer_steps(state, w):
                yield f"writer {w} {what}", after
            for what, after in self.late_arrivals(state, w):
                yield f"{what} (writer {w})", after
        yield from self.remove_metadata(state)
        yield from self.remove_orphans(state)

    # ---- invariants ----

    def violation(self, state):
        content = state.versions[self.newest(state)]
        if len(set(content)) != len(content):
            return "I2: an operation is in the table twice"
        if not state.acked <= set(content):
            return "I1: an acknowledged operation is not in the table"
        if state.failed & set(content):
            return "I3: an operation reported as failed is in the table"
        if not set(content) <= state.files:
            return "I4: the table names a file that does not exist"
        return None


def search(model, limit=4_000_000):
    """Breadth first. Returns (states, violation or None, shortest trace, exhausted)."""
    start = model.initial()
    parent = {start: None}
    queue = deque([start])
    while queue:
        state = queue.popleft()
        reason = model.violation(state)
        if reason is not None:
            trace = []
            while parent[state] is not None:
                state, what = parent[state]
                trace.append(what)
            return len(parent), reason, trace[::-1], False
        if len(parent) > limit:
            return len(parent), None, [], False
        for what, after in model.successors(state):
            if after not in parent:
                parent[after] = (state, what)
                queue.append(after)
    return len(parent), None, [], True


def check_protocol(kind, writers, ops, sends):
    begun = time.monotonic()
    states, reason, trace, exhausted = search(Model(kind, writers, ops, sends=sends))
    took = time.monotonic() - begun
    verdict = reason or ("no violation, exhausted" if exhausted else "NOT EXHAUSTED")
    size = f"{writers} writers x {ops}, {sends} sends"
    print(f"{kind:8} {size}: {states:9,} states, {verdict} ({took:.1f} s)")
    for step in trace:
        print(f"    {step}")
    return states if exhausted and reason is None else 0


def check_mutant(kind, mutant):
    for ops in (1, 2):
        states, reason, trace, _ = search(Model(kind, 2, ops, mutant, sends=1))
        if reason is not None:
            print(f"{kind:8} mutant {mutant}: killed after {states:,} states, {len(trace)} steps: {reason}")
            return True
    print(f"{kind:8} mutant {mutant}: SURVIVES")
    return False


def main():
    # (writers, operations each, sends of one request); --full takes minutes
    sizes = [(2, 1, 2), (2, 2, 1), (3, 1, 1)]
    if "--full" in sys.argv[1:]:
        sizes.append((3, 1, 2))
    totals = [check_protocol(kind, *size) for kind in ("versions", "pointer") for size in sizes]
    good = all(totals) and sum(totals) >= 100_000
    print(f"{sum(totals):,} states without a violation")
    for kind in ("versions", "pointer"):
        for mutant in MUTANTS:
            if kind == "pointer" and mutant == "fence-forgotten":
                continue  # a pointer has no name that could become free
            good = check_mutant(kind, mutant) and good
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
