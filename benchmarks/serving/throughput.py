"""Load on `zoo serve`: every shipped model against the stock Keras export of the same, behind the same server.

    pip install -e ".[benchmark,serve]"
    python benchmarks/serving/throughput.py                    # 2 CPU cores: about 18 minutes
    python benchmarks/serving/throughput.py --soak 600         # memory and failures over ten minutes

It can be interrupted: the rows of a model are written when it is done, and the next run goes on with those that are missing.

The two exports are two models of one server, asked in turn with the same requests; the clients (`load.py`) are another process
on the same cores. Closed loop: 64 clients that ask again as soon as they are answered. Open loop: requests arrive at random,
half as many a second as stock Keras managed in the closed loop. Each number is the median of the repeats. `bilstm` is a text
model of the shape of IMDB's (2 bidirectional LSTMs of 64 units, words embedded in 64 dimensions, no n-grams), with random
weights; its texts, and those of imdb_sentiment, are reviews of 50 to 400 words. Writes results/serving_cpu.csv and .png, or
results/serving_soak_cpu.csv.
"""

import contextlib
import itertools
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
import requests
import tyro
from latency import stock_export
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator
from rich.progress import track

import zoo
from zoo.artefacts import find
from zoo.artefacts import save as saving
from zoo.data.film_reviews import film_reviews

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import RESULTS, read, write

BODIES = 200  # different requests
BATCHING = {"on": [], "off": ["--max-batch-size", "1"]}


@dataclass(frozen=True)
class Options:
    """What to measure."""

    # Which models: bilstm, names of artefacts; by default bilstm and all that are published.
    models: tuple[str, ...] = ()
    # Clients of the closed loop.
    clients: int = 64
    # Of each measurement.
    seconds: float = 4.0
    # Measurements of each kind.
    repeats: int = 3
    # Measure again what is there.
    fresh: bool = False
    # In place of all that: so many seconds of load on imdb_sentiment, and what the server's memory does.
    soak: float | None = None


def task_of(name):
    """The task of a shipped model, or of the one that is made here."""
    if name != "bilstm":
        return zoo.load_task(name)
    shipped = zoo.load_task("imdb_sentiment")
    model = zoo.create_model(
        "text_classifier", vocabulary_size=shipped.words.size, num_classes=2, cell="lstm", units=64, layers=2, embedding_dim=64
    )
    return zoo.TextClassifier(model, shipped.words, shipped.assets["labels.txt"])


def exports(name, root: Path) -> None:
    """Saves both exports of a model as version 1 below ROOT/zoo and ROOT/keras."""
    task = task_of(name)
    saving.save(task, root / "zoo" / "1")
    stock_export(saving.for_export(task), root / "keras" / "1")


def bodies(name, path: Path) -> None:
    """Writes the requests of a model, one a line."""
    random_ = random.Random(0)
    if name in ("bilstm", "imdb_sentiment"):
        words = " ".join(text for text, _ in film_reviews(train=2000)["train"]).split()
        starts = [random_.randrange(len(words) - 400) for _ in range(BODIES)]
        items = [" ".join(words[start : start + random_.randint(50, 400)]) for start in starts]
    else:
        examples = [example["input"] for example in zoo.load(name).card["examples"]]
        items = list(itertools.islice(itertools.cycle(examples), BODIES))
    path.write_text("".join(json.dumps({"instances": [item]}) + "\n" for item in items), encoding="utf-8")


