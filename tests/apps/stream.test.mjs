/* SPDX-License-Identifier: MIT */
/* Live streaming: cameras that are not there, in two windows of Chromium, and Firefox. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { FAKE_DEVICES } from "../e2e/tools/browser.mjs";
import { WebSocket, accessible, cast, fitsAPhone, live, openWindow, shot, staysInPlace, until } from "./tools.mjs";

const BEHIND_MOST = 3;          /* seconds, on a machine with much to do */
const PIECES_MISSED = 15;
let all;

before(async () => { all = await cast("/apps/stream/?room=trio", { flags: FAKE_DEVICES }); });
after(() => all?.close());

/* In the page. */
function look() {
    const text = id => document.getElementById(id).textContent;
    const video = document.querySelector("video"), { first, last } = document.getElementById("pieces").dataset;
    const { buffered } = video;
    return { show: document.getElementById("screen").dataset.show, who: text("who"), delay: parseFloat(text("delay")),
             first: Number(first), last: Number(last), pieces: Number(text("pieces").replace(",", "")),
             lost: text("lost"), doubled: text("doubled"), watching: text("watching"), curtain: text("curtain"),
             state: text("state"), error: text("error"), at: video.currentTime, width: video.videoWidth,
             ready: video.readyState, heard: video.webkitAudioDecodedByteCount,
             ranges: Array.from(buffered, (_, i) => [buffered.start(i), buffered.end(i)]) };
}

/* What the bars of the test picture say, against this machine's clock: seconds from the one to the other. */
function readBars() {
    const canvas = document.createElement("canvas"), bars = 20;
    [canvas.width, canvas.height] = [640, 360];
    const pen = canvas.getContext("2d", { willReadFrequently: true });
    pen.drawImage(document.querySelector("video"), 0, 0, 640, 360);
    let shown = 0;
    for (let bar = 0; bar < bars; bar++)
        shown = 2 * shown + (pen.getImageData((bar + 0.5) * 640 / bars, 340, 1, 1).data[0] > 128);
    return { real: ((Date.now() - shown) & 0xfffff) / 1000,
             told: parseFloat(document.getElementById("delay").textContent) };
}

function begin(source) {
    document.getElementById("source").value = source;
    document.getElementById("go").requestSubmit();
}

const end = () => document.getElementById("stop").click();

/* Waits until look() in the page is as it should be. */
async function sees(page, what, isSo, ms = 15000) {
    let last;
    await until(async () => isSo(last = await page.evaluate(look)), what, ms)
        .catch(error => { throw new Error(`${error.message}: ${JSON.stringify(last)}`); });
    return last;
}

const plays = page => sees(page, "it plays", now => now.show === "playing" && now.delay < BEHIND_MOST && now.at > 0);

async function goesOn(page) {
    const { at } = await page.evaluate(look);
    return sees(page, "it goes on", now => now.at > at + 0.5 && now.delay < BEHIND_MOST);
}

/* All that came was played, once and in order. */
function assertWhole({ first, last, pieces, lost, doubled, ranges }) {
    assert.deepEqual([lost, doubled, pieces], ["0", "0", last - first + 1]);
    assert.equal(ranges.length, 1, `no gap in ${JSON.stringify(ranges)}`);
}

/* No piece of anybody's. */
const WRONG = ["text", "null", "[]", '{"k":"end"}', '{"k":"end","run":"x"}', Buffer.alloc(0), Buffer.alloc(40),
               Buffer.from("\x00\x02{}media"), Buffer.from("\xff\xff{", "latin1")];

/* The next message of such a kind. */
function hears(peer, isSo) {
    return new Promise(done => peer.on("message", function listen(data, isBinary) {
        if (isSo(data, isBinary)) {
            peer.off("message", listen);
            done(data);
        }
    }));
}

async function over(...pages) {
    for (const page of pages)
        await sees(page, "it is over", ({ show }) => show === "ended");
}

