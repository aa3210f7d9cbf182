/* SPDX-License-Identifier: MIT */
/*
 * A recording cut so that one may begin in the middle of it. A recorder gives bytes as they come: a head (what the
 * tracks are), then clusters of blocks, of which a block is a frame of the picture or a bit of the sound, and its
 * time is reckoned from its cluster's. Where a recorder begins a cluster is its own affair, and its slices end
 * anywhere. So the blocks are put into clusters of our own, one from each key frame to the next: whoever has the
 * head may begin with any. A piece is what a slice brought: the beginning of a cluster, or more of one, whose
 * length is left open.
 *
 * Each block says how long it lasts, or a player would have to guess it of the last one in a piece. Firefox then now
 * and then takes the next for a gap, and drops all up to the following key frame. So a frame waits for its next.
 *
 * What is read of EBML (RFC 8794, RFC 9559): an element is its id, its length, and so many bytes.
 */
const [SEGMENT, CLUSTER, TRACKS, TRACK, NUMBER, KIND, TIME, BLOCK, GROUP, BARE, LASTS, LEANS_ON] =
    [0x18538067, 0x1f43b675, 0x1654ae6b, 0xae, 0xd7, 0x83, 0xe7, 0xa3, 0xa0, 0xa1, 0x9b, 0xfb];
