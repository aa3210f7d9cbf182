/* SPDX-License-Identifier: MIT */
/* The chat: two windows of Chromium and one of Firefox. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { tabTo } from "../e2e/tools/browser.mjs";
import { accessible, cast, fitsAPhone, live, openWindow, shot, startDemo, staysInPlace, until,
         WebSocket } from "./tools.mjs";

let all;

before(async () => {
    all = await cast("/apps/chat/?room=trio");
});
after(() => all?.close());

const texts = page => page.locator("#log .line .text").allTextContents();
const foxTexts = fox => fox.evaluate(() => [...document.querySelectorAll("#log .line .text")].map(e => e.textContent));
const foxState = (fox, state) => fox.until(wanted => document.querySelector("#state").dataset.state === wanted, state);

async function say(page, words) {
    await page.fill("#say", words);
    await page.press("#say", "Enter");
}

const foxSay = (fox, words) => fox.evaluate(text => {
    document.querySelector("#say").value = text;
    document.querySelector("#compose").requestSubmit();
}, words);

/* All three show these lines, and nothing else. */
async function allShow({ ann, ben, fox }, wanted) {
    const shown = async () => JSON.stringify(await Promise.all([texts(ann), texts(ben), foxTexts(fox)]));
    await until(async () => await shown() === JSON.stringify([wanted, wanted, wanted]), "all show the same")
        .catch(async error => { throw new Error(`${error.message}: ${await shown()}\nwanted ${JSON.stringify(wanted)}`); });
}

/* Everybody in a room of its own name. */
async function go(room) {
    const { ann, ben, fox } = all;
    for (const page of [ann, ben]) {
        await page.fill("#room", room);
        await page.press("#room", "Enter");
        await page.locator("#where", { hasText: room }).waitFor();
        await live(page);
    }
    await fox.evaluate(name => { location.hash = name; }, room);
    await fox.until(name => document.querySelector("#where").textContent === name, room);
    await foxState(fox, "live");
    return all;
}

async function publish(room, ...messages) {
    const peer = new WebSocket(`${all.demo.wsUrl}/channel/chat:${room}`);
    await new Promise(done => peer.once("open", done));
    let heard = 0;
    const done = new Promise(end => peer.on("message", () => ++heard === messages.length && end()));
    messages.forEach(message => peer.send(message));
    await done;
    peer.close();
}

/* As fast as one may in a room, and no faster. */
async function publishMany(room, count, make) {
    for (let at = 0; at < count; at += 20)
        await publish(room, ...Array.from({ length: Math.min(20, count - at) }, (_, i) => make(at + i)));
}

