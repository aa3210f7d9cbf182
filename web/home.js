/* SPDX-License-Identifier: MIT */
/*
 * The home page. It opens one WebSocket, names it with a random token, and reads the server's trace of that very
 * connection as a stream of events. What stands beside the text comes from the trace; the page adds only the
 * payloads, which it sent or received itself.
 */
import { byId, frameHead, make, randomHex, showState, socketURL, unhex } from "./wire.js";
import { drawBars, FrameList } from "./frames.js";
import { Score } from "./score.js";

const TUNE = [3, 3, 4, 5, 5, 4, 3, 2, 1, 1, 2, 3, 3, 2, 2];        /* an old ode, as steps above the lowest line */
const BEAT_MS = 240;
const ACCEPT_TEXT = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";        /* RFC 6455 1.3 */
const TELLING = /^(GET |HTTP\/|Upgrade:|Connection:|Sec-WebSocket-)/i;
const PAYLOADS_KEPT = 400;
const TRACE_LINGER_MS = 3000;

const score = new Score(byId("score"));
const frames = new FrameList(byId("frames"), byId("inspect"), byId("follow"), payloadOf);
let socket = null;
let trace = null;
let playing = 0;
let payloads;         /* what this page sent and received, for frames that carry data */
let passed;           /* how many such frames the trace showed in each direction */
let trips;

function open() {
    const token = randomHex(16);
    payloads = { in: [], out: [] };
    trace = null;
    socket = new WebSocket(socketURL("/demo/echo"));
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
        showState("open");
        send(JSON.stringify({ trace: token }));
        follow(token);
        send("Hello, server");
        send("ping");
    };
    socket.onmessage = event => {
        keep("out", typeof event.data === "string" ? new TextEncoder().encode(event.data) : new Uint8Array(event.data));
        frames.refresh();
    };
    socket.onclose = closed;
    showState("opening");
    byId("saw").textContent = byId("traced").textContent = "It is open.";
    enable(true);
}

function send(text) {
    if (socket?.readyState !== WebSocket.OPEN)
        return false;
    keep("in", new TextEncoder().encode(text));
    socket.send(text);
    return true;
}

/* A page left open for days must not grow: old payloads go, their places stay. */
function keep(side, bytes) {
    const list = payloads[side];
    list.push(bytes);
    if (list.length > PAYLOADS_KEPT)
        delete list[list.length - 1 - PAYLOADS_KEPT];
}

function payloadOf(frame) {
    const bytes = frame.payloads[frame.dir][frame.place];
    const compressed = frame.head.rsv & 4;
    return !compressed && bytes?.length === frame.head.length ? bytes : null;
}

function follow(token) {
    trace = new EventSource(`/demo/trace/${token}`);
    /* The stream starts with all that passed so far, after a reconnect too. */
    trace.onopen = startTrace;
    on("request", event => showHead("request", event.head));
    on("response", event => {
        showHead("response", event.head);
        prove();
    });
    on("frame", addFrame);
    on("rtt", event => addTrip(event.us));
    on("close", event => {
        byId("traced").textContent = ending(event.code, event.reason, event.clean);
        trace.close();
    });
}

function on(name, take) {
    const source = trace;
    source.addEventListener(name, event => {
        if (source === trace)
            take(JSON.parse(event.data));
    });
}

function startTrace() {
    if (this !== trace)
        return;
    passed = { in: 0, out: 0 };
    trips = [];
    score.clear();
    frames.clear();
}

function addFrame(event) {
    const head = frameHead(unhex(event.head));
    if (!head)
        return;
    const frame = { dir: event.dir, head, payloads };
    if (head.opcode === 1 || head.opcode === 2)
        frame.place = passed[event.dir]++;
    const item = frames.add(frame);
    score.add(event.dir, head.opcode, head.length, event.ms, () => frames.choose(item));
}

