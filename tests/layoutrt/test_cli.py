"""The command line itself: what it imports, its help, and how it fails."""

import errno
import os
import subprocess
import sys

import pytest

from layoutrt import __version__
from layoutrt.cli.options import parse_size
from layoutrt.errors import LayoutRTError

COMMANDS = (
    "demo",
    "synthesize",
    "train",
    "train-segmenter",
    "evaluate",
    "import-checkpoint",
    "export",
    "calibrate",
    "sensitivity",
    "verify",
    "studio",
    "profile",
    "estimate",
    "info",
    "doctor",
)
HEAVY = ("torch", "onnx", "onnxruntime", "cv2", "numpy", "rich.console")


def run_python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_importing_the_command_line_imports_no_heavy_package():
    assert run_python(f"import sys, layoutrt.cli; print([m for m in {HEAVY} if m in sys.modules])") == "[]\n"


def test_running_models_does_not_import_torch():
    modules = "layoutrt.runtime.demo, layoutrt.runtime.synthesize, layoutrt.artifacts.info"
    assert run_python(f"import sys, {modules}; print('torch' in sys.modules)") == "False\n"


def test_the_module_runs_as_a_program():
    done = subprocess.run([sys.executable, "-m", "layoutrt", "--version"], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"layoutrt {__version__}\n", "")


def test_help_names_every_command(cli):
    outcome = cli("--help")
    assert outcome.code == 0
    for command in COMMANDS:
        assert command in outcome.out


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_holds_an_example(cli, command):
    outcome = cli(command, "--help")
    assert outcome.code == 0
    assert "Example" in outcome.out
    assert f"layoutrt {command} " in outcome.out


def test_wrong_usage_exits_with_two(cli):
    assert cli("export").code == 2
    assert cli("paint").code == 2


def test_interrupting_exits_with_130_and_no_traceback(cli, monkeypatch):
    def interrupted(*_arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("layoutrt.artifacts.info.describe", interrupted)
    outcome = cli("info", "anything")
    assert outcome.code == 130
    assert "Traceback" not in outcome.err


def test_what_may_not_be_read_is_one_sentence(refuses, monkeypatch):
    def locked(path):
        # Tests may run as root, who may read everything.
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)

    monkeypatch.setattr("layoutrt.artifacts.info.describe", locked)
    refuses(("info", "locked/m.onnx"), "cannot use locked/m.onnx: Permission denied; check the path")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no device that is always full")
def test_a_full_disk_behind_a_redirection_is_one_sentence():
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "layoutrt", "info", "camvid-edge", "--json", "-"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    reason = "cannot write what is printed, or a temporary file: No space left on device; make room"
    assert done.stderr == f"error: {reason}\n"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no device that is always full")
def test_an_error_is_told_of_though_nothing_can_be_printed():
    code = (
        "from layoutrt.cli import main\n"
        "from layoutrt.errors import LayoutRTError\n"
        "import layoutrt.artifacts.info as info\n"
        "def describe(model):\n"
        "    print('a line')\n"
        "    raise LayoutRTError('the reason')\n"
        "info.describe = describe\n"
        "main(['info', 'm.onnx'])\n"
    )
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, env=buffered)
    assert "error: the reason\n" in done.stderr


@pytest.mark.parametrize("command", ["info camvid-edge", "info camvid-edge --json -", "--version"])
def test_a_reader_who_has_left_and_a_closed_output_are_no_errors(command):
    reader, writer = os.pipe()
    os.close(reader)
    arguments = [sys.executable, "-m", "layoutrt", *command.split()]
    left = subprocess.run(arguments, stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert (left.returncode, left.stderr) == (1, "")
    closed = subprocess.run(["sh", "-c", '"$@" >&-', "sh", *arguments], stderr=subprocess.PIPE, text=True)
    assert (closed.returncode, closed.stderr) == (0, "")


def test_brackets_in_a_name_are_printed_as_they_are(cli, tiny_model, tmp_path):
    folder = tmp_path / "run [old]"
    model = folder / "m[" / "red].onnx"
    model.parent.mkdir(parents=True)
    model.write_bytes(tiny_model.read_bytes())
    plain = folder / "m[v1].onnx"
    plain.write_bytes(tiny_model.read_bytes())
    assert "m[v1].onnx" in "".join(cli("info", plain).out.split())
    assert "m[v1]" in cli("estimate", plain, "--device", "h200").out
    out = tmp_path / "m[" / "red]"
    outcome = cli("synthesize", model, "drive:1", "--out", out)
    assert (outcome.code, outcome.err) == (0, "")
    assert f"to {out}, " in outcome.out
    demonstrated = cli("demo", "--generator", plain, "--frames", 1, "--out", out)
    assert demonstrated.code == 0
    assert f"{out / 'drive.mp4'}\n" in demonstrated.out


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "ascii:surrogateescape"])
def test_what_an_encoding_lacks_is_printed_as_an_escape(subprocess_cli, tiny_model, encoding):
    environment = {"PYTHONIOENCODING": encoding}
    done = subprocess_cli("verify", tiny_model, tiny_model, "--data", "drive:1", environment=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert "\\u2265 30" in done.stdout
    assert "[" not in done.stdout
    assert subprocess_cli("demo", "--help", environment=environment).returncode == 0


def test_a_page_tells_of_a_name_that_is_not_utf8(cli, tiny_model, tmp_path):
    model = tmp_path / os.fsdecode(b"stra\xdfe.onnx")
    model.write_bytes(tiny_model.read_bytes())
    page = tmp_path / "page.html"
    assert cli("verify", model, model, "--data", "drive:1", "--html", page).code == 0
    assert "stra?e" in page.read_text(encoding="utf-8")


def test_a_size_is_height_times_width():
    assert parse_size("192x256") == (192, 256)


@pytest.mark.parametrize("text", ["192", "192x", "192 x 256", "0x64", "-1x4", "axb", "192x256x3", "1e2x5"])
def test_what_is_no_size_is_refused_with_an_example(text):
    with pytest.raises(LayoutRTError, match="192x256"):
        parse_size(text)


@pytest.mark.parametrize(
    "arguments",
    [
        ("train", "--data", "data", "--out", "run"),
        ("train-segmenter", "--data", "data", "--out", "run"),
        ("evaluate", "camvid-edge", "--data", "data"),
        ("export", "G.safetensors", "--out", "model.onnx"),
        ("import-checkpoint", "G.pth", "--out", "G.safetensors"),
    ],
)
def test_a_command_that_needs_torch_says_how_to_install_it(refuses, monkeypatch, tmp_path, arguments):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "torch", None)
    refuses(arguments, f"layoutrt {arguments[0]} needs", "'torch'", "pip install 'layoutrt[train]'")
    assert list(tmp_path.iterdir()) == []
