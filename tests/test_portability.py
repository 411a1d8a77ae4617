"""An exported text classifier wherever TensorFlow is: in a process without our code, in a TF1 session, in C."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import zoo
from zoo import exporting
from zoo.data.film_reviews import film_reviews
from zoo.kernels import block
from zoo.preprocessing import Words

VARIANTS = {
    "lstm": {"cell": "lstm"},
    "gru": {"cell": "gru"},
    "rnn": {"cell": "rnn", "bidirectional": False},
    "transformer": {"cell": "transformer"},
    "stacked lstm with n-grams": {
        **{"cell": "lstm", "layers": 2, "window": 8, "attention": True},
        **{"ngram_order": 2, "ngram_buckets": 2**10},
    },
}
WITH_NGRAMS = "stacked lstm with n-grams"

TEXTS = [
    b"A truly charming film, never dull.",
    b"",
    b" \t\r\n ",
    "😀🎬 superb 👩‍👩‍👧".encode(),
    "Этот фильм был скучным. 映画は最高でした".encode(),
    b"broken \xff\xfe bytes \xc3( and a cut off one \xe2\x82",
    b"<p>Silly<br /><br />plot &amp; a <b>great</b> cast <",
    b"boring " * 50_000,
]


class Export:
    """An untrained task and the SavedModel made of it, without a card."""

    def __init__(self, arguments, directory):
        train = film_reviews(300, 1, 1)["train"]
        texts, labels = zip(*train, strict=True)
        dataset = tf.data.Dataset.from_tensor_slices((list(texts), list(labels)))
        words = Words.fit(dataset, size=200, limit=48)
        model = zoo.create_model("text_classifier", vocabulary_size=words.size, num_classes=2, units=8, **arguments)
        self.task = zoo.TextClassifier(model, words, ("negative", "positive"))
        random = np.random.default_rng(0)
        if "ngram_order" in arguments:
            self.task.adapt(dataset)
            factors = model.get_layer("ngram_linear").factors
            factors.assign(random.normal(0.03, 0.01, factors.shape))
        for weight in model.trainable_weights:  # else biases are zero, and nobody would miss them
            if weight.name != "factors":
                weight.assign(weight + random.normal(0, 0.1, weight.shape))
        self.directory = directory
        exporting.save(self.task, directory)
        self.signatures = tf.saved_model.load(str(directory)).signatures
        self.answers = self.ask(TEXTS)

    def ask(self, texts, signature="serving_default"):
        answers = self.signatures[signature](text=tf.constant(texts, tf.string))
        return {name: value.numpy() for name, value in answers.items()}

    def stored(self):
        from tensorflow.core.protobuf import saved_model_pb2

        (graph,) = saved_model_pb2.SavedModel.FromString((self.directory / "saved_model.pb").read_bytes()).meta_graphs
        return graph


@pytest.fixture(scope="module")
def exports(tmp_path_factory):
    return {name: Export(arguments, tmp_path_factory.mktemp("export")) for name, arguments in VARIANTS.items()}


@pytest.fixture(params=VARIANTS)
def export(request, exports):
    return exports[request.param]


def assert_same(answers, expected, tolerance=1e-5):
    np.testing.assert_allclose(answers["probabilities"], expected["probabilities"], rtol=0, atol=tolerance)
    if "label" in answers:
        assert list(answers["label"]) == list(expected["label"])


def test_the_graph_holds_the_kernels_of_both_devices_in_stock_ops(export):
    counts = exporting.census(export.directory)
    cell = export.task.model.built_by.arguments["cell"]
    assert ("CudnnRNNV3" in counts) == (cell != "transformer")
    assert ("BlockLSTMV2" in counts) == (cell == "lstm")
    assert [op for op in counts if not hasattr(tf.raw_ops, op)] == []
    assert not counts.keys() & {"PyFunc", "PyFuncStateless", "EagerPyFunc"}
    functions = export.stored().graph_def.library.function
    compiled = [part.signature.name for part in functions if part.attr["_XlaMustCompile"].b]
    assert compiled == []  # TF Serving refuses them by default


def test_answers_are_those_of_the_task_in_memory(export):
    expected = export.task.signatures()["serving_default"](tf.constant(TEXTS))
    np.testing.assert_allclose(export.answers["probabilities"], expected["probabilities"], rtol=0, atol=1e-3)


def test_probabilities_sum_to_one_and_the_label_is_the_likeliest(export):
    probabilities = export.answers["probabilities"]
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=0, atol=1e-6)
    assert np.ptp(probabilities[:, 0]) > 0.01  # the texts make a difference
    labels = [[b"negative", b"positive"][index] for index in probabilities.argmax(axis=1)]
    assert list(export.answers["label"]) == labels


def test_no_text_is_harmed_by_its_batch_mates(export):
    for row, text in enumerate(TEXTS):
        assert_same(export.ask([text]), {name: value[row : row + 1] for name, value in export.answers.items()})
    repeats = block.LARGEST_BATCH // len(TEXTS) + 1
    assert_same(export.ask(TEXTS * repeats), {name: np.concatenate([v] * repeats) for name, v in export.answers.items()})


def test_no_texts_give_no_answers(export):
    assert {name: value.shape for name, value in export.ask([]).items()} == {"label": (0,), "probabilities": (0, 2)}


STRANGER = """
import json, sys
sys.modules.update(dict.fromkeys(["keras", "tf_keras", "zoo"]))  # importing one fails now; TensorFlow itself tries
import tensorflow as tf
texts = tf.constant([bytes.fromhex(text) for text in json.load(sys.stdin)])
answers = []
for directory in sys.argv[1:]:
    answer = tf.saved_model.load(directory).signatures["serving_default"](text=texts)
    answers.append({name: value.numpy().astype("U" if name == "label" else "f").tolist() for name, value in answer.items()})