describe("chat", { timeout: 180000 }, () => {
    test("three see each other's names, typing, words and edits", async () => {
        const { ann, ben, fox } = all;
        for (const [page, name] of [[ann, "Ann"], [ben, "Ben"]]) {
            await live(page);
            await page.fill("#name", name);
            await page.press("#name", "Enter");
        }
        await fox.evaluate(() => {
            document.querySelector("#name").value = "Fox";
            document.querySelector("#call").requestSubmit();
        });
        for (const page of [ann, ben]) {
            for (const name of ["Ann", "Ben", "Fox"])
                await page.locator("#people", { hasText: name }).waitFor();
            assert.equal(await page.textContent("#count"), "3");
        }
        await ann.locator("#say").pressSequentially("Hello <b>Ben</b>");
        await ben.locator("#typing", { hasText: "Ann is typing" }).waitFor();
        await fox.until(() => document.querySelector("#typing").textContent === "Ann is typing…");
        await ben.evaluate(() => {      /* where no time passes, it goes because ann says so */
            const at = Date.now();
            Date.now = () => at;
        });
        await ann.press("#say", "Enter");
        await until(async () => await ben.textContent("#typing") === "", "the typing note goes");
        await allShow(all, ["Hello <b>Ben</b>"]);
        assert.equal(await ben.locator("#log .text b").count(), 0);
        await foxSay(fox, "Hello from the other browser");
        await say(ben, "Helo Ann");
        await allShow(all, ["Hello <b>Ben</b>", "Hello from the other browser", "Helo Ann"]);
        await ben.press("#say", "ArrowUp");
        await say(ben, "Hello Ann");
        await allShow(all, ["Hello <b>Ben</b>", "Hello from the other browser", "Hello Ann"]);
        await ann.locator(".line", { hasText: "Hello Ann" }).locator(".when", { hasText: "edited" }).waitFor();
        await ann.locator(".line.mine").hover();
        await ann.click(".line.mine .edit");
        await ann.click("#delete");
        await allShow(all, ["taken back", "Hello from the other browser", "Hello Ann"]);
        assert.equal(await ann.locator(".line.mine .edit").count(), 0);
        assert.equal(await ben.locator(".line:not(.mine) .edit").count(), 0);
        assert.deepEqual(all.complaints(), []);
    });

    test("looks so", async () => {
        const { ann, ben, fox } = await go("rehearsal");
        await say(ann, "Who has the score of the second movement?");
        await foxSay(fox, "Me. I bring it tonight.");
        await foxSay(fox, "With the new ending.");
        await say(ben, "Please at seven, the hall closes at ten");
        await say(ann, "Seven it is.");
        await ben.locator("#say").pressSequentially("And");
        await ann.locator("#typing", { hasText: "Ben is typing" }).waitFor();
        await shot(ann, "chat");
        await ben.fill("#say", "");
    });

    test("who is cut off gets what was said meanwhile and says what waited, once and in order", async () => {
        const { ann, ben, fox, network } = await go("cut");
        await say(ann, "one");
        await allShow(all, ["one"]);
        network.down();
        await ben.locator("#state[data-state=connecting]").waitFor();
        await foxState(fox, "connecting");
        await say(ann, "two");
        await say(ben, "of Ben, cut off");
        await ben.locator(".line.pending", { hasText: "of Ben, cut off" }).waitFor();
        await ben.press("#say", "ArrowUp");
        await say(ben, "of Ben, who was cut off");
        await say(ann, "three");
        await ann.locator("#log .line:not(.pending) .text", { hasText: "three" }).waitFor();
        assert.deepEqual(await texts(ann), ["one", "two", "three"]);
        assert.deepEqual(await texts(ben), ["one", "of Ben, who was cut off"]);
        network.up();
        await allShow(all, ["one", "two", "three", "of Ben, who was cut off"]);
        assert.equal(await ben.locator(".pending").count(), 0);
        await foxSay(fox, "and all is well");
        await allShow(all, ["one", "two", "three", "of Ben, who was cut off", "and all is well"]);
        await until(async () => await ben.textContent("#count") === "3", "all are here again");
    });

    test("forty lines from three windows over a network that is cut every now and then", async () => {
        const { ann, ben, fox, network } = await go("storm");
        for (let i = 0; i < 40; i++) {
            await (i % 3 === 2 ? foxSay(fox, `line ${i}`) : say(i % 3 ? ben : ann, `line ${i}`));
            if (i % 4 === 3)
                network.cut();
        }
        const wanted = Array.from({ length: 40 }, (_, i) => `line ${i}`).sort();
        await until(async () => (await Promise.all([texts(ann), texts(ben), foxTexts(fox)]))
            .every(lines => JSON.stringify(lines.sort()) === JSON.stringify(wanted)), "all have all, once", 60000);
        for (const page of [ann, ben])
            await page.locator(".pending").waitFor({ state: "detached" });
        const order = await texts(ann);
        await allShow(all, order);
        for (const rest of [0, 1, 2]) {
            const own = order.filter(line => Number(line.slice(5)) % 3 === rest).map(line => Number(line.slice(5)));
            assert.deepEqual(own, [...own].sort((a, b) => a - b));
        }
    });

    test("scrolling up brings what was said before, to its beginning", async () => {
        const words = Array.from({ length: 180 }, (_, i) => `number ${i}`);
        await publishMany("long", 180, i => words[i]);
        const { page, close } = await openWindow(all.browser, `${all.demo.url}/apps/chat/?room=long`);
        await page.locator("#log .text", { hasText: "number 179" }).waitFor();
        assert.deepEqual(await texts(page), words.slice(130));
        const readAt = scrolled => page.evaluate(top => {
            document.querySelector("#log").scrollTop = top ?? document.querySelector("#log").scrollTop;
            return [...document.querySelectorAll(".line")].find(line => line.textContent.includes("number 135"))
                .getBoundingClientRect().top;
        }, scrolled);
        const was = await readAt(30);
        await until(async () => (await texts(page)).length === 150, "more has come");
        assert.ok(Math.abs(await readAt() - was) < 2, "what is read stays where it is");
        while (await page.locator("#earlier").isVisible())
            await page.locator("#earlier").evaluate(button => button.click());
        assert.deepEqual(await texts(page), words);
        await close();
    });

    test("any program is a member of the room", async () => {
        const { ann } = await go("any");
        const peer = new WebSocket(`${all.demo.wsUrl}/channel/chat:any`);
        const came = [];
        peer.on("message", (data, isBinary) => came.push(isBinary ? data : data.toString()));
        await new Promise(done => peer.once("open", done));
        for (const words of ["plain <i>words</i>", Buffer.from([1, 2, 3]), '{"k":"said","id":7}',
                             '{"k":"said","id":"a","by":"x","name":"<i>X</i>","text":"first"}',
                             '{"k":"said","id":"a","by":"x","text":"again"}', '{"k":"edit","id":"b","by":"y","of":"a","text":"of somebody else"}', "[]", "null"])
            peer.send(words);
        await allShow(all, ["plain <i>words</i>", "3 bytes of binary data", '{"k":"said","id":7}', "first", "[]", "null"]);
        assert.equal(await ann.locator(".line", { hasText: "first" }).locator(".who").textContent(), "<i>X</i>");
        await say(ann, "to all");
        await until(() => came.some(m => typeof m === "string" && m.includes('"to all"')), "the program hears it");
        peer.close();
        const there = new WebSocket(`${all.demo.wsUrl}/channel/here:chat.any`);
        await new Promise(done => there.once("open", done));
        for (const k of ["people", "came", "gone", "renamed", "hello"])
            there.send(JSON.stringify({ k, id: "program", name: "A program", ask: k !== "hello" }));
        await ann.locator("#people", { hasText: "A program" }).waitFor();
        assert.equal(await ann.locator(".notice", { hasText: "A program" }).count(), 0, "it came, and nothing else is so");
        there.close();
        await ann.locator(".notice", { hasText: "A program left." }).waitFor();
        assert.deepEqual(all.complaints(), []);
    });

    test("a room is its own, and the browser's way back leads to the one before", async () => {
        const { ann, ben } = await go("east");
        await ben.fill("#room", "West !");
        await ben.press("#room", "Enter");
        await ben.locator("#where", { hasText: "west" }).waitFor();
        await until(async () => await ann.textContent("#count") === "2", "one has gone");
        await ann.locator(".notice", { hasText: /left\.$/ }).first().waitFor();
        await say(ann, "only for the east");
        await ann.locator("#log .line:not(.pending)", { hasText: "only for the east" }).waitFor();
        assert.deepEqual(await texts(ben), []);
        const guest = await openWindow(all.browser, `${all.demo.url}/apps/chat/?room=east`);
        await until(async () => await ann.textContent("#count") === "3", "a guest has come");
        const devtools = await guest.page.context().newCDPSession(guest.page);
        devtools.send("Page.crash").catch(() => {});
        await until(async () => await ann.textContent("#count") === "2", "its window has died, and it is gone");
        await guest.close();
        await ben.goBack();
        await ben.locator("#log .text", { hasText: "only for the east" }).waitFor();
    });

    test("a server that forgot everything gets what was not said yet", async () => {
        let own = await startDemo();
        const { page, close } = await openWindow(all.browser, `${own.url}/apps/chat/?room=again`);
        try {
            await live(page);
            await say(page, "before");
            await page.locator(".line:not(.pending)", { hasText: "before" }).waitFor();
            assert.equal(await own.stop(), 0);
            await page.locator("#state[data-state=connecting]").waitFor();
            await say(page, "meanwhile");
            own = await startDemo({ port: own.port });
            await page.locator(".notice", { hasText: "this is what there is" }).waitFor();
            await page.locator(".line:not(.pending)", { hasText: "meanwhile" }).waitFor();
            assert.deepEqual(await texts(page), ["meanwhile"]);
        } finally {
            await close();
            await own.stop();
        }
    });

    test("the page is for everybody: no serious finding of axe-core, a phone, keys alone, nothing that jumps", async () => {
        const { page, close, complaints } = await openWindow(all.browser, `${all.demo.url}/apps/chat/?room=trio`);
        await live(page);
        await page.locator("#log .text", { hasText: "Hello Ann" }).waitFor();
        await staysInPlace(page);
        await accessible(page);
        await page.emulateMedia({ colorScheme: "dark" });
        await accessible(page);
        await fitsAPhone(page);
        await tabTo(page, "#room");
        await page.keyboard.press("ControlOrMeta+a");
        await page.keyboard.type("keys");
        await page.keyboard.press("Enter");
        await page.locator("#where", { hasText: "keys" }).waitFor();
        await live(page);
        await page.keyboard.type("typed at once");
        await page.keyboard.press("Enter");
        await page.locator(".line:not(.pending)", { hasText: "typed at once" }).waitFor();
        await page.keyboard.press("ArrowUp");
        await page.keyboard.type(" and edited");
        await page.keyboard.press("Enter");
        await page.locator(".text", { hasText: "typed at once and edited" }).waitFor();
        await page.keyboard.press("ArrowUp");
        await page.keyboard.press("Escape");
        assert.equal(await page.inputValue("#say"), "");
        assert.deepEqual(complaints, []);
        await close();
    });
});
