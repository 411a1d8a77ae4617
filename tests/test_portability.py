"""Exported tasks wherever TensorFlow is: in a process without our code, in a TF1 session, in C."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tiny


@pytest.fixture(params=tiny.TASKS)
def export(request, export_of):
    return export_of(request.param)


STRANGER = """
import json, sys
sys.modules.update(dict.fromkeys(["keras", "tf_keras", "zoo"]))  # importing one fails now; TensorFlow itself tries
import numpy, tensorflow as tf
answers = {}
for directory, inputs in json.load(sys.stdin).items():
    inputs = {name: tf.io.parse_tensor(bytes.fromhex(value), dtype) for name, (dtype, value) in inputs.items()}
    for name, value in tf.saved_model.load(directory).signatures["serving_default"](**inputs).items():
        answers[directory + ":" + name] = value.numpy().astype("S") if value.dtype == tf.string else value.numpy()
numpy.savez("answers.npz", **answers)
"""


def test_a_process_that_knows_tensorflow_alone_gives_the_same_answers(export_of, tmp_path):
    exports = {str(export_of(name).directory): export_of(name) for name in tiny.TASKS}
    inputs = {
        directory: {
            name: (tensor.dtype.name, tf.io.serialize_tensor(tensor).numpy().hex())
            for name, tensor in export.tensors("serving_default").items()
        }
        for directory, export in exports.items()
    }
    command = [sys.executable, "-I", "-c", STRANGER]
    process = subprocess.run(command, input=json.dumps(inputs), capture_output=True, text=True, cwd=tmp_path)
    assert process.returncode == 0, process.stderr
    answers = {directory: {} for directory in exports}
    for key, value in np.load(tmp_path / "answers.npz").items():
        directory, name = key.split(":")
        answers[directory][name] = value.astype(object) if value.dtype.kind == "S" else value
    for directory, export in exports.items():
        tiny.assert_same(answers[directory], export.answers["serving_default"])


def test_a_tf1_session_gives_the_same_answers(export):
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        graph = tf.compat.v1.saved_model.load(session, ["serve"], str(export.directory))
        for name, expected in export.answers.items():
            signature = graph.signature_def[name]
            fetched = {output: tensor.name for output, tensor in signature.outputs.items()}
            fed = {tensor.name: export.inputs[key] for key, tensor in signature.inputs.items()}
            tiny.assert_same(session.run(fetched, {key: np.array(value, object) for key, value in fed.items()}), expected)


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


# The class of a task → the output that the program asks for.
OUTPUTS = {
    "TextClassifier": "probabilities",
    "ImageClassifier": "probabilities",
    "Translator": "translation",
    "ImageCaptioner": "score",
}


def test_a_c_program_gets_the_same_answers(export, c_program, tmp_path):
    signature = export.stored.signature_def["serving_default"]
    if "string" not in str(export.signatures["serving_default"].structured_input_signature):
        pytest.skip("the program sends strings")
    ((name, source),), output = signature.inputs.items(), OUTPUTS[type(export.task).__name__]
    values = export.tensors("serving_default")[name].numpy()
    for row, value in enumerate(values):  # files, since arguments end at the first NUL, and at 128 KiB
        (tmp_path / str(row)).write_bytes(value)
    command = [c_program, export.directory, source.name, signature.outputs[output].name]
    command += [f"@{tmp_path / str(row)}" for row in range(len(values))]
    process = subprocess.run(command, capture_output=True, env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"})
    assert process.returncode == 0, process.stderr
    lines = process.stdout.split(b"\n")[:-1]
    expected = export.answers["serving_default"][output]
    if expected.dtype == object:
        assert lines == expected.tolist()
    else:
        answers = np.array([line.split() for line in lines], float).reshape(expected.shape)
        np.testing.assert_allclose(answers, expected, rtol=1e-5, atol=1e-4)
