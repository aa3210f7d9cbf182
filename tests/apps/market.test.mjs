/* SPDX-License-Identifier: MIT */
/* Market data: the books of every page are the server's, through a cut and for who reads slowly. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Books } from "../../web/apps/market/books.js";
import { example, freePort, startProgram } from "../e2e/tools/duet.mjs";
import { WebSocket, cast, get, live, shot, suitsEverybody, until } from "./tools.mjs";

/* What a page has counted: { begins, equal, unequal, gaps, number, together }. Runs in the page. */
const counted = () => ({ ...document.getElementById("equal").dataset,
                         together: Number(document.getElementById("together").textContent.replaceAll(",", "")) });

describe("market", { timeout: 120000 }, () => {
    let all;
    before(async () => {
        all = await cast("/apps/market/", { own: "market", window: { viewport: { width: 900, height: 1000 } } });
    });
    after(() => all?.close());

    /* Waits until a page has so many more checks, all of which were equal, and returns what it has counted. */
    async function checked(page, more, since = 0) {
        const has = await until(async () => {
            const now = await page.evaluate(counted);
            return Number(now.equal) >= Number(since) + more && now;
        }, `${more} checks`, 20000);
        assert.deepEqual([has.unequal, has.gaps], ["0", "0"]);
        return has;
    }

    test("three pages have the server's books, second by second", async () => {
        const { ann, ben, fox } = all;
        await Promise.all([checked(ann, 3), checked(ben, 3), checked(fox, 3)]);
        assert.match(await ann.textContent("#age"), /^\d+ ms$/);
        assert.match(await ann.textContent("#worst"), /^99 in 100: \d+ ms$/);
        await ann.locator("#rate", { hasText: /\d/ }).waitFor();
        const rate = Number((await ann.textContent("#rate")).replaceAll(",", ""));
        assert.ok(rate > 10000 && rate < 40000, `${rate} changes a second`);
        assert.equal(await ann.locator("#ladder tr").count(), 20);
        await shot(ann, "market");
    });

    test("the list chooses an instrument, and so does the board", async () => {
        const { ann } = all;
        await ann.selectOption("#which", { label: "KILI" });
        assert.equal(await ann.textContent("#chosen"), "KILI");
        await ann.click("#board", { position: { x: 10, y: 10 } });
        assert.equal(await ann.textContent("#chosen"), "BABO");
        assert.equal(await ann.inputValue("#which"), "0");
    });

    test("after a cut a page begins with fresh books, and they are the server's", async () => {
        const { ann, ben, fox, network } = all;
        const [before, there, ours] = await Promise.all([ben, fox, ann].map(page => page.evaluate(counted)));
        network.down();
        await ben.locator("#state[data-state=connecting]").waitFor();
        await fox.until(() => document.getElementById("state").dataset.state === "connecting");
        await checked(ann, 2, ours.equal); /* nothing of it is the others' affair */
        network.up();
        await live(ben);
        const after = await checked(ben, 2, before.equal);
        const firefox = await checked(fox, 2, there.equal);
        assert.deepEqual([after.begins - before.begins, firefox.begins - there.begins], [1, 1]);
        assert.equal((await ann.evaluate(counted)).begins, ours.begins);
    });

    test("who reads slowly gets what is newest, and misses no last value", async () => {
        const { ben } = all;
        const before = await ben.evaluate(counted);
        await ben.check("#slow");
        const slow = await until(async () => {
            const now = await ben.evaluate(counted);
            return now.together > before.together + 40000 && now;
        }, "changes that come together", 20000);
        await checked(ben, 1, slow.equal);
        await ben.uncheck("#slow");
        await checked(ben, 3, slow.equal);
    });

    test("is for everybody", async () => {
        const { ann, complaints } = all;
        await suitsEverybody(ann);
        assert.deepEqual(complaints(), []);
    });
});

/* Ten times as quick as usual, so that the buffers between two sockets are full within seconds. */
describe("ticker", { timeout: 60000, concurrency: true }, () => {
    let ticker;
    let url;
    before(async () => {
        const port = await freePort();
        url = `ws://127.0.0.1:${port}`;
        ticker = await startProgram(example("ticker"), ["--rate", "200000", url], null,
                                    () => get(`http://127.0.0.1:${port}/`));
    });
    after(() => ticker?.stop());

    /* A reader without a page: its books, and what went wrong. */
    async function read({ says = true } = {}) {
        const reader = { socket: new WebSocket(url), books: new Books(), wrong: 0, says };
        reader.socket.binaryType = "arraybuffer";
        reader.socket.on("message", (data, binary) => {
            if (!binary)
                return;
            reader.wrong += !reader.books.take(data).right;
            if (reader.says)
                reader.socket.send(`drawn ${reader.books.number}`);
        });
        await new Promise((done, failed) => reader.socket.once("open", done).once("error", failed));
        return reader;
    }
    const equal = (reader, count) => until(() => reader.books.counts.equal >= count, `${count} equal checks`, 20000);

    test("a reader that stops reading altogether has the newest of everything when it goes on", async () => {
        const reader = await read({ says: false });
        await equal(reader, 1);
        const { number } = reader.books;
        reader.socket._socket.pause();
        const other = await read();
        await until(() => other.books.number > number + 50 * 8, "eight seconds of the market", 20000);
        reader.socket._socket.resume();
        await until(() => reader.books.number >= other.books.number, "it is where the other one is", 20000);
        await equal(reader, reader.books.counts.equal + 2);
        assert.ok(reader.books.counts.together > 0, "the buffers were full");
        assert.deepEqual([reader.wrong, other.wrong], [0, 0]);
        reader.socket.close();
        other.socket.close();
    });

    test("a reader that does not say what it has drawn for a second waits, and gets the rest at once", async () => {
        const [reader, other] = [await read(), await read()];
        await equal(reader, 1);
        reader.says = false;
        const said = reader.books.number;
        await until(() => other.books.number > said + 120, "more than two seconds of the market", 20000);
        assert.ok(reader.books.number <= said + 51, `it has said ${said}, and got ${reader.books.number}`);
        const { number, counts: { together } } = reader.books;
        reader.says = true;
        reader.socket.send(`drawn ${number}`);
        await until(() => reader.books.number > number, "the rest", 20000);
        assert.ok(reader.books.counts.together > together);
        await equal(reader, 3);
        assert.deepEqual([reader.wrong, other.wrong], [0, 0]);
        reader.socket.close();
        other.socket.close();
    });

    test("what is none of its three words ends with 1003", async () => {
        const words = ["", "watch 200", "watch -1", "drawn", "clock nan", "clock -1", "clock 1e300", "x".repeat(64),
                       Buffer.alloc(1)];
        for (const word of words) {
            const { socket } = await read();
            socket.send(word);
            assert.equal(await new Promise(done => socket.once("close", done)), 1003, word.toString());
        }
    });
});
