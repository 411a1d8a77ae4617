"""What `zoo deploy` writes is what TensorFlow Serving, Compose and Kubernetes read."""

import json
import shutil
import subprocess
import sys

import kubernetes_validate
import pytest
import yaml
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format, wrappers_pb2

import zoo
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
    own = text_format.Parse((written / "batching" / f"{NAME}.config").read_text(), batching_parameters())
    assert own.enable_large_batch_splitting.value
    assert own.max_execution_batch_size.value <= own.max_batch_size.value
    assert own.batch_timeout_micros.value > 0
    assert not (written / "batching" / f"{SERIES}.config").exists()  # series of different lengths do not fit into one tensor
    shared = text_format.Parse((written / "batching.config").read_text(), batching_parameters())
    assert shared.num_batch_threads.value >= 1


def test_a_batch_is_as_large_as_pays():
    assert deploy.Timing({1: 1.0, 2: 1.5, 4: 2.5, 8: 4.9}).max_batch_size == 4
    assert deploy.Timing({1: 1.0, 2: 1.2, 4: 1.6}).max_batch_size == 4
    assert deploy.Timing({1: 1.0, 2: 2.0, 4: 2.1}).max_batch_size == 1
    assert deploy.Timing({1: 3.0}).timeout_micros == 1500


@pytest.mark.parametrize("path", ["deployment", "service", "autoscaler"])
def test_manifests_are_those_of_kubernetes(written, path):
    manifest = yaml.safe_load((written / "kubernetes" / "base" / f"{path}.yaml").read_text())
    kubernetes_validate.validate(manifest, "1.32", strict=True)


def test_the_gpu_variant_changes_what_is_there(written):
    base = yaml.safe_load((written / "kubernetes" / "base" / "deployment.yaml").read_text())
    patch = yaml.safe_load((written / "kubernetes" / "gpu" / "deployment.yaml").read_text())
    assert patch["metadata"]["name"] == base["metadata"]["name"]
    (container,), (patched,) = (one["spec"]["template"]["spec"]["containers"] for one in (base, patch))
    assert patched["name"] == container["name"]
    assert patched["resources"]["limits"] == {"nvidia.com/gpu": 1}
    for directory in ("base", "gpu"):
        there = written / "kubernetes" / directory
        kustomization = yaml.safe_load((there / "kustomization.yaml").read_text())
        assert all((there / resource).exists() for resource in kustomization["resources"])
        (image,) = kustomization["images"]
        assert image["name"] == container["image"]


def test_compose_is_what_compose_reads(written):
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run([*command, str(written / "docker-compose.yml")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    services = yaml.safe_load((written / "docker-compose.yml").read_text())["services"]
    mounted = [volume.split(":")[0] for service in services.values() for volume in service.get("volumes", [])]
    assert all((written / path).is_file() for path in mounted)


def test_the_image_copies_what_is_there(written):
    lines = (written / "Dockerfile").read_text().splitlines()
    sources = [source for line in lines if line.startswith("COPY") for source in line.split()[1:-1]]
    assert all((written.parent / source).exists() for source in sources)
    assert f"COPY deploy/batching/{NAME}.config /models/{NAME}/2/batching_params.pbtxt" in lines


def test_monitoring_agrees(written):
    path = "/monitoring/prometheus/metrics"
    assert path in (written / "monitoring.config").read_text()
    (scrape,) = yaml.safe_load((written / "prometheus.yml").read_text())["scrape_configs"]
    assert scrape["metrics_path"] == path
    dashboard = json.loads((written / "grafana" / "dashboard.json").read_text())
    assert len(dashboard["panels"]) == len({panel["title"] for panel in dashboard["panels"]})


def test_a_path_is_no_name(tmp_path):
    with pytest.raises(ZooError, match="is a path; publish the artefact"):
        deploy.write(tmp_path, [str(zoo.load(NAME).directory)])


def test_nothing_to_deploy_is_said(tmp_path):
    with pytest.raises(ZooError, match="There is no artefact 'nothing'"):
        deploy.write(tmp_path, ["nothing"])
