/* SPDX-License-Identifier: MIT */
/* Shared editing: two windows of Chromium and one of Firefox. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { tabTo } from "../e2e/tools/browser.mjs";
import { startDuet } from "../e2e/tools/duet.mjs";
import { accessible, cast, fitsAPhone, get, live, openWindow, shot, staysInPlace, until,
         WebSocket } from "./tools.mjs";

let all;
let yjs;        /* for members that are no page: what the pages have */

before(async () => {
    all = await cast("/apps/doc/?doc=trio");
    const { status, body } = await get(`${all.demo.url}/apps/doc/yjs.js`);
    assert.equal(status, 200, "the bundle was built in");
    yjs = await import(`data:text/javascript;base64,${Buffer.from(body).toString("base64")}`);
});
after(() => all?.close());

const textOf = page => page.inputValue("#text");
const foxText = fox => fox.evaluate(() => document.querySelector("#text").value);
const saved = page => page.locator("#saved", { hasText: "All is on the server." }).waitFor();
/* How many pixels of the board are drawn on. */
const inkOf = page => page.evaluate(() => {
    const canvas = document.querySelector("#board");
    const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
    copy.drawImage(canvas, 0, 0);
    const { data } = copy.getImageData(0, 0, canvas.width, canvas.height);
    let ink = 0;
    for (let i = 3; i < data.length; i += 4)
        ink += data[i] > 128;
    return ink;
});

async function allShow({ ann, ben, fox }, wanted) {
    const shown = () => Promise.all([textOf(ann), textOf(ben), ...fox ? [foxText(fox)] : []]);
    await until(async () => (await shown()).every(text => text === wanted), "all show the same")
        .catch(async error => { throw new Error(`${error.message}: ${JSON.stringify(await shown())}`); });
}

/* Types at a place, as a person does: with the keys. */
async function type(page, place, words) {
    await page.evaluate(at => {
        const area = document.querySelector("#text");
        area.focus();
        area.setSelectionRange(at ?? area.value.length, at ?? area.value.length);
    }, place);
    await page.keyboard.type(words);
}

const foxType = (fox, place, words) => fox.evaluate(([at, what]) => {
    const area = document.querySelector("#text");
    area.focus();
    for (const [i, letter] of [...what].entries())
        area.setRangeText(letter, (at ?? area.value.length) + i, (at ?? area.value.length) + i, "end");
    area.dispatchEvent(new InputEvent("input"));
}, [place, words]);

/* From point to point, in parts of the board's width and height. */
async function drag(page, points) {
    const [left, top, width, height] = await page.locator("#board").evaluate(board => {
        board.scrollIntoView({ block: "nearest", behavior: "instant" });
        const { x, y } = board.getBoundingClientRect();
        return [x + board.clientLeft, y + board.clientTop, board.clientWidth, board.clientHeight];
    });
    const at = ([x, y]) => [left + x * width, top + y * height];
    await page.mouse.move(...at(points[0]));
    await page.mouse.down();
    for (const point of points.slice(1))
        await page.mouse.move(...at(point));
    await page.mouse.up();
}

/* A window of its own on a document. */
async function open(name, demo = all.demo) {
    const window = await openWindow(all.browser, `${demo.url}/apps/doc/?doc=${name}`);
    await live(window.page);
    return window;
}

/* What a browser says as its network is back: the page does not wait until its next try. */
const wake = page => page.evaluate(() => dispatchEvent(new Event("online")));

/* Ann and Ben at another document; with go() Fox, too. */
async function pair(name) {
    const { ann, ben, demo, network } = all;
    await Promise.all([ann.goto(`${demo.url}/apps/doc/?doc=${name}`), ben.goto(`${network.url}/apps/doc/?doc=${name}`)]);
    await Promise.all([live(ann), live(ben)]);
    return { ...all, fox: null };
}

async function go(name) {
    await Promise.all([pair(name), all.fox.goto(`${all.network.url}/apps/doc/?doc=${name}`)]);
    await all.fox.until(() => document.querySelector("#state").dataset.state === "live");
    return all;
}

/* Frames of the channel, as shared.js has them. */
function frame(numbers, update, epoch) {
    const encoder = yjs.createEncoder();
    numbers.forEach(number => yjs.writeVarUint(encoder, number));
    if (epoch)
        yjs.writeVarString(encoder, epoch);
    yjs.writeUint8Array(encoder, update);
    return Buffer.from(yjs.toUint8Array(encoder));
}

