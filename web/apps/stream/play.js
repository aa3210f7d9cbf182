/* SPDX-License-Identifier: MIT */
/*
 * A broadcast, watched: pieces of stream:ROOM in the order of their numbers, into the browser's player. Who comes
 * late gets the newest pieces, which go back behind a key frame, and is at the live edge at once. After a cut what
 * was missed comes first. A number that was there is dropped; where one is missing, the next key frame is what goes
 * on.
 */
import { join } from "/duet.js";
import { randomHex } from "/wire.js";
import { now } from "./clock.js";
import { unpack } from "./piece.js";

const LATE = 40;                /* pieces: more than there are from one key frame to the next */
const EDGE_S = 0.35;            /* how far from the end of what has come one plays */
const HURRY_S = 0.7;            /* further than that: a little faster */
const JUMP_S = 3;               /* further than that: not at all until there */
const BEHIND_S = 20;            /* what was played and is kept */
const SILENT_MS = 4000;
const SAY_MS = 5000;
const Source = globalThis.ManagedMediaSource ?? globalThis.MediaSource;

export class Player {
    #queue = [];
    #buffer = null;
    #source = null;
    #next = -1;                 /* the number that comes next; -1: only a key frame can */
    #shift = 0;                 /* from the media's time to the server's clock */
    #heard = 0;
    #id = randomHex(8);

    /* change(player) is called often: how things stand is in state, head, counts and behind.
     * From `first` on, all that was not lost was played. */
    constructor(video, room, change) {
        Object.assign(this, { video, change, state: "nothing", head: null });
        this.counts = { played: 0, lost: 0, doubled: 0 };
        this.channel = join(`stream:${room}`, { last: LATE });
        this.channel.on("message", ({ bytes, data, time }) =>
            bytes ? this.#take(unpack(bytes), time) : this.#end(data));
        this.hall = join(`here:stream.${room}`, { listen: false });
        this.hall.on("welcome", () => this.#say());
        video.onerror = () => this.#drop();     /* what came was no media: the next key frame begins afresh */
        this.timers = [setInterval(() => this.#keepUp(), 100), setInterval(() => this.#say(), SAY_MS)];
        this.leave = () => this.hall.open && this.hall.send({ k: "left", id: this.#id });
        addEventListener("pagehide", this.leave);
    }

    close() {
        this.leave();
        removeEventListener("pagehide", this.leave);
        this.timers.forEach(clearInterval);
        this.channel.close();
        this.hall.close();
        this.video.onerror = null;
        this.#drop();
    }

    /* ms from the camera to this screen, or null: nothing plays. */
    get behind() {
        const plays = this.state === "playing" && !this.video.paused && this.video.readyState > 2;
        return plays ? now() - this.#shift - this.video.currentTime * 1000 : null;
    }

    #become(state) {
        this.state = state;
        this.change(this);
    }

    #take(piece, time) {
        const isOld = piece && this.state === "playing" && piece.head.run !== this.head.run
            && piece.head.began <= this.head.began;
        if (!piece || isOld)
            return;
        const { head, init, media } = piece;
        const isNew = head.run !== this.head?.run || !this.#source;
        if (!isNew && head.seq <= this.head.seq) {
            this.counts.doubled++;
            return;
        }
        if (isNew && !head.key)
            return;
        if (isNew)
            this.#open(head);
        else
            this.counts.lost += head.seq - this.head.seq - 1;
        if (this.#next !== head.seq)
            this.#next = -1;
        this.head = head;
        this.#heard = time;
        if (this.#next >= 0 || head.key)
            this.#play(head, isNew ? [init, media] : [media]);
    }

    #play(head, parts) {
        this.#next = head.seq + 1;
        this.#shift = head.at - head.time;
        this.counts.played++;
        this.counts.first ??= head.seq;
        this.#queue.push(...parts);
        this.#feed();
        if (this.state !== "cannot")
            this.#become("playing");
    }

    #end(data) {
        if (this.head && data?.k === "end" && data.run === this.head.run) {
            this.counts.lost += Math.max(0, data.seq - this.head.seq - 1);
            this.#become("ended");
        }
    }

    #open(head) {
        const { type } = this.head = head;
        this.#drop();
        this.counts = { played: 0, lost: 0, doubled: 0 };
        if (!Source?.isTypeSupported(type)) {
            this.#become("cannot");
            return;
        }
        const source = this.#source = new Source();
        this.video.disableRemotePlayback = true;
        this.video.src = URL.createObjectURL(source);
        source.addEventListener("sourceopen", () => {
            if (source !== this.#source)
                return;
            URL.revokeObjectURL(this.video.src);
            this.#buffer = source.addSourceBuffer(type);
            this.#buffer.addEventListener("updateend", () => this.#feed());
            this.#feed();
        }, { once: true });
    }

    #drop() {
        this.#queue = [];
        this.#source = this.#buffer = null;
        this.#next = -1;
        if (this.video.src) {
            this.video.removeAttribute("src");
            this.video.load();
        }
    }

    #feed() {
        const buffer = this.#buffer;
        if (!buffer || buffer.updating || this.#source.readyState !== "open")
            return;
        const old = this.video.currentTime - BEHIND_S;
        if (buffer.buffered.length > 0 && buffer.buffered.start(0) < old - BEHIND_S)
            buffer.remove(0, old);
        else if (this.#queue.length > 0)
            buffer.appendBuffer(this.#queue.shift());
    }

    /* Near the end of what has come, over every gap, and without a jump where a little haste is enough. */
    #keepUp() {
        const { video } = this;
        const ranges = this.#buffer?.buffered;
        if (this.state === "playing" && now() - this.#heard > SILENT_MS)
            this.#become("silent");
        if (ranges?.length > 0) {
            const [start, end] = [ranges.start(ranges.length - 1), ranges.end(ranges.length - 1)];
            const late = end - video.currentTime;
            if (!video.seeking && (video.currentTime < start || late > JUMP_S))     /* a jump may take a while */
                video.currentTime = Math.max(start, end - EDGE_S);
            video.playbackRate = late > HURRY_S ? 1.1 : late < EDGE_S ? 1 : video.playbackRate;
            if (video.paused && this.state === "playing")
                video.play().catch(() => {});   /* with sound a browser wants to be asked by a hand */
        }
        this.change(this);
    }

    #say() {
        if (this.hall.open)
            this.hall.send({ k: "watch", id: this.#id, behind: this.behind });
    }
}
