/* SPDX-License-Identifier: MIT */
/*
 * The chat. A room is a channel. With the subprotocol duet.v1 each message comes with its offset, so a page that was cut
 * off comes back with the position it has and gets what was said meanwhile, once and in order; a new one gets the last
 * lines. The words between the pages are JSON texts with a random id for each window:
 *
 *     hello  {k, id, name, ask}     I am here; with `ask`, tell me who you are
 *     said   {k, id, name, text}
 *     typing {k, id, name, on}      repeated while it lasts
 *     left   {k, id}
 *
 * A member may be any program, so nothing that comes is trusted: it is checked, cut, and shown as text. What is no
 * such JSON is shown as it came.
 */
import { byId, make, randomHex, showState, socketURL } from "./wire.js";

const HELLO_MS = 20000;
const GONE_MS = 150000;          /* a background tab's timers may run only once a minute */
const TYPING_SEND_MS = 2000;
const TYPING_GONE_MS = 5000;
const LINES_KEPT = 500;
const LINES_BEFORE = 100;
const PEOPLE_KEPT = 200;
const NAME_LENGTH = 32;
const TEXT_LENGTH = 2000;
const ROOM_LENGTH = 40;
const HUES = 6;
const FIRST = ["Quiet", "Bright", "Early", "Little", "Merry", "Gentle", "Brave", "Wandering"];
const LAST = ["Oboe", "Viola", "Flute", "Cello", "Harp", "Horn", "Lute", "Clarinet"];

const me = { id: randomHex(8), name: remembered("duet-name") || freshName() };
const people = new Map();        /* id: { name, heard, typing } */
let room = "";
let socket = null;
let position = null;             /* of the room: { epoch, offset }; null when nothing was seen yet */
let client = "";                 /* this connection, as the server names it */
let past = true;                 /* what comes was said before we came: nobody of then need be here */
let attempt = 0;
let retry = 0;
let typingSent = 0;
let lastSpeaker = "";
let unread = 0;

/* Storage may be switched off; the chat works without. */
function remembered(key) {
    try {
        return localStorage.getItem(key) ?? "";
    } catch {
        return "";
    }
}

function remember(key, value) {
    try {
        localStorage.setItem(key, value);
    } catch {
        /* nothing is lost but a convenience */
    }
}

function freshName() {
    const pick = list => list[Math.floor(Math.random() * list.length)];
    return `${pick(FIRST)} ${pick(LAST)}`;
}

function tidyRoom(text) {
    return text.trim().toLowerCase().replace(/[^a-z0-9_.-]+/g, "-").slice(0, ROOM_LENGTH).replace(/^[-.]+|[-.]+$/g, "");
}

function tidyName(text) {
    return String(text).replace(/\s+/g, " ").trim().slice(0, NAME_LENGTH);
}

/* ?room=NAME or #NAME; the part after # wins, as it can change without a new page. */
function roomOfAddress() {
    let part = location.hash.slice(1);
    try {
        part = decodeURIComponent(part);
    } catch {
        /* a stray % is taken as it stands */
    }
    return tidyRoom(part) || tidyRoom(new URLSearchParams(location.search).get("room") ?? "") || "lobby";
}

function enter(name) {
    if (name === room && socket)
        return;
    leave();
    room = name;
    position = null;
    attempt = 0;
    people.clear();
    lastSpeaker = "";
    byId("log").replaceChildren();
    byId("room").value = room;
    byId("where").textContent = room;
    byId("second").href = `/chat.html?room=${encodeURIComponent(room)}`;
    byId("address").textContent = socketURL(`/channel/${room}`);
    unread = 0;
    retitle();
    rememberRoom();
    connect();
}

function rememberRoom() {
    const recent = remembered("duet-rooms").split(" ").filter(name => name && name !== room);
    const rooms = [room, ...recent].slice(0, 8);
    remember("duet-rooms", rooms.join(" "));
    const offered = new Set([...rooms, "lobby", "kitchen", "rehearsal"]);
    byId("rooms").replaceChildren(...Array.from(offered, value => make("option", { value })));
}

