# SPDX-License-Identifier: Apache-2.0
"""The Python that peers run in: .deps/bench/venv, made once, one package after the other.

VECSTORE_PEERS_PYTHON names another one, which is used as it is. VECSTORE_NO_SETUP=1 installs nothing.
A package that cannot be had is named; the peers that need it are then left out.
"""
import json
import os
import subprocess
import sys

import bench_facts as facts

FOLDER = os.path.join(os.environ.get("VECSTORE_BENCH_DEPS", os.path.join(facts.ROOT, ".deps/bench")), "venv")
BASE = ("numpy==2.4.6", "pyarrow==26.0.1")
LIST = os.path.join(FOLDER, "installed.json")


def installed():
    try:
        with open(LIST, encoding="ascii") as file:
            return json.load(file)
    except (OSError, ValueError):
        return []


def install(python, requirement):
    print(f"==> {requirement} … ", end="", flush=True)
    done = subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries", "2",
                           requirement], capture_output=True, text=True)
    lines = done.stderr.strip().splitlines()
    print("done" if done.returncode == 0 else f"cannot be had: {lines[-1] if lines else done.returncode}")
    return done.returncode == 0


def environment(requirements):
    """The interpreter, with what could be installed of the requirements."""
    other = os.environ.get("VECSTORE_PEERS_PYTHON")
    if other:
        return other
    python, have = os.path.join(FOLDER, "bin/python"), installed()
    if os.environ.get("VECSTORE_NO_SETUP") == "1":
        return python if os.access(python, os.X_OK) else sys.executable
    if not have:
        subprocess.run(["/usr/bin/python3", "-m", "venv", "--clear", FOLDER], check=True)
    for requirement in dict.fromkeys(BASE + tuple(r for r in requirements if r)):
        if requirement not in have and install(python, requirement):
            have.append(requirement)
            with open(LIST, "w", encoding="ascii") as file:
                json.dump(have, file)
    return python


def importable(python, module):
    return subprocess.run([python, "-c", f"import {module}"], capture_output=True).returncode == 0
