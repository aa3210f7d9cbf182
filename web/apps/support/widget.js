/* SPDX-License-Identifier: MIT */
/*
 * The support chat for any site, by one tag:
 *
 *     <script type="module" src="https://duet.example/apps/support/widget.js"></script>
 *
 * The server has to list the site (origins), or the browser does not even load this. A conversation is a channel
 * support:ID whose name nobody can guess; that there is one, the desk hears in desk:queue, where a visitor may speak
 * and need not be able to listen.
 */
import { join } from "/duet.js";
import { make, randomHex } from "/wire.js";
import { remember, remembered } from "../state.js";
import { Letters } from "./letters.js";

const SERVER = new URL(import.meta.url).origin.replace(/^http/, "ws");
const KEY = "duet-support";
const TEXT_MOST = 2000;

/* A style sheet of its own in a tree of its own: nothing of the site's reaches in, nor out. */
const STYLE = `
:host { all: initial; position: fixed; right: 1rem; bottom: 1rem; z-index: 2147483000; color-scheme: light dark;
  font: 16px/1.5 system-ui, sans-serif; --ink: light-dark(#17242a, #e5ece9); --soft: light-dark(#4c5d64, #a0b1b4);
  --sheet: light-dark(#fbfcfa, #151f23); --well: light-dark(#e8edea, #0a1012); --press: light-dark(#17343b, #d6e6e3);
  --press-ink: light-dark(#f6faf8, #10262b); }
* { box-sizing: border-box; }
button { font: inherit; color: var(--press-ink); background: var(--press); border: 0; border-radius: 99px;
  padding: 0.6rem 1.1rem; cursor: pointer; }
:focus-visible { outline: 3px solid light-dark(#0b6170, #6cc9d6); outline-offset: 2px; }
section { width: min(22rem, calc(100vw - 2rem)); height: min(30rem, calc(100vh - 2rem)); display: flex;
  flex-direction: column; background: var(--sheet); color: var(--ink); border-radius: 16px; overflow: hidden;
  box-shadow: 0 8px 40px rgb(0 0 0 / 0.3); }
[hidden] { display: none; }
header { display: flex; align-items: center; gap: 0.6rem; padding: 0.7rem 1rem; background: var(--well); }
h2 { font: 600 1rem/1.3 system-ui, sans-serif; margin: 0; flex: 1; }
header p { margin: 0; font-size: 0.8rem; color: var(--soft); min-width: 6rem; text-align: end; }
header button { background: none; color: var(--ink); padding: 0.2rem 0.6rem; }
[role=log] { flex: 1; overflow-y: auto; padding: 0.6rem 1rem; overflow-wrap: anywhere; }
[role=log] p { margin: 0 0 0.6rem; white-space: pre-wrap; }
[role=log] b { font-size: 0.8rem; display: block; }
.note, .waiting { color: var(--soft); font-style: italic; }
form { display: flex; gap: 0.5rem; padding: 0.7rem; background: var(--well); }
input { flex: 1; min-width: 0; font: inherit; color: var(--ink); background: var(--sheet); padding: 0.5rem 0.8rem;
  border: 1px solid var(--soft); border-radius: 99px; }`;

let about = remembered(KEY);   /* the conversation's id; empty: none yet */
let letters = null;
let asked = "";             /* what the desk was asked, and has not ended */
let answered = false;
let known = false;          /* what was said before has come */

/* What is seen. */

const log = make("div", { role: "log", tabIndex: 0, ariaLabel: "Messages" });
const state = make("p", { role: "status" });
const field = make("input", { maxLength: TEXT_MOST, placeholder: "Write to us", ariaLabel: "Message",
                              autocomplete: "off" });
const form = make("form", {}, field, make("button", { type: "submit" }, "Send"));
const close = make("button", { type: "button", ariaLabel: "Close the chat" }, "×");
const panel = make("section", { role: "dialog", ariaLabel: "Support chat", hidden: true },
    make("header", {}, make("h2", {}, "How can we help?"), state, close), log, form);
const opener = make("button", { type: "button" }, "Chat with us");

function show(letter, className) {
    const line = make("p", {}, letter.text);
    if (letter.k === "said")
        line.prepend(make("b", {}, letter.by === "desk" ? letter.name : "You"));
    else
        line.className = "note";
    line.classList.toggle("waiting", className === "waiting");
    line.dataset.id = letter.id;
    log.append(line);
    log.scrollTop = log.scrollHeight;
}

function changed() {
    state.textContent = letters.channel.state === "live" ? "" : letters.channel.state;
    log.querySelectorAll(".waiting").forEach(line => line.remove());
    letters.waiting.forEach(letter => show(letter, "waiting"));
}

/* What is said. */

function take(letter) {
    if (typeof letter.text !== "string")
        return;
    const begins = letter.by !== "desk" && !asked;
    answered = letter.by === "desk" && letter.k !== "ended";
    asked = letter.k === "ended" ? "" : asked || letter.text;
    if (begins && known)        /* the desk hears of it once there is something to read */
        ask(asked);
    show({ ...letter, text: letter.text.slice(0, TEXT_MOST), name: String(letter.name ?? "").slice(0, 40) });
    if (letter.by === "desk" && panel.hidden)
        opener.textContent = "Chat with us (new)";
}

function converse() {
    about ||= randomHex(16);
    remember(KEY, about);
    const channel = join(`support:${about}`, { last: 500, url: SERVER });
    letters = new Letters(channel, take, changed);
    channel.on("state", state => {
        if (state === "live" && !known && asked && !answered)
            ask(asked);     /* the page may have been left before the desk heard of it */
        known ||= state === "live";
    });
}

function say(text) {
    letters.say({ k: "said", by: "visitor", text });
}

/* Again until it is kept; the desk takes it as one. */
function ask(text) {
    const data = { k: "asks", id: randomHex(8), about, text, page: location.origin + location.pathname };
    const socket = new WebSocket(`${SERVER}/connection/websocket`);
    let kept = false;
    socket.onopen = () => {
        socket.send('{"id":1,"connect":{}}');
        socket.send(JSON.stringify({ id: 2, publish: { channel: "desk:queue", data } }));
    };
    socket.onmessage = event => {
        kept ||= event.data.split("\n").some(line => line && JSON.parse(line).publish);
        if (kept)
            socket.close();
    };
    socket.onclose = () => kept || setTimeout(ask, 1000 + 2000 * Math.random(), text);
}

opener.addEventListener("click", () => {
    panel.hidden = false;
    opener.hidden = true;
    opener.textContent = "Chat with us";
    if (!letters)
        converse();
    field.focus();
});
function shut() {
    panel.hidden = true;
    opener.hidden = false;
    opener.focus();
}
close.addEventListener("click", shut);
panel.addEventListener("keydown", event => event.key === "Escape" && shut());
form.addEventListener("submit", event => {
    event.preventDefault();
    const text = field.value.trim();
    field.value = "";
    if (text)
        say(text);
});

const host = make("div", { id: "duet-support" });
const sheet = new CSSStyleSheet();
sheet.replaceSync(STYLE);
const root = host.attachShadow({ mode: "open" });
root.adoptedStyleSheets = [sheet];
root.append(panel, opener);
document.body.append(host);
if (about)
    converse();