json.dump(answers, sys.stdout)
"""


def test_a_process_that_knows_tensorflow_alone_gives_the_same_answers(exports, tmp_path):
    directories = [str(export.directory) for export in exports.values()]
    process = subprocess.run(
        [sys.executable, "-I", "-c", STRANGER, *directories],
        input=json.dumps([text.hex() for text in TEXTS]),
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert process.returncode == 0, process.stderr
    for answers, export in zip(json.loads(process.stdout), exports.values(), strict=True):
        assert_same(answers | {"label": [label.encode() for label in answers["label"]]}, export.answers)


def test_a_tf1_session_gives_the_same_answers(export):
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        graph = tf.compat.v1.saved_model.load(session, ["serve"], str(export.directory))
        signature = graph.signature_def["serving_default"]
        fetched = {name: tensor.name for name, tensor in signature.outputs.items()}
        answers = session.run(fetched, {signature.inputs["text"].name: np.array(TEXTS, object)})
    assert_same(answers, export.answers)


@pytest.fixture(scope="module")
def c_program(tmp_path_factory):
    libraries = ["libtensorflow_cc.so.2", "libtensorflow_framework.so.2"]
    folder = tf.sysconfig.get_lib()
    if not shutil.which("gcc"):
        pytest.skip("there is no gcc")
    if not all(Path(folder, library).exists() for library in libraries):
        pytest.skip(f"this TensorFlow comes without {' and '.join(libraries)}")
    program = tmp_path_factory.mktemp("c") / "load_saved_model"
    command = ["gcc", "-std=c11", "-Wall", "-Wextra", "-Werror", str(Path(__file__).with_name("load_saved_model.c"))]
    command += [f"-I{tf.sysconfig.get_include()}", f"-L{folder}", f"-Wl,-rpath,{folder}", *(f"-l:{name}" for name in libraries)]
    if shutil.which("ld.gold"):
        command.append("-fuse-ld=gold")  # a second in place of ten: the libraries have a million symbols
    compiled = subprocess.run([*command, "-o", str(program)], capture_output=True, text=True)
    assert compiled.returncode == 0, compiled.stderr
    return program


def test_a_c_program_gets_the_same_answers(export, c_program):
    signature = export.stored().signature_def["serving_default"]
    tensors = [signature.inputs["text"].name, signature.outputs["probabilities"].name]
    short = [text for text in TEXTS if len(text) < 1000]  # an argument of a program has a limit
    command = [c_program, export.directory, *tensors, *short]
    process = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"})
    assert process.returncode == 0, process.stderr
    probabilities = [[float(number) for number in line.split()] for line in process.stdout.splitlines()]
    assert_same({"probabilities": probabilities}, export.ask(short))


def test_each_weight_is_stored_once(export):
    stored = tf.train.load_checkpoint(str(export.directory / "variables" / "variables"))
    dtypes = stored.get_variable_to_dtype_map()
    structure = stored.get_tensor("_CHECKPOINTABLE_OBJECT_GRAPH")
    weights = {name: stored.get_tensor(name) for name, dtype in dtypes.items() if dtype != tf.string}
    assert sum(weight.size for weight in weights.values()) == export.task.model.count_params()
    (data,) = (export.directory / "variables").glob("variables.data-*")
    assert 0 <= data.stat().st_size - len(structure) - sum(weight.nbytes for weight in weights.values()) < 100
    tables = {name for name, dtype in dtypes.items() if dtype == tf.float16}
    assert all("embedding" in name or "ngram_linear" in name for name in tables)
    assert len(tables) == (4 if export.task.ngrams else 1)


def test_the_files_are_those_of_a_saved_model_and_hold_the_vocabulary_once(export):
    files = {path.relative_to(export.directory).as_posix() for path in export.directory.rglob("*") if path.is_file()}
    assert files == {
        "saved_model.pb",
        "fingerprint.pb",
        "variables/variables.index",
        "variables/variables.data-00000-of-00001",
        "assets/vocabulary.txt",
        "assets/labels.txt",
        "assets.extra/tf_serving_warmup_requests",
    }
    vocabulary = (export.directory / "assets" / "vocabulary.txt").read_bytes().split(b"\n")[:-1]
    assert [word.decode() for word in vocabulary] == export.task.words.vocabulary
    graph = (export.directory / "saved_model.pb").read_bytes()
    assert b"thoroughly" in vocabulary
    assert b"thoroughly" not in graph


def test_the_warm_up_of_tf_serving_replays(export):
    from tensorflow_serving.apis import prediction_log_pb2

    replayed = []
    for record in tf.data.TFRecordDataset(str(export.directory / "assets.extra" / "tf_serving_warmup_requests")):
        request = prediction_log_pb2.PredictionLog.FromString(record.numpy()).predict_log.request
        inputs = {name: tf.constant(tf.make_ndarray(tensor)) for name, tensor in request.inputs.items()}
        answers = export.signatures[request.model_spec.signature_name](**inputs)
        replayed.append((request.model_spec.signature_name, *{len(value) for value in answers.values()}))
    assert sorted(replayed) == [(name, rows) for name in sorted(export.signatures) for rows in (1, 3)]


# Frozen: clients depend on these names.
TEXT = {"text": ("DT_STRING", [-1])}
SERVING_DEFAULT = (TEXT, {"label": ("DT_STRING", [-1]), "probabilities": ("DT_FLOAT", [-1, 2])})
PARTS = (TEXT, {"recurrent": ("DT_FLOAT", [-1, 2]), "ngrams": ("DT_FLOAT", [-1, 2])})


def test_signatures_are_the_promised_ones(export):
    from tensorflow.core.framework import types_pb2

    def described(tensors):
        return {
            name: (types_pb2.DataType.Name(tensor.dtype), [size.size for size in tensor.tensor_shape.dim])
            for name, tensor in tensors.items()
        }

    found = {
        name: (described(signature.inputs), described(signature.outputs))
        for name, signature in export.stored().signature_def.items()
        if name != "__saved_model_init_op"
    }
    expected = {"serving_default": SERVING_DEFAULT}
    assert found == (expected | {"parts": PARTS} if export.task.ngrams else expected)


def test_the_whole_is_the_mean_of_the_parts(exports):
    export = exports[WITH_NGRAMS]
    parts = export.ask(TEXTS, "parts")
    for probabilities in parts.values():
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=0, atol=1e-6)
        assert np.ptp(probabilities[:, 0]) > 0.01
    product = np.sqrt(parts["recurrent"] * parts["ngrams"])  # the mean of the logits
    assert_same({"probabilities": product / product.sum(axis=1, keepdims=True)}, export.answers)
