/* SPDX-License-Identifier: MIT */
/*
 * The chat. A room is a channel (duet.js): a page that was cut off gets what was said meanwhile, once and in order; a new
 * one gets the last lines. The words between the pages are JSON texts with a random id for each window:
 *
 *     hello  {k, id, name, ask}     I am here; with `ask`, tell me who you are
 *     said   {k, id, name, text}
 *     typing {k, id, name, on}      repeated while it lasts
 *     left   {k, id}
 *
 * A member may be any program, so nothing that comes is trusted: it is checked, cut, and shown as text. What is no
 * such JSON is shown as it came.
 */
import { join } from "./duet.js";
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
let channel = null;              /* of the room, or none: of duet.js */
let past = true;                 /* what comes was said before we came: nobody of then need be here */
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
    if (name === room && channel)
        return;
    leave();
    room = name;
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
    const mine = join(room, { last: LINES_BEFORE });
    channel = mine;
    past = true;
    showState("connecting");
    mine.on("state", state => {
        if (mine !== channel)
            return;
        showState(state);
        if (state === "connecting" || state === "offline") {
            people.clear();
            showPeople();
        }
    });
    mine.on("welcome", () => {
        past = true;
        tell({ k: "hello", name: me.name, ask: true });
    });
    mine.on("lost", () => addNotice("Some of what was said meanwhile is not kept any more."));
    mine.on("error", error => addNotice(`That was not sent: ${error.message}.`));
    mine.on("message", message => {
        if (mine === channel)
            heard(message);
    });
    mine.on("end", why => {
        if (mine === channel)
            addNotice(`The server closed the room${why.reason ? `: ${why.reason}` : ""}.`);
    });
}

function leave() {
    if (!channel)
        return;
    tell({ k: "left" });
    const old = channel;
    channel = null;
    old.close();
}

/* What nobody could hear is not said later: a greeting is of its moment. */
function tell(message) {
    return channel !== null && channel.open && channel.send({ ...message, id: me.id });
}

function heard(item) {
    const message = understood(item.data);
    if (item.bytes)
        addLine("", "someone", `${item.bytes.length} bytes of binary data`, item.time);
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
    const own = message.k === "hello" && message.id === me.id && who?.client === channel.client;
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
    if (event.persisted && !channel)
        connect();
});
setInterval(() => tell({ k: "hello", name: me.name }), HELLO_MS);
setInterval(showPeople, 1000);

byId("name").value = me.name;
enter(roomOfAddress());
