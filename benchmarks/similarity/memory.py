"""The peak memory of ``suture compare`` over few and over many samples. See README.md."""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from suture.runs import versions

HERE = Path(__file__).parent
ARGUMENTS = "zoo:resnet20-a zoo:tiny10-a --measure cka,procrustes --spatial mean --split train --json"
COMPARE = ["compare", *ARGUMENTS.split()]


def peak(data: str, samples: int, folder: str) -> float:
    """MiB that a process of its own has resident at most."""
    command = [sys.executable, "-m", "suture", *COMPARE, "--data", data, "--samples", str(samples)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=folder) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)} failed")
    return used.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, metavar="npz:PATH")
    parser.add_argument("--samples", type=int, nargs=2, default=(5000, 50000), metavar=("FEW", "MANY"))
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        peaks = [[round(peak(options.data, n, folder), 1) for n in options.samples] for _ in range(options.repeat)]
    few, many = (median(column) for column in zip(*peaks, strict=True))
    result = {
        "question": "how much more memory do ten times as many samples take?",
        "command": "suture " + " ".join(COMPARE),
        "samples": list(options.samples),
        "ratio": round(many / few, 4),
        "peak_mib": peaks,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "versions": versions(),
    }
    print(json.dumps(result, indent=2))
    (HERE / "results" / "memory.json").write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
