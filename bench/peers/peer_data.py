# SPDX-License-Identifier: Apache-2.0
"""Which vectors: a folder with base.npy, queries.npy and gt.npy, made once where it has to be."""
import os
import subprocess

import bench_facts as facts

HERE = os.path.dirname(os.path.abspath(__file__))
SETS = {"docs": "docs_minilm384", "bge": "bge768", "syn": None}
FILES = ("base.npy", "queries.npy", "gt.npy")


def complete(folder):
    return all(os.path.exists(os.path.join(folder, name)) for name in FILES)


def make(python, script, arguments, folder):
    """In a folder beside it, so that half a set is never taken for a whole one."""
    print(f"making {folder} …", flush=True)
    started = folder + ".part"
    subprocess.run([python, os.path.join(HERE, script), *(a.format(folder=started) for a in arguments)], check=True)
    os.rename(started, folder)


def folder(python, args):
    """(folder, a line that says what it is)"""
    if args.folder:
        if not complete(args.folder):
            facts.die(f"{args.folder} has not all of {', '.join(FILES)}")
        return args.folder, f"data: {args.folder}" + (
            ", SYNTHETIC" if os.path.exists(os.path.join(args.folder, "meta.json")) else "")
    name = args.data or "docs"
    paths = facts.real_data(SETS[name]) if SETS[name] else None
    if paths is None and args.data in ("docs", "bge"):
        facts.die(f"no {SETS[name]}: --data syn, or --folder")
    if paths is not None:
        place = os.path.join(facts.ROOT, "build/bench/data", SETS[name])
        if not complete(place):
            make(python, "prepare_npy.py", [*paths, "{folder}"], place)
        return place, f"data: {SETS[name]}, real text"
    place = os.path.join(facts.ROOT, "build/bench/data", f"text-like-{args.rows}x768")
    if not complete(place):
        make(python, "generate.py", ["{folder}", "--rows", str(args.rows)], place)
    return place, f"data: {args.rows} x 768, SYNTHETIC"
