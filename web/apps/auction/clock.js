/* SPDX-License-Identifier: MIT */
/* How far the auctioneer's clock is before ours. */
import { join } from "/duet.js";
import { randomHex } from "/wire.js";

const TRIES = 4;
const MOST_MS = 5000;

/*
 * The time is asked for in a channel of our own, where the publish hook puts it in the place of the question. The
 * answer is taken to be from the middle of its way there and back; the shortest way is the best. Promises ms, or null.
 */
export function readClock() {
    return new Promise(done => {
        const line = join(`auction:clock-${randomHex(8)}`);
        let tries = 0, sent = 0, way = Infinity, ahead = null;
        const ask = () => {
            sent = performance.now();
            line.send({ k: "clock" });
        };
        const end = () => {
            clearTimeout(timer);
            line.close();
            done(ahead);
        };
        const timer = setTimeout(end, MOST_MS);
        line.on("welcome", ask).on("error", end).on("message", ({ data }) => {
            const took = performance.now() - sent;
            if (took < way) {
                way = took;
                ahead = data.now + took / 2 - Date.now();
            }
            if (++tries < TRIES)
                ask();
            else
                end();
        });
    });
}
