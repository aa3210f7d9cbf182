/* SPDX-License-Identifier: MIT */
/*
 * The order books as the ticker tells them (examples/ticker.c has the wire): levels by price, offers above 0, bids
 * below. Nothing here knows of a page or a network.
 */
const [DELTAS, IMAGES, CHECK] = [1, 2, 3];
const [HEAD, RECORD] = [24, 8];

export class Books {
    constructor() {
        this.names = [];
        this.counts = { begins: 0, changes: 0, together: 0, equal: 0, unequal: 0, gaps: 0 };
        this.begin();
    }

    /* A connection begins: what is known is worth nothing until the images have come. */
    begin() {
        this.counts.begins++;
        this.levels = [];       /* for each book a Map of price to quantity */
        this.number = 0;        /* the last batch */
        this.sum = null;        /* the last that was equal to the server's */
        this.changed = new Set();
    }

    /* One binary message: when it was made, in ms since 1970 by the server's clock, whether it was a check, and whether
     * all is right: no batch is missing, and what was checked is equal. If not, only a fresh start helps. */
    take(buffer) {
        const view = new DataView(buffer);
        const [kind, count, number] = [view.getUint8(0), view.getUint16(2, true), view.getUint32(4, true)];
        const [extra, made] = [view.getUint32(8, true), Number(view.getBigUint64(16, true)) / 1000];
        if (kind === CHECK)
            return { made, checked: true, right: this.#check(number, extra) };
        return { made, checked: false, right: this.#apply(view, kind, count, number, extra) };
    }

    #apply(view, kind, count, number, extra) {
        const emptied = new Set();
        if (kind === DELTAS && number !== this.number + 1) {
            this.counts.gaps++;
            return false;
        }
        this.number = number;
        for (let at = HEAD; at < HEAD + count * RECORD; at += RECORD) {
            const [book, quantity] = [view.getUint8(at), view.getInt16(at + 2, true)];
            const price = view.getInt32(at + 4, true);
            if (kind === IMAGES && !emptied.has(book)) {
                emptied.add(book);
                this.levels[book] = new Map();
            }
            if (quantity === 0)
                this.levels[book].delete(price);
            else
                this.levels[book].set(price, quantity);
            this.changed.add(book);
        }
        this.counts.changes += kind === DELTAS ? count : extra;
        this.counts.together += extra;
        return true;
    }

    /* FNV-1a over every level of every book, as the server has it. */
    #check(number, theirs) {
        let sum = 2166136261;
        for (let book = 0; book < this.levels.length; book++)
            for (const [price, quantity] of this.ladder(book).reverse())
                sum = Math.imul(Math.imul(sum ^ price, 16777619) ^ quantity, 16777619);
        this.sum = sum >>> 0;
        const equal = number === this.number && this.sum === theirs;
        this.counts[equal ? "equal" : "unequal"]++;
        return equal;
    }

    /* [price, quantity] of each level, the dearest first. */
    ladder(book) {
        return [...this.levels[book]].sort((a, b) => b[0] - a[0]);
    }

    /* The cheapest offer in cents, and which part of all that is wanted or offered is wanted: 0 to 1. */
    top(book) {
        let [ask, bids, all] = [Infinity, 0, 0];
        for (const [price, quantity] of this.levels[book]) {
            if (quantity > 0)
                ask = Math.min(ask, price);
            else
                bids -= quantity;
            all += Math.abs(quantity);
        }
        return { ask, wanted: bids / all };
    }
}
