/* SPDX-License-Identifier: MIT */
/*
 * The same prices twice: asked for by HTTP, and pushed over a WebSocket. Each side counts what it received, how late,
 * and the bytes it took.
 */
import { byId, draw, showState, socketURL } from "./wire.js";

const RECENT = 50;
const WINDOW_MS = 8000;
const STRIP = { height: 96, made: 22, arrived: 74 };
const CHANNEL = "/channel/demo-ticks";
const still = matchMedia("(prefers-reduced-motion: reduce)");

/*
 * What a script may not see of a request: its line and the fields that the browser adds. The names are those that
 * every browser sends; the values that differ are measured where the page can read them.
 */
function requestHeadSize(path, extra) {
    return new TextEncoder().encode([
        `GET ${path} HTTP/1.1`, `Host: ${location.host}`, "Connection: keep-alive",
        `User-Agent: ${navigator.userAgent}`, "Accept: */*", "Accept-Encoding: gzip, deflate, br",
        `Accept-Language: ${navigator.languages.join(",")}`,
        ...extra, "", ""].join("\r\n")).length;
}

const FETCH_FIELDS = ["Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: cors", "Sec-Fetch-Dest: empty",
                      `Referer: ${location.href}`];
const UPGRADE_FIELDS = ["Upgrade: websocket", `Origin: ${location.origin}`, "Sec-WebSocket-Version: 13",
                        "Sec-WebSocket-Key: 0123456789012345678901==",
                        "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"];
const SWITCH_SIZE = 129;         /* "HTTP/1.1 101 Switching Protocols" with its three fields */

function responseHeadSize(response) {
    let size = `HTTP/1.1 ${response.status} ${response.statusText}\r\n\r\n`.length;
    for (const [name, value] of response.headers)
        size += name.length + value.length + 4;
    return size;
}

/* A server's frame has no key: two bytes, or four, or ten. */
function frameSize(payload) {
    return payload + (payload < 126 ? 2 : payload < 65536 ? 4 : 10);
}

function isTick(tick) {
    return typeof tick === "object" && tick !== null && [tick.n, tick.t, tick.price].every(Number.isFinite);
}

class Side {
    constructor(id) {
        this.parts = {};
        for (const element of byId(id).querySelectorAll("[data-is]"))
            this.parts[element.dataset.is] = element;
        this.n = 0;
        this.strip = new Strip(this.parts.strip);
        this.reset();
    }

    reset() {
        this.ages = [];
        this.ticks = this.turns = this.bytes = 0;
        this.strip.clear();
    }

    /* `tick` is news to this side; it arrived at `now` by our clock. */
    take(tick, now) {
        this.n = tick.n;
        this.ticks++;
        const made = tick.t + skew();
        const age = Math.max(0, now - made);
        this.ages = [...this.ages.slice(1 - RECENT), age];
        this.strip.add(now - age, now);
        this.parts.price.textContent = tick.price.toFixed(2);
        this.parts.n.textContent = `no. ${tick.n}`;
    }

    typical() {
        return [...this.ages].sort((a, b) => a - b)[this.ages.length >> 1];
    }

    show() {
        const { age, worst, ticks, turns, bytes, each } = this.parts;
        ticks.textContent = this.ticks.toLocaleString("en");
        turns.textContent = this.turns.toLocaleString("en");
        bytes.textContent = this.bytes.toLocaleString("en");
        age.textContent = this.ages.length ? `${Math.round(this.typical())} ms` : "–";
        worst.textContent = this.ages.length ? `${Math.round(Math.max(...this.ages))} ms` : "–";
        each.textContent = this.ticks ? Math.round(this.bytes / this.ticks).toLocaleString("en") : "–";
    }
}

/* Two lines of time: above, when prices were made; below, when they arrived. The slant between is the wait. */
class Strip {
    constructor(svg) {
        this.svg = svg;
        this.marks = [];
        svg.setAttribute("height", STRIP.height);
        for (const [y, text] of [[STRIP.made, "made"], [STRIP.arrived, "arrived"]]) {
            svg.append(draw("line", { x1: 0, x2: "100%", y1: y, y2: y, class: "staff" }));
            const label = draw("text", { x: 0, y: y < 40 ? y - 9 : y + 18, class: "voice" });
            label.textContent = text;
            svg.append(label);
        }
        this.paper = draw("g");
        svg.append(this.paper);
    }

    clear() {
        this.marks = [];
        this.paper.replaceChildren();
    }

    add(made, arrived) {
        const mark = draw("g");
        mark.append(draw("line", { y1: STRIP.made, y2: STRIP.arrived, class: "wait" }),
                    draw("circle", { cy: STRIP.made, r: 2.5, class: "made" }),
                    draw("circle", { cy: STRIP.arrived, r: 4, class: "arrived" }));
        this.paper.append(mark);
        this.marks.push({ mark, made, arrived });
    }

