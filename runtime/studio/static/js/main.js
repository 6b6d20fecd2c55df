// Page: tabs, theme, help and messages.

import { Live } from "./live.js";
import { Studio } from "./studio.js";
import { setUpTheme } from "./theme.js";

const $ = (id) => document.getElementById(id);
const TOAST_MS = 6000;

let toastTimer;
function say(text) {
  $("toast").textContent = text;
  $("toast").hidden = !text;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => ($("toast").hidden = true), TOAST_MS);
}

setUpTheme($("theme"));
$("help").onclick = () => $("keys").showModal();

const info = await (await fetch("api/info")).json();
const live = info.live && new Live($("live"), info.live.source);

function show(name) {
  for (const tab of ["paint", "live"]) {
    $(tab).hidden = tab !== name;
    $(`tab-${tab}`).setAttribute("aria-selected", String(tab === name));
    $(`tab-${tab}`).tabIndex = tab === name ? 0 : -1;
  }
  $("latency").hidden = name !== "paint";
  if (name === "live") live?.start();
  else live?.stop();
  history.replaceState(null, "", name === "live" ? "#live" : location.pathname);
}

for (const name of ["paint", "live"]) {
  const tab = $(`tab-${name}`);
  tab.hidden = !info[name];
  tab.onclick = () => show(name);
  tab.onkeydown = (event) => {
    if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
    const other = name === "paint" ? "live" : "paint";
    if (info[other]) {
      show(other);
      $(`tab-${other}`).focus();
    }
  };
}
// A hidden page requests no pictures, so that the demo can stop.
addEventListener("visibilitychange", () => {
  if ($("live").hidden) return;
  if (document.hidden) live?.stop();
  else live?.start();
});

if (info.paint) new Studio(info.paint, say);
show(info.paint && location.hash !== "#live" ? "paint" : "live");
if (!info.paint) document.documentElement.dataset.ready = "true";
