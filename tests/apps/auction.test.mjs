/* SPDX-License-Identifier: MIT */
/* The auction: bids in one order and the same end for all, also for who was cut off, and under 500 bidders at once. */
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { describe, test } from "node:test";
import { join } from "../../web/duet.js";
import { WebSocket, backend, cast, live, shot, startDemo, suitsEverybody, until } from "./tools.mjs";

/* Lots of 6 s, which a late bid prolongs to 2 s from then. */
process.env.AUCTION_LOT_S = "6";
process.env.AUCTION_EXTEND_S = "2";
const BIDDERS = 500;
const ROOM = "auction:room";

/* Somebody in the room without a browser: what he was told, by what it is about. */
function bidder(t, url, name) {
    const channel = join(ROOM, { url, WebSocket, last: 20 });
    const me = { channel, name, bids: new Map(), twice: 0, sold: new Map(), refused: [], last: null };
    channel.on("error", error => me.refused.push(error));
    channel.on("message", ({ data }) => {
        const told = `${data.number}.${data.n}`;
        if (data.k === "bid") {
            me.twice += me.bids.has(told) ? 1 : 0;
            me.bids.set(told, data);
        }
        if (data.k === "sold")
            me.sold.set(data.number, data);
        me.last = data;
    });
    me.words = amount => ({ k: "bid", id: `${name}-${amount}`, number: me.last.number, amount, name,
                            key: `the long secret of ${name}` });
    me.bid = (amount, more = {}) => channel.send({ ...me.words(amount), ...more });
    me.least = () => me.last.n > 0 ? me.last.amount + me.last.lot.step : me.last.lot.start;
    t.after(() => channel.close());
    return me;
}

const opened = me => until(() => me.channel.state === "live" && me.last?.k === "lot", "a lot is open", 20000);

async function demo(t) {
    const server = await startDemo();
    t.after(() => server.stop());
    await backend(server, "auction");
    return server;
}

/* To the auctioneer of this server, whatever it is doing. */
function signal(server, name) {
    const read = path => { try { return readFileSync(path, "utf8"); } catch { return ""; } };
    const pid = readdirSync("/proc").find(one => /^\d+$/.test(one) && read(`/proc/${one}/comm`).trim() === "auction"
        && read(`/proc/${one}/stat`).replace(/^.*\) /, "").split(" ")[1] === String(server));
    process.kill(Number(pid), name);
}

/* What each heard of the lot, as text: bids by their number, and the end. */
function story(me, number) {
    const bids = [...me.bids.values()].filter(bid => bid.number === number).sort((a, b) => a.n - b.n);
    return JSON.stringify([...bids, me.sold.get(number)]
        .map(({ n, amount, paddle, ends }) => [n, amount, paddle, ends]));
}

