"""What the benchmarks share: runs that alternate, medians, tables, and a description of the machine."""
import json
import os
import pathlib
import statistics
import subprocess
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CACHE = pathlib.Path(
    os.environ.get("MIGRATE_LAB_CACHE")
    or pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "migrate-lab"
)


def component(name):
    """A program of the lab, or an error that says how to get it."""
    path = CACHE / "bin" / name
    if not path.exists():
        raise SystemExit(f"{name} is missing: tests/lab/components {name}")
    return str(path)


def ours(name):
    """One of our programs, as it is released. MIGRATE_BIN is a folder with programs that are built already."""
    folder = os.environ.get("MIGRATE_BIN")
    if not folder:
        build = ["cargo", "build", "--release", "--locked", "--quiet", "-p", name]
        subprocess.run(build, cwd=ROOT, check=True)
        folder = ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "release"
    return str(pathlib.Path(folder).resolve() / name)


def measure(command, prefix=(), env=None, cwd=None, stdout=subprocess.DEVNULL, limit=600):
    """Runs a command. The result has seconds, cpu, memory (KiB) and exit."""
    with tempfile.NamedTemporaryFile(suffix=".json") as file, tempfile.TemporaryFile() as said:
        try:
            subprocess.run(
                [*prefix, str(HERE / "measure"), file.name, *command],
                stdin=subprocess.DEVNULL, stdout=stdout, stderr=said, env=env, cwd=cwd, check=True, timeout=limit,
            )
        except subprocess.TimeoutExpired:
            return None
        result = json.load(open(file.name))
        said.seek(0)
        result["said"] = said.read().decode(errors="replace")
        return result


def median(runs, key):
    return statistics.median(run[key] for run in runs)


def seconds(value):
    return f"{value * 1000:.1f} ms" if value < 0.1 else f"{value:.3f} s" if value < 1 else f"{value:.2f} s"


def bytes_(value):
    return f"{value / 1e6:.1f} MB"


def memory(kibibytes):
    # Below this it is the measuring program itself.
    return "< 10 MiB" if kibibytes < 10 << 10 else f"{kibibytes / 1024:.0f} MiB"


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]) + "\n"


class Report:
    """Prints, and writes the same to tests/bench/results/FILE.md, NAME.md by default. Long ones write after each part."""

    def __init__(self, name, file=None):
        self.file = HERE / "results" / f"{file or name}.md"
        self.name = name
        self.text = []
        self.load = [os.getloadavg()[0]]

    def say(self, text=""):
        print(text, flush=True)
        self.text.append(text)

    def write(self):
        self.load.append(os.getloadavg()[0])
        model = next(
            (line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?"
        )
        total = next(int(line.split()[1]) for line in open("/proc/meminfo") if line.startswith("MemTotal"))
        commit = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--exclude=*"], cwd=ROOT, capture_output=True, text=True
        ).stdout.strip()
        head = (
            f"Written by `tests/bench/{self.name}/run`; not by hand.\n\n"
            f"Machine: {os.cpu_count()} x {model}, {total / (1 << 20):.0f} GiB, Linux {os.uname().release}. "
            f"Commit {commit}. Load average when it began {self.load[0]:.2f}, when it ended {self.load[-1]:.2f}; "
            "the programs themselves are part of the latter.\n"
        )
        self.file.write_text(f"# Benchmark: {self.name}\n\n{head}\n" + "\n".join(self.text) + "\n")
        print(f"written to {self.file.relative_to(ROOT)}")