const OPEN_CLUSTER = [0x1f, 0x43, 0xb6, 0x75, 0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
const VIDEO = 1;
const KEY_FRAME = 0x80;
const SOUND_MS = 2000;      /* sound alone may be begun anywhere: a cluster each so often */
const CLUSTER_MS = 30000;   /* a block's time has 16 bits with a sign */
const PATIENCE_MS = 200;    /* that the sound waits for a picture that stands still */
const STILL_MS = 2000;      /* which then lasts so long, unless there is another */

export class Cutter {
    #rest = new Uint8Array(0);
    #head = [];             /* pieces of it, until the first cluster */
    #base = 0;              /* ms that a block's time counts from */
    #from = -Infinity;      /* the same, of our own cluster */
    #blocks = [];           /* that wait until it is known how long they last */
    #before = new Map();    /* track: its last block that did not have to wait any more */
    init = null;            /* the head, once it is whole */
    video = 0;              /* the number of the track, or 0 */
    newest = -1;            /* the time of the last frame that came, or of the last sound where there is no picture */

    /* More of the recording: what it makes, [{ time, key, media }]; the time is in ms. */
    push(bytes) {
        let at = 0;
        this.#rest = joined([this.#rest, bytes]);
        for (;;) {
            const found = element(this.#rest, at);
            const isMaster = found && (found.id === SEGMENT || found.id === CLUSTER);
            if (!found || (!isMaster && found.end > this.#rest.length))
                break;
            const next = isMaster ? found.begin : found.end;
            this.#take(found, this.#rest.subarray(at, next));
            at = next;
        }
        this.#rest = this.#rest.slice(at);
        return this.#pieces(this.#known());
    }

    #take({ id, begin, end }, whole) {
        if (id === CLUSTER && !this.init)
            this.init = joined(this.#head);
        if (!this.init)
            this.#head.push(whole.slice());
        const body = this.#rest.subarray(begin, end);
        if (id === TRACKS)
            this.video = videoTrack(body);
        else if (id === TIME)
            this.#base = number(body);
        const block = blockOf(id, body, this.#base);
        if (!block)
            return;
        this.#blocks.push({ ...block, data: block.data.slice() });
        if (block.track === this.video || this.video === 0)
            this.newest = block.time;
    }

    /* The blocks of which it is known how long they last. */
    #known() {
        const known = [];
        for (const block of this.#blocks) {
            block.lasts = this.#howLong(block);
            if (!(block.lasts >= 0))
                break;
            block.after = block.time - (this.#before.get(block.track)?.time ?? block.time);
            this.#before.set(block.track, block);
            known.push(block);
        }
        this.#blocks.splice(0, known.length);
        return known;
    }

    #howLong({ track, time }) {
        const next = this.#blocks.find(other => other.track === track && other.time > time);
        if (next)
            return next.time - time;
        if (track !== this.video)
            return this.#before.get(track)?.lasts;
        return this.#blocks.at(-1).time - time > PATIENCE_MS ? STILL_MS : undefined;
    }

    #pieces(blocks) {
        const pieces = [];
        for (const block of blocks) {
            const isFrame = block.track === this.video;
            if (pieces.length === 0 || (isFrame && block.key))
                pieces.push({ time: block.time, key: isFrame && block.key, media: [] });
            pieces.at(-1).media.push(block);
        }
        for (const piece of pieces)
            this.#write(piece);
        return pieces;
    }

    #write(piece) {
        const age = piece.time - this.#from;
        piece.key ||= this.video === 0 && age >= SOUND_MS;
        const begins = piece.key || age > CLUSTER_MS;
        if (begins)
            this.#from = piece.time;
        const blocks = piece.media.map(block => group(block, this.#from));
        piece.media = joined(begins
            ? [Uint8Array.from(OPEN_CLUSTER), named([TIME], fourBytes(piece.time)), ...blocks] : blocks);
    }
}

/* The frames of the picture in a piece's media: { key, data }. */
export function* frames(media, video) {
    let found = element(media, 0);
    while (found) {
        const block = blockOf(found.id, media.subarray(found.begin, found.end), 0);
        if (block && block.track === video)
            yield block;
        found = element(media, found.id === CLUSTER ? found.begin : found.end);
    }
}

/* Which track of such a head is the picture; 0: none. */
export function videoIn(init) {
    let found = element(init, 0);
    while (found && found.id !== TRACKS)
        found = element(init, found.id === SEGMENT ? found.begin : found.end);
    return found ? videoTrack(init.subarray(found.begin, found.end)) : 0;
}

function videoTrack(tracks) {
    for (const track of children(tracks, TRACK)) {
        const [one] = children(track, NUMBER), [kind] = children(track, KIND);
        if (kind && number(kind) === VIDEO)
            return number(one);
    }
    return 0;
}

function children(body, id) {
    const all = [];
    for (let found = element(body, 0); found; found = element(body, found.end))
        if (found.id === id)
            all.push(body.subarray(found.begin, found.end));
    return all;
}

/* Where the element at `at` has its bytes; null: that much has not come yet. */
function element(bytes, at) {
    const name = varying(bytes, at, true);
    const size = name && varying(bytes, at + name.length);
    if (!size)
        return null;
    const begin = at + name.length + size.length;
    return { id: name.value, begin, end: begin + size.value };
}

/* A number that says by its leading zeros how long it is. An id keeps the bit that marks them. */
function varying(bytes, at, keepsMark = false) {
    const length = Math.clz32(bytes[at]) - 23;
    if (at + length > bytes.length || length > 8 || !(bytes[at] > 0))
        return null;
    let value = keepsMark ? bytes[at] : bytes[at] & (0xff >> length);
    for (let i = 1; i < length; i++)
        value = value * 256 + bytes[at + i];
    return { value, length };
}

/* { track, time, key, data } of a block, alone or in a group; null: it is something else. */
function blockOf(id, body, base) {
    const [bare] = id === BLOCK ? [body] : id === GROUP ? children(body, BARE) : [];
    const { value: track, length } = bare && varying(bare, 0) || {};
    if (!bare || !(bare.length >= length + 3))
        return null;
    const key = id === BLOCK ? (bare[length + 2] & KEY_FRAME) !== 0 : children(body, LEANS_ON).length === 0;
    return { track, key, time: base + new DataView(bare.buffer, bare.byteOffset).getInt16(length),
             data: bare.subarray(length + 3) };
}

function number(bytes) {
    return bytes.reduce((sum, byte) => sum * 256 + byte, 0);
}

/* `after`: how long after the one that it leans on. */
function group({ time, track, key, lasts, after, data }, from) {
    const parts = [named([BARE], Uint8Array.of(0x80 | track), twoBytes(time - from), Uint8Array.of(0), data),
                   named([LASTS], fourBytes(lasts))];
    if (!key)
        parts.push(named([LEANS_ON], twoBytes(-after)));
    return named([GROUP], ...parts);
}

/* An element whose length is written in four bytes. */
function named(id, ...parts) {
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    return joined([Uint8Array.from(id), fourBytes(0x10000000 | length), ...parts]);
}

function twoBytes(value) {
    return Uint8Array.of(value >> 8, value);
}

function fourBytes(value) {
    return Uint8Array.of(value >> 24, value >> 16, value >> 8, value);
}

export function joined(parts) {
    const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) {
        all.set(part, at);
        at += part.length;
    }
    return all;
}
