"""Looks for types that two files of src/ or programs/ define under one name. The linker would use one of them for both and report nothing
(C++'s one-definition rule). Types inside other types and in nameless namespaces cannot collide and are left out.

Exits with 1 and a line for each such name.
"""
import collections
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
NOISE = re.compile(r'//[^\n]*|/\*.*?\*/|R"\((?:.*?)\)"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])\'', re.S)
NAMESPACE = re.compile(r"\bnamespace\s*([\w:]*)\s*$")
# A qualified name (`struct Engine::Impl {`) defines what another type already declared as its own.
TYPE = re.compile(r"\b(?:struct|class|enum|union)\s+(\w+)(?:\s+final)?(?:\s*:(?!:)[^(){}]*)?\s*$")


def types_of(text):
    """Returns the qualified names of the types that are defined at namespace scope."""
    text = NOISE.sub("''", text)
    scopes, begin = [], 0
    for mark in re.finditer(r"[{};]", text):
        head, begin = text[begin:mark.start()], mark.end()
        if mark.group() == "{":
            namespace, kind = NAMESPACE.search(head), TYPE.search(head)
            if kind and None not in scopes:
                yield "::".join([*scopes, kind.group(1)])
            scopes.append(namespace.group(1) or None if namespace else None)
        elif mark.group() == "}" and scopes:
            scopes.pop()


def main():
    files = collections.defaultdict(list)
    for folder in ("src", "programs"):
        for file in sorted((ROOT / folder).rglob("*.[ch]pp")):
            for name in types_of(file.read_text(encoding="utf-8")):
                files[name].append(file.relative_to(ROOT).as_posix())
    twice = [f"{name} is defined in " + " and ".join(where) for name, where in files.items() if len(where) > 1]
    print("\n".join(twice) or f"{len(files)} types have names of their own")
    return 1 if twice or not files else 0


if __name__ == "__main__":
    sys.exit(main())
