/* SPDX-License-Identifier: MIT */
/* The support chat: a desk of two in Chromium, and a visitor in Firefox on a site of another origin. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { after, before, describe, test } from "node:test";
import { accessible, cast, fitsAPhone, live, openWindow, shot, staysInPlace, until, WebSocket } from "./tools.mjs";

let all;
let listed;
let stranger;

/* A site whose page has one tag of ours. `from` says whence it comes, once that is known. */
function startSite() {
    const site = { from: "" };
    const server = createServer((request, response) => {
        response.writeHead(200, { "Content-Type": "text/html" });
        response.end(`<!DOCTYPE html><html lang="en"><title>A shop</title><link rel="icon" href="data:,">
            <main><h1>A shop</h1></main><script type="module" src="${site.from}/apps/support/widget.js"></script>`);
    });
    return new Promise(done => server.listen(0, "127.0.0.1", () => done(Object.assign(site, {
        url: `http://127.0.0.1:${server.address().port}`,
        stop: () => { server.closeAllConnections(); server.close(); },
    }))));
}

before(async () => {
    [listed, stranger] = [await startSite(), await startSite()];
    all = await cast("/apps/support/", { args: ["--origin", listed.url] });
    listed.from = stranger.from = all.network.url;
    await all.fox.goto(`${listed.url}/shop`);
});
after(async () => {
    await all?.close();
    listed?.stop();
    stranger?.stop();
});

/* In the desk's page. */
const standings = () => [...document.querySelectorAll("#queue .tag")].map(tag => tag.textContent);
const chooseFirst = () => document.querySelector("#queue button").click();
const talk = () => [...document.querySelectorAll("#log p:not(.waiting)")].map(line => line.textContent);
const agents = () => [...document.querySelectorAll("#agents li")].map(item => item.textContent).sort();
const state = () => document.querySelector("#state").dataset.state;

/* In the visitor's. */
const has = () => document.querySelector("#duet-support") !== null;
const openChat = () => document.querySelector("#duet-support").shadowRoot.querySelector("section + button").click();
const write = text => {
    const root = document.querySelector("#duet-support").shadowRoot;
    root.querySelector("input").value = text;
    root.querySelector("form").requestSubmit();
};
const heard = () => [...document.querySelector("#duet-support").shadowRoot
    .querySelectorAll("[role=log] p:not(.waiting)")].map(line => line.textContent);

async function rename(page, name) {
    await page.fill("#name", name);
    await page.press("#name", "Enter");
}

async function reply(page, text) {
    await page.fill("#reply", text);
    await page.press("#reply", "Enter");
}

const shows = (page, fn, check, what) => until(async () => check(await page.evaluate(fn)), what);

