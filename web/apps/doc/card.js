/* SPDX-License-Identifier: MIT */
/* The card of shared editing: what stands in the document "welcome", and what is drawn there. */
import { prepare } from "/apps/canvas.js";
import { make } from "/wire.js";

export async function card(element) {
    const words = make("p", { className: "one" }, "…");
    const canvas = make("canvas", { role: "img", ariaLabel: "The drawing of the document welcome" });
    element.append(words, canvas);
    let frame = 0;
    try {
        const [{ Shared }, { paint }] = await Promise.all([import("./shared.js"), import("./board.js")]);
        const shared = new Shared("welcome", { state() {}, changed: show, refused() {} });
        const view = prepare(canvas, show);
        addEventListener("pagehide", () => shared.close());
        function show() {
            frame ||= requestAnimationFrame(() => {
                frame = 0;
                words.textContent = shared.doc.getText("text").toString().split("\n").find(Boolean)?.slice(0, 200)
                    ?? "Nothing is written yet.";
                paint(shared.doc.getArray("strokes"), view);
            });
        }
    } catch {
        canvas.remove();
        words.textContent = "Yjs is not here: it is built in where npm is.";
    }
}
