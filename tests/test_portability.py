"""Exported tasks wherever TensorFlow is: in a process without our code, in a TF1 session, in C."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import families
import numpy as np
import pytest
import tensorflow as tf
import tiny

# A task of each family.
FIRSTS = [next(iter(family.tasks)) for family in families.FAMILIES.values()]

STRANGER = """
import sys
sys.modules.update(dict.fromkeys(["keras", "tf_keras", "zoo"]))  # importing one fails now; TensorFlow itself tries
import numpy, tensorflow as tf
directory, *inputs = sys.argv[1:]
inputs = {name: tf.io.parse_tensor(open(name, "rb").read(), dtype) for name, dtype in zip(inputs[::2], inputs[1::2])}
answers = tf.saved_model.load(directory).signatures["serving_default"](**inputs)
numpy.savez("answers", **{name: value.numpy() for name, value in answers.items()})
"""


@pytest.mark.parametrize("export", FIRSTS[:1], indirect=True)
def test_a_process_that_knows_tensorflow_alone_gives_the_same_answers(export, tmp_path):
    command = [sys.executable, "-I", "-c", STRANGER, export.directory]
    for name, tensor in export.tensors("serving_default").items():
        (tmp_path / name).write_bytes(tf.io.serialize_tensor(tensor).numpy())
        command += [name, tensor.dtype.name]
    process = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert process.returncode == 0, process.stderr
    tiny.assert_same(dict(np.load(tmp_path / "answers.npz", allow_pickle=True)), export.answers["serving_default"])


@pytest.mark.parametrize("export", families.TASKS, indirect=True)
def test_a_tf1_session_gives_the_same_answers(export):
    answers = export.answers
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        graph = tf.compat.v1.saved_model.load(session, ["serve"], str(export.directory))
        for name, expected in answers.items():
            signature = graph.signature_def[name]
            fetched = {output: tensor.name for output, tensor in signature.outputs.items()}
            fed = {tensor.name: export.inputs[key] for key, tensor in signature.inputs.items()}
            tiny.assert_same(session.run(fetched, {key: np.array(value, object) for key, value in fed.items()}), expected)


@pytest.fixture(scope="session")
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


@pytest.mark.parametrize("export", FIRSTS, indirect=True)
def test_a_c_program_gets_the_same_answers(export, c_program, tmp_path):
    signature = export.stored.signature_def["serving_default"]
    if "string" not in str(export.signatures["serving_default"].structured_input_signature):
        pytest.skip("the program sends strings")
    ((name, source),), answers = signature.inputs.items(), export.answers["serving_default"]
    output = max(name for name, value in answers.items() if value.dtype in (object, "float32"))  # what the program prints
    values = export.tensors("serving_default")[name].numpy()
    for row, value in enumerate(values):  # files, since arguments end at the first NUL, and at 128 KiB
        (tmp_path / str(row)).write_bytes(value)
    command = [c_program, export.directory, source.name, signature.outputs[output].name]
    command += [f"@{tmp_path / str(row)}" for row in range(len(values))]
    process = subprocess.run(command, capture_output=True, env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"})
    assert process.returncode == 0, process.stderr
    lines = process.stdout.split(b"\n")[:-1]
    expected = answers[output]
    if expected.dtype == object:
        assert lines == [b" ".join(np.atleast_1d(row)) for row in expected]
    else:
        answers = np.array([line.split() for line in lines], float).reshape(expected.shape)
        np.testing.assert_allclose(answers, expected, rtol=1e-5, atol=1e-4)
