"""`fit`: one call trains a task and leaves a run that can be interrupted, resumed and exported."""

import math
import os
import platform
import time
from dataclasses import dataclass, field
from pathlib import Path

import keras
import tensorflow as tf

from zoo import config as configs
from zoo import files, names
from zoo.artefacts import lineage
from zoo.artefacts import publish as publishing
from zoo.errors import ZooError
from zoo.registry import model_info
from zoo.tasks import Monitor
from zoo.training import checks, logs, state
from zoo.training.batches import Batches
from zoo.training.plan import Choice, Plan
from zoo.training.progress import Bar, epoch_title
from zoo.training.steps import Steps, numbers
from zoo.training.streams import Streams

# What the learning rate is multiplied with where a run goes on from trained weights.
GENTLY = 0.25


@dataclass
class Run:
    """A trained task and how it came about; `zoo.export` makes an artefact of it."""

    path: Path
    name: str
    config: configs.RunConfig
    data: object
    log: list[dict] = field(default_factory=list)  # one row an epoch
    seconds: float = 0.0
    monitor: Monitor | None = None  # what chooses the best epoch: the task's, or its loss where validation is small
    best: float = float("nan")  # of what it watches; there is none yet
    best_epoch: int = 0
    began_with: str = ""  # what the weights came from that were not fresh
    terms: str = ""  # of the data that these come from
    lock: files.Lock | None = field(default=None, repr=False, compare=False)  # other processes stay out as long as it lives


