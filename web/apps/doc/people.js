/* SPDX-License-Identifier: MIT */
/*
 * Who is at a document, and where their cursors are: the awareness of Yjs on a channel of which nothing is kept,
 * here:doc.NAME. Each says its state again every 15 s, and whoever was not heard for 30 s is gone.
 */
import { join } from "/duet.js";
import { tidyName } from "/apps/here.js";
import { Awareness, applyAwarenessUpdate, encodeAwarenessUpdate, removeAwarenessStates } from "./yjs.js";

const GATHER_MS = 60;
const TINTS = 6;

export class People {
    #awareness;
    #timer = 0;

    /* changed() is called when somebody came, went, moved or is called otherwise. */
    constructor(name, doc, myName, changed) {
        this.#awareness = new Awareness(doc);
        this.me = { name: myName, tint: doc.clientID % TINTS, cursor: null };
        this.change({});
        this.channel = join(`here:doc.${name}`);
        this.channel.on("welcome", () => this.change({}));
        this.channel.on("message", ({ bytes }) => this.#hear(bytes));
        this.#awareness.on("update", ({ added }, origin) => {
            if (origin !== this)
                this.#timer ||= setTimeout(() => this.#say(), GATHER_MS);
            else if (added.length > 0)
                this.change({});        /* who comes has not heard of us */
        });
        this.#awareness.on("change", () => {
            this.#differ();
            changed();
        });
        addEventListener("pagehide", () => this.#leave());
    }

    /* [{ id, isMe, name, tint, cursor }] */
    get list() {
        return [...this.#awareness.getStates()].filter(([, state]) => state).map(([id, state]) => ({
            id, isMe: id === this.#awareness.clientID, name: tidyName(state.name ?? "") || "nameless",
            tint: Math.abs(Math.trunc(Number(state.tint) || 0)) % TINTS, cursor: state.cursor,
        }));
    }

    change(more) {
        Object.assign(this.me, more);
        this.#awareness.setLocalState({ ...this.me });
    }

    /* Of two in one colour the one with the larger number takes another, while there are any. */
    #differ() {
        const { clientID } = this.#awareness;
        const taken = this.list.filter(({ id }) => id < clientID).map(({ tint }) => tint);
        const free = [...Array(TINTS).keys()].find(tint => !taken.includes(tint));
        if (taken.includes(this.me.tint) && free !== undefined)
            this.change({ tint: free });
    }

    #leave() {
        removeAwarenessStates(this.#awareness, [this.#awareness.clientID], "gone");
        this.#say();
    }

    #say() {
        clearTimeout(this.#timer);
        this.#timer = 0;
        if (this.channel.open)
            this.channel.send(encodeAwarenessUpdate(this.#awareness, [this.#awareness.clientID]));
    }

    #hear(bytes) {
        try {
            applyAwarenessUpdate(this.#awareness, bytes, this);
        } catch {
            /* A member may be any program; what is none of awareness is passed over. */
        }
    }
}
