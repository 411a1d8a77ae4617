"""What `zoo deploy` writes is what TensorFlow Serving, Compose and Kubernetes read."""

import http.server
import json
import re
import shutil
import subprocess
import sys
import threading

import kubernetes_validate
import pytest
import yaml
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format, wrappers_pb2

import zoo
from zoo import cli
from zoo.artefacts import find
from zoo.errors import ZooError
from zoo.serving import deploy
from zoo.serving.models import ModelConfig, read_config

NAME, SERIES = "mnist_digits", "vanishing_gradients"


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A deployment of one artefact with two versions."""
    root = tmp_path_factory.mktemp("root")
    for version in (1, 2):
        shutil.copytree(zoo.load(NAME).directory, root / "saved_models" / NAME / str(version))
    shutil.copytree(zoo.load(SERIES).directory, root / "saved_models" / SERIES / "1")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZOO_MODELS", str(root / "saved_models"))
        patch.setattr(deploy, "LARGEST", 4)
        patch.setattr(deploy, "SECONDS", 0.05)
        paths = deploy.write(root / "deploy", [NAME, SERIES], canary=True)
    assert all(path.is_file() for path in paths)
    return root / "deploy"


def batching_parameters():
    """TensorFlow Serving's `BatchingParameters`, restated: the package on the index leaves this proto out."""
    wrappers = wrappers_pb2.DESCRIPTOR.name
    file = descriptor_pb2.FileDescriptorProto(name="batching.proto", package="restated", syntax="proto3", dependency=[wrappers])
    message = file.message_type.add(name="BatchingParameters")
    kinds = descriptor_pb2.FieldDescriptorProto
    numbers = {"max_batch_size": 1, "batch_timeout_micros": 2, "max_enqueued_batches": 3, "num_batch_threads": 4}
    numbers |= {"enable_large_batch_splitting": 8, "max_execution_batch_size": 9}
    for name, number in numbers.items():
        kind = "BoolValue" if name.startswith("enable") else "Int64Value"
        message.field.add(
            name=name,
            number=number,
            type=kinds.TYPE_MESSAGE,
            label=kinds.LABEL_OPTIONAL,
            type_name=f".google.protobuf.{kind}",
        )
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("restated.BatchingParameters"))()


def test_models_config_is_what_serving_reads(written):
    assert read_config(written / "models.config") == [  # by the official proto
        ModelConfig(NAME, written / "/models" / NAME, 1, (1, 2), {"stable": 1, "canary": 2}),
        ModelConfig(SERIES, written / "/models" / SERIES, 1, (1,), {"stable": 1, "canary": 1}),
    ]


def test_batching_is_what_serving_reads(written):
    for device in ("cpu", "gpu"):
        own = text_format.Parse((written / "batching" / device / f"{NAME}.config").read_text(), batching_parameters())
        assert own.enable_large_batch_splitting.value
        assert own.max_execution_batch_size.value <= own.max_batch_size.value
        assert (own.batch_timeout_micros.value > 0) == (device == "cpu")  # what was timed on a CPU says nothing of a GPU
        # series of different lengths do not fit into one tensor
        assert not (written / "batching" / device / f"{SERIES}.config").exists()
        shared = text_format.Parse((written / "batching" / f"{device}.config").read_text(), batching_parameters())
        assert shared.num_batch_threads.value >= 1


@pytest.mark.parametrize(
    ("milliseconds", "size"),
    [
        ({1: 1.0, 2: 1.5, 4: 2.5, 8: 4.9}, 4),
        ({1: 1.0, 2: 1.2, 4: 1.6}, 4),
        ({1: 1.0, 2: 2.0, 4: 2.1}, 4),  # no gain at first
        ({1: 2.0, 2: 4.2, 4: 4.0, 8: 4.4, 16: 4.8, 32: 9.7}, 16),  # one slow measurement at 2
        ({1: 12.7, 2: 13.3, 4: 6.7, 8: 13.5, 16: 27.1}, 4),  # one slow measurement at 1
        ({1: 1.0, 2: 2.0, 4: 4.0, 8: 8.0}, 1),
        ({1: 3.0}, 1),
    ],
)
def test_a_batch_is_as_large_as_pays_over_the_whole_curve(milliseconds, size):
    assert deploy.Timing(milliseconds).max_batch_size == size