describe("support", { timeout: 120000 }, () => {
    test("a question from another site comes to the desk, and of two who take it one has it", async () => {
        const { ann, ben, fox, network } = all;
        await Promise.all([live(ann), live(ben)]);
        await rename(ann, "Ann");
        await rename(ben, "Ben");
        await shows(ann, agents, list => list.includes("Ann (you)") && list.includes("Ben"), "she sees him");
        await shows(ben, agents, list => list.includes("Ben (you)") && list.includes("Ann"), "and he her");
        await shows(fox, has, Boolean, "the widget is there");
        await fox.evaluate(openChat);
        await fox.evaluate(write, "Where is my parcel?");
        for (const page of [ann, ben]) {
            await shows(page, standings, list => list.join() === "waits", "it waits");
            await page.evaluate(chooseFirst);
        }
        network.down();
        await shows(ben, state, is => is !== "live", "ben is cut off, and does not know");
        await ben.click("#hold");
        await ann.click("#hold");
        await shows(ann, standings, list => list.join() === "yours", "it is hers");
        network.up();
        await shows(ben, state, is => is === "live", "he is back");
        await shows(ben, standings, list => list.join() === "Ann", "what he said came too late");
        await shows(fox, heard, list => list.length >= 2, "the visitor is told");
        assert.deepEqual(await fox.evaluate(heard), ["YouWhere is my parcel?", "Ann is here for you."]);
        await ann.selectOption("#to", { label: "Ben" });
        await shows(ben, standings, list => list.join() === "yours", "handed over");
        await shows(ann, standings, list => list.join() === "Ben", "and hers no more");
        await ann.click("#hold");
        await shows(ann, standings, list => list.join() === "yours", "and taken over");
        await staysInPlace(ann);
    });

    test("an answer out of the can", async () => {
        const { ann, fox } = all;
        await ann.selectOption("#canned", { label: "Hello, I am Ann. How can I help?" });
        assert.equal(await ann.inputValue("#reply"), "Hello, I am Ann. How can I help?");
        await ann.press("#reply", "Enter");
        await shows(fox, heard, list => list.at(-1) === "AnnHello, I am Ann. How can I help?", "it comes");
        assert.deepEqual(await fox.evaluate(heard), ["YouWhere is my parcel?", ...["Ann", "Ben", "Ann"]
            .map(name => `${name} is here for you.`), "AnnHello, I am Ann. How can I help?"], "who had it was told once");
        await accessible(ann);
        await fitsAPhone(ann);
        await shot(ann, "support");
    });

    test("what is said during a cut comes once, and in one order for all", async () => {
        const { ann, ben, fox, network } = all;
        network.down();
        await shows(ben, state, is => is !== "live", "it is seen");
        for (const text of ["one", "two"])
            await fox.evaluate(write, text);
        await reply(ann, "three");
        await shows(ann, talk, list => list.at(-1) === "Ann three", "ann goes on");
        network.up();
        const said = list => list.filter(line => /(one|two|three)$/.test(line)).map(line => line.match(/\w+$/)[0]
            .replace("Ann", "").replace("You", ""));
        for (const [page, fn] of [[ann, talk], [ben, talk], [fox, heard]])
            await shows(page, fn, list => said(list).length >= 3, "all of it");
        const order = said(await ann.evaluate(talk));
        assert.deepEqual([...order].sort(), ["one", "three", "two"]);
        assert.ok(order.indexOf("one") < order.indexOf("two"));
        assert.deepEqual(said(await ben.evaluate(talk)), order);
        assert.deepEqual(said(await fox.evaluate(heard)), order);
        const about = await fox.evaluate(() => localStorage.getItem("duet-support"));
        const peer = new WebSocket(`${all.demo.wsUrl}/channel/support:${about}`);
        await new Promise(done => peer.once("open", done));
        for (const id of ["4", "4", "5"])
            peer.send(JSON.stringify({ k: "said", by: "visitor", id, text: `again ${id}` }));
        for (const [page, fn] of [[ann, talk], [ben, talk], [fox, heard]]) {
            await shows(page, fn, list => list.at(-1).endsWith("again 5"), "what was sent twice has come");
            assert.equal((await page.evaluate(fn)).filter(line => line.endsWith("again 4")).length, 1);
        }
        peer.close();
        assert.deepEqual(all.complaints(), []);
    });

    test("a transcript, an end, and another question", async () => {
        const { ann, ben, fox } = all;
        const [download] = await Promise.all([ann.waitForEvent("download"), ann.click("#transcript")]);
        const text = readFileSync(await download.path(), "utf8");
        assert.match(download.suggestedFilename(), /^support-[0-9a-f]{8}\.txt$/);
        assert.match(text, new RegExp(`^${listed.url}/shop\n.* Visitor: Where is my parcel\\?\n`));
        assert.match(text, /^\d{4}-\S+Z Ann: three$/m);
        await ann.click("#end");
        await shows(ben, standings, list => list.join() === "ended", "ben still looks at it");
        await shows(fox, heard, list => /has ended/.test(list.at(-1)), "the visitor is told");
        await fox.goto(`${listed.url}/shop`);
        await shows(fox, heard, list => /has ended/.test(list.at(-1)), "and reads it all again after a reload");
        await fox.evaluate(openChat);
        await fox.evaluate(write, "And my other parcel?");
        await shows(ann, standings, list => list.join() === "waits", "it waits again");
    });

    test("a visitor in Chromium; a site that is not listed has no chat", async () => {
        const { browser, ann } = all;
        const visitor = await openWindow(browser, `${listed.url}/`);
        await visitor.page.click("text=Chat with us");
        await visitor.page.keyboard.type("Do you ship abroad?");
        await visitor.page.keyboard.press("Enter");
        await shows(ann, standings, list => list.length === 2, "it comes");
        await accessible(visitor.page);
        await fitsAPhone(visitor.page);
        await visitor.page.keyboard.press("Escape");
        assert.equal(await visitor.page.locator("text=Chat with us").isVisible(), true);
        assert.deepEqual(visitor.complaints, []);
        await visitor.close();
        const other = await openWindow(browser, `${stranger.url}/`);
        await until(() => other.complaints.some(line => /CORS|Access-Control/.test(line)), "the browser refuses it");
        assert.equal(await other.page.evaluate(has), false);
        await other.close();
    });
});
