"""`fit`: one call trains a task and leaves a run that can be interrupted, resumed and exported."""

import csv
import importlib.util
import io
import os
import platform
import time
from dataclasses import dataclass, field
from pathlib import Path

import keras
import tensorflow as tf

from zoo import config as configs
from zoo import files, kernels
from zoo.artefacts import lineage
from zoo.artefacts import publish as publishing
from zoo.errors import ZooError
from zoo.registry import model_info
from zoo.training import adversarial, checks, state
from zoo.training.batches import Batches
from zoo.training.progress import NotANumber, Watch, words


@dataclass
class Run:
    """A trained task and how it came about; `zoo.export` makes an artefact of it."""

    path: Path
    name: str
    config: configs.RunConfig
    data: object
    log: list[dict] = field(default_factory=list)  # one row an epoch
    seconds: float = 0.0
    best: float = float("-inf")
    best_epoch: int = 0
    began_with: str = ""  # what the weights came from that were not fresh
    terms: str = ""  # of the data that these come from
    lock: files.Lock | None = field(default=None, repr=False, compare=False)  # other processes stay out as long as it lives


def fit(task, data, config) -> Run:
    """Trains a task's model and leaves the best weights in it.

    Fresh weights are first initialised from the training split where the family can (`Task.adapt`); others, of an artefact or
    of an earlier training, are gone on from.

    Args:
        task: a `Task`; its model is trained in place.
        data: `Splits`; test is not touched. Their classes are the task's, by name, in whatever order.
        config: a `RunConfig`.

    Returns:
        A `Run`. Its directory holds the configuration, `log.csv`, TensorBoard events where tensorboard is installed, the
        newest state (for resuming) and the best weights.

    Raises:
        ZooError: before anything is trained, if the data do not fit the task. If the loss stops being a number; the best
            weights so far stay on disk. If another process writes this run, or nothing can be written, or what was written is
            damaged: before training, where it can be known.
    """
    if config.publish:
        publishing.check_publishable("This run", data.source, config.max_steps, config.name)
        files.check_writable(Path("saved_models"))
    parts = checks.fitting(task, data)
    known = lineage.of(task.model)
    if config.name:
        publishing.check_successor(config.name, model_info(task.model.built_by.name).mapping, data.loader)
    name = configs.run_name(config) or (known and known.name) or f"my_{task.model.built_by.name}"
    identity = {"config": configs.identity(config), "data": data.description, "sizes": data.sizes}
    start = known.start(task.model, identity) if known else {}
    if known:
        known.running = identity, start
    if start:  # runs from different weights are different runs
        identity = identity | {"start": start}
    path, resumed, lock = state.open_run(config.runs, name, identity, fresh=config.fresh)
    began_with, terms = start.get("from", ""), known.terms if known else ""
    run = Run(path, name, config, data, began_with=began_with, terms=terms, lock=lock)
    lock.busy = True
    try:
        _train(task, parts, config, run, resumed)
    except BaseException:
        lock.release()
        raise
    finally:
        lock.busy = False
    if known:
        known.trained(f"{name}/{path.name}", data.terms)
    return run


