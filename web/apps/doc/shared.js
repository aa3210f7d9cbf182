/* SPDX-License-Identifier: MIT */
/*
 * A document of Yjs on the channel doc:NAME, without a word about how it looks. What is published are bytes:
 *
 *     1 author number update     an edit: whose (the clientID of Yjs), his how manieth, and what changed
 *     2 offset epoch update      a snapshot: all that was published up to this offset of this epoch, as one update
 *
 * Numbers are varints, the epoch is a string behind its length. To Yjs it is the same in which order updates come, and
 * whether one comes twice: so all that counts is that none is missing.
 *
 * - What this window changes stays in an outbox until it comes back on the channel, and is sent again after each cut.
 * - A channel keeps so many publications. After every 200, who wrote the last one publishes a snapshot; if he does not, any
 *   other does a little later. Two of them are as good as one. So whoever comes late finds a snapshot among the newest,
 *   and all that came behind its offset.
 * - Whether really all is here is known: the oldest that came was the first ever, or a snapshot reaches up to it.
 */
import { join } from "/duet.js";
import { Doc, applyUpdate, createDecoder, createEncoder, decodeUpdate, encodeStateAsUpdate, mergeUpdates, readTailAsUint8Array,
         readVarString, readVarUint, toUint8Array, writeUint8Array, writeVarString, writeVarUint } from "./yjs.js";

const EDIT = 1;
const SNAPSHOT = 2;
const COMPACT_EACH = 200;
const FEW = 256;            /* the newest, in which a snapshot is found as a rule */
const MOST = 1000;          /* all that a channel keeps */
const GATHER_MS = 80;       /* what changes within it is one edit */
const LATER_MS = 1000;      /* who did not write the last edit waits so long, more or less, for whoever did */
const AGAIN_MS = 2000;
const PASSES = new Set([100, 111]);     /* codes of what may go well a moment later */
const FULL = 400000;        /* bytes; what a publication may have is 1 MiB */

export class Shared {
    doc = new Doc();
    isLoaded = false;       /* what the channel had to begin with is here */
    isWhole = true;         /* nothing is missing before it */
    #tell;
    #changes = [];          /* updates of this window that are no edit yet */
    #outbox = new Map();    /* number: an edit that has not come back */
    #number = 0;            /* of the last edit */
    #sent = 0;              /* the last that this connection has sent */
    #epoch = "";
    #covered = 0;           /* all up to this offset is in the document */
    #first = 0;             /* the oldest offset that this channel brings */
    #newest = 0;
    #base = 0;              /* up to where the newest snapshot reaches */
    #isAsked = false;       /* this connection published a snapshot that has not come back */
    #timers = {};

