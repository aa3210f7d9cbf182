/* SPDX-License-Identifier: MIT */
/*
 * The devices that have registered in fleet:all, each with a channel device:NAME: of readings, {"t":21.4,...}, and of
 * commands, which are text. Whoever said the last reading is the device; while he is there it is online. That he has
 * gone the server finds, by its pings.
 */
import { join } from "/duet.js";
import { byId, make, socketURL } from "/wire.js";
import { badge, needs } from "../state.js";
import { Fleet } from "./fleet.js";

const NAME = /^[A-Za-z0-9_-]{1,31}$/;
const DEVICES_MOST = 2000;
const TRAIL = 60;
const LOG_MOST = 20;
const PLANNED_MS = 50;
const ORDER = new Intl.Collator("en", { numeric: true });

const devices = new Map();  /* name: { name, tile, figure, word, reading, time, source, clients, trail, orders } */
const fleet = new Fleet("device");
let chosen = null;
let planned = 0;

/* Who there is. */

function register(names) {
    if (!Array.isArray(names))
        return;
    const fresh = names.filter(name => NAME.test(name) && !devices.has(name)).slice(0, DEVICES_MOST - devices.size);
    for (const name of fresh)
        devices.set(name, makeDevice(name));
    if (fresh.length === 0)
        return;
    fleet.watch(fresh);
    plan();
}

function layOut(all) {
    const sorted = all.sort((a, b) => ORDER.compare(a.name, b.name));
    byId("devices").replaceChildren(...sorted.map(({ item }) => item));
    reachable();
}

function makeDevice(name) {
    const figure = make("span", { className: "warmth" }, "–");
    const word = make("span", { className: "unseen" });
    const tile = make("button", { type: "button", className: "tile", tabIndex: -1 },
        make("span", {}, name), figure, word);
    const device = { name, tile, figure, word, item: make("li", {}, tile), reading: null, time: 0, source: "",
                     clients: new Set(), trail: [], orders: [] };
    tile.addEventListener("click", () => choose(device));
    return device;
}

const isOnline = device => device.clients.has(device.source);

/* What they say. */

function hear(name, { data, time, client }) {
    const device = devices.get(name);
    if (Number.isFinite(data?.t))
        takeReading(device, data, time, client);
    else if (!device.reading)
        lookBack(device);
    show(device);
}

function takeReading(device, reading, time, client) {
    if (time < device.time)
        return;
    Object.assign(device, { reading, time, source: client });
    device.trail.push(reading.t);
    device.trail.splice(0, device.trail.length - TRAIL);
    for (const order of device.orders.filter(({ state, text }) => state !== "done" && text === reading.did))
        Object.assign(order, { state: "done", ms: performance.now() - order.sent });
}

/* A command waits for a device that is away, and is the newest: its last reading is behind that. */
async function lookBack(device) {
    const before = await fleet.history(device.name, 10).catch(() => []);
    const found = before.find(({ data }) => Number.isFinite(data?.t));
    if (found)
        takeReading(device, found.data, found.time, found.client);
    show(device);
}

function there(name, client, whether) {
    const device = devices.get(name);
    if (whether)
        device.clients.add(client);
    else
        device.clients.delete(client);
    show(device);
}

/* What is told them. */

async function command(device, text) {
    const order = { text, state: "under way", sent: performance.now() };
    device.orders.unshift(order);
    device.orders.splice(LOG_MOST);
    plan();
    try {
        await fleet.publish(device.name, text);
        if (order.state !== "done")
            order.state = isOnline(device) ? "sent" : "waits until it is back";
    } catch (error) {
        order.state = `not sent: ${error.message}`;
    }
    plan();
}

/* What is seen. */

function show(device) {
    const online = isOnline(device);
    device.figure.textContent = device.reading ? device.reading.t.toFixed(1) : "–";
    device.word.textContent = online ? "°C, online" : "°C, offline";
    device.tile.classList.toggle("online", online);
    device.tile.classList.toggle("lit", device.reading?.led === true);
    plan();
}

