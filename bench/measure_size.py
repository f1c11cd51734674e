# SPDX-License-Identifier: Apache-2.0
"""Size of the release binary, stripped and not, with its sections and the libraries that it loads.

Usage: size
"""
import argparse
import os
import re
import shutil
import subprocess

import bench_facts as facts


def output_of(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def loaded_libraries(path):
    """What the dynamic linker maps; sizes of the files."""
    found = re.findall(r"=> (/\S+)", output_of("ldd", path))
    return {os.path.basename(p): os.path.getsize(os.path.realpath(p)) for p in found}


def main():
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    report = facts.Report("size")
    binary, work = facts.program("vecstore"), facts.scratch_folder("size")
    stripped = os.path.join(work, "vecstore")
    subprocess.run(["strip", "-o", stripped, binary], check=True)
    sections = dict(re.findall(r"^(\.text|\.rodata|\.data|\.bss)\s+(\d+)", output_of("size", "-A", binary), re.M))
    needed = re.findall(r"NEEDED\s+(\S+)", output_of("objdump", "-p", binary))
    libraries = loaded_libraries(binary)
    row = report.add({"binary_bytes": os.path.getsize(binary), "stripped_bytes": os.path.getsize(stripped),
                      "sections": {name: int(size) for name, size in sections.items()}, "needed": needed,
                      "library_bytes": libraries})
    shutil.rmtree(work)
    mib = 1048576
    print(f"  vecstore           {row['binary_bytes'] / mib:.2f} MiB")
    print(f"  stripped           {row['stripped_bytes'] / mib:.2f} MiB")
    print("  sections           " + ", ".join(f"{n} {v / mib:.2f} MiB" for n, v in row["sections"].items()))
    print(f"  needs              {len(needed)} shared libraries: {' '.join(needed)}")
    print(f"  with all it loads  {(row['stripped_bytes'] + sum(libraries.values())) / mib:.1f} MiB in "
          f"{len(libraries)} libraries")
    report.write()


if __name__ == "__main__":
    main()
