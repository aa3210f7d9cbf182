/* SPDX-License-Identifier: MIT */
/*
 * A machine's figures as its agent says them (examples/agent.c): `monitor:NAME.second` each second, `.minute` their
 * averages, of which a day is kept. `.limits` holds what to warn of, so that all who look see the same. ?machine=NAME.
 */
import { join } from "/duet.js";
import { byId, draw, make } from "/wire.js";
import { badge, needs } from "../state.js";
import { shown, tick } from "./units.js";

const MACHINE = new URLSearchParams(location.search).get("machine") ?? "here";
const RANGES = {
    second: { kept: 300, step: 1, name: "5 minutes" },
    minute: { kept: 1440, step: 60, name: "24 hours" },
};
const HOLD = 3;     /* seconds on the other side of a limit that count: one busy moment is no alert */
const ALERTS_KEPT = 50;
const CHARTS = [
    { id: "cpu", title: "CPU", unit: "%", lines: { cpu: "busy" }, limit: 90 },
    { id: "memory", title: "Memory", unit: "%", lines: { memory: "in use" }, limit: 90 },
    { id: "full", title: "Disk", unit: "%", lines: { full: "of / in use" }, limit: 90 },
    { id: "network", title: "Network", unit: "B/s", lines: { received: "in", sent: "out", local: "within" } },
    { id: "disks", title: "Disk traffic", unit: "B/s", lines: { read: "read", written: "written" } },
    { id: "messages", title: "Duet messages", unit: "/s", lines: { messages: "in and out" } },
    { id: "sockets", title: "Duet WebSockets", unit: "", lines: { sockets: "open" } },
    { id: "duet_cpu", title: "Duet CPU", unit: "%", lines: { duet_cpu: "of one core" }, limit: 90 },
    { id: "duet_memory", title: "Duet memory", unit: "B", lines: { duet_memory: "resident" } },
];

const samples = { second: [], minute: [] };
let range = "second";
let limits = Object.fromEntries(CHARTS.filter(chart => chart.limit).map(chart => [chart.id, chart.limit]));

/* The agent says a line again whose receipt it did not get: what is not newer was here already. */
function take(kind, sample) {
    const list = samples[kind];
    if (typeof sample?.at !== "number" || sample.at <= (list.at(-1)?.at ?? 0))
        return false;
    list.push(sample);
    list.splice(0, list.findIndex(({ at }) => at > sample.at - RANGES[kind].kept * RANGES[kind].step));
    return true;
}

const values = (chart, sample) => Object.keys(chart.lines).map(name => sample[name]);
const highest = (chart, sample) => Math.max(...values(chart, sample).filter(Number.isFinite));

/* Charts. */

function build(chart) {
    const part = byId("chart").content.cloneNode(true).firstElementChild;
    const find = selector => part.querySelector(selector);
    chart.part = part;
    part.id = `chart-${chart.id}`;
    find("h2").textContent = chart.title;
    find(".unit").textContent = tick(chart.unit).name;
    find("input").setAttribute("aria-label", `Limit of ${chart.title}, in ${tick(chart.unit).name || "number"}`);
    find("input").addEventListener("change", event => {
        const { value } = event.target;
        limitsChannel.send({ ...limits, [chart.id]: value === "" ? null : Number(value) * tick(chart.unit).of });
    });
    find(".legend").append(...Object.values(chart.lines).map((name, i) =>
        make("span", { className: `line-${i}` }, name, make("b", {}, "–"))));
    find("svg").append(draw("path", { class: "limit" }),
        ...Object.keys(chart.lines).map((_, i) => draw("path", { class: `line line-${i}` })));
    byId("charts").append(part);
}

/* A line is broken where nothing was measured. */
function path(list, name, from, span, most, step) {
    let d = "";
    let before = -Infinity;
    for (const sample of list) {
        if (!Number.isFinite(sample[name]))
            continue;
        const x = (sample.at - from) / span * 1000;
        const y = 100 - sample[name] / most * 100;
        d += `${sample.at - before > 2.5 * step ? "M" : "L"}${x.toFixed(1)} ${y.toFixed(2)}`;
        before = sample.at;
    }
    return d;
}

/* The scale's end: 1, 2 or 5 and noughts. */
function above(value) {
    const ten = 10 ** Math.floor(Math.log10(value || 1));
    return [1, 2, 5, 10].map(n => n * ten).find(n => n >= value);
}

