"""Reports of a profile: JSON, a trace, a page; and profiles that are refused."""

import dataclasses
import json
import os
import re
import shutil
import subprocess

import pytest

from layoutrt.errors import LayoutRTError
from layoutrt.runtime.profiling.page import page, write_page
from layoutrt.runtime.profiling.report import SCHEMA, VERSION, read_json, write_json
from layoutrt.runtime.profiling.tables import sensors_line
from layoutrt.runtime.profiling.trace import MOST_RUNS, trace_events, write_trace


@pytest.fixture
def two(a_profile, model_profile):
    return a_profile(model_profile("fp32", layers=True), model_profile("int8 <b>", 10.0, seed=1))


def test_a_profile_survives_its_json(tmp_path, two) -> None:
    write_json(tmp_path / "profile.json", two)
    assert read_json(tmp_path / "profile.json") == two


def test_the_json_has_what_a_reader_would_else_compute(tmp_path, two) -> None:
    write_json(tmp_path / "profile.json", two)
    content = json.loads((tmp_path / "profile.json").read_text())
    assert (content["schema"], content["version"]) == (SCHEMA, VERSION)
    model = content["models"][0]
    assert model["summary"]["end to end"]["p50_ms"] == two.models[0].summaries()["end to end"].p50_ms
    assert set(model["summary"]) == {"call", "copy in", "engine", "copy out", "end to end"}
    assert model["layers"]["layers"][0]["gflops"] == pytest.approx(100e6 / 15 / 1e6)


def test_another_version_of_the_schema_is_refused(tmp_path, two) -> None:
    file = tmp_path / "profile.json"
    write_json(file, two)
    content = json.loads(file.read_text())
    file.write_text(json.dumps(content | {"version": VERSION + 1}))
    with pytest.raises(LayoutRTError, match=f"version {VERSION + 1} .* reads version {VERSION}"):
        read_json(file)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": "another"}'])
def test_what_is_no_profile_is_refused(tmp_path, text) -> None:
    file = tmp_path / "profile.json"
    file.write_text(text)
    with pytest.raises(LayoutRTError, match="is not a profile"):
        read_json(file)


def test_a_damaged_or_missing_profile_is_refused(tmp_path, two) -> None:
    file = tmp_path / "profile.json"
    with pytest.raises(LayoutRTError, match="cannot read"):
        read_json(file)
    write_json(file, two)
    content = json.loads(file.read_text())
    del content["models"][0]["rounds"]
    file.write_text(json.dumps(content))
    with pytest.raises(LayoutRTError, match="damaged"):
        read_json(file)


def test_clocks_and_temperatures_are_told_where_there_are_sensors(two) -> None:
    assert sensors_line(two) == "sensors  processor 2600 to 2600 MHz, before and after"
    gpu = {"name": "a GPU", "mhz": 1500.0, "celsius": 71.0, "slowed": [], "used_mb": 10.0}
    hot = {"before": {"cpu_mhz": None, "celsius": 40.0, "gpu": gpu}, "after": {"celsius": 45.0, "gpu": gpu}}
    told = sensors_line(dataclasses.replace(two, sensors=hot))
    assert told == "sensors  processor 40 to 45 °C, GPU 1500 to 1500 MHz, GPU 71 to 71 °C, before and after"
    assert sensors_line(dataclasses.replace(two, sensors={"before": {}, "after": {}})) == ""


def test_the_trace_is_of_the_format_that_viewers_read(tmp_path, two) -> None:
    write_trace(tmp_path / "trace.json", two)
    content = json.loads((tmp_path / "trace.json").read_text())
    assert content["displayTimeUnit"] == "ms"
    named = {"process_name": set(), "thread_name": set()}
    for event in content["traceEvents"]:
        assert isinstance(event["pid"], int)
        assert isinstance(event["tid"], int)
        if event["ph"] == "M":
            named[event["name"]].add((event["pid"], event["tid"]))
            assert isinstance(event["args"]["name"], str)
        else:
            assert event["ph"] == "X"
            assert event["ts"] >= 0 < event["dur"]
            assert (event["pid"], event["tid"]) in named["thread_name"]
    assert {process for process, _ in named["process_name"]} == {1, 2}


def test_a_traces_stages_lie_within_their_run_and_its_layers_in_the_engine(two) -> None:
    events = [event for event in trace_events(two) if event["ph"] == "X" and event["pid"] == 1]
    run = next(event for event in events if event["cat"] == "run")
    stages = [event for event in events if event["cat"] == "stage" and event["args"]["run"] == 0]
    assert [event["name"] for event in stages] == ["call", "engine", "copy out"]
    assert stages[-1]["ts"] + stages[-1]["dur"] == pytest.approx(run["ts"] + run["dur"], abs=0.01)
    layers = [event for event in events if event["cat"] == "layer"]
    assert [event["name"] for event in layers] == ["up.3", "to_rgb"]
    assert layers[0]["ts"] >= stages[1]["ts"]


def test_a_long_profiles_trace_ends(a_profile, model_profile) -> None:
    long = a_profile(model_profile(rounds=MOST_RUNS // 5 + 3), rounds=MOST_RUNS // 5 + 3)
    assert sum(event.get("cat") == "run" for event in trace_events(long)) == MOST_RUNS


def test_the_page_loads_nothing_and_escapes_names(two) -> None:
    html = page(two)
    assert not re.search(r"<(script|link|img|iframe)|https?://|@import|url\(", html)
    assert "int8 <b>" not in html
    assert "int8 &lt;b&gt;" in html
    assert html.count("<svg") == 6
    assert "Content-Security-Policy" in html
    # Every chart says what it is.
    assert html.count('role="img" aria-label="') == 6


def test_the_page_of_one_model_with_one_run_has_no_empty_charts(a_profile, model_profile) -> None:
    single = model_profile(rounds=1)
    for name in ("rounds", "started_ms", "total_ms"):
        del getattr(single, name)[1:]
    for times in single.stages_ms.values():
        del times[1:]
    html = page(a_profile(single, rounds=1))
    assert html.count("<svg") == 4
    assert "nan" not in html


def test_the_page_opens_in_a_browser_without_a_word_on_the_console(tmp_path, two) -> None:
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no Chromium on this machine")
    write_page(tmp_path / "profile.html", two)
    options = ["--headless", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    options += ["--disable-component-update", "--disable-sync", "--enable-logging=stderr", "--dump-dom"]
    if os.geteuid() == 0:
        options.append("--no-sandbox")
    done = subprocess.run(
        [browser, *options, f"--user-data-dir={tmp_path / 'user'}", (tmp_path / "profile.html").as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout.count("<svg") == 6, done.stderr
    assert "CONSOLE" not in done.stderr


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content.update(reference_ms=[]),
        lambda content: content.update(reference_ms=[0.0] * len(content["reference_ms"])),
        lambda content: content.update(machine={}),
        lambda content: content["models"][0].update(size=[64]),
        lambda content: content["models"][0]["total_ms"].pop(),
        lambda content: content["models"][0].update(rounds=[], started_ms=[], total_ms=[], stages_ms={}),
    ],
)
def test_a_profile_whose_figures_do_not_belong_together_is_refused(tmp_path, two, damage) -> None:
    file = tmp_path / "profile.json"
    write_json(file, two)
    content = json.loads(file.read_text())
    damage(content)
    file.write_text(json.dumps(content))
    with pytest.raises(LayoutRTError, match="damaged"):
        read_json(file)
