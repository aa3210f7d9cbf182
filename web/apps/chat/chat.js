/* SPDX-License-Identifier: MIT */
/* The chat's page: a room (room.js), and who is in it (here.js). Nothing that comes is shown as anything but text. */
import { here, tidyName } from "/apps/here.js";
import { remember, remembered, windowId } from "/apps/state.js";
import { byId, make, showState, socketURL } from "/wire.js";
import { Log, tint } from "./log.js";
import { Room } from "./room.js";

const TYPING_SEND_MS = 2000;
const TYPING_GONE_MS = 5000;
const ROOM_LENGTH = 40;
const FIRST = ["Quiet", "Bright", "Early", "Little", "Merry", "Gentle", "Brave", "Wandering"];
const LAST = ["Oboe", "Viola", "Flute", "Cello", "Harp", "Horn", "Lute", "Clarinet"];

const me = { id: windowId(), name: remembered("duet-name") || freshName() };
const log = new Log(me, edit);
let room = null;
let place = null;
const typists = new Map();        /* id: { name, since } */
let editing = null;              /* a line, while it is edited */
let typingSent = 0;
let unread = 0;

function freshName() {
    const pick = list => list[Math.floor(Math.random() * list.length)];
    return `${pick(FIRST)} ${pick(LAST)}`;
}

/* Rooms. */

function tidyRoom(text) {
    return text.trim().toLowerCase().replace(/[^a-z0-9_.-]+/g, "-").slice(0, ROOM_LENGTH).replace(/^[-.]+|[-.]+$/g, "");
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
    if (name === room?.name)
        return;
    leave();
    stopEditing();
    typists.clear();
    log.clear();
    byId("room").value = name;
    byId("where").textContent = name;
    byId("second").href = `/apps/chat/?room=${encodeURIComponent(name)}`;
    byId("address").textContent = socketURL(`/channel/chat:${name}`);
    unread = 0;
    rememberRoom(name);
    room = new Room(name, me, {
        added(line, wasBefore) {
            log.add(line, wasBefore);
            unread += !wasBefore && document.hidden && line.by !== me.id;
            retitle();
        },
        changed: line => log.draw(line),
        taken: line => log.take(line),
        removed: line => log.remove(line),
        forgotten() {
            log.clear();
            log.note("Not all that was said meanwhile could be had again; this is what there is.");
        },
        refused: why => log.note(`That was not sent: ${why}.`),
        state(state) {
            showState(state);
            if (state === "live" && room.isWhole)
                log.end();
        },
    });
    log.older = () => room.older();
    showState(room.channel.state);
    place = here(`chat.${name}`, me).on("people", showPeople).on("typing", heardTyping)
        .on("came", (person, isNew) => isNew && person.id !== me.id && log.note(`${person.name} came in.`))
        .on("gone", person => log.note(`${person.name} left.`))
        .on("renamed", (person, before) => log.note(`${before} is now ${person.name}.`));
    showPeople(place.people);
    retitle();
}

function leave() {
    room?.close();
    place?.close();
    room = place = null;
}

function rememberRoom(name) {
    const recent = remembered("duet-rooms").split(" ").filter(other => other && other !== name);
    const rooms = [name, ...recent].slice(0, 8);
    remember("duet-rooms", rooms.join(" "));
    const offered = new Set([...rooms, "lobby", "kitchen", "rehearsal"]);
    byId("rooms").replaceChildren(...Array.from(offered, value => make("option", { value })));
}

/* People. */

function showPeople(people) {
    byId("count").textContent = people.size;
    byId("people").replaceChildren(...Array.from(people.values(), ({ id, name }) =>
        make("li", { className: tint(id, me) }, name, id === me.id ? make("span", { className: "hint" }, " (you)") : "")));
    for (const id of typists.keys())
        if (!people.has(id))
            typists.delete(id);
    showTyping();
}

function heardTyping(message, person) {
    typists.delete(person.id);
    if (message.on === true && person.id !== me.id && person.name)
        typists.set(person.id, { name: person.name, since: Date.now() });
    showTyping();
}

function showTyping() {
    const names = [...typists.values()].filter(({ since }) => Date.now() - since < TYPING_GONE_MS).map(({ name }) => name);
    byId("typing").textContent = names.length === 0 ? "" : names.length === 1 ? `${names[0]} is typing…`
        : names.length === 2 ? `${names[0]} and ${names[1]} are typing…` : `${names.length} people are typing…`;
}

function sendTyping() {
    const on = byId("say").value !== "" && !editing;
    if (on && Date.now() - typingSent < TYPING_SEND_MS)
        return;
    typingSent = on ? Date.now() : 0;
    place.tell("typing", { on });
}

/* Saying, and saying otherwise. */

function edit(line) {
    editing = line;
    byId("say").value = line.text;
    byId("say").focus();
    showEditing();
}

function stopEditing() {
    if (editing)
        byId("say").value = "";
    editing = null;
    showEditing();
}

function showEditing() {
    byId("send").textContent = editing ? "Save" : "Send";
    byId("cancel").hidden = byId("delete").hidden = !editing;
}

function retitle() {
    document.title = `${unread ? `(${unread}) ` : ""}${byId("where").textContent} · Duet chat`;
}

byId("compose").addEventListener("submit", event => {
    event.preventDefault();
    const text = byId("say").value.trim();
    if (!text)
        return;
    if (editing)
        room.edit(editing, text);
    else
        room.say(text);
    byId("say").value = "";
    stopEditing();
    sendTyping();
});
byId("say").addEventListener("input", sendTyping);
byId("say").addEventListener("keydown", event => {
    if (event.key === "Escape")
        stopEditing();
    else if (event.key === "ArrowUp" && !byId("say").value && room.latest) {
        event.preventDefault();
        edit(room.latest);
    }
});
byId("cancel").addEventListener("click", stopEditing);
byId("delete").addEventListener("click", () => {
    room.edit(editing, "");
    stopEditing();
    byId("say").focus();
});
byId("call").addEventListener("submit", event => {
    event.preventDefault();
    me.name = tidyName(byId("name").value) || me.name;
    byId("name").value = me.name;
    remember("duet-name", me.name);
    place.change({ name: me.name });
    byId("say").focus();
});
byId("go").addEventListener("submit", event => {
    event.preventDefault();
    const name = tidyRoom(byId("room").value) || "lobby";
    history.pushState(null, "", `/apps/chat/?room=${encodeURIComponent(name)}`);
    enter(name);
    byId("say").focus();
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
    if (event.persisted && !room)
        enter(roomOfAddress());
});
setInterval(showTyping, 1000);

byId("name").value = me.name;
enter(roomOfAddress());
