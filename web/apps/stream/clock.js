/* SPDX-License-Identifier: MIT */
/* The server's clock, so that who sends and who watches speak of the same time: a publication says when it was, and
 * it was halfway between being sent and coming back. Of several the fastest is the truest. */
import { join } from "/duet.js";
import { randomHex } from "/wire.js";

const ROUNDS = 5;
const ANEW_MS = 60000;
let offset = performance.timeOrigin;

export function now() {
    return performance.now() + offset;
}

function measure() {
    const channel = join(`here:clock.${randomHex(8)}`);
    let [best, rounds] = [Infinity, 0];
    const ask = () => channel.send({ sent: performance.now() });
    channel.on("welcome", ask).on("message", ({ time, data }) => {
        const heard = performance.now();
        if (heard - data.sent < best) {
            best = heard - data.sent;
            offset = time - (data.sent + heard) / 2;
        }
        if (++rounds < ROUNDS)
            ask();
        else
            channel.close();
    });
}

measure();
setInterval(measure, ANEW_MS);