    /* The listeners: state(state), changed() when isLoaded, isWhole or waits may be others, refused(message). */
    constructor(name, listeners) {
        this.name = name;
        this.#tell = listeners;
        this.doc.on("update", (update, origin) => origin !== this && this.#change(update));
        this.#enter(FEW);
    }

    /* Whether something that was changed here is not known to be on the server. */
    get waits() {
        return this.#changes.length + this.#outbox.size > 0;
    }

    /* More would not fit into a snapshot. */
    get isFull() {
        return encodeStateAsUpdate(this.doc).length > FULL;
    }

    /* What is here is the document from now on, though something of its past is missing. */
    acceptLoss() {
        this.#covered = this.#newest;
        this.#look();
        this.#putTogether();
    }

    close() {
        this.#sendAll();
        Object.values(this.#timers).forEach(clearTimeout);
        this.channel.close();
        this.doc.destroy();
    }

    #enter(last) {
        const channel = join(`doc:${this.name}`, { last });
        this.channel = channel;
        this.#first = this.#base = 0;
        const hear = (what, listener) => channel.on(what, detail => channel === this.channel && listener(detail));
        hear("lost", () => this.#again());
        hear("welcome", item => this.#welcome(item));
        hear("message", item => this.#take(item));
        hear("error", error => this.#refused(error));
        hear("state", state => {
            if (state === "live")
                this.#arrive(last);
            this.#tell.state(this.channel.state);
        });
    }

    /* With all that is kept. What is here stays, it is only added to. */
    #again() {
        const { channel } = this;
        this.#enter(MOST);
        channel.close();
    }

    /* An epoch that we do not know is a server that has forgotten: whoever still has the document brings it along. */
    #welcome({ epoch, offset }) {
        if (this.#epoch && this.#epoch !== epoch) {
            this.#covered = 0;
            this.#changes = [encodeStateAsUpdate(this.doc)];
        }
        this.#epoch = epoch;
        this.#sent = 0;
        this.#isAsked = false;
        if (this.#first === 0)
            [this.#first, this.#newest] = [offset + 1, offset];     /* it says what stands before all that comes */
        this.#sendAll();
    }

    #arrive(last) {
        this.#look();
        if (!this.isWhole && last < MOST) {
            this.#again();
            return;
        }
        this.isLoaded = true;
        this.#tell.changed();
        this.#compactWithin(LATER_MS);
    }

    #take({ bytes, offset, who, missed }) {
        const item = understood(bytes);
        this.#newest = offset;
        if (item.update)
            applyUpdate(this.doc, item.update, this);
        if (item.kind === SNAPSHOT && item.epoch === this.#epoch && item.offset < offset) {
            this.#base = Math.max(this.#base, item.offset);
            this.#covered = Math.max(this.#covered, item.offset);
            this.#isAsked = false;
        } else if (item.author === this.doc.clientID) {
            this.#outbox.delete(item.number);
        }
        this.#look();
        this.#compactWithin(!missed && who?.client === this.channel.client ? 0 : LATER_MS);
    }

    #look() {
        this.isWhole = this.#covered >= this.#first - 1;
        if (this.isWhole)
            this.#covered = Math.max(this.#covered, this.#newest);
        this.#tell.changed();
    }

    /* Of this window. */

    #change(update) {
        this.#changes.push(update);
        if (!this.channel.open && this.#changes.length > 50)
            this.#changes = [mergeUpdates(this.#changes)];
        this.#timers.gather ??= setTimeout(() => this.#sendAll(), GATHER_MS);
        this.#tell.changed();
    }

    /* What changed since the last edit becomes one, and what this connection has not sent is sent. */
    #sendAll() {
        clearTimeout(this.#timers.gather);
        this.#timers.gather = undefined;
        if (!this.channel.open)
            return;
        if (this.#changes.length > 0) {
            this.#number++;
            this.#outbox.set(this.#number, frame(EDIT, encoder => {
                writeVarUint(encoder, this.doc.clientID);
                writeVarUint(encoder, this.#number);
            }, mergeUpdates(this.#changes.splice(0))));
        }
        for (const [number, edit] of this.#outbox)
            if (number > this.#sent) {
                this.#sent = number;
                this.channel.send(edit);
            }
    }

    #refused(error) {
        if (!PASSES.has(error.code)) {
            this.#tell.refused(error.message);
            return;
        }
        this.#isAsked = false;
        this.#sent = 0;
        clearTimeout(this.#timers.again);
        this.#timers.again = setTimeout(() => this.#sendAll(), AGAIN_MS);
    }

    /* Putting together. */

    get #isDue() {
        return this.isWhole && this.#newest - this.#base >= COMPACT_EACH && this.channel.open && !this.#isAsked;
    }

    #compactWithin(ms) {
        if (this.#isDue)
            this.#timers.compact ??= setTimeout(() => {
                this.#timers.compact = undefined;
                if (this.#isDue)
                    this.#putTogether();
            }, ms * (0.5 + Math.random()));
    }

    #putTogether() {
        this.#isAsked = true;
        this.channel.send(frame(SNAPSHOT, encoder => {
            writeVarUint(encoder, this.#covered);
            writeVarString(encoder, this.#epoch);
        }, encodeStateAsUpdate(this.doc)));
    }
}

function frame(kind, head, update) {
    const encoder = createEncoder();
    writeVarUint(encoder, kind);
    head(encoder);
    writeUint8Array(encoder, update);
    return toUint8Array(encoder);
}

/* A member may be any program: what is no update of Yjs is none of ours, and the same to all. */
function understood(bytes) {
    try {
        const decoder = createDecoder(bytes);
        const kind = readVarUint(decoder);
        const item = kind === EDIT ? { kind, author: readVarUint(decoder), number: readVarUint(decoder) }
            : kind === SNAPSHOT ? { kind, offset: readVarUint(decoder), epoch: readVarString(decoder) } : { kind };
        const update = readTailAsUint8Array(decoder);
        if (item.kind !== EDIT && item.kind !== SNAPSHOT)
            return {};
        decodeUpdate(update);       /* throws, before anything of it is in the document */
        return { ...item, update };
    } catch {
        return {};
    }
}
