/* SPDX-License-Identifier: MIT */
/*
 * The market page: takes what the ticker says, draws it once a frame, and tells the ticker what has been drawn. Whoever
 * draws slowly (a hidden page, a slow machine, the box "Read slowly") is then given what is newest, not what it missed.
 */
import { byId, make, showState } from "/wire.js";
import { Line } from "/apps/line.js";
import { needs } from "/apps/state.js";
import { Books } from "/apps/market/books.js";
import { Board, Past, cents } from "/apps/market/draw.js";

const RECENT = 250; /* ages that the figures are of: five seconds */
const [CLOCK_EACH_MS, RATE_EACH_MS] = [2000, 1900];
const still = matchMedia("(prefers-reduced-motion: reduce)");

const books = new Books();
const board = new Board(byId("board"));
const past = new Past(byId("past"));
const line = new Line("market", { open, message, state: showState });
const painted = new MessageChannel();
let prices = [];    /* the past of the chosen one */
let made = [];      /* when the batches were made that no frame has shown yet */
let ages = [];      /* how old what came on the screen was then, in ms */
let skews = [];     /* { rtt, skew }: the server's clock less ours */
let drawnAt = 0;
let rate = { at: performance.now(), changes: 0 };

/* This page's clock in ms since 1970; finer than Date.now(). */
const now = () => performance.timeOrigin + performance.now();
/* Measured where the way there and back took least, since then both were about as long. */
const skew = () => skews.reduce((best, one) => one.rtt < best.rtt ? one : best, { rtt: Infinity, skew: 0 }).skew;

function open() {
    books.begin();
    board.clear();
    made = [];
    skews = [];
    line.send(`clock ${now()}`);
    choose(board.chosen);
}

function message(data) {
    if (typeof data === "string")
        rare(JSON.parse(data));
    else
        take(books.take(data));
}

function rare({ names, book, past: kept, clock, now: theirs }) {
    if (names) {
        books.names = names;
        byId("which").replaceChildren(...names.map((name, i) => new Option(name, i)));
        choose(Math.max(0, board.chosen));
    } else if (clock) {
        const here = now();
        skews = [...skews.slice(-9), { rtt: here - clock, skew: theirs - (clock + here) / 2 }];
        setTimeout(() => line.send(`clock ${now()}`), CLOCK_EACH_MS);
    } else if (book === board.chosen) {
        prices = kept;
    }
}

function take({ made: when, checked, right }) {
    if (!right) {
        line.again(); /* and all comes afresh */
    } else if (checked) {
        line.live();
        prices = [...prices.slice(-179), books.top(board.chosen).ask];
    } else {
        made.push(when);
    }
}

/* Drawing: all that came since the last frame, at most once a frame. */

function frame(at) {
    requestAnimationFrame(frame);
    const least = byId("slow").checked ? 2000 : still.matches ? 500 : 0;
    if (made.length === 0 || at - drawnAt < least)
        return;
    drawnAt = at;
    board.draw(books, books.changed);
    if (books.changed.has(board.chosen))
        drawChosen();
    books.changed.clear();
    line.send(`drawn ${books.number}`);
    painted.port2.postMessage(made);
    made = [];
}

/* A message that is sent in a frame comes when the frame has gone to the screen. */
painted.port1.onmessage = ({ data }) => {
    const seen = now() + skew();
    ages = [...ages, ...data.map(when => seen - when)].slice(-RECENT);
};

function drawChosen() {
    const { ask } = books.top(board.chosen);
    past.draw([...prices, ask]);
    const rows = books.ladder(board.chosen);
    const most = Math.max(...rows.map(([, quantity]) => Math.abs(quantity)));
    while (byId("ladder").rows.length < rows.length)
        byId("ladder").insertRow().append(make("td"), make("td"), make("td"));
    rows.forEach(([price, quantity], i) => {
        const [wanted, middle, offered] = byId("ladder").rows[i].cells;
        middle.textContent = cents(price);
        wanted.textContent = quantity < 0 ? -quantity : "";
        offered.textContent = quantity > 0 ? quantity : "";
        wanted.style.setProperty("--part", quantity < 0 ? -quantity / most : 0);
        offered.style.setProperty("--part", quantity > 0 ? quantity / most : 0);
    });
}

/* The figures, twice a second, and the rate every two, so that they can be read. */

function show() {
    const sorted = [...ages].sort((a, b) => a - b);
    const part = share => Math.max(0, sorted[Math.floor(share * sorted.length)]).toFixed(0);
    const { begins, together, equal, unequal, gaps } = books.counts;
    byId("age").textContent = sorted.length ? `${part(0.5)} ms` : "–";
    byId("worst").textContent = sorted.length ? `99 in 100: ${part(0.99)} ms` : "\u00a0";
    byId("together").textContent = together.toLocaleString("en");
    byId("equal").textContent = books.sum === null ? "–" : unequal + gaps ? "differed" : "as the server's";
    byId("sum").textContent = books.sum === null ? "\u00a0" : `sum ${books.sum.toString(16).padStart(8, "0")}`;
    Object.assign(byId("equal").dataset, { begins, equal, unequal, gaps, number: books.number });
    const [at, changes] = [performance.now(), books.counts.changes];
    if (at - rate.at < RATE_EACH_MS)
        return;
    byId("rate").textContent = Math.round((changes - rate.changes) / (at - rate.at) * 1000).toLocaleString("en");
    rate = { at, changes };
}

/* One instrument is the chosen one. */

function choose(book) {
    if (book < 0 || book >= books.names.length)
        return;
    [board.chosen, prices] = [book, []];
    byId("which").value = book;
    byId("chosen").textContent = books.names[book];
    board.clear();
    line.send(`watch ${book}`);
}

byId("which").onchange = event => choose(Number(event.target.value));
byId("board").onclick = event => choose(board.at(event.offsetX, event.offsetY));
setInterval(show, 500);
requestAnimationFrame(frame);
await needs("market", "ticker");