def free_port() -> int:
    """A port of this machine that nobody listens at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@contextlib.contextmanager
def serving(root: Path, flags):
    """A server of ROOT/zoo and what else there is; gives its process and its address."""
    config = root / "models.config"
    names = sorted(path.name for path in root.iterdir() if path.is_dir())
    blocks = (f'config {{ name: "{name}" base_path: "{name}" }}' for name in names)
    config.write_text(f"model_config_list {{ {' '.join(blocks)} }}", encoding="utf-8")
    port = free_port()
    command = [sys.executable, "-c", "from zoo.cli import main; main()", "serve", "--model-config-file", str(config)]
    command += ["--port", str(port), "--grpc-port", "0", "--max-enqueued-rows", "4096", *flags]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        address = f"http://127.0.0.1:{port}/v1/models"
        for _ in range(600):
            with contextlib.suppress(requests.ConnectionError):
                if requests.get(f"{address}/zoo", timeout=5).ok:
                    break
            if process.poll() is not None:
                raise SystemExit("error: the server ended; start it by hand to see why.")
            time.sleep(0.2)
        yield process, address
    finally:
        process.terminate()
        process.wait()


def load(address, name, path, *, clients, seconds, rate=None, warm_up=1.0) -> dict:
    """What `load.py` measures."""
    command = [sys.executable, str(Path(__file__).with_name("load.py")), f"{address}/{name}:predict", str(path)]
    command += ["--clients", str(clients), "--seconds", str(seconds), "--warm-up", str(warm_up)]
    command += ["--rate", str(rate)] if rate else []
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def measure(name, options: Options) -> list[dict]:
    """The rows of a model."""
    rows = []
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        exports(name, root)
        bodies(name, root / "bodies")
        for batching, flags in BATCHING.items():
            with serving(root, flags) as (_, address):
                found = {(loop, export): [] for loop in ("closed", "open") for export in ("zoo", "keras")}
                for loop in ("closed", "open"):
                    rate = None
                    if loop == "open":
                        rate = max(statistics.median(one["requests_per_s"] for one in found["closed", "keras"]) / 2, 0.5)
                    for _ in range(options.repeats):
                        for export in ("zoo", "keras"):
                            settings = {"clients": options.clients, "seconds": options.seconds, "rate": rate}
                            found[loop, export].append(load(address, export, root / "bodies", **settings))
            for (loop, export), results in found.items():
                row = {"model": name, "batching": batching, "loop": loop, "export": export}
                for column, digits in (("requests_per_s", 1), ("p50_ms", 1), ("p99_ms", 1)):
                    row[column] = round(statistics.median(one[column] for one in results), digits)
                row["failed"] = sum(one["failed"] for one in results)
                other = found[loop, "keras"]
                for ratio, column, sign in (("throughput_ratio", "requests_per_s", 1), ("p99_ratio", "p99_ms", -1)):
                    row[ratio] = round((row[column] / statistics.median(one[column] for one in other)) ** sign, 2)
                rows.append(row)
    return rows


def soak(options: Options) -> None:
    """Loads a server for a long time and writes down its memory."""
    rows, step = [], 20.0
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        (root / "zoo").symlink_to(zoo.load("imdb_sentiment").directory.parent)
        bodies("imdb_sentiment", root / "bodies")
        with serving(root, []) as (process, address):
            for index in track(range(max(round(options.soak / step), 1)), description="soak"):
                found = load(address, "zoo", root / "bodies", clients=options.clients, seconds=step, warm_up=0)
                memory = psutil.Process(process.pid).memory_info().rss
                row = {"seconds": round((index + 1) * step), "requests": found["requests"], "failed": found["failed"]}
                rows.append(row | {"p99_ms": round(found["p99_ms"], 1), "memory_mb": round(memory / 1e6)})
    write("serving_soak_cpu", rows)


def plot(rows: list[dict], path: Path) -> None:
    """Draws throughput and p99 of the closed loop: zoo and stock Keras, with batching and without."""
    figure = Figure((10, 3.6), layout="constrained")
    shown = [row for row in rows if row["loop"] == "closed"]
    models = list(dict.fromkeys(row["model"] for row in shown))
    for axes, column, title in zip(
        figure.subplots(1, 2), ("requests_per_s", "p99_ms"), ("requests a second", "99th percentile, ms"), strict=True
    ):
        kinds = itertools.product(BATCHING, ("zoo", "keras"))
        for place, (batching, export) in enumerate(kinds):
            values = [float(row[column]) for row in shown if (row["batching"], row["export"]) == (batching, export)]
            colour = {"zoo": "tab:blue", "keras": "tab:orange"}[export]
            places = [index + 0.2 * (place - 1.5) for index in range(len(models))]
            label = f"{'zoo' if export == 'zoo' else 'stock Keras'}, batching {batching}"
            axes.bar(places, values, 0.18, color=colour, alpha=1 if batching == "on" else 0.45, label=label)
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_locator(NullLocator())
        axes.set_xticks(range(len(models)), [model.replace("_", "\n") for model in models], fontsize=8)
        axes.set_title(title, fontsize=11)
        axes.spines[["top", "right"]].set_visible(False)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    figure.savefig(path, dpi=100)


def main(options: Options):
    """Measures, draws, writes."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if options.soak:
        soak(options)
        return
    rows = [] if options.fresh else read("serving_cpu")
    for name in track(options.models or ("bilstm", *find.artefacts()), description="models"):
        if not any(row["model"] == name for row in rows):
            rows += measure(name, options)
            write("serving_cpu", rows)
    plot(rows, RESULTS / "serving_cpu.png")


if __name__ == "__main__":
    main(tyro.cli(Options))
