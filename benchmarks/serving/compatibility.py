"""Which releases of TensorFlow load the shipped artefacts and answer as their cards say.

    python benchmarks/serving/compatibility.py                            # about 4 minutes, most of it installing
    python benchmarks/serving/compatibility.py --releases 2.20 2.16

TensorFlow Serving X.Y is built on TensorFlow X.Y. For each release this makes a virtual environment in a temporary directory,
with `tensorflow-cpu` of that release alone, and in it loads every artefact the two ways that TensorFlow Serving's loader knows:
as functions, and through a TensorFlow 1 session. The examples of the card are asked, and the answers compared: texts as they
are, numbers to 1e-3. Python 3.11 has releases from 2.12 on. Writes results/compatibility_cpu.csv.
"""

import json
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

import tyro
from rich.progress import track

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import write

ROOT = Path(__file__).parents[2] / "saved_models"

# Runs where there is TensorFlow and NumPy alone.
PROBE = """
import base64, json, pathlib, sys
import numpy as np
import tensorflow as tf

def close(answer, said):
    if isinstance(said, list):
        return len(answer) == len(said) and all(map(close, answer, said))
    if isinstance(said, float):
        return abs(answer - said) < 1e-3
    return answer == (said.encode() if isinstance(said, str) else said)

directory = sys.argv[1]
card = json.loads((pathlib.Path(directory) / "card.json").read_text(encoding="utf-8"))
inputs = [example["input"] for example in card["examples"]]
inputs = [base64.b64decode(one["b64"]) if isinstance(one, dict) else one for one in inputs]

def check(outputs):
    for row, example in enumerate(card["examples"]):
        for name, said in example["output"].items():
            assert close(np.asarray(outputs[name]).tolist()[row], said), (name, row)

function = tf.saved_model.load(directory).signatures["serving_default"]
((name, spec),) = function.structured_input_signature[1].items()
value = np.array(inputs, dtype=object if spec.dtype == tf.string else spec.dtype.as_numpy_dtype)
check({key: output.numpy() for key, output in function(**{name: tf.constant(inputs, spec.dtype)}).items()})
with tf.Graph().as_default(), tf.compat.v1.Session() as session:
    signature = tf.compat.v1.saved_model.load(session, ["serve"], directory).signature_def["serving_default"]
    outputs = {key: tensor.name for key, tensor in signature.outputs.items()}
    check(session.run(outputs, {signature.inputs[name].name: value}))
"""


def environment(release: str, root: Path) -> Path:
    """The Python of a new virtual environment with a release of TensorFlow."""
    venv.create(root, with_pip=True)
    python = root / "bin" / "python"
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", f"tensorflow-cpu=={release}.*"]
    subprocess.run(install, check=True)
    return python


def verdict(python: Path, directory: Path) -> str:
    """What became of an artefact: "ok", or the last line that was said."""
    done = subprocess.run([python, "-c", PROBE, str(directory)], capture_output=True, text=True)
    return "ok" if done.returncode == 0 else (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1][:200]


def main(releases: tuple[str, ...] = ("2.19", "2.12")):
    """Tries every release on every artefact, and writes the table.

    Args:
        releases: Those of TensorFlow: that of the image which `zoo deploy` pins, and the oldest that Python 3.11 has.
    """
    artefacts = sorted(path.parent for path in ROOT.glob("*/*/card.json"))
    if not artefacts:
        sys.exit(f"error: there is no artefact below {ROOT}.")
    rows = []
    for release in track(releases, description="releases"):
        with tempfile.TemporaryDirectory() as directory:
            python = environment(release, Path(directory))
            for artefact in artefacts:
                said = json.loads((artefact / "card.json").read_text(encoding="utf-8"))
                row = {"artefact": said["name"], "version": artefact.name, "tensorflow": release}
                rows.append(row | {"answers": verdict(python, artefact)})
    write("compatibility_cpu", rows)


if __name__ == "__main__":
    tyro.cli(main)
