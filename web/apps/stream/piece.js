/* SPDX-License-Identifier: MIT */
/*
 * A message of a broadcast: a length of two bytes, a head in JSON, and media. With a key frame begins what may be
 * played from there, so such a piece has the initialisation segment with it.
 *
 *     {run, began, seq, key, type, init, time, at, name, watching}
 *
 * `run` and `began` are the broadcast's name and beginning, `seq` counts its pieces, `init` is how many bytes of
 * the segment there are, `time` the media's (ms), and `at` when that was before the camera, by the server's clock.
 */
import { tidyName } from "/apps/here.js";
import { joined } from "./webm.js";

export function pack(head, init, media) {
    const text = new TextEncoder().encode(JSON.stringify({ ...head, init: init.length }));
    return joined([Uint8Array.of(text.length >> 8, text.length), text, init, media]);
}

/* { head, init, media }, or null: any program may speak here. */
export function unpack(bytes) {
    try {
        const length = bytes[0] * 256 + bytes[1];
        const head = JSON.parse(new TextDecoder().decode(bytes.subarray(2, 2 + length)));
        const body = bytes.subarray(2 + length);
        if (!isHead(head) || head.init > body.length)
            return null;
        head.name = tidyName(head.name ?? "") || "Somebody";
        return { head, init: body.subarray(0, head.init), media: body.subarray(head.init) };
    } catch {
        return null;
    }
}

function isHead({ run, began, seq, type, init, time, at }) {
    return typeof run === "string" && run.length <= 32 && [began, time, at].every(Number.isFinite)
        && [seq, init].every(count => Number.isInteger(count) && count >= 0)
        && /^(video|audio)\/webm;codecs=[\w.,]{1,40}$/.test(type);
}
