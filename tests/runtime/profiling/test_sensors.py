"""Sensors and energy counters, on files and a library made by hand: the hardware is not here."""

import shutil
import subprocess
import time

import pytest

from layoutrt.runtime.profiling.energy import find_energy_counter
from layoutrt.runtime.profiling.nvml import open_nvml
from layoutrt.runtime.profiling.sensors import read_sensors, throttle_warnings

NVML = r"""
#include <string.h>
static unsigned long long millijoules = 5000;
static unsigned clock_mhz = 1500;
int nvmlInit_v2(void) { return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void** d) { *d = &millijoules; return (int)index; }
int nvmlDeviceGetTotalEnergyConsumption(void* d, unsigned long long* e) {
  *e = millijoules += 2500;
  return 0;
}
int nvmlDeviceGetName(void* d, char* name, unsigned size) { strncpy(name, "a GPU", size); return 0; }
int nvmlDeviceGetClockInfo(void* d, int type, unsigned* mhz) { *mhz = clock_mhz -= 300; return type; }
int nvmlDeviceGetTemperature(void* d, int sensor, unsigned* celsius) { *celsius = 71; return sensor; }
int nvmlDeviceGetCurrentClocksThrottleReasons(void* d, unsigned long long* r) { *r = 0x41; return 0; }
int nvmlDeviceGetMemoryInfo(void* d, unsigned long long* m) { m[0] = 8e9; m[1] = 6e9; m[2] = 2e9; return 0; }
"""


def write(root, path: str, text: str) -> None:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{text}\n")


def test_clocks_heat_and_throttling_are_read_from_the_system(tmp_path) -> None:
    for cpu, mhz in ((0, 2_000_000), (1, 3_000_000)):
        write(tmp_path, f"sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_cur_freq", str(mhz))
        write(tmp_path, f"sys/devices/system/cpu/cpu{cpu}/thermal_throttle/core_throttle_count", "4")
    write(tmp_path, "sys/class/thermal/thermal_zone0/temp", "45500")
    write(tmp_path, "sys/class/thermal/thermal_zone1/temp", "61000")
    write(tmp_path, "sys/class/thermal/thermal_zone2/temp", "not now")
    before = read_sensors(root=tmp_path)
    assert (before.cpu_mhz, before.celsius, before.throttled, before.gpu) == (2500, 61, 8, None)
    assert throttle_warnings(before, before) == []
    write(tmp_path, "sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count", "9")
    write(tmp_path, "sys/devices/system/cpu/cpu1/cpufreq/scaling_cur_freq", "1000000")
    heat, clock = throttle_warnings(before, read_sensors(root=tmp_path))
    assert "5 times" in heat
    assert "from 2500 to 1500 MHz" in clock


def test_a_machine_without_sensors_says_nothing(tmp_path) -> None:
    write(tmp_path, "proc/cpuinfo", "model name : x\ncpu MHz\t\t: 2596.144\ncpu MHz : 2604.0")
    reading = read_sensors(root=tmp_path)
    assert reading.cpu_mhz == pytest.approx(2600.072)
    assert (reading.celsius, reading.throttled) == (None, None)
    assert throttle_warnings(reading, reading) == []
    assert find_energy_counter(root=tmp_path) is None


def test_a_processors_energy_counter_may_start_again(tmp_path) -> None:
    for zone in ("intel-rapl:0", "intel-rapl:1"):
        write(tmp_path, f"sys/class/powercap/{zone}/energy_uj", "9000000")
        write(tmp_path, f"sys/class/powercap/{zone}/max_energy_range_uj", "10000000")
    # A part of the first, not to be counted twice.
    write(tmp_path, "sys/class/powercap/intel-rapl:0:0/energy_uj", "7")
    counter = find_energy_counter(root=tmp_path)
    assert counter is not None
    assert "RAPL" in counter.source
    assert counter.joules() == 0
    write(tmp_path, "sys/class/powercap/intel-rapl:0/energy_uj", "500000")
    write(tmp_path, "sys/class/powercap/intel-rapl:1/energy_uj", "9250000")
    assert counter.joules() == pytest.approx(1.5 + 0.25)


def test_a_jetsons_rail_is_added_up_over_time(tmp_path) -> None:
    rails = "sys/bus/i2c/drivers/ina3221/1-0040/hwmon/hwmon3"
    for number, rail in ((1, "VDD_IN"), (2, "VDD_CPU_GPU_CV")):
        write(tmp_path, f"{rails}/in{number}_label", rail)
        write(tmp_path, f"{rails}/in{number}_input", "5000")
        write(tmp_path, f"{rails}/curr{number}_input", "2000")
    started = time.monotonic()  # before the counter starts its own clock
    counter = find_energy_counter(root=tmp_path)
    assert counter is not None
    assert counter.source == "power rail VDD_IN"
    while counter.joules() == 0 and time.monotonic() - started < 10:
        time.sleep(0.01)
    counter.close()
    # 10 W for as long as the samples say.
    assert 0 < counter.joules() <= 10 * (time.monotonic() - started)


def test_a_gpu_tells_its_state_and_energy(tmp_path, monkeypatch) -> None:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler on this machine")
    (tmp_path / "nvml.c").write_text(NVML)
    library = tmp_path / "libnvidia-ml.so.1"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, tmp_path / "nvml.c"], check=True)
    monkeypatch.setenv("LAYOUTRT_NVML", str(library))
    nvml = open_nvml()
    assert nvml is not None
    counter = find_energy_counter(nvml, tmp_path)
    assert counter is not None
    assert counter.source == "GPU (NVML)"
    assert counter.joules() + 2.5 == counter.joules()
    before, after = (read_sensors(nvml, tmp_path) for _ in range(2))
    assert before.gpu is not None
    assert (before.gpu.name, before.gpu.celsius, before.gpu.used_mb) == ("a GPU", 71, 2000)
    held, clock = throttle_warnings(before, after)
    assert "temperature (hardware)" in held
    assert "GPU's clock fell from 1200 to 900 MHz" in clock


def test_a_machine_without_a_gpu_has_none(monkeypatch) -> None:
    monkeypatch.setenv("LAYOUTRT_NVML", "/nowhere/libnvidia-ml.so.1")
    assert open_nvml() is None
