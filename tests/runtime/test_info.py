"""``layoutrt info``: what every artifact is, and one sentence for what is none."""

import json
import struct

import pytest

from layoutrt.artifacts.safetensors_header import read_safetensors_header


def describe(cli, path):
    outcome = cli("info", path, "--json", "-")
    assert outcome.code == 0, outcome
    return json.loads(outcome.out)


def test_a_model_is_described_without_being_run(cli, tiny_model, tiny_checkpoint):
    from layoutrt.files import file_digest

    found = describe(cli, tiny_model)
    assert found["what"] == "ONNX model: generator"
    assert found["inputs"] == {"labels": "uint8 [1, 64, 96]"}
    assert found["outputs"] == {"image": "uint8 [1, 64, 96, 3]"}
    assert found["label_set"]["name"] == "camvid"
    assert found["label_set"]["classes"] == 12
    assert found["config"]["width"] == 4
    assert found["opsets"]["layoutrt"] == 1
    assert "LayoutConv" in found["operators_with_a_body"]
    assert found["precision"] == "fp32"
    assert found["size"] == "64x96"
    assert found["size_bytes"] == tiny_model.stat().st_size
    assert found["checkpoint_sha256"] == file_digest(tiny_checkpoint)
    assert found["nodes"] > 50
    assert found["parameters"] > 1000


def test_open_dimensions_instances_and_latent_are_shown(cli, tiny_dynamic_model, tiny_full_model):
    assert describe(cli, tiny_dynamic_model)["inputs"] == {"labels": "uint8 [N, H, W]"}
    assert describe(cli, tiny_full_model)["inputs"] == {
        "labels": "uint8 [1, 64, 96]",
        "instances": "int32 [1, 64, 96]",
        "z": "float32 [1, 16]",
    }


def test_a_checkpoint_is_described_without_torch(tiny_checkpoint, subprocess_cli, tmp_path):
    (tmp_path / "torch.py").write_text("raise RuntimeError('torch was imported')")
    done = subprocess_cli("info", tiny_checkpoint, "--json", "-", environment={"PYTHONPATH": str(tmp_path)})
    assert done.returncode == 0, done
    found = json.loads(done.stdout)
    assert found["what"] == "generator checkpoint"
    assert found["provenance"] == {"made_by": "the tests"}
    assert found["config"]["num_classes"] == 12
    assert found["tensors"] > 100


def test_the_header_of_a_checkpoint_tells_what_its_bytes_and_tensors_hold(tiny_checkpoint):
    from safetensors.torch import load_file

    header = read_safetensors_header(tiny_checkpoint)
    data = tiny_checkpoint.read_bytes()
    (length,) = struct.unpack_from("<Q", data)
    assert header.metadata == json.loads(data[8 : 8 + length])["__metadata__"]
    assert header.shapes == {name: list(tensor.shape) for name, tensor in load_file(tiny_checkpoint).items()}


def test_tensors_of_types_that_numpy_lacks_are_counted(tmp_path):
    path = tmp_path / "bf16.safetensors"
    path.write_bytes(header_of({"w": {"dtype": "BF16", "shape": [2, 1], "data_offsets": [0, 4]}}, bytes(4)))
    assert read_safetensors_header(path).shapes == {"w": [2, 1]}


def test_a_label_set_is_described(cli, tmp_path):
    path = tmp_path / "two.toml"
    path.write_text(
        'name = "two"\nlabels = [\n  { name = "a", color = [1, 2, 3], thing = false },\n'
        '  { name = "b", color = [4, 5, 6], thing = true },\n]\n'
    )
    found = describe(cli, path)
    assert (found["what"], found["name"], found["labels"]) == ("label set", "two", ["a", "b"])


def test_the_table_says_the_same_in_words(cli, tiny_model):
    outcome = cli("info", tiny_model)
    assert outcome.code == 0
    for word in ("generator", "camvid", "uint8 [1, 64, 96]", "PredictedConv", "predictor_kernel", "fp32"):
        assert word in outcome.out


def header_of(content: object, tensors: bytes = b"") -> bytes:
    text = json.dumps(content).encode()
    return struct.pack("<Q", len(text)) + text + tensors


OURS = {"layoutrt.format": "1", "layoutrt.kind": "generator", "layoutrt.version": "0.1.0"}
TENSOR = {"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", ("truncated",)),
        (b"\xff" * 64, ("truncated or not a safetensors file",)),
        (struct.pack("<Q", 1 << 40) + b"{}", ("truncated or not a safetensors file",)),
        (header_of([1, 2]), ("truncated or not a safetensors file",)),
        (header_of(TENSOR | {"__metadata__": OURS}, b"\0" * 7), ("truncated",)),
        (header_of(TENSOR, b"\0" * 8), ("not made by layoutrt",)),
        (
            header_of(TENSOR | {"__metadata__": OURS | {"layoutrt.format": "2"}}, b"\0" * 8),
            ("newer layoutrt",),
        ),
    ],
)
def test_a_checkpoint_that_is_damaged_foreign_or_newer_is_one_sentence(refuses, tmp_path, content, words):
    path = tmp_path / "bad.safetensors"
    path.write_bytes(content)
    refuses(("info", path), "bad.safetensors", *words)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("missing.onnx", None, ("does not exist",)),
        ("photo.jpg", b"\xff\xd8", ("nothing that layoutrt makes",)),
        ("bad.toml", b"name = ", ("not valid TOML",)),
        ("other.toml", b"[tool]\n", ("has no 'name'",)),
    ],
)
def test_what_is_no_artifact_is_one_sentence(refuses, tmp_path, name, content, words):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    refuses(("info", tmp_path / name), name, *words)


def test_a_folder_that_is_no_run_is_one_sentence(refuses, tmp_path):
    refuses(("info", tmp_path), str(tmp_path), "training.safetensors")
