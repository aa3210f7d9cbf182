/* SPDX-License-Identifier: MIT */
/* The host's desk: what is shown, and whose hand is up. */
import { byId, make } from "/wire.js";
import { deck } from "./deck.js";
import { floor, onHall } from "./event.js";

export function open(desk) {
    let at = 0;
    const show = to => {
        if (to >= 1 && to <= deck.length) {
            const { ask, ...slide } = deck[to - 1];
            floor.send({ do: "show", at: to, of: deck.length, slide, ask });
        }
    };
    onHall(hall => {
        at = hall.at;
        byId("back").disabled = at <= 1;
        byId("next").disabled = at >= deck.length;
        byId("next").textContent = at ? "Next" : "Begin";
        byId("coming").textContent = deck[at]?.title ?? "that was the last";
        byId("close").disabled = !hall.poll?.open;
        byId("hands").replaceChildren(...hall.hands.map(hand));
        byId("best").replaceChildren(...hall.best.map(({ name, points }) =>
            make("li", {}, make("span", {}, name), make("b", { className: "tally" }, String(points)))));
    });
    byId("next").addEventListener("click", () => show(at + 1));
    byId("back").addEventListener("click", () => show(at - 1));
    byId("close").addEventListener("click", () => floor.send({ do: "close" }));
    desk.hidden = false;
    countFrames();
}

function hand({ hand, name }) {
    const button = make("button", { type: "button", className: "quiet" }, "Lower");
    button.setAttribute("aria-label", `Lower the hand of ${name}`);
    button.addEventListener("click", () => floor.send({ do: "lower", hand }));
    return make("li", {}, make("span", {}, name), button);
}

/* How many frames a second were drawn in the last one. */
function countFrames() {
    const times = [];
    const frame = now => {
        times.push(now);
        while (times[0] <= now - 1000)
            times.shift();
        requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
    setInterval(() => {
        const between = (times.at(-1) - times[0]) / (times.length - 1);
        byId("fps").textContent = Math.round(1000 / between);
    }, 1000);
}
