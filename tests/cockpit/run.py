#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The page in Cockpit, in headless Chromium, on the daemon with a fake kernel. Ends with `N passed, M failed`.

    tests/cockpit/run.py --build FOLDER [--axe axe.min.js] [--only REGEX] [--jobs N] [--pictures FOLDER] [--list]
"""

import argparse
import multiprocessing
import pathlib
import re
import sys
import time
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import axe  # noqa: E402
import cases_actions  # noqa: E402, F401
import cases_changes  # noqa: E402, F401
import cases_leases  # noqa: E402, F401
import cases_views  # noqa: E402, F401
import files  # noqa: E402
import machines  # noqa: E402
from cases import CASES  # noqa: E402
from host import Host  # noqa: E402
from page import Page, start_browser  # noqa: E402

# A complaint of the browser's that a case is about.
EXPECTED = re.compile(r"$^")


def run_case(sentence, page, arguments):
    function, machine, picture, host_options = CASES[sentence]
    made = machine() if callable(machine) else machines.named(machine)
    page.size(1280)
    page.languages("en")
    with Host(arguments.build, made, **host_options) as host:
        try:
            function(page, host)
            if picture and not (arguments.pictures / f"{picture}.png").exists():
                page.picture(picture)
            errors = [error for error in page.errors() if not EXPECTED.search(error)]
            assert not errors, "the browser's console: " + "; ".join(errors)
        except BaseException:
            page.picture("failed " + re.sub(r"\W+", "-", sentence)[:60])
            print(host.logs())
            raise
        finally:
            page.driver.get("about:blank")


def work(names, arguments, results):
    driver = start_browser()
    try:
        page = Page(driver, arguments.pictures)
        while (sentence := names.get()) is not None:
            begin = time.monotonic()
            try:
                run_case(sentence, page, arguments)
                results.put((sentence, time.monotonic() - begin, ""))
            except Exception:
                results.put((sentence, time.monotonic() - begin, traceback.format_exc()))
    finally:
        driver.quit()
        driver.folder.cleanup()


def run_browsers(sentences, arguments):
    context = multiprocessing.get_context("fork")
    names, results = context.Queue(), context.Queue()
    workers = [context.Process(target=work, args=(names, arguments, results)) for _ in range(arguments.jobs)]
    for sentence in sentences + [None] * len(workers):
        names.put(sentence)
    for worker in workers:
        worker.start()
    left = set(sentences)
    while left and (any(worker.is_alive() for worker in workers) or not results.empty()):
        try:
            sentence, took, problem = results.get(timeout=1)
        except Exception:  # queue.Empty: look whether anyone is left to wait for
            continue
        left.discard(sentence)
        yield sentence, took, problem
    for sentence in left:
        yield sentence, 0, "the browser has gone"


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, help="where tests/bus/fake-bindd and ctl/vfio-bindctl were built")
    parser.add_argument("--axe", type=pathlib.Path, help="axe.min.js of axe-core")
    parser.add_argument("--only", default="", help="the cases that the regular expression finds")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--pictures", type=pathlib.Path)
    parser.add_argument("--list", action="store_true")
    return parser.parse_args()


def main():
    arguments = parse()
    axe.script = arguments.axe
    sentences = [sentence for sentence in CASES if re.search(arguments.only, sentence)]
    # Time is measured while no other browser is at work beside it, and so first.
    timed = [sentence for sentence in sentences if "4,096" in sentence]
    if arguments.list:
        print("\n".join(sentences))
        return 0
    arguments.build = arguments.build.resolve()
    arguments.pictures = (arguments.pictures or arguments.build / "cockpit").resolve()
    arguments.pictures.mkdir(parents=True, exist_ok=True)
    for old in arguments.pictures.glob("*.png"):
        old.unlink()
    passed = failed = 0
    results = [(sentence, 0, problem) for sentence, problem in files.check(arguments.build) if re.search(arguments.only, sentence)]
    one = argparse.Namespace(**{**vars(arguments), "jobs": 1})
    runs = [run_browsers(timed, one), run_browsers([name for name in sentences if name not in timed], arguments)]
    for sentence, took, problem in (result for group in [results, *runs] for result in group):
        if problem:
            failed += 1
            print(f"FAIL {sentence} ({took:.1f} s)\n{problem}", flush=True)
        else:
            passed += 1
            print(f"ok {sentence} ({took:.1f} s)", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 0 if failed == 0 and passed > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