def _train(task, parts, config, run, resumed):
    path, newest, best = run.path, run.path / "newest.npz", run.path / "best.npz"
    examples = sum(run.data.sizes[part] for part in parts)
    print(f"Run: {files.shown(path)}\nEncoding {examples:,} examples ...", flush=True)
    train = Batches(task, parts["train"], batch_size=config.batch_size)
    validation = Batches(task, parts["validation"], batch_size=2 * config.batch_size)
    if not (resumed and newest.exists()) and lineage.fresh(task.model):
        task.adapt(parts["train"], seed=config.seed)
    steps = min(train.steps * config.epochs, config.max_steps or 2**31)
    trained = task.trained
    trainer = adversarial.Trainer(trained, config.adversarial)
    # no XLA: it would compile each shape anew, and cuDNN's kernels are no ops of its
    optimizer = _optimizer(config, steps)
    trainer.compile(optimizer=optimizer, loss=task.losses(), metrics=task.metrics(), jit_compile=False)
    trainer.optimizer.build(trained.trainable_variables)
    variables = [*task.model.variables, *trainer.optimizer.variables]

    waited, done = 0, False
    if resumed and newest.exists():
        state.load_arrays(best, task.model.variables)  # it is needed in the end: better known now
        progress = state.load_arrays(newest, variables)
        run.log, run.seconds, run.best, run.best_epoch = (progress[key] for key in ("log", "seconds", "best", "best_epoch"))
        waited, done = progress["waited"], progress["done"]
        _write_logs(path, run.log)  # if it was stopped between the two
        print(f"Continuing after epoch {len(run.log)} of {config.epochs}; --fresh starts anew.", flush=True)

    print(f"At most {steps:,} steps, {train.steps:,} an epoch.", flush=True)
    while not done:
        epoch, started = len(run.log), time.monotonic()
        which, made = f"Epoch {epoch + 1} of {-(-steps // train.steps)}", int(trainer.optimizer.iterations)
        watch = Watch(which, steps=min(train.steps, steps - made), last=steps, estimate=epoch == 0)
        try:
            with kernels.truncation_scope(config.bptt_steps):
                logs = trainer.fit(
                    train.epoch(seed=config.seed + epoch),
                    initial_epoch=epoch,
                    epochs=config.epochs,
                    shuffle=False,
                    verbose=0,
                    callbacks=[watch, raw := _OneEpoch()],
                ).history
        except NotANumber as error:
            raise ZooError(
                f"The loss is not a number any more (step {error.args[0]}). Lower --learning-rate or --clip-norm, or try "
                f"another --seed; the best weights so far are in {best if best.exists() else 'no file: it was too early'}."
            ) from None
        finally:
            watch.close()
        # with averaging, Keras's fit ends by putting the averaged weights in place: these are scored and kept
        scores = trainer.evaluate(validation.epoch(), verbose=0, return_dict=True)
        run.seconds += time.monotonic() - started
        row = {"epoch": epoch + 1, "step": int(trainer.optimizer.iterations), "seconds": round(run.seconds, 1)}
        logs = {key: values[-1] for key, values in logs.items()}
        row |= logs | {f"val_{key}": value for key, value in scores.items()}
        run.log.append(row)
        minutes = (time.monotonic() - started) / 60
        print(f"{which}: {watch.seen:,} steps, {minutes:.1f} min; {words(logs)}; validation: {words(scores)}", flush=True)
        waited += 1
        if scores[task.monitor] > run.best:
            run.best, run.best_epoch, waited = scores[task.monitor], epoch + 1, 0
            state.save_arrays(best, task.model.variables, {"epoch": epoch + 1})
        for variable, value in zip(trained.trainable_variables, raw.values, strict=True):
            variable.assign(value)
        done = watch.full or epoch + 1 >= config.epochs or waited >= config.patience
        progress = {key: getattr(run, key) for key in ("log", "seconds", "best", "best_epoch")}
        state.save_arrays(newest, variables, progress | {"waited": waited, "done": done})
        _write_logs(path, run.log)
    state.load_arrays(best, task.model.variables)
    print(f"Best on validation: {task.monitor} {run.best:.4f}, epoch {run.best_epoch}.", flush=True)


def _optimizer(config, steps):
    warmup = min(steps // 20, steps - 1)
    schedule = keras.optimizers.schedules.CosineDecay(
        config.learning_rate if not warmup else config.learning_rate / 50,
        decay_steps=steps - warmup,
        warmup_target=config.learning_rate if warmup else None,
        warmup_steps=warmup,
        alpha=0.02,
    )
    span = config.average * steps
    average = {"use_ema": True, "ema_momentum": 1 - 1 / span} if span > 1 else {}
    return keras.optimizers.Adam(schedule, global_clipnorm=config.clip_norm, **average)


class _OneEpoch(keras.callbacks.Callback):
    """Ends `fit` after an epoch, and takes the weights before Keras overwrites them with their running mean."""

    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training = True
        self.values = [variable.numpy() for variable in self.model.trainable_variables]


def _write_logs(path: Path, log: list[dict]) -> None:
    """Renews `log.csv`, and adds the files of TensorBoard that are not there yet, one an epoch."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=log[0])
    writer.writeheader()
    writer.writerows(log)
    files.write(path / "log.csv", text.getvalue())
    if importlib.util.find_spec("tensorboard"):
        for row in log:
            events = path / "tensorboard" / f"events.out.tfevents.{row['epoch']:06}"
            if not events.exists():
                _write_events(events, row)


def _write_events(path: Path, row: dict) -> None:
    with files.replacing(path) as temporary:
        with files.written_by_tensorflow(temporary.parent) as directory:
            writer = tf.summary.create_file_writer(str(directory))
            with writer.as_default():
                for key, value in row.items():
                    if key not in ("epoch", "step"):
                        tf.summary.scalar(key, value, step=row["step"])
            writer.close()
        (written,) = temporary.parent.glob("events.*")
        written.rename(temporary)


def hardware() -> str:
    """What the process runs on, in words."""
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        return tf.config.experimental.get_device_details(gpus[0]).get("device_name", "a GPU")
    return f"{os.cpu_count()} CPU cores ({platform.machine()})"
