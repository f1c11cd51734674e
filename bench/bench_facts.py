# SPDX-License-Identifier: Apache-2.0
"""What every benchmark shares: machine facts, foreign load, runs with peak memory, results as JSON.

Only the standard library is imported here: the kernel counts the memory of a process that starts
another one into the peak of the new one, so a driver has to stay small. Peers that need NumPy run in
processes of their own.
"""
import datetime
import json
import os
import platform
import shutil
import subprocess
import sys
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
NOISY = 0.3  # cores used by others during a measurement from which on it has to be repeated


class Failed(SystemExit):
    """A program that was measured ended with an error; where nobody catches it, the text is printed."""


def die(text):
    print("error: " + text, file=sys.stderr)
    raise SystemExit(1)


def program(name):
    """A program of the release build; VECSTORE_BENCH_BIN names another folder."""
    path = os.path.join(os.environ.get("VECSTORE_BENCH_BIN", os.path.join(ROOT, "build/release/bin")), name)
    if name == "vecstore":
        path = os.environ.get("VECSTORE_BIN", path)
    if not os.access(path, os.X_OK):
        die(f"no program {path}: run './dev build release', or set VECSTORE_BENCH_BIN")
    return path


def have(module, package):
    """Whether a peer is installed; says what to install where it is not."""
    try:
        __import__(module)
        return True
    except ImportError:
        print(f"skipped: {package} is not installed for {sys.executable}: pip install {package}", file=sys.stderr)
        return False


def worker_can(module, package):
    """As have(), asked in another process, so that this one stays small."""
    code = f"import {module}"
    if subprocess.run([sys.executable, "-c", code], stderr=subprocess.DEVNULL).returncode == 0:
        return True
    print(f"skipped: {package} is not installed for {sys.executable}: pip install {package}", file=sys.stderr)
    return False


# ---------------------------------------------------------------- facts of the machine


def first_line(command):
    try:
        lines = subprocess.run(command, capture_output=True, text=True, cwd=ROOT).stdout.splitlines()
        return lines[0] if lines else ""
    except OSError:
        return ""


def cpu_facts():
    facts = {}
    with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
        for line in file:
            key, _, value = line.partition(":")
            facts.setdefault(key.strip(), value.strip())
    return {"brand": facts.get("model name", platform.machine()), "family": facts.get("cpu family", ""),
            "model": facts.get("model", ""), "stepping": facts.get("stepping", "")}


def memory_mib():
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1048576


def machine_facts():
    version = json.loads(subprocess.run([program("vecstore"), "--json", "version"], capture_output=True, text=True,
                                        check=True).stdout)
    dirty = bool(first_line(["git", "status", "--porcelain", "--untracked-files=all"]))
    return {"cpu": cpu_facts(), "cores": os.cpu_count(), "memory_mib": memory_mib(), "kernel": platform.release(),
            "compiler": version.get("compiler", ""), "vecstore": version.get("version", ""),
            "simd": version.get("simd", ""), "git": first_line(["git", "rev-parse", "HEAD"]), "git_dirty": dirty,
            "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "python": platform.python_version()}


# ---------------------------------------------------------------- load and memory


def busy_seconds():
    """Core-seconds that the whole machine has spent on anything."""
    with open("/proc/stat", encoding="ascii") as file:
        ticks = list(map(int, file.readline().split()[1:9]))
    return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")


class Load:
    """The CPU that everybody else used between start and end."""

    def __init__(self):
        self.wall, self.busy = time.monotonic(), busy_seconds()

    def end(self, own_cpu_s):
        wall = max(time.monotonic() - self.wall, 1e-9)
        return round(max(0.0, busy_seconds() - self.busy - own_cpu_s) / wall, 2)


def anonymous_kib(pid):
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
            for line in file:
                if line.startswith("RssAnon:"):
                    return int(line.split()[1])
    except OSError:
        pass
    return 0


def run_measured(command, env=None):
    """Runs a command to its end: wall, CPU, peak resident memory (ru_maxrss), foreign load, its output.

    peak_anon_mib is sampled every 10 ms and leaves mapped files out.
    """
    load, start, peak = Load(), time.monotonic(), 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env) as child:
        texts = [[], []]
        readers = [threading.Thread(target=lambda s=s, t=t: t.append(s.read()), daemon=True)
                   for s, t in zip((child.stdout, child.stderr), texts)]
        for reader in readers:
            reader.start()
        while True:
            pid, status, usage = os.wait4(child.pid, os.WNOHANG)
            if pid != 0:
                break
            peak = max(peak, anonymous_kib(child.pid))
            time.sleep(0.01)
        wall = time.monotonic() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        for reader in readers:
            reader.join()
    out, errors = (text[0].decode("utf-8", "replace") for text in texts)
    if child.returncode != 0:
        raise Failed(f"{' '.join(command[:3])} … ended with status {child.returncode}: {errors.strip()[-2000:]}")
    cpu = usage.ru_utime + usage.ru_stime
    return {"wall_s": round(wall, 3), "cpu_s": round(cpu, 3), "peak_rss_mib": round(usage.ru_maxrss / 1024, 1),
            "peak_anon_mib": round(peak / 1024, 1), "foreign_cores": load.end(cpu)}, out


