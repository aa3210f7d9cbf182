/* SPDX-License-Identifier: MIT */
/*
 * The desk. What happens to conversations stands in desk:queue, in one order for all:
 *
 *     asks  {about, text, page}         by the visitor's widget
 *     holds {about, from, to, name}     `to` has it from now on, if `from` had it ("": nobody): of two who take one,
 *                                       the first has it; handing over, and taking from who has gone, are the same
 *     ends  {about, from}
 *
 * What is said in one is in support:ABOUT. With #token=... in the address the desk shows that, and then believes what
 * is no question only of those who have one, too.
 */
import { join } from "/duet.js";
import { byId, make } from "/wire.js";
import { here, tidyName } from "../here.js";
import { badge, remember, remembered, windowId } from "../state.js";
import { Letters } from "./letters.js";

const TEXT_MOST = 2000;
const CANNED = ["Hello, I am {name}. How can I help?", "One moment, I am looking it up.",
                "Could you send me the number of your order?", "Please reload the page, and try it once more.",
                "Is there anything else that I can do for you?"];

const token = new URLSearchParams(location.hash.slice(1)).get("token") ?? undefined;
const me = { id: windowId(), name: remembered("desk-name") || "Agent" };
const cases = new Map();    /* about: { about, text, page, holder, name, ended, letters, lines, unread } */
const mine = new Set();     /* ids of letters `holds` of this window that have not come back */
let chosen = null;

/* What happens to a conversation; the same in every window, since all get the same in the same order. */

function take(letter, time, who) {
    const { k, about } = letter;
    if (typeof about !== "string" || !/^[0-9a-f]{32}$/.test(about) || (token && k !== "asks" && !who?.user))
        return;
    const found = cases.get(about);
    if (k === "asks" && (!found || found.ended))
        begin({ ...letter, time });
    else if (k === "holds" && found && !found.ended && found.holder === letter.from && typeof letter.to === "string")
        change(found, letter);
    else if (k === "ends" && found && found.holder === letter.from)
        found.ended = true;
    if (found?.holder === me.id && !found.ended)
        listen(found);
}

function begin({ about, text, page, time }) {
    const before = cases.get(about) ?? { about, lines: [], unread: 0, letters: null };
    const fresh = { text: cut(text), page: cut(page), time, holder: "", name: "", ended: false };
    cases.set(about, Object.assign(before, fresh));
}

/* Who had it so tells the visitor, once it is so. */
function change(found, { id, to, name }) {
    Object.assign(found, { holder: to, name: tidyName(name) });
    if (mine.delete(id))
        found.letters.say({ k: "note", by: "desk", text: `${found.name} is here for you.` });
}

const cut = text => String(text ?? "").slice(0, TEXT_MOST);

/* Those that one has, and the one that is looked at, are listened to. */
function listen(found) {
    const heard = ({ k, by, name, text }, time) => {
        found.lines.push({ k, by, name: tidyName(name ?? ""), text: cut(text), time });
        found.unread += found !== chosen && by !== "desk";
    };
    found.letters ??= new Letters(join(`support:${found.about}`, { last: 500, token }), heard, show);
}

/* What one does. */

function hold(found, to, name) {
    mine.add(queue.say({ k: "holds", about: found.about, from: found.holder, to, name }));
}

function say(text) {
    if (chosen.holder !== me.id)
        hold(chosen, me.id, me.name);
    chosen.letters.say({ k: "said", by: "desk", name: me.name, text });
}

function end() {
    queue.say({ k: "ends", about: chosen.about, from: chosen.holder });
    chosen.letters.say({ k: "ended", by: "desk", text: "The conversation has ended. Write again to begin another." });
}

function transcript() {
    const lines = chosen.lines.map(line =>
        `${new Date(line.time).toISOString()} ${speaker(line) || "note"}: ${line.text}\n`);
    const url = URL.createObjectURL(new Blob([`${chosen.page}\n`, ...lines], { type: "text/plain" }));
    make("a", { href: url, download: `support-${chosen.about.slice(0, 8)}.txt` }).click();
    setTimeout(URL.revokeObjectURL, 1000, url);
}

/* What is seen. */

const speaker = ({ k, by, name }) => k !== "said" ? "" : by === "desk" ? name : "Visitor";
const isThere = holder => desk.people.has(holder);
const isMine = found => found.holder === me.id;

