#!/usr/bin/env python3
"""Which functions a short run needs, as the order in which the linker shall place them.

The program holds some 40 MB of code, of which a short run needs 2 MB, scattered: the kernel maps 64 KB and more around each
page that is touched, so that a run of 5 ms comes to 9 MB of code in memory. Placed side by side they take 2 MB.

    order.py PROGRAM MANIFEST > crates/cli/hot.ld

PROGRAM is a release build; MANIFEST a small file to audit. Needs valgrind and nm (Debian: valgrind, binutils). Functions are
given by the shortest beginnings of their names that match little else, without the hashes at their ends, so that most of the list
outlives changes and holds for any compiler and folder. The instances of a generic function cannot be told apart that way: they
stand together, behind all others. A name that is not there any more does no harm; a function that is missing is only where it
would be without the list. `crates/cli/build.rs` hands it to the linker; `bench/audit/run.py` measures what comes of it.
"""

import bisect
import itertools
import os
import re
import subprocess
import sys
import tempfile

# A beginning of names is taken when so much of the code it matches is needed.
SHARE_MIN = 0.6
# No shorter beginning is taken, whatever it matches.
PREFIX_MIN = 8
# Where valgrind loads a position-independent program. It knows the functions of `.text` by their place in the file, and those
# that an earlier list has placed in a section of their own by their place in memory.
LOADED_AT = 0x108000


def executed(program, arguments):
    """Addresses in the program of all instructions that the run executes."""
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "out")
        subprocess.run(
            ["valgrind", "--tool=callgrind", "--dump-instr=yes", "--compress-pos=no", "--compress-strings=no",
             f"--callgrind-out-file={out}", program, *arguments],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=300, check=False)
        base, found = None, set()
        with open(out, encoding="utf-8") as lines:
            for line in lines:
                if line.startswith("ob="):
                    base = {os.path.realpath(program): 0, "???": LOADED_AT}.get(line[3:].strip())
                elif base is not None and line.startswith("0x"):
                    found.add(int(line.split()[0], 16) - base)
    return found


def functions(program):
    """Address, size and name of each function, in order of address."""
    listed = subprocess.run(["nm", "-S", "--defined-only", program], capture_output=True, text=True, check=True).stdout
    fields = (line.split(None, 3) for line in listed.splitlines())
    return sorted((int(f[0], 16), int(f[1], 16), f[3]) for f in fields if len(f) == 4 and f[2] in "tTwW")


def without_hash(name):
    """The name without what differs from build to build, for the linker's patterns."""
    name = re.sub(r"17h[0-9a-f]{16}E.*", "17h*", re.sub(r"\.llvm\.\d+$", "*", name))
    return re.sub(r"Cs[0-9A-Za-z]+_", "Cs*_", name) if name.startswith("_R") else name


def beginnings(names, length=PREFIX_MIN):
    """The shortest beginnings of `names` that match what is needed and little else, with the share that is needed.

    names: (name, bytes, bytes that are needed), in order.
    """
    whole, needed = sum(size for _, size, _ in names), sum(own for _, _, own in names)
    if not needed:
        return
    first = names[0][0]
    length = max(length, len(os.path.commonprefix([first, names[-1][0]])))
    if len(names) == 1:
        yield needed / whole, first
    elif needed >= SHARE_MIN * whole:
        yield needed / whole, first[:length] + "*"
    else:
        for _, group in itertools.groupby(names, key=lambda name: name[0][: length + 1]):
            yield from beginnings(list(group), length + 1)


def main():
    program, manifest = sys.argv[1:]
    runs = [["audit", manifest], ["audit", manifest, "--json"], ["--version"]]
    addresses = set().union(*(executed(program, run) for run in runs))
    known = functions(program)
    starts = [start for start, _, _ in known]
    at = {address: bisect.bisect_right(starts, address) - 1 for address in addresses}
    places = {starts[index] for address, index in at.items() if index >= 0 and address < starts[index] + known[index][1]}
    # Functions of the same code are one, with several names, and the linker knows it by one of them.
    by_name = {}
    for start, size, name in known:
        whole, needed = by_name.get(without_hash(name), (0, 0))
        by_name[without_hash(name)] = (whole + size, needed + (size if start in places else 0))
    found = beginnings(sorted((name, whole, needed) for name, (whole, needed) in by_name.items()))
    # A generic function has an instance for each of its types, with one name but for the hash: those stand last.
    taken = [name for share, name in sorted(found, key=lambda found: (-round(found[0], 2), found[1]))]
    if not taken:
        sys.exit(f"{program}: no function was seen at work; is it a release build with symbols?")
    print(f"{len(places)} functions are needed; {len(taken)} beginnings of names match them", file=sys.stderr)
    print("/* Made by bench/startup/order.py: the functions of a short run, side by side. */")
    print("SECTIONS {\n  .text.short_run : {")
    for name in taken:
        print(f"    *(.text.{name} .text.unlikely.{name})")
    print("  }\n}\nINSERT BEFORE .text;")


if __name__ == "__main__":
    main()