/* A thousand speak hundreds of times a second; nobody counts them as often. */
function plan() {
    planned ||= setTimeout(() => {
        planned = 0;
        const all = [...devices.values()];
        if (byId("devices").querySelectorAll(".tile").length < all.length)
            layOut(all);
        byId("all").textContent = all.length;
        byId("online").textContent = all.filter(isOnline).length;
        filter(all);
        if (chosen)
            showChosen(chosen);
    }, PLANNED_MS);
}

function filter(all) {
    const text = byId("find").value.trim().toLowerCase();
    const which = byId("which").value;
    for (const device of all)
        device.item.hidden = !device.name.toLowerCase().includes(text)
            || (which !== "" && isOnline(device) !== (which === "online"));
}

function choose(device) {
    chosen?.tile.removeAttribute("aria-current");
    chosen = device;
    device.tile.setAttribute("aria-current", "true");
    reachable(device.tile);
    byId("chosen").hidden = false;
    byId("shell").textContent = `echo "led on" | duet pub ${socketURL(`/channel/device:${device.name}`)}\n`
        + `duet sub "${socketURL(`/channel/device:${device.name}?last=1`)}"`;
    showChosen(device);
    byId("detail").scrollIntoView({ block: "nearest" });
}

function setText(element, text) {
    if (element.textContent !== text)
        element.textContent = text;
}

function showChosen({ name, reading, time, trail, orders, clients, source }) {
    setText(byId("name"), name);
    setText(byId("where"), clients.has(source) ? "online" : time === 0 ? "offline; nothing is kept of it"
        : `offline, heard last at ${new Date(time).toLocaleTimeString()}`);
    byId("value").textContent = reading ? `${reading.t.toFixed(1)} °C` : "–";
    byId("led").setAttribute("aria-pressed", String(reading?.led === true));
    byId("led").dataset.command = reading?.led ? "led off" : "led on";
    if (document.activeElement !== byId("every") && reading)
        byId("every").value = reading.every;
    byId("trail").firstElementChild.setAttribute("d", trail.map((t, i) =>
        `${i ? "L" : "M"}${TRAIL - trail.length + i + 1} ${100 - (t - 10) * 5}`).join(""));
    const lines = orders.map(({ text, state, ms }) => `${text}: ${state}${ms ? ` after ${Math.round(ms)} ms` : ""}`);
    if (lines.join("\n") !== [...byId("log").children].map(item => item.textContent).join("\n"))
        byId("log").replaceChildren(...lines.map(line => make("li", {}, line)));
}

/* One tile of all is reached by Tab, the others from there by the arrows. */
function reachable(tile = byId("devices").querySelector("[tabindex='0']") ?? byId("devices").querySelector("button")) {
    byId("devices").querySelector("[tabindex='0']")?.setAttribute("tabindex", -1);
    tile?.setAttribute("tabindex", 0);
}

byId("devices").addEventListener("keydown", event => {
    const tiles = [...byId("devices").querySelectorAll("li:not([hidden]) button")];
    const row = tiles.findIndex(tile => tile.offsetTop > tiles[0].offsetTop);
    const way = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: row > 0 ? row : 1, ArrowUp: row > 0 ? -row : -1 }[event.key];
    const tile = way && tiles[tiles.indexOf(document.activeElement) + way];
    if (!tile)
        return;
    event.preventDefault();
    reachable(tile);
    tile.focus();
});
byId("chosen").addEventListener("click", ({ target }) => {
    if (target.dataset.command)
        command(chosen, target.dataset.command);
});
byId("every").addEventListener("change", () => command(chosen, `every ${byId("every").value}`));
byId("order").addEventListener("submit", event => {
    event.preventDefault();
    command(chosen, byId("command").value.trim());
    byId("command").value = "";
});
byId("find").addEventListener("input", plan);
byId("which").addEventListener("change", plan);

fleet.on("message", hear).on("there", there).on("reset", () => {
    for (const device of devices.values()) {
        device.clients.clear();
        show(device);
    }
});
const registered = join("fleet:all", { last: 1000 }).on("message", ({ data }) => register(data?.devices));
badge(fleet, registered);
needs("device", "device.c");