function connect() {
    clearTimeout(retry);
    showState("opening");
    const from = position ? `since=${position.epoch}:${position.offset}` : `last=${LINES_BEFORE}`;
    const mine = new WebSocket(socketURL(`/channel/${encodeURIComponent(room)}?${from}`), "duet.v1");
    socket = mine;
    past = true;
    mine.onopen = () => {
        attempt = 0;
        showState("open");
        tell({ k: "hello", name: me.name, ask: true });
    };
    mine.onmessage = event => {
        if (mine === socket)
            received(JSON.parse(event.data));
    };
    mine.onclose = () => {
        if (mine !== socket)
            return;
        socket = null;
        showState("closed");
        people.clear();
        showPeople();
        /* Spread out, so that a server that restarts is not met by everyone at once. */
        const wait = Math.min(15000, 500 * 2 ** attempt++) * (0.5 + Math.random() / 2);
        retry = setTimeout(connect, wait);
    };
}

function leave() {
    clearTimeout(retry);
    if (!socket)
        return;
    tell({ k: "left" });
    const old = socket;
    socket = null;
    old.close(1000);
}

function tell(message) {
    if (socket?.readyState !== WebSocket.OPEN)
        return false;
    socket.send(JSON.stringify({ ...message, id: me.id }));
    return true;
}

/* The first message says where the stream stands, each other one is a publication with its place in it. */
function received(item) {
    if (item.channel !== undefined) {
        if (item.recovered === false)
            addNotice("Some of what was said meanwhile is not kept any more.");
        client = item.client;
        position = item.epoch ? { epoch: item.epoch, offset: item.offset } : null;
    } else if (item.error) {
        addNotice(`That was not sent: ${item.error.message}.`);
    } else {
        if (position && item.offset)
            position.offset = item.offset;
        heard(item);
    }
}

function heard(item) {
    const message = understood(item.data);
    if (item.b64 !== undefined)
        addLine("", "someone", `${Math.floor(item.b64.replace(/=+$/, "").length * 3 / 4)} bytes of binary data`, item.time);
    else if (!message)
        addLine("", "someone", (item.text ?? JSON.stringify(item.data)).slice(0, TEXT_LENGTH), item.time);
    else if (message.k === "said")
        said(message, item.time);
    else if (!past || isOwnHello(message, item.who))
        ({ hello: greeted, typing, left })[message.k](message);
    showPeople();
}

/* It comes back behind all that was said before. */
function isOwnHello(message, who) {
    const own = message.k === "hello" && message.id === me.id && who?.client === client;
    past = past && !own;
    return own;
}

/* The message with all that its kind needs, or null. */
function understood(m) {
    if (typeof m !== "object" || m === null || typeof m.id !== "string" || !m.id || m.id.length > 64)
        return null;
    if (m.k === "left")
        return m;
    if (typeof m.name !== "string" || !["hello", "said", "typing"].includes(m.k))
        return null;
    if (m.k === "said" && typeof m.text !== "string")
        return null;
    return { ...m, name: tidyName(m.name) || "nameless" };
}

/* Returns the person as known before, or undefined for a new one. */
function note(message, isTyping) {
    const before = people.get(message.id);
    if (before || people.size < PEOPLE_KEPT)
        people.set(message.id, { name: message.name, heard: Date.now(), typing: isTyping ? Date.now() : 0 });
    return before;
}

function greeted(message) {
    const before = note(message, false);
    if (message.ask === true && message.id !== me.id)
        tell({ k: "hello", name: me.name });
    if (!before && message.ask === true)
        addNotice(message.id === me.id ? `You are here as ${me.name}.` : `${message.name} came in.`);
    else if (before && before.name !== message.name)
        addNotice(`${before.name} is now ${message.name}.`);
}

function said(message, time) {
    if (!past)
        note(message, false);
    addLine(message.id, message.name, message.text.slice(0, TEXT_LENGTH), time);
}

function typing(message) {
    note(message, message.on === true);
}

function left(message) {
    const before = people.get(message.id);
    if (before && message.id !== me.id) {
        people.delete(message.id);
        addNotice(`${before.name} left.`);
    }
}