def fit(task, data, config, *, callbacks=()) -> Run:
    """Trains a task's model and leaves the best weights in it.

    Fresh weights are first initialised from the training split where the family can (`Task.adapt`); others, of an artefact or
    of an earlier training, are gone on from: at a lower learning rate, and kept if none is better on validation.

    Args:
        task: a `Task`; its model is trained in place.
        data: `Splits`; test is not touched. Their classes are the task's, by name, in whatever order.
        config: a `RunConfig`.
        callbacks: of Keras, as `keras.Model.fit` takes them; they do not change what a run is. At the end of an epoch the model
            has the weights that were scored, at the end of training the best; a run that goes on counts its epochs on.

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
    # what was trained on a person's own file is not the recipe's model, and is not called like it
    file = data.arguments.get("path") if data.source == "own" and not config.name else None
    # of the name of a file without a Latin letter none can be made
    name = names.name_for_file(file) if file else configs.run_name(config) or (known and known.name)
    name = name or f"my_{task.model.built_by.name}"
    identity = {"config": configs.identity(config), "data": data.description, "sizes": data.sizes}
    start = known.start(task.model, identity) if known else {}
    if known:
        known.running = identity, start
    if start:  # runs from different weights are different runs
        identity = identity | {"start": start}
    path, resumed, lock = state.open_run(config.runs, name, identity, fresh=config.fresh)
    began_with, terms = start.get("from", ""), known.terms if known else ""
    if file:
        print(f"Named {name} for its file; --name gives another name, under which it can be published.")
    run = Run(path, name, config, data, began_with=began_with, terms=terms, lock=lock)
    lock.busy = True
    try:
        _train(task, parts, config, run, resumed, callbacks)
    except BaseException:
        lock.release()
        raise
    finally:
        lock.busy = False
    if known:
        known.trained(f"{name}/{path.name}", data.terms)
    return run


def _train(task, parts, config, run, resumed, callbacks):
    path, newest, best = run.path, run.path / "newest.npz", run.path / "best.npz"
    examples = sum(run.data.sizes[part] for part in parts)
    print(f"Run: {names.shown(path)}\nEncoding {examples:,} examples ...", flush=True)
    taken_up = resumed and newest.exists()
    if lineage.fresh(task.model):  # on a run that goes on too: what a task has seen of its data is in no file, weights are
        task.adapt(parts["train"], seed=config.seed)
    batches = Streams if task.carried else Batches
    train = batches(task, parts["train"], batch_size=config.batch_size, least_steps=1 if config.epochs else task.steps_an_epoch)
    validation = batches(task, parts["validation"], batch_size=2 * config.batch_size)
    plan, choice = Plan.make(config, train.steps, task.least_steps), Choice(task.monitor, validation.examples)
    model, run.monitor = task.trained, choice.monitor
    rate, why = _rate(task, config, run)
    # no XLA: it would compile each shape anew, and cuDNN's kernels are no ops of its
    model.compile(_optimizer(config, plan, rate), loss=task.losses(), metrics=task.metrics(), jit_compile=False)
    model.optimizer.build(model.trainable_variables)
    variables = [*task.model.variables, *model.optimizer.variables]

    done = False
    if taken_up:
        state.load_arrays(best, task.model.variables)  # it is needed in the end: better known now
        progress = state.load_arrays(newest, variables)
        run.log, run.seconds, run.best, run.best_epoch = (progress[key] for key in ("log", "seconds", "best", "best_epoch"))
        choice.resume(progress["choice"])
        done = progress["done"]
        logs.write(path, run.log)  # if it was stopped between the two
        print(f"Continuing after epoch {len(run.log)} of {plan.epochs}; --fresh starts anew.", flush=True)

    print(plan.describe(train.examples), flush=True)
    made = run.log[-1]["step"] if run.log else 0
    held_out = validation.epoch()
    steps = Steps(model, held_out.element_spec, bptt_steps=config.bptt_steps, carried=task.carried)
    if run.began_with:
        print(f"Going on from {run.began_with}. Learning rate: at most {rate:g}{why}.", flush=True)
    if run.began_with and not run.log:  # what it begins with is to be bettered: what is left is never worse on validation
        scores = steps.evaluate(held_out, keras.callbacks.CallbackList([]))
        task.monitor.check(scores)
        choice.better(scores, 0)
        run.best = scores[run.monitor.name]
        state.save_arrays(best, task.model.variables, {"epoch": 0})
        print(f"Before the first step; validation: {logs.words(scores)}", flush=True)
    bar = Bar(steps=plan.steps, last=plan.last, made=made)
    callbacks = keras.callbacks.CallbackList([bar, *callbacks], model=model, epochs=plan.epochs, steps=plan.steps, verbose=0)
    model.stop_training = False
    callbacks.on_train_begin()
    while not done:
        epoch, before, started = len(run.log), made, time.monotonic()
        callbacks.on_epoch_begin(epoch)
        steps.reset()
        try:
            for batch, (inputs, targets) in enumerate(train.epoch(seed=config.seed + epoch)):
                callbacks.on_train_batch_begin(batch)
                means = steps.train(inputs, targets)
                made += 1
                if not math.isfinite(means["loss"]):
                    kept = best if best.exists() else "no file: it was too early"
                    raise ZooError(
                        f"The loss is not a number any more (step {made}). Lower --learning-rate or --clip-norm, or try "
                        f"another --seed; the best weights so far are in {kept}."
                    )
                task.monitor.check(means)
                callbacks.on_train_batch_end(batch, means)
                if made == plan.last or model.stop_training:
                    break
        finally:
            bar.close()
        learnt = numbers(means)

        # with --average, the running mean of the weights takes their place to be scored and kept
        raw = [variable.numpy() for variable in model.trainable_variables]
        model.optimizer.finalize_variable_values(model.trainable_variables)
        scores = steps.evaluate(held_out, callbacks)
        run.seconds += time.monotonic() - started
        row = {"epoch": epoch + 1, "step": made, "seconds": round(run.seconds, 1)}
        row |= learnt | {f"val_{key}": value for key, value in scores.items()}
        run.log.append(row)
        title, minutes = epoch_title(epoch, plan.steps, plan.last), (time.monotonic() - started) / 60
        said = f"{logs.words(learnt)}; validation: {logs.words(scores)}"
        print(f"{title}: {made - before:,} steps, {minutes:.1f} min; {said}", flush=True)

        if choice.better(scores, made):
            run.best, run.best_epoch = scores[run.monitor.name], epoch + 1
            state.save_arrays(best, task.model.variables, {"epoch": epoch + 1})
        callbacks.on_epoch_end(epoch, {key: row[key] for key in row if key not in ("epoch", "step", "seconds")})
        for variable, value in zip(model.trainable_variables, raw, strict=True):
            variable.assign(value)

        done = made == plan.last or epoch + 1 >= plan.epochs or choice.waited(made, plan) or model.stop_training
        progress = {key: getattr(run, key) for key in ("log", "seconds", "best", "best_epoch")}
        state.save_arrays(newest, variables, progress | {"choice": choice.state(), "done": done})
        logs.write(path, run.log)
    state.load_arrays(best, task.model.variables)
    callbacks.on_train_end()
    kept = f"epoch {run.best_epoch}" if run.best_epoch else "before the first step"
    print(f"Best on validation: {run.monitor.name} {run.best:.4f}, {kept}.", flush=True)
    task.calibrate(parts["validation"])


def _rate(task, config, run) -> tuple[float, str]:
    """The peak of the learning rate, and why it is that, in words."""
    if config.learning_rate:
        return config.learning_rate, ""
    known = lineage.of(task.model)
    if not (run.began_with and known and known.label):
        return config.usual_learning_rate, ""
    if not known.related:
        return config.usual_learning_rate, ", as for fresh weights: what they answer tells little of these classes"
    return GENTLY * config.usual_learning_rate, f", {GENTLY:g} times that for fresh weights; --learning-rate says otherwise"


def _optimizer(config, plan, rate):
    """Adam with clipped gradients: the rate rises for a twentieth of the steps, then falls along a cosine."""
    warmup = plan.warmup
    schedule = keras.optimizers.schedules.CosineDecay(
        rate if not warmup else rate / 50,
        decay_steps=plan.last - warmup,
        warmup_target=rate if warmup else None,
        warmup_steps=warmup,
        alpha=0.02,
    )
    span = config.average * plan.last
    average = {"use_ema": True, "ema_momentum": 1 - 1 / span} if span > 1 else {}
    return keras.optimizers.Adam(schedule, global_clipnorm=config.clip_norm, **average)


def hardware() -> str:
    """What the process runs on, in words."""
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        return tf.config.experimental.get_device_details(gpus[0]).get("device_name", "a GPU")
    return f"{os.cpu_count()} CPU cores ({platform.machine()})"
