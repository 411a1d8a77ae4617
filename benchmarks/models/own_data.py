"""What people with data of their own get by defaults alone: recipes on small tables, folders and lists of pairs.

    python benchmarks/models/own_data.py --data-dir DIR        # about 40 minutes; needs the extras [benchmark,imagenet]

Each case writes the data as a person has them, runs the recipe with the flags that name the files and nothing else, and scores
the artefact on examples apart, beside what a person would pick instead, trained on the same files in the same run.
Writes results/own_data.csv: one row a case and score, the mean over seeds. Interrupted, it goes on; a case whose lines are
taken out of results/own_data_runs.csv is run again. Nothing is chosen on the test examples.
"""

import contextlib
import io
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import tyro

sys.path.insert(0, str(Path(__file__).parents[1]))
import own_going_on
import own_images
import own_pairs
import own_texts
from common import machine, read, write

CASES = (*own_texts.CASES, *own_images.CASES, *own_pairs.CASES, *own_going_on.CASES)
RECIPES = Path(__file__).parents[2] / "recipes"
AT_MOST = ("MB", "calibration error")


def trained(case, made, directory: Path) -> Path:
    """Trains by the recipe's command, as a person would; gives the artefact's directory."""
    runs = directory / "runs"
    command = [sys.executable, str(RECIPES / f"{case.recipe}.py"), *made.flags, "--runs", str(runs)]
    finished = subprocess.run(command, capture_output=True, text=True)
    if finished.returncode:
        sys.exit(f"{case.name}: {' '.join(command)}\n{finished.stdout[-3000:]}\n{finished.stderr[-3000:]}")
    (artefact,) = runs.glob("*/*/artefact")
    return artefact


def run(case, seed: int, data_dir: Path) -> list[dict]:
    """Scores of one case with one seed: of the artefact, and of the alternative."""
    import zoo

    with tempfile.TemporaryDirectory(prefix="own_data") as directory:
        directory = Path(directory)
        (directory / "files").mkdir()
        made = case.make(directory / "files", data_dir, seed)
        start = time.perf_counter()
        artefact = trained(case, made, directory)
        seconds = round(time.perf_counter() - start)
        with contextlib.redirect_stdout(io.StringIO()):
            scores = made.score(zoo.load(artefact), made.test)
        scores |= {"MB": sum(file.stat().st_size for file in artefact.rglob("*") if file.is_file()) / 1e6}
        others = made.alternative()
    return [
        {"case": case.name, "seed": seed, "score": name, "zoo": f"{value:.4f}", "seconds": seconds}
        | {"alternative": f"{others[name]:.4f}" if name in others else ""}
        for name, value in scores.items()
    ]


def summary(rows: list[dict]) -> list[dict]:
    """The means over seeds of what has a target, beside it."""
    found = []
    for case in CASES:
        for score, target in case.at_least.items():
            mine = [row for row in rows if (row["case"], row["score"]) == (case.name, score)]
            if not mine:
                continue
            mean = sum(float(row["zoo"]) for row in mine) / len(mine)
            others = [float(row["alternative"]) for row in mine if row["alternative"]]
            held = mean <= target if score in AT_MOST else mean >= target
            found.append(
                {"case": case.name, "score": score, "zoo": f"{mean:.3f}", "target": target, "held": "yes" if held else "no"}
                | {"alternative": f"{sum(others) / len(others):.3f}" if others else "", "seeds": len(mine)}
                | {"zoo by seed": " ".join(f"{float(row['zoo']):.3f}" for row in mine)}
                | {"seconds": round(sum(float(row["seconds"]) for row in mine) / len(mine)), "machine": machine()}
            )
    return found


def main(data_dir: Path, only: str = "", seeds: int = 3):
    """Runs the cases that are not in the table yet, and writes both tables.

    Args:
        data_dir: Directory of prepared data, with tfds/ and raw/ below it.
        only: Part of the names of the cases to run; all without.
        seeds: At most, of a case.
    """
    rows = read("own_data_runs")
    for case in CASES:
        if only not in case.name:
            continue
        for seed in range(min(case.seeds, seeds)):
            if not any((row["case"], int(row["seed"])) == (case.name, seed) for row in rows):
                print(f"{case.name}, seed {seed} ...", flush=True)
                rows += run(case, seed, data_dir)
                write("own_data_runs", rows, show=False)
                print(
                    ", ".join(f"{row['score']} {row['zoo']} ({row['alternative']})" for row in rows if row["case"] == case.name)
                )
    write("own_data", summary(rows))


if __name__ == "__main__":
    tyro.cli(main)