async function ask(method, question, demo = all.demo) {
    const answer = await fetch(`${demo.url}/api/${method}`, { method: "POST", body: JSON.stringify(question) });
    const { error, ...found } = await answer.json();
    assert.equal(error, undefined);
    return found;
}

/* An author who is no page, but a backend that publishes a thousand edits at once, each a letter at the end. */
class Author {
    constructor(name) {
        this.channel = `doc:${name}`;
        this.doc = new yjs.Doc();
        this.text = this.doc.getText("text");
        this.count = 0;
    }

    edit(change) {
        const before = yjs.encodeStateVector(this.doc);
        this.doc.transact(change);
        const edit = frame([1, this.doc.clientID, ++this.count], yjs.encodeStateAsUpdate(this.doc, before));
        return { publish: { channel: this.channel, b64data: edit.toString("base64") } };
    }

    publish(letters) {
        return this.send([...letters].map(letter => this.edit(() => this.text.insert(this.text.length, letter))));
    }

    async send(commands) {
        const { replies } = await ask("batch", { commands });
        assert.ok(replies.every(reply => reply.result?.offset > 0 || reply.publish?.offset > 0), JSON.stringify(replies[0]));
    }
}

/* What the newest 300 publications are: { offset, epoch, snapshots: [{ offset, reaches }], doc: all of them together }. */
async function stream(name, demo = all.demo) {
    const { result } = await ask("history", { channel: `doc:${name}`, limit: 300, reverse: true }, demo);
    const updates = [];
    const snapshots = [];
    for (const { offset, data } of result.publications) {
        const decoder = yjs.createDecoder(Buffer.from(data.b64, "base64"));
        const kind = yjs.readVarUint(decoder);
        const first = yjs.readVarUint(decoder);
        if (kind === 2)
            snapshots.push({ offset, reaches: first, epoch: yjs.readVarString(decoder) });
        else
            yjs.readVarUint(decoder);
        updates.push(yjs.readTailAsUint8Array(decoder));
    }
    const together = () => {
        const doc = new yjs.Doc();
        updates.forEach(update => yjs.applyUpdate(doc, update));
        return doc;
    };
    return { offset: result.offset, epoch: result.epoch, snapshots, get doc() { return together(); } };
}

/* Waits until a snapshot reaches up to `offset` or further. */
const compacted = (name, offset) => until(async () => (await stream(name)).snapshots
    .some(({ offset: at, reaches }) => reaches < at && reaches >= offset), `a snapshot of ${name} reaches ${offset}`);