function addTrip(us) {
    trips = [...trips.slice(-99), us];
    const sorted = [...trips].sort((a, b) => a - b);
    byId("rtt").textContent = milliseconds(us);
    byId("rtts").textContent = trips.length === 1 ? "One ping so far."
        : `${trips.length} pings; the middle one took ${milliseconds(sorted[trips.length >> 1])}.`;
    drawBars(byId("bars"), trips);
}

function milliseconds(us) {
    return `${(us / 1000).toFixed(us < 10000 ? 2 : 1)} ms`;
}

/* The lines that make the handshake stand out; the others are there as in any request. */
function showHead(id, text) {
    const lines = text.replace(/(\r\n)+$/, "").split("\r\n").map(line =>
        make("span", { className: TELLING.test(line) ? "telling" : "" }, line));
    byId(id).replaceChildren(...lines.flatMap((line, i) => i ? ["\n", line] : [line]));
}

function headField(id, name) {
    const line = byId(id).textContent.split("\n").find(text => text.toLowerCase().startsWith(`${name}:`));
    return line?.slice(name.length + 1).trim() ?? "";
}

async function prove() {
    const key = headField("request", "sec-websocket-key");
    const accept = headField("response", "sec-websocket-accept");
    if (!key || !accept)
        return;
    const shown = [make("code", {}, key), " + ", make("code", {}, `${ACCEPT_TEXT.slice(0, 8)}…`), " → SHA-1 → "];
    /* Browsers keep subtle for secure pages: https, and loopback. */
    if (!crypto.subtle) {
        byId("proof").replaceChildren(...shown, make("code", {}, accept));
        return;
    }
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-1", new TextEncoder().encode(key + ACCEPT_TEXT)));
    const own = btoa(String.fromCharCode(...digest));
    byId("proof").replaceChildren(...shown, make("code", {}, own),
        make("b", {}, own === accept ? " ✓ reckoned here just now, and it is what the server said."
                                     : " ✗ the server said something else."));
}

function ending(code, reason, clean) {
    return `code ${code}${reason ? `, “${reason}”` : ", no reason"}, ${clean ? "clean" : "not clean"}`;
}

function closed(event) {
    clearInterval(playing);
    showState("closed");
    byId("saw").textContent = ending(event.code, event.reason, event.wasClean);
    const held = document.activeElement;
    enable(false);
    if (held?.disabled)
        byId("again").focus();
    if (!trace)
        byId("traced").textContent = "It never opened.";
    /* The trace tells of the close and ends. Where it does not, the server is gone, and asking again is no use. */
    const ended = trace;
    setTimeout(() => ended?.close(), TRACE_LINGER_MS);
}

function enable(isOpen) {
    for (const control of document.querySelectorAll("#play, #say button, #ping, #leave button, #leave input"))
        if (control.id !== "again")
            control.disabled = !isOpen;
    byId("again").hidden = isOpen;
}

function play() {
    let at = 0;
    clearInterval(playing);
    frames.setFollowing(true);
    playing = setInterval(() => {
        const length = 2 ** TUNE[at] - 1;
        if (!send("la".repeat(length).slice(0, length)) || ++at === TUNE.length)
            clearInterval(playing);
    }, BEAT_MS);
}

function leave(event) {
    event.preventDefault();
    const code = Number(byId("code").value);
    try {
        socket.close(code, byId("reason").value);
        byId("leave-error").textContent = "";
    } catch {
        byId("leave-error").textContent =
            "A page may close with 1000 or 3000 to 4999, and a reason of at most 123 bytes.";
    }
}

byId("say").addEventListener("submit", event => {
    event.preventDefault();
    send(byId("text").value);
    byId("text").select();
});
byId("play").addEventListener("click", play);
byId("ping").addEventListener("click", () => send("ping"));
byId("leave").addEventListener("submit", leave);
byId("bye").addEventListener("click", () => send("close"));
byId("again").addEventListener("click", () => {
    trace?.close();
    open();
    byId("play").focus({ preventScroll: true });
});
byId("code-sample").textContent = byId("code-sample").textContent.replace("ws://this-server/channel/kitchen",
                                                                          socketURL("/channel/kitchen"));
open();
