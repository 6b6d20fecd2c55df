"""Commands within the limits that containers have: CPU time, memory, tasks, temporary files, /dev/shm.

The limits are the system's own: control groups, namespaces and mounts. They take root; else tests skip.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import pytest

from layoutrt.drive import Drive
from layoutrt.layouts import colorize, label_set, write_layout

PROCESSORS = len(os.sched_getaffinity(0))
PATIENCE_S = 120


class Group:
    """A control group of our own in each of the hierarchies that it is given."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._folders: list[Path] = []

    def limit(self, controller: str, v2: dict[str, object], v1: dict[str, object]) -> None:
        """Set files of a controller; skips where it cannot be had."""
        old, new = Path("/sys/fs/cgroup", controller), Path("/sys/fs/cgroup")
        parent, values = (old, v1) if old.is_dir() else (new, v2)
        controllers = new / "cgroup.controllers"
        if not old.is_dir() and not (controllers.is_file() and controller in controllers.read_text().split()):
            pytest.skip(f"control groups have no controller {controller}")
        folder = parent / self._name
        try:
            folder.mkdir(exist_ok=True)
            self._folders.append(folder)
            if parent == new:
                (new / "cgroup.subtree_control").write_text(f"+{controller}")
            for file, value in values.items():
                (folder / file).write_text(str(value))
        except OSError as error:
            pytest.skip(f"control groups cannot be made here: {error}")

    def run(self, *command: object, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command in it, which is ended where it hangs."""
        enter = "".join(f"echo $$ > {folder}/cgroup.procs; " for folder in self._folders)
        return subprocess.run(
            ["sh", "-c", f'{enter}exec "$@"', "sh", *map(str, command)],
            capture_output=True,
            text=True,
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1"} | environment,
            timeout=PATIENCE_S,
        )

    def remove(self) -> None:
        for folder in self._folders:
            for _ in range(100):  # what ended leaves the group a moment later
                try:
                    folder.rmdir()
                    break
                except FileNotFoundError:
                    break
                except OSError:
                    time.sleep(0.05)


@pytest.fixture
def group() -> Iterator[Group]:
    """A new control group."""
    if os.geteuid() != 0:
        pytest.skip("control groups take root")
    made = Group(f"layoutrt-{uuid.uuid4().hex[:8]}")
    yield made
    made.remove()


@pytest.fixture
def mounted() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a command after mounts of its own: ``mounted("mount -t tmpfs tmpfs /x", "ls", "/x")``."""
    probe = ["unshare", "--mount", "sh", "-c", "mount --make-rprivate / && mount -t tmpfs tmpfs /dev/shm"]
    if shutil.which("unshare") is None or subprocess.run(probe, capture_output=True).returncode != 0:
        pytest.skip("mounts of our own cannot be made here")

    def run(mounts: str, *command: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["unshare", "--mount", "sh", "-c", f'mount --make-rprivate / && {mounts} && exec "$@"', "sh"]
            + [str(part) for part in command],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )

    return run


def layoutrt(*arguments: object) -> list[object]:
    return [sys.executable, "-m", "layoutrt", *arguments]


def expect_sentence(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.returncode == 1, done
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("error: ")
    for word in words:
        assert word in last


BACKEND = """
import sys
from layoutrt.models import resolve_model
from layoutrt.runtime.session import Session
from layoutrt.runtime.processors import usable_memory, usable_processors
print(Session(resolve_model("camvid-edge")).backend)
print(usable_processors(), usable_memory())
"""


@pytest.mark.parametrize("processors", [0.5, 1.0, 1.5, 64.0])
def test_a_session_has_as_many_threads_as_the_quota_is_worth(group: Group, processors: float) -> None:
    quota = int(processors * 100_000)
    group.limit(
        "cpu", {"cpu.max": f"{quota} 100000"}, {"cpu.cfs_period_us": 100_000, "cpu.cfs_quota_us": quota}
    )
    done = group.run(sys.executable, "-c", BACKEND)
    assert done.returncode == 0, done.stderr
    backend, usable = done.stdout.splitlines()
    threads = min(-int(-processors // 1), PROCESSORS)
    assert backend.endswith(f"operators, {threads} thread" + ("s" if threads > 1 else ""))
    assert usable.split()[0] == str(threads)


def test_torch_has_as_many_threads_as_the_quota_is_worth(group: Group) -> None:
    if PROCESSORS == 1:
        pytest.skip("one processor has one thread without a quota too")
    group.limit(
        "cpu", {"cpu.max": "100000 100000"}, {"cpu.cfs_period_us": 100_000, "cpu.cfs_quota_us": 100_000}
    )
    program = (
        "import sys\n"
        "from layoutrt.cli import main\n"
        "try: main(['--version'])\n"
        "except SystemExit: import torch; print(torch.get_num_threads())\n"
    )
    shell = ["env", "-u", "OMP_NUM_THREADS", sys.executable, "-c", program]
    done = group.run(*shell)
    assert done.stdout.split()[-1] == "1", done


def test_the_quota_is_found_in_a_namespace_of_control_groups(group: Group, tmp_path: Path) -> None:
    if PROCESSORS == 1:
        pytest.skip("one processor has one thread without a quota too")
    group.limit(
        "cpu", {"cpu.max": "100000 100000"}, {"cpu.cfs_period_us": 100_000, "cpu.cfs_quota_us": 100_000}
    )
    script = (
        "mount --make-rprivate / && if [ -d /sys/fs/cgroup/cpu ]; "
        f"then mount -t cgroup -o cpu cgroup {tmp_path}; "
        f'else mount -t cgroup2 cgroup2 {tmp_path}; fi && exec "$@"'
    )
    inside = ["unshare", "--cgroup", "--mount", "sh", "-c", script, "sh"]
    if group.run(*inside, "true").returncode != 0:
        pytest.skip("a namespace of control groups cannot be made here")
    assert group.run(*inside, "cat", "/proc/self/cgroup").stdout.count("layoutrt-") == 0
    done = group.run(*inside, sys.executable, "-c", BACKEND)
    assert done.stdout.splitlines()[0].endswith("operators, 1 thread")


def test_doctor_tells_the_cores_and_the_memory_of_the_container(group: Group) -> None:
    group.limit(
        "cpu", {"cpu.max": "100000 100000"}, {"cpu.cfs_period_us": 100_000, "cpu.cfs_quota_us": 100_000}
    )
    limit = 3 << 28
    group.limit("memory", {"memory.max": limit}, {"memory.limit_in_bytes": limit})
    done = group.run(*layoutrt("doctor", "--json", "-"))
    found = {check["name"]: check["found"] for check in json.loads(done.stdout)["checks"]}
    assert ", 1 cores, " in found["processor"]
    assert found["memory"] == "0.8 GiB"


@pytest.mark.parametrize("tasks", [1, 2, 3, 4, 12])
def test_where_few_threads_can_be_started_there_are_fewer_or_a_sentence(
    group: Group, tmp_path: Path, tasks: int
) -> None:
    group.limit("pids", {"pids.max": tasks}, {"pids.max": tasks})
    done = group.run(*layoutrt("synthesize", "camvid-edge", "drive:1", "--out", tmp_path, "--threads", 4))
    if done.returncode:
        expect_sentence(done, "tasks")
    else:
        assert len(list(tmp_path.glob("*.png"))) == 1
    if tasks == 1:
        assert done.returncode == 1
    if tasks == 12:
        assert "4 threads\n" in done.stdout
    if 1 < tasks < 5 and done.returncode == 0:
        assert "of 4 (the system starts no more)" in done.stdout


READ_ONLY = "mount -t tmpfs tmpfs /dev/shm && mount -o remount,bind,ro /"


def test_what_needs_no_temporary_file_works_where_none_can_be_written(
    mounted: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    done = mounted(
        f"{READ_ONLY} && cd /", *layoutrt("synthesize", "camvid-edge", "drive:1", "--out", "/dev/shm/images")
    )
    assert done.returncode == 0, done.stderr
    done = mounted(f"{READ_ONLY} && cd /", *layoutrt("doctor", "--json", "-"))
    assert done.returncode == 0, done
    assert json.loads(done.stdout)["sound"]


@pytest.mark.parametrize(
    "command",
    [
        ("profile", "camvid-edge", "--duration", "1"),
        ("calibrate", "camvid-edge", "--data", "drive:2", "--out", "/dev/shm/made.onnx"),
        ("sensitivity", "camvid-edge", "--data", "drive:2", "--out", "/dev/shm/made"),
        ("verify", "camvid-edge", "camvid-edge-int8", "--data", "drive:1", "--layers"),
    ],
    ids=lambda command: command[0],
)
def test_what_needs_one_says_so_in_a_sentence(
    mounted: Callable[..., subprocess.CompletedProcess[str]], command: tuple[str, ...]
) -> None:
    done = mounted(f"{READ_ONLY} && cd /", *layoutrt(*command))
    expect_sentence(done, "temporary folder", "TMPDIR")


@pytest.mark.parametrize(
    "size",
    [pytest.param("4k", marks=pytest.mark.slow), "64k", pytest.param("256k", marks=pytest.mark.slow)],
)
def test_training_with_little_shared_memory_says_what_to_do(
    mounted: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path, size: str
) -> None:
    pytest.importorskip("torch")
    camvid = label_set("camvid")
    drive = Drive(camvid, 96, 128)
    for folder in ("images", "labels"):
        (tmp_path / "data" / folder).mkdir(parents=True)
    for index in range(4):
        layout = drive.frame(index)
        write_layout(tmp_path / f"data/labels/f{index}.png", layout, camvid, color=False)
        cv2.imwrite(str(tmp_path / f"data/images/f{index}.jpg"), colorize(layout, camvid))
    command = layoutrt(
        *("train", "--data", tmp_path / "data", "--label-set", "camvid", "--out", tmp_path / "run"),
        *("--architecture", "edge", "--width", 8, "--hidden", 8, "--size", "96x128", "--batch", 4),
        *("--discriminator-width", 8, "--steps", 2, "--workers", 2),
    )
    done = mounted(f"mount -t tmpfs -o size={size} tmpfs /dev/shm", *command)
    expect_sentence(done, "too little shared memory", "--workers 0", "/dev/shm")