function standing(found) {
    return found.ended ? "ended" : isMine(found) ? "yours" : found.holder === "" ? "waits"
        : `${found.name}${isThere(found.holder) ? "" : " (away)"}`;
}

function choose(found) {
    chosen = found;
    found.unread = 0;
    listen(found);
    show();
    byId("reply").focus();
}

/* In place, so that a focus stays where it is. */
function showQueue() {
    const list = [...cases.values()].filter(found => !found.ended || found === chosen).sort((a, b) => a.time - b.time);
    const before = new Map([...byId("queue").children].map(item => [item.dataset.about, item]));
    byId("nobody").hidden = list.length > 0;
    byId("count").textContent = `(${list.filter(found => found.holder === "" && !found.ended).length} waiting)`;
    for (const found of list) {
        const item = before.get(found.about) ?? make("li", { dataset: { about: found.about } },
            make("button", { type: "button", className: "case" }, make("span"), make("span", { className: "tag" })));
        const button = item.firstElementChild;
        if (!before.delete(found.about)) {
            button.addEventListener("click", () => choose(found));
            byId("queue").append(item);
        }
        button.firstElementChild.textContent = found.text;
        button.lastElementChild.textContent = `${standing(found)}${found.unread ? `, ${found.unread} new` : ""}`;
        button.setAttribute("aria-current", String(found === chosen));
    }
    before.forEach(item => item.remove());
}

function showTalk() {
    const waiting = chosen.letters.waiting.map(line => ({ ...line, waiting: true }));
    byId("talk").hidden = false;
    byId("title").textContent = chosen.text.slice(0, 80);
    byId("about").textContent = `${standing(chosen)} · from ${chosen.page}`;
    byId("hold").disabled = chosen.ended || isMine(chosen);
    byId("hold").textContent = chosen.holder !== "" && !isMine(chosen) ? "Take over" : "Take";
    byId("to").disabled = byId("end").disabled = chosen.ended || !isMine(chosen);
    const lines = [...chosen.lines, ...waiting];
    if (lines.length !== byId("log").children.length || waiting.length > 0 || byId("log").querySelector(".waiting"))
        byId("log").replaceChildren(...lines.map(line => make("p", { className: line.waiting ? "waiting" : line.k },
            make("b", {}, speaker(line)), `${speaker(line) && " "}${line.text}`)));
    byId("log").scrollTop = byId("log").scrollHeight;
}

function showAgents() {
    const others = [...desk.people.values()].filter(({ id }) => id !== me.id);
    byId("agents").replaceChildren(...[`${me.name} (you)`, ...others.map(({ name }) => name)].map(name =>
        make("li", {}, name)));
    byId("to").replaceChildren(make("option", { value: "" }, "Hand over to …"),
        ...others.map(({ id, name }) => make("option", { value: id }, name)));
}

function show() {
    showQueue();
    if (chosen)
        showTalk();
}

function canned() {
    byId("canned").replaceChildren(make("option", { value: "" }, "Canned answers …"),
        ...CANNED.map(text => make("option", {}, text.replace("{name}", me.name))));
}

byId("hold").addEventListener("click", () => hold(chosen, me.id, me.name));
byId("end").addEventListener("click", end);
byId("transcript").addEventListener("click", transcript);
byId("to").addEventListener("change", ({ target }) => {
    const to = desk.people.get(target.value);
    target.value = "";
    if (to)
        hold(chosen, to.id, to.name);
});
byId("canned").addEventListener("change", ({ target }) => {
    byId("reply").value = target.value;
    target.value = "";
    byId("reply").focus();
});
byId("compose").addEventListener("submit", event => {
    event.preventDefault();
    const text = byId("reply").value.trim();
    byId("reply").value = "";
    if (text && !chosen.ended)
        say(text);
});
byId("call").addEventListener("submit", event => {
    event.preventDefault();
    me.name = tidyName(byId("name").value) || me.name;
    remember("desk-name", me.name);
    desk.change({ name: me.name });
    canned();
});

const desk = here("support.desk", me, { token });
const queue = new Letters(join("desk:queue", { last: 1000, token }), take, show);
desk.on("people", () => {
    showAgents();
    show();
});
byId("name").value = me.name;
canned();
showAgents();
badge(queue.channel, desk.channel);
