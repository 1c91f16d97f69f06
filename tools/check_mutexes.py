"""Has clang check that whatever a mutex guards is used under it (src/base/mutex.hpp). Reads every source file below src/ that stands
beside a header with such a mutex and includes it, or has one of its own, with -Wthread-safety and the options that it is compiled with.
Exits with 1 if clang has something to say, and with 77 where clang-14 is not installed.

  tools/check_mutexes.py BUILD_FOLDER
"""
import concurrent.futures
import json
import os
import pathlib
import shlex
import shutil
import subprocess
import sys

SOURCES = pathlib.Path(__file__).resolve().parent.parent / "src"
# Options that say what the file means. The others (code generation, warnings) are GCC's or do not matter here.
KEPT = ("-D", "-I", "-std=", "-fopenmp")


def complaints(entry):
    words = shlex.split(entry["command"])
    options = [word for word in words if word.startswith(KEPT)]
    options += [part for flag, folder in zip(words, words[1:]) if flag == "-isystem" for part in (flag, folder)]
    done = subprocess.run(["clang++-14", "-fsyntax-only", "-Wno-everything", "-Werror=thread-safety", *options, entry["file"]], cwd=entry["directory"], capture_output=True, text=True)
    return done.stderr if done.returncode != 0 else ""


if not shutil.which("clang++-14"):
    print("clang-14 is not installed")
    sys.exit(77)
# Only the sources beside a header can touch what is private in it. A file that forgets the lock is one of them, too.
guarded = [path for path in SOURCES.rglob("*") if path.suffix in (".hpp", ".cpp") and path.name != "mutex.hpp" and "GUARDED_BY(" in path.read_text(encoding="utf-8")]


def is_concerned(path):
    text = path.read_text(encoding="utf-8")
    return any(path == other or (other.parent == path.parent and f'#include "{other.relative_to(SOURCES)}"' in text) for other in guarded)


with open(os.path.join(sys.argv[1], "compile_commands.json"), encoding="utf-8") as file:
    entries = [e for e in json.load(file) if SOURCES in pathlib.Path(e["file"]).parents and not e["file"].endswith("_test.cpp") and is_concerned(pathlib.Path(e["file"]))]
if not entries:
    sys.exit("no source file has a mutex: the check looks in the wrong place")
with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
    found = [text for text in pool.map(complaints, entries) if text]
print("".join(found), end="")
print(f"{len(entries)} files checked:", *(pathlib.Path(e["file"]).name for e in entries))
sys.exit(1 if found else 0)
