/* SPDX-License-Identifier: MIT */
/* The devices: a house of them, one that goes, and a thousand. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { duet, startProgram } from "../e2e/tools/duet.mjs";
import { accessible, backend, cast, fitsAPhone, live, openWindow, shot, staysInPlace, until } from "./tools.mjs";

const program = join(dirname(duet), "examples/device");
const KEEP_ALIVE_MS = 7000;
let all;

/* Pinged every two seconds, with five to answer. */
before(async () => {
    Object.assign(process.env, { DUET_CLIENTS_PING: "2s", DUET_CLIENTS_PONG: "5s" });
    all = await cast("/apps/device/");
});
after(() => all?.close());

/* In the page. */
const figures = () => Object.fromEntries([...document.querySelectorAll(".tile")].map(tile =>
    [tile.firstChild.textContent, { value: tile.querySelector(".warmth").textContent,
                                    online: tile.matches(".online"), lit: tile.matches(".lit") }]));
const counts = () => `${document.querySelector("#online").textContent}/${document.querySelector("#all").textContent}`;
const choose = name =>
    [...document.querySelectorAll(".tile")].find(tile => tile.firstChild.textContent === name).click();
const allSpoke = () => [...document.querySelectorAll(".tile .warmth")].every(figure => figure.textContent !== "–");
const log = () => [...document.querySelectorAll("#log li")].map(item => item.textContent);
const state = () => document.querySelector("#state").dataset.state;

const everywhere = (check, what, ms) => Promise.all([all.ann, all.ben, all.fox].map(page =>
    until(async () => check(await page.evaluate(figures)), what, ms)));
const startDevice = (...args) => startProgram(program, ["--url", all.demo.wsUrl, ...args], null, () => true);
const publish = (name, line) =>
    execFileSync(duet, ["pub", `${all.demo.wsUrl}/channel/${name}`], { input: `${line}\n`, timeout: 10000 });

async function order(page, text) {
    await page.fill("#command", text);
    await page.press("#command", "Enter");
}

describe("device", { timeout: 120000 }, () => {
    test("the last reading of each is there on opening", async () => {
        await backend(all.demo, "device");
        await everywhere(house => Object.values(house).filter(({ value, online }) => online && value > 0).length === 12,
                         "twelve of them");
        const { page, close } = await openWindow(all.browser, `${all.demo.url}/apps/device/`);
        await live(page);
        const house = Object.values(await page.evaluate(figures));
        assert.ok(house.length === 12 && house.every(({ value, online }) => online && value > 0), "at once");
        await staysInPlace(page);
        await close();
        await accessible(all.ann);
        await fitsAPhone(all.ann);
    });

    test("a command is done, and everybody sees it", async () => {
        const { ben, ann } = all;
        await ben.evaluate(choose, "kitchen");
        await ben.click("#led");
        await everywhere(({ kitchen }) => kitchen.lit, "its LED is on");
        await until(async () => /^led on: done after \d+ ms$/.test((await ben.evaluate(log))[0]), "it is acknowledged");
        publish("device:kitchen", "led off");
        await everywhere(({ kitchen }) => !kitchen.lit, "off, from a shell");
        await ann.focus(".tile[tabindex='0']");
        for (const key of ["ArrowRight", "ArrowRight", "Enter"])
            await ann.keyboard.press(key);
        assert.equal(await ann.textContent("#name"), "bath", "chosen by keyboard");
        await order(ann, "dance");
        await until(async () => (await ann.evaluate(log))[0] === "dance: sent", "a command that it does not know");
        await accessible(ann);
    });

    test("a shell is a device, too", async () => {
        publish("fleet:all", '{"devices":["shell"]}');
        publish("device:shell", '{"t":-3.5}');
        await everywhere(({ shell }) => shell?.value === "-3.5" && !shell.online, "it said something, and went");
    });

    test("who is gone is found within the keep-alive, and keeps its last reading", async t => {
        const { ann, browser, demo } = all;
        const lone = await startDevice("--name", "lone", "--every", "1");
        t.after(() => lone.child.kill("SIGKILL"));
        await everywhere(({ lone }) => lone?.online && lone.value > 0, "it is there");
        lone.child.kill("SIGSTOP");
        await everywhere(({ lone }) => !lone.online, "it is silent, and is found to be", KEEP_ALIVE_MS + 2000);
        const { lone: { value } } = await ann.evaluate(figures);
        lone.child.kill("SIGKILL");
        await ann.evaluate(choose, "lone");
        await order(ann, "every 7");
        await until(async () => (await ann.evaluate(log))[0] === "every 7: waits until it is back", "it is kept");
        const { page, close } = await openWindow(browser, `${demo.url}/apps/device/`);
        await until(async () => (await page.evaluate(figures)).lone?.value === value, "its last reading, behind that");
        await close();
        const back = await startDevice("--name", "lone", "--every", "1");
        t.after(() => back.child.kill("SIGKILL"));
        await until(async () => /^every 7: done/.test((await ann.evaluate(log))[0]), "it is done");
        await everywhere(({ lone }) => lone.online, "it is back");
        await back.stop();
        await everywhere(({ lone }) => !lone.online, "it went");
    });

    test("after a cut the newest is shown, and what was said into the cut was not", async () => {
        const { ann, ben, fox, network } = all;
        await Promise.all([ann, ben].map(page => page.evaluate(choose, "attic")));
        network.down();
        for (const page of [ben, fox])
            await until(async () => await page.evaluate(state) !== "live", "it is seen");
        await until(async () => /^0\//.test(await ben.evaluate(counts)), "who is there is not known");
        await order(ben, "led off");
        await until(async () => /^led off: not sent/.test((await ben.evaluate(log))[0]), "it says so");
        await ann.click("#led");
        await until(async () => (await ann.evaluate(figures)).attic.lit, "ann goes on");
        network.up();
        await everywhere(({ attic }) => attic.lit && attic.online, "the newest, and not what was said into the cut");
        for (const page of [ben, fox])
            await until(async () => await page.evaluate(state) === "live", "live");
        await everywhere(house => Object.values(house).filter(({ online }) => online).length === 12, "all are there");
        const answer = await fetch(`${all.demo.url}/api/history`, { method: "POST",
            body: JSON.stringify({ channel: "device:attic", limit: 10 }) });
        const { publications } = (await answer.json()).result;
        assert.equal(publications.some(({ data }) => data === "led off"), false);
        assert.deepEqual(all.complaints(), []);
    });

    test("a thousand", async t => {
        const { ann, ben, fox } = all;
        await Promise.all([ben, fox].map(page => page.goto("about:blank")));
        const thousand = await startDevice("--count", "1000");
        t.after(() => thousand.child.kill("SIGKILL"));
        await until(async () => await ann.evaluate(counts) === "1012/1014", "a thousand more are online", 30000);
        await until(() => ann.evaluate(allSpoke), "each has a reading");
        await shot(ann, "device");
        await ann.fill("#find", "d0999");
        await until(async () => await ann.locator(".tile:visible").count() === 1, "it is found");
        await ann.fill("#find", "");
        thousand.child.kill("SIGKILL");
        await until(async () => (await ann.evaluate(counts)) === "12/1014", "they are gone");
        assert.deepEqual(all.complaints(), []);
    });
});