def test_a_request_waits_half_a_row():
    assert deploy.Timing({1: 3.0}).timeout_micros == 1500


@pytest.mark.parametrize("path", ["base/deployment", "base/service", "base/disruption", "cpu/autoscaler"])
def test_manifests_are_those_of_kubernetes(written, path):
    manifest = yaml.safe_load((written / "kubernetes" / f"{path}.yaml").read_text())
    kubernetes_validate.validate(manifest, "1.32", strict=True)


def test_the_gpu_variant_changes_what_is_there(written):
    base = yaml.safe_load((written / "kubernetes" / "base" / "deployment.yaml").read_text())
    patch = yaml.safe_load((written / "kubernetes" / "gpu" / "deployment.yaml").read_text())
    assert patch["metadata"]["name"] == base["metadata"]["name"]
    (container,), (patched,) = (one["spec"]["template"]["spec"]["containers"] for one in (base, patch))
    assert patched["name"] == container["name"]
    assert patched["resources"]["limits"]["nvidia.com/gpu"] == 1
    resources = {}
    for directory in ("base", "cpu", "gpu"):
        there = written / "kubernetes" / directory
        kustomization = yaml.safe_load((there / "kustomization.yaml").read_text())
        resources[directory] = kustomization["resources"]
        assert all((there / resource).exists() for resource in kustomization["resources"])
        assert [image["name"] for image in kustomization.get("images", ())] in ([], [container["image"]])
    assert "autoscaler.yaml" in resources["cpu"]
    assert resources["gpu"] == ["../base"]  # the use of a CPU says nothing of a GPU


def test_memory_grows_with_the_models(written):
    pod = yaml.safe_load((written / "kubernetes" / "base" / "deployment.yaml").read_text())["spec"]["template"]["spec"]
    assert pod["containers"][0]["resources"]["limits"]["memory"] == "3Gi"  # three versions of about a megabyte
    found = zoo.load(NAME).directory
    assert deploy._memory({NAME: dict.fromkeys(range(20), found)}) == 6


