"""Compares every C++ file of the repository with .clang-format. Exits with 1 and a line per difference, or with 77 if clang-format-14 is not
installed; other releases break lines at other places."""
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
if not shutil.which("clang-format-14"):
    print("clang-format-14 is not installed")
    sys.exit(77)
files = [str(path) for folder in ("src", "programs", "bench", "tests") for path in sorted((ROOT / folder).rglob("*")) if path.suffix in (".cpp", ".hpp")]
sys.exit(subprocess.run(["clang-format-14", "--dry-run", "-Werror", *files], cwd=ROOT).returncode)
