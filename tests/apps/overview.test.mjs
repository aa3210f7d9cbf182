/* SPDX-License-Identifier: MIT */
/* The overview of the applications, and what holds for all of their pages. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { launch } from "../e2e/tools/browser.mjs";
import { accessible, fitsAPhone, get, openWindow, startDemo } from "./tools.mjs";

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