# ---------------------------------------------------------------- results


class Report:
    """Collects result rows, writes them to build/bench/NAME.jsonl and prints a table."""

    def __init__(self, name):
        self.name, self.rows, self.facts = name, [], machine_facts()
        cpu = self.facts["cpu"]
        print(f"{name}: {cpu['brand']} family {cpu['family']} model {cpu['model']}, {self.facts['cores']} cores, "
              f"{self.facts['memory_mib']} MiB, kernels {self.facts['simd']}, {self.facts['compiler']}, "
              f"git {self.facts['git'][:12]}{' with changes' if self.facts['git_dirty'] else ''}")

    def add(self, row):
        row = {"bench": self.name, **row, "load_average": os.getloadavg()[0]}
        self.rows.append(row)
        return row

    def write(self):
        folder = os.path.join(ROOT, "build/bench")
        os.makedirs(folder, exist_ok=True)
        path = os.path.join(folder, self.name + ".jsonl")
        with open(path, "w", encoding="utf-8") as file:
            for row in self.rows:
                file.write(json.dumps({**row, "machine": self.facts}) + "\n")
        print(f"results: {os.path.relpath(path)}")
        noisy = [row for row in self.rows if row.get("foreign_cores", 0) > NOISY]
        if noisy:
            print(f"NOISY: {len(noisy)} of {len(self.rows)} results ran beside more than {NOISY} cores of other work "
                  "(marked *): too low, repeat them on a quiet machine")


def table(rows, columns):
    """columns: (heading, function of a row)."""
    cells = [[heading for heading, _ in columns]]
    cells += [["" if (v := f(row)) is None else str(v) for _, f in columns] for row in rows]
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
    for line in cells:
        print("  " + "  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths))))


def mark(row):
    return "*" if row.get("foreign_cores", 0) > NOISY else ""


def scratch_folder(name):
    """An empty folder below build/bench for data that a benchmark makes."""
    path = os.path.join(ROOT, "build/bench/tmp", name)
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(path)
    return path


def tree_bytes(path):
    if os.path.isfile(path):
        return os.path.getsize(path)
    return sum(os.path.getsize(os.path.join(folder, name)) for folder, _, names in os.walk(path) for name in names)


def generated(rows, dim):
    """base.npy, rows.jsonl and queries.npy of examples/gen_vectors, made once. Synthetic."""
    folder = os.path.join(ROOT, "build/bench/data", f"syn-{rows}x{dim}")
    if not os.path.exists(os.path.join(folder, "complete")):
        os.makedirs(folder, exist_ok=True)
        subprocess.run([program("gen_vectors"), str(rows), str(dim), folder], check=True)
        with open(os.path.join(folder, "complete"), "w", encoding="ascii"):
            pass
    return folder


def warm_pages(*paths):
    """Reads files once, so that every contender finds them in the page cache."""
    for path in paths:
        with open(path, "rb", buffering=0) as file:
            while file.read(1 << 22):
                pass


def real_data(name):
    """(base, queries) below the folder of real data, or None with a line that says so."""
    folder = os.environ.get("VECSTORE_DATA", os.path.join(os.path.dirname(ROOT), "shared/data"))
    paths = [os.path.join(folder, name + suffix) for suffix in (".parquet", "_queries.parquet")]
    if all(map(os.path.exists, paths)):
        return paths
    print(f"skipped: {name} is not in {folder} (VECSTORE_DATA names the folder)", file=sys.stderr)
    return None
