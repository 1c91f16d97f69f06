"""Lets clang check that a member which a mutex guards is used only while the mutex is held (src/base/mutex.hpp). Clang reads every source file
below src/ that has such a mutex, or that includes a header with one in the same folder, with -Wthread-safety and the options with which the
file is compiled. Clang cannot check the mutexes of the standard library, so no file below src/ and programs/ may have one. Exits with 1 if
clang reports a fault or a file has such a mutex, and with 77 if clang-14 is not installed.

  tools/check_mutexes.py BUILD_FOLDER
"""
import concurrent.futures
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
SOURCES = ROOT / "src"
STANDARD_MUTEX = re.compile(r"\bstd::(mutex|(shared|timed|recursive|recursive_timed|shared_timed)_mutex|lock_guard|unique_lock|scoped_lock|shared_lock)\b")
# Only options that change the meaning of a file are kept. The others (code generation, warnings) are GCC's or do not matter here.
KEPT = ("-D", "-I", "-std=", "-fopenmp")


def complaints(entry):
    words = shlex.split(entry["command"])
    options = [word for word in words if word.startswith(KEPT)]
    options += [part for flag, folder in zip(words, words[1:]) if flag == "-isystem" for part in (flag, folder)]
    done = subprocess.run(["clang++-14", "-fsyntax-only", "-Wno-everything", "-Werror=thread-safety", *options, entry["file"]], cwd=entry["directory"], capture_output=True, text=True)
    return done.stderr if done.returncode != 0 else ""


unchecked = [str(path.relative_to(ROOT)) for folder in (SOURCES, ROOT / "programs") for path in sorted(folder.rglob("*.?pp"))
             if path != SOURCES / "base/mutex.hpp" and STANDARD_MUTEX.search(path.read_text(encoding="utf-8"))]
if unchecked:
    sys.exit("these files use a mutex of the standard library; base/mutex.hpp has one that clang can check: " + ", ".join(unchecked))
if not shutil.which("clang++-14"):
    print("clang-14 is not installed")
    sys.exit(77)
# Only the sources beside a header can use its private members. A file that forgets the lock is among these sources, too.
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
