"""Compares every #include in src/ with the layer table of ARCHITECTURE.md.

A row of the table reads `| folder | may include | holds |`. A file may include headers of its own folder and of the folders its
row names, and no other headers of the project. Only the one place that wraps a library (WRAPPED) may include that library's headers;
this holds in programs/ and bench/, too. Exits with 1 and a line per violation.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
ROW = re.compile(r"^\| `([\w/]+)/` \| ([^|]*) \|")
INCLUDE = re.compile(r'^\s*#include "([^"]+)"', re.M)
SYSTEM_INCLUDE = re.compile(r"^\s*#include <([^>]+)>", re.M)
WRAPPED = {"omp.h": ("src/base/parallel.cpp",), "torch/": ("src/vision/decoder/", "src/vision/pretrain/")}


def read_table():
    table = {}
    for line in (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8").splitlines():
        if match := ROW.match(line):
            table[match.group(1)] = set(re.findall(r"[\w/]+", match.group(2)))
    return table


def folder_of(path, table):
    """Returns the row with the longest folder that holds the path."""
    holders = [row for row in table if path == row or path.startswith(row + "/")]
    return max(holders, key=len, default=None)


def main():
    table, violations, includes = read_table(), [], 0
    order = list(table)
    for row, allowed in table.items():
        for other in allowed - set(table):
            violations.append(f"ARCHITECTURE.md: {row} names {other}, which has no row")
        for other in allowed & set(table):
            if order.index(other) > order.index(row):
                violations.append(f"ARCHITECTURE.md: {row} includes {other}, which stands below it")
    for file in sorted((ROOT / "src").rglob("*.[ch]pp")):
        path = file.relative_to(ROOT / "src").as_posix()
        own = folder_of(path, table)
        if own is None:
            violations.append(f"{path}: its folder has no row in ARCHITECTURE.md")
            continue
        for header in INCLUDE.findall(file.read_text(encoding="utf-8")):
            includes += 1
            other = folder_of(header, table)
            if other is None:
                violations.append(f"{path}: includes {header}, which lies in no folder of the table")
            elif other != own and other not in table[own]:
                violations.append(f"{path}: {own} may not include {other} ({header})")
    for file in (f for folder in ("src", "programs", "bench") for f in sorted((ROOT / folder).rglob("*.[ch]pp"))):
        path = file.relative_to(ROOT).as_posix()
        for header in SYSTEM_INCLUDE.findall(file.read_text(encoding="utf-8")):
            for wrapped, homes in WRAPPED.items():
                if header.startswith(wrapped) and not path.startswith(homes):
                    violations.append(f"{path}: includes <{header}>, which is for {', '.join(homes)} alone")
    print("\n".join(violations) or f"{includes} includes keep to the table")
    return 1 if violations or includes == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
