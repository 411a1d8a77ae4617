"""What is told of TensorFlow's errors, in the forms that they have come in."""

import pytest

from zoo.serving import errors

LOADED = """Graph execution error:

Detected at node check/Assert defined at (most recent call last):
<stack traces unavailable>
assertion failed: [must not be negative] [[-1]]
\t [[{{node check/Assert}}]] [Op:__inference_signature_wrapper_355]"""
TRACED = """Graph execution error:

Detected at node 'MatMul' defined at (most recent call last):
    File "/home/me/train.py", line 3, in <module>

    File "/home/me/model.py", line 9, in call

Node: 'MatMul'
Matrix size-incompatible: In[0]: [1,2], In[1]: [1,2]
\t [[{{node MatMul}}]] [Op:__inference_f_1]"""
SEVERAL = """Graph execution error:

2 root error(s) found.
  (0) INVALID_ARGUMENT:  first
\t [[{{node a}}]]
\t [[b/_3]]
  (1) INVALID_ARGUMENT:  second
\t [[{{node c}}]]
0 successful operations.
0 derived errors ignored. [Op:__inference_1]"""
EAGER = "{{function_node __wrapped__X_device_/job:localhost/replica:0}} ndims must be >= 2 [Op:MatMul] name: "
PYTHON = """ValueError: bad
Traceback (most recent call last):

  File "/usr/lib/x.py", line 1, in f
    g()
"""


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (LOADED, "assertion failed: [must not be negative] [[-1]]"),
        (TRACED, "Matrix size-incompatible: In[0]: [1,2], In[1]: [1,2]"),
        (SEVERAL, "first"),
        (EAGER, "ndims must be >= 2"),
        (PYTHON, "ValueError: bad"),
        ("/srv/m/1/variables/variables.index; No such file or directory", "variables.index; No such file or directory"),
        ("no file at: /srv/m/1/{saved_model.pbtxt|saved_model.pb}", "no file at: {saved_model.pbtxt|saved_model.pb}"),
        ("see https://www.tensorflow.org/x/y, a/b and 1/2", "see https://www.tensorflow.org/x/y, a/b and 1/2"),
        ("", "RuntimeError"),
    ],
)
def test_the_message_of_the_op_and_no_local_path(text, told):
    assert errors.told(RuntimeError(text)) == told


def test_errors_keep_their_status():
    assert isinstance(errors.from_http(404, "?"), errors.NotFound)
    kinds = {502: errors.Unavailable, 403: errors.InvalidArgument, 418: errors.InvalidArgument, 507: errors.ServingError}
    for status, kind in kinds.items():
        found = errors.from_http(status, "?")
        assert (type(found), found.http) == (kind, status)
    found = errors.from_grpc("PERMISSION_DENIED", "?")
    assert (type(found), found.code) == (errors.ServingError, "PERMISSION_DENIED")
    assert type(errors.from_grpc("INVALID_ARGUMENT", "?")) is errors.InvalidArgument
    assert type(errors.from_grpc("FAILED_PRECONDITION", "?")) is errors.FailedPrecondition
    assert type(errors.from_http(400, "?")) is errors.InvalidArgument
    assert type(errors.from_grpc("RESOURCE_EXHAUSTED", "?")) is errors.ResourceExhausted
