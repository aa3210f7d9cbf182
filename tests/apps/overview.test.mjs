/* SPDX-License-Identifier: MIT */
/* The overview of the applications, and what holds for all of their pages. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { launch, tabTo } from "../e2e/tools/browser.mjs";
import { accessible, fitsAPhone, get, openWindow, shot, startDemo, staysInPlace, WebSocket } from "./tools.mjs";

let browser;
let demo;

before(async () => {
    [demo, browser] = await Promise.all([startDemo(), launch()]);
});
after(async () => {
    await browser?.close();
    await demo?.stop();
});

const running = async () => JSON.parse((await get(`${demo.url}/apps/apps.json`)).body);

describe("overview", { timeout: 120000 }, () => {
    test("has a card for each application, and nothing else", async () => {
        const { page, complaints, close } = await openWindow(browser, `${demo.url}/apps/`);
        const { apps } = await running();
        await page.waitForFunction(count => document.querySelectorAll(".card").length === count, apps.length);
        assert.deepEqual((await page.$$eval(".card a", links => links.map(link => link.getAttribute("href")))).sort(),
                         apps.map(name => `/apps/${name}/`).sort());
        assert.equal(await page.locator("#missing").isHidden(), true);
        await accessible(page);
        await fitsAPhone(page);
        assert.deepEqual(complaints, []);
        await close();
    });

    test("what is in a card is alive", async () => {
        const { page, close } = await openWindow(browser, `${demo.url}/apps/`);
        await page.locator("[data-app=chat] .empty").waitFor();
        const peer = new WebSocket(`${demo.wsUrl}/channel/chat:lobby`);
        await new Promise(done => peer.once("open", done));
        peer.send('{"k":"said","id":"1","by":"x","name":"Cello","text":"anybody there?"}');
        await page.locator("[data-app=chat] .one", { hasText: "Cello anybody there?" }).waitFor();
        peer.close();
        await close();
    });

    /* Time itself would be that of whatever else the machine does: so the page's own, of its processor and its network. */
    test("takes half a second of the processor and 300 KB until something is alive in each card that is seen", async () => {
        const context = await browser.newContext();
        const page = await context.newPage();
        const devtools = await context.newCDPSession(page);
        await devtools.send("Performance.enable", { timeDomain: "threadTicks" });
        let bytes = 0;
        await devtools.send("Network.enable");
        devtools.on("Network.loadingFinished", ({ encodedDataLength }) => { bytes += encodedDataLength; });
        await page.goto(`${demo.url}/apps/`);
        await page.waitForFunction(() => {
            const seen = [...document.querySelectorAll(".card .live")].filter(live =>
                live.getBoundingClientRect().top < innerHeight);
            return seen.length > 0 && seen.every(({ children }) => children.length > 0);
        });
        const { metrics } = await devtools.send("Performance.getMetrics");
        const taken = metrics.find(({ name }) => name === "TaskDuration").value;
        assert.ok(taken < 0.5, `${taken} s`);
        assert.ok(bytes < 300 * 1024, `${bytes} bytes`);
        await context.close();
    });

    test("works with the keys, on a phone, and in the dark; nothing jumps", async () => {
        const { page, complaints, close } = await openWindow(browser, `${demo.url}/apps/`,
            { viewport: { width: 360, height: 740 }, colorScheme: "dark" });
        await page.locator(".card .live > *").first().waitFor();
        await staysInPlace(page);
        await accessible(page);
        assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 360);
        await tabTo(page, ".card a");
        await page.keyboard.press("Enter");
        await page.waitForURL(/apps\/[a-z]+\/$/);
        assert.deepEqual(complaints, []);
        await close();
    });

    test("looks so", async () => {
        const { page, close } = await openWindow(browser, `${demo.url}/apps/`);
        await page.locator(".card .live > *").first().waitFor();
        await page.waitForTimeout(process.env.SHOTS ? 3000 : 0);
        await shot(page, "overview");
        await close();
    });

    test("a folder is a page, and nothing else is", async () => {
        const { apps } = await running();
        for (const path of ["/apps/", ...apps.map(name => `/apps/${name}/`)]) {
            assert.equal((await get(`${demo.url}${path}`)).status, 200, path);
            const without = await get(`${demo.url}${path.slice(0, -1)}`);
            assert.deepEqual([without.status, without.headers.location], [308, path]);
        }
        for (const path of ["/apps/none", "/apps/none/", "/apps/apps", `/apps/${"x".repeat(100)}/`])
            assert.equal((await get(`${demo.url}${path}`)).status, 404, path);
    });
});