function paint(chart) {
    const { kept, step, name } = RANGES[range];
    const list = samples[range];
    const last = samples.second.at(-1);
    const find = selector => chart.part.querySelector(selector);
    const peak = list.reduce((most, sample) => Math.max(most, highest(chart, sample)), 0);
    const most = chart.unit === "%" ? Math.max(100, above(peak)) : above(Math.max(peak, 1));
    const span = kept * step;
    const from = (list.at(-1)?.at ?? 0) - span;
    Object.keys(chart.lines).forEach((figure, i) =>
        find(`path.line-${i}`).setAttribute("d", path(list, figure, from, span, most, step)));
    const limit = limits[chart.id];
    const y = 100 - limit / most * 100;
    find("path.limit").setAttribute("d", limit != null && y >= 0 ? `M0 ${y}H1000` : "");
    find(".most").textContent = shown(most, chart.unit);
    const now = last ? values(chart, last).map(value => shown(value, chart.unit)) : [];
    chart.part.querySelectorAll(".legend b").forEach((figure, i) => { figure.textContent = now[i] ?? "–"; });
    find("svg").setAttribute("aria-label",
        `${chart.title} over ${name}: now ${now.join(", ")}, at most ${shown(peak, chart.unit)}`);
}

function paintAll() {
    const last = samples.second.at(-1);
    CHARTS.forEach(paint);
    byId("seen").textContent = last ? `${MACHINE} at ${clock(last.at)}` : "nothing yet";
    if (byId("figures").open)
        fillTable();
}

/* Many that come at once, as on opening, are painted once. */
let planned = 0;
function plan() {
    planned ||= requestAnimationFrame(() => {
        planned = 0;
        paintAll();
    });
}

function fillTable() {
    const names = CHARTS.flatMap(chart =>
        Object.entries(chart.lines).map(([figure, name]) => ({ chart, figure, name })));
    const cell = ({ chart, figure }, sample) => make("td", {}, shown(sample[figure], chart.unit));
    byId("figures").querySelector("thead").replaceChildren(make("tr", {}, make("th", { scope: "col" }, "Time"),
        ...names.map(({ chart, name }) => make("th", { scope: "col" }, `${chart.title}, ${name}`))));
    byId("figures").querySelector("tbody").replaceChildren(...samples.second.slice(-60).reverse().map(sample =>
        make("tr", { dataset: { at: sample.at } }, make("th", { scope: "row" }, clock(sample.at)),
             ...names.map(name => cell(name, sample)))));
}

const clock = at => new Date(at * 1000).toLocaleTimeString([], { timeStyle: "medium" });

/* Alerts: of the seconds as they were measured, so that they are the same for who was away. */

function watch(chart, sample) {
    const value = highest(chart, sample);
    if (value === -Infinity)
        return;
    const over = limits[chart.id] != null && value > limits[chart.id];
    chart.turned = over === Boolean(chart.alerting) ? 0 : (chart.turned ?? 0) + 1;
    if (chart.turned === HOLD)
        note(chart, over, sample.at, over ? `${chart.title} is above ${shown(limits[chart.id], chart.unit)}`
            : `${chart.title} is back at ${shown(value, chart.unit)}`);
}

function note(chart, over, at, text) {
    const list = byId("alerts");
    chart.alerting = over;
    chart.part.classList.toggle("over", over);
    list.querySelector(".hint")?.remove();
    list.prepend(make("li", { className: over ? "over" : "back" }, make("time", {}, clock(at)), ` ${text}`));
    while (list.children.length > ALERTS_KEPT)
        list.lastElementChild.remove();
    const count = CHARTS.filter(({ alerting }) => alerting).length;
    document.title = `${count ? `(${count}) ` : ""}Monitor · Duet`;
}

function takeLimits(said) {
    if (typeof said !== "object" || said === null)
        return;
    limits = Object.fromEntries(Object.entries(said).filter(([, value]) => value === null || Number.isFinite(value)));
    for (const chart of CHARTS) {
        const field = chart.part.querySelector("input");
        if (document.activeElement !== field)
            field.value = limits[chart.id] == null ? "" : limits[chart.id] / tick(chart.unit).of;
    }
}

CHARTS.forEach(build);
takeLimits(limits);
const limitsChannel = join(`monitor:${MACHINE}.limits`, { last: 1 });
limitsChannel.on("message", message => {
    takeLimits(message.data);
    plan();
});
const minutes = join(`monitor:${MACHINE}.minute`, { last: RANGES.minute.kept });
minutes.on("message", message => take("minute", message.data) && plan());

/* Behind the limits, which say what of the seconds before was an alert. */
const begin = new Promise(done => limitsChannel.on("state", state => state === "live" && done()));
begin.then(() => {
    const seconds = join(`monitor:${MACHINE}.second`, { last: RANGES.second.kept });
    seconds.on("message", message => {
        if (!take("second", message.data))
            return;
        CHARTS.forEach(chart => watch(chart, message.data));
        plan();
    });
    badge(seconds, minutes, limitsChannel);
});

byId("figures").addEventListener("toggle", plan);
for (const radio of document.querySelectorAll("input[name=range]"))
    radio.addEventListener("change", () => {
        range = radio.value;
        plan();
    });
plan();
needs("monitor", "agent.c");
