#!/usr/bin/env python3
"""Runs the hostile bench: see README.md beside this file.

    run.py [--build DIR] [--full] [--section NAME] [NUMBER...]
"""

import argparse
import importlib
import resource
import sys
import time
import traceback

sys.dont_write_bytecode = True  # nothing is left in the source tree

import bench

SECTIONS = {
    "before_authentication": range(1, 15),
    "connect": range(15, 27),
    "topics": range(27, 36),
    "access": range(36, 44),
    "state": range(44, 53),
    "websocket": range(53, 58),
    "sdk_and_functions": range(58, 61),
}


def run_number(section_bench, number):
    """One line; False: it failed."""
    begin = time.monotonic()
    title = bench.NUMBERS[number][0]
    print(f"{number:2} {title} ... ", end="", flush=True)
    try:
        figures = section_bench.run(number)
    except Exception:  # whatever is wrong, the next number is still of interest
        print("FAILED", flush=True)
        traceback.print_exc(file=sys.stdout)
        return False
    print(f"ok ({figures}, {time.monotonic() - begin:.1f} s)", flush=True)
    return True


def run_section(build, name, numbers, full):
    """The numbers that failed. After a failure the section goes on with a fresh gateway."""
    section, failed, current = importlib.import_module(name), [], None
    try:
        for number in numbers:
            if not current:
                current = bench.Bench(build, section, full)
                current.begin()
            if not run_number(current, number):
                failed.append(number)
                broken, current = current, None
                broken.abandon()
    finally:
        if current:
            current.end()
    return failed


def main():
    parser = argparse.ArgumentParser(description="Hostile inputs to a gateway, by number.")
    parser.add_argument("--build", default="build", help="the build folder (default: build)")
    parser.add_argument("--full", action="store_true", help="every count and size as listed; takes an hour")
    parser.add_argument("--section", choices=SECTIONS)
    parser.add_argument("numbers", nargs="*", type=int)
    arguments = parser.parse_args()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # thousands of connections, and their other ends
    failed = []
    for name, numbers in SECTIONS.items():
        if arguments.section and name != arguments.section:
            continue
        wanted = [number for number in numbers if not arguments.numbers or number in arguments.numbers]
        if wanted:
            failed += run_section(arguments.build, name, wanted, arguments.full)
    if failed:
        sys.exit(f"failed: {' '.join(map(str, failed))}")


if __name__ == "__main__":
    main()