def test_a_pod_runs_as_nobody_and_writes_nowhere_but_tmp(written):
    pod = yaml.safe_load((written / "kubernetes" / "base" / "deployment.yaml").read_text())["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    context = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
    assert container["securityContext"] == context
    assert [mount["mountPath"] for mount in container["volumeMounts"]] == ["/tmp"]
    user = f"USER {pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}"
    assert user in (written / "Dockerfile").read_text().splitlines()


class States(http.server.BaseHTTPRequestHandler):
    """TensorFlow Serving's answers to who asks for the state of a version."""

    ready = frozenset()

    def do_GET(self):
        there = self.path.removeprefix("/v1/models/") in self.ready
        content = json.dumps({"model_version_status": [{"state": "AVAILABLE" if there else "LOADING"}]}).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


def test_a_pod_is_ready_when_every_version_is(written):
    server = http.server.HTTPServer(("127.0.0.1", 0), States)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    pod = yaml.safe_load((written / "kubernetes" / "base" / "deployment.yaml").read_text())["spec"]["template"]["spec"]
    probe = pod["containers"][0]["readinessProbe"]["exec"]["command"]
    composed = yaml.safe_load((written / "docker-compose.yml").read_text())["services"]["serving"]["healthcheck"]["test"]
    assert composed[1:] == [*probe[:2], probe[2].replace("$", "$$")]  # Compose's dollar
    command = [word.replace("/8501", f"/{server.server_port}") for word in probe]

    def ready(*versions):
        States.ready = frozenset(versions)
        return subprocess.run(command, capture_output=True, timeout=30, check=False).returncode == 0

    every = [f"{NAME}/versions/1", f"{NAME}/versions/2", f"{SERIES}/versions/1"]
    assert ready(*every)
    assert [ready(*(set(every) - {one})) for one in every] == [False] * 3
    server.shutdown()
    server.server_close()
    assert not ready(*every)


def test_compose_is_what_compose_reads(written):
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run([*command, str(written / "docker-compose.yml")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    services = yaml.safe_load((written / "docker-compose.yml").read_text())["services"]
    mounted = [volume.split(":")[0] for service in services.values() for volume in service.get("volumes", [])]
    assert all((written / path).is_file() for path in mounted)


def test_the_image_copies_what_is_there(written):
    lines = (written / "Dockerfile").read_text().splitlines()
    copied = [line.split()[2:] for line in lines if line.startswith("COPY")]
    for device in ("cpu", "gpu"):
        sources = [source.replace("${DEVICE}", device) for *sources, _ in copied for source in sources]
        assert all((written.parent / source).exists() for source in sources)
    assert [f"deploy/batching/${{DEVICE}}/{NAME}.config", f"/models/{NAME}/2/batching_params.pbtxt"] in copied


def test_monitoring_agrees(written):
    path = "/monitoring/prometheus/metrics"
    assert path in (written / "monitoring.config").read_text()
    (scrape,) = yaml.safe_load((written / "prometheus.yml").read_text())["scrape_configs"]
    assert scrape["metrics_path"] == path
    dashboard = json.loads((written / "grafana" / "dashboard.json").read_text())
    assert len(dashboard["panels"]) == len({panel["title"] for panel in dashboard["panels"]})
    assert yaml.safe_load((written / "prometheus.yml").read_text())["rule_files"] == ["alerts.yml"]
    (group,) = yaml.safe_load((written / "alerts.yml").read_text())["groups"]
    asked = [rule["expr"] for rule in group["rules"]]
    asked += [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    assert set(re.findall(r":tensorflow:[a-z_:]+", " ".join(asked))) == {
        ":tensorflow:serving:request_count",
        ":tensorflow:serving:request_latency_bucket",
        ":tensorflow:serving:request_latency_sum",
        ":tensorflow:serving:runtime_latency_bucket",
        ":tensorflow:serving:batching_session:queuing_latency_bucket",
        ":tensorflow:cc:saved_model:load_attempt_count",
    }
    assert {rule["labels"]["model_name"] for rule in group["rules"] if rule["alert"] == "ModelNotLoaded"} == {NAME, SERIES}


def test_a_path_is_no_name(tmp_path):
    with pytest.raises(ZooError, match="is a path; publish the artefact"):
        deploy.write(tmp_path, [str(zoo.load(NAME).directory)])


def test_nothing_to_deploy_is_said(tmp_path, monkeypatch):
    with pytest.raises(ZooError, match="There is no artefact 'nothing'"):
        deploy.write(tmp_path, ["nothing"])
    monkeypatch.setattr(find, "roots", lambda: [("./saved_models", tmp_path / "saved_models")])
    with pytest.raises(ZooError, match=rf"no published artefact; looked in \./saved_models \({tmp_path}/saved_models\)"):
        deploy.write(tmp_path / "deploy")


def test_artefacts_that_an_image_cannot_hold_are_said_before_they_are_timed(tmp_path):
    where = zoo.load(NAME).directory.parent
    with pytest.raises(ZooError, match=f"{NAME} was found at {where}, not at {tmp_path}/saved_models/{NAME}"):
        deploy.write(tmp_path / "deploy", [NAME])
    with pytest.raises(ZooError, match="must be of letters, digits"):
        deploy.write(tmp_path / "my deploy", [NAME])


def test_a_directory_of_any_name_beside_the_models(tmp_path, monkeypatch):
    shutil.copytree(zoo.load(SERIES).directory, tmp_path / "saved_models" / SERIES / "0007")
    monkeypatch.setenv("ZOO_MODELS", str(tmp_path / "saved_models"))
    cli.main(["deploy", SERIES, "--output", str(tmp_path / "production")])
    lines = (tmp_path / "production" / "Dockerfile").read_text().splitlines()
    assert f"COPY --chown=10001 saved_models/{SERIES}/0007 /models/{SERIES}/7" in lines
    assert "production/Dockerfile" in (tmp_path / "production" / "docker-compose.yml").read_text()
