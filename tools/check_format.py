"""Compares every C++ file of the repository with .clang-format; exits with 1 and a line per difference. Another release of clang-format breaks
lines elsewhere, so it has to be release 14."""
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
files = [str(path) for folder in ("src", "programs", "bench", "tests") for path in sorted((ROOT / folder).rglob("*")) if path.suffix in (".cpp", ".hpp")]
sys.exit(subprocess.run([sys.argv[1], "--dry-run", "-Werror", *files], cwd=ROOT).returncode)
