/* SPDX-License-Identifier: MIT */
/*
 * Participants of the virtual event without browsers. In a test, or as a load:
 *
 *     node tests/apps/crowd.mjs ws://127.0.0.1:8080 5000 30     5,000 for 30 s, each reacting once in 5 s
 */
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const WebSocket = createRequire(new URL("../e2e/package.json", import.meta.url))("ws");
const OPENING = 100;     /* at a time */

function open(url, heard) {
    return new Promise((done, failed) => {
        const socket = new WebSocket(url, "duet.v1", { perMessageDeflate: false });
        socket.once("open", () => done(socket)).once("error", failed);
        socket.on("message", heard);
    });
}

/* One of them: { id, heard, state, say(more), leave() }; heard counts what the hall was told. */
async function participant(url, i) {
    const me = { id: (0xc0ffee00 + i).toString(16).padStart(16, "0"), heard: 0, last: null,
                 state: { name: `Guest ${i}`, hand: "", vote: null, claps: [0, 0, 0, 0] } };
    const listen = () => open(`${url}/channel/event%3Ahall?last=1`, data => {
        me.heard++;
        me.last = data;
    });
    const speak = () => open(`${url}/channel/floor%3Ahall?listen=no`, () => {});
    let [hall, floor] = [await listen(), await speak()];
    me.say = (more = {}) => {
        Object.assign(me.state, more);
        floor.send(JSON.stringify({ id: me.id, ...me.state }));
    };
    me.leave = () => {
        hall.terminate();
        floor.terminate();
    };
    me.comeBack = async () => {
        me.leave();
        [hall, floor] = [await listen(), await speak()];
        me.say();
    };
    me.say();
    return me;
}

export async function gather(url, count) {
    const all = [];
    while (all.length < count)
        all.push(...await Promise.all(Array.from({ length: Math.min(OPENING, count - all.length) },
                                                 (_, i) => participant(url, all.length + i))));
    return all;
}

/* Each at its own moment in every five seconds: a reaction, now and then a hand, an answer when there is a question. */
async function load(url, count, seconds) {
    const all = await gather(url, count);
    console.log(`${count} are in`);
    all.forEach((me, i) => setTimeout(() => setInterval(() => {
        const claps = [...me.state.claps];
        claps[i % 4]++;
        const poll = me.last && JSON.parse(me.last).data?.poll;
        me.say({ claps, hand: i % 100 === 0 ? `hand${i}` : "",
                 vote: poll?.open ? { poll: poll.number, option: i % poll.options.length } : null });
    }, 5000), 5000 * i / count));
    let before = 0;
    for (let second = 0; second < seconds; second++) {
        await new Promise(done => setTimeout(done, 1000));
        const heard = all.reduce((sum, me) => sum + me.heard, 0);
        console.log(`${heard - before} messages came`);
        before = heard;
    }
    process.exit();
}

if (process.argv[1] === fileURLToPath(import.meta.url))
    await load(process.argv[2], Number(process.argv[3]), Number(process.argv[4]));