describe("auction", { timeout: 120000, concurrency: 2 }, () => {
    test("everybody sees the same bids and the same end, also who was cut off as he bid", async t => {
        const all = await cast("/apps/auction/", { window: { viewport: { width: 1200, height: 640 } } });
        t.after(all.close);
        const { ann, ben, fox, network, complaints } = all;
        await Promise.all([live(ann), live(ben)]);
        await fox.until(() => document.querySelector("#state").dataset.state === "live");
        /* A whole lot, from its beginning. */
        const opens = page => page.waitForFunction(() => document.querySelector("#until").textContent === "ends in"
            && parseFloat(document.querySelector("#left").textContent) > 5, null, { timeout: 20000 });
        await opens(ann);
        const lot = await ann.locator("#number").textContent();
        const bid = async (page, name) => {
            await page.fill("#name", name);
            await page.locator("#go:not([disabled])").click();
        };
        await bid(ann, "Ann");
        await ann.locator("#go", { hasText: "You lead" }).waitFor();
        await bid(ben, "Ben");
        await ben.locator("#bids li.mine").waitFor();
        await fox.until(() => document.querySelectorAll("#bids li").length === 2);
        await shot(ann, "auction");
        /* Ben and the fox are cut off; he had just bid again behind Ann's. */
        await bid(ann, "Ann");
        await ben.waitForFunction(() => document.querySelectorAll("#bids li").length === 3);
        await ben.locator("#go:not([disabled])").click();
        await network.down();
        await ben.locator("#state:not([data-state=live])").waitFor();
        await ann.waitForFunction(() => document.querySelectorAll("#bids li").length >= 3);
        if (await ann.locator("#go").isEnabled())
            await ann.locator("#go").click();
        await network.up();
        await ben.waitForFunction(() => document.querySelector("#state").dataset.state === "live"
            && document.querySelector("#go").textContent !== "Bidding…", null, { timeout: 20000 });
        if (await ben.locator("#word").textContent() !== "")    /* it did not arrive: so he says it again */
            await ben.locator("#go:not([disabled])").click();
        for (const page of [ann, ben])
            await page.locator("#until", { hasText: "next lot in" }).waitFor({ timeout: 20000 });
        const seen = page => page.evaluate(number => [document.querySelector("#number").textContent === number,
            [...document.querySelectorAll("#bids li b")].map(price => price.textContent)], lot);
        const of = await seen(ann);
        assert.equal(of[0], true);
        assert.equal(new Set(of[1]).size, of[1].length);
        assert.deepEqual(await seen(ben), of);
        await fox.until(() => document.querySelector("#until").textContent === "next lot in");
        assert.deepEqual(await fox.evaluate(() => [...document.querySelectorAll("#bids li b")]
            .map(price => price.textContent)), of[1]);
        assert.deepEqual(complaints(), []);
        await suitsEverybody(ann);
    });

    test("judges: too little, too late, twice, in another's name", async t => {
        const { wsUrl } = await demo(t);
        const [a, b] = [bidder(t, wsUrl, "a"), bidder(t, wsUrl, "b")];
        await Promise.all([opened(a), opened(b)]);
        const refusal = async (me, ...what) => {
            const count = me.refused.length;
            me.bid(...what);
            await until(() => me.refused.length > count, "it is refused");
            return me.refused.at(-1).message;
        };
        const { start, step } = a.last.lot;
        assert.match(await refusal(a, start - 1), /at least/);
        assert.match(await refusal(a, start + 0.5), /at least/);
        assert.match(await refusal(a, 1e9), /at least/);
        assert.match(await refusal(a, start, { number: a.last.number + 1 }), /hammer/);
        for (const wrong of [{ k: "sold" }, { name: "" }, { name: "x".repeat(129) }, { key: "short" }, { key: 7 },
                             { k: null }])
            assert.match(await refusal(a, start, wrong), /no bid/);
        a.bid(start);
        await until(() => b.last.n === 1, "it is taken");
        assert.match(await refusal(a, start + step), /lead/);
        assert.match(await refusal(b, start + step - 1), /at least/);
        assert.match(await refusal(b, start + step, { name: "a", key: "the long secret of a" }), /lead/);
        b.bid(start + step, { name: "a" });     /* the name is anybody's, the paddle is not */
        await until(() => a.last.n === 2, "it is taken");
        const [first, second] = [...a.bids.values()];
        assert.notEqual(first.paddle, second.paddle);
        assert.deepEqual([first.key, second.key, first.ends], [undefined, undefined, second.ends]);
        await until(() => a.last.k === "sold", "the hammer falls", 15000);
        assert.match(await refusal(b, start + 2 * step), /hammer/);
    });

    test("what was accepted is told, also when the answer comes too late", async t => {
        const { wsUrl, child } = await demo(t);
        const [a, b] = [bidder(t, wsUrl, "a"), bidder(t, wsUrl, "b")];
        await Promise.all([opened(a), opened(b)]);
        signal(child.pid, "SIGSTOP");
        a.bid(a.least());
        await until(() => a.refused.length === 1, "the server asks no longer");
        signal(child.pid, "SIGCONT");
        await until(() => a.last.n === 1 && b.last.n === 1, "it is told");
        assert.deepEqual([a.refused[0].code, a.bids.get(`${a.last.number}.1`).id], [100, `a-${a.last.amount}`]);
        b.bid(b.least());
        await until(() => a.last.n === 2, "the next is the second");
        await until(() => a.last.k === "sold", "the hammer falls", 15000);
        assert.deepEqual([a.last.n, a.bids.size, a.twice], [2, 2, 0]);
    });

    test("500 bid at once and in the last seconds: one order, one end, prolonged for all", async t => {
        const { wsUrl } = await demo(t);
        const all = Array.from({ length: BIDDERS }, (_, i) => bidder(t, wsUrl, `bidder ${i}`));
        await until(() => all.every(me => me.channel.state === "live"), "all are in", 30000);
        await until(() => all.every(me => me.last?.k === "lot" && me.last.ends > Date.now() + 4000), "a lot is opened",
                    20000);
        const { number, ends } = all[0].last;
        const open = me => me.last.number === number && me.last.k !== "sold";
        /* Everybody at once: one is taken. */
        all.forEach(me => me.bid(me.least()));
        await until(() => all.every(me => me.bids.size > 0), "a bid is told to all");
        /* Then each twice over what it hears, until shortly behind the first end; late ones move it. */
        let sent = BIDDERS;
        const timers = all.map((me, i) => setInterval(() => {
            if (open(me) && Date.now() < ends + 1500 && ++sent)
                me.bid(me.least());
        }, 1500 + i));
        await until(() => all.every(me => me.sold.has(number)), "the hammer falls for all", 40000);
        timers.forEach(clearInterval);
        const { n, ends: end } = all[0].sold.get(number);
        await until(() => all.every(me => [...me.bids.values()].filter(bid => bid.number === number).length === n),
                    "every bid comes to all");
        assert.deepEqual([...new Set(all.map(me => story(me, number)))].length, 1);
        assert.equal(all.reduce((sum, me) => sum + me.twice, 0), 0);
        const bids = [...all[0].bids.values()].filter(bid => bid.number === number).sort((a, b) => a.n - b.n);
        bids.forEach((bid, i) => {
            assert.equal(bid.n, i + 1);
            assert.ok(i === 0 || bid.amount >= bids[i - 1].amount + bid.lot.step);
            assert.ok(bid.ends >= bid.now + 2000 && bid.now < (i === 0 ? ends : bids[i - 1].ends));
        });
        assert.ok(n > 5 && end > ends, `${n} of ${sent} bids were taken`);
    });

    test("an auctioneer that is killed reads the book and goes on", async t => {
        const { wsUrl, child } = await demo(t);
        const a = bidder(t, wsUrl, "a");
        await opened(a);
        a.bid(a.least());
        await until(() => a.last.n === 1, "it is taken");
        const { number, amount, paddle } = a.last;
        signal(child.pid, "SIGKILL");
        await until(() => a.last.k === "sold", "the hammer falls all the same", 20000);
        assert.deepEqual([a.last.number, a.last.n, a.last.amount, a.last.paddle], [number, 1, amount, paddle]);
        await until(() => a.last.number === number + 1, "the next lot is called", 15000);
        assert.deepEqual([a.bids.size, a.sold.size, a.channel.open], [1, 1, true]);
    });
});
