"""Sensors and energy counters, on files and a double of pynvml: the hardware is not here."""

import json
import sys
import time
from itertools import count
from unittest.mock import create_autospec

import pytest

from layoutrt.errors import LayoutRTError
from layoutrt.runtime.profiling.energy import find_energy_counter
from layoutrt.runtime.profiling.nvml import find_nvml, open_nvml
from layoutrt.runtime.profiling.sensors import read_sensors, throttle_warnings


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


@pytest.fixture
def pynvml_double(monkeypatch):
    """The package's module with one GPU: its real names, signatures, constants and errors."""
    real = pytest.importorskip("pynvml", reason="nvidia-ml-py is not installed")
    double = create_autospec(real)
    double.NVMLError = real.NVMLError
    memory = real.c_nvmlMemory_t(total=8_000_000_000, free=6_000_000_000, used=2_000_000_000)
    double.nvmlSystemGetDriverVersion.return_value = "580.82.07"
    double.nvmlDeviceGetCount.return_value = 1
    double.nvmlDeviceGetName.return_value = "a GPU"
    double.nvmlDeviceGetTotalEnergyConsumption.side_effect = count(7500, 2500)
    double.nvmlDeviceGetClockInfo.side_effect = count(1200, -300)
    double.nvmlDeviceGetTemperature.return_value = 71
    double.nvmlDeviceGetCurrentClocksThrottleReasons.return_value = (
        real.nvmlClocksThrottleReasonHwThermalSlowdown | real.nvmlClocksThrottleReasonGpuIdle
    )
    double.nvmlDeviceGetMemoryInfo.return_value = memory
    monkeypatch.setitem(sys.modules, "pynvml", double)
    return double


def test_a_gpu_tells_its_state_and_energy(tmp_path, pynvml_double) -> None:
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
    assert "idle" not in held
    assert "GPU's clock fell from 1200 to 900 MHz" in clock
    device = pynvml_double.nvmlDeviceGetHandleByIndex.return_value
    pynvml_double.nvmlDeviceGetClockInfo.assert_called_with(device, pynvml_double.NVML_CLOCK_GRAPHICS)


def test_what_a_gpu_does_not_support_is_left_out(tmp_path, pynvml_double) -> None:
    unsupported = pynvml_double.NVMLError(pynvml_double.NVML_ERROR_NOT_SUPPORTED)
    pynvml_double.nvmlDeviceGetTotalEnergyConsumption.side_effect = unsupported
    pynvml_double.nvmlDeviceGetTemperature.side_effect = unsupported
    nvml = open_nvml()
    assert nvml is not None
    assert find_energy_counter(nvml, tmp_path) is None
    assert (nvml.state().celsius, nvml.state().name) == (0, "a GPU")


def test_the_doctor_names_the_driver_and_its_gpus(cli, pynvml_double) -> None:
    report = json.loads(cli("doctor", "--json", "-").out)
    (checks,) = [part for part in report.values() if isinstance(part, list)]
    (driver,) = [check for check in checks if check["name"] == "NVIDIA driver"]
    assert (driver["state"], driver["found"]) == ("ok", "580.82.07: a GPU")


def test_a_machine_without_a_driver_or_the_package_has_no_gpu_and_says_why(
    pynvml_double, monkeypatch
) -> None:
    pynvml_double.nvmlInit.side_effect = pynvml_double.NVMLError(pynvml_double.NVML_ERROR_LIBRARY_NOT_FOUND)
    assert open_nvml() is None
    with pytest.raises(LayoutRTError, match=r"NVML finds no GPU .*; install NVIDIA's driver"):
        find_nvml()
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert open_nvml() is None
    with pytest.raises(LayoutRTError, match=r"'pynvml'.*pip install 'layoutrt\[tensorrt\]'"):
        find_nvml()
