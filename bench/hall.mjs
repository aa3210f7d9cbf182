/* SPDX-License-Identifier: MIT */
/*
 * The virtual event before a crowd: `node bench/hall.mjs 5000 20` lets so many participants sit in it for 20 s, each
 * with two connections, reacting once in five seconds and answering a poll, and looks at the host's page meanwhile: how
 * many frames it draws a second, and what the server and the backend take. Server and backend have one core, the crowd
 * the other; the browser has both.
 */
import { execFileSync, spawn } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { launch, openWindow } from "../tests/e2e/tools/browser.mjs";
import { backend, startDemo, until } from "../tests/apps/tools.mjs";

const [count, seconds] = process.argv.slice(2).map(Number);
const HERTZ = 100;

const pin = (pid, core) => execFileSync("taskset", ["-acp", core, pid]);
const stat = pid => readFileSync(`/proc/${pid}/stat`, "utf8").replace(/^.*\) /, "").split(" ");
const cpu = pid => (Number(stat(pid)[11]) + Number(stat(pid)[12])) / HERTZ;
const memory = pid => Math.round(Number(stat(pid)[21]) * 4096 / 1e6);
const childOf = (parent, name) => readdirSync("/proc").filter(one => /^\d+$/.test(one)).map(Number).find(pid => {
    try {
        return stat(pid)[1] === String(parent) && readFileSync(`/proc/${pid}/comm`, "utf8").trim() === name;
    } catch {
        return false;
    }
});

const demo = await startDemo();
await backend(demo, "event");
const hall = childOf(demo.child.pid, "event");
[demo.child.pid, hall].forEach(pid => pin(pid, "0"));
const program = fileURLToPath(new URL("../tests/apps/crowd.mjs", import.meta.url));
const crowd = spawn("taskset", ["-c", "1", process.execPath, program, demo.wsUrl, count, 600],
                    { stdio: ["ignore", "pipe", "inherit"] });
let said = "";
crowd.stdout.setEncoding("utf8").on("data", text => { said += text; });
try {
    const browser = await launch();
    const { page } = await openWindow(browser, `${demo.url}/apps/event/?host`);
    await until(() => said.includes("are in"), "the crowd is in", 120000);
    await page.locator("#next", { hasText: "Begin" }).click();
    await page.locator("#next", { hasText: "Next" }).click();
    await page.locator("#options label").first().waitFor();
    await page.waitForTimeout(5000);
    const before = [demo.child.pid, hall].map(cpu);
    said = "";
    const frames = await page.evaluate(ms => new Promise(done => {
        const gaps = [];
        const end = performance.now() + ms;
        let last = performance.now();
        const frame = now => {
            gaps.push(now - last);
            last = now;
            if (now < end)
                requestAnimationFrame(frame);
            else
                done(gaps.slice(1));
        };
        requestAnimationFrame(frame);
    }), seconds * 1000);
    const took = [demo.child.pid, hall].map((pid, i) => Math.round(100 * (cpu(pid) - before[i]) / seconds));
    const came = said.match(/\d+(?= messages)/g).map(Number);
    frames.sort((a, b) => a - b);
    console.log({
        people: await page.locator("#people").textContent(),
        votes: await page.locator("#verdict").textContent(),
        framesPerSecond: Math.round(10 * frames.length / seconds) / 10,
        gapMs: { half: frames[frames.length >> 1], most99: frames[Math.floor(frames.length * 0.99)],
                 most: frames.at(-1) },
        deliveriesPerSecond: Math.round(came.reduce((a, b) => a + b, 0) / came.length),
        server: `${took[0]} % of a core, ${memory(demo.child.pid)} MB`,
        backend: `${took[1]} % of a core, ${memory(hall)} MB`,
    });
    await browser.close();
} finally {
    crowd.kill();
    await demo.stop();
}