describe("doc", { timeout: 180000 }, () => {
    test("three write into one text, and see each other's names and cursors", async () => {
        const { ann, ben, fox } = all;
        await live(ann);
        await live(ben);
        await fox.until(() => document.querySelector("#state").dataset.state === "live");
        for (const [page, name] of [[ann, "Ann"], [ben, "Ben"]]) {
            await page.fill("#name", name);
            await page.press("#name", "Enter");
        }
        await fox.evaluate(() => {
            document.querySelector("#name").value = "Fox";
            document.querySelector("#call").requestSubmit();
        });
        await type(ann, 0, "one three\n");
        await allShow(all, "one three\n");
        await type(ben, 4, "two ");
        await allShow(all, "one two three\n");
        await foxType(fox, null, "fo\u{1f98a}r");
        await allShow(all, "one two three\nfo\u{1f98a}r");
        for (const page of [ann, ben])
            for (const name of ["Ann", "Ben", "Fox"])
                await page.locator("#people", { hasText: name }).waitFor();
        assert.match(await ann.textContent("#people"), /Ann \(you\)/);
        await ben.waitForFunction(() => new Set([...document.querySelectorAll("#people li")].map(person => person.className)).size === 3);
        await ann.locator("#mirror .caret[data-name=Ben]").waitFor();
        await fox.until(() => document.querySelector("#mirror .caret[data-name=Ann]"));
        const before = await ann.locator("#mirror").evaluate(mirror =>
            mirror.querySelector("[data-name=Ben]").previousSibling.textContent);
        assert.equal(before, "one two ");
        await type(ann, 0, "zero ");
        await ben.waitForFunction(() => document.querySelector("#text").value.startsWith("zero "));
        assert.equal(await ben.evaluate(() => document.querySelector("#text").selectionEnd), 13);
        await Promise.all([saved(ann), saved(ben)]);
        assert.deepEqual(all.complaints(), []);
        const late = await open("trio");        /* who is there says so before its next beat, which is every 15 s */
        await late.page.waitForFunction(() => document.querySelectorAll("#people li").length === 4, null, { timeout: 5000 });
        await late.close();
    });

    test("what is written on both sides of a cut comes together: nothing lost, nothing twice", async () => {
        const opened = all.ben.waitForEvent("websocket", socket => socket.url().includes("doc%3Acut"));
        const { ann, ben, fox, network } = await go("cut");
        await type(ann, 0, "beginning. end.");
        await allShow(all, "beginning. end.");
        const sent = (await opened).waitForEvent("framesent");
        network.silence(true, false);
        await type(ben, 0, "sent and gone. ");
        await sent;
        network.speak();
        network.down();
        await ben.locator("#state[data-state=connecting]").waitFor();
        await fox.until(() => document.querySelector("#state").dataset.state === "connecting");
        await type(ann, 10, " ann");
        await type(ben, 0, "ben. ");
        await type(ben, null, " ben at the end.");
        await foxType(fox, null, " fox.");
        await drag(ben, [[0.1, 0.1], [0.5, 0.5]]);
        await ben.locator("#saved", { hasText: "Not on the server yet." }).waitFor();
        await saved(ann);
        assert.equal(await textOf(ann), "beginning. ann end.");
        network.up();
        await Promise.all([wake(ben), wake(fox)]);
        await Promise.all([saved(ann), saved(ben)]);
        await fox.until(() => document.querySelector("#saved").textContent === "All is on the server.");
        const { doc } = await stream("cut");
        const text = doc.getText("text").toString();
        for (const part of ["ben. sent and gone. beginning. ann end.", " ben at the end.", " fox."])
            assert.equal(text.split(part).length, 2, `${part} is once in ${text}`);
        assert.equal(text.length, "ben. sent and gone. beginning. ann end. ben at the end. fox.".length);
        assert.equal(doc.getArray("strokes").length, 1);
        await allShow(all, text);
        await until(async () => await inkOf(ann) > 100 && await inkOf(ann) === await inkOf(ben), "ann has the stroke");
    });

    test("three windows type while the network is cut every now and then", async () => {
        const { ann, ben, fox, network } = await go("storm");
        for (let i = 0; i < 5; i++) {
            await Promise.all([type(ann, 0, `<ann ${i}>`), type(ben, null, `<ben ${i}>`), foxType(fox, 0, `<fox ${i}>`)]);
            network.cut();
        }
        await Promise.all([saved(ann), saved(ben)]);
        await fox.until(() => document.querySelector("#saved").textContent === "All is on the server.");
        const text = (await stream("storm")).doc.getText("text").toString();
        const words = Array.from({ length: 5 }, (_, i) => `<ann ${i}><ben ${i}><fox ${i}>`);
        assert.deepEqual([...text].sort(), [...words.join("")].sort());
        await allShow(all, text);
    });

    test("one board: by the mouse, by keys, rubbed out, taken back", async () => {
        const { ann, ben, fox } = await go("board");
        const strokes = async () => (await stream("board")).doc.getArray("strokes").toJSON();
        const sum = n => until(async () => (await strokes()).length === n, `${n} strokes`);
        await drag(ann, [[0.1, 0.2], [0.4, 0.2], [0.4, 0.6]]);
        await ben.check("[name=tool][value='2']");
        await ben.focus("#board");
        await ben.keyboard.press("Space");
        for (let i = 0; i < 6; i++) {
            await ben.keyboard.press("Shift+ArrowRight");
            await ben.waitForTimeout(i === 2 ? 900 : 0);        /* a pause, and yet one step back */
        }
        await ben.keyboard.press("Space");
        await fox.evaluate(() => {
            const board = document.querySelector("#board");
            board.focus();
            for (const key of [" ", "ArrowDown", "ArrowDown", "ArrowDown", "Escape"])
                board.dispatchEvent(new KeyboardEvent("keydown", { key, shiftKey: true }));
        });
        await sum(3);
        const [first, second, third] = await strokes();
        assert.equal(first.colour, 0);
        for (const [i, place] of [100, 120, 400, 120, 400, 360].entries())     /* a pixel is two of the board's units */
            assert.ok(Math.abs(first.points[i] - place) <= 2, first.points.join(" "));
        assert.deepEqual([[2, [500, 300], [800, 300]], [0, [500, 300], [500, 450]]],
            [second, third].map(({ colour, points }) => [colour, points.slice(0, 2), points.slice(-2)])
                .sort(([a], [b]) => b - a));
        await ann.focus("#text");
        await ben.focus("#text");
        await until(async () => await inkOf(ann) === await inkOf(ben), "both see the same");
        await ben.click("#undo");
        await sum(2);
        await ben.focus("#text");
        await ben.keyboard.press("ControlOrMeta+y");
        await sum(3);
        await until(async () => await inkOf(ann) === await inkOf(ben), "both see the same again");
        const ink = await inkOf(ann);
        await ann.check("[name=tool][value=rubber]");
        await drag(ann, [[0.7, 0.3], [0.7, 0.5]]);
        await sum(2);
        await until(async () => await inkOf(ben) < ink, "it is gone for ben");
        await ann.click("#undo");
        await sum(3);
        await ann.click("#clear");
        await until(async () => await inkOf(ben) === 0, "all is cleared");
        assert.deepEqual(all.complaints(), []);
    });

    test("one takes back only what one did oneself", async () => {
        const pages = await pair("undo");
        const { ann, ben } = pages;
        await type(ann, 0, "of ann");
        await allShow(pages, "of ann");
        await type(ben, 0, "of ben, ");
        await allShow(pages, "of ben, of ann");
        await ann.focus("#text");
        await ann.keyboard.press("ControlOrMeta+z");
        await allShow(pages, "of ben, ");
        await ann.keyboard.press("ControlOrMeta+Shift+z");
        await allShow(pages, "of ben, of ann");
    });

    test("what is composed by an input method goes to where it belongs, though others write before it", async () => {
        const pages = await pair("compose");
        const { ann, ben } = pages;
        await type(ann, 0, "ab");
        await allShow(pages, "ab");
        await ann.evaluate(() => document.querySelector("#text").setSelectionRange(1, 1));
        const keyboard = await ann.context().newCDPSession(ann);
        await keyboard.send("Input.imeSetComposition", { text: "に", selectionStart: 1, selectionEnd: 1 });
        await type(ben, 0, "from ben: ");
        await saved(ben);
        await keyboard.send("Input.imeSetComposition", { text: "にほ", selectionStart: 2, selectionEnd: 2 });
        assert.equal(await textOf(ann), "aにほb", "it is left alone meanwhile");
        await keyboard.send("Input.insertText", { text: "日本" });
        await allShow(pages, "from ben: a日本b");
        assert.equal(await ann.evaluate(() => document.querySelector("#text").selectionEnd), 13);
    });

    test("any change is found, and letters are not taken apart", async () => {
        const wrong = await all.ann.evaluate(async () => {
            const { difference, moved } = await import("/apps/doc/editor.js");
            let seed = 7;
            const random = n => (seed = seed * 48271 % 2147483647) % n;
            const letters = n => Array.from({ length: n }, () => ["a", "b", "\n", "\u{1f98a}", "\u{1f98b}"][random(5)]);
            const found = [];
            for (let i = 0; i < 20000; i++) {
                const before = letters(random(8)), at = random(before.length + 1), gone = random(before.length - at + 1);
                const come = letters(random(4));
                const after = [...before.slice(0, at), ...come, ...before.slice(at + gone)].join("");
                const caret = [...before.slice(0, at), ...come].join("").length;
                const change = difference(before.join(""), after, caret);
                const text = before.join("");
                const result = text.slice(0, change.at) + change.come + text.slice(change.at + change.gone);
                const isApart = [change.come, text.slice(0, change.at), text.slice(0, change.at + change.gone)]
                    .some(part => !part.isWellFormed());
                if (result !== after || isApart)
                    found.push([text, after, change]);
            }
            const places = [0, 1, 2, 3, 4, 5].map(place => moved(place, [{ retain: 1 }, { insert: "xy" }, { delete: 2 }, { retain: 1 },
                                                                         { insert: "z" }]));
            return [found.slice(0, 3), places];
        });
        assert.deepEqual(wrong, [[], [0, 1, 3, 3, 4, 6]]);
    });

    test("who writes the two hundredth edit puts them together, and nobody else", async () => {
        const pages = await pair("turn");
        const { ann, ben } = pages;
        const author = new Author("turn");
        await author.publish("x".repeat(198));
        await allShow(pages, "x".repeat(198));
        await type(ben, 0, "y");
        await allShow(pages, `y${"x".repeat(198)}`);
        assert.deepEqual((await stream("turn")).snapshots, []);
        await type(ann, 0, "z");
        await allShow(pages, `zy${"x".repeat(198)}`);
        await compacted("turn", 200);
        await type(ben, 0, "w");
        await allShow(pages, `wzy${"x".repeat(198)}`);
        const { snapshots, offset } = await stream("turn");
        assert.deepEqual([offset, snapshots.map(({ offset: at, reaches }) => [at, reaches])], [202, [[201, 200]]]);
    });

    test("two snapshots, one of old, one that lies and what is none of Yjs do no harm", async () => {
        const pages = await pair("odd");
        const { ann } = pages;
        const author = new Author("odd");
        const old = yjs.encodeStateAsUpdate(author.doc);
        await author.publish("abc");
        await allShow(pages, "abc");
        const { epoch } = await stream("odd");
        const whole = yjs.encodeStateAsUpdate(author.doc);
        const messages = [frame([2, 3], whole, epoch), frame([2, 3], whole, epoch), frame([2, 0], old, epoch),
                          frame([2, 1000], whole, epoch), frame([2, 2], whole, "another"), Buffer.from([]), Buffer.from([1]),
                          Buffer.from([1, 5, 6, 255, 255, 255]), frame([7, 7, 7], whole), Buffer.from("words")];
        for (const message of messages)
            await ask("publish", { channel: "doc:odd", b64data: message.toString("base64") });
        await author.publish("d");
        await allShow(pages, "abcd");
        const window = await open("odd");
        assert.equal(await textOf(window.page), "abcd");
        assert.equal(await ann.isVisible("#lost"), false);
        assert.deepEqual([...all.complaints(), ...window.complaints], []);
        await window.close();
    });

    test("what nobody put together in time is missing, and the page says so", async () => {
        const author = new Author("gap");
        await author.publish("a".repeat(600));
        await author.publish("b".repeat(600));
        const { epoch, offset } = await stream("gap");
        for (const [reaches, of] of [[5000, epoch], [offset, "another"], [100, epoch]])     /* none of which covers it */
            await ask("publish", { channel: "doc:gap",
                                   b64data: frame([2, reaches], yjs.encodeStateAsUpdate(author.doc), of).toString("base64") });
        const window = await open("gap");
        await window.page.locator("#lost").waitFor();
        await author.publish("c".repeat(250));
        await type(window.page, null, "new");
        await saved(window.page);
        assert.equal((await stream("gap")).snapshots.filter(({ offset: at }) => at > offset + 3).length, 0,
                     "nobody says that this is all");
        await window.page.click("#accept");
        await window.page.locator("#lost").waitFor({ state: "hidden" });
        await compacted("gap", offset + 3 + 250);
        const late = await open("gap");
        assert.equal(await late.page.isVisible("#lost"), false);
        assert.equal(await textOf(late.page), await textOf(window.page));
        await Promise.all([window.close(), late.close()]);
    });

    test("who was away for more than is kept has all of it, and so has who comes late; what he wrote is there for all", async () => {
        const pages = await pair("away");
        const { ann, ben, network } = pages;
        const author = new Author("away");
        await author.publish("a".repeat(100));
        await allShow(pages, "a".repeat(100));
        network.down();
        await ben.locator("#state[data-state=connecting]").waitFor();
        await type(ben, 0, "of ben, who is away");
        for (const letter of "bc") {
            await author.publish(letter.repeat(600));
            await compacted("away", (await stream("away")).offset - 200);
        }
        network.up();
        await wake(ben);
        const wanted = `of ben, who is away${"a".repeat(100)}${"b".repeat(600)}${"c".repeat(600)}`;
        await allShow(pages, wanted);
        await Promise.all([saved(ann), saved(ben)]);
        const late = await open("away");
        for (const page of [ben, late.page]) {
            assert.equal(await textOf(page), wanted);
            assert.equal(await page.isVisible("#lost"), false);
        }
        const { snapshots, epoch } = await stream("away");
        assert.ok(snapshots.every(snapshot => snapshot.reaches < snapshot.offset && snapshot.epoch === epoch));
        await late.close();
    });

    test("a restart of a server with --data changes nothing; one that forgot gets the document from who has it", async () => {
        process.env.DUET_TOKEN_SECRET = "nobody here needs a token of this secret";
        const config = ["--config", fileURLToPath(new URL("../../packaging/demo.yaml", import.meta.url))];
        const folder = mkdtempSync(join(tmpdir(), "duet-doc-"));
        let own = await startDuet({ args: [...config, "--data", folder] });
        const window = await open("kept", own);
        const { page } = window;
        try {
            await type(page, 0, "before");
            await drag(page, [[0.2, 0.2], [0.6, 0.7]]);
            await saved(page);
            for (const [args, more] of [[["--data", folder], " with"], [[], " without"]]) {
                await own.stop();
                await page.locator("#state[data-state=connecting]").waitFor();
                await type(page, null, more);
                own = await startDuet({ args: [...config, ...args], port: own.port });
                await wake(page);
                await live(page);
                await saved(page);
                const { doc } = await stream("kept", own);
                assert.deepEqual([doc.getText("text").toString(), doc.getArray("strokes").length], [await textOf(page), 1]);
            }
            assert.equal(await textOf(page), "before with without");
        } finally {
            await window.close();
            await own.stop();
            rmSync(folder, { recursive: true });
        }
    });

    test("without what npm brings the page says what is missing, and so does the card", async () => {
        const context = await all.browser.newContext();
        await context.route("**/apps/doc/yjs.js", route => route.fulfill({ status: 404, body: "not found" }));
        const page = await context.newPage();
        await page.goto(`${all.demo.url}/apps/doc/`);
        await page.locator("#missing", { hasText: /Yjs is not here.*npm/ }).waitFor();
        assert.equal(await page.locator("#text").getAttribute("readonly"), "");
        await page.goto(`${all.demo.url}/apps/`);
        await page.locator("[data-app=doc]").scrollIntoViewIfNeeded();
        await page.locator("[data-app=doc]", { hasText: "Yjs is not here" }).waitFor();
        await context.close();
    });

    test("looks so", async () => {
        const { ann, ben, fox } = await go("hall-concert");
        await type(ann, 0, "Summer concert\n\n");
        await type(ann, null, "19.00  Doors, and the foyer plays\n19.30  Wind octet: Mozart, K. 375\n20.15  Interval\n");
        await ben.waitForFunction(() => document.querySelector("#text").value.endsWith("Interval\n"));
        await type(ben, null, "20.40  Both orchestras together\n");
        await fox.until(() => document.querySelector("#text").value.endsWith("together\n"));
        await foxType(fox, null, "\nWho brings the stands? I can take twelve.");
        for (const page of [ann, ben])
            await page.waitForFunction(() => document.querySelector("#text").value.endsWith("twelve."));
        const arc = (x, y, r, from, to) => Array.from({ length: 17 }, (_, i) => from + (to - from) * i / 16)
            .flatMap(a => [x + r * Math.cos(a), y - r * Math.sin(a)]);
        const drawn = [...[180, 300, 420].map(r => [0, arc(500, 510, r, 0.35, Math.PI - 0.35)]),
                       [3, arc(500, 510, 50, 0, 2 * Math.PI)], ...[300, 420, 580, 700].map(x => [1, arc(x, 270, 30, 0, 2 * Math.PI)])];
        const author = new Author("hall-concert");
        await author.send([author.edit(() => author.doc.getArray("strokes").push(drawn.map(([colour, points]) =>
            new yjs.SharedMap([["colour", colour], ["points", yjs.SharedArray.from(points)]]))))]);
        await ben.evaluate(() => {
            const area = document.querySelector("#text");
            area.focus();
            area.setSelectionRange(area.value.indexOf("Mozart"), area.value.indexOf("Mozart"));
        });
        await ann.locator("#mirror .caret[data-name=Ben]").waitFor();
        await until(async () => await inkOf(ann) > 1000 && await inkOf(ann) === await inkOf(ben), "both see what is drawn");
        await shot(ann, "doc");
    });

    test("the page is for everybody: no serious finding of axe-core, a phone, keys alone, nothing that jumps", async () => {
        const { page, close, complaints } = await open("hall-concert");
        await page.waitForFunction(() => document.querySelector("#text").value.endsWith("twelve."));
        await staysInPlace(page);
        await accessible(page);
        await page.emulateMedia({ colorScheme: "dark" });
        await accessible(page);
        await fitsAPhone(page);
        await tabTo(page, "#document");
        await page.keyboard.press("ControlOrMeta+a");
        await page.keyboard.type("Keys alone");
        await page.keyboard.press("Enter");
        await page.locator("#title", { hasText: "keys-alone" }).waitFor();
        await live(page);
        await tabTo(page, "#text");
        await page.keyboard.type("typed");
        await saved(page);
        assert.deepEqual(complaints, []);
        await close();
    });
});
