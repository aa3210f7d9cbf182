/* SPDX-License-Identifier: MIT */
/*
 * The notifications of one user: the channel notify:#USER, which nobody else may enter. Backends publish there by the
 * API; a page says how far its user has read, so that his other windows know, and this one after a reload:
 *
 *     {title, body, link}     a notification; `id` if it may come twice
 *     {read: OFFSET}          all up to there are read
 *
 * How many are unread is no number that is kept anywhere: it follows from the channel's history.
 */
import { join } from "/duet.js";
import { byId, make } from "/wire.js";
import { badge, needs, remember, remembered } from "../state.js";
import { tokenOf } from "./token.js";

const KEPT = 500;            /* as many as the namespace keeps */
const TEXT_LENGTH = 300;

let user = "";
let inbox = null;            /* of duet.js */
let notes = new Map();       /* by offset */
let ids = new Set();
let readTo = 0;

function signIn(name) {
    inbox?.close();
    user = name;
    remember("notify-user", user);
    forget();
    const mine = inbox = join(`notify:#${user}`, { last: KEPT, token: () => tokenOf(name) });
    mine.on("message", message => {
        if (mine === inbox)
            heard(message);
    });
    mine.on("lost", () => { byId("lost").hidden = false; });
    mine.on("state", show);
    badge(mine);
    byId("user").value = user;
    if (!byId("to").value)
        byId("to").value = user;
    show();
    showCommand();
}

function forget() {
    notes = new Map();
    ids = new Set();
    readTo = 0;
    byId("lost").hidden = true;
}

function heard({ offset, data, text, time, missed }) {
    if (typeof data?.read === "number") {
        readTo = Math.max(readTo, Math.min(data.read, offset));
    } else {
        const note = understood(data, text);
        if (note.id && ids.has(note.id))
            return;
        ids.add(note.id);
        notes.set(offset, { ...note, time });
        if (!missed)
            tell(note, offset);
    }
    show();
}

/* Who publishes is a backend, but what is shown is shown as text, and a link leads to this site only. */
function understood(data, text) {
    const cut = value => typeof value === "string" ? value.slice(0, TEXT_LENGTH) : "";
    const link = cut(data?.link);
    return { title: cut(data?.title) || cut(text) || "(no title)", body: cut(data?.body), id: cut(data?.id),
             link: /^\/(?!\/)/.test(link) ? link : "" };
}

const unread = () => [...notes.keys()].filter(offset => offset > readTo).length;

function show() {
    const count = unread();
    byId("unread").classList.toggle("some", count > 0);
    byId("unread").textContent = count > 0 ? `${count} unread` : "all read";
    document.title = `${count > 0 ? `(${count}) ` : ""}Notifications · Duet`;
    byId("read").disabled = count === 0 || !inbox.open;
    const lines = [...notes].sort(([a], [b]) => b - a).map(([offset, note]) => line(offset, note));
    byId("notes").replaceChildren(...lines.length > 0 ? lines : [make("li", { className: "empty" }, "Nothing yet.")]);
}

function line(offset, { title, body, link, time }) {
    const at = new Date(time);
    return make("li", { className: offset > readTo ? "fresh" : "", dataset: { offset } },
        link ? make("a", { href: link, className: "what" }, title) : make("b", { className: "what" }, title),
        make("time", { dateTime: at.toISOString() },
             at.toLocaleString([], { dateStyle: "medium", timeStyle: "short" })),
        make("span", { className: "body" }, body));
}

/* On the desktop: what comes now, while nobody looks. The tag is its place, so two windows show it once. */
function tell({ title, body }, offset) {
    if (globalThis.Notification?.permission !== "granted" || !document.hidden)
        return;
    const shown = new Notification(title, { body, tag: `${user} ${offset}`, icon: "/icon.svg" });
    shown.onclick = () => {
        focus();
        shown.close();
    };
}

function showAsk() {
    byId("ask").hidden = !globalThis.Notification || Notification.permission !== "default";
}

/* Sending is a backend's. Here it is done by the page, as far as the API lets programs of this machine. */

const receivers = () => byId("to").value.split(",").map(name => name.trim()).filter(Boolean);

function letter() {
    const channels = receivers().map(name => `notify:#${name}`);
    const data = { title: byId("words").value };
    return channels.length === 1 ? { method: "publish", body: { channel: channels[0], data } }
                                 : { method: "broadcast", body: { channels, data } };
}

/* As a shell takes it, whatever the words are. */
function showCommand() {
    const { method, body } = letter();
    const json = JSON.stringify(body).replaceAll("'", "'\\''");
    byId("curl").textContent = `curl -d '${json}' ${location.origin}/api/${method}`;
}

async function send(event) {
    event.preventDefault();
    const { method, body } = letter();
    const answer = await fetch(`/api/${method}`, { method: "POST", body: JSON.stringify(body) }).catch(() => null);
    const said = answer?.ok ? await answer.json() : null;
    byId("sent").textContent = said?.result ? `Sent to ${receivers().join(", ")}.`
        : "Not sent: the API is for programs on the server's own machine, or with its key.";
}

byId("read").addEventListener("click", () => inbox.send({ read: Math.max(...notes.keys()) }));
byId("ask").addEventListener("click", () => Notification.requestPermission().then(showAsk));
byId("copy").addEventListener("click", async () => {
    await navigator.clipboard?.writeText(byId("curl").textContent);
    byId("sent").textContent = navigator.clipboard ? "Copied." : "Select it, and copy: over http no page may do it.";
});
byId("door").addEventListener("submit", event => {
    event.preventDefault();
    signIn(byId("user").value);
});
byId("post").addEventListener("submit", send);
byId("post").addEventListener("input", showCommand);

needs("notify", "notify.c");
showAsk();
const asked = new URLSearchParams(location.search).get("user") ?? "";
signIn(/^[a-z0-9_-]{1,32}$/.test(asked) ? asked : remembered("notify-user") || "ann");