describe("stream", { timeout: 120000, concurrency: 2 }, () => {
    describe("in one room", { concurrency: 1 }, () => {
        test("a camera is seen by two, who are cut off and go on without a gap at the live edge", async () => {
            const { ann, ben, fox, browser, demo, network } = all;
            await live(ann);
            await ann.fill("#name", "Ann");
            await ann.click("#start");
            await Promise.all([plays(ben), plays(fox)]);
            await sees(ann, "both are counted", ({ watching, delay }) => watching === "2" && delay < BEHIND_MOST);
            const { width, who } = await ben.evaluate(look);
            assert.deepEqual([width, who], [640, "Ann is on air"]);
            await staysInPlace(ben);
            network.down();
            for (const page of [ben, fox])
                await sees(page, "the cut", ({ state }) => state !== "live");
            const { last } = await ann.evaluate(look);
            await sees(ann, "pieces that only ann has", now => now.last >= last + PIECES_MISSED);
            network.up();
            for (const page of [ben, fox]) {
                await sees(page, "what was missed", now => now.state === "live" && now.last > last + PIECES_MISSED);
                assertWhole(await goesOn(page));
            }
            /* Who comes late. */
            const late = await openWindow(browser, `${demo.url}/apps/stream/?room=trio`);
            const seen = await plays(late.page);
            assert.ok(seen.first > 0);
            await late.page.locator("#sound:enabled").click();
            await sees(late.page, "there is sound", ({ heard }) => heard > 0);
            await accessible(late.page);
            await fitsAPhone(late.page);
            await late.close();
            await ann.click("#stop");
            await over(ben, fox);
            for (const page of [ben, fox])
                assertWhole(await page.evaluate(look));
        });

        test("who broadcasts and is cut off loses no piece; the delay that is shown is true", async () => {
            const { ann, ben, fox, browser, demo, network } = all;
            await ben.fill("#name", "Ben");
            await ben.evaluate(begin, "picture");
            await Promise.all([plays(ann), plays(fox)]);
            const said = [];
            await until(async () => said.push(await ann.evaluate(readBars)) === 15, "some looks");
            const [wrong] = said.map(({ real, told }) => Math.abs(real - told)).sort((a, b) => a - b).slice(7);
            assert.ok(wrong < 0.2, `wrong by ${wrong} s: ${JSON.stringify(said)}`);
            await sees(ann, "how many watch", ({ watching }) => watching === "2");
            await shot(ann, "stream");
            network.down();
            const { last } = await ben.evaluate(look);
            await sees(ben, "pieces that nobody else has", now => now.last >= last + PIECES_MISSED);
            /* Nothing comes any more: a picture is there all the same, of what is kept. */
            const late = await openWindow(browser, `${demo.url}/apps/stream/?room=trio`);
            await sees(late.page, "the picture that is kept", ({ ready, width }) => ready >= 2 && width === 640);
            network.up();
            for (const page of [ann, late.page, fox]) {
                await sees(page, "what waited", now => now.last > last + PIECES_MISSED);
                assertWhole(await goesOn(page));
            }
            await late.close();
            /* Somebody else takes the stage, with sound alone. */
            await ann.fill("#name", "Ann");
            await ann.selectOption("#source", "microphone");
            await ann.locator("#start", { hasText: "Take over" }).click();
            await sees(ben, "who was taken over watches",
                       ({ error, who }) => /Somebody else/.test(error) && who === "Ann is on air");
            for (const page of [ben, fox]) {
                await sees(page, "it is sound", ({ curtain }) => curtain === "Ann is to be heard.");
                assertWhole(await goesOn(page));
            }
            await ann.click("#stop");
            await over(ben, fox);
        });

        test("Firefox broadcasts, Chromium watches", async () => {
            const { ann, ben, fox, browser, demo, complaints } = all;
            await fox.evaluate(begin, "picture");
            await plays(ben);
            await sees(ben, "a while of it", ({ pieces }) => pieces > 20);
            const late = await openWindow(browser, `${demo.url}/apps/stream/?room=trio`);
            await plays(late.page);
            assertWhole(await goesOn(ben));
            await late.close();
            await fox.evaluate(end);
            await over(ann, ben);
            await accessible(ann);
            assert.deepEqual(complaints(), []);
        });
    });

    test("a screen is sent", async () => {
        const { browser, demo } = all;
        const [one, other] = await Promise.all([1, 2].map(() =>
            openWindow(browser, `${demo.url}/apps/stream/?room=screen`)));
        await live(one.page);
        await one.page.selectOption("#source", "screen");
        await one.page.click("#start");
        await plays(other.page);
        assertWhole(await goesOn(other.page));
        await one.page.click("#stop");
        await over(other.page);
        await fitsAPhone(one.page);
        assert.deepEqual([...one.complaints, ...other.complaints], []);
        await Promise.all([one.close(), other.close()]);
    });

    test("what is no piece, or came before, changes nothing; the overview's card shows the frames", async () => {
        const { browser, demo } = all;
        const { page: stage, complaints: grudges } = await openWindow(browser, `${demo.url}/apps/stream/`);
        await live(stage);
        const peer = new WebSocket(`${demo.wsUrl}/channel/stream:stage`);
        await new Promise(done => peer.once("open", done));
        for (const wrong of WRONG)
            peer.send(wrong);
        await hears(peer, data => data.equals(WRONG.at(-1)));
        await stage.evaluate(begin, "picture");
        const overview = await openWindow(browser, `${demo.url}/apps/`);
        await overview.page.locator("[data-app=stream]").scrollIntoViewIfNeeded();
        await overview.page.waitForFunction(() => document.querySelector("[data-app=stream] canvas")?.width === 640);
        const { page: watcher, complaints: more } = await openWindow(browser, `${demo.url}/apps/stream/`);
        await plays(watcher);
        for (const wrong of WRONG)
            peer.send(wrong);
        const before = await goesOn(watcher);
        assertWhole(before);
        const genuine = await hears(peer, (data, isBinary) => isBinary && data.length > 200);
        peer.send(genuine);
        await sees(watcher, "one came twice", ({ doubled }) => doubled === "1");
        /* Well formed, but no media: what plays ends, and begins afresh with the next key frame. */
        const length = genuine.readUInt16BE();
        const head = { ...JSON.parse(genuine.subarray(2, 2 + length)), key: true, init: 0 };
        const words = Buffer.from(JSON.stringify({ ...head, seq: head.seq + 1000 }));
        peer.send(Buffer.concat([Buffer.from([words.length >> 8, words.length & 255]), words, Buffer.alloc(2000)]));
        await sees(watcher, "it begins afresh", now => now.first > before.last && now.last < head.seq + 1000);
        assertWhole(await goesOn(watcher));
        peer.close();
        await stage.evaluate(end);
        await over(watcher);
        await overview.page.locator("[data-app=stream]", { hasText: "Nobody is on air." }).waitFor();
        assert.deepEqual([...grudges, ...more, ...overview.complaints], []);
    });
});
