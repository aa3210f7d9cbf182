/* SPDX-License-Identifier: MIT */
/* The virtual event: slides in step, reactions and votes that count once, hands, a quiz; and a crowd. */
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { describe, test } from "node:test";
import { join } from "../../web/duet.js";
import { gather } from "./crowd.mjs";
import { WebSocket, backend, cast, live, openWindow, shot, startDemo, suitsEverybody, until } from "./tools.mjs";

const CROWD = 200;

/* What the hall was told last. */
function listener(t, url) {
    const channel = join("event:hall", { url, WebSocket, last: 1 });
    const me = { hall: null, heard: 0 };
    channel.on("message", ({ data }) => {
        me.hall = data;
        me.heard++;
    });
    t.after(() => channel.close());
    return me;
}

const sum = numbers => numbers.reduce((a, b) => a + b, 0);
const titled = (page, title) => page.locator("#title", { hasText: title }).waitFor();
const foxSees = (fox, id, text) => fox.until(([one, words]) => document.getElementById(one).textContent.includes(words),
                                             [id, text], `${id}: ${text}`);

describe("event", { timeout: 120000, concurrency: 2 }, () => {
    test("all are in step, and what they did in a cut counts once", async t => {
        const { demo, browser, network, ann, ben, fox, complaints, close } = await cast("/apps/event/");
        t.after(close);
        const hall = listener(t, demo.wsUrl);
        const { page: host, complaints: grudges } = await openWindow(browser, `${demo.url}/apps/event/?host`);
        await Promise.all([live(ann), live(ben), live(host)]);
        await host.locator("#next", { hasText: "Begin" }).click();
        await Promise.all([titled(ann, "Two voices"), titled(ben, "Two voices"), foxSees(fox, "title", "Two voices")]);
        await host.locator("#next", { hasText: "Next" }).click();
        await ann.fill("#name", "Ann");
        await ann.check("#options label:nth-child(1) input");
        await ben.check("#options label:nth-child(2) input");
        await fox.until(() => document.querySelector("#options input"));
        await fox.evaluate(() => document.querySelectorAll("#options input")[2].click());
        await until(() => String(hall.hall.poll.votes) === "1,1,1,0", "the three votes");
        const claps = (page, i, times) => page.evaluate(([at, count]) => {
            for (let n = 0; n < count; n++)
                document.querySelectorAll("#claps button")[at].click();
        }, [i, times]);
        await claps(ann, 0, 3);
        await claps(ben, 1, 2);
        await until(() => String(hall.hall.claps) === "3,2,0,0", "five reactions");
        await shot(host, "event");
        /* Cut off, they go on: the last word counts. */
        await claps(ben, 1, 5);
        network.down();
        await ben.locator("#state:not([data-state=live])").waitFor();
        await claps(ben, 1, 4);
        await fox.evaluate(() => {
            document.querySelectorAll("#options input")[3].click();
            document.querySelectorAll("#claps button")[3].click();
        });
        await ben.click("#hand");
        await claps(ann, 0, 1);
        network.up();
        await live(ben);
        await until(() => String(hall.hall.claps) === "4,11,0,1" && String(hall.hall.poll.votes) === "1,1,0,1",
                    "each counts once", 20000);
        await host.locator("#hands li").getByRole("button").click();
        await ben.locator("#hand[aria-pressed=false]").waitFor();
        await until(() => hall.hall.raised === 0 && hall.hall.people === 4, "the hand is down");
        /* A reload is the same seat. */
        await ben.reload();
        await titled(ben, "Where do you");
        assert.equal(await ben.locator("#options label:nth-child(2) input").isChecked(), true);
        assert.deepEqual([hall.hall.people, sum(hall.hall.poll.votes), sum(hall.hall.claps)], [4, 3, 16]);
        /* The quiz: the first answer stays, nobody sees the others'. */
        await host.click("#next");
        await Promise.all([titled(ann, "One quest"), titled(ben, "One quest"), foxSees(fox, "title", "One quest")]);
        await host.click("#next");
        await titled(ann, "Quiz");
        await until(() => hall.hall.poll?.quiz, "the quiz is put");
        assert.equal(hall.hall.poll.right, undefined);
        await ann.check("#options label:nth-child(2) input");
        await ben.check("#options label:nth-child(1) input");
        await until(() => sum(hall.hall.poll.votes) === 2, "two answers");
        assert.equal(await ann.locator("#options label:nth-child(2) b").textContent(), "");
        await host.click("#close");
        await ann.locator("#verdict", { hasText: "right!" }).waitFor();
        await ben.locator("#verdict", { hasText: "not this time" }).waitFor();
        await host.locator("#best li", { hasText: "Ann" }).waitFor();
        await until(() => hall.hall.best.length > 0, "the best are told");
        assert.ok(hall.hall.best[0].points > 500 && hall.hall.best[0].points <= 1000 && hall.hall.best.length === 1);
        assert.deepEqual([...complaints(), ...grudges], []);
        for (const page of [ann, host]) {
            await suitsEverybody(page);
        }
    });

    test(`${CROWD} speak, and everybody hears a few words a second; an end of the backend loses no vote`, async t => {
        const demo = await startDemo();
        t.after(() => demo.stop());
        await backend(demo, "event");
        const hall = listener(t, demo.wsUrl);
        await until(() => hall.hall, "the backend listens");
        const all = await gather(demo.wsUrl, CROWD);
        t.after(() => all.forEach(me => me.leave()));
        await until(() => hall.hall?.people === CROWD, "all are counted");
        const floor = join("floor:hall", { url: demo.wsUrl, WebSocket, listen: false });
        t.after(() => floor.close());
        floor.send({ do: "show", at: 1, of: 1, slide: { title: "One", lines: [] },
                     ask: { question: "?", options: ["a", "b"] } });
        await until(() => hall.hall.poll?.open, "the question is put");
        const { number } = hall.hall.poll;
        const [began, heard] = [Date.now(), hall.heard];
        for (let round = 1; round <= 10; round++)
            all.forEach((me, i) => {
                me.say({ vote: { poll: number, option: (i + round) % 2 }, claps: [round, 0, 2 * round, 0],
                         hand: i < 30 ? `hand ${i}` : "" });
                me.say();       /* it comes twice */
            });
        await Promise.all(all.slice(0, 50).map(me => me.comeBack()));
        const done = ({ poll, claps, raised }) => `${poll.votes} ${claps} ${raised}`;
        const wanted = `${CROWD / 2},${CROWD / 2} ${10 * CROWD},0,${20 * CROWD},0 30`;
        await until(() => done(hall.hall) === wanted, `all is counted once: ${wanted}`, 20000);
        assert.ok(hall.heard - heard <= 2 + (Date.now() - began) / 250, "four words a second");
        assert.ok(hall.hall.hands.length === 12 && JSON.stringify(hall.hall).length < 2000);
        /* What is no participant's word changes nothing; more claps than hands can do are not believed. */
        for (const wrong of [{ id: "x", claps: [9] }, { id: "g".repeat(16) }, { id: 7 }, [], "text", null,
                             { id: "00000000000000aa", vote: { poll: number, option: 2 } },
                             { id: "00000000000000aa", vote: { poll: number - 1, option: 0 } },
                             { id: "00000000000000aa", claps: [-5, "x", null, 1e9] }, { do: "nothing" }])
            floor.send(wrong);
        await until(() => hall.hall.people === CROWD + 1, "one more came");
        await until(() => done(hall.hall) === wanted.replace("00,0,4000,0 ", "00,0,4000,50 "), "but for fifty claps");
        /* Another backend: the slide stands, and the pages say their state again. */
        const { run } = hall.hall;
        kill(demo.child.pid, "event");
        await until(() => hall.hall.run !== run, "another is there", 20000);
        all.forEach(me => me.say());
        await until(() => hall.hall.people === CROWD, "all are counted again");
        assert.deepEqual([hall.hall.slide.title, hall.hall.poll.number, String(hall.hall.poll.votes), hall.hall.raised],
                         ["One", number, `${CROWD / 2},${CROWD / 2}`, 30]);
        assert.equal(sum(hall.hall.claps), 0);
    });
});

function kill(server, name) {
    const read = path => { try { return readFileSync(path, "utf8"); } catch { return ""; } };
    const pid = readdirSync("/proc").find(one => /^\d+$/.test(one) && read(`/proc/${one}/comm`).trim() === name
        && read(`/proc/${one}/stat`).replace(/^.*\) /, "").split(" ")[1] === String(server));
    process.kill(Number(pid), "SIGKILL");
}
