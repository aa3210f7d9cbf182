/* SPDX-License-Identifier: MIT */
/* The monitoring dashboard, with the agent that looks at this machine. */
import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { duet, startProgram } from "../e2e/tools/duet.mjs";
import { backend, cast, live, openWindow, shot, suitsEverybody, until } from "./tools.mjs";

const agent = join(dirname(duet), "examples/agent");
let all;

before(async () => { all = await cast("/apps/monitor/"); });
after(() => all?.close());

/* In the page. */
const seconds = () => [...document.querySelectorAll("#figures tbody tr")].map(row => Number(row.dataset.at));
const alerts = () => [...document.querySelectorAll("#alerts li")].map(item => item.textContent.trim());
const openTable = () => { document.querySelector("#figures").open = true; };
const state = () => document.querySelector("#state").dataset.state;
const points = id => document.querySelector(`#chart-${id} path.line-0`).getAttribute("d").match(/[ML]/g)?.length ?? 0;
const breaks = id => document.querySelector(`#chart-${id} path.line-0`).getAttribute("d").match(/M/g)?.length ?? 0;

function assertWhole(list) {
    for (let i = 1; i < list.length; i++)
        assert.equal(list[i - 1] - list[i], 1, `each second once, the newest first: ${list}`);
}

async function api(demo, commands) {
    const answer = await fetch(`${demo.url}/api/batch`, { method: "POST", body: JSON.stringify({ commands }) });
    const { replies } = await answer.json();
    assert.ok(replies.every(reply => reply.publish), JSON.stringify(replies[0]));
}

/* A machine that works by day. */
function minuteOf(at, i) {
    const day = Math.max(0, Math.sin((i - 500) / 1440 * 2 * Math.PI));
    const noise = n => (1 + Math.sin(i / 11 * n) * Math.sin(i / 3.7 + n)) / 2;
    return { at, cpu: 12 + 60 * day + 14 * noise(1), memory: 38 + 22 * day, full: 61 + i / 400,
             received: 4e5 + 9e6 * day + 2e6 * noise(2), sent: 3e5 + 2e7 * day + 5e6 * noise(3), local: 1e5,
             read: 2e5 + 6e6 * noise(5) * day, written: 1e6 + 1.5e7 * day * noise(4), messages: 2000 + 90000 * day,
             sockets: 300 + Math.round(9000 * day), duet_cpu: 2 + 50 * day + 6 * noise(1), duet_memory: 2.1e7 + 6e7 * day };
}

describe("monitor", { timeout: 120000 }, () => {
    test("shows this machine and the server in three windows", async () => {
        const { ann, ben, fox, demo } = all;
        await backend(demo, "monitor");
        await Promise.all([ann, ben, fox].map(page => until(async () => await page.evaluate(state) === "live", "live")));
        for (const id of ["cpu", "memory", "full", "network", "disks", "messages", "sockets", "duet_cpu"])
            await until(() => ann.evaluate(points, id), `${id} has a line`);
        assert.match(await ann.textContent("#chart-duet_memory .legend"), /resident\d/, "of who started it");
        assert.match(await ann.getAttribute("#chart-cpu svg", "aria-label"), /CPU over 5 minutes: now \d+ %/);
        await suitsEverybody(ann);
    });

    test("a limit is everybody's, and so is its alert", async () => {
        const { ann, ben, fox } = all;
        await ben.fill("#chart-memory input", "0");
        await ben.press("#chart-memory input", "Enter");
        const above = () => document.querySelector("#chart-memory").classList.contains("over");
        await Promise.all([ann, ben, fox].map(page => until(() => page.evaluate(above), "it is an alert")));
        assert.equal(await ann.inputValue("#chart-memory input"), "0");
        const said = (await ann.evaluate(alerts)).filter(line => /Memory is above 0 %/.test(line));
        assert.equal(said.length, 1);
        for (const list of [await ben.evaluate(alerts), await fox.evaluate(alerts)])
            assert.ok(list.includes(said[0]), `at the same second: ${list}`);
        assert.match(await ann.title(), /^\(\d\)/);
    });

    test("after a cut each second is there, once", async () => {
        const { ann, ben, fox, network } = all;
        await Promise.all([ann, ben, fox].map(page => page.evaluate(openTable)));
        await until(async () => (await ann.evaluate(seconds)).length >= 4, "some seconds");
        network.down();
        for (const page of [ben, fox])
            await until(async () => await page.evaluate(state) !== "live", "it is seen");
        const [before] = await ann.evaluate(seconds);
        await until(async () => (await ann.evaluate(seconds))[0] >= before + 3, "seconds that only ann sees");
        network.up();
        const last = before + 4;
        for (const page of [ann, ben, fox])
            await until(async () => (await page.evaluate(seconds))[0] >= last, "they come");
        for (const page of [ann, ben, fox])
            assertWhole(await page.evaluate(seconds));
        const missed = list => list.filter(at => at > before - 3 && at <= last);
        const whole = missed(await ann.evaluate(seconds));
        assert.equal(whole.length, last - before + 3);
        assert.deepEqual(missed(await ben.evaluate(seconds)), whole);
        assert.deepEqual(missed(await fox.evaluate(seconds)), whole);
        assert.deepEqual(all.complaints(), []);
    });

    test("what an agent measures while it is cut off comes later", async () => {
        const { browser, demo, network } = all;
        const far = await startProgram("env", [`DUET_URL=${network.wsUrl}`, `DUET_API=${demo.url}`, agent, "far"], null,
                                       () => true);
        const { page, close } = await openWindow(browser, `${demo.url}/apps/monitor/?machine=far`);
        try {
            await page.evaluate(openTable);
            await until(async () => (await page.evaluate(seconds)).length >= 2, "it speaks");
            network.down();
            const [before] = await page.evaluate(seconds);
            await until(() => Date.now() / 1000 > before + 3, "it measures alone");
            network.up();
            await until(async () => (await page.evaluate(seconds))[0] >= before + 4, "it is back");
            assertWhole(await page.evaluate(seconds));
            assert.equal(await page.evaluate(breaks, "cpu"), 1, "one line without a gap");
        } finally {
            await close();
            await far.stop();
        }
    });

    test("a day is there on opening", async () => {
        const { browser, demo } = all;
        const now = Math.floor(Date.now() / 60000) * 60;
        const day = Array.from({ length: 1440 }, (_, i) => minuteOf(now - (1440 - i) * 60, i));
        const publish = kind => data => ({ publish: { channel: `monitor:past.${kind}`, data } });
        await api(demo, day.slice(0, 720).map(publish("minute")));
        await api(demo, day.slice(720).map(publish("minute")));
        const busy = i => ({ ...day[900], cpu: 95, at: now - 8 + i });
        await api(demo, [0, 1, 2, 3, 2, 3, 4, 5, 6, 7, 8, 8].map(i => publish("second")(busy(i))));
        const { page, complaints, close } = await openWindow(browser, `${demo.url}/apps/monitor/?machine=past`);
        await live(page);
        await until(() => page.evaluate(points, "cpu").then(count => count === 9), "nine seconds, some said twice");
        await page.check("input[value=minute]");
        await until(() => page.evaluate(points, "cpu").then(count => count === 1440), "1440 minutes");
        assert.equal(await page.evaluate(breaks, "cpu"), 1);
        assert.match(await page.getAttribute("#chart-cpu svg", "aria-label"), /over 24 hours: now 95 %, at most 8\d %/);
        assert.match((await page.evaluate(alerts)).join(), /CPU is above 90 %/, "and what was above its limit");
        await shot(page, "monitor");
        assert.deepEqual(complaints, []);
        await close();
    });
});
