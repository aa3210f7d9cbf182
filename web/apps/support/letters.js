/* SPDX-License-Identifier: MIT */
/*
 * A channel on which nothing that is said gets lost or comes twice: each letter has an id, waits until it has come
 * back, and is sent again after a cut; one that was here is dropped.
 *
 *     const letters = new Letters(join("support:...", { last: 500 }), (letter, time, who) => ...);
 *     letters.say({ text: "Hello" });
 *     letters.waiting    // those that have not come back
 */
import { randomHex } from "/wire.js";

export class Letters {
    #seen = new Set();
    #waiting = new Map();

    constructor(channel, take, changed = () => {}) {
        this.channel = channel;
        this.changed = changed;
        channel.on("message", ({ data, time, who }) => {
            if (typeof data?.id !== "string" || this.#seen.has(data.id))
                return;
            this.#seen.add(data.id);
            this.#waiting.delete(data.id);
            take(data, time, who);
            changed();
        });
        channel.on("state", state => {
            if (state === "live")
                for (const letter of this.#waiting.values())
                    channel.send(letter);
            changed();
        });
    }

    say(what) {
        const letter = { ...what, id: randomHex(8) };
        this.#waiting.set(letter.id, letter);
        if (this.channel.state === "live")
            this.channel.send(letter);
        this.changed();
        return letter.id;
    }

    get waiting() {
        return [...this.#waiting.values()];
    }
}