function addLine(id, name, text, time) {
    const at = new Date(time);
    const kind = id === me.id ? "line mine" : "line";
    const line = make("li", { className: id && id === lastSpeaker ? `${kind} same` : kind },
        make("b", { className: `who ${hue(id)}` }, name),
        make("span", { className: "text" }, text),
        make("time", { dateTime: at.toISOString() },
             at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })));
    lastSpeaker = id;
    append(line);
    if (document.hidden && id !== me.id) {
        unread++;
        retitle();
    }
}

function addNotice(text) {
    lastSpeaker = "";
    append(make("li", { className: "notice" }, text));
}

/* The log stays at its end only for those who are there; who reads further up is told. */
function append(line) {
    const log = byId("log");
    const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 60;
    log.append(line);
    while (log.children.length > LINES_KEPT)
        log.firstElementChild.remove();
    if (atEnd)
        log.scrollTop = log.scrollHeight;
    else
        byId("newer").hidden = false;
}

function hue(id) {
    let sum = 0;
    for (const letter of id)
        sum = (sum * 31 + letter.codePointAt(0)) % 9973;
    return id === me.id ? "hue-me" : `hue-${sum % HUES}`;
}

function showPeople() {
    const now = Date.now();
    for (const [id, person] of people)
        if (now - person.heard > GONE_MS && id !== me.id)
            people.delete(id);
    byId("count").textContent = people.size;
    byId("people").replaceChildren(...Array.from(people, ([id, person]) =>
        make("li", { className: hue(id) }, person.name,
             id === me.id ? make("span", { className: "hint" }, " (you)") : "")));
    const names = Array.from(people).filter(([id, person]) => id !== me.id && now - person.typing < TYPING_GONE_MS)
                       .map(([, person]) => person.name);
    byId("typing").textContent = names.length === 0 ? "" : names.length === 1 ? `${names[0]} is typing…`
        : names.length === 2 ? `${names[0]} and ${names[1]} are typing…` : `${names.length} people are typing…`;
}

function retitle() {
    document.title = `${unread ? `(${unread}) ` : ""}${room} · Duet chat`;
}

function sendTyping() {
    const on = byId("say").value !== "";
    if (on && Date.now() - typingSent < TYPING_SEND_MS)
        return;
    typingSent = on ? Date.now() : 0;
    tell({ k: "typing", name: me.name, on });
}

byId("compose").addEventListener("submit", event => {
    event.preventDefault();
    const text = byId("say").value.trim();
    if (text && tell({ k: "said", name: me.name, text })) {
        byId("say").value = "";
        typingSent = 0;
    }
});
byId("say").addEventListener("input", sendTyping);
byId("call").addEventListener("submit", event => {
    event.preventDefault();
    me.name = tidyName(byId("name").value) || me.name;
    byId("name").value = me.name;
    remember("duet-name", me.name);
    tell({ k: "hello", name: me.name });
    byId("say").focus();
});
byId("go").addEventListener("submit", event => {
    event.preventDefault();
    const name = tidyRoom(byId("room").value) || "lobby";
    history.pushState(null, "", `/chat.html?room=${encodeURIComponent(name)}`);
    enter(name);
    byId("say").focus();
});
byId("newer").addEventListener("click", () => {
    byId("log").scrollTop = byId("log").scrollHeight;
    byId("say").focus();
});
byId("log").addEventListener("scroll", () => {
    const log = byId("log");
    if (log.scrollHeight - log.scrollTop - log.clientHeight < 60)
        byId("newer").hidden = true;
});
document.addEventListener("visibilitychange", () => {
    if (!document.hidden) {
        unread = 0;
        retitle();
    }
});
addEventListener("popstate", () => enter(roomOfAddress()));
addEventListener("hashchange", () => enter(roomOfAddress()));
addEventListener("pagehide", leave);
/* A page that comes back from the browser's cache has lost its socket. */
addEventListener("pageshow", event => {
    if (event.persisted && !socket)
        connect();
});
setInterval(() => tell({ k: "hello", name: me.name }), HELLO_MS);
setInterval(showPeople, 1000);

byId("name").value = me.name;
enter(roomOfAddress());