    turn(now) {
        const width = this.svg.clientWidth;
        const place = ms => width - 8 - (now - ms) * width / WINDOW_MS;
        while (this.marks.length && now - this.marks[0].arrived > WINDOW_MS * 1.1)
            this.marks.shift().mark.remove();
        for (const { mark, made, arrived } of this.marks) {
            const [line, top, bottom] = mark.children;
            const x1 = place(made);
            const x2 = place(arrived);
            line.setAttribute("x1", x1);
            line.setAttribute("x2", x2);
            top.setAttribute("cx", x1);
            bottom.setAttribute("cx", x2);
        }
    }
}

const poll = new Side("poll");
const push = new Side("push");
let fastest = Infinity;          /* the least difference of the two clocks seen so far, over pushed prices */
let paused = false;
let every = 1000;
let socket = null;
let pollTimer = 0;
let counting = false;            /* whether an answer said where the polled prices stand */
let round = 0;                   /* counts the polling loops begun, so that an answer to an old one is dropped */
let retry = 0;

/* The server's clock may be another machine's. A price from the future, or minutes late, says that they disagree. */
function skew() {
    return fastest < 0 || (fastest > 3000 && fastest < Infinity) ? fastest : 0;
}

function connect() {
    clearTimeout(retry);
    showState("opening");
    const mine = new WebSocket(socketURL(CHANNEL));
    socket = mine;
    mine.onopen = () => {
        showState("open");
        push.bytes += requestHeadSize(CHANNEL, UPGRADE_FIELDS) + SWITCH_SIZE;
    };
    mine.onmessage = event => {
        if (mine === socket && typeof event.data === "string")
            pushed(event.data, Date.now());
    };
    mine.onclose = () => {
        if (mine !== socket)
            return;
        showState("closed");
        retry = setTimeout(connect, 1000 + Math.random() * 1000);
    };
}

/* The channel is open to all, so anything may come. */
function pushed(text, now) {
    push.turns++;
    push.bytes += frameSize(new TextEncoder().encode(text).length);
    let tick;
    try {
        tick = JSON.parse(text);
    } catch {
        return;
    }
    if (!isTick(tick))
        return;
    fastest = Math.min(fastest, now - tick.t);
    push.take(tick, now);
}

/* The first answer only says where the count stands: its prices are old by any clock. */
async function ask(mine = ++round) {
    const started = Date.now();
    const path = `/demo/ticks?after=${poll.n}`;
    try {
        const response = await fetch(path, { cache: "no-store" });
        const text = await response.text();
        const now = Date.now();
        if (response.ok && mine === round)
            asked(path, response, text, now);
    } catch {
        /* the server is away; the next turn asks again */
    }
    if (mine === round)
        pollTimer = setTimeout(ask, Math.max(0, started + every - Date.now()), mine);
}

function asked(path, response, text, now) {
    const ticks = JSON.parse(text).filter(isTick);
    poll.turns++;
    poll.bytes += requestHeadSize(path, FETCH_FIELDS) + responseHeadSize(response)
                + new TextEncoder().encode(text).length;
    /* A server that started anew counts from one again. */
    if (!ticks.length && push.n < poll.n)
        poll.n = push.n;
    if (counting)
        ticks.forEach(tick => poll.take(tick, now));
    else if (ticks.length)
        poll.n = ticks.at(-1).n;
    counting = true;
}

function verdict() {
    if (poll.ticks < 3 || push.ticks < 3)
        return "Measuring…";
    const fresher = Math.round(poll.typical() - push.typical());
    const times = (poll.bytes / poll.ticks) / (push.bytes / push.ticks);
    const bytes = times >= 1.05 ? `${times.toFixed(1)} times the bytes` : `${Math.round(times * 100)} % of the bytes`;
    return `Polling is typically ${fresher} ms later, and each price takes ${bytes}.`;
}

function show() {
    poll.show();
    push.show();
    byId("verdict").textContent = verdict();
    if (skew())
        byId("skew").textContent = "The clocks disagree, so times are shown against the fastest price pushed so far.";
    if (still.matches)
        turn();
}

function turn() {
    const now = Date.now();
    poll.strip.turn(now);
    push.strip.turn(now);
}

function animate() {
    if (!still.matches && !paused)
        turn();
    requestAnimationFrame(animate);
}

function pause() {
    paused = !paused;
    byId("pause").setAttribute("aria-pressed", String(paused));
    byId("pause").textContent = paused ? "Go on" : "Pause both";
    clearTimeout(pollTimer);
    if (paused) {
        round++;
        clearTimeout(retry);
        const old = socket;
        socket = null;
        old?.close(1000);
        showState("paused");
    } else {
        reset();
        connect();
        counting = false;
        ask();
    }
}

function reset() {
    poll.reset();
    push.reset();
    show();
}

byId("pause").addEventListener("click", pause);
byId("reset").addEventListener("click", reset);
for (const choice of document.querySelectorAll("input[name=every]"))
    choice.addEventListener("change", () => {
        every = Number(choice.value);
        reset();
        if (!paused) {
            clearTimeout(pollTimer);
            ask();
        }
    });
setInterval(show, 500);
connect();
ask();
animate();
