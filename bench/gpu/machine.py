"""What a report says of the machine that it was made on."""

import datetime
import json
import os
import pathlib
import platform
import shutil
import subprocess

FIELDS = {
    "device": "name",
    "driver": "driver_version",
    "memory_mib": "memory.total",
    "most_sm_mhz": "clocks.max.sm",
    "power_limit_watts": "power.limit",
    "compute_capability": "compute_cap",
}


def gpu():
    """The first GPU as nvidia-smi knows it, or None."""
    if not shutil.which("nvidia-smi"):
        return None
    command = ["nvidia-smi", "--id=0", f"--query-gpu={','.join(FIELDS.values())}", "--format=csv,noheader,nounits"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8")
    values = [value.strip() for value in done.stdout.strip().split(",")]
    return dict(zip(FIELDS, values)) if done.returncode == 0 and len(values) == len(FIELDS) else None


def simulated():
    return {"device": "simulated driver, no GPU", "driver": "simulated"}


def host():
    """The rest of the machine, and today."""
    info = pathlib.Path("/proc/cpuinfo")
    names = [line.partition(":")[2].strip() for line in info.read_text("utf-8", "replace").splitlines() if line.startswith("model name")]
    today = datetime.date.today().isoformat()
    processor = names[0] if names else "unknown"
    return {"date": today, "processor": processor, "cores": os.cpu_count(), "system": platform.platform()}


def bundle(folder):
    """Which Glassbox this is."""
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    return {"version": manifest["version"], "commit": manifest["commit"], "built": manifest["built"]}


def stamp(about):
    """What every row carries: a figure without its device, driver and day is none."""
    return {key: about[key] for key in ("device", "driver", "date")}
