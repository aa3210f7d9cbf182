/* SPDX-License-Identifier: MIT */
/*
 * A broadcast: what the recorder gives, in pieces, on stream:ROOM. It only speaks there. Of itself it keeps some
 * seconds; after a cut it looks which of its pieces was the last to arrive, and goes on behind that one. A piece
 * that arrives twice all the same has its number, and who watches drops it.
 *
 * Who watches says so on here:stream.ROOM, where the broadcaster alone listens: a thousand do not hear a thousand.
 */
import { join } from "/duet.js";
import { randomHex } from "/wire.js";
import { now } from "./clock.js";
import { pack, unpack } from "./piece.js";
import { Cutter } from "./webm.js";

const PIECE_MS = 100;
const KEY_MS = 2000;            /* how long who comes late may have to wait for a picture at most */
const KEPT_MS = 10000;          /* older than that nobody waits for */
const GONE_MS = 12000;          /* who watches speaks every five seconds */
const AGAIN_MS = 1000;
const WATCHERS_MOST = 100000;
const SETTINGS = { videoBitsPerSecond: 1_200_000, audioBitsPerSecond: 96_000, videoKeyFrameIntervalDuration: KEY_MS };

export function typeFor(stream) {
    const sound = stream.getAudioTracks().length > 0, picture = stream.getVideoTracks().length > 0;
    const codecs = [picture && "vp8", sound && "opus"].filter(Boolean).join(",");
    return `${picture ? "video" : "audio"}/webm;codecs=${codecs}`;
}

export class Broadcast {
    #cutter = new Cutter();
    #kept = [];                 /* { seq, message, made } */
    #sent = -1;
    #inStep = true;             /* nothing may go out while it is not known what arrived */
    #whole = Promise.resolve(); /* slices are read one after the other */
    #birth = Infinity;          /* when the media began, by the server's clock */
    #watchers = new Map();      /* id: { heard, behind } */

    /* `on` has change(broadcast), error(text) and end(reason). */
    constructor(room, stream, name, on) {
        Object.assign(this, { room, stream, name, on, run: randomHex(8), began: now(), seq: 0, type: typeFor(stream) });
        this.channel = join(`stream:${room}`, { listen: false });
        this.channel.on("welcome", () => this.seq > 0 && this.#resume());
        this.channel.on("error", error => this.#refused(error));
        this.hall = join(`here:stream.${room}`);
        this.hall.on("message", ({ data }) => this.#hear(data));
        this.hall.on("welcome", () => this.#announce());
        this.timer = setInterval(() => this.#count(), 1000);
        this.recorder = new MediaRecorder(stream, { ...SETTINGS, mimeType: this.type });
        this.recorder.ondataavailable = ({ data }) => {
            const came = now();
            this.#whole = this.#whole.then(async () => this.#record(new Uint8Array(await data.arrayBuffer()), came));
        };
        this.leave = () => this.channel.open && this.#bow();
        addEventListener("pagehide", this.leave);
        for (const track of stream.getTracks())
            track.onended = () => this.stop("The browser ended it.");
        this.recorder.start(PIECE_MS);
    }

    get watching() {
        return this.#watchers.size;
    }

    /* What those who watch say, in the middle: ms. */
    get behind() {
        const all = [...this.#watchers.values()].map(({ behind }) => behind).filter(Number.isFinite);
        return all.sort((a, b) => a - b)[all.length >> 1];
    }

    async stop(reason = "") {
        if (!this.recorder)
            return;
        const recorder = this.recorder;
        this.recorder = null;
        clearInterval(this.timer);
        if (recorder.state !== "inactive") {    /* else its tracks have ended, and with them it has */
            const ended = new Promise(done => recorder.addEventListener("stop", done));
            recorder.stop();
            await ended;
        }
        this.stream.getTracks().forEach(track => track.stop());
        await this.#whole;
        removeEventListener("pagehide", this.leave);
        this.#bow();
        this.hall.close();
        setTimeout(() => this.channel.close(), AGAIN_MS);
        this.on.end(reason);
    }

    #bow() {
        this.channel.send({ k: "end", run: this.run, seq: this.seq });
    }

    #record(bytes, came) {
        const pieces = this.#cutter.push(bytes);
        if (pieces.length === 0)
            return;
        /* A frame is in the recorder's hands for a moment: the shortest of these is the truest. */
        this.#birth = Math.min(this.#birth, came - this.#cutter.newest);
        for (const piece of pieces)
            this.#keep(piece);
        this.#flush();
    }

    #keep({ time, key, media }) {
        const { run, began, type, name, watching } = this;
        const head = { run, began, seq: this.seq++, key, type, time, at: this.#birth + time, name, watching };
        this.#kept.push({ seq: head.seq, made: now(), message: pack(head, key ? this.#cutter.init : [], media) });
        while (this.#kept[0].made < now() - KEPT_MS)
            this.#kept.shift();
    }

    #flush() {
        if (this.#inStep && this.channel.open)
            for (const { seq, message } of this.#kept)
                if (seq > this.#sent) {
                    this.channel.send(message);
                    this.#sent = seq;
                }
        this.on.change(this);
    }

    /* The newest piece that is there is the last that arrived. */
    #resume() {
        const look = join(this.channel.channel, { last: 1 });
        this.#inStep = false;
        this.#sent = -1;
        look.on("message", ({ bytes }) => {
            const head = bytes && unpack(bytes)?.head;
            if (head?.run === this.run)
                this.#sent = Math.max(this.#sent, head.seq);
        });
        look.on("state", state => state === "live" && look.close());
        look.on("end", () => {
            this.#inStep = true;
            this.#flush();
        });
    }

    #refused({ message }) {
        this.on.error(`The server does not take it: ${message}.`);
        if (this.#inStep) {
            this.#inStep = false;
            setTimeout(() => this.#resume(), AGAIN_MS);
        }
    }

    /* Who came last has the stage; the other may just be back from a cut, and not know. */
    #announce() {
        this.hall.send({ k: "on air", run: this.run, began: this.began });
    }

    #hear(data) {
        if (data?.k === "on air" && data.began > this.began)
            this.stop("Somebody else is on air here now.");
        else if (data?.k === "on air" && data.began < this.began)
            this.#announce();
        else if (data?.k === "left")
            this.#watchers.delete(data.id);
        else if (data?.k === "watch" && typeof data.id === "string" && data.id.length <= 32
                 && this.#watchers.size < WATCHERS_MOST)
            this.#watchers.set(data.id, { heard: now(), behind: data.behind });
        this.on.change(this);
    }

    #count() {
        for (const [id, { heard }] of this.#watchers)
            if (heard < now() - GONE_MS)
                this.#watchers.delete(id);
        this.on.change(this);
    }
}
