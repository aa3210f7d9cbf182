/* SPDX-License-Identifier: MIT */
/*
 * A place in the auction room. The auctioneer (examples/auction.c) decides; here is shown what he says:
 *
 *     {k: "lot" | "bid" | "sold", number, n, amount, name, paddle, ends, now, lot: {title, text, picture, start, step}}
 *
 * Each says all about where lot `number` stands after its n-th bid. They may overtake each other and come twice, so
 * each number is taken once, and what is furthest counts. A bid goes the other way, with a secret that stays with him:
 *
 *     {k: "bid", id, number, amount, name, key}
 */
import { join } from "/duet.js";
import { byId, make, randomHex } from "/wire.js";
import { badge, needs, remember, remembered } from "../state.js";
import { readClock } from "./clock.js";
import { isFurther, money, timeLeft } from "./standing.js";

const KEPT = 60;            /* of what was said before, to begin with */
const SHOWN = 30;
const SILENCE_MS = 4000;    /* after which a bid that was under way in a cut will not come any more */
const SOON_MS = 10000;

const key = remembered("auction-key") || randomHex(16);
let name = remembered("auction-name") || `Bidder ${randomHex(2)}`;
let paddle = remembered("auction-paddle");
let ahead = 0;              /* of the auctioneer's clock, in ms, before ours */
let standing = null;        /* what was said furthest */
let bids = new Map();       /* of this lot, by n */
let pending = null;         /* our bid that is not answered: {id, number, amount, timer} */
let touched = false;        /* the amount is the bidder's own */

const room = join("auction:room", { last: KEPT });
room.on("message", message => heard(message.data));
room.on("error", error => answered(error.message));
room.on("lost", () => {
    standing = null;
    bids = new Map();
});
room.on("welcome", async () => {
    const clock = await readClock();
    ahead = clock ?? ahead;
});
room.on("state", state => {
    /* What was under way as the wire broke may have arrived: then it is published, if only by the auctioneer. */
    if (state === "live" && pending) {
        clearTimeout(pending.timer);
        pending.timer = setTimeout(() => answered("Your bid did not arrive. Bid again if you like."), SILENCE_MS);
    }
    show();
});

/* Whoever may publish here is the auctioneer, but what is shown is shown as text all the same. */
function heard(said) {
    if (typeof said?.lot !== "object" || !["lot", "bid", "sold"].includes(said.k))
        return;
    if (standing && said.number > standing.number)
        bids = new Map();
    if (said.k === "bid" && (!standing || said.number >= standing.number))
        bids.set(said.n, said);
    if (said.k === "sold")
        addGone(said);
    if (isFurther(said, standing)) {
        touched &&= said.number === standing?.number;
        standing = said;
    }
    if (pending && said.id === pending.id) {
        paddle = said.paddle;
        remember("auction-paddle", paddle);
        answered("");
    }
    show();
}

/* Ours was taken, or why not. */
function answered(why) {
    clearTimeout(pending?.timer);
    pending = null;
    byId("word").textContent = why;
    show();
}

const isMine = said => said.n > 0 && said.paddle === paddle;
const least = () => standing.n > 0 ? standing.amount + standing.lot.step : standing.lot.start;

/* Everything that the standing says. The clock is another matter. */
function show() {
    const open = standing !== null && standing.k !== "sold";
    byId("go").disabled = !open || room.state !== "live" || pending !== null || isMine(standing);
    byId("go").textContent = pending ? "Bidding…" : open && isMine(standing) ? "You lead" : "Bid";
    if (!standing)
        return;
    const { lot, number, n, amount } = standing;
    byId("number").textContent = `Lot ${number}`;
    byId("title").textContent = lot.title;
    byId("text").textContent = lot.text;
    byId("picture").setAttribute("href", `lots.svg#${encodeURIComponent(lot.picture)}`);
    byId("price").textContent = money(n > 0 ? amount : lot.start);
    const by = standing.k === "sold" ? "sold to" : "by";
    byId("leads").textContent = n === 0 ? "starts at" : `${by} ${called(standing)}`;
    byId("price").parentElement.classList.toggle("mine", isMine(standing));
    showBids();
    const field = byId("amount");
    field.min = least();
    field.step = 1;
    if (!touched || Number(field.value) < least())
        field.value = least();
}

const called = said => isMine(said) ? "you" : said.name;

function showBids() {
    const newest = [...bids.values()].sort((a, b) => b.n - a.n).slice(0, SHOWN);
    byId("bids").replaceChildren(...newest.map(bid =>
        make("li", { className: isMine(bid) ? "mine" : "" },
             make("b", {}, money(bid.amount)), make("span", {}, called(bid)),
             make("time", { dateTime: new Date(bid.now).toISOString() }, new Date(bid.now).toLocaleTimeString()))));
}

function addGone(said) {
    const id = `gone-${said.number}`;
    const line = make("li", { id, className: isMine(said) ? "mine" : "" }, make("span", {}, said.lot.title),
        make("b", {}, said.n > 0 ? `${money(said.amount)} to ${called(said)}` : "not sold"));
    if (!byId(id))
        byId("gone").prepend(line);
    while (byId("gone").children.length > 8)
        byId("gone").lastElementChild.remove();
}

/* The end is the auctioneer's, by his clock; when it has come he says so, and the bid that was in time counts. */
function tick() {
    if (!standing)
        return;
    const left = standing.ends - (Date.now() + ahead);
    const sold = standing.k === "sold";
    byId("until").textContent = sold ? "next lot in" : left > 0 ? "ends in" : "the hammer";
    byId("left").textContent = left > 0 ? timeLeft(left) : sold ? "a moment" : "falls…";
    byId("left").classList.toggle("soon", !sold && left < SOON_MS);
    byId("sand").style.setProperty("--left", Math.min(1, Math.max(0, left / 60000)));
}

byId("bid").addEventListener("submit", event => {
    event.preventDefault();
    const amount = Number(byId("amount").value);
    if (byId("go").disabled || !room.open)
        return;
    name = byId("name").value.trim() || name;
    remember("auction-name", name);
    pending = { id: randomHex(8), number: standing.number, amount };
    room.send({ k: "bid", id: pending.id, number: standing.number, amount, name, key });
    touched = false;
    byId("word").textContent = "";
    show();
});
byId("amount").addEventListener("input", () => { touched = true; });

remember("auction-key", key);
byId("name").value = name;
badge(room);
needs("auction", "auction.c");
setInterval(tick, 100);
