/* SPDX-License-Identifier: MIT */
/* The card of the overview: what is on air, frame by frame on a canvas, since a player is more than a card needs. */
import { join } from "/duet.js";
import { make } from "/wire.js";
import { unpack } from "./piece.js";
import { frames, videoIn } from "./webm.js";

const LATE = 40;
const SILENT_MS = 5000;

export function card(element) {
    const words = make("p", {}, "Nobody is on air.");
    const canvas = make("canvas", { role: "img", ariaLabel: "What is on air" });
    const still = matchMedia("(prefers-reduced-motion: reduce)");
    let [track, decoder, timer, count] = [0, null, 0, 0];
    Object.assign(canvas.style, { height: "calc(100% - 1.8rem)", objectFit: "contain", objectPosition: "left" });
    element.append(words);

    function paint(frame) {
        if (!canvas.isConnected)
            element.append(canvas);
        [canvas.width, canvas.height] = [frame.displayWidth, frame.displayHeight];
        canvas.getContext("2d").drawImage(frame, 0, 0);
        frame.close();
    }

    function open(init) {
        track = videoIn(init);
        if (decoder?.state === "configured" || !globalThis.VideoDecoder)
            return;
        decoder = new VideoDecoder({ output: paint, error: () => {} });
        decoder.configure({ codec: "vp8", optimizeForLatency: true });
    }

    function dark(text) {
        words.textContent = text;
        canvas.remove();
    }

    function take({ head, init, media }) {
        clearTimeout(timer);
        timer = setTimeout(dark, SILENT_MS, "Nobody is on air.");
        words.textContent = `${head.name} is on air, ${head.watching} watching`;
        if (head.key)
            open(init);
        for (const { key, data } of track > 0 ? frames(media, track) : [])
            if (decoder?.state === "configured" && (key || !still.matches))
                decoder.decode(new EncodedVideoChunk({ type: key ? "key" : "delta", timestamp: count++, data }));
    }

    join("stream:stage", { last: LATE }).on("message", ({ bytes, data, time }) => {
        const piece = bytes && Date.now() - time < SILENT_MS && unpack(bytes);
        if (piece)
            take(piece);
        else if (data?.k === "end")
            dark("Nobody is on air.");
    });
}
