"""Checks and measures Glassbox on an NVIDIA GPU, from the folder that `make gpu-bundle` built: python3 run.py [--dry-run]

Nothing is needed but the driver and Python; the peers need PyTorch, and the checks of memory compute-sanitizer. What is
not there is reported as missing. Writes gpu-DEVICE.json and gpu-DEVICE.md. With --dry-run the simulated driver takes
the place of the GPU: that shows that everything runs, and measures nothing.
"""

import argparse
import pathlib
import sys
import time

import jobs
import machine
import report

HERE = pathlib.Path(__file__).resolve().parent


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dry-run", action="store_true", help="on the simulated driver, small")
    parser.add_argument("--out", type=pathlib.Path, default=HERE / "report", help="where the report goes")
    parser.add_argument("--only", nargs="*", choices=jobs.JOBS, default=list(jobs.JOBS), help="some of the jobs")
    parser.add_argument("--minutes", type=float, default=60, help="no job begins later than this")
    return parser.parse_args()


def main():
    args = arguments()
    sys.stdout.reconfigure(errors="backslashreplace")
    about = machine.simulated() if args.dry_run else machine.gpu()
    if about is None:
        sys.exit("there is no NVIDIA GPU here: nvidia-smi does not answer (hint: --dry-run takes the simulated driver)")
    about |= machine.host() | machine.bundle(HERE)
    print(", ".join(f"{key}: {value}" for key, value in about.items()), flush=True)
    bundle, start, rows = jobs.Bundle(HERE, args.dry_run), time.monotonic(), []
    paths = []
    for name in args.only:
        begun = time.monotonic()
        is_late = begun - start > 60 * args.minutes
        for row in [jobs.skipped(name, f"{args.minutes:g} minutes were over")] if is_late else jobs.JOBS[name](bundle):
            rows.append({"job": name} | row | machine.stamp(about))
            print(report.line(rows[-1]), flush=True)
            # After each row, so that who stops it halfway keeps the half.
            paths = report.write(args.out, about, rows)
        print(f"  ({name} took {time.monotonic() - begun:.0f} s)", flush=True)
    for path in paths:
        print(f"wrote {path}")
    count = {status: sum(row["status"] == status for row in rows) for status in ("passed", "failed", "skipped", "missing")}
    print(", ".join(f"{number} {status}" for status, number in count.items()))
    # On a GPU something may be missing; a dry run is to show that the bundle is whole.
    sys.exit(1 if count["failed"] or args.dry_run and count["missing"] else 0)


if __name__ == "__main__":
    main()
