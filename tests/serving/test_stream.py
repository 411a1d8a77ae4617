"""A language model over the wire: the steps that a client asks for say what the model itself says."""

import shutil

import numpy as np
import pytest

import zoo
from zoo.artefacts import streaming
from zoo.serving import errors

NAME, PROMPT = "language", "CLERK:\nThe king"


@pytest.fixture(scope="module")
def export(export_of):
    return export_of("language model gru")


@pytest.fixture(scope="module")
def running(export, module_serve, tmp_path_factory):
    base = tmp_path_factory.mktemp("served") / NAME
    shutil.copytree(export.directory, base / "1")
    return module_serve({NAME: base})


@pytest.fixture(params=[zoo.Client, zoo.GrpcClient])
def client(request, running):
    with request.param(running.rest if request.param is zoo.Client else running.grpc) as client:
        yield client


def asked(export):
    """What `streaming.stream` asks, of the model in this process."""

    def ask(signature, inputs):
        answers = export.ask(signature, **{name: [value] for name, value in inputs.items()})
        return {name: value[0].decode() if name == "piece" else value[0] for name, value in answers.items()}

    return ask


def test_a_stream_over_the_wire_is_that_of_the_model(client, export):
    pieces = list(client.stream(NAME, PROMPT, length=12, seed=2))
    assert pieces == list(streaming.stream(asked(export), PROMPT, length=12, seed=2))
    assert len(pieces) > 3
    with pytest.raises(zoo.ZooError, match="0 or more"):
        client.stream(NAME, PROMPT, length=-1)
    with pytest.raises(errors.NotFound):
        next(client.stream("nothing", PROMPT))


def test_steps_over_the_wire_say_what_the_score_says(client, export):
    (score,) = client.predict(NAME, [PROMPT], signature="score")
    state, token, total = np.zeros(export.task.state_size, "float32"), 2, 0.0
    for following in export.task.words([PROMPT]).numpy()[0].tolist():
        (answer,) = client.predict(NAME, [{"token": token, "state": state}], signature="step")
        logits = np.array(answer["logits"], np.float64)
        total += logits[following] - logits.max() - np.log(np.exp(logits - logits.max()).sum())
        state, token = answer["state"], following
    assert total == pytest.approx(score["log_prob"], rel=1e-5)
