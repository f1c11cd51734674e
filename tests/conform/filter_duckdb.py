# SPDX-License-Identifier: Apache-2.0
"""filter_duckdb.py ROWS.parquet ANSWERS.tsv: asks DuckDB each predicate of the file and compares the row numbers."""
import sys

import duckdb


def main():
    parquet, answers = sys.argv[1:3]
    wrong = count = 0
    for line in open(answers, encoding="utf-8"):
        sql, rows = line.rstrip("\n").split("\t")
        ours = {int(number) for number in rows.split()}
        theirs = {row[0] for row in duckdb.execute(f"SELECT n FROM read_parquet('{parquet}') WHERE {sql}").fetchall()}
        count += 1
        if ours != theirs:
            wrong += 1
            print(f"{sql}: we have {len(ours)} rows, DuckDB {len(theirs)}; only ours {sorted(ours - theirs)[:5]}, "
                  f"only DuckDB's {sorted(theirs - ours)[:5]}", file=sys.stderr)
    print(f"{count} filters compared with DuckDB {duckdb.__version__}, {wrong} differ")
    return 1 if wrong or count == 0 else 0


sys.exit(main())
