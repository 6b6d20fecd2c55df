"""CPU quotas and memory limits of control groups, as /proc and /sys show them: on trees of files."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

Limits = Callable[..., tuple[float | None, int | None]]

NATIVE = Path(__file__).resolve().parents[2] / "runtime" / "native"

PROGRAM = """
#include <cstdio>
#include "control_groups.h"
int main(int, char** argv) {
  const auto quota = layoutrt::processor_quota(argv[1]);
  const auto memory = layoutrt::memory_limit(argv[1]);
  std::printf("%s %s", quota ? std::to_string(*quota).c_str() : "-",
              memory ? std::to_string(*memory).c_str() : "-");
}
"""

V2_MOUNT = "30 24 0:26 {root} /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
V1_MOUNTS = (
    "24 1 8:1 / / rw - ext4 /dev/sda rw\n"
    "31 24 0:27 {root} /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
    "32 24 0:28 {root} /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
)
V1_GROUPS = "5:cpu,cpuacct:{group}\n3:memory:{group}\n1:name=systemd:{group}\n"
NO_LIMIT = "9223372036854771712"


@pytest.fixture(scope="module")
def limits(tmp_path_factory: pytest.TempPathFactory) -> Limits:
    """Processors' worth of time and bytes of memory in a tree: ``limits(groups, mounts, {file: text})``."""
    compiler = shutil.which("c++") or shutil.which("g++") or pytest.skip("there is no C++ compiler")
    folder = tmp_path_factory.mktemp("control_groups")
    (folder / "program.cpp").write_text(PROGRAM)
    sources = ["program.cpp", str(NATIVE / "control_groups.cpp")]
    subprocess.run([compiler, "-std=c++17", f"-I{NATIVE}", *sources, "-o", "program"], check=True, cwd=folder)

    def read(groups: str, mounts: str, files: Mapping[str, str]) -> tuple[float | None, int | None]:
        root = tmp_path_factory.mktemp("root")
        tree = {"proc/self/cgroup": groups, "proc/self/mountinfo": mounts}
        for name, text in {**tree, **{f"sys/fs/cgroup/{name}": text for name, text in files.items()}}.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        done = subprocess.run([folder / "program", root], check=True, capture_output=True, text=True)
        quota, memory = done.stdout.split()
        return None if quota == "-" else float(quota), None if memory == "-" else int(memory)

    return read


def test_a_container_with_a_namespace_of_its_own_has_its_limits_at_the_mount(
    limits: Limits,
) -> None:
    files = {"cpu.max": "150000 100000\n", "memory.max": "536870912\n"}
    assert limits("0::/\n", V2_MOUNT.format(root="/"), files) == (1.5, 536870912)


def test_no_limit_is_none(limits: Limits) -> None:
    files = {"a/cpu.max": "max 100000\n", "a/memory.max": "max\n"}
    assert limits("0::/a\n", V2_MOUNT.format(root="/"), files) == (None, None)
    files = {
        "cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
        "cpu,cpuacct/cpu.cfs_period_us": "100000\n",
        "memory/memory.limit_in_bytes": f"{NO_LIMIT}\n",
    }
    assert limits(V1_GROUPS.format(group="/"), V1_MOUNTS.format(root="/"), files) == (None, None)


def test_the_smallest_of_the_group_and_those_above_it_counts(limits: Limits) -> None:
    files = {
        "pods/cpu.max": "400000 100000\n",
        "pods/one/cpu.max": "50000 20000\n",
        "pods/one/main/cpu.max": "max 100000\n",
        "pods/memory.max": "1000000\n",
        "pods/one/main/memory.max": "2000000\n",
        "other/cpu.max": "1000 100000\n",
    }
    assert limits("0::/pods/one/main\n", V2_MOUNT.format(root="/"), files) == (2.5, 1000000)


@pytest.mark.parametrize("root", ["/", "/docker/abc"])
def test_version_1_with_its_container_at_the_mount_or_below_it(limits: Limits, root: str) -> None:
    below = "" if root == "/docker/abc" else "/docker/abc"
    files = {
        f"cpu,cpuacct{below}/cpu.cfs_quota_us": "50000\n",
        f"cpu,cpuacct{below}/cpu.cfs_period_us": "100000\n",
        f"memory{below}/memory.limit_in_bytes": "104857600\n",
    }
    mounts = V1_MOUNTS.format(root=root)
    assert limits(V1_GROUPS.format(group="/docker/abc"), mounts, files) == (0.5, 104857600)


def test_with_both_versions_mounted_the_controllers_of_version_1_are_found(
    limits: Limits,
) -> None:
    files = {
        "cpu,cpuacct/a/cpu.cfs_quota_us": "300000\n",
        "cpu,cpuacct/a/cpu.cfs_period_us": "100000\n",
        "memory/a/memory.limit_in_bytes": f"{NO_LIMIT}\n",
        "unified/cgroup.procs": "1\n",
    }
    unified = V2_MOUNT.format(root="/").replace("cgroup rw,", "cgroup/unified rw,", 1)
    mounts = V1_MOUNTS.format(root="/") + unified
    assert limits(V1_GROUPS.format(group="/a") + "0::/a\n", mounts, files) == (3.0, None)


def test_a_group_outside_of_the_mount_has_the_limits_of_the_mount(limits: Limits) -> None:
    files = {"cpu.max": "100000 100000\n"}
    assert limits("0::/../../else\n", V2_MOUNT.format(root="/"), files) == (1.0, None)
    assert limits("0::/else/where\n", V2_MOUNT.format(root="/docker/abc"), files) == (1.0, None)


def test_mounts_from_before_a_namespace_are_passed_over(limits: Limits) -> None:
    stale = V2_MOUNT.format(root="/..").replace("/sys/fs/cgroup", "/sys/fs/cgroup/stale")
    files = {"cpu.max": "100000 100000\n", "stale/cpu.max": "700000 100000\n"}
    assert limits("0::/\n", stale + V2_MOUNT.format(root="/"), files) == (1.0, None)
    assert limits("0::/\n", stale, files) == (7.0, None)


@pytest.mark.parametrize(
    "text", ["", "max", "x y\n", "0 100000\n", "-5 100000\n", "100000 0\n", "99999999999999999999 1\n"]
)
def test_what_is_no_limit_is_none(limits: Limits, text: str) -> None:
    files = {"cpu.max": text, "memory.max": text}
    assert limits("0::/\n", V2_MOUNT.format(root="/"), files) == (None, None)


@pytest.mark.parametrize("groups", ["", "nonsense\n", "0::\n", ":::\n", "7:pids:/a\n"])
def test_damaged_lists_of_groups_are_no_limit(limits: Limits, groups: str) -> None:
    assert limits(groups, "a b\n- - -\n" + V1_MOUNTS.format(root="/"), {}) == (None, None)
    assert limits(groups, "", {}) == (None, None)
