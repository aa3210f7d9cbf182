/* SPDX-License-Identifier: MIT */
/*
 * The arena as a player knows it (examples/game.h has the messages). The own ship is foreseen: each step moves it here
 * at once, as the server will, and what the server then says is taken as the truth, with the steps it has not seen done
 * again on top. All other things are shown a little late, between two places where they have been.
 *
 * Places are on a torus: 16 bits that wrap round. Nothing here knows of a page or a network.
 */
import { hex, unhex } from "../../wire.js";

export const STEP_MS = 1000 / 30;
const [JOIN, INPUT] = [1, 2];
const [WELCOME, STATE, SCORES] = [1, 2, 3];
const [FIRST_GEM, FIRST_BOLT] = [1024, 1536];
const SPEED = 160;
const LATE_STEPS = 2.5;     /* behind the newest state, so that there is nearly always one before and one after */
const JUMP = 2500;          /* no ship flies so far in a step: it was hit and put elsewhere */

/* How far it is from one to the other the short way round. */
export const apart = (from, to) => (to - from) << 16 >> 16;

/* What the server does (step() in examples/game.c), number for number. */
export function step(ship, { right, down }) {
    const vx = Math.trunc((ship.vx * 3 + Math.trunc(right * SPEED / 127)) / 4);
    const vy = Math.trunc((ship.vy * 3 + Math.trunc(down * SPEED / 127)) / 4);
    return { x: ship.x + vx & 0xffff, y: ship.y + vy & 0xffff, vx, vy };
}

export class World {
    id = -1;
    own = { x: 32768, y: 32768, vx: 0, vy: 0 };
    before = this.own;          /* a step ago */
    pending = [];               /* steps that no state has had in it yet */
    number = 0;
    tick = 0;
    points = 0;
    things = new Map();         /* by number: { at: [{ tick, x, y }, ...] the oldest first, right, down } */
    names = new Map();
    scores = { players: 0, late: 0, lines: [] };
    counts = { states: 0, corrected: 0, jumps: 0 };
    answers = [];               /* ms from a step to the state that had it */
    #base = Infinity;           /* when tick 0 would have come, had its way been short */

    /* The first message of a connection. `token` is "" or what `token` was before. */
    static join(token, name) {
        const bytes = new Uint8Array(33);
        bytes[0] = JOIN;
        bytes.set(unhex(token), 1);
        new TextEncoder().encodeInto(name, bytes.subarray(17));
        return bytes;
    }

    /* One step of the own ship. Returns the message that says so. */
    steer(right, down, fires, now) {
        const input = { number: ++this.number, right, down, sent: now };
        this.pending = [...this.pending.slice(-59), input];
        [this.before, this.own] = [this.own, step(this.own, input)];
        const view = new DataView(new ArrayBuffer(12));
        view.setUint8(0, INPUT);
        view.setUint8(1, fires);
        view.setInt8(2, right);
        view.setInt8(3, down);
        view.setUint32(4, input.number, true);
        view.setUint32(8, this.tick, true);
        return view.buffer;
    }

    take(buffer, now) {
        const view = new DataView(buffer);
        const kind = view.getUint8(0);
        if (kind === WELCOME)
            this.#welcome(view);
        else if (kind === STATE)
            this.#state(view, now);
        else if (kind === SCORES)
            this.#scores(view);
        return { welcome: kind === WELCOME, scores: kind === SCORES };
    }

    #welcome(view) {
        this.id = view.getUint16(2, true);
        this.number = view.getUint32(4, true);
        this.token = hex(new Uint8Array(view.buffer, 8, 16), "");
        this.pending = [];
        this.things.clear();
        this.#base = Infinity;
        this.fresh = true;      /* where the own ship is comes with the next state */
    }

    #state(view, now) {
        const [names, things] = [view.getUint8(1), view.getUint16(2, true)];
        this.tick = view.getUint32(4, true);
        this.#reconcile(view, now);
        this.counts.states++;
        /* Later states say how late they are themselves; the clocks may drift, so it is not kept for ever. */
        const base = now - this.tick * STEP_MS;
        this.#base = base < this.#base ? base : this.#base + (base - this.#base) * 0.01;
        this.points = view.getUint16(20, true);
        let at = 24;
        for (let i = 0; i < things; i++, at += 8)
            this.#thing(view.getUint16(at, true), { tick: this.tick, x: view.getUint16(at + 2, true),
                                                    y: view.getUint16(at + 4, true) },
                        view.getInt8(at + 6), view.getInt8(at + 7));
        for (let i = 0; i < names; i++, at += 18)
            this.names.set(view.getUint16(at, true), this.#text(view, at + 2));
    }

    #text(view, at) {
        return new TextDecoder().decode(new Uint8Array(view.buffer, at, 16)).replace(/\0.*/s, "");
    }

    /* The server's word, and on top of it what it has not seen yet. */
    #reconcile(view, now) {
        const number = view.getUint32(8, true);
        const foreseen = this.own;
        const answered = this.pending.find(input => input.number === number);
        if (answered)
            this.answers = [...this.answers.slice(-89), now - answered.sent];
        this.pending = this.pending.filter(input => input.number > number);
        this.own = { x: view.getUint16(12, true), y: view.getUint16(14, true),
                     vx: view.getInt16(16, true), vy: view.getInt16(18, true) };
        for (const input of this.pending)
            this.own = step(this.own, input);
        const [x, y] = [apart(foreseen.x, this.own.x), apart(foreseen.y, this.own.y)];
        if (this.fresh || Math.hypot(x, y) > JUMP)
            this.before = this.own;
        else
            this.before = { ...this.before, x: this.before.x + x & 0xffff, y: this.before.y + y & 0xffff };
        if (!this.fresh && (x || y))
            this.counts[Math.hypot(x, y) > JUMP ? "jumps" : "corrected"]++;
        this.fresh = false;
    }

    #thing(id, place, right, down) {
        const last = this.things.get(id)?.at.at(-1);
        const jumped = last && (Math.abs(apart(last.x, place.x)) > JUMP || Math.abs(apart(last.y, place.y)) > JUMP);
        const at = jumped || !last ? [] : this.things.get(id).at.slice(-5);
        this.things.set(id, { at: [...at, place], right, down });
    }

    #scores(view) {
        const lines = [];
        for (let at = 8; at < 8 + view.getUint8(1) * 20; at += 20)
            lines.push({ id: view.getUint16(at, true), points: view.getUint16(at + 2, true),
                         name: this.#text(view, at + 4) });
        this.scores = { players: view.getUint16(2, true), late: view.getUint32(4, true) / 1000, lines };
    }

    /* Where everything but the own ship is shown at `now`. What is in no state any more is forgotten on the way. */
    *shown(now) {
        const tick = (now - this.#base) / STEP_MS - LATE_STEPS;
        for (const [id, { at, right, down }] of this.things) {
            const last = at.at(-1);
            if (last.tick < this.tick && last.tick < tick)
                this.things.delete(id);
            const next = at.findIndex(place => place.tick > tick);
            if (next === 0 || (next < 0 && last.tick < this.tick))
                continue;
            const [a, b] = next < 0 ? [last, last] : [at[next - 1], at[next]];
            const part = next < 0 ? 0 : (tick - a.tick) / (b.tick - a.tick);
            yield { id, right, down, what: id < FIRST_GEM ? "ship" : id < FIRST_BOLT ? "gem" : "bolt",
                    x: a.x + apart(a.x, b.x) * part, y: a.y + apart(a.y, b.y) * part };
        }
    }
}
