/* SPDX-License-Identifier: MIT */
/*
 * A seat in the hall. What is heard is how things stand there, told by the backend (examples/event.c) a few times a
 * second, all of it each time, so the last word is enough. What is said is how things stand here, all of it too: a word
 * that comes twice changes nothing, and after a cut it is said again.
 *
 *     heard  {run, now, people, at, of, slide, poll, hands, raised, claps, best, down}     on event:hall
 *     said   {id, name, hand, vote: {poll, option}, claps: [n, ...]}                       on floor:hall
 *
 * With ?host there is the host's desk, too (desk.js).
 */
import { join } from "/duet.js";
import { byId, draw, make, randomHex } from "/wire.js";
import { WINDOW, badge, needs, remember, remembered } from "../state.js";
import { air } from "./air.js";
import { signs } from "./signs.js";

const SAY_MS = 250;          /* no more often than that: many claps are one word */
const ANEW_MS = 20000;       /* who is silent for a minute has left */
const SPREAD_MS = 2000;      /* thousands do not answer a new backend in the same moment */

/* A seat is a window's, and outlives its reload. */
const kept = JSON.parse(remembered("event-seat", WINDOW) || "null");
const me = kept ?? { id: randomHex(8), name: remembered("event-name") || `Guest ${randomHex(2)}`, hand: "",
                     vote: null, claps: signs.map(() => 0) };
let hall = null;             /* what was heard last */
let heardAt = 0;             /* and when */
let timer = 0;
const sky = air(byId("air"), signs);

export const floor = join("floor:hall", { listen: false });
const stage = join("event:hall", { last: 1 });
stage.on("message", ({ data }) => {
    if (data?.claps && data.slide)
        heard(data);
});
floor.on("welcome", () => say(0));

/* Other states of this seat replace one that was not said yet. */
function say(wait = SAY_MS) {
    remember("event-seat", JSON.stringify(me), WINDOW);
    timer ||= setTimeout(() => {
        timer = 0;
        if (floor.open)
            floor.send(me);
    }, wait);
}

function heard(now) {
    const before = hall;
    if (before?.run !== now.run)
        say(before ? Math.random() * SPREAD_MS : 0);
    hall = now;
    heardAt = performance.now();
    if (before?.run === now.run)
        sky.release(now.claps.map((all, i) => all - before.claps[i]));
    if (me.hand && now.down.includes(me.hand))
        lift(false);
    if (before?.at !== now.at || before?.slide.title !== now.slide.title)
        showSlide(now);
    if (before?.poll?.number !== now.poll?.number)
        openPoll(now.poll);
    if (now.poll)
        showPoll(now.poll);
    byId("people").textContent = now.people.toLocaleString("en");
    byId("raised").textContent = now.raised.toLocaleString("en");
    told.forEach(listener => listener(now));
}

const told = [];
export function onHall(listener) {
    told.push(listener);
    if (hall)
        listener(hall);
}

function showSlide({ at, of, slide }) {
    byId("at").textContent = of ? `${at} of ${of}` : "\u00a0";
    byId("title").textContent = slide.title ?? "The hall is open";
    const lines = slide.lines ?? ["The host begins in a moment."];
    byId("lines").replaceChildren(...lines.map(line => make("p", {}, line)));
}

/* The poll. */

function openPoll(poll) {
    byId("poll").hidden = !poll;
    byId("lines").hidden = Boolean(poll);
    byId("question").textContent = poll?.question ?? "";
    byId("options").replaceChildren(...(poll?.options ?? []).map((text, i) => {
        const input = make("input", { type: "radio", name: "option", value: i });
        input.addEventListener("change", () => {
            me.vote = { poll: poll.number, option: i };
            say(0);
            showPoll(hall.poll);
        });
        return make("label", {}, input, make("span", { className: "text" }, text), make("b", {}),
                    make("i", { className: "bar" }));
    }));
}

function showPoll(poll) {
    const own = me.vote?.poll === poll.number ? me.vote.option : -1;
    const sum = poll.votes.reduce((a, b) => a + b, 0);
    const hidden = poll.quiz && poll.open;      /* or one would look at the others */
    [...byId("options").children].forEach((label, i) => {
        const share = sum > 0 && !hidden ? poll.votes[i] / sum : 0;
        const input = label.firstElementChild;
        input.checked = own === i;
        input.disabled = !poll.open || (poll.quiz && own >= 0);
        label.classList.toggle("right", poll.right === i);
        label.querySelector("b").textContent = hidden ? "" : `${Math.round(100 * share)} %`;
        label.querySelector("i").style.setProperty("--share", share);
    });
    const answers = `${sum.toLocaleString("en")} ${sum === 1 ? "answer" : "answers"}`;
    byId("verdict").textContent = answers + verdict(poll, own);
}

function verdict(poll, own) {
    if (poll.open)
        return own >= 0 ? poll.quiz ? " · yours stands" : " · you may change yours" : "";
    return poll.right === undefined || own < 0 ? " · closed" : own === poll.right ? " · right!" : " · not this time";
}

/* A quiz has an end, by the backend's clock; what it told is as old as the way from there. */
function tick() {
    const { poll, now } = hall ?? {};
    const left = poll?.open && poll.ends ? poll.ends - now - (performance.now() - heardAt) : 0;
    byId("at").dataset.left = left > 0 ? ` · ${Math.ceil(left / 1000)} s left` : "";
}

/* The seat. */

function lift(up) {
    me.hand = up ? randomHex(6) : "";
    byId("hand").setAttribute("aria-pressed", String(up));
    byId("hand").textContent = up ? "Lower your hand" : "Raise your hand";
    say(0);
}

signs.forEach(({ name, path, tint }, i) => {
    const picture = draw("svg", { viewBox: "0 0 24 24", width: 22, height: 22, "aria-hidden": "true" });
    picture.append(draw("path", { d: path, "fill-rule": "evenodd" }));
    picture.style.fill = `var(${tint})`;
    const button = make("button", { type: "button", title: name }, picture);
    button.setAttribute("aria-label", name);
    button.addEventListener("click", () => {
        me.claps[i]++;
        say();
    });
    byId("claps").append(button);
});
byId("hand").addEventListener("click", () => lift(!me.hand));
byId("name").addEventListener("change", () => {
    me.name = byId("name").value.trim() || me.name;
    byId("name").value = me.name;
    remember("event-name", me.name);
    say(0);
});
byId("name").value = me.name;
lift(Boolean(me.hand));
badge(stage, floor);
needs("event", "event.c");
setInterval(() => say(0), ANEW_MS);
setInterval(tick, 250);

const isHost = new URLSearchParams(location.search).has("host");
byId("other").append(make("a", { href: isHost ? "./" : "?host", target: "_blank", rel: "noopener" },
                          isHost ? "Take a seat in a second window" : "Open the host's desk in a second window"));
if (isHost)
    import("./desk.js").then(({ open }) => open(byId("desk")));
